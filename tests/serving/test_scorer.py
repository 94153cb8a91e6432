from __future__ import annotations

import datetime as dt
import json
import math
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from churnml import flat
from churnml.actions.tiers import RiskTiers
from churnml.errors import BundleError, DataError
from churnml.features.table import Fingerprints, TrainingTable
from churnml.history.asof import History
from churnml.labels import ColumnLabel, Cutoffs, label_column
from churnml.project import Project
from churnml.serving.scorer import score_flat, score_history
from churnml.serving.scores import ScoreList
from churnml.splits import Splits
from churnml.training import bundle as bundles
from churnml.training.bundle import Bundle
from churnml.training.estimator import fit
from churnml.training.recipes import ModelSpec, Recipe
from churnml.training.suitability import read_flat
from churnml.training.tables import open_history
from churnml.training.workflow import Trained

CUTOFFS = (dt.datetime(2026, 1, 1), dt.datetime(2026, 3, 17, 5, 42, 17, 123456))


def silent(_step: str, _share: float) -> None:
    pass


@pytest.fixture(scope="session")
def history(company: Project, trained: Trained) -> History:
    return open_history(company, silent)


def test_reasons_and_base_make_the_log_odds(scores: ScoreList) -> None:
    assert len(scores.scores) > 200
    for item in scores.scores:
        told = item.base + math.fsum(reason.contribution for reason in item.reasons)
        assert told == pytest.approx(item.log_odds, abs=1e-9)
        assert item.probability == pytest.approx(1 / (1 + math.exp(-item.log_odds)), abs=1e-12)


def test_the_riskiest_come_first_and_reasons_by_weight(scores: ScoreList) -> None:
    order = [(-item.probability, item.account_id) for item in scores.scores]
    assert order == sorted(order)
    for item in scores.scores:
        weights = [abs(reason.contribution) for reason in item.reasons]
        assert weights == sorted(weights, reverse=True)
        assert all(reason.contribution > 0 for reason in item.raising)


def test_a_family_is_told_once(scores: ScoreList, company: Project) -> None:
    for item in scores.scores:
        families = [reason.family for reason in item.reasons]
        assert len(set(families)) == len(families)
        assert set(families) <= set(company.catalogue.titles)


def test_tiers_are_those_of_the_time_of_training(
    scores: ScoreList, company: Project, trained: Trained
) -> None:
    assert trained.bundle.manifest.tiers == RiskTiers(medium=0.05, high=0.15, critical=0.4)
    for item in scores.scores:
        wanted = sum(item.probability >= bound for bound in (0.05, 0.15, 0.4))
        assert list(type(item.tier)).index(item.tier) == wanted


def test_everybody_current_is_scored_and_nobody_under_notice(
    scores: ScoreList, history: History
) -> None:
    until = history.observed_until
    assert scores.cutoff == until
    covered, noticed = set(), set()
    for term in history.as_of(until).table("subscriptions").to_pylist():
        ends = min(filter(None, (term["ends_at"], term["terminated_at"])), default=until)
        if term["started_at"] < until <= ends:
            covered.add(term["account_id"])
            if term["cancelled_at"] is not None:
                noticed.add(term["account_id"])
    scored = {item.account_id for item in scores.scores}
    assert scored <= covered
    assert covered - scored <= noticed
    assert len(scored) > 0.9 * len(covered)


def test_the_table_has_a_row_an_account(scores: ScoreList) -> None:
    table = scores.table()
    first, item = table.slice(0, 1).to_pylist()[0], scores.scores[0]
    assert table.num_rows == len(scores.scores)
    assert table.column_names == [
        "account_id",
        "cutoff",
        "probability",
        "tier",
        "arr",
        "arr_at_risk",
        "low",
        "high",
        "level",
        "thin",
        "log_odds",
        "base",
        "reason_1",
        "reason_1_log_odds",
        "reason_2",
        "reason_2_log_odds",
        "reason_3",
        "reason_3_log_odds",
        "survival_1",
        "survival_2",
        "survival_3",
        "survival_4",
        "arr_at_risk_all",
        "bundle",
    ]
    assert item.arr is not None
    assert first["arr_at_risk"] == item.arr * item.probability
    assert first["cutoff"] == scores.cutoff
    assert first["reason_1"] == item.raising[0].sentence
    assert first["reason_1_log_odds"] == item.raising[0].contribution > 0
    assert first["bundle"] == scores.bundle.id


def test_survival_begins_with_the_score_and_never_rises(scores: ScoreList) -> None:
    assert scores.bundle.periods == 4
    first = scores.table().slice(0, 1).to_pylist()[0]
    for item in scores.scores:
        assert len(item.survival) == 4
        assert item.survival[0] == 1 - item.probability
        assert list(item.survival) == sorted(item.survival, reverse=True)
    item = scores.scores[0]
    assert item.arr is not None
    assert item.arr_at_risk is not None
    assert [first[f"survival_{k}"] for k in (1, 2, 3, 4)] == list(item.survival)
    assert first["arr_at_risk_all"] == item.arr_at_risk[3] == item.arr * (1 - item.survival[3])
    assert replace(item, arr=None).arr_at_risk is None


def test_a_model_of_renewals_is_asked_of_those_that_are_near(
    company: Project, trained: Trained, scores: ScoreList
) -> None:
    bundle = trained.bundle
    near = bundle.manifest.model_copy(update={"cutoffs": Cutoffs(days_before_renewal=45)})
    history = open_history(company, silent)
    found = score_history(history, replace(bundle, manifest=near), progress=silent)
    assert scores.not_asked == 0
    assert 0 < len(found.scores) < len(scores.scores)
    assert found.not_asked == len(scores.scores) - len(found.scores)
    terms = history.as_of(history.observed_until).table("subscriptions").to_pylist()
    within = dt.timedelta(0), dt.timedelta(days=46)
    for item in found.scores:
        ends = [
            row["ends_at"] - history.observed_until
            for row in terms
            if row["account_id"] == item.account_id and row["ends_at"] is not None
        ]
        assert any(within[0] <= end < within[1] for end in ends)
    assert set(found.scores) <= set(scores.scores)


def test_the_table_of_nobody_has_the_same_columns(scores: ScoreList) -> None:
    nobody = replace(scores, scores=()).table()
    assert nobody.schema == scores.table().schema
    assert nobody.num_rows == 0


@pytest.mark.parametrize("cutoff", CUTOFFS)
def test_a_past_score_is_that_of_a_history_that_ended_there(
    history: History, trained: Trained, cutoff: dt.datetime
) -> None:
    view = history.as_of(cutoff)
    tables = {name: view.table(name) for name in view.tables}
    ended = replace(History.from_tables(tables, observed_until=cutoff), made_by=history.made_by)
    then = score_history(ended, trained.bundle, progress=silent)
    now = score_history(history, trained.bundle, cutoff=cutoff, progress=silent)
    assert then.cutoff == now.cutoff == cutoff
    assert len(now.scores) > 100
    assert then.scores == now.scores


def test_scores_of_what_the_bundle_has_learned_are_told_apart(
    scores: ScoreList, trained: Trained, company: Project
) -> None:
    manifest, label = trained.bundle.manifest, company.recipe("churn_90d").label
    assert manifest.training.cutoffs is not None
    learned = manifest.training.cutoffs.last + dt.timedelta(days=label.reach_days)
    assert manifest.learned_until == learned
    assert not scores.in_hindsight
    assert not replace(scores, cutoff=learned).in_hindsight
    assert replace(scores, cutoff=learned - dt.timedelta(microseconds=1)).in_hindsight
    assert not replace(scores, cutoff=None).in_hindsight


def test_nobody_is_scored_before_the_first_account(history: History, trained: Trained) -> None:
    found = score_history(history, trained.bundle, cutoff=dt.datetime(1990, 1, 1), progress=silent)
    assert found.scores == ()


def test_a_cutoff_beyond_observation_is_refused(history: History, trained: Trained) -> None:
    late = history.observed_until + dt.timedelta(microseconds=1)
    with pytest.raises(DataError, match="lies after the end of observation"):
        score_history(history, trained.bundle, cutoff=late, progress=silent)


def test_a_cutoff_with_a_zone_is_refused(history: History, trained: Trained) -> None:
    with pytest.raises(DataError, match=r"has a time zone; expected a naive time in UTC"):
        score_history(
            history, trained.bundle, cutoff=dt.datetime(2026, 1, 1, tzinfo=dt.UTC), progress=silent
        )


def test_a_lost_table_is_refused_with_the_feature_that_needs_it(
    history: History, trained: Trained
) -> None:
    lost = replace(
        history,
        contracts=MappingProxyType({k: v for k, v in history.contracts.items() if k != "surveys"}),
    )
    with pytest.raises(BundleError, match=r"needs '\w+', which .* cannot give: no table 'surveys'"):
        score_history(lost, trained.bundle, progress=silent)


def test_a_lost_column_is_no_constant(history: History, trained: Trained) -> None:
    """A feature may stand for 0 where its columns never were, but not where they are gone."""
    tables = {name: history.hindsight(name) for name in history.contracts}
    tables["subscriptions"] = tables["subscriptions"].drop_columns(["terminated_at"])
    narrow = History.from_tables(tables, observed_until=history.observed_until)
    with pytest.raises(BundleError, match=r"learnt 'terms_terminated' from columns that this"):
        score_history(narrow, trained.bundle, progress=silent)


def test_readings_of_another_version_are_refused(trained: Trained, history: History) -> None:
    anew = replace(history, made_by={"readings": "0.other"})
    with pytest.raises(
        BundleError, match=r"'readings' were made by \d+\.\w+, and are by 0\.other now"
    ):
        score_history(anew, trained.bundle, progress=silent)


def test_a_table_that_lost_its_recorded_at_is_refused(history: History, trained: Trained) -> None:
    """The rows are the same, and would count before anybody knew them."""
    tables = {name: history.hindsight(name) for name in history.contracts}
    assert trained.bundle.manifest.known["accounts"].row == ("created_at", "recorded_at")
    tables["accounts"] = tables["accounts"].drop_columns(["recorded_at"])
    early = replace(
        History.from_tables(tables, observed_until=history.observed_until),
        made_by=history.made_by,
    )
    with pytest.raises(
        BundleError,
        match=r"rows of 'accounts' were known by created_at and recorded_at, and are by created_at "
        "now, so that features would count what nobody knew .* or train again",
    ):
        score_history(early, trained.bundle, progress=silent)


def test_a_table_that_had_gone_quiet_is_told(history: History, trained: Trained) -> None:
    impatient = replace(history, stale_days={"usage": 0.0, "outcomes": 0.0, "surveys": 1e9})
    (usage,) = score_history(impatient, trained.bundle, progress=silent).stale
    assert (usage.table, usage.cutoff) == ("usage", history.observed_until)
    nobody = score_history(
        impatient, trained.bundle, cutoff=dt.datetime(1999, 1, 1), progress=silent
    )
    assert [(item.table, item.newest) for item in nobody.stale] == [
        ("surveys", None),
        ("usage", None),
    ]


def test_a_bundle_of_history_scores_no_flat_table(trained: Trained) -> None:
    with pytest.raises(BundleError, match="trained on history; it cannot score a flat table"):
        score_flat(trained.bundle, pa.table({"x": [1]}), progress=silent)


@pytest.fixture
def flat_bundle(tmp_path: Path) -> Bundle:
    """Give a bundle that learnt from a flat table without ids, with times and revenue."""
    rng = np.random.default_rng(1)
    months = np.datetime64("2024-01-01", "us") + np.arange(400) * np.timedelta64(1, "D")
    table = pa.table(
        {
            "seats": rng.integers(1, 9, 400),
            "day": pa.array(months, pa.timestamp("us")),
            "revenue": rng.uniform(1, 9, 400),
            "left": (rng.random(400) < 0.4).tolist(),
        }
    )
    pq.write_table(table, tmp_path / "t.parquet")
    recipe = Recipe(
        name="flat",
        label=ColumnLabel(
            kind="column",
            file="t.parquet",
            column="left",
            positive=True,
            time="day",
            horizon_days=10,
            arr="revenue",
        ),
        splits=Splits(test_cutoffs=1),
        model=ModelSpec(shapes=("small",), folds=2, max_rounds=10, num_threads=1),
    )
    rows = flat.read(tmp_path / "t.parquet")
    labels = label_column(rows, recipe.label).table  # type: ignore[arg-type]
    learnt = TrainingTable(
        frame=labels.drop_columns(["row"]).append_column("seats", rows["seats"]),
        features=("seats",),
        categorical=(),
        monotone={},
        families={"seats": "seats"},
        fingerprints=Fingerprints(data="d", catalogue="c", recipe="r"),
    )
    tiers = RiskTiers(medium=0.1, high=0.2, critical=0.3)
    fitted = fit(learnt, np.arange(400), recipe.model, recipe.calibration)
    return bundles.write(
        tmp_path / "bundle",
        fitted,
        learnt,
        recipe,
        tiers=tiers,
        catalogue=None,
        known={},
        metrics={},
    )


def test_rows_without_a_name_are_numbered(flat_bundle: Bundle) -> None:
    rows = pa.table({"seats": [1, 2], "revenue": [3, None], "day": ["2025-01-01", None]})
    found = {x.account_id: x for x in score_flat(flat_bundle, rows, progress=silent).scores}
    assert set(found) == {"row-0", "row-1"}
    assert (found["row-0"].arr, found["row-0"].cutoff) == (3.0, dt.datetime(2025, 1, 1))
    assert (found["row-1"].arr, found["row-1"].cutoff) == (None, None)


def test_times_finer_than_a_microsecond_are_cut_off(flat_bundle: Bundle) -> None:
    day = pa.array([1_735_689_600_123_456_789], pa.timestamp("ns"))
    rows = pa.table({"seats": [1], "day": day})
    (item,) = score_flat(flat_bundle, rows, progress=silent).scores
    assert item.cutoff == dt.datetime(2025, 1, 1, 0, 0, 0, 123456)


def test_a_time_is_that_of_the_clock_in_its_zone(flat_bundle: Bundle, tmp_path: Path) -> None:
    (tmp_path / "new.csv").write_text("seats,day\n4,2025-02-01T00:30:00+03:00\n")
    rows = read_flat(flat_bundle, tmp_path / "new.csv")
    (item,) = score_flat(flat_bundle, rows, progress=silent).scores
    assert item.cutoff == dt.datetime(2025, 2, 1, 0, 30)


def test_nan_of_a_flat_table_is_unknown(flat_bundle: Bundle) -> None:
    told = []
    for missing in (float("nan"), None):
        rows = pa.table({"seats": [missing], "revenue": pa.array([missing], pa.float64())})
        (item,) = score_flat(flat_bundle, rows, progress=silent).scores
        assert item.arr is None
        assert item.reasons[0].sentence == "seats is unknown"
        told.append(item)
    assert told[0] == told[1]


def test_a_file_to_score_needs_no_time_or_revenue(flat_bundle: Bundle, tmp_path: Path) -> None:
    (tmp_path / "new.csv").write_text("seats\n4\n")
    rows = read_flat(flat_bundle, tmp_path / "new.csv")
    (item,) = score_flat(flat_bundle, rows, progress=silent).scores
    assert (item.arr, item.cutoff) == (None, None)
    assert score_flat(flat_bundle, rows.slice(0, 0), progress=silent).scores == ()


@pytest.mark.parametrize("name", ["revenue", "day"])
def test_what_is_no_revenue_or_time_is_refused(flat_bundle: Bundle, name: str) -> None:
    rows = pa.table({"seats": [1], name: ["much"]})
    with pytest.raises(DataError, match=rf"column '{name}' cannot be read as "):
        score_flat(flat_bundle, rows, progress=silent)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("revenue", float("inf"), "column 'revenue', which holds ARR, is infinite in 1 of 1 rows"),
        ("day", 20240101, "column 'day' holds whole numbers, where the model was taught times"),
    ],
)
def test_numbers_that_are_none_or_no_times_are_refused(
    flat_bundle: Bundle, name: str, value: float, message: str
) -> None:
    with pytest.raises(DataError, match=message):
        score_flat(flat_bundle, pa.table({"seats": [1], name: [value]}), progress=silent)


def test_a_bundle_of_a_flat_table_scores_no_history(flat_bundle: Bundle, history: History) -> None:
    with pytest.raises(BundleError, match="trained on a flat table; it cannot score history"):
        score_history(history, flat_bundle, progress=silent)


def test_the_manifest_tells_what_is_predicted(trained: Trained, company: Project) -> None:
    assert trained.bundle.manifest.label == company.recipe("churn_90d").label


def test_scores_are_json(scores: ScoreList) -> None:
    rows: list[dict[str, Any]] = scores.table().drop_columns(["cutoff"]).to_pylist()
    json.dumps(rows, allow_nan=False)
