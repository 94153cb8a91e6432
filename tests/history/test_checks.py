from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

import pytest

from churnml.history.faults import MEANINGS, Fault, Severity
from churnml.history.report import Report

Counts = dict[tuple[str, str | None], int]
Count = Callable[[Report, str], Counts]

TOP = "observed_until = 2025-01-01T00:00:00Z\n"
ACCOUNTS = "[tables.accounts]\nfiles = 'accounts.csv'\nmax_faulty = 1\n"
NO_CHANGE = "max_faulty = 1\nstale_days = 1e6\n"


@pytest.fixture
def found(yard: Any, counts: Count) -> Callable[..., tuple[Counts, list[dict[str, str]]]]:
    """Read one CSV as a table and give its faults and what was set aside."""

    def of(name: str, text: str, more: str = "", top: str = TOP) -> Any:
        yard.write(f"{name}.csv", text)
        toml = f"{top}[tables.{name}]\nfiles = '{name}.csv'\n{NO_CHANGE}{more}"
        return counts(yard.check(toml), name), yard.aside(name)

    return of


def aside_ids(aside: list[dict[str, str]], column: str) -> list[str]:
    return [row[column] for row in aside]


TICKETS = "ticket_id,account_id,opened_at,resolved_at,csat_at,csat,priority\n"


def test_sound_rows_pass(found: Any) -> None:
    faults, aside = found("tickets", TICKETS + "t,a,2024-01-01,2024-01-02,2024-01-02,5,high\n")

    assert faults == {}
    assert aside == []


@pytest.mark.parametrize(
    ("row", "fault"),
    [
        (",a,2024-01-01,,,,", ("missing_value", "ticket_id")),
        ("t,,2024-01-01,,,,", ("missing_value", "account_id")),
        ("t,a,,,,,", ("missing_value", "opened_at")),
        ("t,a,soon,,,,", ("unreadable_value", "opened_at")),
        ("t,a,2024-01-01,soon,,,", ("unreadable_value", "resolved_at")),
        ("t,a,2024-01-01,,2024-01-02,good,", ("unreadable_value", "csat")),
        ("t,a,2024-01-01,,2024-01-02,inf,", ("not_finite", "csat")),
        ("t,a,2024-01-01,,2024-01-02,9,", ("impossible_value", "csat")),
        ("t,a,2024-01-01,,2024-01-02,0.5,", ("impossible_value", "csat")),
        ("t,a,2024-01-01,,,,urgent", ("impossible_value", "priority")),
        ("t,a,1024-01-01,,,,", ("impossible_value", "opened_at")),
        ("t,a,2024-01-02,2024-01-01,,,", ("wrong_order", "resolved_at")),
        ("t,a,2025-01-01,,,,", ("after_now", "opened_at")),
    ],
)
def test_a_faulty_row_is_set_aside_with_its_fault(
    found: Any, row: str, fault: tuple[str, str]
) -> None:
    faults, aside = found("tickets", TICKETS + "ok,a,2024-01-01,,,,low\n" + row + "\n")

    assert faults == {fault: 1}
    assert [item["_fault"] for item in aside] == [":".join(fault)]
    assert aside[0]["_row"] == "3"
    assert ",".join(aside[0][name] for name in TICKETS.strip().split(",")) == row


def test_a_reason_says_what_was_got_and_expected(found: Any) -> None:
    _, aside = found("tickets", TICKETS + "t,a,2024-01-02,2024-01-01,2024-01-03,9,urgent\n")

    assert aside[0]["_fault"] == (
        "impossible_value:priority impossible_value:csat wrong_order:resolved_at"
    )
    assert aside[0]["_reason"] == (
        "priority: got urgent, expected one of low, medium, high, critical; "
        "csat: got 9.0, expected at least 1 and at most 5; "
        "resolved_at: got 2024-01-01 00:00:00 before 2024-01-02 00:00:00, "
        "expected not before opened_at"
    )
    assert aside[0]["_source"] == "tickets.csv"


def test_the_last_instant_before_the_end_is_in_the_past(found: Any) -> None:
    faults, _ = found("tickets", TICKETS + "t,a,2024-12-31T23:59:59.999999Z,,,,\n")

    assert faults == {}


TERMS = "subscription_id,account_id,started_at,ends_at,cancelled_at,cancel_kind,terminated_at\n"


def test_a_term_whose_notice_is_yet_to_come_is_kept_without_it(found: Any, yard: Any) -> None:
    rows = (
        "s,a,2024-06-01,,2024-07-01,voluntary,\n"
        "t,b,2024-06-01,,2025-01-01,involuntary,2025-02-01\n"  # all of it still to come
        "u,c,2024-06-01,,2024-12-01,voluntary,2025-02-01\n"  # notice given, end booked
        "v,d,2025-06-01,2026-06-01,,,\n"
    )

    faults, aside = found("subscriptions", TERMS + rows)

    assert faults == {("not_yet_known", "cancelled_at"): 1, ("not_yet_known", "terminated_at"): 2}
    assert aside == []
    told = [
        (row["subscription_id"], row["cancelled_at"], row["cancel_kind"], row["terminated_at"])
        for row in yard.clean("subscriptions")
    ]
    assert told == [
        ("s", dt.datetime(2024, 7, 1), "voluntary", None),
        ("t", None, None, None),
        ("u", dt.datetime(2024, 12, 1), "voluntary", None),
        ("v", None, None, None),
    ]


def test_a_value_not_yet_known_is_named_with_its_place_and_counts_as_no_error(yard: Any) -> None:
    yard.write("tickets.csv", TICKETS + "t,a,2024-12-15,2025-01-01,2025-01-03,5,\n")

    report = yard.check(TOP + "[tables.tickets]\nfiles = 'tickets.csv'\nmax_faulty = 0\n")

    assert report.written
    first, second = report.tables[0].findings
    assert (first.severity, first.quarantined) == (Severity.WARNING, False)
    assert first.expected == "before 2025-01-01T00:00:00Z; blank until then: resolved_at"
    assert second.expected == "before 2025-01-01T00:00:00Z; blank until then: csat_at, csat"
    assert [(item.key, item.got, item.source, item.row) for item in first.examples] == [
        ("t", "2025-01-01 00:00:00", "tickets.csv", 2)
    ]


def test_a_value_that_came_just_before_the_end_is_kept(found: Any, yard: Any) -> None:
    faults, _ = found("tickets", TICKETS + "t,a,2024-12-01,2024-12-31T23:59:59.999999Z,,,\n")

    assert faults == {}
    assert yard.clean("tickets")[0]["resolved_at"] is not None


def test_a_row_recorded_after_the_end_is_left_out_without_counting_as_an_error(
    yard: Any, counts: Count
) -> None:
    header = "account_id,occurred_at,event,recorded_at\n"
    rows = "a,2024-12-30,e,2025-01-01\na,2024-12-31,e,2024-12-31T23:59:59\n"
    yard.write("usage.csv", header + rows)

    report = yard.check(TOP + "[tables.usage]\nfiles = 'usage.csv'\nmax_faulty = 0\n")

    assert counts(report, "usage") == {("not_yet_recorded", "recorded_at"): 1}
    assert report.written
    assert [item["_fault"] for item in yard.aside("usage")] == ["not_yet_recorded:recorded_at"]
    assert len(yard.clean("usage")) == 1


def test_a_row_that_happened_after_the_end_is_an_error_whenever_recorded(found: Any) -> None:
    header = "account_id,occurred_at,event,recorded_at\n"

    faults, _ = found("usage", header + "a,2025-01-01,e,2025-01-02\na,2024-12-31,e,\n")

    assert faults == {("after_now", "occurred_at"): 1}


def test_a_later_word_that_is_not_yet_recorded_contradicts_nothing(found: Any, yard: Any) -> None:
    rows = "c,a,2024-01-01,2024-01-01,technical\nc,a,2024-01-01,2025-03-01,executive\n"

    faults, aside = found("contacts", CONTACTS + rows)

    assert faults == {("not_yet_recorded", "recorded_at"): 1}
    assert aside_ids(aside, "role") == ["executive"]
    assert [row["role"] for row in yard.clean("contacts")] == ["technical"]


def test_a_declared_column_is_blank_until_it_is_known_and_its_time_stays(
    found: Any, yard: Any
) -> None:
    header = "account_id,occurred_at,event,rated_on,rating\n"
    contract = """
    [contracts.usage]
    columns = [
        { name = "rated_on", kind = "time", doc = "the day agreed for rating" },
        { name = "rating", kind = "number", doc = "the rating", known = "rated_on" },
    ]
    """

    faults, _ = found("usage", header + "a,2024-12-01,e,2025-02-01,3\n", contract)

    assert faults == {("not_yet_known", "rated_on"): 1}
    (row,) = yard.clean("usage")
    assert (row["rated_on"], row["rating"]) == (dt.datetime(2025, 2, 1), None)


def test_a_time_without_zone_among_times_with_one_is_a_guess(found: Any) -> None:
    rows = "t1,a,2024-01-01T10:00Z,,,,\nt2,a,2024-01-01T10:00,,,,\nt3,a,2024-01-01T10:00+02,,,,\n"

    faults, aside = found("tickets", TICKETS + rows)

    assert faults == {("mixed_zones", "opened_at"): 1}
    assert aside_ids(aside, "ticket_id") == ["t2"]


def test_mixed_zones_may_be_accepted_and_are_then_read_in_the_tables_zone(
    found: Any, yard: Any
) -> None:
    rows = "t1,a,2024-01-01T10:00Z,,,,\nt2,a,2024-01-01T10:00,,,,\n"

    faults, aside = found(
        "tickets", TICKETS + rows, 'accept = ["mixed_zones"]\ntimezone = "Europe/Berlin"\n'
    )

    assert faults == {("mixed_zones", "opened_at"): 1}
    assert aside == []
    assert [(row["ticket_id"], row["opened_at"].hour) for row in yard.clean("tickets")] == [
        ("t2", 9),
        ("t1", 10),
    ]


def test_nan_is_missing_and_said(found: Any, yard: Any) -> None:
    rows = "t,a,2024-01-01,,2024-01-02,NaN,\n"

    faults, aside = found("tickets", TICKETS + rows)

    assert faults == {("not_a_number", "csat"): 1}
    assert aside == []
    assert yard.clean("tickets")[0]["csat"] is None


def test_a_value_that_will_never_be_known_is_kept_and_said(found: Any) -> None:
    faults, aside = found("tickets", TICKETS + "t,a,2024-01-01,,,5,\nu,a,2024-01-01,,,,\n")

    assert faults == {("never_known", "csat"): 1}
    assert aside == []


def test_a_row_recorded_before_it_happened_is_kept_and_said(found: Any) -> None:
    header = "account_id,occurred_at,recorded_at,event\n"

    faults, aside = found("usage", header + "a,2024-01-02,2024-01-01,e\na,2024-01-02,,e\n")

    assert faults == {("recorded_early", "recorded_at"): 1}
    assert aside == []


CONTACTS = "contact_id,account_id,created_at,recorded_at,role\n"


def test_a_row_that_repeats_another_is_set_aside_without_counting_as_an_error(
    yard: Any, counts: Count
) -> None:
    row = "c,a,2024-01-01,,executive\n"
    yard.write("contacts.csv", CONTACTS + row * 3)

    report = yard.check(TOP + "[tables.contacts]\nfiles = 'contacts.csv'\nstale_days = 999\n")

    assert counts(report, "contacts") == {("duplicate", None): 2}
    assert report.tables[0].refused is None
    assert len(yard.clean("contacts")) == 1
    assert [item["_fault"] for item in yard.aside("contacts")] == ["duplicate", "duplicate"]


@pytest.mark.parametrize("turned", [False, True])
def test_of_rows_that_contradict_each_other_the_first_known_stays(
    found: Any, yard: Any, *, turned: bool
) -> None:
    rows = ["c,a,2024-01-01,2024-03-01,technical\n", "c,a,2024-01-01,2024-02-01,executive\n"]

    faults, aside = found("contacts", CONTACTS + "".join(rows[::-1] if turned else rows))

    assert faults == {("conflict", None): 1}
    assert aside_ids(aside, "role") == ["technical"]
    assert [row["role"] for row in yard.clean("contacts")] == ["executive"]


def test_a_faulty_row_does_not_take_the_place_of_a_sound_one(found: Any, yard: Any) -> None:
    rows = "c,a,2024-01-01,,boss\nc,a,2024-02-01,,executive\n"

    faults, _ = found("contacts", CONTACTS + rows)

    assert faults[("impossible_value", "role")] == 1
    assert faults[("conflict", None)] == 1
    assert [row["role"] for row in yard.clean("contacts")] == ["executive"]


def test_a_standard_table_can_be_given_a_key_and_an_order(found: Any) -> None:
    header = "account_id,occurred_at,event,usage_id,term_started_at\n"
    rows = (
        "a,2024-01-01,e,u1,2023-01-01\na,2024-01-02,e,u1,2023-01-01\na,2024-01-01,e,u2,2024-06-01\n"
    )
    contract = """
    [contracts.usage]
    key = ["usage_id"]
    after = { occurred_at = "term_started_at" }
    columns = [
        { name = "usage_id", kind = "id", doc = "the event" },
        { name = "term_started_at", kind = "time", doc = "begin of the term" },
    ]
    """

    faults, aside = found("usage", header + rows, contract)

    assert faults == {("conflict", None): 1, ("wrong_order", "occurred_at"): 1}
    assert aside_ids(aside, "usage_id") == ["u1", "u2"]


@pytest.fixture
def with_accounts(yard: Any, counts: Count) -> Any:
    """Read usage beside accounts that were created at noon of 2024-03-01, UTC."""

    def of(rows: str, more: str = "", accounts: str = "a,2024-03-01T12:00Z,5\n") -> Any:
        yard.write("accounts.csv", "account_id,created_at,employees\n" + accounts)
        yard.write("usage.csv", "account_id,occurred_at,event\n" + rows)
        toml = f"{TOP}{ACCOUNTS}[tables.usage]\nfiles = 'usage.csv'\n{NO_CHANGE}{more}"
        return counts(yard.check(toml), "usage"), yard.aside("usage")

    return of


def test_unknown_accounts_are_found(with_accounts: Any) -> None:
    faults, aside = with_accounts("a,2024-04-01,e\nb,2024-04-01,e\n")

    assert faults == {("unknown_account", "account_id"): 1}
    assert aside_ids(aside, "account_id") == ["b"]


def test_an_account_is_known_even_where_its_row_is_faulty(with_accounts: Any) -> None:
    faults, _ = with_accounts("a,2024-04-01,e\n", accounts="a,2024-03-01,-5\n")

    assert faults == {}


def test_the_day_of_creation_counts_as_a_whole(with_accounts: Any) -> None:
    faults, aside = with_accounts("a,2024-03-01,e\na,2024-02-29T23:59:59,e\n")

    assert faults == {("before_account", "occurred_at"): 1}
    assert aside_ids(aside, "occurred_at") == ["2024-02-29T23:59:59"]


def test_the_day_of_creation_is_one_of_the_tables_zone(with_accounts: Any) -> None:
    # Midnight of 2024-03-01 in Berlin is 23:00 of the day before, UTC.
    faults, aside = with_accounts(
        "a,2024-03-01,e\na,2024-02-29T23:59:59,e\n", "timezone = 'Europe/Berlin'\n"
    )

    assert faults == {("before_account", "occurred_at"): 1}
    assert aside_ids(aside, "occurred_at") == ["2024-02-29T23:59:59"]


def test_an_accepted_fault_is_said_and_its_rows_are_kept(with_accounts: Any, yard: Any) -> None:
    faults, aside = with_accounts(
        "a,2024-01-01,e\nb,2024-04-01,e\n", 'accept = ["before_account", "unknown_account"]\n'
    )

    assert faults == {("unknown_account", "account_id"): 1, ("before_account", "occurred_at"): 1}
    assert aside == []
    assert len(yard.clean("usage")) == 2


def test_terms_that_overlap_are_said(found: Any, yard: Any) -> None:
    header = "subscription_id,account_id,started_at,ends_at,terminated_at,plan\n"
    rows = (
        "s1,a,2023-01-01,2024-01-01,,pro\n"
        "s2,a,2024-01-01,,2024-03-01,pro\n"  # begins where s1 ends
        "s3,a,2024-02-01,2025-02-01,,pro\n"  # while s2 runs
        "s4,a,2024-02-01,2025-02-01,,extra\n"  # another plan
        "s5,b,2024-02-01,2025-02-01,,pro\n"  # another account
    )

    faults, aside = found("subscriptions", header + rows)

    assert faults == {("overlap", "started_at"): 1}
    assert aside == []
    assert len(yard.clean("subscriptions")) == 5


def test_a_stale_table_is_said(yard: Any, counts: Count) -> None:
    yard.write("usage.csv", "account_id,occurred_at,event\na,2024-12-01,e\n")

    report = yard.check(TOP + "[tables.usage]\nfiles = 'usage.csv'\n")

    assert counts(report, "usage") == {("stale", "occurred_at"): 0}
    assert report.tables[0].span.age_days == 31.0


def test_what_became_known_of_an_old_row_keeps_a_table_fresh(yard: Any, counts: Count) -> None:
    rows = "t,a,2024-11-01,2024-12-30,,,\nu,a,2024-11-01,2025-02-01,,,\n"
    yard.write("tickets.csv", TICKETS + rows)

    report = yard.check(TOP + "[tables.tickets]\nfiles = 'tickets.csv'\n")

    assert counts(report, "tickets") == {("not_yet_known", "resolved_at"): 1}
    assert report.tables[0].span.newest == dt.datetime(2024, 12, 30)
    assert report.tables[0].span.age_days == 2.0


def test_a_late_record_keeps_a_table_fresh(yard: Any, counts: Count) -> None:
    yard.write("usage.csv", "account_id,occurred_at,event,recorded_at\na,2024-11-01,e,2024-12-31\n")

    report = yard.check(TOP + "[tables.usage]\nfiles = 'usage.csv'\n")

    assert counts(report, "usage") == {}
    assert report.tables[0].span.last == dt.datetime(2024, 11, 1)


def test_examples_name_key_value_file_and_row(yard: Any) -> None:
    yard.write(
        "tickets.csv", TICKETS + "t,a,2024-01-01,,,,low\n" * 1 + "u,a,2024-01-01,,,,top\n" * 7
    )

    report = yard.check(TOP + "[tables.tickets]\nfiles = 'tickets.csv'\n")

    finding = next(
        item for item in report.tables[0].findings if item.fault is Fault.IMPOSSIBLE_VALUE
    )
    assert [(item.key, item.got, item.source, item.row) for item in finding.examples] == [
        ("u", "top", "tickets.csv", row) for row in range(3, 8)
    ]
    assert finding.rows == 7


def test_every_fault_has_a_meaning_and_warnings_need_no_accepting() -> None:
    assert set(MEANINGS) == set(Fault)
    for meaning in MEANINGS.values():
        assert not (meaning.acceptable and meaning.severity is Severity.WARNING)
