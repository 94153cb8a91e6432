from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

import pytest

from churnml.errors import LabelError
from churnml.history.asof import History
from churnml.labels import Cutoffs, OutcomeLabel, label, population

MakeHistory = Callable[..., History]
CUTOFF = dt.datetime(2024, 6, 1)
CREATED = dt.datetime(2024, 1, 1)
LATER = dt.datetime(2025, 6, 1)
LABEL = OutcomeLabel(kind="outcomes", lead_days=14, horizon_days=60, involuntary="exclude")
AT_CUTOFF = Cutoffs(first=CUTOFF.date(), last=CUTOFF.date())
SECOND = dt.timedelta(seconds=1)


def day(n: float) -> dt.datetime:
    return CUTOFF + dt.timedelta(days=n)


def outcome(moment: dt.datetime, kind: str = "churned", **more: Any) -> dict[str, Any]:
    return {"account_id": "a", "occurred_at": moment, "kind": kind, **more}


ACCOUNTS = [{"account_id": name, "created_at": CREATED} for name in ("a", "b")]
STRANGER = {"account_id": "unknown", "occurred_at": day(30), "kind": "churned"}


def tell(history: MakeHistory, *outcomes: dict[str, Any], **more: Any) -> History:
    tables = {"accounts": ACCOUNTS, "outcomes": [*outcomes, STRANGER], **more}
    return history(LATER, **tables)


@pytest.mark.parametrize(
    ("outcomes", "expected", "dropped"),
    [
        ([], 0, None),
        ([outcome(day(14) - SECOND)], None, "left within lead"),
        ([outcome(day(14))], 1, None),
        ([outcome(day(74) - SECOND)], 1, None),
        ([outcome(day(74))], 0, None),
        ([outcome(day(0))], None, "left within lead"),
        ([outcome(day(-1))], None, "not a member"),
        ([outcome(day(-1), recorded_at=day(0))], None, "left before the cutoff, recorded after it"),
        # back in by a later outcome of another kind, that was known
        ([outcome(day(-9)), outcome(day(-1), "renewed")], 0, None),
        ([outcome(day(-9)), outcome(day(-1), "renewed"), outcome(day(20))], 1, None),
        ([outcome(day(-9)), outcome(day(-1), "renewed", recorded_at=day(1))], None, "not a member"),
        # of two at one instant the churn remains, whatever their order
        ([outcome(day(-1)), outcome(day(-1), "renewed")], None, "not a member"),
        ([outcome(day(-1), "renewed"), outcome(day(-1))], None, "not a member"),
        # the first churn after the cutoff decides
        ([outcome(day(90)), outcome(day(20))], 1, None),
        ([outcome(day(20), cancel_kind="involuntary")], None, "involuntary churn"),
        ([outcome(day(20), cancel_kind="voluntary")], 1, None),
        # an involuntary churn after the window is no matter of this row
        ([outcome(day(80), cancel_kind="involuntary")], 0, None),
    ],
)
def test_boundaries(
    history: MakeHistory,
    outcomes: list[dict[str, Any]],
    expected: int | None,
    dropped: str | None,
) -> None:
    told = tell(history, *outcomes)
    labels = label(told, LABEL, AT_CUTOFF)
    found = {row["account_id"]: row["label"] for row in labels.table.to_pylist()}
    assert found == ({"b": 0} if expected is None else {"a": expected, "b": 0})
    counted = {reason: count for reason, count in labels.dropped.items() if count}
    assert counted == ({} if dropped in {None, "not a member"} else {dropped: 1})
    members = population(told, LABEL, CUTOFF)["account_id"].to_pylist()
    assert members == (["b"] if dropped == "not a member" else ["a", "b"])


@pytest.mark.parametrize(("option", "expected"), [("churn", 1), ("retained", 0)])
def test_involuntary_churn_as_the_recipe_says(
    history: MakeHistory, option: Any, expected: int
) -> None:
    told = tell(history, outcome(day(20), cancel_kind="involuntary"))
    row = label(told, LABEL.model_copy(update={"involuntary": option}), AT_CUTOFF).table.to_pylist()
    assert (row[0]["label"], row[0]["involuntary"]) == (expected, True)
    assert row[0]["churned_at"] == day(20)


def test_an_account_enters_when_it_is_known(history: MakeHistory) -> None:
    accounts = [
        {"account_id": "a", "created_at": day(-2), "recorded_at": day(0)},
        {"account_id": "b", "created_at": day(-2), "recorded_at": day(-1)},
        {"account_id": "b", "created_at": day(-2), "recorded_at": day(9)},
        {"account_id": "c", "created_at": day(0), "recorded_at": day(0)},
        {"account_id": "d", "created_at": CREATED, "recorded_at": CREATED},
    ]
    told = tell(history, accounts=accounts)
    assert label(told, LABEL, AT_CUTOFF).table["account_id"].to_pylist() == ["b", "d"]


def test_downgrades_in_the_window(history: MakeHistory) -> None:
    def downgraded(*outcomes: dict[str, Any]) -> bool:
        rows = label(tell(history, *outcomes), LABEL, AT_CUTOFF).table.to_pylist()
        return bool(rows[0]["downgraded"])

    assert downgraded(outcome(day(0), "downgraded"))
    assert downgraded(outcome(day(74) - SECOND, "downgraded"))
    assert not downgraded(outcome(day(74), "downgraded"))
    assert not downgraded(outcome(day(-1), "downgraded"))
    assert not downgraded(outcome(day(20), "downgraded"), outcome(day(30)))


def test_subscriptions_tell_the_revenue(history: MakeHistory) -> None:
    terms = [{"account_id": "b", "started_at": CREATED, "mrr": 10.0}]
    told = tell(history, subscriptions=terms)
    assert label(told, LABEL, AT_CUTOFF).table["arr"].to_pylist() == [0.0, 120.0]
    assert population(told, LABEL, CUTOFF)["arr"].to_pylist() == [0.0, 120.0]


def test_outcomes_may_be_bare(history: MakeHistory) -> None:
    told = history(LATER, accounts=ACCOUNTS, outcomes=[])
    labels = label(told, LABEL, AT_CUTOFF)
    assert labels.table["label"].to_pylist() == [0, 0]
    assert labels.table["arr"].to_pylist() == [None, None]
    with pytest.raises(LabelError, match="no account"):
        label(history(LATER, accounts=[], outcomes=[]), LABEL, AT_CUTOFF)
