"""Every kind of feature told twice: as TOML, and in Python that knows nothing of the plan.

The Python side looks at one account and one cutoff, keeps the rows and values known strictly
before, and counts.
"""

from __future__ import annotations

import datetime as dt
import math
import tempfile
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from churnml.features.catalogue import Catalogue, read_catalogue
from churnml.history.tables import STANDARD, Column, Kind, Table

Row = dict[str, Any]
Tables = dict[str, list[Row]]
Meaning = Callable[[list[Row], dt.datetime, Any], Any]

# Named as SQL names other things, and with columns that become known in every odd way.
ORDER = Table(
    name="order",
    doc="One order.",
    key=("order_id",),
    time="when",
    dimension="kind",
    columns=(
        Column("order_id", Kind.ID, "the order"),
        Column("account_id", Kind.ID, "the account"),
        Column("when", Kind.TIME, "when it was made"),
        Column("sorted_at", Kind.TIME, "when it was sorted", known="sorted_at"),
        Column("kind", Kind.STRING, "what it was found to be", known="sorted_at"),
        Column("announced_at", Kind.TIME, "when its delivery was told", known="announced_at"),
        Column("effective_at", Kind.TIME, "when it was delivered", known="announced_at"),
        Column("segment", Kind.STRING, "a column that the plan has, too"),
        Column("day", Kind.INTEGER, "another"),
        Column("level", Kind.STRING, "and another"),
    ),
)
CONTRACTS: Mapping[str, Table] = {**STANDARD, "order": ORDER}


@dataclass(frozen=True)
class Case:
    """A feature in TOML, and what it means for the visible rows of an account."""

    table: str
    toml: str
    meaning: Meaning


def days(n: float) -> dt.timedelta:
    return dt.timedelta(days=n)


def inside(
    rows: Sequence[Row], at: str, cutoff: dt.datetime, w: int | None, offset: int = 0
) -> list[Row]:
    """Rows dated in ``[cutoff − offset − w, cutoff − offset)``."""
    end = cutoff - days(offset)
    return [
        r for r in rows if r[at] is not None and r[at] < end and (not w or end - days(w) <= r[at])
    ]


def since(cutoff: dt.datetime, time: dt.datetime | None) -> float | None:
    """Days from a time to the cutoff."""
    if time is None:
        return None
    return ((cutoff - time) // dt.timedelta(microseconds=1)) / 86_400_000_000


def ahead(cutoff: dt.datetime, time: dt.datetime | None) -> float | None:
    """Days from the cutoff to a time."""
    return None if time is None else ((time - cutoff) // dt.timedelta(microseconds=1)) / 86_400e6


def micro(values: Sequence[float]) -> int:
    return sum(math.floor(v * 1e6 + 0.5) for v in values)


def there(rows: Sequence[Row], column: str) -> list[Any]:
    return [r[column] for r in rows if r.get(column) is not None]


def mean(values: Sequence[float]) -> float | None:
    return micro(values) / 1e6 / len(values) if values else None


def share(hits: Sequence[Row], rows: Sequence[Row]) -> float | None:
    return len(hits) / len(rows) if rows else None


def day_count(rows: Sequence[Row], at: str, cutoff: dt.datetime) -> int:
    """Distinct days, which begin at the cutoff's time of day."""
    return len({(cutoff - r[at] - dt.timedelta(microseconds=1)) // days(1) for r in rows})


def latest(rows: Sequence[Row], at: str, column: str) -> tuple[dt.datetime, Any] | None:
    return max(((r[at], r[column]) for r in rows if r[column] is not None), default=None)


def latest_in(
    rows: Sequence[Row], at: str, column: str, cutoff: dt.datetime, w: int
) -> object | None:
    found = latest(inside(rows, at, cutoff, None), at, column)
    return found[1] if found is not None and found[0] >= cutoff - days(w) else None


def is_event(*events: str) -> Callable[[Row], bool]:
    return lambda row: row["event"] in events


def streak(rows: Sequence[Row], breaks: Callable[[Row], bool]) -> int:
    ordered = sorted(rows, key=lambda r: (r["_known"], r["opened_at"], r["ticket_id"]))
    length = 0
    for row in ordered:
        length = 0 if breaks(row) else length + 1
    return length


USE, OPENED = "occurred_at", "opened_at"

CASES: dict[str, Case] = {
    "use_{w}d": Case(
        "usage",
        'aggregate = "count"\nwindows = [1, 7, 30, 200]',
        lambda rows, c, w: len(inside(rows, USE, c, w)),
    ),
    "use_before_{w}d": Case(
        "usage",
        'aggregate = "count"\nwindows = [7, 30]\noffset = "w"',
        lambda rows, c, w: len(inside(rows, USE, c, w, w)),
    ),
    "use_ever": Case(
        "usage", 'aggregate = "count"', lambda rows, c, _: len(inside(rows, USE, c, None))
    ),
    "measured_{w}d": Case(
        "usage",
        'aggregate = "count"\nvalue = "quantity"\nwindows = [30]',
        lambda rows, c, w: len(there(inside(rows, USE, c, w), "quantity")),
    ),
    "export_{w}d": Case(
        "usage",
        'aggregate = "count"\nwhere = "event = \'export\'"\nwindows = [7, 90]',
        lambda rows, c, w: len([*filter(is_event("export"), inside(rows, USE, c, w))]),
    ),
    "export_share_{w}d": Case(
        "usage",
        'aggregate = "share"\nhit = "event = \'export\'"\nwindows = [30]',
        lambda rows, c, w: share(
            [*filter(is_event("export"), inside(rows, USE, c, w))], inside(rows, USE, c, w)
        ),
    ),
    "not_export_{w}d": Case(
        "usage",
        'aggregate = "count"\nwhere = "event <> \'export\'"\nwindows = [30]',
        lambda rows, c, w: len([*filter(is_event("view", "invite"), inside(rows, USE, c, w))]),
    ),
    "no_event_{w}d": Case(
        "usage",
        'aggregate = "count"\nwhere = "event is null"\nwindows = [30]',
        lambda rows, c, w: len([r for r in inside(rows, USE, c, w) if r["event"] is None]),
    ),
    "big_two_{w}d": Case(
        "usage",
        'aggregate = "sum"\nvalue = "quantity"\nwindows = [30]\n'
        "where = \"event in ('export', 'view') and quantity > 1\"",
        lambda rows, c, w: (
            micro(
                [
                    r["quantity"]
                    for r in filter(is_event("export", "view"), inside(rows, USE, c, w))
                    if (r["quantity"] or 0) > 1
                ]
            )
            / 1e6
        ),
    ),
    "quantity_between_{w}d": Case(
        "usage",
        'aggregate = "sum"\nvalue = "quantity"\nwindows = [30]\noffset = 7',
        lambda rows, c, w: micro(there(inside(rows, USE, c, w, 7), "quantity")) / 1e6,
    ),
    "big_uses_{w}d": Case(
        "usage",
        'aggregate = "sum"\nvalue = "quantity > 3"\nwindows = [30]',
        lambda rows, c, w: sum(q > 3 for q in there(inside(rows, USE, c, w), "quantity")),
    ),
    "quantity_mean_{w}d": Case(
        "usage",
        'aggregate = "mean"\nvalue = "quantity"\nwindows = [30]',
        lambda rows, c, w: mean(there(inside(rows, USE, c, w), "quantity")),
    ),
    "quantity_max_{w}d": Case(
        "usage",
        'aggregate = "max"\nvalue = "quantity"\nwindows = [7, 90]',
        lambda rows, c, w: max(there(inside(rows, USE, c, w), "quantity"), default=None),
    ),
    "quantity_min_before_{w}d": Case(
        "usage",
        'aggregate = "min"\nvalue = "quantity"\nwindows = [30]\noffset = 7',
        lambda rows, c, w: min(there(inside(rows, USE, c, w, 7), "quantity"), default=None),
    ),
    "half_over_quantity": Case(
        "usage",
        'aggregate = "max"\nvalue = "1 / (quantity / (quantity - 1) / 2)"',
        lambda rows, _c, _w: max(
            (1 / (q / (q - 1) / 2) for q in there(rows, "quantity") if q not in {0.0, 1.0}),
            default=None,
        ),
    ),
    "quantity_last": Case(
        "usage",
        'aggregate = "last"\nvalue = "quantity"',
        lambda rows, _c, _w: (latest(rows, USE, "quantity") or (None, None))[1],
    ),
    "active_days_{w}d": Case(
        "usage",
        'aggregate = "distinct_days"\nwindows = [7, 30, 200]',
        lambda rows, c, w: day_count(inside(rows, USE, c, w), USE, c),
    ),
    "export_days_before_{w}d": Case(
        "usage",
        'aggregate = "distinct_days"\nwindows = [30]\noffset = "w"\nwhere = "event = \'export\'"',
        lambda rows, c, w: day_count(
            [*filter(is_event("export"), inside(rows, USE, c, w, w))], USE, c
        ),
    ),
    "people_{w}d": Case(
        "usage",
        'aggregate = "distinct"\nvalue = "contact_id"\nwindows = [7, 30, 200]',
        lambda rows, c, w: len({*there(inside(rows, USE, c, w), "contact_id")}),
    ),
    "people_before_{w}d": Case(
        "usage",
        'aggregate = "distinct"\nvalue = "contact_id"\nwindows = [30]\noffset = "w"\n'
        "where = \"event = 'view'\"",
        lambda rows, c, w: len(
            {*there([*filter(is_event("view"), inside(rows, USE, c, w, w))], "contact_id")}
        ),
    ),
    "kinds_ever": Case(
        "usage",
        'aggregate = "distinct"\nvalue = "event"',
        lambda rows, _c, _w: len({*there(rows, "event")}),
    ),
    "two_kinds_before_{w}d": Case(
        "usage",
        'aggregate = "distinct"\nvalue = "event"\nwindows = [30]\noffset = 7\n'
        "where = \"event in ('view', 'invite')\"",
        lambda rows, c, w: len({*there(inside(rows, USE, c, w, 7), "event")} - {"export"}),
    ),
    "days_since_use": Case(
        "usage",
        'aggregate = "days_since_last"',
        lambda rows, c, _: since(c, max(there(rows, USE), default=None)),
    ),
    "days_since_first_export": Case(
        "usage",
        'aggregate = "days_since_first"\nwhere = "event = \'export\'"',
        lambda rows, c, _: since(
            c, min(there([*filter(is_event("export"), rows)], USE), default=None)
        ),
    ),
    "csat_mean_{w}d": Case(
        "tickets",
        'aggregate = "mean"\nvalue = "csat"\nwindows = [30, 200]',
        lambda rows, c, w: mean(there(inside(rows, OPENED, c, w), "csat")),
    ),
    "csat_min_{w}d": Case(
        "tickets",
        'aggregate = "min"\nvalue = "csat"\nwindows = [90]',
        lambda rows, c, w: min(there(inside(rows, OPENED, c, w), "csat"), default=None),
    ),
    "answered_share_{w}d": Case(
        "tickets",
        'aggregate = "share"\nhit = "csat is not null"\nwindows = [30]\n'
        "where = \"priority <> 'low'\"",
        lambda rows, c, w: share(
            [
                r
                for r in inside(rows, OPENED, c, w)
                if r["priority"] not in {None, "low"} and r["csat"] is not None
            ],
            [r for r in inside(rows, OPENED, c, w) if r["priority"] not in {None, "low"}],
        ),
    ),
    "resolved_and_rated_{w}d": Case(
        "tickets",
        'aggregate = "share"\nhit = "csat >= 4"\nat = "resolved_at"\nwindows = [90]',
        lambda rows, c, w: share(
            [r for r in inside(rows, "resolved_at", c, w) if (r["csat"] or 0) >= 4],
            inside(rows, "resolved_at", c, w),
        ),
    ),
    "rated_without_score": Case(
        "tickets",
        'aggregate = "count"\nwhere = "csat is null and csat_at is not null"',
        lambda rows, _c, _w: len([r for r in rows if r["csat"] is None and r["csat_at"]]),
    ),
    "category_is_priority_{w}d": Case(
        "tickets",
        'aggregate = "count"\nwhere = "category = priority"\nwindows = [90]',
        lambda rows, c, w: len(
            [
                r
                for r in inside(rows, OPENED, c, w)
                if r["priority"] is not None and r["category"] == r["priority"]
            ]
        ),
    ),
    "category_is_not_priority": Case(
        "tickets",
        'aggregate = "count"\nwhere = "not category = priority"',
        lambda rows, _c, _w: len(
            [
                r
                for r in rows
                if None not in {r["priority"], r["category"]} and r["category"] != r["priority"]
            ]
        ),
    ),
    "csat_last": Case(
        "tickets",
        'aggregate = "last"\nvalue = "csat"\nat = "csat_at"',
        lambda rows, c, _: (
            latest(inside(rows, "csat_at", c, None), "csat_at", "csat") or (None, None)
        )[1],
    ),
    "days_since_rating": Case(
        "tickets",
        'aggregate = "days_since_last"\nat = "csat_at"\nwhere = "priority is not null"',
        lambda rows, c, _: since(
            c, max(there([r for r in rows if r["priority"]], "csat_at"), default=None)
        ),
    ),
    "priority_last_{w}d": Case(
        "tickets",
        'aggregate = "last"\nvalue = "priority"\nwindows = [30]',
        lambda rows, c, w: latest_in(rows, OPENED, "priority", c, w),
    ),
    "resolved_{w}d": Case(
        "tickets",
        'aggregate = "count"\nat = "resolved_at"\nwindows = [30]',
        lambda rows, c, w: len(inside(rows, "resolved_at", c, w)),
    ),
    "slowest_{w}d": Case(
        "tickets",
        'aggregate = "max"\nvalue = "hours_between(opened_at, resolved_at) / 24"\nwindows = [90]',
        lambda rows, c, w: max(
            (
                ((r["resolved_at"] - r[OPENED]) // dt.timedelta(microseconds=1)) / 3_600e6 / 24
                for r in inside(rows, OPENED, c, w)
                if r["resolved_at"] is not None
            ),
            default=None,
        ),
    ),
    "unresolved_in_a_row": Case(
        "tickets",
        'aggregate = "streak"\nbreaks = "resolved_at is not null"\nwhere = "priority <> \'low\'"',
        lambda rows, _c, _w: streak(
            [r for r in rows if r["priority"] not in {None, "low"}],
            lambda r: r["resolved_at"] is not None,
        ),
    ),
    "calm_in_a_row": Case(
        "tickets",
        'aggregate = "streak"\nbreaks = "priority = \'critical\'"',
        lambda rows, _c, _w: streak(rows, lambda r: r["priority"] == "critical"),
    ),
    "paid_through": Case(
        "subscriptions",
        'aggregate = "max"\nvalue = "ends_at"\nat = "known"',
        lambda rows, c, _: ahead(c, max(there(rows, "ends_at"), default=None)),
    ),
    "last_end": Case(
        "subscriptions",
        'aggregate = "last"\nvalue = "ends_at"',
        lambda rows, c, _: ahead(
            c,
            (latest(inside(rows, "started_at", c, None), "started_at", "ends_at") or (0, None))[1],
        ),
    ),
    "booked_{w}d": Case(
        "subscriptions",
        'aggregate = "count"\nat = "known"\nwindows = [30]',
        lambda rows, c, w: len(inside(rows, "_known", c, w)),
    ),
    "ended_{w}d": Case(
        "subscriptions",
        'aggregate = "count"\nat = "ends_at"\nwindows = [30]',
        lambda rows, c, w: len(inside(rows, "ends_at", c, w)),
    ),
    "mrr_begun": Case(
        "subscriptions",
        'aggregate = "sum"\nvalue = "mrr"',
        lambda rows, c, _: micro(there(inside(rows, "started_at", c, None), "mrr")) / 1e6,
    ),
    "renewing_{w}d": Case(
        "subscriptions",
        'aggregate = "mean"\nvalue = "auto_renew"\nwindows = [200]',
        lambda rows, c, w: mean(there(inside(rows, "started_at", c, w), "auto_renew")),
    ),
    "renews": Case(
        "subscriptions",
        'aggregate = "last"\nvalue = "auto_renew"\nwhere = "auto_renew or mrr > 10"',
        lambda rows, c, _: (
            latest(
                [
                    r
                    for r in inside(rows, "started_at", c, None)
                    if r["auto_renew"] or r["mrr"] > 10
                ],
                "started_at",
                "auto_renew",
            )
            or (None, None)
        )[1],
    ),
    "notices": Case(
        "subscriptions",
        'aggregate = "count"\nat = "cancelled_at"\nwhere = "mrr > 10"',
        lambda rows, c, _: len([r for r in inside(rows, "cancelled_at", c, None) if r["mrr"] > 10]),
    ),
    "gifts_{w}d": Case(
        "order",
        'aggregate = "count"\nwhere = "kind = \'gift\'"\nwindows = [30, 200]',
        lambda rows, c, w: len([r for r in inside(rows, "when", c, w) if r["kind"] == "gift"]),
    ),
    "order_kinds_{w}d": Case(
        "order",
        'aggregate = "distinct"\nvalue = "kind"\nwindows = [200]',
        lambda rows, c, w: len({*there(inside(rows, "when", c, w), "kind")}),
    ),
    "delivered_{w}d": Case(
        "order",
        'aggregate = "count"\nat = "effective_at"\nwindows = [30]',
        lambda rows, c, w: len(inside(rows, "effective_at", c, w)),
    ),
    "small_days_{w}d": Case(
        "order",
        'aggregate = "sum"\nvalue = "day"\nwindows = [90]\n'
        "where = \"segment = 'a' and day * 2 < 7 and level is not null\"",
        lambda rows, c, w: sum(
            r["day"]
            for r in inside(rows, "when", c, w)
            if r["segment"] == "a" and r["day"] * 2 < 7 and r["level"]
        ),
    ),
    "order_level": Case(
        "order",
        'aggregate = "last"\nvalue = "level"',
        lambda rows, _c, _w: (latest(rows, "when", "level") or (None, None))[1],
    ),
}

_FORMULAS = """
[[feature]]
name = "use_change"
formula = "use_30d / use_before_30d - 1"
description = "d"
unit = "u"
sentence = "s"

[[feature]]
name = "use_change_or_month"
formula = "coalesce(use_change, cutoff_month)"
description = "d"
unit = "u"
sentence = "s"
"""


def all_features() -> Catalogue:
    """Every case as a feature, and formulas over some of them."""
    text = 'family = "test"\ntitle = "Test"\n'
    for name, case in CASES.items():
        text += f'\n[[feature]]\nname = "{name}"\ntable = "{case.table}"\n{case.toml}\n'
        text += 'description = "d"\nunit = "u"\nsentence = "s"\n'
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "test.toml"
        path.write_text(text + _FORMULAS, encoding="utf-8")
        return read_catalogue([path], CONTRACTS)


def row_known(table: str, row: Row) -> dt.datetime:
    """When a row became known."""
    contract = CONTRACTS[table]
    time: dt.datetime = row[contract.time]
    recorded: dt.datetime = row.get("recorded_at") or time
    return recorded if contract.scheduled else max(recorded, time)


def visible(table: str, rows: list[Row], cutoff: dt.datetime) -> list[Row]:
    """Rows known strictly before the cutoff, values not yet known blanked."""
    kept = []
    for row in rows:
        known = row_known(table, row)
        if known >= cutoff:
            continue
        seen = dict(row, _known=known)
        for column in CONTRACTS[table].columns:
            if column.known is not None and column.name in row:
                came = row[column.known]
                if came is None or came >= cutoff:
                    seen[column.name] = None
        kept.append(seen)
    return kept


def expected(tables: Tables, account: str, cutoff: dt.datetime) -> Row:
    """All features of one account at one cutoff."""
    seen = {
        table: visible(table, [r for r in rows if r["account_id"] == account], cutoff)
        for table, rows in tables.items()
    }
    result: Row = {}
    for name, case in CASES.items():
        for w in _windows(case.toml):
            found = case.meaning(seen[case.table], cutoff, w)
            told = found if found is None or isinstance(found, str) else float(found)
            result[name.replace("{w}", str(w))] = told
    before = result["use_before_30d"]
    change = result["use_30d"] / before - 1 if before else None
    result["use_change"] = change
    result["use_change_or_month"] = float(cutoff.month) if change is None else change
    return result


def _windows(toml: str) -> list[int | None]:
    return [*tomllib.loads(toml).get("windows", [None])]
