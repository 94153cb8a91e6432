"""Which rows a model learns from and which it is tested on, such that the future stays unseen.

A split rolls forward in time::

    learn ────────────────┤ purged ├─ test
                          └ label windows close ┘

A row may teach only when its label was known at the first cutoff of the rows it is judged by.
What stops, weighs and calibrates the model is found among the rows to learn from, by folds of
accounts: see `churnml.training.ensemble`.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self, cast

import numpy as np
import numpy.typing as npt
import pyarrow.compute as pc
from pydantic import Field, model_validator

from churnml.config import FrozenModel
from churnml.errors import LabelError
from churnml.labels import ColumnLabel, Cutoffs, LabelSpec

if TYPE_CHECKING:
    import pyarrow as pa

Rows = npt.NDArray[np.intp]
Times = npt.NDArray[np.datetime64]

_NEARLY = 0.95  # of a horizon, apart enough


class Splits(FrozenModel):
    """How rows are parted.

    Parameters
    ----------
    test_cutoffs : int
        How many of the latest cutoffs to test on, each by a model of its own that saw nothing
        later. For cutoffs that hang on renewals, and for the times of flat tables: months.
    test_at : tuple of date
        Instead: the cutoffs to test on. Give them where figures shall stay comparable while history
        grows, or with others'. Of months, their first days.
    test_share : float
        For flat tables without times: the share of accounts held out by a hash of their id.
    """

    test_cutoffs: int = Field(default=3, ge=1, le=120)
    test_at: tuple[dt.date, ...] = ()
    test_share: float = Field(default=0.2, gt=0, lt=1)

    @model_validator(mode="after")
    def _one_of_two(self) -> Self:
        if self.test_at and "test_cutoffs" in self.model_fields_set:
            raise ValueError("give test_cutoffs, or test_at, but not both")
        return self


@dataclass(frozen=True)
class Split:
    """One way of parting a table's rows; positions ascend and never overlap.

    Parameters
    ----------
    learn, test : ndarray of int
        Positions of rows.
    unseen : ndarray (n_test,), bool
        Whether a test row's account is not among those to learn from.
    purged : int
        Earlier rows left out because their label was not yet known.
    test_from : datetime or None
        The first instant of the test, UTC; None where there is no time.
    out_of_time : bool
        Whether the test lies after everything learnt. A random holdout is kinder than life.
    """

    learn: Rows
    test: Rows
    unseen: npt.NDArray[np.bool_]
    purged: int
    test_from: dt.datetime | None
    out_of_time: bool


class Span(FrozenModel):
    """The cutoffs that some rows run through.

    Parameters
    ----------
    first, last : datetime
        The earliest and the latest, UTC.
    """

    first: dt.datetime
    last: dt.datetime


def span(rows: pa.Table) -> Span | None:
    """Tell from when to when rows run; nothing where they have no times, or there are none.

    Parameters
    ----------
    rows : pyarrow.Table
        Has ``cutoff``, unless it is of a flat table without times.
    """
    if "cutoff" not in rows.column_names or not rows.num_rows:
        return None
    ends = pc.min_max(rows["cutoff"]).as_py()
    return Span(first=ends["min"], last=ends["max"])


def split(frame: pa.Table, spec: Splits, label: LabelSpec, cutoffs: Cutoffs) -> tuple[Split, ...]:
    """Part a table for testing: one split for each test cutoff, or one holdout without times.

    Parameters
    ----------
    frame : pyarrow.Table
        Has ``account_id``, and ``cutoff`` unless it is flat without times.
    spec : Splits
        How many cutoffs, or which shares.
    label : LabelSpec
        Tells how far a label looks past its cutoff.
    cutoffs : Cutoffs
        Tells whether cutoffs are shared by all accounts.

    Returns
    -------
    tuple of Split
        The earliest test first.

    Raises
    ------
    LabelError
        If there are too few cutoffs or accounts, or none at a time of `Splits.test_at`.
    """
    if "cutoff" not in frame.column_names:
        if spec.test_at:
            raise LabelError(
                f"test_at = {spec.test_at[0]}: rows of a flat table without times have no cutoffs. "
                "Name the column of times under [label], or set test_share."
            )
        return (_holdout(frame, spec.test_share),)
    times, origins = _times(frame, label, cutoffs)
    distinct = np.unique(origins)
    tests = _tests(distinct, spec)
    found = [_rolling(frame, times, origins, test, label) for test in tests]
    parted = tuple(item for item in found if item is not None)
    asked = len(tests) if spec.test_at else spec.test_cutoffs
    if len(parted) < asked:
        raise LabelError(
            f"{_counted(len(distinct), 'cutoff')} can give {_counted(len(parted), 'test')}, but "
            f"{_asked(spec)}: before a test there must be rows to learn from, and a label takes "
            f"{_counted(label.reach_days, 'day')} to be known. Use more history, a shorter "
            "horizon, or fewer or later tests."
        )
    return parted


def apart(frame: pa.Table, label: LabelSpec, cutoffs: Cutoffs, most: int) -> tuple[Split, ...]:
    """Part a table for tests whose label windows do not overlap, back from the latest cutoff.

    Parameters
    ----------
    frame, label, cutoffs
        As for `split`.
    most : int
        How many tests at most.

    Returns
    -------
    tuple of Split
        The earliest test first; none where history is too short for any, or rows have no times.
    """
    if "cutoff" not in frame.column_names:
        return ()
    times, origins = _times(frame, label, cutoffs)
    # Three months may be 89 days: windows of 90 then share a day, which is no overlap to speak of.
    step = np.timedelta64(int((label.horizon_days or 1) * 24 * _NEARLY), "h")
    found: list[Split] = []
    following: np.datetime64 | None = None
    for test in np.unique(origins)[::-1]:
        if following is not None and following - test < step:
            continue
        parted = _rolling(frame, times, origins, test, label)
        if parted is None or len(found) == most:
            break
        found.append(parted)
        following = test
    return tuple(reversed(found))


def _times(frame: pa.Table, label: LabelSpec, cutoffs: Cutoffs) -> tuple[Times, Times]:
    """Read each row's cutoff, and the first instant of the step of time that it belongs to."""
    times = np.asarray(frame["cutoff"], dtype="datetime64[us]")
    by_month = isinstance(label, ColumnLabel) or cutoffs.days_before_renewal is not None
    origins = times.astype("datetime64[M]").astype("datetime64[us]") if by_month else times
    return times, origins


def _tests(distinct: Times, spec: Splits) -> Times:
    """Choose the cutoffs to test on, ascending."""
    if not spec.test_at:
        return distinct[-spec.test_cutoffs :]
    wanted = np.unique(np.array(spec.test_at, dtype="datetime64[us]"))
    lost = np.setdiff1d(wanted, distinct)
    if lost.size:
        days = distinct.astype("datetime64[D]")
        where = f"they run from {days[0]} to {days[-1]}" if days.size else "the table has no rows"
        raise LabelError(
            f"test_at = {lost[0].astype('datetime64[D]')}: there is no cutoff on that day; "
            f"{where}. Move it, or change [cutoffs]."
        )
    return wanted


def _asked(spec: Splits) -> str:
    if spec.test_at:
        return f"test_at = {', '.join(map(str, spec.test_at))}"
    return f"test_cutoffs = {spec.test_cutoffs}"


def _counted(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def _rolling(
    frame: pa.Table, times: Times, origins: Times, test: np.datetime64, label: LabelSpec
) -> Split | None:
    """Part rows around one test; None where nothing is left to learn from."""
    closed = times + np.timedelta64(label.reach_days, "D")
    # A label that is known at once is no row of the test's own.
    learn = (closed <= test) & (origins < test)
    if not learn.any():
        return None
    return _part(
        frame,
        learn,
        origins == test,
        purged=int((origins < test).sum()) - int(learn.sum()),
        test_from=cast(dt.datetime, test.item()),
        out_of_time=True,
    )


def _holdout(frame: pa.Table, share: float) -> Split:
    """Part accounts by a hash of their id, the same way whatever else is in the table."""
    place = np.array([_place(name) for name in frame["account_id"].to_pylist()])
    test = place < share
    if test.all() or not test.any():
        raise LabelError(
            f"{_counted(frame.num_rows, 'row')} cannot be parted into {share:.0%} to test on and "
            "the rest to learn from. Bring more accounts."
        )
    return _part(frame, ~test, test, purged=0, test_from=None, out_of_time=False)


def _place(account: str) -> float:
    """Give an account its place in [0, 1)."""
    digest = hashlib.sha256(account.encode("utf-8")).digest()
    return int.from_bytes(digest[:8], "big") / 2**64


def _part(
    frame: pa.Table,
    learn: npt.NDArray[np.bool_],
    test: npt.NDArray[np.bool_],
    *,
    purged: int,
    test_from: dt.datetime | None,
    out_of_time: bool,
) -> Split:
    accounts = np.asarray(frame["account_id"].to_pylist(), dtype=object)
    seen = set(accounts[learn])
    return Split(
        learn=np.flatnonzero(learn),
        test=np.flatnonzero(test),
        unseen=np.array([name not in seen for name in accounts[test]], dtype=bool),
        purged=purged,
        test_from=test_from,
        out_of_time=out_of_time,
    )
