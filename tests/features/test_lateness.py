"""What an expression may say before all it reads is known."""

from __future__ import annotations

import pytest

from churnml.features.expressions import parse_expression
from churnml.features.lateness import may_have_value_without, may_hold_without

LATE = {"csat", "csat_at"}


@pytest.mark.parametrize(
    ("text", "may"),
    [
        ("csat > 3", False),
        ("csat in (1, 2)", False),
        ("csat is not null", False),
        ("csat is null", True),
        ("not csat is null", False),
        ("csat is null and csat_at is not null", False),
        ("csat is null or csat_at is not null", True),
        ("csat > 3 and quantity > 1", False),
        ("csat > 3 or quantity > 1", True),
        ("not (csat > 3 and quantity > 1)", True),
        ("not (csat > 3 or quantity > 1)", False),
        ("not csat > 3", False),
        ("(csat > 3) is true", False),
        ("(csat > 3) is false", False),
        ("(csat is null) is false", False),
        ("(csat is null) is true", True),
        ("coalesce(csat, 5) > 3", True),
        ("coalesce(csat, null) > 3", False),
        ("nullif(csat, 5) > 3", False),
        ("nullif(5, csat) > 3", True),
        ("least(csat, 3) = 3", False),
        ("-csat < abs(csat) + ln(csat) / 2", False),
        ("days_between(csat_at, opened_at) > 3", False),
        ("days_between(seen_at, opened_at) > 3", True),
        ("true", True),
        ("false", False),
        ("false or csat > 3", False),
    ],
)
def test_conditions(text: str, may: bool) -> None:
    assert may_hold_without(parse_expression(text), LATE) is may


@pytest.mark.parametrize(
    ("text", "may"),
    [
        ("csat", False),
        ("csat * 2 + 1", False),
        ("csat_at", False),
        ("quantity", True),
        ("coalesce(csat, 3)", True),
        ("csat > 3", False),
        ("csat is null", True),
        ("hours_between(opened_at, csat_at)", False),
        ("'x'", True),
        ("null", False),
    ],
)
def test_values(text: str, may: bool) -> None:
    assert may_have_value_without(parse_expression(text), LATE) is may
