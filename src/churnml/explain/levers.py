"""Levers: which features of a family can be moved, together, without breaking what others say.

What a formula makes of other columns is computed anew when they move. What cannot be computed is
taken over together with all else of its family, from somebody of whom it was true. Where neither
can be done, the feature stays as it is, and so does whatever it reads.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from churnml.features.entries import CUTOFF_MONTH, Aggregate
from churnml.features.values import Type, Values

if TYPE_CHECKING:
    from churnml.features.catalogue import Catalogue, Feature
    from churnml.features.expressions import Expression


Floats = npt.NDArray[np.float64]
Rows = tuple[str | None, int | None, int]  # table, window and offset
COUNTS = {Aggregate.COUNT, Aggregate.DISTINCT, Aggregate.DISTINCT_DAYS}


@dataclass(frozen=True)
class Lever:
    """What of one family moves together.

    Parameters
    ----------
    family, title : str
        The family, and what it is called before people.
    features : tuple of str
        Its actionable features, but for those that are computed from other columns or must stay.
    counts : tuple of str
        What stays and counts rows of the same tables and windows: a share of two messages is not
        that of five.
    """

    family: str
    title: str
    features: tuple[str, ...]
    counts: tuple[str, ...]


@dataclass(frozen=True)
class Formula:
    """A formula that can be computed from columns at hand.

    Parameters
    ----------
    name : str
        What it gives.
    expression : Expression
        The formula.
    reads : frozenset of str
        The columns at hand that it depends on, through whatever formulas lie between.
    is_column : bool
        Whether it is a column itself, and not only a step to one.
    """

    name: str
    expression: Expression
    reads: frozenset[str]
    is_column: bool


@dataclass(frozen=True)
class Levers:
    """All levers of a model.

    Parameters
    ----------
    families : tuple of Lever
        In the catalogue's order.
    formulas : tuple of Formula
        What is to be computed anew, each after what it reads.
    """

    families: tuple[Lever, ...]
    formulas: tuple[Formula, ...]

    @property
    def movable(self) -> frozenset[str]:
        """Every column that may change."""
        copied = {name for lever in self.families for name in lever.features}
        return frozenset(copied | {item.name for item in self.formulas if item.is_column})

    def compute(self, features: Sequence[str], one: Floats, rows: Floats) -> None:
        """Compute anew, in place, what depends on columns by which rows differ from one.

        Parameters
        ----------
        features : sequence of str
            The columns of the model, in the order of the rows.
        one : ndarray (n_features,)
            What the rows were made from; nan where there is no value.
        rows : ndarray (n, n_features)
            The rows.
        """
        at = {name: place for place, name in enumerate(features)}
        steps: dict[str, Values] = {}
        for item in self.formulas:
            columns = {
                name: steps[name] if name in steps else _values(rows[:, at[name]])
                for name in item.expression.columns
            }
            values = item.expression.evaluate(columns, len(rows))
            if not item.is_column:
                steps[item.name] = values
                continue
            places = [at[name] for name in item.reads]
            moved = (rows[:, places] != one[places]) & ~np.isnan(one[places])
            made = np.where(values.valid, values.data.astype(np.float64), np.nan)
            place = at[item.name]
            rows[:, place] = np.where(moved.any(axis=1), made, rows[:, place])


def _values(numbers: Floats) -> Values:
    there = ~np.isnan(numbers)
    return Values(Type.NUMBER, np.where(there, numbers, 0.0), there)


def find_levers(
    catalogue: Catalogue,
    features: Collection[str],
    *,
    numbers: Collection[str],
    texts: Collection[str],
) -> Levers:
    """Find out what can be moved.

    Parameters
    ----------
    catalogue : Catalogue
        Families, formulas, and what is actionable.
    features : collection of str
        The columns of the model.
    numbers, texts : collection of str
        Those that hold numbers, and those that hold text; what holds neither stays. Of text
        nothing is computed.
    """
    names = set(features)
    formulas = _formulas(catalogue, names, set(numbers))
    columns = [feature for feature in catalogue.features if feature.name in names]
    fixed = {
        feature.name
        for feature in columns
        if not feature.entry.actionable or feature.name not in {*numbers, *texts}
    }
    staying = _staying(catalogue, columns, formulas, fixed)
    made = tuple(
        item for item in formulas.values() if not item.is_column or item.name not in staying
    )
    copied: dict[str, list[str]] = {}
    for feature in columns:
        if feature.name not in staying and feature.name not in formulas:
            copied.setdefault(feature.family, []).append(feature.name)
    counts = [
        (feature.name, found)
        for feature in columns
        if feature.name in staying and (found := _counted(catalogue, feature, names))
    ]
    return Levers(
        tuple(
            Lever(
                family,
                catalogue.titles[family],
                tuple(moved),
                _beside(catalogue, moved, counts, names),
            )
            for family, moved in copied.items()
        ),
        made,
    )


def _aggregates(catalogue: Catalogue, feature: Feature, features: Collection[str]) -> list[Feature]:
    """Give the aggregates that a feature rests on, but for those that are columns themselves."""
    formula = feature.expression("formula")
    if formula is None:
        return [feature]
    inner = [n for n in formula.columns if n not in features and n != CUTOFF_MONTH]
    return [x for n in inner for x in _aggregates(catalogue, catalogue.get(n), features)]


def _rows(aggregates: Iterable[Feature]) -> set[Rows]:
    return {(x.entry.table, x.window, x.offset) for x in aggregates if x.entry.table is not None}


def _counted(catalogue: Catalogue, feature: Feature, features: Collection[str]) -> set[Rows]:
    """Tell of which rows a feature is a number; of none if it is told in anything else."""
    found = _aggregates(catalogue, feature, features)
    return _rows(found) if all(x.entry.aggregate in COUNTS for x in found) else set()


def _beside(
    catalogue: Catalogue,
    moved: Iterable[str],
    counts: Iterable[tuple[str, set[Rows]]],
    features: Collection[str],
) -> tuple[str, ...]:
    """Name the counts of rows that something which moves is told of."""
    rests = (_aggregates(catalogue, catalogue.get(name), features) for name in moved)
    rows = _rows(x for found in rests for x in found)
    return tuple(name for name, found in counts if found & rows)


def reads(catalogue: Catalogue, feature: Feature, features: Collection[str]) -> set[str]:
    """Name the model's columns that a formula depends on, through what is none.

    Parameters
    ----------
    catalogue : Catalogue
        The formulas.
    feature : Feature
        Any; one without a formula depends on none.
    features : collection of str
        The columns of the model.
    """
    formula = feature.expression("formula")
    found: set[str] = set()
    for name in () if formula is None else formula.columns:
        if name in features:
            found.add(name)
        elif name != CUTOFF_MONTH:
            found |= reads(catalogue, catalogue.get(name), features)
    return found


def _formulas(catalogue: Catalogue, features: set[str], numbers: set[str]) -> dict[str, Formula]:
    """Find the formulas that can be computed, in the order of the catalogue."""
    found: dict[str, Formula] = {}
    for feature in catalogue.features:
        expression = feature.expression("formula")
        if expression is None:
            continue
        if all(name in numbers or name in found for name in expression.columns):
            parts = frozenset(reads(catalogue, feature, features))
            found[feature.name] = Formula(feature.name, expression, parts, feature.name in features)
    return found


def _staying(
    catalogue: Catalogue,
    columns: list[Feature],
    formulas: Mapping[str, Formula],
    fixed: set[str],
) -> set[str]:
    """Name the columns that must not move: fixed, or tied to what is."""
    names = {feature.name for feature in columns}
    parts = {feature.name: reads(catalogue, feature, names) for feature in columns}
    staying = set(fixed)
    while True:
        before = len(staying)
        for feature in columns:
            name = feature.name
            apart = {n for n in parts[name] if catalogue.get(n).family != feature.family}
            if name not in formulas and (apart or parts[name] & staying):
                staying.add(name)
            if name in staying:
                staying |= parts[name]
        if len(staying) == before:
            return staying
