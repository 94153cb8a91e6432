"""The known faults of a public data set are found, to the row."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from churnml.history.ingestion import ingest
from churnml.history.report import exit_code
from churnml.history.sources import read_sources


def test_known_faults_are_found_and_counted(
    root: Path, tmp_path: Path, outside_data: Callable[[str], Path], counts: Any
) -> None:
    report = ingest(
        read_sources(root / "experiments" / "ravenstack" / "sources.toml"),
        base=outside_data("ravenstack"),
        into=tmp_path / "history",
        quarantine=tmp_path / "quarantine",
    )

    assert exit_code(report) == 1
    assert [table.name for table in report.refused] == ["usage", "tickets"]
    assert {table.name: (table.read, table.clean) for table in report.tables} == {
        "accounts": (500, 500),
        "subscriptions": (5000, 5000),
        "usage": (25000, 5565),
        "tickets": (2000, 923),
        "outcomes": (600, 600),
    }
    assert counts(report, "usage") == {
        ("wrong_order", "occurred_at"): 19142,
        ("wrong_order", "term_ended_at"): 290,
        ("before_account", "occurred_at"): 13198,
        ("conflict", None): 21,
    }
    assert counts(report, "tickets") == {("before_account", "opened_at"): 1077}
    assert counts(report, "subscriptions") == {("overlap", "started_at"): 3522}
    with (tmp_path / "quarantine" / "usage.csv").open(encoding="utf-8", newline="") as file:
        faults = Counter(code for row in csv.DictReader(file) for code in row["_fault"].split())
    assert faults["wrong_order:occurred_at"] == 19142
    assert faults["conflict"] == 21
