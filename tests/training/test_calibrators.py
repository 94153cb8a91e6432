import numpy as np
import pytest

from churnml.training.calibration import Calibrator, fit_platt, probability
from churnml.training.calibrators import Doubt, allowed, calibrate
from churnml.training.curves import BetaCurve, IsotonicCurve
from churnml.training.folds import account_folds


def company(
    count: int, curve: Calibrator | BetaCurve | IsotonicCurve
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Draw an account a row, whose log-odds are a curve of its margin."""
    generator = np.random.default_rng(0)
    margin = generator.normal(-1, 2, count)
    label = (generator.random(count) < probability(curve.log_odds(margin))).astype(float)
    accounts = np.array([f"a{row}" for row in range(count)], dtype=object)
    return margin, label, accounts, account_folds(accounts, label, 5, 0)


def test_a_line_stays_a_line() -> None:
    rows = company(4000, Calibrator(0.8, -0.3))
    found = calibrate(*rows, "auto")
    assert found.method == "platt"
    assert found.curve == fit_platt(rows[0], rows[1])
    assert set(found.losses) == {"platt", "beta"}


def test_a_bend_calls_for_a_beta_curve() -> None:
    found = calibrate(*company(8000, BetaCurve(2.0, 0.4, 0.5)), "auto")
    assert isinstance(found.curve, BetaCurve)
    assert found.losses["beta"] < found.losses["platt"]


def test_steps_call_for_an_isotonic_curve() -> None:
    steps = IsotonicCurve((-4.0, -1.01, -1.0, 0.5, 0.51, 4.0), (-4.0, -3.9, 0.0, 0.1, 3.5, 3.6))
    found = calibrate(*company(8000, steps), "auto")
    assert isinstance(found.curve, IsotonicCurve)


def test_few_rows_allow_a_line_only() -> None:
    rows = company(900, BetaCurve(2.0, 0.4, 0.5))
    assert allowed(rows[1], rows[2]) == ("platt",)
    assert calibrate(*rows, "auto").losses == {}


def test_churners_count_by_account() -> None:
    _, label, accounts, _ = company(6000, Calibrator(1.0, 0.0))
    assert allowed(label, accounts) == ("platt", "beta", "isotonic")
    repeated = np.array([f"a{row % 100}" for row in range(6000)], dtype=object)
    assert allowed(label, repeated) == ("platt", "beta")


def test_what_is_asked_for_is_taken() -> None:
    rows = company(300, Calibrator(1.0, 0.0))
    assert isinstance(calibrate(*rows, "beta").curve, BetaCurve)
    assert isinstance(calibrate(*rows, "isotonic").curve, IsotonicCurve)
    none = calibrate(*rows, "none")
    assert none.curve == Calibrator()
    assert none.doubt == Doubt()


def test_doubt_is_the_spread_of_lines_over_companies() -> None:
    at, found, told = np.array([-3.0, 1.0]), [], []
    for seed in range(300):
        generator = np.random.default_rng(seed)
        margin = np.repeat(generator.normal(-1, 2, 150), 3)  # three rows an account, all alike
        label = np.repeat(generator.random(150), 3) < probability(margin)
        accounts = np.repeat([f"a{row}" for row in range(150)], 3).astype(object)
        fold = np.repeat(np.arange(150) % 3, 3)
        line = calibrate(margin, label.astype(float), accounts, fold, "platt")
        found.append(line.curve.log_odds(at))
        told.append(line.doubt.variance(at))
    np.testing.assert_allclose(np.std(found, axis=0), np.sqrt(np.median(told, axis=0)), rtol=0.2)


def test_doubt_by_hand() -> None:
    doubt = Doubt(centre=1.0, level=0.5, both=0.1, slope=0.2)
    np.testing.assert_allclose(doubt.variance(np.array([1.0, 3.0])), [0.5, 0.5 + 0.4 + 0.8])


def test_margins_all_alike_leave_the_slope_alone() -> None:
    label = np.array([0.0, 1.0, 0.0, 0.0])
    names = np.array(list("abcd"), dtype=object)
    found = calibrate(np.zeros(4), label, names, np.array([0, 0, 1, 1]), "platt")
    assert found.doubt.slope == pytest.approx(0)
    assert found.doubt.level > 0
