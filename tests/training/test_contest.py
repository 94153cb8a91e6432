from __future__ import annotations

import datetime as dt
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from churnml.errors import DataError, TrainingError
from churnml.features.table import TrainingTable
from churnml.labels import ColumnLabel, LabelSpec, SubscriptionLabel
from churnml.training.contest import contest, incomparable, out_of_time, require_segments
from churnml.training.gates import GatesSpec

MONTHS = [dt.datetime(2024, month, 1) for month in (1, 2, 3)]


def table(months: list[dt.datetime], chance: float) -> pa.Table:
    return pa.table(
        {
            "account_id": ["a", "b"] * len(months),
            "cutoff": pa.array([m for m in months for _ in "ab"], pa.timestamp("us")),
            "label": pa.array([1, 0] * len(months), pa.int8()),
            "probability": [chance, chance / 2] * len(months),
        }
    )


def champion(learned_until: dt.datetime | None) -> Any:
    return SimpleNamespace(manifest=SimpleNamespace(learned_until=learned_until))


def by_bundle(rows: pa.Table) -> np.ndarray[Any, np.dtype[np.float64]]:
    return np.full(rows.num_rows, 0.75)


def test_the_bundle_answers_where_it_had_learned_nothing_later() -> None:
    found = contest(
        table(MONTHS, 0.5),
        champion(MONTHS[1]),
        table(MONTHS[:2], 0.25),
        by_bundle,
    )
    assert found.rows["champion"].to_pylist() == [0.25, 0.125, 0.75, 0.75, 0.75, 0.75]
    assert (found.by_bundle, found.by_tests, found.not_compared) == (4, 2, 0)
    assert found.refused == ""
    assert found.said.startswith("6 rows (4 by the champion's bundle, 2 by the models")


def test_rows_that_the_champion_has_seen_and_was_not_tested_on_are_not_compared() -> None:
    def never(_rows: pa.Table) -> Any:
        raise AssertionError

    found = contest(
        table(MONTHS, 0.5),
        champion(dt.datetime(2024, 3, 2)),
        table(MONTHS[1:2], 0.25),
        never,
    )
    assert found.rows["cutoff"].to_pylist() == [MONTHS[1]] * 2
    assert (found.by_bundle, found.by_tests, found.not_compared) == (0, 2, 4)
    assert "4 not comparable" in found.said


@pytest.mark.parametrize("tests", [None, table(MONTHS, 0.25).drop_columns(["cutoff"])])
def test_nothing_in_common_is_said(tests: pa.Table | None) -> None:
    late = champion(dt.datetime(2025, 1, 1))
    found = contest(table(MONTHS, 0.5), late, tests, by_bundle)
    assert found.rows.num_rows == 0
    assert "0 of the challenger's 6 rows can be compared" in found.refused


def manifest(label: LabelSpec, data: str = "d") -> Any:
    return SimpleNamespace(label=label, training=SimpleNamespace(fingerprints={"data": data}))


def test_another_label_is_another_question() -> None:
    short, long = SubscriptionLabel(horizon_days=30), SubscriptionLabel(horizon_days=90)
    why = incomparable(manifest(short), manifest(long))
    assert "foresees something else" in why
    found = contest(table(MONTHS, 0.5), champion(MONTHS[0]), None, by_bundle, refused=why)
    assert (found.refused, found.not_compared, found.rows.num_rows) == (why, 6, 0)
    assert incomparable(manifest(short), manifest(short, "newer")) == ""


def test_rows_that_only_their_number_names_are_not_known_again_in_another_file() -> None:
    numbered = ColumnLabel(kind="column", file="t.csv", column="left", positive=1)
    named = numbered.model_copy(update={"id": "customer"})
    assert incomparable(manifest(numbered), manifest(numbered)) == ""
    assert incomparable(manifest(named), manifest(named, "newer")) == ""
    assert incomparable(manifest(numbered), manifest(numbered, "newer")) == (
        "t.csv is not what the champion learned from, and without a column that names accounts, "
        "id under [label], its rows cannot be known again"
    )


def test_a_champion_that_cannot_be_asked_is_a_gate_that_fails_and_no_error() -> None:
    def lost(_rows: pa.Table) -> Any:
        raise DataError("t.csv: needs column 'plan'.")

    found = contest(table(MONTHS, 0.5), champion(MONTHS[1]), None, lost)
    assert found.refused == "the champion cannot be asked: t.csv: needs column 'plan'."
    assert (found.rows.num_rows, found.not_compared) == (0, 6)


def test_rows_that_the_champion_has_no_answer_for_are_not_its_own() -> None:
    def half(rows: pa.Table) -> Any:
        return np.array([np.nan, np.nan, *[0.75] * (rows.num_rows - 2)])

    found = contest(table(MONTHS, 0.5), champion(MONTHS[1]), None, half)
    assert (found.by_bundle, found.by_tests, found.not_compared) == (2, 0, 4)


def test_without_times_the_champion_is_asked_for_its_tests() -> None:
    rows = table(MONTHS[:1], 0.5).drop_columns(["cutoff"])
    tests = table(MONTHS[:1], 0.25).drop_columns(["cutoff"])
    found = contest(rows, champion(None), tests, by_bundle)
    assert found.rows["champion"].to_pylist() == [0.25, 0.125]


def test_rows_are_kept_with_all_that_is_asked_of_them_later(table: TrainingTable) -> None:
    test = np.array([3, 5])
    tested: Any = SimpleNamespace(
        splits=(SimpleNamespace(test=test[:1]), SimpleNamespace(test=test[1:])),
        frame=table.frame.take(pa.array(test)).select(["account_id", "cutoff", "label"]),
        unseen=np.array([True, False]),
    )
    found = out_of_time(tested, table, GatesSpec(segments=("plan", "auto_renew")))
    assert found.column_names == [
        "account_id",
        "cutoff",
        "label",
        "arr",
        "account_tier",
        "unseen",
        "segment:plan",
        "segment:auto_renew",
    ]
    plans = table.frame["plan"].to_pylist()
    assert found["segment:plan"].to_pylist() == [plans[3], plans[5]]
    assert found["unseen"].to_pylist() == [True, False]
    arr = table.frame["arr"].to_pylist()
    assert found["arr"].to_pylist() == [arr[3], arr[5]]


def test_segments_are_features_that_part(table: TrainingTable) -> None:
    require_segments(table, GatesSpec(segments=("plan", "auto_renew")))
    with pytest.raises(TrainingError, match=r"'plann', which is no feature.*mean 'plan'"):
        require_segments(table, GatesSpec(segments=("plann",)))
    with pytest.raises(TrainingError, match=r"'trend', which holds double; expected a category"):
        require_segments(table, GatesSpec(segments=("trend",)))
