"""Tables that had gone quiet before a cutoff."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path

import pytest

from churnml.config import parse
from churnml.history.asof import History
from churnml.history.freshness import Stale, stale
from churnml.history.ingestion import ingest
from churnml.history.sources import Sources

UNTIL = dt.datetime(2024, 6, 1)
FILES = {
    "usage.csv": "account_id,occurred_at,event\na,2024-01-01,login\na,2024-04-02,login\n",
    "surveys.csv": (
        "survey_id,account_id,sent_at,responded_at,kind,score\ns1,a,2024-03-01,2024-05-31,nps,9\n"
    ),
    "subscriptions.csv": "subscription_id,account_id,started_at\nt1,a,2023-01-01\n",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Write clean history: usage that stopped in April, and a survey answered on the last day."""
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    tables: dict[str, dict[str, object]] = {n.removesuffix(".csv"): {"files": n} for n in FILES}
    tables["surveys"]["stale_days"] = 50.0
    sources = parse(Sources, {"observed_until": UNTIL, "tables": tables}, "sources.toml")
    ingest(sources, base=tmp_path, into=tmp_path / "history", quarantine=tmp_path / "q")
    return tmp_path / "history"


def found(folder: Path, cutoff: dt.datetime = UNTIL) -> tuple[Stale, ...]:
    history = History.open(folder)
    return stale(history, ["usage", "surveys", "subscriptions", "tickets"], cutoff)


def test_a_table_that_stopped_is_told(folder: Path) -> None:
    (usage,) = found(folder)
    assert usage == Stale("usage", dt.datetime(2024, 4, 2), UNTIL, 30.0)
    assert str(usage).startswith(
        "table 'usage': the newest is of 2024-04-02 00:00, 60 days before 2024-06-01 00:00; "
        "stale_days = 30."
    )
    assert usage.document() == {
        "table": "usage",
        "newest": "2024-04-02T00:00:00",
        "stale_days": 30.0,
        "said": str(usage),
    }


@pytest.mark.parametrize(
    ("cutoff", "tables"),
    [
        (dt.datetime(2024, 5, 2), ["surveys"]),  # 30 days are allowed, and the answer is to come
        (dt.datetime(2024, 5, 2, 0, 0, 1), ["surveys", "usage"]),
        (dt.datetime(2024, 4, 20), []),
        (dt.datetime(2024, 4, 2), ["usage"]),  # what is known at the cutoff is not known before it
    ],
)
def test_it_depends_on_the_cutoff(folder: Path, cutoff: dt.datetime, tables: list[str]) -> None:
    assert [item.table for item in found(folder, cutoff)] == tables


def test_where_nothing_was_known_yet_that_is_said(folder: Path) -> None:
    both = found(folder, dt.datetime(2024, 1, 1))
    assert [(item.table, item.newest) for item in both] == [("surveys", None), ("usage", None)]
    assert str(both[1]).startswith("table 'usage': nothing was known before 2024-01-01 00:00")


def test_a_manifest_that_allows_no_age_is_silent(folder: Path) -> None:
    path = folder / "manifest.json"
    content = json.loads(path.read_text())
    for entry in content["tables"].values():
        entry.pop("stale_days")
    path.write_text(json.dumps(content))
    assert found(folder) == ()
