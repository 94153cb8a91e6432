from __future__ import annotations

import datetime as dt
import json
import math
from dataclasses import replace
from types import MappingProxyType
from typing import Any

import pyarrow as pa
import pytest

from churnml.errors import BundleError, DataError
from churnml.history.asof import History
from churnml.project import Project
from churnml.serving.scorer import label_of, score_flat, score_history
from churnml.serving.scores import ScoreList
from churnml.training.workflow import Trained

CUTOFFS = (dt.datetime(2026, 1, 1), dt.datetime(2026, 3, 17, 5, 42, 17, 123456))


def silent(_step: str, _share: float) -> None:
    pass


@pytest.fixture(scope="session")
def history(company: Project, trained: Trained) -> History:
    return History.open(company.history)


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
    assert trained.bundle.manifest.tiers == {"medium": 0.05, "high": 0.15, "critical": 0.4}
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
        "log_odds",
        "base",
        "reason_1",
        "reason_1_log_odds",
        "reason_2",
        "reason_2_log_odds",
        "reason_3",
        "reason_3_log_odds",
        "bundle",
    ]
    assert item.arr is not None
    assert first["arr_at_risk"] == item.arr * item.probability
    assert first["cutoff"] == scores.cutoff
    assert first["reason_1"] == item.raising[0].sentence
    assert first["reason_1_log_odds"] == item.raising[0].contribution > 0
    assert first["bundle"] == scores.bundle.id


def test_the_table_of_nobody_has_the_same_columns(scores: ScoreList) -> None:
    nobody = replace(scores, scores=()).table()
    assert nobody.schema == scores.table().schema
    assert nobody.num_rows == 0


@pytest.mark.parametrize("cutoff", CUTOFFS)
def test_a_past_score_is_that_of_a_history_that_ended_there(
    history: History, trained: Trained, cutoff: dt.datetime
) -> None:
    view = history.as_of(cutoff)
    ended = History.from_tables(
        {name: view.table(name) for name in view.tables}, observed_until=cutoff
    )
    then = score_history(ended, trained.bundle, progress=silent)
    now = score_history(history, trained.bundle, cutoff=cutoff, progress=silent)
    assert then.cutoff == now.cutoff == cutoff
    assert len(now.scores) > 100
    assert then.scores == now.scores


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


def test_a_bundle_of_history_scores_no_flat_table(trained: Trained) -> None:
    with pytest.raises(BundleError, match="trained on history; it cannot score a flat table"):
        score_flat(trained.bundle, pa.table({"x": [1]}), progress=silent)


def test_the_manifest_tells_what_is_predicted(trained: Trained, company: Project) -> None:
    assert label_of(trained.bundle) == company.recipe("churn_90d").label


def test_scores_are_json(scores: ScoreList) -> None:
    rows: list[dict[str, Any]] = scores.table().drop_columns(["cutoff"]).to_pylist()
    json.dumps(rows, allow_nan=False)
