from __future__ import annotations

import math

import pytest

from churnml.actions.account_tiers import AccountTiers


def test_bounds_are_those_of_the_segments() -> None:
    arr = [0, 999.99, 1_000, 10_000, 49_999, 50_000, 100_000, 100_000.01, math.nan]
    assert AccountTiers().tiers(arr) == (
        "starter",
        "starter",
        "professional",
        "business",
        "business",
        "enterprise",
        "enterprise",
        "vip",
        None,
    )
    assert AccountTiers().tiers([]) == ()


def test_bounds_ascend() -> None:
    with pytest.raises(ValueError, match=r"expected each above the last"):
        AccountTiers(business=900.0)
