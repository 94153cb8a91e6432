from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from churnml.explain.plots import PLOTS, _counts, beeswarm, draw

if TYPE_CHECKING:
    import pytest

PNG = b"\x89PNG\r\n"


def test_every_plot_is_drawn_without_a_screen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DISPLAY", raising=False)
    generator = np.random.default_rng(0)
    probability = generator.random(200)
    label = (generator.random(200) < probability).astype(float)
    made = draw(label, probability, tmp_path)
    assert [path.name for path in made] == [f"{name}.png" for name in PLOTS]
    assert all(path.read_bytes().startswith(PNG) for path in made)
    # Equal input gives equal files; and nothing is left open in the state that all plots share.
    before = [path.read_bytes() for path in made]
    assert [path.read_bytes() for path in draw(label, probability, tmp_path)] == before


def test_few_rows_and_equal_scores_can_be_drawn(tmp_path: Path) -> None:
    made = draw(np.array([1.0, 0.0, 0.0]), np.array([0.5, 0.5, 0.5]), tmp_path)
    assert len(made) == 4


def test_the_counts_step_over_ties() -> None:
    churned, stayed = _counts(np.array([1.0, 0.0, 1.0, 0.0]), np.array([0.9, 0.9, 0.5, 0.1]))
    assert churned.tolist() == [0, 1, 2, 2]
    assert stayed.tolist() == [0, 1, 1, 2]


def test_a_beeswarm_takes_missing_and_huge_values_and_more_features_than_it_shows(
    tmp_path: Path,
) -> None:
    generator = np.random.default_rng(1)
    shares = generator.normal(size=(60, 20)) * np.arange(20)
    values = generator.normal(size=(60, 20))
    values[:, 19] = np.nan
    values[:, 18] = np.where(generator.random(60) < 0.5, np.nan, 1.5e308)
    values[:, 17] = np.where(np.arange(60) % 2, -1.5e308, 1.5e308)
    names = tuple(f"a feature of a very long name, number {n}, all of it" for n in range(20))
    path = beeswarm(shares, values, names, tmp_path)
    assert path.name == "beeswarm.png"
    assert path.read_bytes().startswith(PNG)
    if "matplotlib.pyplot" in sys.modules:
        assert sys.modules["matplotlib.pyplot"].get_fignums() == []


def test_one_feature_of_one_row_can_be_drawn(tmp_path: Path) -> None:
    assert beeswarm(np.array([[0.2]]), np.array([[np.nan]]), ("only",), tmp_path).is_file()


def test_names_are_no_formulas_and_may_be_of_any_script(tmp_path: Path) -> None:
    names = ("price $_{ and $", "a\nb", "顧客の契約")
    shares, values = np.array([[0.2, 0.1, -0.1]]), np.array([[1.0, 2.0, 3.0]])
    assert beeswarm(shares, values, names, tmp_path).is_file()
