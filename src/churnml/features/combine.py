"""The combine: every (cutoff, window) from the cells of its segments, in numpy, without an engine.

Cells that became known in the segment in which they happened are laid out as accounts × segments
and summed up along time, so that a window is the difference of two columns. A cell that became
known later counts for the cutoffs after that and as long as a window reaches back to it: a run of
cutoffs, added where it begins and taken away where it ends.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from churnml.features.catalogue import CUTOFF_MONTH, Aggregate, Feature
from churnml.features.cells import MICRO, NEVER, NULL_LEVEL, Cells, Last
from churnml.features.expressions import DAY, Type, Values
from churnml.features.facts import Cell, FactKey, Measure, Program, Term, window_of
from churnml.features.segments import SegmentPlan, Window

Numbers = NDArray[np.float64]
Whole = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Pairs:
    """The (account, cutoff) pairs to compute, by position.

    Parameters
    ----------
    account : ndarray of int64 (n_pairs,)
        Position of the account, below `n_accounts`.
    cutoff : ndarray of int64 (n_pairs,)
        Position in the plan's cutoffs.
    n_accounts : int
        How many accounts the cells may name.
    """

    account: NDArray[np.int64]
    cutoff: NDArray[np.int64]
    n_accounts: int


def combine(
    program: Program, plan: SegmentPlan, cells: Mapping[FactKey, Cells], pairs: Pairs
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

    Returns
    -------
    dict of str to Values
        One column a feature, of length ``n_pairs``, internal ones among them.
    """
    places = _Places(plan, pairs)
    sources = {key: _Source(found, places) for key, found in cells.items()}
    columns: dict[str, Values] = {}
    month = _month(places.instants)
    for feature in program.catalogue.features:
        formula = feature.expression("formula")
        if formula is not None:
            read = {name: columns[name] for name in formula.columns if name != CUTOFF_MONTH}
            read[CUTOFF_MONTH] = month
            columns[feature.name] = formula.evaluate(read, len(pairs.account))
        elif feature.entry.aggregate is not None:
            columns[feature.name] = _aggregate(
                feature, program.terms[feature.name], sources, places
            )
    return columns


def _month(cutoffs: Whole) -> Values:
    months = cutoffs.astype("datetime64[us]").astype("datetime64[M]").astype(np.int64) % 12 + 1
    return Values(Type.NUMBER, months.astype(np.float64), np.ones(len(months), dtype=bool))


def _aggregate(
    feature: Feature, terms: tuple[Term, ...], sources: Mapping[FactKey, _Source], places: _Places
) -> Values:
    window = window_of(feature)
    first = terms[0]
    source = sources[first.fact]
    match feature.entry.aggregate:
        case Aggregate.COUNT:
            return _number(source.total(first.measure, window))
        case Aggregate.SUM:
            return _number(source.total(first.measure, window) / MICRO)
        case Aggregate.MEAN | Aggregate.SHARE:
            scale = MICRO if first.measure.cell is Cell.SUM else 1.0
            below = sources[terms[1].fact].total(terms[1].measure, window)
            above = source.total(first.measure, window) / scale
            return Values(Type.NUMBER, above / np.maximum(below, 1), below > 0)
        case Aggregate.MIN | Aggregate.MAX:
            return _from_cutoff(source.extreme(first.measure, window), first, source, places)
        case Aggregate.DISTINCT:
            return _number(source.distinct(first.measure, window))
        case Aggregate.DISTINCT_DAYS:
            return _number(source.days(first.measure, window))
        case Aggregate.LAST:
            return _from_cutoff(source.last(first.measure, window), first, source, places)
        case Aggregate.DAYS_SINCE_LAST | Aggregate.DAYS_SINCE_FIRST:
            when = source.event(first.measure)
            since = (places.instants - when) / DAY
            return Values(Type.NUMBER, since, when != NEVER)
        case _:
            broken = sources[terms[1].fact].rank(terms[1].measure)
            return _number(source.rank(first.measure) - broken)


def _number(numbers: NDArray[np.generic]) -> Values:
    return Values(Type.NUMBER, numbers.astype(np.float64), np.ones(len(numbers), dtype=bool))


def _from_cutoff(values: Values, term: Term, source: _Source, places: _Places) -> Values:
    """Tell a time in days from the cutoff."""
    measure = term.measure
    if measure.value is None or source.cells.fact.type_of(measure.value) is not Type.TIME:
        numeric = values.type is Type.BOOLEAN
        return (
            Values(Type.NUMBER, values.data.astype(np.float64), values.valid) if numeric else values
        )
    ahead = np.where(values.valid, values.data, 0).astype(np.int64) - places.instants
    return Values(Type.NUMBER, ahead / DAY, values.valid)


@dataclass(frozen=True, eq=False)
class _Places:
    """Where windows begin and end, for every cutoff and every pair."""

    plan: SegmentPlan
    pairs: Pairs
    _starts: dict[Window, Whole] = field(default_factory=dict)
    _ends: dict[int, Whole] = field(default_factory=dict)

    @property
    def instants(self) -> Whole:
        """The cutoff of each pair, microseconds."""
        return self.plan.cutoffs[self.pairs.cutoff]

    def starts(self, window: Window) -> Whole:
        """First segment of the window, by cutoff."""
        if window not in self._starts:
            self._starts[window] = self.plan.starts(window)
        return self._starts[window]

    def ends(self, offset: int = 0) -> Whole:
        """Segment after the window, by cutoff."""
        if offset not in self._ends:
            self._ends[offset] = self.plan.ends(offset)
        return self._ends[offset]

    def runs(self, window: Window, segment: Whole, known: Whole) -> tuple[Whole, Whole]:
        """Find the run of cutoffs ``[first, stop)`` whose window sees a fact, known by then."""
        first = np.searchsorted(self.ends(), known, side="right")
        if window.offset:
            ended = np.searchsorted(self.ends(window.offset), segment, side="right")
            first = np.maximum(first, ended)
        return first, np.searchsorted(self.starts(window), segment, side="right")

    def add_runs(self, account: Whole, first: Whole, stop: Whole, amount: Whole) -> Whole:
        """Add an amount over each run of cutoffs, and read the sums at the pairs."""
        kept = first < stop
        steps = np.zeros((self.pairs.n_accounts, len(self.plan.cutoffs) + 1), dtype=np.int64)
        np.add.at(steps, (account[kept], first[kept]), amount[kept])
        np.subtract.at(steps, (account[kept], stop[kept]), amount[kept])
        return np.cumsum(steps, axis=1)[self.pairs.account, self.pairs.cutoff]

    def between(self, sums: Whole, window: Window) -> Whole:
        """Read sums over ``[start, end)`` at the pairs from sums up to each segment."""
        ends = self.ends(window.offset)[self.pairs.cutoff]
        starts = self.starts(window)[self.pairs.cutoff]
        return sums[self.pairs.account, ends] - sums[self.pairs.account, starts]


@dataclass(frozen=True, eq=False)
class _Source:
    """The cells of one fact and what was already worked out from them."""

    cells: Cells
    places: _Places
    _sums: dict[Measure, Whole] = field(default_factory=dict)
    _seen: dict[Measure, tuple[Whole, Whole, Whole, Whole]] = field(default_factory=dict)
    _late_days: dict[Measure, tuple[NDArray[np.intp], Whole]] = field(default_factory=dict)

    @property
    def _shape(self) -> tuple[int, int]:
        return self.places.pairs.n_accounts, self.places.plan.n_segments

    def _integers(self, measure: Measure) -> Whole:
        """A measure's column, zero in cells of other levels."""
        column = np.asarray(self.cells.columns[measure.over_levels], dtype=np.int64)
        if measure.levels is None:
            return column
        kept = np.zeros_like(column)
        chosen = self.cells.of_levels(measure.levels)
        kept[chosen] = column[chosen]
        return kept

    def _running(self, amounts: Whole) -> Whole:
        """Sum amounts over time: column s holds the sum of the segments before s."""
        accounts, segments = self._shape
        sums = np.zeros((accounts, segments + 1), dtype=np.int64)
        np.cumsum(amounts.reshape(accounts, segments), axis=1, out=sums[:, 1:])
        return sums

    def _scattered(self, measure: Measure, how: np.ufunc) -> Whole:
        """Lay out the on-time cells of a measure as accounts × segments, flat."""
        accounts, segments = self._shape
        cells, chosen = self.cells, self.cells.of_levels(measure.levels)
        column = np.asarray(cells.columns[measure.over_levels], dtype=np.int64)[chosen]
        place = (cells.account * segments + cells.segment)[chosen]
        if len(cells.late):
            on_time = (cells.known == cells.segment)[chosen]
            column, place = column[on_time], place[on_time]
        laid = np.zeros(accounts * segments, dtype=np.int64)
        how.at(laid, place, column)
        return laid

    def total(self, measure: Measure, window: Window) -> Whole:
        """Sum a measure over a window, at the pairs."""
        if measure not in self._sums:
            self._sums[measure] = self._running(self._scattered(measure, np.add))
        found = self.places.between(self._sums[measure], window)
        late = self.cells.late
        if not len(late):
            return found
        return found + self._late_total(window, late, self._integers(measure)[late])

    def _late_total(self, window: Window, late: NDArray[np.intp], amounts: Whole) -> Whole:
        cells = self.cells
        first, stop = self.places.runs(window, cells.segment[late], cells.known[late])
        return self.places.add_runs(cells.account[late], first, stop, amounts)

    def days(self, measure: Measure, window: Window) -> Whole:
        """Count the distinct days of a window, at the pairs."""
        if measure not in self._sums:
            masks = self._scattered(measure, np.bitwise_or)
            self._sums[measure] = self._running(np.bitwise_count(masks).astype(np.int64))
            self._late_days[measure] = self._new_days(measure, masks)
        found = self.places.between(self._sums[measure], window)
        late, new = self._late_days[measure]
        return found + self._late_total(window, late, new) if len(late) else found

    def _new_days(self, measure: Measure, seen: Whole) -> tuple[NDArray[np.intp], Whole]:
        """Count the days that late cells add to what was known before them.

        Whoever knows a late cell also knows those of its place that became known earlier, so the
        days that it adds are the same for every cutoff.
        """
        cells, late = self.cells, self.cells.late
        if not len(late):
            return late, np.zeros(0, dtype=np.int64)
        place = cells.account[late] * self._shape[1] + cells.segment[late]
        order = np.lexsort((cells.known[late], place))
        late, place = late[order], place[order]
        bits = self._integers(measure)[late]
        new = np.zeros(len(late), dtype=np.int64)
        turn = _place_in_group(place)
        for nth in range(int(turn.max()) + 1):
            now = turn == nth
            new[now] = np.bitwise_count(bits[now] & ~seen[place[now]])
            seen[place[now]] |= bits[now]
        return late, new

    def _latest(self, key: Whole, none: int) -> Whole:
        """Find the greatest key among the cells known at each pair's cutoff."""
        accounts, segments = self._shape
        best = np.full(accounts * segments, none, dtype=np.int64)
        np.maximum.at(best, self.cells.account * segments + self.cells.known, key)
        best = np.maximum.accumulate(best.reshape(accounts, segments), axis=1)
        pairs = self.places.pairs
        return best[pairs.account, self.places.ends()[pairs.cutoff] - 1]

    def event(self, measure: Measure) -> Whole:
        """Find the first or latest event time known, microseconds; `NEVER` where there is none."""
        when = np.asarray(self.cells.columns[measure.over_levels], dtype=np.int64)
        if measure.levels is not None:
            chosen = self.cells.of_levels(measure.levels)
            kept = np.full_like(when, NEVER)
            kept[chosen] = when[chosen]
            when = kept
        if measure.cell is Cell.LAST_AT:
            return self._latest(when, NEVER)
        first = self._latest(np.where(when == NEVER, NEVER, -when), NEVER)
        return np.where(first == NEVER, NEVER, -first)

    def rank(self, measure: Measure) -> Whole:
        """Find the highest place known, 0 where there is none."""
        return self._latest(self._integers(measure), 0)

    def last(self, measure: Measure, window: Window) -> Values:
        """Find the value of the latest row known, if it lies in the window."""
        column = self.cells.columns[measure.over_levels]
        if not isinstance(column, Last):
            raise TypeError(f"{measure} holds no last value")
        value = column.value
        tie = _in_order(value)
        order = np.lexsort((tie, column.at))
        key = np.zeros(len(order), dtype=np.int64)
        key[order] = np.arange(1, len(order) + 1)
        there = column.at != NEVER
        if measure.levels is not None:
            of_level = np.zeros(len(there), dtype=bool)
            of_level[self.cells.of_levels(measure.levels)] = True
            there = there & of_level
        found = self._latest(np.where(there, key, 0), 0)
        if not len(order):
            nothing = np.zeros(len(found), dtype=value.data.dtype)
            return Values(value.type, nothing, found > 0, value.levels)
        cell = order[np.maximum(found - 1, 0)]
        starts = self.places.starts(window)[self.places.pairs.cutoff]
        valid = (found > 0) & (self.cells.segment[cell] >= starts)
        return Values(value.type, value.data[cell], valid, value.levels)

    def extreme(self, measure: Measure, window: Window) -> Values:
        """Find the least or greatest value over a window, at the pairs."""
        cells, pairs = self.cells, self.places.pairs
        highest = measure.cell is Cell.MAX
        column = np.asarray(cells.columns[measure.over_levels], dtype=np.float64)
        there = np.zeros(len(column), dtype=bool)
        there[cells.of_levels(measure.levels)] = True
        chosen = np.flatnonzero(there & ~np.isnan(column))
        first, stop = self.places.runs(window, cells.segment[chosen], cells.known[chosen])
        times = np.maximum(stop - first, 0)
        each = np.repeat(np.arange(len(chosen)), times)
        run = np.arange(len(each)) - np.repeat(np.cumsum(times) - times, times)
        none = -np.inf if highest else np.inf
        best = np.full((pairs.n_accounts, len(self.places.plan.cutoffs)), none)
        how = np.maximum if highest else np.minimum
        how.at(best, (cells.account[chosen][each], first[each] + run), column[chosen][each])
        found = best[pairs.account, pairs.cutoff]
        return Values(Type.NUMBER, np.where(np.isinf(found), 0.0, found), ~np.isinf(found))

    def distinct(self, measure: Measure, window: Window) -> Whole:
        """Count the distinct levels seen in a window, at the pairs."""
        if self.cells.fact.by_level:
            levels = set(self.cells.levels) - {NULL_LEVEL}
            if measure.levels is not None:
                levels &= measure.levels
            each = (replace(measure, levels=frozenset([level])) for level in levels)
            seen = (self.total(one, window) > 0 for one in each)
            return sum(seen, np.zeros(len(self.places.pairs.account), dtype=np.int64))
        if window.offset:
            return self._distinct_before(measure, window)
        return self._distinct_until(measure, window)

    def _distinct_until(self, measure: Measure, window: Window) -> Whole:
        """Count distinct values in a window that ends at the cutoff.

        For each value, the latest segment in which it was seen, as far as known, decides; it holds
        from the cutoff after it became known until a later one takes its place.
        """
        account, entity, latest, known = self._sightings(measure)
        first, stop = self.places.runs(window, latest, known)
        following = np.full(len(entity), len(self.places.plan.cutoffs))
        same = entity[1:] == entity[:-1]
        following[:-1][same] = first[1:][same]
        stop = np.minimum(stop, following)
        return self.places.add_runs(account, first, stop, np.ones_like(first))

    def _sightings(self, measure: Measure) -> tuple[Whole, Whole, Whole, Whole]:
        """Order the cells of each value by when they became known.

        Returns account, value, the latest segment in which it was seen as far as known, and the
        segment in which that became known.
        """
        if measure not in self._seen:
            cells = self.cells
            seen = np.flatnonzero(np.asarray(cells.columns[measure.over_levels]) > 0)
            entity = cells.account[seen] * max(len(cells.levels), 1) + cells.level[seen]
            segments = self.places.plan.n_segments
            when = (entity * segments + cells.known[seen]) * segments + cells.segment[seen]
            order = np.argsort(when, kind="stable")
            seen, entity = seen[order], entity[order]
            latest = _running_max(entity, cells.segment[seen])
            self._seen[measure] = (cells.account[seen], entity, latest, cells.known[seen])
        return self._seen[measure]

    def _distinct_before(self, measure: Measure, window: Window) -> Whole:
        """Count distinct values in a window that ends before the cutoff, from all places seen."""
        cells, pairs = self.cells, self.places.pairs
        seen = np.flatnonzero(np.asarray(cells.columns[measure.over_levels]) > 0)
        first, stop = self.places.runs(window, cells.segment[seen], cells.known[seen])
        times = np.maximum(stop - first, 0)
        each = np.repeat(np.arange(len(seen)), times)
        run = np.arange(len(each)) - np.repeat(np.cumsum(times) - times, times)
        cutoffs, levels = len(self.places.plan.cutoffs), max(len(cells.levels), 1)
        spot = cells.account[seen][each] * cutoffs + first[each] + run
        unique = np.unique(spot * levels + cells.level[seen][each]) // levels
        counts = np.bincount(unique, minlength=pairs.n_accounts * cutoffs)
        return counts[pairs.account * cutoffs + pairs.cutoff].astype(np.int64)


def _place_in_group(ordered: Whole) -> Whole:
    """Number the members of each run of equal values from 0."""
    starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]])
    lengths = np.diff(np.r_[starts, len(ordered)])
    return np.arange(len(ordered)) - np.repeat(starts, lengths)


def _running_max(group: Whole, values: Whole) -> Whole:
    """Take the running maximum of small non-negative integers within runs of one group."""
    if not len(values):
        return values
    number = np.cumsum(np.r_[0, group[1:] != group[:-1]])
    step = int(values.max()) + 1
    return np.maximum.accumulate(values + number * step) - number * step


def _in_order(values: Values) -> NDArray[np.generic]:
    """Make values comparable: strings by their place among the sorted levels."""
    if values.type is not Type.STRING:
        return values.data
    order = {level: place for place, level in enumerate(sorted(values.levels))}
    places = np.array([order[level] for level in values.levels], dtype=np.int64)
    safe = np.where(values.valid, values.data, 0).astype(np.intp)
    return places[safe] if len(places) else values.data
