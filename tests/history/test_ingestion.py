from __future__ import annotations

import datetime as dt
import errno
import hashlib
import json
import os
import random
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from churnml.errors import ConfigError, SourceError
from churnml.history import ingestion
from churnml.history.asof import History
from churnml.history.ingestion import ingest, is_current
from churnml.history.report import exit_code
from churnml.history.sources import read_sources

TOP = "observed_until = 2025-01-01T00:00:00Z\n"
USAGE = "[tables.usage]\nfiles = 'usage.csv'\n"
HEADER = "account_id,occurred_at,event\n"


def at(*parts: int) -> dt.datetime:
    return dt.datetime(*parts)  # type: ignore[arg-type]


def digests(folder: Path) -> dict[str, str]:
    return {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.iterdir())
        if path.name != "reading.json"
    }


def test_clean_history_is_typed_sorted_and_can_be_opened(yard: Any) -> None:
    yard.write(
        "usage.csv",
        "event,quantity,account_id,occurred_at\nz,2,b,2024-12-02\ny,,a,2024-12-03\nx,1,a,2024-12-02\n",
    )

    report = yard.check(TOP + USAGE)

    table = pq.read_table(yard.history / "usage.parquet")
    assert [f"{field.name}: {field.type}" for field in table.schema] == [
        "account_id: string",
        "occurred_at: timestamp[us]",
        "event: string",
        "quantity: double",
    ]
    assert [row["event"] for row in table.to_pylist()] == ["x", "y", "z"]
    assert report.written
    assert exit_code(report) == 0
    history = History.open(yard.history)
    assert history.observed_until == at(2025, 1, 1)
    assert history.contracts["usage"].names == tuple(table.column_names)
    manifest = json.loads((yard.history / "manifest.json").read_text())
    assert manifest["tables"]["usage"]["rows"] == 3
    assert manifest["tables"]["usage"]["fingerprint"] == digests(yard.history)["usage.parquet"]


def test_the_manifest_says_how_fresh_each_table_is_and_may_be(yard: Any) -> None:
    yard.write("usage.csv", HEADER + "a,2024-12-02,e\na,2024-11-03T10:00:00.5,e\n")
    yard.write("outcomes.csv", "outcome_id,account_id,occurred_at,kind\n")
    yard.write(
        "subscriptions.csv",
        "subscription_id,account_id,started_at,cancelled_at\n"
        "s,a,2024-01-01,2024-06-01\nt,a,2025-02-01,\n",
    )

    yard.check(
        TOP
        + USAGE
        + "stale_days = 7\n"
        + "[tables.accounts]\nderive = true\n"
        + "[tables.outcomes]\nfiles = 'outcomes.csv'\naccept = ['empty']\n"
        + "[tables.subscriptions]\nfiles = 'subscriptions.csv'\n"
    )

    tables = json.loads((yard.history / "manifest.json").read_text())["tables"]
    assert {name: (item["newest"], item["stale_days"]) for name, item in tables.items()} == {
        "accounts": ("2024-01-01T00:00:00", None),
        "subscriptions": ("2024-06-01T00:00:00", None),
        "usage": ("2024-12-02T00:00:00", 7.0),
        "outcomes": (None, 30.0),
    }


def test_the_same_rows_give_the_same_bytes_in_any_order_and_form(yard: Any) -> None:
    rng = random.Random(1)
    rows = [
        f"a{rng.randrange(9)},2024-12-{rng.randrange(1, 29):02d},e{rng.randrange(3)}\n"
        for _ in range(500)
    ]
    yard.write("usage.csv", HEADER + "".join(rows))
    yard.check(TOP + USAGE)
    first = digests(yard.history)

    yard.check(TOP + USAGE)
    again = digests(yard.history)
    rng.shuffle(rows)
    yard.write("parts/1.csv", HEADER + "".join(rows[:200]))
    yard.write("parts/2.csv", HEADER + "".join(rows[200:]))
    yard.check(TOP + "[tables.usage]\nfiles = 'parts'\n")

    assert again == first
    assert digests(yard.history) == first


def test_a_table_with_too_many_faulty_rows_leaves_history_as_it_was(yard: Any) -> None:
    yard.write("usage.csv", HEADER + "a,2024-12-31,e\n")
    yard.check(TOP + USAGE)
    before = digests(yard.history)
    yard.write("usage.csv", HEADER + "a,2024-12-30,e\n" * 98 + "a,,e\na,2024-13-01,e\n")

    report = yard.check(TOP + USAGE)

    assert exit_code(report) == 1
    assert not report.written
    assert report.tables[0].refused == ("2 of 100 rows (2.0%) are in error; max_faulty allows 1.0%")
    assert digests(yard.history) == before
    assert len(yard.aside("usage")) == 2


def test_a_table_recorded_only_after_the_end_is_refused_unless_it_may_be_empty(yard: Any) -> None:
    yard.write("usage.csv", "account_id,occurred_at,event,recorded_at\na,2024-12-31,e,2025-01-02\n")

    assert yard.check(TOP + USAGE).tables[0].refused == (
        "none of its 1 rows is both sound and recorded before the end of observation"
    )
    assert yard.check(TOP + USAGE + 'accept = ["empty"]\n').written


def test_an_earlier_end_of_observation_hides_nothing_that_was_known_by_then(yard: Any) -> None:
    yard.write(
        "subscriptions.csv",
        "subscription_id,account_id,started_at,recorded_at,cancelled_at,cancel_kind,terminated_at\n"
        "s,a,2024-06-01,,2024-12-01,voluntary,2025-02-01\n"
        "t,b,2024-06-01,,2025-02-01,voluntary,2025-03-01\n"
        "u,c,2025-03-01,2024-12-01,,,\n"
        "v,d,2025-03-01,2025-02-01,,,\n",
    )
    seen = []
    for end in ("2025-01-01", "2026-01-01"):
        report = yard.check(
            f"observed_until = {end}T00:00:00Z\n"
            "[tables.subscriptions]\nfiles = 'subscriptions.csv'\n"
        )
        assert report.written
        view = History.open(yard.history).as_of(at(2025, 1, 1))
        seen.append(view.table("subscriptions").to_pylist())

    assert seen[0] == seen[1]
    assert [row["subscription_id"] for row in seen[0]] == ["s", "t", "u"]


def test_few_faulty_rows_are_set_aside_and_history_goes_on(yard: Any) -> None:
    yard.write("usage.csv", HEADER + "a,2024-12-31,e\n" * 98 + "a,,e\na,2024-13-01,e\n")

    report = yard.check(TOP + USAGE + "max_faulty = 0.02\n")

    assert (exit_code(report), report.written) == (0, True)
    assert (report.tables[0].clean, report.tables[0].quarantined) == (98, 2)
    assert [row["_row"] for row in yard.aside("usage")] == ["100", "101"]


def test_a_required_column_without_a_source_refuses_the_table(yard: Any, counts: Any) -> None:
    yard.write("usage.csv", "CustomerID,When\na,2024-12-31\n")

    report = yard.check(TOP + USAGE)

    assert counts(report, "usage") == {
        ("missing_column", "account_id"): 0,
        ("missing_column", "occurred_at"): 0,
        ("missing_column", "event"): 0,
    }
    assert report.tables[0].findings[0].expected == "found only: CustomerID, When"
    assert exit_code(report) == 1
    assert not yard.history.exists()


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ("CustomerID,When\na,2024-12-31\n", "required columns have no source: account_id, "),
        (HEADER, "it is empty"),
        (HEADER + "a,31.12.2024,e\n", "none of its 1 rows is both sound and recorded before"),
    ],
)
def test_what_hides_every_event_is_said_rather_than_that_there_is_none(
    yard: Any, content: str, why: str
) -> None:
    yard.write("usage.csv", content)

    report = yard.check(USAGE + "max_faulty = 1.0\n")

    assert not report.written
    assert report.tables[0].refused.startswith(why)


def test_a_folder_that_cannot_be_written_is_said_and_history_stays(
    yard: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    yard.write("usage.csv", HEADER + "a,2024-12-31,e\n")
    yard.check(TOP + USAGE)
    before = digests(yard.history)

    def full(_found: Path, into: Path) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", str(into))

    monkeypatch.setattr(ingestion, "replace_folder", full)
    with pytest.raises(ConfigError, match=r"history: No space left on device.* Grant access"):
        yard.check(TOP + USAGE)

    assert digests(yard.history) == before
    assert sorted(p.name for p in yard.history.parent.iterdir()) == ["history", "quarantine"]


def test_an_empty_table_is_a_failed_export_unless_accepted(yard: Any, counts: Any) -> None:
    yard.write("usage.csv", HEADER)

    report = yard.check(TOP + USAGE)
    assert counts(report, "usage") == {("empty", None): 0}
    assert report.tables[0].refused == "it is empty"

    report = yard.check(TOP + USAGE + 'accept = ["empty"]\n')
    assert report.written
    assert yard.clean("usage") == []


def test_malformed_lines_count_and_are_set_aside(yard: Any, counts: Any) -> None:
    yard.write("usage.csv", HEADER + "a,2024-12-31,e\na,2024-12-31\n")

    report = yard.check(TOP + USAGE + "max_faulty = 0.5\n")

    assert counts(report, "usage") == {("malformed_line", None): 1}
    assert (report.tables[0].read, report.tables[0].clean) == (2, 1)
    assert yard.aside("usage") == [
        {
            "_fault": "malformed_line",
            "_reason": "expected 3 fields, got 2",
            "_source": "usage.csv",
            "_row": "3",
            "account_id": "",
            "occurred_at": "",
            "event": "",
            "_line": "a,2024-12-31",
        }
    ]


def test_what_was_set_aside_can_be_repaired_and_read_again(yard: Any) -> None:
    yard.write("usage.csv", HEADER + "a,2024-12-31,e\na,2024-13-01,f\n")
    yard.check(TOP + USAGE + "max_faulty = 1\n")
    repaired = (yard.quarantine / "usage.csv").read_text().replace("-13-01", "-12-01")
    yard.write("repaired.csv", repaired)
    yard.write("usage.csv", HEADER + "a,2024-12-31,e\n")

    yard.check(TOP + "[tables.usage]\nfiles = ['usage.csv', 'repaired.csv']\n")

    assert [row["event"] for row in yard.clean("usage")] == ["f", "e"]
    assert yard.aside("usage") == []


def test_quarantine_of_an_earlier_reading_goes_and_other_files_stay(yard: Any) -> None:
    yard.write("usage.csv", HEADER + "a,,e\n")
    yard.check(TOP + USAGE)
    yard.write("var/quarantine/mine.csv", "kept")
    assert len(yard.aside("usage")) == 1
    yard.write("usage.csv", HEADER + "a,2024-12-31,e\n")

    yard.check(TOP + USAGE)

    assert [path.name for path in yard.quarantine.iterdir()] == ["mine.csv"]


def test_the_end_of_observation_is_the_second_after_the_newest_sound_event(yard: Any) -> None:
    yard.write("usage.csv", HEADER + "a,2024-06-01T10:00:00.5,e\na,2024-05-01,e\n,2024-07-01,e\n")
    yard.write("subscriptions.csv", "subscription_id,account_id,started_at\ns,a,2024-09-01\n")
    terms = "[tables.subscriptions]\nfiles = 'subscriptions.csv'\n"

    report = yard.check(USAGE + "max_faulty = 1\n" + terms)

    assert report.observed_until == at(2024, 6, 1, 10, 0, 1)


def test_what_became_known_last_is_observed_too(yard: Any) -> None:
    yard.write(
        "tickets.csv",
        "ticket_id,account_id,opened_at,resolved_at\nt,a,2024-06-01 10:00,2024-06-01 10:13\n",
    )

    report = yard.check("[tables.tickets]\nfiles = 'tickets.csv'\n")

    assert report.observed_until == at(2024, 6, 1, 10, 13, 1)
    assert report.tables[0].clean == 1


def test_an_event_of_the_future_does_not_move_the_end_of_observation(
    yard: Any, counts: Any
) -> None:
    yard.write("usage.csv", HEADER + "a,2024-06-01,e\na,2031-06-01,e\n")

    report = yard.check(USAGE + "max_faulty = 1\n")

    assert report.observed_until == at(2024, 6, 1, 0, 0, 1)
    assert counts(report, "usage") == {("after_now", "occurred_at"): 1}


@pytest.mark.parametrize(
    ("given_end", "expected"),
    [
        ("2025-01-01T00:00:00+02:00", at(2024, 12, 31, 22)),
        ("2025-01-01T00:00:00", at(2024, 12, 31, 23)),  # in the file's zone
    ],
)
def test_the_end_of_observation_may_be_given(
    yard: Any, given_end: str, expected: dt.datetime
) -> None:
    yard.write("usage.csv", HEADER + "a,2024-12-01,e\n")

    report = yard.check(f"observed_until = {given_end}\ntimezone = 'Europe/Berlin'\n{USAGE}")

    assert report.observed_until == expected


def test_without_any_sound_event_the_end_of_observation_must_be_given(yard: Any) -> None:
    yard.write("subscriptions.csv", "subscription_id,account_id,started_at\ns,a,2024-09-01\n")

    with pytest.raises(ConfigError, match="Set observed_until to the time at which"):
        yard.check("[tables.subscriptions]\nfiles = 'subscriptions.csv'\n")


def test_accounts_can_be_derived_as_of_when_they_were_first_known(yard: Any) -> None:
    yard.write(
        "usage.csv",
        "account_id,occurred_at,event,recorded_at\n"
        "a,2024-12-05,e,\n"
        "a,2024-12-01,e,2024-12-20\n"  # earlier, but known later
        "b,2024-12-03,e,2024-12-04\n",
    )
    yard.write(
        "subscriptions.csv",
        "subscription_id,account_id,started_at,recorded_at\ns,c,2025-02-01,2024-12-10\n",
    )
    yard.write("outcomes.csv", "outcome_id,account_id,occurred_at,kind\no,d,2024-12-01,churned\n")

    report = yard.check(
        TOP
        + USAGE
        + "[tables.accounts]\nderive = true\n"
        + "[tables.subscriptions]\nfiles = 'subscriptions.csv'\n"
        + "[tables.outcomes]\nfiles = 'outcomes.csv'\n"
    )

    assert yard.clean("accounts") == [
        {"account_id": "a", "created_at": at(2024, 12, 5), "recorded_at": at(2024, 12, 5)},
        {"account_id": "b", "created_at": at(2024, 12, 3), "recorded_at": at(2024, 12, 4)},
        {"account_id": "c", "created_at": at(2024, 12, 10), "recorded_at": at(2024, 12, 10)},
    ]
    assert report.tables[0].origin == "derived from subscriptions, usage"
    assert History.open(yard.history).contracts["accounts"].names == (
        "account_id",
        "created_at",
        "recorded_at",
    )


def test_without_accounts_it_is_said_what_was_not_looked_for(yard: Any) -> None:
    yard.write("usage.csv", HEADER + "a,2024-12-31,e\n")

    assert yard.check(TOP + USAGE).notes == (
        "No accounts table: unknown and later accounts were not looked for.",
    )


def test_a_declared_table_is_read_like_a_standard_one(yard: Any, counts: Any) -> None:
    yard.write(
        "webinars.csv", "seat,account_id,time,minutes\n1,a,2024-12-31,90\n2,a,2024-12-31,-5\n"
    )

    report = yard.check(
        TOP
        + """
        [tables.webinars]
        files = "webinars.csv"
        max_faulty = 1
        [contracts.webinars]
        doc = "One seat at a webinar."
        key = ["seat"]
        time = "time"
        columns = [
            { name = "seat", kind = "id", doc = "the seat" },
            { name = "minutes", kind = "integer", doc = "time spent, minutes", minimum = 0 },
        ]
        """
    )

    assert counts(report, "webinars") == {("impossible_value", "minutes"): 1}
    assert yard.clean("webinars") == [
        {"account_id": "a", "time": at(2024, 12, 31), "seat": "1", "minutes": 90}
    ]
    assert History.open(yard.history).contracts["webinars"].key == ("seat",)


def test_a_database_is_a_source(yard: Any, counts: Any) -> None:
    with closing(sqlite3.connect(yard.folder / "crm.db")) as connection:
        connection.execute("CREATE TABLE log (who TEXT, happened TEXT, what TEXT)")
        rows = [("a", "2024-12-31 10:00:00", "e"), (None, "2024-12-31", "e")]
        connection.executemany("INSERT INTO log VALUES (?, ?, ?)", rows)
        connection.commit()

    report = yard.check(
        TOP
        + """
        [tables.usage]
        database = "sqlite:///crm.db"
        query = "SELECT who AS account_id, happened AS occurred_at, what AS event FROM log"
        timezone = "Europe/Berlin"
        max_faulty = 0.5
        """
    )

    assert counts(report, "usage") == {("missing_value", "account_id"): 1}
    assert yard.clean("usage") == [
        {"account_id": "a", "occurred_at": at(2024, 12, 31, 9), "event": "e"}
    ]
    assert yard.aside("usage")[0]["_source"] == "sqlite:///crm.db"


def test_reading_again_is_needed_only_when_something_changed(yard: Any) -> None:
    path = yard.write("usage.csv", HEADER + "a,2024-12-31,e\n")
    yard.check(TOP + USAGE)

    def current(toml: str = TOP + USAGE) -> bool:
        sources = read_sources(yard.write("sources.toml", toml))
        return is_current(sources, base=yard.folder, into=yard.history)

    assert current()
    assert not current(TOP + USAGE + "max_faulty = 0.5\n")
    os.utime(path, ns=(1, 1))
    assert not current()
    yard.check(TOP + USAGE)
    assert current()
    (yard.history / "manifest.json").unlink()
    assert not current()
    path.unlink()
    with pytest.raises(SourceError, match="no such file"):
        yard.check(TOP + USAGE)


@pytest.mark.parametrize("late", [b"a,2024-12-30,e\n", None])
def test_a_source_that_changes_while_it_is_read_is_refused(yard: Any, late: bytes | None) -> None:
    yard.write("parts/1.csv", HEADER + "a,2024-12-31,e\n")
    sources = read_sources(
        yard.write("sources.toml", TOP + "[tables.usage]\nfiles = 'parts'\nmax_faulty = 1\n")
    )
    ingest(sources, base=yard.folder, into=yard.history, quarantine=yard.quarantine)
    before = digests(yard.history)
    path = yard.write("parts/1.csv", HEADER + "b,2024-12-31,e\nb,,e\n")

    def meddle(what: str, share: float) -> None:
        if what != "checking usage":
            return
        if late is None:
            yard.write("parts/2.csv", HEADER + "c,2024-12-31,e\n")
        else:
            path.write_bytes(path.read_bytes() + late)

    with pytest.raises(
        SourceError, match=r"parts/[12]\.csv: changed while it was read.* Run again"
    ):
        ingest(
            sources,
            base=yard.folder,
            into=yard.history,
            quarantine=yard.quarantine,
            progress=meddle,
        )

    assert digests(yard.history) == before
    assert yard.aside("usage") == []
    assert not is_current(sources, base=yard.folder, into=yard.history)


def test_what_is_remembered_of_a_source_is_from_before_it_was_read(yard: Any) -> None:
    path = yard.write("usage.csv", HEADER + "a,2024-12-31,e\n")
    sources = read_sources(yard.write("sources.toml", TOP + USAGE))

    def meddle(what: str, share: float) -> None:
        if what == "done":  # all is written: what changes from here on was not read
            path.write_text(HEADER + "b,2024-12-31,e\nc,2024-12-31,e\n")

    ingest(
        sources, base=yard.folder, into=yard.history, quarantine=yard.quarantine, progress=meddle
    )

    assert not is_current(sources, base=yard.folder, into=yard.history)


def test_a_database_is_never_known_to_be_current(yard: Any) -> None:
    with closing(sqlite3.connect(yard.folder / "crm.db")) as connection:
        connection.execute(
            "CREATE TABLE log AS SELECT 'a' account_id, '2024-12-31' occurred_at, 'e' event"
        )
        connection.commit()
    toml = TOP + "[tables.usage]\ndatabase = 'sqlite:///crm.db'\ntable = 'log'\n"
    yard.check(toml)

    sources = read_sources(yard.folder / "sources.toml")
    assert not is_current(sources, base=yard.folder, into=yard.history)


KILLED = """
import os, sys
from pathlib import Path
from churnml.history import ingestion, store
from churnml.history.sources import read_sources

folder, where = Path(sys.argv[1]), sys.argv[2]
setattr(ingestion, where, lambda *args, **kwargs: os._exit(9))
ingestion.ingest(
    read_sources(folder / "sources.toml"),
    base=folder, into=folder / "var/history", quarantine=folder / "var/quarantine",
)
"""


@pytest.mark.parametrize("where", ["write_table", "write_manifest", "replace_folder"])
def test_a_killed_process_leaves_the_history_before(yard: Any, where: str) -> None:
    yard.write("usage.csv", HEADER + "a,2024-12-31,e\n")
    yard.check(TOP + USAGE)
    before = digests(yard.history)
    yard.write("usage.csv", HEADER + "b,2024-12-30,e\n")

    done = subprocess.run([sys.executable, "-c", KILLED, str(yard.folder), where], check=False)

    assert done.returncode == 9
    assert digests(yard.history) == before
    assert len(list(yard.history.parent.glob(".history-*"))) == 1
    yard.check(TOP + USAGE)
    assert [row["account_id"] for row in yard.clean("usage")] == ["b"]
    assert not list(yard.history.parent.glob(".history-*"))


KILLED_BETWEEN = """
import os, sys
from pathlib import Path
from churnml.history.ingestion import ingest
from churnml.history.sources import read_sources

rename = Path.rename

def rename_and_die(path, target):
    done = rename(path, target)
    if Path(target).name == "replaced":
        os._exit(9)
    return done

Path.rename = rename_and_die
folder = Path(sys.argv[1])
ingest(
    read_sources(folder / "sources.toml"),
    base=folder, into=folder / "var/history", quarantine=folder / "var/quarantine",
)
"""


def test_a_process_killed_while_it_replaces_history_loses_none(yard: Any) -> None:
    path = yard.write("usage.csv", HEADER + "a,2024-12-31,e\n")
    yard.check(TOP + USAGE)
    before = digests(yard.history)
    sources = read_sources(yard.folder / "sources.toml")

    done = subprocess.run([sys.executable, "-c", KILLED_BETWEEN, str(yard.folder)], check=False)

    assert done.returncode == 9
    assert not yard.history.exists()
    assert is_current(sources, base=yard.folder, into=yard.history)
    assert digests(yard.history) == before

    subprocess.run([sys.executable, "-c", KILLED_BETWEEN, str(yard.folder)], check=False)
    path.write_text(HEADER + "a,,e\n")
    assert not yard.check(TOP + USAGE).written
    assert digests(yard.history) == before


def test_progress_goes_from_nothing_to_done(yard: Any) -> None:
    yard.write("usage.csv", HEADER + "a,2024-12-31,e\n")
    told: list[tuple[str, float]] = []

    ingest(
        read_sources(yard.write("sources.toml", TOP + USAGE)),
        base=yard.folder,
        into=yard.history,
        quarantine=yard.quarantine,
        progress=lambda what, share: told.append((what, share)),
    )

    assert told == [("reading usage.csv", 0.0), ("checking usage", 0.5), ("done", 1.0)]


CELLS = st.one_of(
    st.sampled_from(["a", "b", "", "2024-12-30", "2024-12-31T10:00Z", "2026-01-01", "1", "-1"]),
    st.sampled_from(["NaN", "inf", "1e9", "executive", "u1", "u2", "é"]),
    st.text(st.characters(exclude_characters='"\r\n,', exclude_categories=["Cs"]), max_size=5),
)
ROWS = st.lists(st.lists(CELLS, min_size=5, max_size=6), max_size=12)
NAMES = ["contact_id", "account_id", "created_at", "recorded_at", "role"]


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory, make_yard: Callable[[Path], Any]) -> Any:
    return make_yard(tmp_path_factory.mktemp("generated"))


@settings(max_examples=40, deadline=None)
@given(rows=ROWS)
def test_every_row_is_clean_or_set_aside(shared: Any, rows: list[list[str]]) -> None:
    shared.write("contacts.csv", "\n".join(",".join(row) for row in [NAMES, *rows]))

    report = shared.check(
        TOP + "[tables.contacts]\nfiles = 'contacts.csv'\nmax_faulty = 1\naccept = ['empty']\n"
    )

    table = report.tables[0]
    assert table.read == len(rows)
    assert len(shared.clean("contacts")) == table.clean
    assert len(shared.aside("contacts")) == table.quarantined
    assert table.clean + table.quarantined == table.read
    assert len({row["contact_id"] for row in shared.clean("contacts")}) == table.clean


READINGS = '\n[tables.readings]\nfiles = "readings.csv"\n'


def test_a_version_ends_where_the_next_begins(yard: Any) -> None:
    yard.write("usage.csv", HEADER + "a,2024-12-01,e\n")
    yard.write(
        "readings.csv",
        "text_id,account_id,said_at,recorded_at,replaced_at,origin,sentiment\n"
        "m1,a,2024-11-01,2024-11-02,,messages,negative\n"
        "m1,a,2024-11-01,2024-11-09,,messages,neutral\n"
        "m1,a,2024-11-01,2024-11-20,2024-11-25,messages,hostile\n"
        "m2,a,2024-11-01,,2024-11-05,messages,neutral\n",
    )
    yard.check(TOP + USAGE + READINGS)
    rows = pq.read_table(yard.history / "readings.parquet").to_pylist()
    assert [(row["sentiment"], row["replaced_at"]) for row in rows] == [
        ("negative", at(2024, 11, 9)),
        ("neutral", at(2024, 11, 20)),
        ("hostile", at(2024, 11, 25)),
        ("neutral", at(2024, 11, 5)),
    ]
    seen = History.open(yard.history).as_of(at(2024, 11, 10)).table("readings")
    assert seen["sentiment"].to_pylist() == ["neutral"]  # of m1; m2 has ended


def test_versions_need_no_end_and_no_record_of_when_they_came(yard: Any) -> None:
    yard.write("usage.csv", HEADER + "a,2024-12-01,e\n")
    yard.write(
        "readings.csv",
        "text_id,account_id,said_at,origin,sentiment\nm1,a,2024-11-01,messages,negative\n",
    )
    yard.check(TOP + USAGE + READINGS)
    (row,) = pq.read_table(yard.history / "readings.parquet").to_pylist()
    assert (row["recorded_at"], row["replaced_at"]) == (at(2024, 11, 1), None)
