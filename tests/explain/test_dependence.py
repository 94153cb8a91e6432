from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from churnml.explain.dependence import Column, _scale, dependence, interacting

PNG = b"\x89PNG\r\n"
NONE = float("nan")


def column(*values: float, levels: tuple[str, ...] = (), dated: bool = False) -> Column:
    return Column("it", np.array(values), levels, dated)


def test_the_heaviest_features_have_a_plot_each(tmp_path: Path) -> None:
    shares = np.array([[0.1, 2.0, 0.0, -1.0], [-0.1, -2.0, 0.0, 1.0]])
    columns = [Column(name, np.array([1.0, NONE])) for name in ("a", "b/c d", "idle", "e")]
    made = dependence(shares, columns, tmp_path, most=2)
    assert [path.name for path in made] == ["dependence_1_b-c-d.png", "dependence_2_e.png"]
    before = [path.read_bytes() for path in made]
    assert all(content.startswith(PNG) for content in before)
    assert [path.read_bytes() for path in dependence(shares, columns, tmp_path, most=2)] == before
    # What adds nothing has no plot.
    assert len(dependence(shares, columns, tmp_path)) == 3


@pytest.mark.parametrize(
    "odd",
    [
        column(NONE, NONE, NONE),
        column(1.5e308, -1.5e308, 0.0),
        column(7.0, 7.0, NONE),
        column(2_932_800.0, 2_932_800.0, 19_000.0, dated=True),
        column(19_000.0, 19_100.0, 19_200.5, dated=True),
        column(0.0, 1.0, NONE, levels=("a $_{ name", "顧客")),
    ],
)
def test_any_column_can_be_drawn(tmp_path: Path, odd: Column) -> None:
    (path,) = dependence(np.array([[1.0], [2.0], [3.0]]), [odd], tmp_path)
    assert path.read_bytes().startswith(PNG)


def test_numbers_that_lie_evenly_stand_where_they_are() -> None:
    scale = _scale(column(1.0, NONE, 4.0, 2.0))
    assert scale.places[[0, 2, 3]].tolist() == [1, 4, 2]
    assert np.isnan(scale.places[1])
    assert (scale.ticks, scale.labels, scale.by_rank) == ((), (), False)


def test_numbers_of_which_one_lies_far_off_stand_at_their_ranks() -> None:
    scale = _scale(column(*[1.0, 2.0, 3.0] * 20, 1e300))
    assert scale.by_rank
    assert scale.places[[0, 1, 2, 60]].tolist() == [0, 1, 2, 3]
    assert (scale.ticks, scale.labels) == ([0, 1, 2, 3], ["1", "2", "3", "1e+300"])


def test_days_are_told_as_dates() -> None:
    scale = _scale(column(0.0, 10.0, 5.5, dated=True))
    assert scale.labels[0] == "1970-01-01"
    assert scale.labels[-1] == "1970-01-11"


def test_categories_stand_side_by_side_the_most_frequent_first() -> None:
    scale = _scale(column(1.0, 0.0, 1.0, NONE, levels=("a", "b", "never seen")))
    assert scale.labels == ["b", "a"]
    assert scale.places[:3].tolist() == [0, 1, 0]
    many = _scale(column(*range(20), 3.0, levels=tuple(f"n{n}" for n in range(20))))
    assert many.labels[0] == "n3"
    assert many.labels[-1] == "9 others"
    assert many.places.max() == 11


def test_what_interacts_most_is_found_though_its_sign_turns() -> None:
    generator = np.random.default_rng(0)
    value, tenure, noise = generator.normal(size=(3, 300))
    tenure[::7] = NONE
    shares = value * np.where(np.nan_to_num(tenure) > 0, 1.5, 0.5)
    it, idle = Column("value", value), Column("noise", noise)
    found = interacting(shares, it, [idle, Column("tenure", tenure)])
    assert found is not None
    assert found.name == "tenure"
    assert interacting(shares, it, [idle, column(*[NONE] * 300)]) is None
    # Codes of several values have no order.
    coded = Column("plan", np.nan_to_num(tenure).round().clip(0, 2), ("a", "b", "c"))
    assert interacting(shares, it, [coded]) is None


def test_a_feature_that_is_nearly_the_same_one_does_not_interact_for_that() -> None:
    value = np.random.default_rng(2).normal(size=300)
    it = Column("days_to_renewal", value)
    nearly = [Column("days_since", -value), Column("days_in_window", np.maximum(value, 0.0))]
    assert interacting(np.maximum(value, 0.02) ** 2, it, nearly) is None


def test_nothing_interacts_with_what_only_adds() -> None:
    values = np.random.default_rng(1).normal(size=(4, 500))
    columns = [Column(str(n), row) for n, row in enumerate(values)]
    assert interacting(np.sign(values[0]), columns[0], columns[1:]) is None
