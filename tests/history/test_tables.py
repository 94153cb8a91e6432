"""The data contract: what a table must say to be one."""

from __future__ import annotations

import dataclasses

import pytest

from churnml.errors import ConfigError
from churnml.history.tables import STANDARD, TICKETS, USAGE, Column, Kind, Table

ACCOUNT = Column("account_id", Kind.ID, "the account")
TIME = Column("happened_at", Kind.TIME, "when it happened")


def test_the_standard_tables() -> None:
    assert list(STANDARD) == [
        "accounts",
        "contacts",
        "subscriptions",
        "usage",
        "messages",
        "tickets",
        "surveys",
        "invoices",
        "readings",
        "notes",
        "outcomes",
    ]
    assert [name for name, table in STANDARD.items() if table.label_only] == ["outcomes"]
    assert [name for name, table in STANDARD.items() if table.scheduled] == ["subscriptions"]
    assert all(table.name == name for name, table in STANDARD.items())


@pytest.mark.parametrize("table", STANDARD.values(), ids=STANDARD)
def test_every_standard_table_can_be_cut_by_time(table: Table) -> None:
    assert table.column("account_id").required
    assert table.column(table.time).required
    assert table.has("recorded_at")
    for column in table.columns:
        assert column.doc
        if column.kind is Kind.TIME and column.known is not None:
            assert column.known == column.name
        if column.known is not None:
            assert table.column(column.known).known == column.known


@pytest.mark.parametrize(
    ("name", "known"),
    [
        ("csat", "csat_at"),
        ("csat_at", "csat_at"),
        ("first_contact", "resolved_at"),
        ("category", None),
        ("opened_at", None),
    ],
)
def test_when_a_tickets_values_become_known(name: str, known: str | None) -> None:
    assert TICKETS.column(name).known == known


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"replaced": "ended_at"}, r"no column 'ended_at'"),
        ({"replaced": "happened_at"}, r"'happened_at' ends a version, so it has to be known when"),
        ({"replaced": "gone_at"}, r"its key has to be what they share and 'recorded_at'"),
        ({"replaced": "gone_at", "key": ("recorded_at",)}, r"its key has to be what they share"),
    ],
)
def test_versions_need_a_key_and_an_end_that_is_known(
    changed: dict[str, object], message: str
) -> None:
    gone = Column("gone_at", Kind.TIME, "when it went", known="gone_at")
    recorded = Column("recorded_at", Kind.TIME, "when it came")
    with pytest.raises(ConfigError, match=message):
        table(gone, recorded, **changed)


def test_versions_share_their_key_but_for_when_they_came() -> None:
    assert STANDARD["readings"].identity == ("text_id",)
    assert TICKETS.identity == ("ticket_id",)


def test_a_column_is_found_or_its_nearest_named() -> None:
    assert USAGE.has("event")
    assert not USAGE.has("evnt")
    with pytest.raises(ConfigError, match=r"'usage' has no column 'evnt'\. Did you mean 'event'"):
        USAGE.column("evnt")


def table(*columns: Column, **more: object) -> Table:
    plain = Table("clicks", "One click.", (), "happened_at", (ACCOUNT, TIME, *columns))
    return dataclasses.replace(plain, **more)  # type: ignore[arg-type]


def test_a_table_of_ones_own() -> None:
    own = table(Column("page", Kind.STRING, "which page"), dimension="page")
    assert own.names == ("account_id", "happened_at", "page")
    assert (own.scheduled, own.label_only, own.key) == (False, False, ())


@pytest.mark.parametrize(
    ("columns", "more", "why"),
    [
        ([TIME], {}, r"'clicks': columns declared twice: happened_at\."),
        ([], {"columns": (TIME,)}, r"'clicks' has no column 'account_id'"),
        ([], {"time": "hapened_at"}, r"no column 'hapened_at'\. Did you mean 'happened_at'"),
        ([], {"time": "account_id"}, r"its time 'account_id' is not a time column\."),
        ([], {"key": ("click_id",)}, r"no column 'click_id'"),
        ([], {"dimension": "page"}, r"no column 'page'"),
        ([Column("page", Kind.ID, "", known="page_at")], {}, r"no column 'page_at'"),
        (
            [Column("page", Kind.ID, "", known="account_id")],
            {},
            r"column 'page' has known = 'account_id', which is of kind id; expected a time",
        ),
        (
            [Column("end", Kind.TIME, "", after="account_id")],
            {},
            r"column 'end' has after = 'account_id', which is of kind id; expected a time",
        ),
        (
            [Column("page", Kind.ID, "", after="happened_at")],
            {},
            r"column 'page' is of kind id; only a time comes after another",
        ),
        (
            [Column("page", Kind.STRING, "", minimum=1)],
            {},
            r"column 'page' is of kind string; only a number has bounds",
        ),
        (
            [Column("score", Kind.NUMBER, "", minimum=10, maximum=1)],
            {},
            r"column 'score': its minimum 10 is above its maximum 1\.",
        ),
        (
            [Column("score", Kind.NUMBER, "", choices=("good",))],
            {},
            r"column 'score' is of kind number; only a text has choices",
        ),
    ],
)
def test_what_cannot_be_a_table_is_refused(
    columns: list[Column], more: dict[str, object], why: str
) -> None:
    with pytest.raises(ConfigError, match=why):
        table(*columns, **more)
