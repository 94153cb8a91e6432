"""Leaks that were planted in a table are found; strong features that are honest are not."""

from __future__ import annotations

import json
from dataclasses import replace
from types import MappingProxyType

import numpy as np
import pyarrow as pa
import pytest

from churnml.errors import TrainingError
from churnml.features.table import Fingerprints, TrainingTable
from churnml.labels import ColumnLabel, SubscriptionLabel
from churnml.splits import Splits
from churnml.training.audit import Audit, Check, Finding, Level, audit
from churnml.training.recipes import ModelSpec, Recipe

N_ACCOUNTS, N_CUTOFFS = 400, 12
MODEL = ModelSpec(num_threads=1)
HISTORY = Recipe(
    name="history", label=SubscriptionLabel(horizon_days=30, grace_days=0, settle_days=0),
    splits=Splits(test_cutoffs=2), model=MODEL,
)  # fmt: skip
FLAT = Recipe(
    name="flat",
    label=ColumnLabel(kind="column", file="t.csv", column="left", positive=1),
    model=MODEL,
)


def made(columns: dict[str, pa.Array | np.ndarray], kept: int) -> TrainingTable:
    frame = pa.table(columns)
    features = tuple(frame.column_names[kept:])
    return TrainingTable(
        frame=frame,
        features=features,
        categorical=tuple(n for n in features if pa.types.is_string(frame[n].type)),
        monotone=MappingProxyType({}),
        families=MappingProxyType(dict.fromkeys(features, "any")),
        fingerprints=Fingerprints("d", "c", "r"),
    )


@pytest.fixture(scope="module")
def history() -> TrainingTable:
    """Make accounts whose use is steady, falls before some leave, and is noisy everywhere."""
    draw = np.random.default_rng(11)
    months = np.arange("2023-01", "2024-01", dtype="datetime64[M]").astype("datetime64[us]")
    habit = draw.normal(size=N_ACCOUNTS)
    wear = np.cumsum(draw.normal(0.0, 0.5, (N_CUTOFFS, N_ACCOUNTS)), axis=0)
    health = habit + wear
    risk = -2.6 - 1.5 * health + draw.normal(0, 0.5, health.shape)
    label = draw.random(health.shape) < 1 / (1 + np.exp(-risk))
    columns: dict[str, pa.Array | np.ndarray] = {
        "account_id": np.tile([f"a{n:03}" for n in range(N_ACCOUNTS)], N_CUTOFFS),
        "cutoff": pa.array(np.repeat(months, N_ACCOUNTS), pa.timestamp("us")),
        "label": label.ravel().astype(np.int8),
    }
    for name in ("events", "days", "users", "reports"):
        columns[name] = (health + draw.normal(0, 0.7, health.shape)).ravel()
    columns["noise"] = draw.normal(size=label.size)
    columns["plan"] = draw.choice(["free", "team", "whole"], label.size)
    return made(columns, kept=3)


@pytest.fixture(scope="module")
def flat() -> TrainingTable:
    """Make accounts of whom the new ones leave most, and who under notice has nearly left."""
    draw = np.random.default_rng(12)
    n = 2500
    tenure, fee = draw.integers(0, 60, n), draw.normal(50, 10, n)
    plan = draw.choice(["month", "year"], n)
    risk = 0.5 - 0.07 * tenure + 1.5 * (plan == "month") + 0.03 * (fee - 50)
    label = draw.random(n) < 1 / (1 + np.exp(-risk))
    columns: dict[str, pa.Array | np.ndarray] = {
        "account_id": np.array([f"row-{i}" for i in range(n)]),
        "label": label.astype(np.int8),
        "tenure": tenure,
        "fee": fee,
        "plan": plan,
    }
    for number in range(4):
        columns[f"noise{number}"] = draw.normal(size=n)
    return made(columns, kept=2)


def put(table: TrainingTable, name: str, values: pa.Array | np.ndarray) -> TrainingTable:
    """Put a feature into a table."""
    names = table.frame.column_names
    if name in names:
        return replace(table, frame=table.frame.set_column(names.index(name), name, [values]))
    array = values if isinstance(values, pa.Array) else pa.array(values)
    text = (name,) if pa.types.is_string(array.type) else ()
    return replace(
        table,
        frame=table.frame.append_column(name, array),
        features=(*table.features, name),
        categorical=(*table.categorical, *text),
    )


def labels(table: TrainingTable) -> np.ndarray:
    return np.asarray(np.asarray(table.frame["label"]) == 1, dtype=bool)


def found(result: Audit, check: Check, feature: str | None = None) -> Finding:
    (one,) = [f for f in result.findings if f.check is check and f.feature == feature]
    return one


@pytest.fixture(scope="module")
def of_history(history: TrainingTable) -> Audit:
    return audit(history, HISTORY)


@pytest.fixture(scope="module")
def of_flat(flat: TrainingTable) -> Audit:
    return audit(flat, FLAT)


def test_a_feature_that_is_infinite_is_refused_as_training_would(flat: TrainingTable) -> None:
    fee = flat.frame["fee"].to_numpy().copy()
    fee[7] = np.inf
    place = flat.frame.column_names.index("fee")
    endless = replace(flat, frame=flat.frame.set_column(place, "fee", pa.array(fee)))
    with pytest.raises(TrainingError, match="feature 'fee' is infinite in 1 rows"):
        audit(endless, FLAT)


def test_honest_history_is_clean(of_history: Audit) -> None:
    assert of_history.clean
    assert {item.level for item in of_history.findings} == {Level.NOTE}
    assert (of_history.rows, of_history.accounts) == (4800, 400)


def test_every_check_is_made_of_history(of_history: Audit) -> None:
    assert [item.check for item in of_history.checks] == list(Check)
    assert all(item.applied for item in of_history.checks)


def test_an_honest_flat_table_is_clean(of_flat: Audit) -> None:
    assert of_flat.clean
    assert {item.level for item in of_flat.findings} == {Level.NOTE}


def test_what_a_flat_table_does_not_allow_is_said(of_flat: Audit) -> None:
    left = {item.check: item.said for item in of_flat.checks if not item.applied}

    assert left == {
        Check.LAG: "the table's rows have no times, so that there is no value of a month earlier",
        Check.TIME: "the table's rows have no times: accounts are parted at random in any case",
    }


def test_the_same_table_gives_the_same_findings(flat: TrainingTable, of_flat: Audit) -> None:
    assert audit(flat, FLAT).document() == of_flat.document()


def test_a_document_is_json(of_history: Audit) -> None:
    document = json.loads(json.dumps(of_history.document(), allow_nan=False))

    assert document["clean"] is True
    assert document["findings"][0].keys() == {
        "check", "level", "feature", "figure", "value", "low", "high", "evidence", "said", "remedy",
    }  # fmt: skip


@pytest.mark.parametrize("wrong", [0.0, 0.003])
def test_a_copy_of_the_label_leaks(flat: TrainingTable, wrong: float) -> None:
    flips = np.random.default_rng(0).random(labels(flat).size) < wrong

    result = audit(put(flat, "complain", labels(flat) ^ flips), FLAT)

    assert result.leaks == ("complain",)
    assert found(result, Check.ALONE, "complain").interval.low > 0.95


def test_a_score_made_of_the_label_leaks(flat: TrainingTable) -> None:
    noise = np.random.default_rng(0).normal(size=labels(flat).size)

    result = audit(put(flat, "score", 2.5 * labels(flat) + noise), FLAT)

    assert result.leaks == ("score",)
    assert "error_left" in found(result, Check.ALONE, "score").evidence


def test_a_reason_for_leaving_leaks_however_few_have_one(flat: TrainingTable) -> None:
    told = labels(flat) & (np.random.default_rng(0).random(labels(flat).size) < 0.2)
    reason = pa.array(["price" if one else None for one in told], pa.string())

    result = audit(put(flat, "reason", reason), FLAT)

    item = found(result, Check.MISSING, "reason")
    assert item.level is Level.LEAK
    assert item.interval.value == 1
    assert item.interval.low > 0.95
    assert item.evidence["churned_with_it"] == pytest.approx(0.2, abs=0.03)


def test_a_handful_of_reasons_proves_nothing(flat: TrainingTable) -> None:
    told = np.flatnonzero(labels(flat))[:8]
    reason = np.full(labels(flat).size, None, dtype=object)
    reason[told] = "price"

    result = audit(put(flat, "reason", pa.array(reason, pa.string())), FLAT)

    assert result.clean


def test_values_that_miss_more_for_those_who_leave_are_no_leak(flat: TrainingTable) -> None:
    draw = np.random.default_rng(0).random(labels(flat).size)
    rating = np.where(draw < np.where(labels(flat), 0.6, 0.3), np.nan, 4.0)

    assert audit(put(flat, "rating", pa.array(rating, from_pandas=True)), FLAT).clean


def test_who_is_under_notice_may_be_known_without_a_leak(flat: TrainingTable) -> None:
    """Four of five under notice leave within the window; half of those who leave gave none."""
    draw = np.random.default_rng(0).random(labels(flat).size)
    share = 0.5 * labels(flat).mean() * 0.25 / (1 - labels(flat).mean())
    notice = np.where(labels(flat), draw < 0.5, draw < share)

    assert audit(put(flat, "under_notice", notice), FLAT).clean


def test_dates_that_only_leavers_have_are_found_though_no_model_reads_them(
    flat: TrainingTable,
) -> None:
    day = np.full(labels(flat).size, np.datetime64("2024-05-01"))
    day[~labels(flat)] = np.datetime64("NaT")

    result = audit(put(flat, "left_on", pa.array(day)), FLAT)

    assert "left_on" in result.leaks


def test_names_are_worth_nothing(flat: TrainingTable) -> None:
    assert audit(put(flat, "surname", np.asarray(flat.frame["account_id"])), FLAT).clean


def test_use_that_was_wiped_vanishes_a_month_earlier(history: TrainingTable) -> None:
    """Accounts that need not leave again use the product as ever, but for the month they leave."""
    draw = np.random.default_rng(2)
    habit = np.tile(draw.normal(size=N_ACCOUNTS), N_CUTOFFS)
    label = draw.random(habit.size) < 1 / (1 + np.exp(2.5 + habit))
    at = history.frame.column_names.index("label")
    frame = history.frame.set_column(at, "label", pa.array(label.astype(np.int8)))
    table = put(replace(history, frame=frame), "tier", habit + draw.normal(0, 0.1, habit.size))
    use = np.tile(draw.uniform(1, 50, N_ACCOUNTS), N_CUTOFFS)
    wiped = np.where(label & (draw.random(habit.size) < 0.7), 0.0, use)

    result = audit(put(table, "events_28d", wiped), HISTORY)

    item = found(result, Check.LAG, "events_28d")
    assert item.level is Level.LEAK
    assert item.evidence["kept"] < 0.2 < item.evidence["kept_by_others"]


def test_what_happens_and_is_over_in_a_month_may_vanish(history: TrainingTable) -> None:
    """A short event comes before a part of churn, and is seldom there twice."""
    draw = np.random.default_rng(3).random(labels(history).size)
    failed = np.where(labels(history), draw < 0.4, draw < 0.05)

    result = audit(put(history, "payment_failed", failed), HISTORY)

    assert [f for f in result.findings if f.level is not Level.NOTE] == []


def test_copies_of_rows_are_found(flat: TrainingTable) -> None:
    again = flat.frame.slice(0, 600)
    names = pa.array([f"copy-{n}" for n in range(600)])
    frame = pa.concat_tables([flat.frame, again.set_column(0, "account_id", names)])

    result = audit(replace(flat, frame=frame), FLAT)

    item = found(result, Check.ACCOUNTS)
    assert item.level is Level.SUSPICIOUS
    assert item.evidence["same_label"] == 1
    assert result.clean


def test_a_feature_that_tells_the_season_is_flattered_by_shuffled_time(
    history: TrainingTable,
) -> None:
    """Churn comes in waves that no past tells; a feature knows the month, and so the wave."""
    draw = np.random.default_rng(5)
    month = np.repeat(np.arange(N_CUTOFFS), N_ACCOUNTS)
    wave = np.array([0.05, 0.6, 0.1, 0.5, 0.05, 0.6, 0.1, 0.05, 0.5, 0.1, 0.05, 0.6])
    at = history.frame.column_names.index("label")
    label = pa.array((draw.random(month.size) < wave[month]).astype(np.int8))
    table = replace(history, frame=history.frame.set_column(at, "label", label))

    result = audit(put(table, "invoice_number", month * 1000 + draw.integers(0, 999, month.size)),
                   HISTORY)  # fmt: skip

    item = found(result, Check.TIME)
    assert item.level is Level.SUSPICIOUS
    assert item.interval.low > 0.05


def test_dealt_labels_teach_nothing(of_history: Audit) -> None:
    item = found(of_history, Check.PERMUTED)

    assert item.interval.low < 0.5 < item.interval.high


def test_one_class_cannot_be_audited(flat: TrainingTable) -> None:
    at = flat.frame.column_names.index("label")
    nobody = flat.frame.set_column(at, "label", pa.array(np.zeros(2500, np.int8)))

    with pytest.raises(TrainingError, match="0 of 2500 rows churned: an audit needs some"):
        audit(replace(flat, frame=nobody), FLAT)


def test_too_few_cutoffs_leave_the_checks_that_need_none(history: TrainingTable) -> None:
    some = replace(history, frame=history.frame.slice(0, 2 * N_ACCOUNTS))

    result = audit(some, HISTORY)

    left = {item.check for item in result.checks if not item.applied}
    assert {Check.ACCOUNTS, Check.TIME, Check.PERMUTED} <= left
    assert any("cannot be parted as training would" in item.said for item in result.checks)
