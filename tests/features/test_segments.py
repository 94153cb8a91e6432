"""How the windows of cutoffs cut time."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from churnml.errors import FeatureError
from churnml.features.segments import MASK_BITS, Window, by_time_of_day, plan
from churnml.features.values import DAY, HOUR

JANUARY = int(np.datetime64("2025-01-01", "us").astype(np.int64))
NOON = JANUARY + 12 * HOUR


def test_windows_of_one_cutoff() -> None:
    cut = plan([NOON], [Window(7), Window(30), Window(7, 7), Window(None)])
    assert cut.origin == NOON - 31 * DAY
    assert cut.edges.tolist() == [1, 17, 24, 31]
    assert cut.n_segments == 4
    assert cut.segment_of_day.tolist() == [0] + [1] * 16 + [2] * 7 + [3] * 7


def test_windows_of_two_cutoffs_share_their_edges() -> None:
    cut = plan([JANUARY + 31 * DAY, JANUARY], [Window(31)])
    assert cut.cutoffs.tolist() == [JANUARY, JANUARY + 31 * DAY]
    assert cut.edges.tolist() == [1, 32, 63]
    assert cut.starts(Window(31)).tolist() == [1, 2]
    assert cut.ends().tolist() == [2, 3]
    assert cut.starts(Window(None)).tolist() == [0, 0]


def seen(cut_at: int, window: Window, fact: int) -> bool:
    """Whether a window of a cutoff holds a fact, by its segment."""
    cut = plan([cut_at, cut_at + 3 * DAY], [window, Window(30)])
    segment = int(cut.segments(np.array([fact]))[0])
    return bool(cut.starts(window)[0] <= segment < cut.ends(window.offset)[0])


@pytest.mark.parametrize("cutoff", [JANUARY, NOON, JANUARY + 1, JANUARY - 1])
@pytest.mark.parametrize(
    ("window", "back", "inside"),
    [
        (Window(7), 7 * DAY, True),
        (Window(7), 7 * DAY + 1, False),
        (Window(7), 1, True),
        (Window(7), 0, False),
        (Window(7, 7), 14 * DAY, True),
        (Window(7, 7), 14 * DAY + 1, False),
        (Window(7, 7), 7 * DAY + 1, True),
        (Window(7, 7), 7 * DAY, False),
        (Window(None), 1, True),
        (Window(None), 0, False),
        (Window(None), 100_000 * DAY, True),
        (Window(None, 7), 7 * DAY, False),
    ],
)
def test_a_window_holds_its_start_and_not_its_end(
    cutoff: int, window: Window, back: int, inside: bool
) -> None:
    assert seen(cutoff, window, cutoff - back) is inside


@given(
    st.lists(st.integers(-3000, 3000), min_size=1, max_size=5),
    st.integers(0, DAY - 1),
    st.lists(st.tuples(st.integers(1, 400), st.integers(0, 400)), max_size=4),
    st.integers(-5000 * DAY, 5000 * DAY),
)
def test_segments_mean_what_windows_say(
    days: list[int], phase: int, windows: list[tuple[int, int]], back: int
) -> None:
    cutoffs = [JANUARY + day * DAY + phase for day in days]
    asked = [Window(*window) for window in windows] + [Window(None)]
    cut = plan(cutoffs, asked)
    fact = cutoffs[0] - back
    segment = cut.segments(np.array([fact]))[0]
    for place, cutoff in enumerate(cut.cutoffs.tolist()):
        for window in asked:
            start = (
                -(2**62) if window.days is None else cutoff - (window.offset + window.days) * DAY
            )
            inside = start <= fact < cutoff - window.offset * DAY
            held = cut.starts(window)[place] <= segment < cut.ends(window.offset)[place]
            assert held == inside


@given(st.lists(st.integers(0, 4000), min_size=1, max_size=5), st.integers(1, 1000))
def test_no_segment_but_the_first_is_longer_than_a_mask_has_bits(
    days: list[int], window: int
) -> None:
    cut = plan([JANUARY + day * DAY for day in days], [Window(window)])
    lengths = np.bincount(cut.segment_of_day)
    assert lengths[0] == 1
    assert (lengths[1:] <= MASK_BITS).all()
    assert (np.diff(cut.segment_of_day) >= 0).all()
    assert len(lengths) == cut.n_segments


def test_days_are_counted_from_the_origin() -> None:
    cut = plan([NOON], [Window(7)])
    times = np.array([cut.origin - 1, cut.origin, cut.origin + DAY - 1, cut.origin + DAY, NOON])
    assert cut.days(times).tolist() == [0, 0, 0, 1, 8]
    assert cut.segments(times).tolist() == [0, 0, 0, 1, 2]
    assert cut.n_segments == 2


def test_cutoffs_are_grouped_by_their_time_of_day() -> None:
    assert by_time_of_day([NOON, JANUARY + DAY, JANUARY, NOON]) == (
        (JANUARY, JANUARY + DAY),
        (NOON,),
    )
    assert by_time_of_day([]) == ()


@pytest.mark.parametrize(
    ("cutoffs", "why"),
    [
        ([], "no cutoff to compute features for"),
        ([JANUARY, NOON], r"have 2 different times of day; expected one\. Group them"),
        (
            [int(np.datetime64(dt.datetime(1899, 12, 31, 23, 59), "us").astype(np.int64))],
            r"cutoff 1899-12-31T23:59:00: expected a time between 1900 and 2200",
        ),
        ([JANUARY, 2**62], r"cutoff .*: expected a time between 1900 and 2200"),
    ],
)
def test_cutoffs_that_cannot_be_planned(cutoffs: list[int], why: str) -> None:
    with pytest.raises(FeatureError, match=why):
        plan(cutoffs, [Window(7)])
