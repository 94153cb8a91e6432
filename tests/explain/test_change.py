from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from textwrap import dedent

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from churnml.errors import FeatureError
from churnml.explain.change import Calibration, Change, Crossed, Margins, change, cross
from churnml.explain.reasons import Value
from churnml.features.catalogue import Catalogue, read_catalogue
from churnml.history.tables import STANDARD

Floats = npt.NDArray[np.float64]


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


def line(slope: float, intercept: float) -> Calibration:
    """Calibrate by a line."""

    def calibrate(margin: Floats, base: float, values: Floats) -> tuple[Floats, Floats]:
        return np.full(margin.size, slope * base + intercept), slope * values

    return calibrate


def curve(bend: float, weights: tuple[float, float], rate: float) -> Calibration:
    """Calibrate by a cubic, and draw either row to a rate, as thin ones are."""

    def bent(margin: Floats) -> Floats:
        return margin + bend * margin**3

    def calibrate(margin: Floats, base: float, values: Floats) -> tuple[Floats, Floats]:
        origin = bent(np.full(2, base))
        way = margin - base
        near = np.abs(way) < 1e-9
        stretch = np.where(near, 1 + 3 * bend * base**2, 0.0)
        stretch[~near] = (bent(margin) - origin)[~near] / way[~near]
        weight = np.array(weights)
        return weight * origin + (1 - weight) * rate, values * (weight * stretch)[:, None]

    return calibrate


def told(
    contributions: list[float],
    before: Mapping[str, Value],
    after: Mapping[str, Value],
    catalogue: Catalogue | None,
) -> list[str]:
    """Tell sentences of a change by one model whose contributions were 0 before."""
    margins = Margins(0.0, np.array([[0.0] * len(contributions), contributions]))
    crossed = cross((margins, margins), (line(1, 0), line(1, 0)))
    features = tuple(before)
    found = change(crossed, features, (True,) * len(features), (before, after), catalogue)
    return [reason.sentence for reason in found.behaviour]


def test_one_model_changed_by_behaviour_alone(catalogue: Catalogue) -> None:
    before: dict[str, Value] = {
        "active_days_28d": 19.0, "active_days_before_28d": 20.0, "csat_last": None,
    }  # fmt: skip
    after = {**before, "active_days_28d": 6.0, "csat_last": 4.0}
    margins = Margins(-2.0, np.array([[-0.5, 0.25, 0.5], [0.75, 0.5, 0.25]]))
    crossed = cross((margins, margins), (line(2, 1), line(2, 1)))
    found = change(crossed, tuple(before), (True,) * 3, (before, after), catalogue)
    assert (found.earlier, found.later, found.difference) == (-2.5, 0.0, 2.5)
    assert (found.thinness, found.model, found.calibration) == (0.0, 0.0, 0.0)
    usage, support = found.behaviour
    assert (usage.family, usage.title, usage.contribution) == ("usage", "Use of the product", 3.0)
    assert (usage.feature, usage.actionable) == ("active_days_28d", True)
    assert usage.sentence == "active on 6 (was 19) of the last 28 days"
    assert (support.family, support.contribution) == ("support", -0.5)
    assert support.sentence == "last rated a ticket 4 of 5; before: never rated a ticket"


def test_row_trees_and_calibration_by_hand() -> None:
    # One feature. Margins: old trees 1 → 3, new trees 2 → 6, both about a base of 0.
    trees = Margins(0.0, np.array([[1.0], [3.0]])), Margins(0.0, np.array([[2.0], [6.0]]))
    # Log-odds: the old calibration's are the margins, the new one's twice them and 1.
    crossed = cross(trees, (line(1, 0), line(2, 1)))
    np.testing.assert_array_equal(crossed.log_odds, [[[1, 3], [3, 7]], [[2, 6], [5, 13]]])
    found = change(crossed, ("x",), (True,), ({"x": 1.0}, {"x": 2.0}), None)
    # Rows differ by 2, 4 (old trees) and 4, 8 (new); trees by 1, 3 and 2, 6; curves by 2, 4, 3, 7.
    (reason,) = found.behaviour
    assert reason.contribution == pytest.approx((2 + 8) / 3 + (4 + 4) / 6)
    assert found.model == pytest.approx((1 + 6) / 3 + (3 + 2) / 6)
    assert found.calibration == pytest.approx((2 + 7) / 3 + (4 + 3) / 6)
    assert (found.earlier, found.later, found.thinness) == (1.0, 13.0, 0.0)


def test_what_only_one_model_knows_is_the_models() -> None:
    old = Margins(0.0, np.array([[1.0, 0.5, 0.0], [2.0, 1.5, 0.0]]))
    new = Margins(0.0, np.array([[1.0, 0.0, 0.0], [2.0, 0.0, 3.0]]))
    crossed = cross((old, new), (line(1, 0), line(1, 0)))
    row: dict[str, Value] = {"x": 1.0}
    found = change(crossed, ("x", "gone", "new"), (True, False, False), (row, row), None)
    assert [(r.feature, r.contribution) for r in found.behaviour] == [("x", 1.0)]
    assert (found.difference, found.model, found.calibration) == (3.5, 2.5, 0.0)


def test_a_history_that_is_thin_no_more() -> None:
    margins = Margins(-1.0, np.array([[0.5], [0.5]]))
    drawn = curve(0.0, (0.25, 1.0), -3.0)
    found = change(
        cross((margins, margins), (drawn, drawn)), ("x",), (True,), ({"x": 1.0},) * 2, None
    )
    # Before: a quarter of base and share, and three of the rate; now both whole.
    assert found.thinness == pytest.approx(-1.0 - (0.25 * -1.0 + 0.75 * -3.0))
    assert [r.contribution for r in found.behaviour] == [pytest.approx(0.5 - 0.125)]
    assert (found.model, found.calibration) == (0.0, 0.0)


def test_sentences_tell_what_was_beside_what_is(catalogue: Catalogue) -> None:
    before: dict[str, Value] = {"active_days_before_28d": 20.0, "active_days_28d": 19.0}
    after: dict[str, Value] = {"active_days_before_28d": 21.0, "active_days_28d": None}
    assert told([1.0, 0.5], before, after, catalogue) == [
        "active days were 21 (was 20), and then unknown (was 19)"
    ]


def test_a_family_speaks_of_what_became_another(catalogue: Catalogue) -> None:
    before: dict[str, Value] = {"active_days_28d": 19.0, "active_days_before_28d": 20.0}
    # The other feature weighs more, only because of what this one did.
    assert told([0.25, 1.0], before, {**before, "active_days_28d": 6.0}, catalogue) == [
        "active on 6 (was 19) of the last 28 days"
    ]
    assert told([0.25, 1.0], before, before, catalogue) == [
        "active days were 20, and then 19, as before"
    ]


def test_a_flat_table_tells_its_columns() -> None:
    before: dict[str, Value] = {"Contract": "Month-to-month", "tenure": 3.0, "calls": 2.0}
    after: dict[str, Value] = {"Contract": "One year", "tenure": 3.0, "calls": None}
    assert told([-2.0, 1.0, 0.5], before, after, None) == [
        "Contract is One year (was Month-to-month)",
        "tenure is 3, as before",
        "calls is unknown; before: calls is 2",
    ]


def test_a_change_too_small_to_be_shown_is_not_called_none() -> None:
    assert told([1.0], {"tenure": 3.01}, {"tenure": 3.04}, None) == ["tenure is 3"]


def test_what_does_not_fit_is_refused() -> None:
    one, two = Margins(0.0, np.zeros((2, 1))), Margins(0.0, np.zeros((2, 2)))
    with pytest.raises(FeatureError, match=r"shapes \(2, 1\) and \(2, 2\); expected 2 rows each"):
        cross((one, two), (line(1, 0), line(1, 0)))
    crossed = cross((two, two), (line(1, 0), line(1, 0)))
    with pytest.raises(FeatureError, match="2 contributions and 1 marks for 2 features"):
        change(crossed, ("x", "y"), (True,), ({}, {}), None)
    rows: tuple[dict[str, Value], dict[str, Value]] = {"x": 1.0, "y": 1.0}, {"y": 1.0}
    with pytest.raises(FeatureError, match="1 of the 2 shared features are not in both rows, 'x'"):
        change(crossed, ("x", "y"), (True, True), rows, None)


NUMBER = st.floats(-4, 4)
WEIGHTS = st.tuples(*[st.sampled_from([0.25, 1.0]) | st.floats(0, 1)] * 2)
CURVES = st.builds(line, st.floats(0.01, 3), NUMBER) | st.builds(
    curve, st.floats(0, 0.2), WEIGHTS, NUMBER
)


@st.composite
def two_scores(draw: st.DrawFn) -> tuple[Crossed, tuple[str, ...], list[bool]]:
    size = draw(st.integers(1, 5))
    shared = draw(st.lists(st.booleans(), min_size=size, max_size=size))
    values = st.lists(NUMBER, min_size=2 * size, max_size=2 * size)
    trees = [Margins(draw(NUMBER), np.array(draw(values)).reshape(2, size)) for _ in range(2)]
    crossed = cross((trees[0], trees[1]), (draw(CURVES), draw(CURVES)))
    return crossed, tuple("abcde"[:size]), shared


def of(scores: tuple[Crossed, tuple[str, ...], list[bool]]) -> Change:
    crossed, features, shared = scores
    row = dict.fromkeys(features, 1.0)
    return change(crossed, features, shared, (row, row), None)


def parts(found: Change) -> dict[str, float]:
    named = {reason.family: reason.contribution for reason in found.behaviour}
    return {
        **named, "thinness": found.thinness, "model": found.model,
        "calibration": found.calibration,
    }  # fmt: skip


@given(two_scores())
def test_parts_add_up_to_the_difference(
    scores: tuple[Crossed, tuple[str, ...], list[bool]],
) -> None:
    found = of(scores)
    assert sum(parts(found).values()) == pytest.approx(found.difference, abs=1e-9)


@given(two_scores())
def test_the_same_scores_the_other_way_round_negate_every_part(
    scores: tuple[Crossed, tuple[str, ...], list[bool]],
) -> None:
    crossed, features, shared = scores
    turned = Crossed(np.flip(crossed.base), np.flip(crossed.contributions, axis=(0, 1, 2)))
    back = of((turned, features, shared))
    assert parts(back) == {name: -part for name, part in parts(of(scores)).items()}
    assert back.difference == -of(scores).difference


@given(NUMBER, st.lists(NUMBER, min_size=1, max_size=5), CURVES)
def test_no_change_is_no_part(base: float, values: list[float], calibration: Calibration) -> None:
    margins = Margins(base, np.array([values, values]))
    crossed = cross((margins, margins), (calibration, calibration))
    still = Crossed(
        np.broadcast_to(crossed.base[..., :1], (2, 2, 2)),
        np.broadcast_to(crossed.contributions[..., :1, :], crossed.contributions.shape),
    )
    found = of((still, tuple("abcde"[: len(values)]), [True] * len(values)))
    assert parts(found) == {"thinness": 0.0, "model": 0.0, "calibration": 0.0}
    assert found.difference == 0.0
