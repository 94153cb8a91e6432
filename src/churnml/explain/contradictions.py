"""Contradictions: what of a row that somebody changed cannot be true beside the rest of it.

Only what the catalogue itself rules out is told: a formula that its parts do not give, a count
above one that counts the same rows and more, a share of rows that are said to be none.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from churnml.explain.levers import COUNTS, Levers, reads
from churnml.explain.reasons import Value, sentence_of
from churnml.features.entries import Aggregate

if TYPE_CHECKING:
    from churnml.features.catalogue import Catalogue, Feature

Row = Mapping[str, Value]

# What is told of rows, and has no value where there is none.
_OF_SOME = {Aggregate.SHARE, Aggregate.MEAN, Aggregate.MIN, Aggregate.MAX}


@dataclass(frozen=True, eq=False)
class ChangedRow:
    """A row in which somebody put other values.

    Parameters
    ----------
    before : mapping of str to value
        The account's own, by feature of the model.
    given : mapping of str to value
        What was put in their place.
    after : mapping of str to value
        The whole row then, with what was computed anew from what was given.
    """

    before: Row
    given: Row
    after: Row

    @property
    def moved(self) -> tuple[str, ...]:
        """The features whose values are others."""
        return tuple(name for name, value in self.after.items() if value != self.before[name])


def contradictions(row: ChangedRow, catalogue: Catalogue, levers: Levers) -> tuple[str, ...]:
    """Say what of a changed row cannot be true together.

    Parameters
    ----------
    row : ChangedRow
        The row; what was given stands in it as it was given.
    catalogue : Catalogue
        What the features are.
    levers : Levers
        What can be computed anew.

    Returns
    -------
    tuple of str
        Sentences, feature by feature in the order of the catalogue; none where nothing is known
        that rules the row out.
    """
    columns = [feature for feature in catalogue.features if feature.name in row.after]
    computed = {item.name: item.reads for item in levers.formulas if item.is_column}
    moved = set(row.moved)
    found: list[str] = []
    for feature in columns:
        if feature.name in row.given:
            found += _appeared(feature, row, catalogue)
            found += _made(feature, row, reads(catalogue, feature, row.after.keys()))
        elif feature.name not in computed:
            found += _left(feature, reads(catalogue, feature, row.after.keys()) & moved)
    for one in columns:
        for other in columns if one.name in moved else (x for x in columns if x.name in moved):
            if one is not other:
                found += _above(one, other, row)
                found += _of_none(one, other, row)
    return tuple(found)


def _appeared(feature: Feature, row: ChangedRow, catalogue: Catalogue) -> Iterator[str]:
    if row.before[feature.name] is None:
        said = sentence_of(feature, row.before, catalogue)
        yield (
            f"{feature.name!r} had no value ({said}), and the other features of its family still "
            "tell of an account of which it has none."
        )


def _made(feature: Feature, row: ChangedRow, parts: Collection[str]) -> Iterator[str]:
    if parts and row.before[feature.name] != row.given[feature.name]:
        yield (f"{feature.name!r} is computed from {_listed(parts)}: change these, and it follows.")


def _left(feature: Feature, parts: Collection[str]) -> Iterator[str]:
    if parts:
        yield (
            f"{feature.name!r} is computed from {_listed(parts)} and from what is not at hand, so "
            "it stays as it was."
        )


def _above(one: Feature, other: Feature, row: ChangedRow) -> Iterator[str]:
    few, many = row.after[one.name], row.after[other.name]
    if not isinstance(few, float) or not isinstance(many, float) or few <= many:
        return
    if _holds(other, one):
        yield (
            f"{one.name!r} would be {few:g} and {other.name!r} {many:g}, which counts the same "
            "rows and more: it cannot be less."
        )


def _of_none(one: Feature, other: Feature, row: ChangedRow) -> Iterator[str]:
    same = _rows(one) == _rows(other) and _counts_all(one) and other.entry.aggregate in _OF_SOME
    if same and row.after[one.name] == 0.0 and row.after[other.name] is not None:
        yield f"{one.name!r} would be 0, and {other.name!r} still tells of such rows."


def _holds(many: Feature, few: Feature) -> bool:
    """Whether one feature counts every row that another counts."""
    if few.entry.aggregate not in COUNTS or many.entry.aggregate not in COUNTS:
        return False
    if (few.entry.table, few.entry.at) != (many.entry.table, many.entry.at):
        return False
    if many.entry != few.entry and not _counts_all(many):
        return False
    if few.window is None or few.offset or many.offset:
        return (few.window, few.offset) == (many.window, many.offset)
    return many.window is None or few.window <= many.window


def _counts_all(feature: Feature) -> bool:
    entry = feature.entry
    return entry.aggregate is Aggregate.COUNT and entry.where is None and entry.value is None


def _rows(feature: Feature) -> tuple[str | None, str | None, int | None, int]:
    return feature.entry.table, feature.entry.at, feature.window, feature.offset


def _listed(names: Collection[str]) -> str:
    return ", ".join(repr(name) for name in sorted(names))
