"""Rows of features out of JSON: read strictly, straight to the matrix that a bundle scores."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import ValidationError
from pydantic_core import SchemaValidator, core_schema

from churnml.serving.documents import ID_LENGTH, ISO_TIME
from churnml.serving.problems import Fault, Names, Problem, unfit
from churnml.serving.scorer import Rows
from churnml.training.encoding import FeatureKind

if TYPE_CHECKING:
    import numpy.typing as npt
    from pydantic_core import CoreSchema

    from churnml.explain.reasons import Value
    from churnml.training.bundle import Bundle

FIELDS = ("account_id", "as_of", "arr", "features")
_EPOCH = dt.datetime(1970, 1, 1)
_A_DAY = 86_400e6  # microseconds


def instant(text: str) -> dt.datetime:
    """Read a date or a time of ISO 8601 as UTC and naive; one without a zone is UTC already.

    Raises
    ------
    ValueError
        If there is no such time.
    """
    found = dt.datetime.fromisoformat(text)
    if found.tzinfo is None:
        return found
    try:
        return found.astimezone(dt.UTC).replace(tzinfo=None)
    except OverflowError as error:
        raise ValueError("a time within the years 1 to 9999 was expected") from error


def _or_null(schema: CoreSchema) -> CoreSchema:
    return core_schema.nullable_schema(schema)


_NUMBER = core_schema.float_schema(strict=True, allow_inf_nan=False)
_TIME = core_schema.no_info_after_validator_function(
    instant, core_schema.str_schema(strict=True, pattern=ISO_TIME)
)
_KINDS: Mapping[FeatureKind, CoreSchema] = {
    FeatureKind.NUMBER: _or_null(_NUMBER),
    FeatureKind.BOOLEAN: _or_null(core_schema.bool_schema(strict=True)),
    FeatureKind.CATEGORY: _or_null(core_schema.str_schema(strict=True)),
    FeatureKind.DATE: _or_null(_TIME),
}


@dataclass(frozen=True, eq=False)
class Read:
    """Rows as they were read.

    Parameters
    ----------
    of : Rows
        Of whom they are; an account that was not named is the empty name.
    matrix : ndarray (n, n_features)
        Encoded.
    values : sequence of mapping of str to value
        Before they were encoded.
    """

    of: Rows
    matrix: npt.NDArray[np.float64]
    values: Sequence[Mapping[str, Value]]


class RowReader:
    """Reads rows for one bundle.

    Parameters
    ----------
    bundle : Bundle
        Knows the features.
    """

    def __init__(self, bundle: Bundle) -> None:
        kinds = bundle.model.encoding.kinds
        self._names = Names((*FIELDS, "rows"), tuple(kinds))
        self._codes = [
            (
                place,
                {value: float(code) for code, value in enumerate(bundle.model.encoding.codes[k])},
            )
            for place, k in enumerate(kinds)
            if k in bundle.model.encoding.codes
        ]
        self._dates = [place for place, k in enumerate(kinds.values()) if k is FeatureKind.DATE]
        row = _row_schema(kinds)
        self._row = SchemaValidator(row)
        self._batch = SchemaValidator(
            _closed(
                {"rows": core_schema.typed_dict_field(core_schema.list_schema(row, min_length=1))}
            )
        )

    def row(self, body: bytes) -> Read:
        """Read one row.

        Raises
        ------
        Problem
            400 if it is no JSON; 422 naming every place where it does not fit.
        """
        return self.rows([self._valid(self._row, body)])

    def batch(self, body: bytes, most: int) -> Read:
        """Read ``{"rows": [...]}``, at most so many.

        Raises
        ------
        Problem
            As for `row`.
        """
        rows = self._valid(self._batch, body)["rows"]
        if len(rows) > most:
            raise too_many(len(rows), most)
        return self.rows(rows)

    def parsed(self, body: bytes) -> dict[str, Any]:
        """Read one row as it stands, to be encoded with others by `rows`; raises as `row`."""
        found: dict[str, Any] = self._valid(self._row, body)
        return found

    def rows(self, rows: Sequence[dict[str, Any]]) -> Read:
        """Encode rows that were read."""
        values = [row["features"] for row in rows]
        of = Rows(
            [row.get("account_id") or "" for row in rows],
            [row.get("as_of") for row in rows],
            [row.get("arr") for row in rows],
        )
        # Features stand in the order of the schema, which is the model's, whatever the body's was.
        numbers = [self._encoded(list(row.values())) for row in values]
        return Read(of, np.array(numbers, dtype=np.float64), values)

    def _encoded(self, row: list[Any]) -> list[Any]:
        for place, codes in self._codes:
            row[place] = codes.get(row[place])
        for place in self._dates:
            if row[place] is not None:
                row[place] = (row[place] - _EPOCH) // dt.timedelta(microseconds=1) / _A_DAY
        return row

    def _valid(self, schema: SchemaValidator, body: bytes) -> Any:
        try:
            return schema.validate_json(body)
        except ValidationError as error:
            raise unfit(error.errors(include_url=False, include_input=False), self._names) from None


def too_many(count: int, most: int) -> Problem:
    """Refuse more rows than one request may have."""
    why = f"{count:,} were sent; at most {most:,} are taken at once."
    return Problem(422, "too-many", why, faults=[Fault("rows", why)])


def _closed(fields: dict[str, Any]) -> CoreSchema:
    return core_schema.typed_dict_schema(fields, extra_behavior="forbid")


def _row_schema(kinds: Mapping[str, FeatureKind]) -> CoreSchema:
    def optional(schema: CoreSchema) -> Any:
        return core_schema.typed_dict_field(_or_null(schema), required=False)

    name = core_schema.str_schema(strict=True, min_length=1, max_length=ID_LENGTH)
    features = {k: core_schema.typed_dict_field(_KINDS[kind]) for k, kind in kinds.items()}
    return _closed(
        {
            "account_id": optional(name),
            "as_of": optional(_TIME),
            "arr": optional(_NUMBER),
            "features": core_schema.typed_dict_field(_closed(features)),
        }
    )
