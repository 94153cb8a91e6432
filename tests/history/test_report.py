from __future__ import annotations

import datetime as dt
import io
import json
from pathlib import Path

from rich.console import Console

from churnml.history.faults import Fault, Severity
from churnml.history.report import (
    Example,
    Finding,
    Report,
    Span,
    TableReport,
    exit_code,
    render,
    to_json,
)

USAGE = TableReport(
    name="usage",
    origin="usage.csv",
    read=1_200,
    clean=1_170,
    quarantined=30,
    span=Span(
        7, dt.datetime(2024, 1, 2), dt.datetime(2024, 12, 30), dt.datetime(2024, 12, 30), 2.0
    ),
    findings=(
        Finding(
            Fault.MISSING_VALUE,
            "event",
            Severity.ERROR,
            True,
            30,
            "a value",
            (Example("a[red] / 2024-02-01", "nothing", "usage.csv", 17),),
        ),
        Finding(Fault.STALE, "occurred_at", Severity.WARNING, False, 0, "at most 1 days old"),
    ),
    refused="30 of 1,200 rows (2.5%) are in error; max_faulty allows 1.0%",
)
SOUND = TableReport("contacts", "contacts.csv", 5, 5, 0)


def report(*tables: TableReport) -> Report:
    refused = any(table.refused for table in tables)
    return Report(dt.datetime(2025, 1, 1), tables, ("A note.",), written=not refused)


def shown(what: Report) -> str:
    out = io.StringIO()
    render(what, Console(file=out, width=150), quarantine=Path("var/quarantine"))
    return out.getvalue()


def test_only_a_refused_table_is_a_failure() -> None:
    assert exit_code(report(SOUND)) == 0
    assert exit_code(report(SOUND, USAGE)) == 1
    assert report(SOUND, USAGE).refused == (USAGE,)


def test_a_reader_sees_counts_examples_remedies_and_what_follows() -> None:
    text = shown(report(SOUND, USAGE))

    for part in (
        "History observed until 2025-01-01 00:00:00 UTC",
        "2024-01-02",
        "2.0 d",
        "1,200",
        "2.5%",
        "a[red] / 2024-02-01: nothing",
        "missing_value: complete it at the source",
        "A note.",
        "30 rows are set aside in var/quarantine",
        "usage is refused: 30 of 1,200 rows",
        "History was not written; what was there before stays.",
    ):
        assert part in text


def test_where_all_is_well_little_is_said() -> None:
    text = shown(report(SOUND))

    assert "Faults" not in text
    assert "set aside in" not in text
    assert "refused" not in text


def test_a_machine_reads_the_same() -> None:
    content = json.loads(to_json(report(USAGE)))

    assert content["observed_until"] == "2025-01-01T00:00:00"
    assert content["written"] is False
    (table,) = content["tables"]
    assert table["span"] == {
        "accounts": 7,
        "first": "2024-01-02T00:00:00",
        "last": "2024-12-30T00:00:00",
        "newest": "2024-12-30T00:00:00",
        "age_days": 2.0,
    }
    assert table["findings"][0] == {
        "fault": "missing_value",
        "column": "event",
        "severity": "error",
        "quarantined": True,
        "rows": 30,
        "expected": "a value",
        "examples": [
            {"key": "a[red] / 2024-02-01", "got": "nothing", "source": "usage.csv", "row": 17}
        ],
    }
