from __future__ import annotations

import datetime as dt

import numpy as np
import pytest

from churnml.errors import ConfigError
from churnml.simulate.clock import DAY, Clock, instants, month_days, month_of_year


def days(*texts: str) -> list[int]:
    return [int(np.datetime64(text, "D").astype(np.int64)) for text in texts]


def test_month_days_keep_the_day_of_the_month() -> None:
    months = np.array([(2024 - 1970) * 12, (2024 - 1970) * 12 + 1, (2024 - 1970) * 12 + 14])

    assert month_days(months, np.array([28])).tolist() == days(
        "2024-01-28", "2024-02-28", "2025-03-28"
    )


def test_month_of_year_of_days_before_and_after_1970() -> None:
    assert month_of_year(np.array(days("1969-12-31", "1970-01-01", "2024-02-29"))).tolist() == [
        12,
        1,
        2,
    ]


def test_a_span_has_a_cutoff_after_every_month() -> None:
    clock = Clock.spanning(dt.datetime(2024, 1, 15), 3)

    assert clock.cutoffs.tolist() == days("2024-02-15", "2024-03-15", "2024-04-15")
    assert clock.observed_until == dt.datetime(2024, 4, 15)
    assert clock.weeks == 13  # 91 days
    assert clock.days[[0, -1]].tolist() == days("2024-01-15", "2024-04-14")


@pytest.mark.parametrize("year", [1, 999, 4001, 9999])
def test_a_span_too_far_from_today_is_refused(year: int) -> None:
    with pytest.raises(
        ConfigError, match=rf"start = {year:04}-12-01; expected a day in the years 1000 to 4000"
    ):
        Clock.spanning(dt.datetime(year, 12, 1), 1)


def test_days_outside_the_span_count_to_its_first_or_last_week() -> None:
    clock = Clock.spanning(dt.datetime(2024, 1, 1), 1)

    assert clock.week(clock.start + np.array([-400, 0, 6, 7, 30, 31, 9_999])).tolist() == [
        0,
        0,
        0,
        1,
        4,
        4,
        4,
    ]


@pytest.mark.parametrize(
    "start",
    [
        dt.datetime(2024, 1, 29),
        dt.datetime(2024, 1, 1, 12),
        dt.datetime(2024, 1, 1, tzinfo=dt.UTC),
    ],
)
def test_a_span_starts_at_a_plain_midnight(start: dt.datetime) -> None:
    with pytest.raises(ConfigError, match=r"expected a midnight in UTC.*2024-01-01"):
        Clock.spanning(start, 3)


def test_instants_stay_within_their_day_and_follow_the_sun() -> None:
    rng = np.random.default_rng(0)
    day = np.full(4000, 19_000)

    here = instants(rng, day, np.zeros(day.size))
    east = instants(rng, day, np.full(day.size, 8.0))

    assert ((here // DAY == 19_000) & (east // DAY == 19_000)).all()
    assert np.median(here % DAY) / DAY * 24 == pytest.approx(13.0, abs=0.3)
    assert np.median(east % DAY) / DAY * 24 == pytest.approx(
        5.3, abs=0.2
    )  # before midnight counts to the evening
