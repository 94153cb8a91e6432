from __future__ import annotations

import datetime as dt
import math
from pathlib import Path
from textwrap import dedent

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from churnml.errors import FeatureError
from churnml.explain.reasons import Value, probability_shares, reasons, show
from churnml.features.catalogue import Catalogue, read_catalogue
from churnml.features.snapshot import keep
from churnml.history.tables import STANDARD


@pytest.fixture
def catalogue(tmp_path: Path) -> Catalogue:
    (tmp_path / "usage.toml").write_text(
        dedent("""
        family = "usage"
        title = "Use of the product"

        [[feature]]
        name = "active_days_{w}d"
        table = "usage"
        aggregate = "distinct_days"
        windows = [28]
        description = "Days with use in the last {w} days"
        unit = "days"
        sentence = "active on {value} of the last {w} days"
        actionable = true

        [[feature]]
        name = "active_days_before_{w}d"
        table = "usage"
        aggregate = "distinct_days"
        windows = [28]
        offset = "w"
        description = "Days with use in the {w} days before those"
        unit = "days"
        sentence = "active days were {value}, and then {active_days_28d}"
        """)
    )
    (tmp_path / "support.toml").write_text(
        dedent("""
        family = "support"
        title = "Support"

        [[feature]]
        name = "csat_last"
        table = "tickets"
        aggregate = "last"
        value = "csat"
        description = "Latest rating of a ticket"
        unit = "points"
        sentence = "last rated a ticket {value} of 5"
        missing = "never rated a ticket"
        """)
    )
    return read_catalogue([tmp_path / "usage.toml", tmp_path / "support.toml"], STANDARD)


def test_families_add_up_and_speak_in_the_accounts_numbers(catalogue: Catalogue) -> None:
    row: dict[str, Value] = {
        "active_days_28d": 6.0,
        "active_days_before_28d": 19.0,
        "csat_last": None,
    }
    told = reasons(np.array([0.5, 0.75, -0.25]), tuple(row), row, catalogue)
    assert [(r.family, r.contribution) for r in told] == [("usage", 1.25), ("support", -0.25)]
    assert told[0].title == "Use of the product"
    assert told[0].sentence == "active days were 19, and then 6"
    assert told[0].feature == "active_days_before_28d"
    assert not told[0].actionable
    assert told[1].sentence == "never rated a ticket"


def test_the_sentence_goes_in_the_familys_direction(catalogue: Catalogue) -> None:
    row = {"active_days_28d": 6.0, "active_days_before_28d": 19.0}
    (told,) = reasons(np.array([-0.5, 2.0]), tuple(row), row, catalogue)
    assert (told.feature, told.contribution) == ("active_days_before_28d", 1.5)
    (told,) = reasons(np.array([-2.0, 0.5]), tuple(row), row, catalogue)
    assert (told.feature, told.contribution, told.actionable) == ("active_days_28d", -1.5, True)
    assert told.sentence == "active on 6 of the last 28 days"


def test_a_sentence_that_names_what_a_recipe_left_out_gives_way_to_the_description(
    catalogue: Catalogue,
) -> None:
    kept = keep(catalogue, ("active_days_before_28d",))
    (told,) = reasons(np.array([1.0]), kept.columns, {"active_days_before_28d": 19.0}, kept)
    assert told.sentence == "Days with use in the 28 days before those: 19"
    # A value that is not known is another thing than a column that is not there.
    row = {"active_days_before_28d": 19.0, "active_days_28d": None}
    (told,) = reasons(np.array([1.0, 0.0]), tuple(row), row, catalogue)
    assert told.sentence == "active days were 19, and then unknown"


def test_a_flat_table_tells_its_columns() -> None:
    row: dict[str, Value] = {"Contract": "Month-to-month", "tenure": 3.0}
    told = reasons(np.array([0.2, 0.9]), ("Contract", "tenure"), row, None)
    assert [r.sentence for r in told] == ["tenure is 3", "Contract is Month-to-month"]


def test_a_family_without_effect_is_no_reason() -> None:
    assert reasons(np.array([0.0]), ("x",), {"x": 1.0}, None) == ()


def test_contributions_must_match_features() -> None:
    with pytest.raises(FeatureError, match="1 contributions for 2 features"):
        reasons(np.array([0.0]), ("x", "y"), {"x": 1.0, "y": 2.0}, None)


def test_a_family_speaks_of_what_it_is_asked_to(catalogue: Catalogue) -> None:
    row = {"active_days_28d": 6.0, "active_days_before_28d": 19.0}
    (told,) = reasons(
        np.array([-0.5, 2.0]), tuple(row), row, catalogue, telling={"active_days_28d"}
    )
    assert (told.feature, told.contribution) == ("active_days_28d", 1.5)


def test_shares_of_the_probability_by_hand() -> None:
    # From odds of 1 to 4 to odds of 1 to 1: from 20 % to 50 %, two thirds of it one way and back.
    whole = math.log(4)
    told = probability_shares([1.5 * whole, -0.5 * whole], -whole)
    assert told == pytest.approx((0.45, -0.15), abs=1e-15)


def test_without_a_difference_the_slope_is_that_of_the_curve() -> None:
    assert probability_shares([2.0, -2.0], 0.0) == (0.5, -0.5)
    assert probability_shares([1e-12], 0.0) == pytest.approx((2.5e-13,), rel=1e-9)
    assert probability_shares([], 1.0) == ()


def test_shares_of_the_probability_at_either_end() -> None:
    assert probability_shares([2000.0], -1000.0) == (1.0,)
    assert probability_shares([-2000.0], 1000.0) == (-1.0,)


@given(st.lists(st.floats(-30, 30), max_size=6), st.floats(-30, 30))
def test_shares_add_up_to_the_probability(contributions: list[float], base: float) -> None:
    def probability(log_odds: float) -> float:
        return 1 / (1 + math.exp(-log_odds))

    told = probability_shares(contributions, base)
    expected = probability(base + math.fsum(contributions)) - probability(base)
    assert math.fsum(told) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(
    ("value", "unit", "shown"),
    [
        (None, "days", "unknown"),
        ("EdTech", "name", "EdTech"),
        (0.374, "share", "37%"),
        (12345.6, "money", "12,346"),
        (3.0, "days", "3"),
        (3.25, "days", "3.2"),
        (37.998, "days", "38"),
        (0.333, "ratio", "0.33"),
        (1.333, "ratio", "1.33"),
        (-4.0, "days", "-4"),
        (True, "", "yes"),
        (False, "", "no"),
        (1e308, "money", "1e+308"),
        (-2e15, "money", "-2e+15"),
        (0.0012, "ratio", "0.0012"),
        (0.0, "ratio", "0"),
        (-0.0, "days", "0"),
        (-0.004, "share", "0%"),
        (dt.date(2024, 1, 31), "", "2024-01-31"),
        (dt.datetime(2024, 1, 31), "", "2024-01-31"),
        (dt.datetime(2024, 1, 31, 18, 5), "", "2024-01-31 18:05"),
    ],
)
def test_values_are_written_as_people_read_them(value: float, unit: str, shown: str) -> None:
    assert show(value, unit) == shown
