from __future__ import annotations

import numpy as np
import pytest

from churnml.training.calibration import probability
from churnml.training.pooling import fit_pooled


def drawn(
    intercepts: list[float], slope: float, rows: list[int]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    generator = np.random.default_rng(0)
    group = np.repeat(np.arange(len(rows)), rows)
    margin = generator.normal(-3, 1.2, group.size)
    chance = probability(slope * margin + np.array(intercepts)[group])
    return margin, (generator.random(group.size) < chance).astype(float), group


def test_rich_groups_go_their_own_way_and_poor_ones_keep_to_the_others() -> None:
    margin, label, group = drawn([0.5, 0.5, -0.5, 3.0], 1.2, [40_000, 40_000, 40_000, 10])
    lines = fit_pooled(margin, label, group, 5)
    assert [line.slope for line in lines[:3]] == pytest.approx([1.2, 1.2, 1.2], abs=0.1)
    assert [line.intercept for line in lines[:3]] == pytest.approx([0.5, 0.5, -0.5], abs=0.25)
    # Ten rows say little, and a group without rows is what the others are on average.
    assert lines[4].slope == pytest.approx(np.mean([x.slope for x in lines[:3]]), abs=0.05)
    assert lines[4].intercept == pytest.approx(np.mean([x.intercept for x in lines[:4]]), abs=0.1)
    assert lines[3].intercept - lines[4].intercept < 1.0


def test_the_mean_probability_of_rich_groups_is_their_rate() -> None:
    margin, label, group = drawn([0.4, -0.4], 0.8, [30_000, 30_000])
    for place, line in enumerate(fit_pooled(margin, label, group, 2)):
        mine = group == place
        found = probability(line.log_odds(margin[mine])).mean()
        assert found == pytest.approx(label[mine].mean(), rel=0.02)


def test_margins_that_speak_against_themselves_keep_their_order() -> None:
    margin, label, group = drawn([0.0], -1.0, [50_000])
    (line,) = fit_pooled(margin, label, group, 1)
    assert (line.slope, line.guarded) == (0.01, True)


def test_one_class_alone_gives_finite_lines() -> None:
    margin = np.linspace(-4, 0, 50)
    for label in (np.zeros(50), np.ones(50)):
        (line,) = fit_pooled(margin, label, np.zeros(50, dtype=np.int64), 1)
        assert np.isfinite([line.slope, line.intercept]).all()
