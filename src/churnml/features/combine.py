"""The combine: every feature from the cells of its measures, in numpy, without an engine."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from churnml.features.cells import MICRO, NEVER, Cells
from churnml.features.entries import CUTOFF_MONTH, Aggregate
from churnml.features.expressions import Expression
from churnml.features.facts import Program, window_of
from churnml.features.measures import FactKey, Measure, Term
from churnml.features.places import Pairs, Places, Whole
from churnml.features.segments import SegmentPlan, Window
from churnml.features.stream import Stream
from churnml.features.values import DAY, Type, Values, numbers

__all__ = ["Pairs", "combine"]


def combine(
    program: Program,
    plan: SegmentPlan,
    cells: Mapping[FactKey, Cells],
    pairs: Pairs,
    given: Mapping[str, Values],
) -> dict[str, Values]:
    """Compute every feature of a program that is not a custom function.

    Parameters
    ----------
    program : Program
        What to compute.
    plan : SegmentPlan
        How time was cut.
    cells : mapping of FactKey to Cells
        The cells of every fact of the program, for the accounts of `pairs`.
    pairs : Pairs
        Where to compute.
    given : mapping of str to Values
        The features that are custom functions; formulas may read them.

    Returns
    -------
    dict of str to Values
        One column a feature, of length ``n_pairs``, internal and given ones among them, and the
        month that formulas may read.

    Raises
    ------
    FeatureError
        If a sum is too large to be exact.
    """
    places = Places(plan, pairs)
    streams = {key: Stream(found, places) for key, found in cells.items()}
    columns = {CUTOFF_MONTH: _month(places.instants), **given}
    for feature in program.aggregates:
        asked = _Asked(window_of(feature), program.terms[feature.name], streams)
        found = _AGGREGATES[feature.entry.aggregate or Aggregate.COUNT](asked)
        if feature.name in program.times:
            found = _days_ahead(found, places.instants)
        columns[feature.name] = found
    for name, formula in program.formulas.items():
        columns[name] = _formula(formula, columns, len(pairs))
    return columns


def _formula(formula: Expression, columns: Mapping[str, Values], size: int) -> Values:
    """Evaluate a formula; what is no finite number is not there."""
    found = formula.evaluate(columns, size)
    return Values(found.type, found.data, found.valid & np.isfinite(found.data))


def _month(instants: Whole) -> Values:
    months = instants.astype("datetime64[us]").astype("datetime64[M]").astype(np.int64)
    return numbers(months % 12 + 1)


def _days_ahead(found: Values, instants: Whole) -> Values:
    """Tell a time in days from the cutoff."""
    ahead = np.where(found.valid, found.data, 0).astype(np.int64) - instants
    return Values(Type.NUMBER, ahead / DAY, found.valid)


@dataclass(frozen=True, eq=False)
class _Asked:
    """What one feature asks of the streams."""

    window: Window
    terms: tuple[Term, ...]
    streams: Mapping[FactKey, Stream]

    def part(self, place: int) -> tuple[Stream, Measure]:
        term = self.terms[place]
        return self.streams[term.fact], term.measure

    def total(self, place: int) -> Whole:
        stream, measure = self.part(place)
        return stream.total(measure, self.window)

    def count(self) -> Values:
        return numbers(self.total(0))

    def sum(self) -> Values:
        return numbers(self.total(0) / MICRO)

    def share(self, scale: float = 1.0) -> Values:
        above, below = self.total(0) / scale, self.total(1)
        return Values(Type.NUMBER, above / np.maximum(below, 1), below > 0)

    def mean(self) -> Values:
        return self.share(MICRO)

    def extreme(self) -> Values:
        stream, measure = self.part(0)
        return stream.extreme(measure, self.window)

    def last(self) -> Values:
        stream, measure = self.part(0)
        return stream.last(measure, self.window)

    def distinct(self) -> Values:
        stream, measure = self.part(0)
        return numbers(stream.distinct(measure, self.window))

    def days(self) -> Values:
        stream, measure = self.part(0)
        return numbers(stream.days(measure, self.window))

    def days_since(self) -> Values:
        stream, measure = self.part(0)
        when = stream.event(measure)
        since = (stream.places.instants - when) / DAY
        return Values(Type.NUMBER, since, when != NEVER)

    def streak(self) -> Values:
        (rows, every), (broken, breaks) = self.part(0), self.part(1)
        return numbers(rows.rank(every) - broken.rank(breaks))


_AGGREGATES: Mapping[Aggregate, Callable[[_Asked], Values]] = {
    Aggregate.COUNT: _Asked.count,
    Aggregate.SUM: _Asked.sum,
    Aggregate.MEAN: _Asked.mean,
    Aggregate.MIN: _Asked.extreme,
    Aggregate.MAX: _Asked.extreme,
    Aggregate.DISTINCT: _Asked.distinct,
    Aggregate.DISTINCT_DAYS: _Asked.days,
    Aggregate.SHARE: _Asked.share,
    Aggregate.LAST: _Asked.last,
    Aggregate.DAYS_SINCE_LAST: _Asked.days_since,
    Aggregate.DAYS_SINCE_FIRST: _Asked.days_since,
    Aggregate.STREAK: _Asked.streak,
}
