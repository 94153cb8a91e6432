"""Rows of a contract's table out of JSON, checked strictly: what breaks the contract is named.

What reading sources sets aside row by row is refused here in its place, since whoever sends JSON
can mend it: an unknown column, another kind, an impossible value, a time before the one it must
follow, a value without the time at which it became known.
"""

from __future__ import annotations

import datetime as dt
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from pydantic import ValidationError
from pydantic_core import InitErrorDetails, PydanticCustomError, SchemaValidator, core_schema

from churnml.history.conversions import EXPECTED
from churnml.history.memory import ARROW_TYPES
from churnml.history.tables import ACCOUNT_ID, RECORDED_AT, Column, Kind, Table
from churnml.serving.documents import ID_LENGTH, ISO_TIME
from churnml.serving.problems import Fault, shown, unknown
from churnml.serving.rows import instant

if TYPE_CHECKING:
    from pydantic_core import CoreSchema, ErrorDetails

Row = dict[str, Any]

_ISO = re.compile(ISO_TIME)
_FIRST, _LAST = dt.datetime(1900, 1, 1), dt.datetime(2200, 1, 1)
_INT64 = 2**63
FAULTS = 20  # that are told


@dataclass(frozen=True, eq=False)
class ReadRows:
    """Rows as they were read.

    Parameters
    ----------
    rows : pyarrow.Table
        The sound ones, in their order, with all columns of the contract in its types.
    places : tuple of int
        Where each of them stood in what was sent.
    faults : tuple of Fault
        What is wrong with the others, in their order; the first ones, if there are many.
    """

    rows: pa.Table
    places: tuple[int, ...]
    faults: tuple[Fault, ...]


class ContractRows:
    """Reads rows of one table.

    Parameters
    ----------
    table : Table
        The contract, with the columns that a row may have.
    account_given : bool
        Whether the account is given elsewhere, so that a row need not repeat it.
    """

    def __init__(self, table: Table, *, account_given: bool = False) -> None:
        self.table = table
        self._names = frozenset(table.names)
        self._schema = pa.schema([(c.name, ARROW_TYPES[c.kind]) for c in table.columns])
        self._row = SchemaValidator(_row_schema(table, account_given=account_given))

    def read(
        self,
        sent: Sequence[object],
        *,
        at: str = "",
        account_id: str | None = None,
        most: int = FAULTS,
    ) -> ReadRows:
        """Read rows.

        Parameters
        ----------
        sent : sequence of object
            What JSON gave in their places.
        at : str
            Where they stood, which the places of faults begin with.
        account_id : str, optional
            Whose rows they are: put where a row names nobody, and refused where one names another.
        most : int
            After so many faults no further row is looked at: to word each takes time.
        """
        rows: list[Row] = []
        places: list[int] = []
        faults: list[Fault] = []
        for place, item in enumerate(sent):
            if len(faults) >= most:
                break
            where = f"{at}.{place}" if at else str(place)
            if isinstance(item, dict) and len(item) > len(self._names):
                # To look at hundreds of thousands of columns one by one would take seconds.
                strange = (name for name in item if name not in self._names)
                first = islice(strange, most - len(faults))
                faults += (self._unknown(where, name) for name in first)
                continue
            try:
                row = self._row.validate_python(item)
            except ValidationError as error:
                broken = error.errors(include_url=False, include_input=False)
                faults += (self._fault(where, found) for found in broken[: most - len(faults)])
                continue
            if account_id is not None and row.setdefault(ACCOUNT_ID, account_id) != account_id:
                faults.append(
                    Fault(f"{where}.{ACCOUNT_ID}", f"another account; {account_id!r} was expected.")
                )
                continue
            rows.append(row)
            places.append(place)
        return ReadRows(
            pa.Table.from_pylist(rows, schema=self._schema), tuple(places), tuple(faults)
        )

    def repeats(self, read: ReadRows, *, at: str = "") -> tuple[Fault, ...]:
        """Name the rows whose key an earlier one has; of rows without identity none."""
        if not self.table.key:
            return ()
        names = ", ".join(self.table.key)
        first: dict[tuple[object, ...], int] = {}
        found = []
        keys = zip(*(read.rows[name].to_pylist() for name in self.table.key), strict=True)
        for place, key in zip(read.places, keys, strict=True):
            if (earlier := first.setdefault(key, place)) != place:
                where = f"{at}.{place}" if at else str(place)
                found.append(Fault(where, f"row {earlier} has the same {names}; one was expected."))
        return tuple(found)

    def _fault(self, where: str, found: ErrorDetails) -> Fault:
        column = str(found["loc"][0]) if found["loc"] else None
        if found["type"] == "extra_forbidden":
            return self._unknown(where, str(column))
        at = where if column is None else f"{where}.{column}"
        if found["type"] == "missing":
            return Fault(at, f"missing: {self.table.column(str(column)).doc}.")
        if found["type"] == "dict_type":
            return Fault(at, "an object with a value for each column was expected.")
        return Fault(at, f"{found['msg'].removeprefix('Value error, ').rstrip('.')}.")

    def _unknown(self, where: str, column: str) -> Fault:
        return Fault(f"{where}.{shown(column)}", unknown(column, self.table.names))


def _row_schema(table: Table, *, account_given: bool) -> CoreSchema:
    needed = {c.name for c in table.columns if c.required} | {ACCOUNT_ID, table.time, *table.key}
    if table.replaced is None:
        needed.discard(RECORDED_AT)  # its event time stands for it
    if account_given:
        needed.discard(ACCOUNT_ID)
    fields = {
        c.name: core_schema.typed_dict_field(
            _value(c) if c.name in needed else core_schema.nullable_schema(_value(c)),
            required=c.name in needed,
        )
        for c in table.columns
    }
    if account_given:
        fields[ACCOUNT_ID] = core_schema.typed_dict_field(
            _value(table.column(ACCOUNT_ID)), required=False
        )
    rules = _Rules(table)
    closed = core_schema.typed_dict_schema(fields, extra_behavior="forbid")
    return core_schema.no_info_after_validator_function(rules.kept, closed)


def _value(column: Column) -> CoreSchema:
    if column.choices:
        return core_schema.literal_schema(list(column.choices))
    match column.kind:
        case Kind.ID:
            text = core_schema.str_schema(strict=True, min_length=1, max_length=ID_LENGTH)
            return core_schema.no_info_after_validator_function(_id, text)
        case Kind.STRING:
            return core_schema.str_schema(strict=True, min_length=1 if column.required else None)
        case Kind.NUMBER:
            return core_schema.float_schema(
                strict=True, allow_inf_nan=False, ge=column.minimum, le=column.maximum
            )
        case Kind.INTEGER:
            low, high = column.minimum, column.maximum
            return core_schema.int_schema(
                strict=True,
                ge=-_INT64 if low is None else math.ceil(low),
                le=_INT64 - 1 if high is None else math.floor(high),
            )
        case Kind.BOOLEAN:
            return core_schema.bool_schema(strict=True)
        case Kind.TIME:
            text = core_schema.str_schema(strict=True)
            return core_schema.no_info_after_validator_function(_time, text)


def _id(text: str) -> str:
    if "\0" in text:  # which PostgreSQL keeps in no text
        raise _said("an id without the character NUL was expected")
    return text


def _time(text: str) -> dt.datetime:
    """Read a time as UTC and naive, as clean history has it."""
    if not _ISO.fullmatch(text):
        raise _said(f"{EXPECTED[Kind.TIME]} was expected, such as 2024-01-31T09:30:00Z")
    found = instant(text)
    if not _FIRST <= found < _LAST:
        raise _said("a year from 1900 to 2199 was expected")
    return found


def _said(why: str) -> PydanticCustomError:
    return PydanticCustomError("contract", "{why}", {"why": why})


class _Rules:
    """What the columns of one row must be to each other."""

    def __init__(self, table: Table) -> None:
        self._after = [(c.name, c.after) for c in table.columns if c.after is not None]
        self._known = [
            (c.name, c.known)
            for c in table.columns
            if c.known not in {None, c.name, RECORDED_AT}  # which the event time stands for
        ]

    def kept(self, row: Row) -> Row:
        """Give a row that keeps them."""
        faults: list[tuple[str, str]] = []
        for name, after in self._after:
            time, earlier = row.get(name), row.get(after)
            if time is not None and earlier is not None and time < earlier:
                faults.append((name, f"it lies before {after}"))
        faults += (
            (name, f"{known} beside it was expected, at which it became known")
            for name, known in self._known
            if row.get(name) is not None and row.get(known) is None
        )
        if faults:
            raise ValidationError.from_exception_data(
                "row",
                [
                    InitErrorDetails(type=_said(why), loc=(name,), input=None)
                    for name, why in faults
                ],
            )
        return row
