"""Cells: measures by account, segment and known segment; what aggregation hands to the combine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from churnml.features.expressions import Values
from churnml.features.facts import Fact, Measure
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from numpy.typing import NDArray

MICRO = 1e6  # sums are kept in millionths
NULL_LEVEL = "\0"  # stands for a missing level; nobody can write it in a condition
NEVER = np.iinfo(np.int64).min  # no event time


@dataclass(frozen=True, eq=False)
class Last:
    """The latest value of a cell and the event time it has.

    Parameters
    ----------
    at : ndarray of int64 (n,)
        Microseconds; `NEVER` where no row has a value.
    value : Values
        The value at that time; the greatest of those at the same instant.
    """

    at: NDArray[np.int64]
    value: Values


@dataclass(frozen=True, eq=False)
class Cells:
    """The cells of one fact. Several may share a place; the combine adds them up.

    Parameters
    ----------
    fact : Fact
        What was aggregated.
    account : ndarray of int64 (n,)
        Position of the account among those asked for.
    segment : ndarray of int64 (n,)
        Segment of the event time.
    known : ndarray of int64 (n,)
        Segment in which the fact became known, never before `segment`.
    level : ndarray of int64 (n,)
        Code of the dimension or of the split column, into `levels`.
    levels : tuple of str
        What the codes stand for.
    columns : mapping of Measure to ndarray or Last
        One value a cell.
    """

    fact: Fact
    account: NDArray[np.int64]
    segment: NDArray[np.int64]
    known: NDArray[np.int64]
    level: NDArray[np.int64]
    levels: tuple[str, ...]
    columns: Mapping[Measure, NDArray[np.generic] | Last]

    @cached_property
    def late(self) -> NDArray[np.intp]:
        """Which cells became known in a later segment than they happened in."""
        return np.flatnonzero(self.known > self.segment)

    @cached_property
    def on_time(self) -> NDArray[np.intp] | slice:
        """The other cells."""
        return np.flatnonzero(self.known == self.segment) if len(self.late) else slice(None)

    def of_levels(self, wanted: frozenset[str] | None) -> NDArray[np.intp] | slice:
        """Select the cells of some levels of the dimension; all when None."""
        if wanted is None:
            return slice(None)
        codes = [code for code, level in enumerate(self.levels) if level in wanted]
        parts = [self._level_order[self._level_edges[c] : self._level_edges[c + 1]] for c in codes]
        return np.concatenate(parts) if parts else np.zeros(0, dtype=np.intp)

    @cached_property
    def _level_order(self) -> NDArray[np.intp]:
        small = self.level.astype(np.uint16) if len(self.levels) < 1 << 16 else self.level
        return np.argsort(small, kind="stable")

    @cached_property
    def _level_edges(self) -> NDArray[np.intp]:
        return np.concatenate([[0], np.cumsum(np.bincount(self.level, minlength=len(self.levels)))])


def millionths(values: NDArray[np.float64]) -> NDArray[np.int64]:
    """Round numbers to whole millionths, halves up, as the SQL of the plan does."""
    return np.floor(values * MICRO + 0.5).astype(np.int64)
