"""A table with every kind of column, and a model fitted to it."""

from __future__ import annotations

import datetime as dt
from types import MappingProxyType

import numpy as np
import pyarrow as pa
import pytest

from churnml.actions.tiers import RiskTiers
from churnml.features.catalogue import Catalogue
from churnml.features.entries import Aggregate, Feature, FeatureEntry
from churnml.features.table import Fingerprints, TrainingTable
from churnml.labels import Cutoffs, SubscriptionLabel
from churnml.splits import Split
from churnml.splits import split as part
from churnml.training.estimator import FittedModel, fit
from churnml.training.recipes import CalibrationSpec, ModelSpec, Recipe
from churnml.training.shapes import Shape

N_ACCOUNTS, N_CUTOFFS = 120, 14
TIERS = RiskTiers(medium=0.1, high=0.3, critical=0.6)

RECIPE = Recipe(
    name="test",
    label=SubscriptionLabel(horizon_days=30, grace_days=0),
    cutoffs=Cutoffs(every="month"),
    model=ModelSpec(
        shapes=(),
        own_shapes=(Shape(name="quick", learning_rate=0.1, min_data_in_leaf=10),),
        folds=3,
        max_rounds=60,
        early_stopping_rounds=20,
        num_threads=1,
        seed=3,
    ),
)


@pytest.fixture(scope="session")
def table() -> TrainingTable:
    generator = np.random.default_rng(0)
    n = N_ACCOUNTS * N_CUTOFFS
    months = [dt.datetime(2023 + m // 12, m % 12 + 1, 1) for m in range(N_CUTOFFS)]
    plans = np.array(["basic", "pro", "team", None], dtype=object)
    plan = plans[generator.integers(0, 4, n)]
    logins = generator.poisson(8, n).astype(float)
    trend = generator.normal(size=n)
    risk = -1 - 0.25 * (logins - 8) + 0.7 * trend + 1.2 * (plan == "basic")
    label = (generator.random(n) < 1 / (1 + np.exp(-risk))).astype(np.int8)
    logins[generator.random(n) < 0.1] = np.nan
    late = np.arange(n) >= n - 50
    frame = pa.table(
        {
            "account_id": np.tile([f"a{i}" for i in range(N_ACCOUNTS)], N_CUTOFFS),
            "cutoff": pa.array(
                np.repeat(np.array(months, dtype="datetime64[us]"), N_ACCOUNTS), pa.timestamp("us")
            ),
            "label": pa.array(label),
            "arr": generator.uniform(100, 1e5, n),
            "involuntary": np.zeros(n, bool),
            "downgraded": pa.nulls(n, pa.bool_()),
            "churned_at": pa.nulls(n, pa.timestamp("us")),
            "logins[30d]:total, all": pa.array(logins, from_pandas=True),
            "trend": trend,
            "seats": pa.array(generator.integers(1, 50, n)),
            "auto_renew": pa.array(generator.random(n) < 0.5, mask=generator.random(n) < 0.2),
            "plan": pa.array(np.where(late & (plan == "pro"), "brand new", plan), pa.string()),
            "empty": pa.nulls(n, pa.float64()),
            "nameless": pa.nulls(n, pa.string()),
        }
    )
    features = tuple(frame.column_names[7:])
    return TrainingTable(
        frame=frame,
        features=features,
        categorical=("plan", "nameless"),
        monotone=MappingProxyType({"logins[30d]:total, all": -1, "plan": 1}),
        families=MappingProxyType(dict.fromkeys(features, "usage")),
        fingerprints=Fingerprints(data="d" * 64, catalogue="c" * 64, recipe="r" * 64),
    )


@pytest.fixture(scope="session")
def catalogue(table: TrainingTable) -> Catalogue:
    """Declare the table's features, as far as a bundle needs it."""
    features = tuple(
        Feature(
            name,
            "usage",
            FeatureEntry(
                name="declared",
                description=name,
                unit="count",
                table="usage",
                aggregate=Aggregate.COUNT,
                sentence="\u00fcber alles {value}",
            ),
            None,
            0,
            "usage.toml",
        )
        for name in table.features
    )
    return Catalogue(features, MappingProxyType({"usage": "Usage"}))


@pytest.fixture(scope="session")
def split(table: TrainingTable) -> Split:
    """Part the table for the first of three tests: ten months teach, one is purged."""
    return part(table.frame, RECIPE.splits, RECIPE.label, RECIPE.cutoffs)[0]


@pytest.fixture(scope="session")
def later(table: TrainingTable, split: Split) -> pa.Table:
    """Give the rows of the three months to test on."""
    times = np.asarray(table.frame["cutoff"])
    return table.frame.filter(pa.array(times >= np.datetime64(split.test_from)))


@pytest.fixture(scope="session")
def tiers() -> RiskTiers:
    return TIERS


@pytest.fixture(scope="session")
def recipe() -> Recipe:
    return RECIPE


@pytest.fixture(scope="session")
def fitted(table: TrainingTable, split: Split) -> FittedModel:
    return fit(table, split.learn, RECIPE.model, CalibrationSpec())
