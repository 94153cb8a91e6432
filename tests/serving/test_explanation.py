from __future__ import annotations

import datetime as dt
import math

import pytest

from churnml.errors import DataError
from churnml.history.asof import History
from churnml.project import Project
from churnml.serving.explanation import Earlier, explain_account
from churnml.serving.scorer import score_history
from churnml.serving.scores import Scored
from churnml.training.tables import open_history
from churnml.training.workflow import Trained

EARLIER, LATER = dt.datetime(2026, 1, 1), dt.datetime(2026, 3, 17, 5, 42, 17, 123456)


def silent(_step: str, _share: float) -> None:
    pass


@pytest.fixture(scope="module")
def history(company: Project, trained: Trained) -> History:
    return open_history(company, silent)


def alike(one: Scored, other: Scored) -> None:
    """Numbers may differ by their last digits, by how many rows are asked at once."""
    assert (one.account_id, one.cutoff, one.tier) == (other.account_id, other.cutoff, other.tier)
    for name in ("probability", "log_odds", "base", "low", "high"):
        assert getattr(one, name) == pytest.approx(getattr(other, name), abs=1e-9)
    said = [[(reason.family, reason.sentence) for reason in item.reasons] for item in (one, other)]
    assert said[0] == said[1]


def test_an_account_is_told_as_among_all_others(history: History, trained: Trained) -> None:
    scores = {
        when: score_history(history, trained.bundle, cutoff=when, progress=silent).scores
        for when in (EARLIER, LATER)
    }
    there = {item.account_id: item for item in scores[EARLIER]}
    riskiest = next(item for item in scores[LATER] if item.account_id in there)
    found = explain_account(
        history,
        trained.bundle,
        riskiest.account_id,
        cutoff=LATER,
        earlier=Earlier(EARLIER),
        progress=silent,
    )
    assert found.earlier is not None
    alike(found.score, riskiest)
    alike(found.earlier, there[riskiest.account_id])
    change = found.change
    assert change is not None
    assert change.earlier == pytest.approx(found.earlier.log_odds, abs=1e-9)
    assert change.later == pytest.approx(found.score.log_odds, abs=1e-9)
    parts = [reason.contribution for reason in change.behaviour]
    whole = math.fsum([*parts, change.thinness, change.model, change.calibration])
    assert whole == pytest.approx(change.difference, abs=1e-9)
    # One bundle judged both: neither trees nor calibration became others.
    assert change.model == pytest.approx(0, abs=1e-12)
    assert change.calibration == pytest.approx(0, abs=1e-12)


def test_without_an_earlier_time_there_is_no_change(history: History, trained: Trained) -> None:
    scores = score_history(history, trained.bundle, cutoff=LATER, progress=silent).scores
    found = explain_account(
        history, trained.bundle, scores[0].account_id, cutoff=LATER, progress=silent
    )
    alike(found.score, scores[0])
    assert (found.earlier, found.change, found.beside, found.lower) == (None, None, None, None)


def test_whom_nobody_scores_is_refused(history: History, trained: Trained) -> None:
    with pytest.raises(DataError, match=r"account 'nobody' is not scored as of 2026-03-17 05:42"):
        explain_account(history, trained.bundle, "nobody", cutoff=LATER, progress=silent)
    with pytest.raises(DataError, match="is not before 2026-01-01"):
        explain_account(
            history,
            trained.bundle,
            "nobody",
            cutoff=EARLIER,
            earlier=Earlier(LATER),
            progress=silent,
        )


def test_what_sets_an_account_apart_adds_up(history: History, trained: Trained) -> None:
    scores = score_history(history, trained.bundle, cutoff=LATER, progress=silent).scores
    own = scores[0]
    found = explain_account(
        history, trained.bundle, own.account_id, cutoff=LATER, peers=True, progress=silent
    ).beside
    assert found is not None
    assert 20 <= found.peers < len(scores)
    parts = [reason.contribution for reason in found.reasons]
    whole = math.fsum([found.base, found.thinness, *parts])
    assert whole == pytest.approx(own.log_odds, abs=1e-9)
    assert any("(peers " in reason.sentence for reason in found.reasons)


def test_the_same_model_before_changes_nothing_at_the_same_time(
    history: History, trained: Trained
) -> None:
    name = score_history(history, trained.bundle, cutoff=LATER, progress=silent).scores[0]
    found = explain_account(
        history,
        trained.bundle,
        name.account_id,
        cutoff=LATER,
        earlier=Earlier(bundle=trained.bundle),
        progress=silent,
    )
    assert found.earlier is not None
    alike(found.earlier, found.score)
    assert found.change is not None
    assert found.change.difference == pytest.approx(0, abs=1e-12)
