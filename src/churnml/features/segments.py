"""The segment plan: the edges of all windows of all cutoffs cut time into elementary segments.

Every fact falls into one segment; every window is a run of whole segments, so each source is
aggregated once whatever the number of cutoffs and windows. Days are counted from the cutoffs' own
time of day, so a window of whole days starts and ends between two days for every cutoff of a plan.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from churnml.errors import FeatureError
from churnml.features.values import DAY

if TYPE_CHECKING:
    from numpy.typing import NDArray

# What is told apart by a bit each, in a signed 64-bit integer: the days of a segment, or the
# segments of a block.
MASK_BITS = 63
# Beyond these a cutoff is a slip, and windows would leave the range of engines' timestamps.
EARLIEST, LATEST = (
    int(np.datetime64(year, "us").astype(np.int64)) for year in ("1900-01-01", "2200-01-01")
)


@dataclass(frozen=True, order=True)
class Window:
    """``[cutoff − offset − days, cutoff − offset)``; all of the past when `days` is None."""

    days: int | None
    offset: int = 0


@dataclass(frozen=True, eq=False)
class SegmentPlan:
    """How time is cut for cutoffs that share one time of day.

    Segment 0 is everything before the first edge; segment ``s`` is ``[edge s−1, edge s)``.

    Parameters
    ----------
    cutoffs : ndarray of int64 (n_cutoffs,)
        Microseconds UTC, ascending.
    origin : int
        Microseconds at which day 0 begins: the day before the first edge.
    edges : ndarray of int64 (n_segments − 1,)
        Days from the origin at which a segment ends and the next begins.
    """

    cutoffs: NDArray[np.int64]
    origin: int
    edges: NDArray[np.int64]

    @property
    def n_segments(self) -> int:
        """The number of segments, segment 0 among them; the last ends at the last cutoff."""
        return len(self.edges)

    @property
    def segment_of_day(self) -> NDArray[np.int32]:
        """The segment of each day from the origin up to the last cutoff."""
        days = np.arange(self.edges[-1])
        return np.searchsorted(self.edges, days, side="right").astype(np.int32)

    def days(self, times: NDArray[np.int64]) -> NDArray[np.int64]:
        """Count days from the origin; whatever lies before the origin falls on day 0."""
        return np.maximum((times - self.origin) // DAY, 0)

    def segments(self, times: NDArray[np.int64]) -> NDArray[np.int64]:
        """Find the segment of instants; `n_segments` for those at or after the last cutoff."""
        return np.searchsorted(self.edges, self.days(times), side="right")

    def ends(self, offset: int = 0) -> NDArray[np.int64]:
        """Find, for every cutoff, the first segment at or after ``cutoff − offset``."""
        wanted = (self.cutoffs - self.origin) // DAY - offset
        return np.searchsorted(self.edges, wanted, side="left") + 1

    def starts(self, window: Window) -> NDArray[np.int64]:
        """Find, for every cutoff, the first segment of a window."""
        if window.days is None:
            return np.zeros(len(self.cutoffs), dtype=np.int64)
        return self.ends(window.offset + window.days)


def plan(cutoffs: Iterable[int], windows: Iterable[Window]) -> SegmentPlan:
    """Cut time for cutoffs of one time of day.

    Parameters
    ----------
    cutoffs : iterable of int
        Microseconds UTC.
    windows : iterable of Window
        Every window that will be asked for.

    Returns
    -------
    SegmentPlan
        With segments of at most 63 days between the first and the last edge.

    Raises
    ------
    FeatureError
        If there is no cutoff, one is out of all range, or they differ in their time of day.
    """
    instants = np.unique(np.fromiter(cutoffs, dtype=np.int64))
    if not len(instants):
        raise FeatureError("no cutoff to compute features for; expected at least one.")
    for instant in instants[[0, -1]].tolist():
        if not EARLIEST <= instant < LATEST:
            shown = np.datetime64(instant, "us").astype("datetime64[s]")
            raise FeatureError(f"cutoff {shown}: expected a time between 1900 and 2200.")
    phases = np.unique(instants % DAY)
    if len(phases) > 1:
        raise FeatureError(
            f"cutoffs of one plan have {len(phases)} different times of day; expected one. "
            "Group them with `by_time_of_day`."
        )
    spans = set(windows)
    back = (
        {0} | {w.offset for w in spans} | {w.offset + w.days for w in spans if w.days is not None}
    )
    days = (instants - phases[0]) // DAY
    edges = np.unique(np.concatenate([days - length for length in sorted(back)]))
    edges = _split_long(edges)
    first = int(edges[0]) - 1
    return SegmentPlan(instants, int(first * DAY + phases[0]), edges - first)


def by_time_of_day(cutoffs: Sequence[int]) -> tuple[tuple[int, ...], ...]:
    """Group distinct cutoffs into those that one plan can hold, in ascending order."""
    ordered = sorted(set(cutoffs), key=lambda instant: (instant % DAY, instant))
    grouped = itertools.groupby(ordered, key=lambda instant: instant % DAY)
    return tuple(tuple(group) for _, group in grouped)


def _split_long(edges: NDArray[np.int64]) -> NDArray[np.int64]:
    """Add edges so that no segment is longer than a mask has bits."""
    parts = [np.arange(a, b, MASK_BITS) for a, b in itertools.pairwise(edges.tolist())]
    return np.concatenate([*parts, edges[-1:]])
