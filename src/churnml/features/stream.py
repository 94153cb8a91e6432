"""A stream: the cells of one fact, asked for every window of every cutoff at once.

Cells that became known in the segment in which they happened are laid out as accounts × segments
and summed up along time, so that a window is the difference of two columns. A cell that became
known later counts for the cutoffs after that and as long as a window reaches back to it: a run of
cutoffs, added where it begins and taken away where it ends.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from churnml.features.cells import LIMIT, Cells, Last, out_of_range
from churnml.features.measures import Cell, Measure
from churnml.features.places import Places, Whole, turns
from churnml.features.segments import MASK_BITS, Window
from churnml.features.values import NEVER, NULL_LEVEL, Type, Values

Selection = NDArray[np.intp] | slice
Found = TypeVar("Found")
_NONE = np.zeros(0, dtype=np.intp)


@dataclass(frozen=True, eq=False)
class _Sums:
    """Amounts laid out in time.

    Column s of `running` holds, by account, the sum of the segments before s. The cells at `late`
    come on top, with their own amounts.
    """

    running: Whole
    late: NDArray[np.intp]
    amounts: Whole


@dataclass(frozen=True, eq=False)
class _Sightings:
    """In which segments each value of an account was seen, a bit a segment, a mask a block of them.

    Row b of `masks` holds, by value, the segments of block b. What became known late comes on top,
    from the cutoff `late_from` on, at `late_place` among the masks.
    """

    account: Whole
    masks: Whole
    late_place: Whole
    late_bits: Whole
    late_from: Whole


@dataclass(frozen=True, eq=False)
class _Recent(Generic[Found]):
    """What was worked out for the last few measures; each may take tens of megabytes."""

    held: dict[Measure, Found] = field(default_factory=dict)

    def get(self, measure: Measure, make: Callable[[Measure], Found]) -> Found:
        if measure not in self.held:
            while len(self.held) >= 3:
                del self.held[next(iter(self.held))]
            self.held[measure] = make(measure)
        return self.held[measure]


@dataclass(frozen=True, eq=False)
class Stream:
    """The cells of one fact at some places.

    Parameters
    ----------
    cells : Cells
        What was aggregated.
    places : Places
        Where it is asked for.
    """

    cells: Cells
    places: Places
    _sums: _Recent[_Sums] = field(default_factory=_Recent)
    _seen: _Recent[_Sightings] = field(default_factory=_Recent)

    @cached_property
    def _place(self) -> Whole:
        return self.cells.account * self.places.n_segments + self.cells.segment

    def _parted(self, measure: Measure) -> tuple[Selection, NDArray[np.intp]]:
        """Part a measure's cells into those known in time and late ones."""
        chosen = self.cells.of_levels(measure.levels)
        if not len(self.cells.late):
            return chosen, _NONE
        late = self.cells.late[chosen]
        places = np.arange(len(self.cells.late))[chosen]
        return places[~late], places[late]

    def total(self, measure: Measure, window: Window) -> Whole:
        """Sum a measure over a window, at the pairs.

        Raises
        ------
        FeatureError
            If the amounts of an account are too large to be exact.
        """
        return self._over(self._sums.get(measure, self._amounts), window)

    def days(self, measure: Measure, window: Window) -> Whole:
        """Count the distinct days of a window, at the pairs."""
        return self._over(self._sums.get(measure, self._new_days), window)

    def _over(self, sums: _Sums, window: Window) -> Whole:
        found = self.places.between(sums.running, window)
        late = sums.late
        if not len(late):
            return found
        cells = self.cells
        first, stop = self.places.runs(window, cells.segment[late], cells.known[late])
        return found + self.places.add_runs(cells.account[late], first, stop, sums.amounts)

    def _amounts(self, measure: Measure) -> _Sums:
        column = self.cells.column(measure)
        if measure.cell is Cell.SUM:
            self._check_range(column)
        in_time, late = self._parted(measure)
        laid = np.zeros(self.places.n_accounts * self.places.n_segments, dtype=np.int64)
        np.add.at(laid, self._place[in_time], column[in_time])
        return _Sums(self._running(laid), late, column[late])

    def _check_range(self, column: Whole) -> None:
        size = np.abs(column.astype(np.float64))
        if size.sum() >= LIMIT and (np.bincount(self.cells.account, size) >= LIMIT).any():
            raise out_of_range(self.cells.fact)

    def _new_days(self, measure: Measure) -> _Sums:
        """Count days by segment, and the days that late cells add to what was known before them.

        Whoever knows a late cell also knows those of its place that became known earlier, so the
        days that it adds are the same for every cutoff.
        """
        masks = self.cells.column(measure)
        in_time, late = self._parted(measure)
        seen = np.zeros(self.places.n_accounts * self.places.n_segments, dtype=np.int64)
        np.bitwise_or.at(seen, self._place[in_time], masks[in_time])
        running = self._running(np.bitwise_count(seen).astype(np.int64))
        late = late[np.lexsort((self.cells.known[late], self._place[late]))]
        place, bits = self._place[late], masks[late]
        new = np.zeros(len(late), dtype=np.int64)
        turn = turns(place)
        for nth in range(int(turn.max(initial=-1)) + 1):
            now = turn == nth
            new[now] = np.bitwise_count(bits[now] & ~seen[place[now]])
            seen[place[now]] |= bits[now]
        return _Sums(running, late, new)

    def _running(self, amounts: Whole) -> Whole:
        """Sum amounts over time."""
        accounts, segments = self.places.n_accounts, self.places.n_segments
        sums = np.zeros((accounts, segments + 1), dtype=np.int64)
        amounts.reshape(accounts, segments).cumsum(axis=1, out=sums[:, 1:])
        return sums

    def _latest(self, measure: Measure, key: Whole, none: int) -> Whole:
        """Find the greatest key among a measure's cells known at each pair's cutoff."""
        accounts, segments = self.places.n_accounts, self.places.n_segments
        chosen = self.cells.of_levels(measure.levels)
        best = np.full(accounts * segments, none, dtype=np.int64)
        place = self.cells.account[chosen] * segments + self.cells.known[chosen]
        np.maximum.at(best, place, key[chosen])
        best = np.maximum.accumulate(best.reshape(accounts, segments), axis=1)
        pairs = self.places.pairs
        return np.asarray(best[pairs.account, self.places.ends()[pairs.cutoff] - 1])

    def event(self, measure: Measure) -> Whole:
        """Find the first or latest event time known, microseconds; `NEVER` where there is none."""
        when = self.cells.column(measure)
        if measure.cell is Cell.LAST_AT:
            return self._latest(measure, when, NEVER)
        first = self._latest(measure, np.where(when == NEVER, NEVER, -when), NEVER)
        return np.where(first == NEVER, NEVER, -first)

    def rank(self, measure: Measure) -> Whole:
        """Find the highest place known, 0 where there is none."""
        return self._latest(measure, self.cells.column(measure), 0)

    def last(self, measure: Measure, window: Window) -> Values:
        """Find the value of the latest row known, if it lies in the window."""
        column = self.cells.columns[measure.over_levels]
        if not isinstance(column, Last):
            raise TypeError(f"{measure} holds no last value")
        value = column.value
        order = np.lexsort((value.sortable(), column.at))
        key = np.zeros(len(order), dtype=np.int64)
        key[order] = np.arange(1, len(order) + 1)
        found = self._latest(measure, np.where(column.at == NEVER, 0, key), 0)
        if not len(order):
            nothing = np.zeros(len(found), dtype=value.data.dtype)
            return Values(value.type, nothing, found > 0, value.levels)
        cell = order[np.maximum(found - 1, 0)]
        starts = self.places.starts(window)[self.places.pairs.cutoff]
        inside = (found > 0) & (self.cells.segment[cell] >= starts)
        return Values(value.type, value.data[cell], inside, value.levels)

    def extreme(self, measure: Measure, window: Window) -> Values:
        """Find the least or greatest value over a window, at the pairs."""
        cells, places = self.cells, self.places
        column = cells.column(measure)
        chosen = np.arange(len(column))[cells.of_levels(measure.levels)]
        chosen = chosen[~np.isnan(column[chosen])]
        account, value = cells.account[chosen], column[chosen]
        first, stop = places.runs(window, cells.segment[chosen], cells.known[chosen])
        how, none = (np.maximum, -np.inf) if measure.cell is Cell.MAX else (np.minimum, np.inf)
        best = np.full((places.n_accounts, places.n_cutoffs), none)
        # One step a cutoff of the longest run, so that memory does not grow with the runs.
        for step in range(int((stop - first).max(initial=0))):
            seen = first + step < stop
            how.at(best, (account[seen], first[seen] + step), value[seen])
        found = best[places.pairs.account, places.pairs.cutoff]
        there = np.isfinite(found)
        return Values(Type.NUMBER, np.where(there, found, 0.0), there)

    def distinct(self, measure: Measure, window: Window) -> Whole:
        """Count the distinct levels seen in a window, at the pairs."""
        seen, places = self._seen.get(measure, self._sightings), self.places
        starts, ends = places.starts(window), places.ends(window.offset)
        masks = seen.masks.copy() if len(seen.late_from) else seen.masks
        counts = np.zeros((places.n_accounts, places.n_cutoffs), dtype=np.int64)
        for cutoff in range(places.n_cutoffs):
            now = seen.late_from == cutoff
            np.bitwise_or.at(masks.reshape(-1), seen.late_place[now], seen.late_bits[now])
            inside = np.zeros(len(seen.account), dtype=np.bool_)
            for block, bits in _bits_between(int(starts[cutoff]), int(ends[cutoff])):
                inside |= (masks[block] & bits) != 0
            counts[:, cutoff] = np.bincount(seen.account[inside], minlength=places.n_accounts)
        return places.at_cutoff(counts)

    def _sightings(self, measure: Measure) -> _Sightings:
        cells, bits = self.cells, self._segment_bits(measure)
        account, value = self._values()
        place = cells.segment // MASK_BITS * len(account) + value
        blocks = -(-self.places.n_segments // MASK_BITS)
        masks = np.zeros((blocks, len(account)), dtype=np.int64)
        in_time, late = self._parted(measure)
        np.bitwise_or.at(masks.reshape(-1), place[in_time], bits[in_time])
        late_from = np.searchsorted(self.places.ends(), cells.known[late], side="right")
        return _Sightings(account, masks, place[late], bits[late], late_from)

    def _segment_bits(self, measure: Measure) -> Whole:
        """Give each cell the bits of the segments in which it saw its value, 0 for no value."""
        cells, column = self.cells, self.cells.column(measure)
        bits = column
        if measure.cell is not Cell.SEEN:
            bits = np.where(column > 0, np.int64(1) << (cells.segment % MASK_BITS), 0)
        if cells.levels and cells.levels[-1] == NULL_LEVEL:
            bits = np.where(cells.level == len(cells.levels) - 1, 0, bits)
        return bits

    def _values(self) -> tuple[Whole, Whole]:
        """Number the values of all accounts: the account of each, and which one each cell has."""
        cells, levels = self.cells, max(len(self.cells.levels), 1)
        value = cells.account * levels + cells.level
        if self.places.n_accounts * levels <= len(value):  # as good as all of them are there
            return np.arange(self.places.n_accounts * levels) // levels, value
        distinct, number = np.unique(value, return_inverse=True)
        return distinct // levels, number


def _bits_between(start: int, stop: int) -> Iterator[tuple[int, int]]:
    """Give the blocks that hold the segments ``[start, stop)``, with a bit for each of these."""
    for block in range(start // MASK_BITS, -(-stop // MASK_BITS)):
        first = block * MASK_BITS
        below, upto = max(start - first, 0), min(stop - first, MASK_BITS)
        yield block, (1 << upto) - (1 << below)
