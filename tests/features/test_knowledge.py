from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from churnml.features.catalogue import Catalogue, read_catalogue
from churnml.features.knowledge import KnownRule, changed, known_rules, made_otherwise
from churnml.history.memory import only
from churnml.history.tables import STANDARD, SUBSCRIPTIONS, TICKETS, USAGE

HEAD = 'family = "x"\ntitle = "X"\n'
CSAT = (
    '[[feature]]\nname = "csat"\ndescription = "x"\nunit = "points"\nsentence = "x"\n'
    'table = "tickets"\naggregate = "mean"\nvalue = "csat"\nwhere = "priority = \'high\'"\n'
)
TERMS = (
    '[[feature]]\nname = "terms"\ndescription = "x"\nunit = "terms"\nsentence = "x"\n'
    'table = "subscriptions"\naggregate = "count"\nat = "cancelled_at"\n'
)
OWN = (
    '[[feature]]\nname = "own"\ndescription = "x"\nunit = "x"\nsentence = "x"\n'
    'function = "somewhere:own"\n'
)


def catalogue(tmp_path: Path, *features: str) -> Catalogue:
    (tmp_path / "x.toml").write_text(HEAD + "".join(features), encoding="utf-8")
    return read_catalogue([tmp_path / "x.toml"], STANDARD)


def test_rules_are_of_what_is_read(tmp_path: Path) -> None:
    assert known_rules(catalogue(tmp_path, CSAT, TERMS), STANDARD) == {
        "subscriptions": KnownRule(row=("recorded_at",), columns={"cancelled_at": "cancelled_at"}),
        "tickets": KnownRule(row=("opened_at", "recorded_at"), columns={"csat": "csat_at"}),
    }


def test_without_a_record_the_event_time_is_the_rule(tmp_path: Path) -> None:
    bare = {"tickets": only(TICKETS, ["ticket_id", "account_id", "opened_at", "csat", "csat_at"])}
    assert known_rules(catalogue(tmp_path, CSAT), bare)["tickets"].row == ("opened_at",)


def test_a_custom_feature_may_read_all_but_labels(tmp_path: Path) -> None:
    rules = known_rules(catalogue(tmp_path, OWN), STANDARD)
    assert set(rules) == set(STANDARD) - {"outcomes"}
    assert rules["subscriptions"].columns == {
        "cancel_kind": "cancelled_at",
        "cancelled_at": "cancelled_at",
        "terminated_at": "terminated_at",
    }


@pytest.mark.parametrize(
    ("then", "now", "said"),
    [
        ({}, {}, ""),
        (
            {"usage": KnownRule(row=("occurred_at", "recorded_at"), columns={})},
            {"usage": KnownRule(row=("occurred_at",), columns={})},
            "rows of 'usage' were known by occurred_at and recorded_at, and are by occurred_at now",
        ),
        (
            {"tickets": KnownRule(row=("opened_at",), columns={"csat": "csat_at"})},
            {"tickets": KnownRule(row=("opened_at",), columns={"csat": "resolved_at"})},
            "tickets.csat was known at csat_at, and is at resolved_at now",
        ),
        (
            {"tickets": KnownRule(row=("opened_at",), columns={})},
            {"tickets": KnownRule(row=("opened_at",), columns={"csat": "csat_at"})},
            "tickets.csat was known with its row, and is at csat_at now",
        ),
        (
            {},
            {"usage": KnownRule(row=("occurred_at",), columns={})},
            "rows of 'usage' were known by nothing, and are by occurred_at now",
        ),
        (
            {"readings": KnownRule(row=("said_at",), columns={})},
            {"readings": KnownRule(row=("said_at",), columns={}, replaced="replaced_at")},
            "rows of 'readings' were replaced by nothing, and are by replaced_at now",
        ),
    ],
)
def test_a_rule_that_changed_is_named(
    then: dict[str, KnownRule], now: dict[str, KnownRule], said: str
) -> None:
    assert changed(then, now) == said


def test_a_table_made_by_another_version_is_named(tmp_path: Path) -> None:
    told = catalogue(tmp_path, TERMS)
    then = known_rules(told, STANDARD, {"subscriptions": "1.a", "readings": "1.a"})
    assert then["subscriptions"].made_by == "1.a"
    assert "readings" not in then
    assert made_otherwise(then, then) == ""
    now = known_rules(told, STANDARD, {"subscriptions": "1.b"})
    assert made_otherwise(then, now) == "'subscriptions' were made by 1.a, and are by 1.b now"


def test_a_booking_is_known_when_it_is_made(tmp_path: Path) -> None:
    unscheduled = {"subscriptions": replace(SUBSCRIPTIONS, scheduled=False), "usage": USAGE}
    then = known_rules(catalogue(tmp_path, TERMS), STANDARD)
    now = known_rules(catalogue(tmp_path, TERMS), unscheduled)
    assert changed(then, now) == (
        "rows of 'subscriptions' were known by recorded_at, and are by started_at and recorded_at "
        "now"
    )
