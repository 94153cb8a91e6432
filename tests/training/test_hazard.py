from __future__ import annotations

import datetime as dt
from dataclasses import replace
from types import MappingProxyType

import numpy as np
import pyarrow as pa
import pytest

from churnml.errors import TrainingError
from churnml.features.table import Fingerprints, TrainingTable
from churnml.labels import ColumnLabel, SubscriptionLabel
from churnml.training.calibration import probability
from churnml.training.encoding import Encoding
from churnml.training.hazard import FittedHazard, fit_hazard
from churnml.training.recipes import ModelSpec

LABEL = SubscriptionLabel(horizon_days=30, grace_days=0, settle_days=0)
SPEC = ModelSpec(max_rounds=60, early_stopping_rounds=20, num_threads=1)
PERIODS = 4


def company(n: int = 4000, periods: int = PERIODS) -> TrainingTable:
    """Half of the accounts renew in the third period, and leave then or hardly at all."""
    generator = np.random.default_rng(5)
    renewal = generator.integers(0, 2, n)
    unhappy = generator.normal(size=n)
    churned = np.zeros(n, dtype=np.int16)
    for period in range(1, periods + 1):
        due = (renewal == 1) & (period == 3)
        chance = probability(-4.0 + 3.0 * due + 0.8 * unhappy)
        leaves = (churned == 0) & (generator.random(n) < chance)
        churned[leaves] = period
    frame = pa.table(
        {
            "account_id": [f"a{place % (n // 2)}" for place in range(n)],
            "cutoff": pa.array([dt.datetime(2025, 1, 1)] * n, pa.timestamp("us")),
            "label": pa.array((churned == 1).astype(np.int8)),
            "periods_told": pa.array(np.full(n, periods, dtype=np.int16)),
            "churned_period": pa.array(churned, mask=churned == 0),
            "renews": renewal.astype(float),
            "unhappy": unhappy,
        }
    )
    return TrainingTable(
        frame=frame,
        features=("renews", "unhappy"),
        categorical=(),
        monotone=MappingProxyType({}),
        families=MappingProxyType({"renews": "billing", "unhappy": "usage"}),
        fingerprints=Fingerprints("d", "c", "r"),
    )


def fitted(table: TrainingTable, **more: object) -> FittedHazard | None:
    encoding = Encoding.learn(table.frame, table.features, table.categorical)
    known_at = more.get("known_at")
    assert known_at is None or isinstance(known_at, dt.datetime)
    return fit_hazard(table, encoding, LABEL, SPEC, PERIODS, ahead=(), known_at=known_at)


@pytest.fixture(scope="module")
def table() -> TrainingTable:
    return company()


@pytest.fixture(scope="module")
def learnt(table: TrainingTable) -> FittedHazard:
    found = fitted(table)
    assert found is not None
    return found


def test_it_learns_when_accounts_leave(table: TrainingTable, learnt: FittedHazard) -> None:
    frame = table.frame
    first = np.full(frame.num_rows, 0.02)
    survival = learnt.hazard.survival(frame, first)
    assert survival.shape == (frame.num_rows, 4)
    assert np.array_equal(survival[:, 0], 1 - first)
    assert (np.diff(survival, axis=1) <= 0).all()
    hazard = 1 - survival[:, 1:] / survival[:, :-1]
    due = frame["renews"].to_numpy() == 1
    churned = np.asarray(frame["churned_period"].fill_null(0))
    for place, period in enumerate((2, 3, 4)):
        for group in (due, ~due):
            there = group & ((churned == 0) | (churned >= period))
            assert hazard[there, place].mean() == pytest.approx(
                (churned[there] == period).mean(), abs=0.02
            )


def test_it_says_what_it_learnt_from(table: TrainingTable, learnt: FittedHazard) -> None:
    churned = np.asarray(table.frame["churned_period"].fill_null(0))
    assert learnt.churned == tuple(int((churned == k).sum()) for k in (2, 3, 4))
    assert learnt.at_risk == tuple(int(((churned == 0) | (churned >= k)).sum()) for k in (2, 3, 4))


def test_equal_input_gives_equal_trees(table: TrainingTable, learnt: FittedHazard) -> None:
    again = fitted(table)
    assert again is not None
    assert again.hazard.text == learnt.hazard.text
    assert again.hazard.calibrators == learnt.hazard.calibrators


@pytest.mark.parametrize(("days", "periods"), [(119, 3), (120, 4), (59, None), (60, 2)])
def test_what_was_known_only_later_teaches_nothing(
    table: TrainingTable, days: int, periods: int | None
) -> None:
    found = fitted(table, known_at=dt.datetime(2025, 1, 1) + dt.timedelta(days=days))
    assert (found.hazard.periods if found else None) == periods


def test_outcomes_known_later_move_nothing(table: TrainingTable) -> None:
    """Whoever left in the fourth period is, before that is known, one who stayed for three."""
    at = dt.datetime(2025, 1, 1) + dt.timedelta(days=119)
    frame = table.frame
    churned = np.asarray(frame["churned_period"].fill_null(0))
    altered = np.where(churned == 4, 0, churned).astype(np.int16)
    place = frame.column_names.index("churned_period")
    other = replace(
        table,
        frame=frame.set_column(place, "churned_period", pa.array(altered, mask=altered == 0)),
    )
    one, two = fitted(table, known_at=at), fitted(other, known_at=at)
    assert one is not None
    assert two is not None
    assert one.hazard.text == two.hazard.text
    assert one.hazard.calibrators == two.hazard.calibrators


def test_too_few_churners_of_a_period_end_what_is_told() -> None:
    table = company(periods=2)
    assert fitted(table) is not None
    churned = np.asarray(table.frame["churned_period"].fill_null(0))
    few = np.where((churned == 2) & (np.cumsum(churned == 2) > 19), 0, churned).astype(np.int16)
    place = table.frame.column_names.index("churned_period")
    frame = table.frame.set_column(place, "churned_period", pa.array(few, mask=few == 0))
    assert fitted(replace(table, frame=frame)) is None


def test_a_flat_table_tells_of_its_own_window_alone(table: TrainingTable) -> None:
    flat = replace(table, frame=table.frame.drop_columns(["periods_told", "churned_period"]))
    encoding = Encoding.learn(flat.frame, flat.features, ())
    label = ColumnLabel(kind="column", file="x.csv", column="label", positive=1)
    assert fit_hazard(flat, encoding, label, SPEC, PERIODS, ahead=(), known_at=None) is None


def test_nobody_has_a_survival_too(table: TrainingTable, learnt: FittedHazard) -> None:
    assert learnt.hazard.survival(table.frame.slice(0, 0), np.empty(0)).shape == (0, 4)
    with pytest.raises(TrainingError, match="features are missing: renews"):
        learnt.hazard.survival(table.frame.drop_columns(["renews"]), np.empty(0))


def test_what_lies_ahead_is_seen_as_of_the_beginning_of_each_period() -> None:
    """Accounts leave at the end of their term only: what the first period shows holds later."""
    generator = np.random.default_rng(2)
    n = 3000
    days = generator.integers(0, 120, n).astype(float)
    churned = np.where(generator.random(n) < 0.3, days // 30 + 1, 0).astype(np.int16)
    frame = pa.table(
        {
            "account_id": [f"a{place}" for place in range(n)],
            "cutoff": pa.array([dt.datetime(2025, 1, 1)] * n, pa.timestamp("us")),
            "label": pa.array((churned == 1).astype(np.int8)),
            "periods_told": pa.array(np.full(n, 4, dtype=np.int16)),
            "churned_period": pa.array(churned, mask=churned == 0),
            "renewal": days,
        }
    )
    table = replace(company(10), frame=frame, features=("renewal",))
    encoding = Encoding.learn(frame, ("renewal",), ())
    found = fit_hazard(table, encoding, LABEL, SPEC, PERIODS, ahead=("renewal",), known_at=None)
    assert found is not None
    assert (found.hazard.ahead, found.hazard.horizon_days) == (("renewal",), 30)
    survival = found.hazard.survival(frame, np.zeros(n))
    hazard = 1 - survival[:, 1:] / survival[:, :-1]
    for place, period in enumerate((2, 3, 4)):
        due = days // 30 + 1 == period
        assert hazard[due, place].mean() == pytest.approx(0.3, abs=0.05)
        assert hazard[~due, place].mean() < 0.02
