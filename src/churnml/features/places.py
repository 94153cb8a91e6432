"""Places: where the windows of (account, cutoff) pairs begin and end among the segments."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from churnml.features.segments import SegmentPlan, Window

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

    account: Whole
    cutoff: Whole
    n_accounts: int

    def __len__(self) -> int:
        return len(self.account)


@dataclass(frozen=True, eq=False)
class Places:
    """Where windows begin and end, for every cutoff and every pair.

    Parameters
    ----------
    plan : SegmentPlan
        How time is cut.
    pairs : Pairs
        Where features are computed.
    """

    plan: SegmentPlan
    pairs: Pairs
    _starts: dict[Window, Whole] = field(default_factory=dict)
    _ends: dict[int, Whole] = field(default_factory=dict)

    @property
    def n_accounts(self) -> int:
        """How many accounts there are."""
        return self.pairs.n_accounts

    @property
    def n_cutoffs(self) -> int:
        """How many cutoffs there are."""
        return len(self.plan.cutoffs)

    @property
    def n_segments(self) -> int:
        """How many segments there are."""
        return self.plan.n_segments

    @cached_property
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
        account, amount = account[kept], amount[kept]
        steps = np.zeros((self.n_accounts, self.n_cutoffs + 1), dtype=np.int64)
        np.add.at(steps, (account, first[kept]), amount)
        np.subtract.at(steps, (account, stop[kept]), amount)
        return self.at_cutoff(steps.cumsum(axis=1))

    def at_cutoff(self, by_cutoff: Whole) -> Whole:
        """Read accounts × cutoffs at the pairs."""
        return by_cutoff[self.pairs.account, self.pairs.cutoff]

    def between(self, sums: Whole, window: Window) -> Whole:
        """Read sums over ``[start, end)`` at the pairs from sums up to each segment."""
        account, cutoff = self.pairs.account, self.pairs.cutoff
        ends, starts = self.ends(window.offset)[cutoff], self.starts(window)[cutoff]
        return sums[account, ends] - sums[account, starts]


def turns(ordered: Whole) -> Whole:
    """Number the members of each run of equal values from 0."""
    if not len(ordered):
        return ordered
    starts = np.concatenate([[0], np.flatnonzero(ordered[1:] != ordered[:-1]) + 1])
    lengths = np.diff(starts, append=len(ordered))
    return np.asarray(np.arange(len(ordered)) - np.repeat(starts, lengths))
