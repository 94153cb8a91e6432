from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, brier_score_loss, log_loss, roc_auc_score

from churnml.backtest.metrics import METRICS, RANKING, Interval, _Sample, compare, evaluate
from churnml.errors import TrainingError

LABEL = [0, 0, 1, 0, 1, 1, 0, 0, 0, 1]
SCORE = [0.1, 0.4, 0.35, 0.8, 0.8, 0.9, 0.2, 0.2, 0.3, 0.6]
ACCOUNT = list("abcdefghij")


def values(
    label: list[int], score: list[float], *names: str, account: list[str] | None = None
) -> dict[str, float]:
    accounts = account or [str(n) for n in range(len(label))]
    found = evaluate(label, score, accounts, metrics=names or tuple(METRICS), draws=0)
    return {name: interval.value for name, interval in found.metrics.items()}


def test_figures_equal_those_of_scikit_learn() -> None:
    found = values(LABEL, SCORE)
    assert found["auc"] == pytest.approx(roc_auc_score(LABEL, SCORE), abs=1e-12)
    assert found["average_precision"] == pytest.approx(
        average_precision_score(LABEL, SCORE), abs=1e-12
    )
    assert found["log_loss"] == pytest.approx(log_loss(LABEL, SCORE), abs=1e-12)
    assert found["brier"] == pytest.approx(brier_score_loss(LABEL, SCORE), abs=1e-12)


def test_the_riskiest_tenth() -> None:
    # Of ten rows the riskiest one churned, of four who did.
    assert values(LABEL, SCORE, "recall_at_10", "lift_at_10") == pytest.approx(
        {"recall_at_10": 0.25, "lift_at_10": 2.5}
    )
    # With no order at all, a tenth of the rows holds a tenth of the churn.
    assert values([1, 0, 1, 0, 0], [0.5] * 5, "recall_at_10", "lift_at_10") == pytest.approx(
        {"recall_at_10": 0.1, "lift_at_10": 1.0}
    )
    # Fifteen rows: the first, and half of the tie of two behind it.
    label = [1, 1, 0, *([0] * 11), 1]
    score = [0.9, 0.8, 0.8, *([0.1] * 12)]
    assert values(label, score, "recall_at_10")["recall_at_10"] == pytest.approx((1 + 0.25) / 3)


def test_calibration_error_by_hand() -> None:
    # Ten rows, ten bins of one row each: the mean distance from the label.
    expected = sum(abs(s - y) for s, y in zip(SCORE, LABEL, strict=True) if s not in {0.8, 0.2})
    expected += abs(1.6 - 1) + 0.4  # ties share a bin
    assert values(LABEL, SCORE, "ece")["ece"] == pytest.approx(expected / 10)


def test_calibration_error_has_no_interval() -> None:
    """Percentiles over draws lie above it: of a perfect model they hold the truth, 0, never."""
    found = evaluate(LABEL, SCORE, ACCOUNT, metrics=("ece", "brier"), draws=50).metrics
    assert found["ece"].value > 0
    assert math.isnan(found["ece"].low)
    assert math.isnan(found["ece"].high)
    assert found["brier"].low < found["brier"].value
    with pytest.raises(TrainingError, match=r"'ece' has no interval.* Compare 'brier'"):
        compare(LABEL, SCORE, SCORE, ACCOUNT, metric="ece")


def test_calibration_line_recovers_what_was_done_to_the_scores() -> None:
    generator = np.random.default_rng(1)
    margin = generator.normal(-1, 1.5, size=200_000)
    label = (generator.random(200_000) < 1 / (1 + np.exp(-margin))).astype(int)
    squeezed = 1 / (1 + np.exp(-(2 * margin + 1)))  # margin = (log-odds − 1) / 2
    found = evaluate(
        label,
        squeezed,
        np.arange(200_000),
        metrics=("calibration_slope", "calibration_intercept"),
        draws=0,
    ).metrics
    assert found["calibration_slope"].value == pytest.approx(0.5, abs=0.01)
    assert found["calibration_intercept"].value == pytest.approx(-0.5, abs=0.02)


def test_a_calibration_line_is_found_however_timid_the_scores() -> None:
    """The slope of scores that are a hundredth of the truth is a hundred."""
    generator = np.random.default_rng(1)
    margin = generator.normal(-2, 1, size=4000)
    label = (generator.random(4000) < 1 / (1 + np.exp(-margin))).astype(int)
    names = ("calibration_slope", "calibration_intercept")
    found = [
        evaluate(label, 1 / (1 + np.exp(-k * margin)), np.arange(4000), metrics=names, draws=20)
        for k in (1, 0.01)
    ]
    bold, timid = (item.metrics for item in found)
    line, hundred = bold["calibration_slope"], timid["calibration_slope"]
    assert hundred.value == pytest.approx(100 * line.value, rel=1e-6)
    assert hundred.low == pytest.approx(100 * line.low, rel=1e-6)
    assert timid["calibration_intercept"].value == pytest.approx(
        bold["calibration_intercept"].value, abs=1e-6
    )


def test_scores_that_part_the_classes_have_no_calibration_line() -> None:
    """The steeper the likelier, without end."""
    found = values([0, 0, 0, 1, 1], [0.1, 0.2, 0.3, 0.6, 0.7], "calibration_slope", "auc")
    assert math.isnan(found["calibration_slope"])
    assert found["auc"] == 1


def test_scores_without_spread_have_no_calibration_line() -> None:
    found = values(LABEL, [0.4] * 10, "calibration_slope", "auc")
    assert math.isnan(found["calibration_slope"])
    assert found["auc"] == 0.5


@settings(max_examples=100, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, 1), st.integers(0, 5), st.integers(0, 3)), min_size=2, max_size=20
    ).filter(lambda rows: len({label for label, _, _ in rows}) == 2)
)
def test_weights_are_repetitions(rows: list[tuple[int, int, int]]) -> None:
    """Every metric of a row drawn k times is that of a table in which it stands k times."""
    label = np.array([row[0] for row in rows], dtype=float)
    score = np.array([(row[1] + 0.5) / 6 for row in rows])
    times = np.array([row[2] for row in rows])
    repeated = np.repeat(np.arange(len(rows)), times)
    weights = times.astype(float)
    if len(set(label[repeated])) < 2:
        return
    sample = _Sample.of(label, score, np.arange(len(rows)))
    plain = _Sample.of(label[repeated], score[repeated], repeated)
    for name, metric in METRICS.items():
        if name == "ece":
            continue  # its bins are those of the rows as they are
        drawn = metric(sample, weights[None, sample.account])[0]
        direct = metric(plain, np.ones((1, repeated.size)))[0]
        assert drawn == pytest.approx(direct, abs=1e-6, nan_ok=True), name


def test_intervals_draw_accounts_not_rows() -> None:
    """Copying every row of an account tells nothing new, and must not narrow the interval."""
    generator = np.random.default_rng(2)
    label = (generator.random(200) < 0.3).astype(int)
    score = np.clip(0.3 + 0.2 * label + generator.normal(0, 0.2, 200), 0.01, 0.99)
    account = np.arange(200)
    once = evaluate(label, score, account, draws=400, seed=3)
    often = evaluate(
        np.tile(label, 12), np.tile(score, 12), np.tile(account, 12), draws=400, seed=3
    )
    assert often.rows == 2400
    assert often.accounts == 200
    for name in ("auc", "log_loss", "brier"):
        assert often.metrics[name].low == pytest.approx(once.metrics[name].low, abs=1e-9)
        assert often.metrics[name].high == pytest.approx(once.metrics[name].high, abs=1e-9)
    naive = evaluate(
        np.tile(label, 12), np.tile(score, 12), np.arange(2400), metrics=("auc",), draws=400
    ).metrics["auc"]
    wide = once.metrics["auc"]
    assert (naive.high - naive.low) < 0.5 * (wide.high - wide.low)


def test_intervals_cover_the_truth_about_as_often_as_they_say() -> None:
    """AUC of two unit normals a distance d apart is Φ(d/√2)."""
    truth = 0.5 * (1 + math.erf(0.8 / 2))
    covered = 0
    for seed in range(60):
        generator = np.random.default_rng(seed)
        label = (generator.random(300) < 0.4).astype(int)
        score = generator.normal(0.8 * label, 1)
        found = evaluate(label, score, np.arange(300), metrics=("auc",), draws=200, seed=seed)
        covered += found.metrics["auc"].low <= truth <= found.metrics["auc"].high
    assert 52 <= covered <= 60


def test_the_same_seed_gives_the_same_interval_whatever_else_is_asked() -> None:
    alone = evaluate(LABEL, SCORE, ACCOUNT, metrics=("auc",), seed=5).metrics["auc"]
    beside = evaluate(LABEL, SCORE, ACCOUNT, seed=5).metrics["auc"]
    assert alone == beside
    assert alone != evaluate(LABEL, SCORE, ACCOUNT, metrics=("auc",), seed=6).metrics["auc"]
    assert alone.low <= alone.value <= alone.high


def test_a_comparison_is_paired() -> None:
    generator = np.random.default_rng(4)
    label = (generator.random(400) < 0.3).astype(int)
    good = label + generator.normal(0, 1, 400)
    account = np.arange(400) // 2
    same = compare(label, good, good * 3 - 1, account)
    assert same.difference == Interval(0.0, 0.0, 0.0)
    worse = good + generator.normal(0, 1.5, 400)
    found = compare(label, good, worse, account, draws=300)
    assert found.first - found.second == found.difference.value
    assert 0 < found.difference.low < found.difference.value < found.difference.high
    assert compare(label, worse, good, account, draws=300).difference.high < 0
    single = evaluate(label, good, account, metrics=("auc",), draws=300).metrics["auc"]
    assert found.first == single.value


def test_miscalibration_is_what_a_line_through_the_log_odds_regains() -> None:
    # One in four and three in four of the labels are 1: so say the right scores, and the log loss
    # of them is the entropy of a quarter; scores on the wrong side of it lose the divergence.
    label = np.tile([1, 0, 0, 0, 0, 1, 1, 1], 50)
    right, sure = np.tile([0.25] * 4 + [0.75] * 4, 50), np.tile([0.1] * 4 + [0.9] * 4, 50)
    account = np.arange(label.size) // 8
    found = compare(label, sure, right, account, metric="miscalibration", draws=20)
    lost = 0.25 * math.log(0.25 / 0.1) + 0.75 * math.log(0.75 / 0.9)
    assert found.first == pytest.approx(lost, abs=1e-9)
    assert found.second == pytest.approx(0, abs=1e-9)
    assert found.difference.low == pytest.approx(lost, abs=1e-9)  # each account holds the shares
    # Scores that part the classes have no such line, and neither have most draws of them.
    parted = compare(label, label * 0.8 + 0.1, right, account, metric="miscalibration", draws=20)
    assert math.isnan(parted.first)
    assert math.isnan(parted.difference.low)
    with pytest.raises(TrainingError, match=r"no metric is named 'miscalibration'"):
        evaluate(label, right, account, metrics=("miscalibration",))


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ({"label": [0, 1]}, "2 labels, 10 scores and 10 accounts"),
        ({"label": [0] * 10}, "0 of 10 rows churned: metrics need labels of 0 and 1"),
        ({"label": [1] * 10}, "10 of 10 rows churned"),
        ({"label": [2, 1, *([0] * 8)]}, "1 of 10 rows churned"),
        ({"score": [math.nan, *SCORE[1:]]}, "1 scores are not finite"),
        ({"score": [1.5, *SCORE[1:]]}, r"scores run from 0\.2 to 1\.5, but log_loss, .* need"),
        ({"metrics": ("acu",)}, r"no metric is named 'acu'\. Did you mean 'auc'\?"),
    ],
)
def test_what_cannot_be_measured_is_an_error(how: Mapping[str, object], message: str) -> None:
    given_all: dict[str, object] = {"label": LABEL, "score": SCORE, "account": ACCOUNT, **how}
    with pytest.raises(TrainingError, match=message):
        evaluate(**given_all)  # type: ignore[arg-type]


def test_ranking_metrics_take_any_score() -> None:
    found = evaluate(LABEL, np.array(SCORE) * 100, ACCOUNT, metrics=tuple(RANKING), draws=20)
    assert set(found.metrics) == {"auc", "average_precision", "lift_at_10", "recall_at_10"}
