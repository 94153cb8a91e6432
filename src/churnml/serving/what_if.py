"""What if: the score of an account in which somebody changed what can be acted on.

What the catalogue computes from a changed value is computed anew; what it rules out beside one is
said. The model says what goes with such values, not what would come of the change.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import ValidationError
from pydantic_core import to_json

from churnml.explain.contradictions import ChangedRow, contradictions
from churnml.serving.answers import answer, utc
from churnml.serving.changed import difference
from churnml.serving.documents import WhatIf
from churnml.serving.problems import Fault, Names, Problem, misfit, unfit
from churnml.serving.rows import instant
from churnml.serving.scorer import score_matrix
from churnml.training.encoding import FeatureKind

if TYPE_CHECKING:
    from churnml.explain.levers import Levers
    from churnml.explain.reasons import Value
    from churnml.features.catalogue import Catalogue
    from churnml.serving.bundles import Loaded

Values = Mapping[str, "Value"]


@dataclass(frozen=True, eq=False)
class Subject:
    """Of whom it is asked.

    Parameters
    ----------
    account_id : str or None
        The account; none where features were sent.
    as_of : datetime or None
        As of when, UTC and naive.
    arr : float or None
        Its annual recurring revenue.
    values : mapping of str to value or None
        Its features in the model's order; none where history is to tell.
    """

    account_id: str | None
    as_of: dt.datetime | None
    arr: float | None
    values: Values | None


@dataclass(frozen=True, eq=False)
class Question:
    """What is asked of one bundle.

    Parameters
    ----------
    loaded : Loaded
        The bundle.
    subject : Subject
        Of whom.
    changes : mapping of str to value
        By feature.
    """

    loaded: Loaded
    subject: Subject
    changes: Values
    _catalogue: Catalogue
    _levers: Levers

    @classmethod
    def read(cls, content: bytes, loaded: Loaded) -> Question:
        """Read a body.

        Raises
        ------
        Problem
            400 if it is no JSON; 409 if no feature of the model can be acted on, since it was
            trained on a flat table; 422 naming every place where it does not fit.
        """
        catalogue, levers = loaded.bundle.catalogue, loaded.levers
        if catalogue is None or levers is None:
            raise Problem(
                409,
                "no-catalogue",
                "the model was trained on a flat table; nothing says which of its columns somebody "
                "can act on. POST /v1/scores/features scores a row with other values.",
            )
        wanted = _wanted(content)
        changes = _changes(wanted.changes, loaded, catalogue)
        return cls(loaded, _subject(wanted, loaded), changes, catalogue, levers)

    def answer(self, subject: Subject) -> dict[str, Any]:
        """Score before and after, and tell what is between them; `subject` has its values."""
        before = dict(subject.values or {})
        given = {**before, **self.changes}
        read = self.loaded.reader.rows([_row(subject, before), _row(subject, given)])
        matrix = read.matrix.copy()
        self._levers.compute(self.loaded.bundle.features, matrix[0], matrix[1:])
        after: dict[str, Value] = dict(given)
        for place, name in enumerate(self.loaded.bundle.features):
            if name in self.changes:
                matrix[1, place] = read.matrix[1, place]
            elif not np.array_equal(matrix[1, place], read.matrix[1, place], equal_nan=True):
                made = float(matrix[1, place])
                after[name] = None if math.isnan(made) else made
        rows = before, after
        scored = score_matrix(self.loaded.bundle, read.of, matrix, rows, self.loaded.telling)
        first, second = (
            answer(item, self.loaded, unseen=self.loaded.unseen(row))
            for item, row in zip(scored, rows, strict=True)
        )
        changed = ChangedRow(before, self.changes, after)
        return {
            "before": first,
            "after": second,
            "difference": difference(first, second),
            "moved": [
                {
                    "feature": name,
                    "before": _plain(before[name]),
                    "after": _plain(after[name]),
                    "given": name in self.changes,
                }
                for name in changed.moved
            ],
            "warnings": list(contradictions(changed, self._catalogue, self._levers)),
        }


def _wanted(content: bytes) -> WhatIf:
    try:
        found = WhatIf.model_validate_json(content)
    except ValidationError as error:
        names = Names(tuple(WhatIf.model_fields))
        raise unfit(error.errors(include_url=False, include_input=False), names) from None
    if (found.account_id is None) == (found.features is None):
        which = "neither was" if found.account_id is None else "both were"
        raise _one("account_id", f"it or features was expected; {which} given.")
    if found.features is None and found.arr is not None:
        raise _one("arr", "history tells that of an account; it goes with features.")
    return found


def _subject(wanted: WhatIf, loaded: Loaded) -> Subject:
    try:
        as_of = None if wanted.as_of is None else instant(wanted.as_of)
    except ValueError as error:
        raise _one("as_of", f"{error}.") from None
    if wanted.features is None:
        return Subject(wanted.account_id, as_of, None, None)
    values = loaded.reader.parsed(to_json({"features": wanted.features}))["features"]
    return Subject(None, as_of, wanted.arr, values)


def _changes(sent: Values, loaded: Loaded, catalogue: Catalogue) -> Values:
    """Read the changes as a row of nothing else is read, and refuse what nobody can do."""
    row = {**dict.fromkeys(loaded.bundle.features), **sent}
    try:
        values = loaded.reader.parsed(to_json({"features": row}))["features"]
    except Problem as problem:
        there = [
            Fault(item.at.replace("features", "changes", 1), item.why) for item in problem.faults
        ]
        raise misfit(there, len(there)) from None
    faults = [
        Fault(f"changes.{name}", why)
        for name in sent
        if (why := _impossible(name, values[name], catalogue))
    ]
    if faults:
        raise misfit(faults, len(faults))
    return {name: values[name] for name in sent}


def _impossible(name: str, value: Value, catalogue: Catalogue) -> str:
    """Say why a value cannot be what somebody makes of a feature; nothing where it can."""
    feature = catalogue.get(name)
    if not feature.entry.actionable:
        return "nobody can act on it. GET /v1/model tells which features somebody can."
    if value is None:
        return "a value was expected; that it is not known is nothing that somebody does."
    low, high = feature.bounds
    if isinstance(value, float) and not (
        (low is None or low <= value) and (high is None or value <= high)
    ):
        ends = [f"at least {low:g}"] if low is not None else []
        ends += [f"at most {high:g}"] if high is not None else []
        return f"{' and '.join(ends)} was expected: that is the range that it is declared to have."
    return ""


def _row(subject: Subject, values: Mapping[str, Value]) -> dict[str, Any]:
    return {
        "account_id": subject.account_id,
        "as_of": subject.as_of,
        "arr": subject.arr,
        "features": values,
    }


def _plain(value: Value) -> Value | str:
    return utc(value) if isinstance(value, dt.datetime) else value


def _one(at: str, why: str) -> Problem:
    return misfit([Fault(at, why)], 1)


def example(loaded: Loaded) -> dict[str, Any]:
    """Give a body that the model answers; of a flat table nothing can be asked."""
    row = loaded.example["features"]
    catalogue, kinds = loaded.bundle.catalogue, loaded.bundle.model.encoding.kinds
    changes = {
        name: row[name]
        for name, kind in kinds.items()
        if kind is FeatureKind.NUMBER and row[name] is not None and catalogue is not None
        if catalogue.get(name).entry.actionable
    }
    return {"features": row, "arr": 12_000.0, "changes": dict(list(changes.items())[:1])}
