from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from churnml.config import FrozenModel, parse
from churnml.errors import ConfigError
from churnml.labels import (
    ColumnLabel,
    Cutoffs,
    Every,
    InactivityLabel,
    LabelSpec,
    OutcomeLabel,
    SubscriptionLabel,
)


class File(FrozenModel):
    label: LabelSpec
    cutoffs: Cutoffs = Cutoffs()


def read(**content: Any) -> File:
    return parse(File, content, "r.toml")


def test_each_kind_is_told_by_its_name() -> None:
    assert read(label={"kind": "subscriptions"}).label == SubscriptionLabel()
    assert isinstance(read(label={"kind": "outcomes"}).label, OutcomeLabel)
    quiet = read(label={"kind": "inactivity", "events": ["login"], "active_days": 9}).label
    assert quiet == InactivityLabel(kind="inactivity", events=("login",), active_days=9)
    flat = {"kind": "column", "file": "x.csv", "column": "Churn", "positive": True}
    assert read(label=flat).label == ColumnLabel.model_validate(flat)


def test_the_reach_is_what_must_be_observed() -> None:
    assert SubscriptionLabel(lead_days=14, horizon_days=90, grace_days=30).reach_days == 141
    assert InactivityLabel(kind="inactivity", lead_days=14, horizon_days=90).reach_days == 111
    assert OutcomeLabel(kind="outcomes", settle_days=40).reach_days == 130
    flat = ColumnLabel(kind="column", file="x", column="y", positive=1)
    assert flat.reach_days == 0


def test_what_is_given_is_what_rows_are_left_out_for() -> None:
    assert SubscriptionLabel().given == ()
    assert InactivityLabel(kind="inactivity", lead_days=14).given == ()
    lead = "the account stays through the lead of 14 days"
    paid = "the account does not leave for want of payment in the label's window"
    assert SubscriptionLabel(lead_days=14).given == (lead,)
    assert SubscriptionLabel(lead_days=14, involuntary="exclude").given == (lead, paid)
    unseen = "the account has not left already, without a record of it"
    assert OutcomeLabel(kind="outcomes", involuntary="exclude").given == (unseen, paid)


def test_cutoffs() -> None:
    assert read(label={"kind": "outcomes"}, cutoffs={"every": {"days": 7}}).cutoffs == Cutoffs(
        every=Every(days=7)
    )
    bounds = {"every": "month", "first": dt.date(2024, 1, 1), "last": dt.date(2024, 1, 1)}
    assert read(label={"kind": "outcomes"}, cutoffs=bounds).cutoffs.first == dt.date(2024, 1, 1)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"label": {"kind": "subscription"}}, "r.toml: key 'label'"),
        ({"label": {"kind": "subscriptions", "grace_day": 1}}, "unknown key .*grace_day"),
        ({"label": {"kind": "subscriptions", "grace_days": True}}, "grace_days"),
        ({"label": {"kind": "subscriptions", "horizon_days": 0}}, "horizon_days"),
        (
            {
                "label": {
                    "kind": "column",
                    "file": "x",
                    "column": "y",
                    "positive": 1,
                    "time": "t",
                }
            },
            "time and horizon_days go together",
        ),
        (
            {
                "label": {"kind": "outcomes"},
                "cutoffs": {"every": "month", "days_before_renewal": 90},
            },
            "but not both",
        ),
        (
            {
                "label": {"kind": "outcomes"},
                "cutoffs": {"first": dt.date(2024, 2, 1), "last": dt.date(2024, 1, 1)},
            },
            "last = 2024-01-01 is before first = 2024-02-01",
        ),
        ({"label": {"kind": "outcomes"}, "cutoffs": {"every": "week"}}, "every"),
        (
            {"label": {"kind": "outcomes"}, "cutoffs": {"first": dt.datetime(2024, 1, 1, 5)}},
            "first",
        ),
    ],
)
def test_what_does_not_fit_is_an_error(content: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        read(**content)
