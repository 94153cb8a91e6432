"""Small generated histories, and every kind of feature over them told twice: as TOML and in Python.

The Python side is the oracle: it knows nothing of segments, cells or the combine. It looks at one
account and one cutoff, keeps the rows and values known strictly before, and counts.
"""

from __future__ import annotations

import datetime as dt
import tomllib
from collections.abc import Callable, Sequence
from pathlib import Path

import pyarrow as pa
from hypothesis import strategies as st

from churnml.features.catalogue import Catalogue, FeatureFile, _check, _expand
from churnml.history.asof import History
from churnml.history.tables import STANDARD

START = dt.datetime(2024, 1, 1)
UNTIL = dt.datetime(2026, 1, 1)
Row = dict[str, object]
Oracle = Callable[[list[Row], dt.datetime], object]

TOML = """
family = "test"
title = "Test"
"""


def days(n: float) -> dt.timedelta:
    return dt.timedelta(days=n)


def in_window(
    rows: Sequence[Row], at: str, cutoff: dt.datetime, w: int | None, offset: int = 0
) -> list[Row]:
    end = cutoff - days(offset)
    start = dt.datetime.min if w is None else end - days(w)
    return [r for r in rows if r[at] is not None and start <= r[at] < end]


def age(cutoff: dt.datetime, time: dt.datetime) -> float:
    return ((cutoff - time) // dt.timedelta(microseconds=1)) / 86_400_000_000


def micro(values: Sequence[float]) -> int:
    import math

    return sum(math.floor(v * 1e6 + 0.5) for v in values)


# What each feature says in TOML, and what it means.
CASES: dict[str, tuple[str, str, Callable[[Row, dt.datetime, int | None], object]]] = {}


def case(name: str, table: str, body: str):
    def register(function):
        CASES[name] = (table, body, function)
        return function

    return register


@case("use_{w}d", "usage", 'aggregate = "count"\nwindows = [1, 7, 30, 200]')
def _(rows, c, w):
    return len(in_window(rows, "occurred_at", c, w))


@case("use_before_{w}d", "usage", 'aggregate = "count"\nwindows = [7, 30]\noffset = "w"')
def _(rows, c, w):
    return len(in_window(rows, "occurred_at", c, w, w))


@case("use_ever", "usage", 'aggregate = "count"')
def _(rows, c, w):
    return len(in_window(rows, "occurred_at", c, None))


@case(
    "export_{w}d", "usage", 'aggregate = "count"\nwhere = "event = \'export\'"\nwindows = [7, 90]'
)
def _(rows, c, w):
    return len([r for r in in_window(rows, "occurred_at", c, w) if r["event"] == "export"])


@case(
    "big_two_{w}d",
    "usage",
    'aggregate = "sum"\nvalue = "quantity"\nwindows = [30]\n'
    "where = \"event in ('export', 'view') and quantity > 1\"",
)
def _(rows, c, w):
    hits = [
        r["quantity"]
        for r in in_window(rows, "occurred_at", c, w)
        if r["event"] in {"export", "view"} and (r["quantity"] or 0) > 1
    ]
    return micro(hits) / 1e6


@case("quantity_mean_{w}d", "usage", 'aggregate = "mean"\nvalue = "quantity"\nwindows = [30]')
def _(rows, c, w):
    hits = [
        r["quantity"] for r in in_window(rows, "occurred_at", c, w) if r["quantity"] is not None
    ]
    return micro(hits) / 1e6 / len(hits) if hits else None


@case("quantity_max_{w}d", "usage", 'aggregate = "max"\nvalue = "quantity"\nwindows = [7, 90]')
def _(rows, c, w):
    hits = [
        r["quantity"] for r in in_window(rows, "occurred_at", c, w) if r["quantity"] is not None
    ]
    return max(hits, default=None)


@case(
    "quantity_min_before_{w}d",
    "usage",
    'aggregate = "min"\nvalue = "quantity"\nwindows = [30]\noffset = 7',
)
def _(rows, c, w):
    hits = [
        r["quantity"] for r in in_window(rows, "occurred_at", c, w, 7) if r["quantity"] is not None
    ]
    return min(hits, default=None)


@case("active_days_{w}d", "usage", 'aggregate = "distinct_days"\nwindows = [7, 30, 200]')
def _(rows, c, w):
    hits = in_window(rows, "occurred_at", c, w)
    return len({(c - r["occurred_at"] - dt.timedelta(microseconds=1)) // days(1) for r in hits})


@case(
    "export_days_before_{w}d",
    "usage",
    'aggregate = "distinct_days"\nwindows = [30]\noffset = "w"\nwhere = "event = \'export\'"',
)
def _(rows, c, w):
    hits = [r for r in in_window(rows, "occurred_at", c, w, w) if r["event"] == "export"]
    return len({(c - r["occurred_at"] - dt.timedelta(microseconds=1)) // days(1) for r in hits})


@case(
    "people_{w}d", "usage", 'aggregate = "distinct"\nvalue = "contact_id"\nwindows = [7, 30, 200]'
)
def _(rows, c, w):
    hits = in_window(rows, "occurred_at", c, w)
    return len({r["contact_id"] for r in hits} - {None})


@case(
    "people_before_{w}d",
    "usage",
    'aggregate = "distinct"\nvalue = "contact_id"\nwindows = [30]\noffset = "w"\n'
    "where = \"event = 'view'\"",
)
def _(rows, c, w):
    hits = [r for r in in_window(rows, "occurred_at", c, w, w) if r["event"] == "view"]
    return len({r["contact_id"] for r in hits} - {None})


@case("kinds_ever", "usage", 'aggregate = "distinct"\nvalue = "event"')
def _(rows, c, w):
    return len({r["event"] for r in in_window(rows, "occurred_at", c, None)})


@case("days_since_use", "usage", 'aggregate = "days_since_last"')
def _(rows, c, w):
    times = [r["occurred_at"] for r in in_window(rows, "occurred_at", c, None)]
    return age(c, max(times)) if times else None


@case(
    "days_since_first_export",
    "usage",
    'aggregate = "days_since_first"\nwhere = "event = \'export\'"',
)
def _(rows, c, w):
    hits = [r for r in in_window(rows, "occurred_at", c, None) if r["event"] == "export"]
    return age(c, min(r["occurred_at"] for r in hits)) if hits else None


@case("csat_mean_{w}d", "tickets", 'aggregate = "mean"\nvalue = "csat"\nwindows = [30, 200]')
def _(rows, c, w):
    hits = [r["csat"] for r in in_window(rows, "opened_at", c, w) if r["csat"] is not None]
    return micro(hits) / 1e6 / len(hits) if hits else None


@case(
    "answered_share_{w}d",
    "tickets",
    'aggregate = "share"\nhit = "csat is not null"\nwindows = [30]\nwhere = "priority <> \'low\'"',
)
def _(rows, c, w):
    of = [r for r in in_window(rows, "opened_at", c, w) if r["priority"] not in {None, "low"}]
    return len([r for r in of if r["csat"] is not None]) / len(of) if of else None


@case("csat_last", "tickets", 'aggregate = "last"\nvalue = "csat"\nat = "csat_at"')
def _(rows, c, w):
    hits = [(r["csat_at"], r["csat"]) for r in in_window(rows, "csat_at", c, None) if r["csat"]]
    return max(hits)[1] if hits else None


@case("priority_last_{w}d", "tickets", 'aggregate = "last"\nvalue = "priority"\nwindows = [30]')
def _(rows, c, w):
    hits = [
        (r["opened_at"], r["priority"])
        for r in in_window(rows, "opened_at", c, None)
        if r["priority"] is not None
    ]
    if not hits or max(hits)[0] < c - days(w):
        return None
    return max(hits)[1]


@case("resolved_{w}d", "tickets", 'aggregate = "count"\nat = "resolved_at"\nwindows = [30]')
def _(rows, c, w):
    return len(in_window(rows, "resolved_at", c, w))


@case(
    "slowest_{w}d",
    "tickets",
    'aggregate = "max"\nvalue = "hours_between(opened_at, resolved_at)"\nwindows = [90]',
)
def _(rows, c, w):
    hits = [
        ((r["resolved_at"] - r["opened_at"]) // dt.timedelta(microseconds=1)) / 3_600_000_000.0
        for r in in_window(rows, "opened_at", c, w)
        if r["resolved_at"] is not None
    ]
    return max(hits, default=None)


@case(
    "unresolved_in_a_row",
    "tickets",
    'aggregate = "streak"\nbreaks = "resolved_at is not null"\nwhere = "priority <> \'low\'"',
)
def _(rows, c, w):
    ordered = sorted(
        (r for r in rows if r["priority"] not in {None, "low"}),
        key=lambda r: (r["_known"], r["opened_at"], r["ticket_id"]),
    )
    streak = 0
    for row in ordered:
        streak = 0 if row["resolved_at"] is not None else streak + 1
    return streak


@case("paid_through", "subscriptions", 'aggregate = "max"\nvalue = "ends_at"\nat = "known"')
def _(rows, c, w):
    hits = [r["ends_at"] for r in rows if r["ends_at"] is not None]
    return ((max(hits) - c) // dt.timedelta(microseconds=1)) / 86_400_000_000 if hits else None


@case("mrr_begun", "subscriptions", 'aggregate = "sum"\nvalue = "mrr"')
def _(rows, c, w):
    return micro([r["mrr"] for r in in_window(rows, "started_at", c, None)]) / 1e6


@case("notices", "subscriptions", 'aggregate = "count"\nat = "cancelled_at"\nwhere = "mrr > 10"')
def _(rows, c, w):
    return len([r for r in in_window(rows, "cancelled_at", c, None) if r["mrr"] > 10])


def all_features() -> Catalogue:
    """Every case as a feature, and formulas over some of them."""
    text = TOML
    for name, (table, body, _) in CASES.items():
        text += f'\n[[feature]]\nname = "{name}"\ntable = "{table}"\n{body}\n'
        text += 'description = "d"\nunit = "u"\nsentence = "s"\n'
    text += """
[[feature]]
name = "use_change"
formula = "use_30d / use_before_30d - 1"
description = "d"
unit = "u"
sentence = "s"

[[feature]]
name = "month"
formula = "cutoff_month"
description = "d"
unit = "u"
sentence = "s"
"""
    parsed = FeatureFile.model_validate_json(__import__("json").dumps(tomllib.loads(text)))
    features = []
    seen = {}
    for entry in parsed.feature:
        for feature in _expand("test", entry, Path("test.toml")):
            _check(feature, seen, STANDARD)
            seen[feature.name] = feature
            features.append(feature)
    return Catalogue(tuple(features), {"test": "Test"})


def visible(table: str, rows: list[Row], cutoff: dt.datetime) -> list[Row]:
    """Rows known strictly before the cutoff, values not yet known blanked. Plain Python."""
    contract = STANDARD[table]
    kept = []
    for row in rows:
        recorded, time = row.get("recorded_at"), row[contract.time]
        known = recorded or time
        if not contract.scheduled:
            known = max(known, time)
        if known >= cutoff:
            continue
        seen = dict(row, _known=known)
        for column in contract.columns:
            if column.known is not None and column.name in row:
                came = row[column.known]
                if came is None or came >= cutoff:
                    seen[column.name] = None
        kept.append(seen)
    return kept


def expected(tables: dict[str, list[Row]], account: str, cutoff: dt.datetime) -> dict[str, object]:
    """All features of one account at one cutoff, by the oracle."""
    result: dict[str, object] = {}
    for name, (table, body, oracle) in CASES.items():
        rows = [r for r in tables[table] if r["account_id"] == account]
        seen = visible(table, rows, cutoff)
        windows = tomllib.loads(body).get("windows") or [None]
        for w in windows:
            result[name.replace("{w}", str(w))] = oracle(seen, cutoff, w)
    before = result["use_before_30d"]
    result["use_change"] = result["use_30d"] / before - 1 if before else None
    result["month"] = cutoff.month
    return result


def to_history(tables: dict[str, list[Row]], *, late_usage: bool) -> History:
    held = {}
    for name, rows in tables.items():
        columns = [
            c for c in STANDARD[name].names if name != "usage" or late_usage or c != "recorded_at"
        ]
        used = {c for row in rows for c in row} | {
            "account_id",
            STANDARD[name].time,
            *STANDARD[name].key,
        }
        columns = [c for c in columns if c in used or c in COLUMNS[name]]
        held[name] = pa.table(
            {
                c: pa.array([r.get(c) for r in rows], ARROW[STANDARD[name].column(c).kind])
                for c in columns
            }
        )
    return History.from_tables(held, observed_until=UNTIL)


from churnml.history.asof import ARROW_TYPES as ARROW  # noqa: E402

COLUMNS = {
    "usage": {"account_id", "occurred_at", "recorded_at", "event", "contact_id", "quantity"},
    "tickets": {
        "ticket_id",
        "account_id",
        "opened_at",
        "recorded_at",
        "priority",
        "resolved_at",
        "csat_at",
        "csat",
    },
    "subscriptions": {
        "subscription_id",
        "account_id",
        "started_at",
        "recorded_at",
        "ends_at",
        "mrr",
        "cancelled_at",
    },
}

ACCOUNTS = ("a", "b", "c")
# Instants on and next to day borders are what windows get wrong.
instants = st.one_of(
    st.integers(0, 500).map(lambda n: START + days(n)),
    st.tuples(st.integers(0, 500), st.sampled_from([-1, 1])).map(
        lambda x: START + days(x[0]) + dt.timedelta(microseconds=x[1])
    ),
    st.datetimes(START, START + days(500)),
)
amounts = st.one_of(
    st.none(), st.integers(0, 9).map(float), st.floats(0, 1e4).map(lambda x: round(x, 7))
)


@st.composite
def after(draw, time):
    gap = draw(st.sampled_from([None, 0, 1, 3, 40, 100]))
    if gap is None:
        return None
    return time + days(gap) + dt.timedelta(microseconds=draw(st.sampled_from([0, 1, 77])))


@st.composite
def usage_rows(draw, late: bool):
    time = draw(instants)
    return {
        "account_id": draw(st.sampled_from(ACCOUNTS)),
        "occurred_at": time,
        "recorded_at": draw(after(time)) if late else None,
        "event": draw(st.sampled_from(["view", "export", "invite"])),
        "contact_id": draw(st.sampled_from([None, "p", "q", "r"])),
        "quantity": draw(amounts),
    }


@st.composite
def ticket_rows(draw):
    time = draw(instants)
    csat_at = draw(after(time))
    return {
        "account_id": draw(st.sampled_from(ACCOUNTS)),
        "opened_at": time,
        "recorded_at": draw(after(time)),
        "priority": draw(st.sampled_from([None, "low", "high", "critical"])),
        "resolved_at": draw(after(time)),
        "csat_at": csat_at,
        "csat": None if csat_at is None else draw(st.integers(1, 5).map(float)),
    }


@st.composite
def subscription_rows(draw):
    time = draw(instants)
    return {
        "account_id": draw(st.sampled_from(ACCOUNTS)),
        "started_at": time,
        "recorded_at": draw(st.sampled_from([None, time - days(20), time, time + days(5)])),
        "ends_at": draw(after(time)),
        "mrr": draw(st.floats(0, 1e6).map(lambda x: round(x, 2))),
        "cancelled_at": draw(after(time)),
    }


@st.composite
def histories(draw, size: int = 25):
    late = draw(st.booleans())
    tables = {
        "usage": draw(st.lists(usage_rows(late), max_size=size)),
        "tickets": draw(st.lists(ticket_rows(), max_size=size)),
        "subscriptions": draw(st.lists(subscription_rows(), max_size=8)),
    }
    for name, key in (("tickets", "ticket_id"), ("subscriptions", "subscription_id")):
        for number, row in enumerate(tables[name]):
            row[key] = f"{name[0]}{number:03d}"
    return tables, late


cutoff_lists = st.lists(instants, min_size=1, max_size=4, unique=True)
