"""What one feature is worth by itself, whatever its kind and the shape of its effect.

Values are cut into steps, the missing one among them, and each step scored by its share of churn
among the accounts of other folds. What is learnt of an account never scores it, so that a column of
names is worth nothing, and chance is worth one half.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from churnml.history.tables import ACCOUNT_ID
from churnml.training.audit.auc import Bools, Floats, Ints, Ranking, rank, rank_places
from churnml.training.encoding import FeatureKind, days, kind_of

FOLDS = 5
STEPS = 40  # of a number; and the most values of a category that are told apart
_SHRINKAGE = 10.0  # rows at the common share of churn that each step is given
MISSING = 0


@dataclass(frozen=True, eq=False)
class Rows:
    """The rows of a table, so far as single features need them.

    Parameters
    ----------
    label : ndarray of bool (n,)
        Churned or not.
    account : ndarray of int (n,)
        Whose row it is, from 0 on.
    day : ndarray of int (n,) or None
        Day of the cutoff; none without times.
    """

    label: Bools
    account: Ints
    day: Ints | None

    @classmethod
    def of(cls, frame: pa.Table) -> Rows:
        """Read them from a training table's frame."""
        codes = frame[ACCOUNT_ID].combine_chunks().dictionary_encode().indices
        day = None
        if "cutoff" in frame.column_names:
            times = np.asarray(frame["cutoff"], dtype="datetime64[D]")
            day = times.astype(np.int64)
        return cls(
            label=np.asarray(frame["label"], dtype=np.int64) == 1,
            account=np.asarray(codes, dtype=np.int64),
            day=day,
        )

    def take(self, positions: Ints) -> Rows:
        """Take some rows; accounts keep their numbers."""
        day = None if self.day is None else self.day[positions]
        return Rows(self.label[positions], self.account[positions], day)

    @cached_property
    def n_accounts(self) -> int:
        """One more than the highest number of an account."""
        return int(self.account.max()) + 1 if self.account.size else 0

    @cached_property
    def fold(self) -> Ints:
        """The fold of each row, one for all rows of an account."""
        drawn = np.random.default_rng(0).integers(0, FOLDS, size=max(self.n_accounts, 1))
        return np.asarray(drawn[self.account], dtype=np.int64)

    def accounts_with(self, rows: Bools) -> int:
        """Count accounts that have one of some rows."""
        return int(np.unique(self.account[rows]).size)

    def rank(self, score: Floats) -> Ranking:
        """Measure how well a score ranks these rows."""
        return rank(self.label, score, self.account, self.n_accounts)


def steps(column: pa.ChunkedArray) -> Ints | None:
    """Cut a column's values into steps, numbered from 1; 0 is missing.

    Parameters
    ----------
    column : pyarrow.ChunkedArray
        Of any kind.

    Returns
    -------
    ndarray of int (n,) or None
        None where values cannot be put in steps: lists, bytes.
    """
    held = column.type
    if pa.types.is_dictionary(held):
        column, held = column.cast(held.value_type), held.value_type
    if pa.types.is_string(held) or pa.types.is_large_string(held):
        return _categories(column)
    if kind_of(held) is FeatureKind.DATE:
        return _numbers(days(column))
    if pa.types.is_time(held):
        column = column.cast(pa.int64() if held.bit_width == 64 else pa.int32())
    elif pa.types.is_boolean(held):
        column = column.cast(pa.int8())
    elif not (pa.types.is_integer(held) or pa.types.is_floating(held) or pa.types.is_decimal(held)):
        return None
    filled = pc.fill_null(column.cast(pa.float64(), safe=False), float("nan"))
    return _numbers(np.asarray(filled, dtype=np.float64))


def _numbers(values: Floats) -> Ints:
    there = ~np.isnan(values)
    known = values[there]
    edges = np.unique(known)
    if edges.size > STEPS:
        edges = np.unique(np.quantile(known, np.linspace(0, 1, STEPS, endpoint=False)))
    found = np.full(values.size, MISSING, dtype=np.int64)
    found[there] = np.searchsorted(edges, known, side="right")
    return found


def _categories(column: pa.ChunkedArray) -> Ints:
    coded = column.combine_chunks().dictionary_encode()
    codes = np.asarray(pc.fill_null(coded.indices, -1), dtype=np.int64)
    counts = np.bincount(codes[codes >= 0], minlength=max(len(coded.dictionary), 1))
    common = np.argsort(-counts, kind="stable")[: STEPS - 1]
    number = np.full(counts.size, STEPS, dtype=np.int64)  # the last step is every rare value's
    number[common] = np.arange(1, common.size + 1)
    return np.where(codes >= 0, number[codes], MISSING)


def shares(step: Ints, rows: Rows) -> Floats:
    """Share of churn of each step among the accounts of all folds but one.

    Parameters
    ----------
    step : ndarray of int (n,)
        From `steps`.
    rows : Rows
        The rows.

    Returns
    -------
    ndarray (n_steps, FOLDS)
        Shrunk to the common share of churn.
    """
    n_steps = int(step.max(initial=0)) + 1
    cell = step * FOLDS + rows.fold
    every = np.bincount(cell, minlength=n_steps * FOLDS).reshape(n_steps, FOLDS)
    churned = np.bincount(cell[rows.label], minlength=n_steps * FOLDS).reshape(n_steps, FOLDS)
    common = float(rows.label.mean())
    others = every.sum(axis=1, keepdims=True) - every
    left = churned.sum(axis=1, keepdims=True) - churned
    return np.asarray((left + _SHRINKAGE * common) / (others + _SHRINKAGE))


def ranked(step: Ints, rows: Rows) -> Ranking:
    """Measure what a feature is worth: each row scored by its step, among other folds' accounts.

    Parameters
    ----------
    step : ndarray of int (n,)
        From `steps`.
    rows : Rows
        The rows.
    """
    distinct, place = np.unique(shares(step, rows), return_inverse=True)
    row = place.reshape(-1)[step * FOLDS + rows.fold]
    return rank_places(rows.label, row, distinct.size, rows.account, rows.n_accounts)
