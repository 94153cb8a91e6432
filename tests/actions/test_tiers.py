from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from churnml.actions.tiers import RiskTiers, read_tiers
from churnml.errors import ConfigError, DataError

TIERS = RiskTiers(medium=0.1, high=0.25, critical=0.5)


def test_a_bound_belongs_to_the_tier_that_begins_there() -> None:
    found = TIERS.tiers(np.array([0.0, 0.0999, 0.1, 0.2499, 0.25, 0.4999, 0.5, 1.0]))

    assert found == ("low", "low", "medium", "medium", "high", "high", "critical", "critical")


@pytest.mark.parametrize("wrong", [float("nan"), -0.01, 1.01])
def test_what_is_no_probability_has_no_tier(wrong: float) -> None:
    with pytest.raises(DataError, match=r"1 of 2 probabilities are no number between 0 and 1"):
        TIERS.tiers(np.array([0.2, wrong]))


def test_the_reference_project_has_tiers(root: Path) -> None:
    tiers = read_tiers(root / "serving" / "tiers.toml")

    assert (tiers.medium, tiers.high, tiers.critical) == (0.05, 0.15, 0.40)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "[risk]\nmedium = 0.3\nhigh = 0.2\ncritical = 0.5\n",
            "expected each above the one before",
        ),
        ("[risk]\nmedium = 0.1\nhigh = 0.2\n", "key 'risk.critical' is required"),
        ("[risk]\nmedium = 0\nhigh = 0.2\ncritical = 0.5\n", "key 'risk.medium': got 0"),
        ('[risk]\nmedium = "0.1"\nhigh = 0.2\ncritical = 0.5\n', "key 'risk.medium': got '0.1'"),
        (
            "[risk]\nmedium = 0.1\nhigh = 0.2\ncritcal = 0.5\ncritical = 0.5\n",
            "unknown key 'risk.critcal'. Did you mean 'critical'?",
        ),
        ("[risks]\nmedium = 0.1\n", "unknown key 'risks'. Did you mean 'risk'?"),
    ],
)
def test_faulty_tiers_name_the_file_and_the_key(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "tiers.toml"
    path.write_text(text, encoding="utf-8")

    with pytest.raises(ConfigError) as caught:
        read_tiers(path)

    assert str(path) in str(caught.value)
    assert message in str(caught.value)
