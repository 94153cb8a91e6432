"""The forecast, on the command line and from Python."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from churnml.labels import SubscriptionLabel, under_notice
from churnml.project import Project
from churnml.serving.forecasts import Outlook, outlook
from churnml.serving.scores import ScoreList
from churnml.training.tables import open_history
from churnml.training.workflow import Trained

Call = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def found(company: Project, trained: Trained) -> Outlook:
    history = open_history(company, lambda _step, _share: None)
    recipe = company.recipe("churn_90d")
    return outlook(company, recipe, trained.bundle, history, lambda _step, _share: None)


def test_it_adds_up_to_the_scores(found: Outlook, scores: ScoreList) -> None:
    everybody = found.groups["all"]
    assert everybody.accounts == len(scores.scores)
    total = sum(item.probability for item in scores.scores)
    assert everybody.churned.scores == pytest.approx(total)
    risk = sum(item.arr * item.probability for item in scores.scores if item.arr is not None)
    assert everybody.lost is not None
    assert everybody.lost.scores == pytest.approx(risk)
    tiers = [group for name, group in found.groups.items() if name != "all"]
    assert list(found.groups)[1:] == ["vip", "enterprise", "business", "professional", "starter"]
    assert sum(group.accounts for group in tiers) == everybody.accounts
    assert sum(group.churned.expected for group in tiers) == pytest.approx(
        everybody.churned.expected
    )


def test_the_narrower_interval_lies_in_the_wider(found: Outlook) -> None:
    for group in found.groups.values():
        for figure in filter(None, (group.churned, group.lost)):
            narrow, wide = figure.ranges
            assert (narrow.level, wide.level) == (0.8, 0.95)
            assert 0 <= wide.low <= narrow.low <= narrow.high <= wide.high


def test_later_periods_follow_one_another(found: Outlook, scores: ScoreList) -> None:
    assert [item.number for item in found.periods] == [1, 2, 3, 4]
    assert found.periods[0].opens == scores.cutoff
    assert found.periods[0].churned == pytest.approx(found.groups["all"].churned.scores)
    assert [item.opens for item in found.periods[1:]] == [x.closes for x in found.periods[:-1]]
    assert sum(item.churned for item in found.periods) == pytest.approx(
        sum(1 - item.survival[-1] for item in scores.scores)
    )


def test_who_is_leaving_anyway_is_told_apart(found: Outlook, company: Project) -> None:
    history = open_history(company, lambda _step, _share: None)
    spec = company.recipe("churn_90d").label
    assert isinstance(spec, SubscriptionLabel)
    leaving = under_notice(history, spec, history.observed_until)
    assert found.noticed.accounts == leaving.num_rows > 0
    assert not {x.account_id for x in found.scored.scores} & set(leaving["account_id"].to_pylist())


def test_past_forecasts_stand_beside_what_came(found: Outlook, trained: Trained) -> None:
    rows = trained.prepared.table.frame.select(["cutoff", "label"]).to_pylist()
    assert found.past
    for item in found.past:
        mine = [row["label"] for row in rows if row["cutoff"] == item.cutoff]
        assert (item.forecast.accounts, item.churned) == (len(mine), sum(mine))


def test_the_command_tells_all_of_it(run: Call, company: Project, found: Outlook) -> None:
    status, out, err = run("forecast", "-C", company.root)
    assert status == 0, err
    lines = out.splitlines()
    first = found.periods[0]
    assert lines[0] == (
        f"churn_90d: of {len(found.scored.scores)} accounts, who leaves in "
        f"[{first.opens:%Y-%m-%d}, {first.closes:%Y-%m-%d})"
    )
    assert "Accounts won from now on are not in it." in out
    assert f"Nor are {found.noticed.accounts} under notice" in out
    assert f"of {len(found.past)} accounts in 95%" in out

    status, out, _ = run("forecast", "-C", company.root, "--json")
    document: dict[str, Any] = json.loads(out)
    assert status == 0
    assert document["bundle"] == found.scored.bundle.id
    churned = document["groups"]["all"]["churned"]
    assert churned["expected"] == found.groups["all"].churned.expected
    assert churned["ranges"][1] == {
        "level": 0.95,
        "low": found.groups["all"].churned.ranges[1].low,
        "high": found.groups["all"].churned.ranges[1].high,
    }
    assert len(document["past"]) == len(found.past)
    assert document["past"][0]["held"]["churned"] == [
        item.holds(found.past[0].churned) for item in found.past[0].forecast.churned.ranges
    ]
    assert document["other_data"] is False


def test_a_flat_table_has_no_accounts_of_today(run: Call, tmp_path: Path) -> None:
    rows = "\n".join(f"a{n},{n % 7},{'Yes' if n % 3 == 0 else 'No'}" for n in range(300))
    table = tmp_path / "churn.csv"
    table.write_text(f"id,use,Churn\n{rows}\n", encoding="utf-8")
    flat = tmp_path / "flat"
    made, _, err = run("init", flat, "--table", table, "--label", "Churn", "--id", "id")
    assert made == 0, err
    status, _, err = run("forecast", "-C", flat)
    assert status == 2
    assert "does not say who the accounts of today are" in err
