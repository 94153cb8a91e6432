"""What the as-of view shows at a cutoff, and what it never shows."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from churnml.errors import ConfigError, DataError, SourceError
from churnml.history.asof import (
    History,
    as_of_select,
    instant_of,
    known_at,
    microseconds,
    own_times,
    read_rows,
    row_known_columns,
)
from churnml.history.memory import only
from churnml.history.tables import (
    STANDARD,
    SUBSCRIPTIONS,
    TICKETS,
    USAGE,
    Column,
    Kind,
    Table,
)

UNTIL = dt.datetime(2026, 1, 1)
C = dt.datetime(2025, 3, 1, 9, 30)
TICK = dt.timedelta(microseconds=1)
DAY = dt.timedelta(days=1)
PLAIN_USAGE = only(USAGE, ["account_id", "occurred_at"])
BARE_TICKETS = only(TICKETS, ["ticket_id", "account_id", "opened_at", "csat_at", "csat"])


def times(*values: dt.datetime | None) -> pa.Array:
    return pa.array(values, pa.timestamp("us"))


def history(**tables: dict[str, Any]) -> History:
    return History.from_tables(
        {name: pa.table(columns) for name, columns in tables.items()}, observed_until=UNTIL
    )


def tickets() -> History:
    return history(
        tickets={
            "ticket_id": ["before", "at", "late", "rated"],
            "account_id": ["a", "a", "b", "b"],
            "opened_at": times(C - TICK, C, C - 5 * DAY, C - 9 * DAY),
            "recorded_at": times(None, None, C, C - 8 * DAY),
            "resolved_at": times(C, None, None, C - TICK),
            "csat_at": times(C - TICK, None, None, C),
            "csat": [2.0, None, None, 5.0],
            "category": ["x", "y", "z", None],
        }
    )


def test_rows_and_values_known_before_the_cutoff_are_shown_and_no_others() -> None:
    seen = tickets().as_of(C).table("tickets").sort_by("ticket_id").to_pylist()
    assert [(r["ticket_id"], r["resolved_at"], r["csat"], r["category"]) for r in seen] == [
        ("before", None, 2.0, "x"),
        ("rated", C - TICK, None, None),
    ]
    later = tickets().as_of(C + TICK).table("tickets").sort_by("ticket_id").to_pylist()
    assert [(r["ticket_id"], r["resolved_at"], r["csat"]) for r in later] == [
        ("at", None, None),
        ("before", C, 2.0),
        ("late", None, None),
        ("rated", C - TICK, 5.0),
    ]


def test_hindsight_shows_everything() -> None:
    assert tickets().hindsight("tickets").num_rows == 4
    assert tickets().hindsight("tickets")["csat"].null_count == 2


def test_a_booked_term_is_shown_before_it_begins_and_another_fact_never() -> None:
    term = {
        "account_id": ["a"],
        "started_at": times(C + 9 * DAY),
        "recorded_at": times(C - TICK),
    }
    seen = history(subscriptions=term | {"subscription_id": ["s"]}).as_of(C)
    assert seen.table("subscriptions").num_rows == 1
    use = {"account_id": ["a"], "occurred_at": times(C), "recorded_at": times(C - DAY)}
    assert history(usage=use).as_of(C).table("usage").num_rows == 0


def test_names_that_sql_takes_for_its_own_are_read() -> None:
    table = Table(
        "order",
        "",
        key=(),
        time="when",
        columns=(
            Column("account_id", Kind.ID, ""),
            Column("when", Kind.TIME, ""),
            Column("group", Kind.STRING, "", known="select"),
            Column("select", Kind.TIME, "", known="select"),
        ),
    )
    rows = pa.table(
        {
            "account_id": ["it's", "b"],
            "when": times(C - DAY, C - DAY),
            "group": ["x", "y"],
            "select": times(C - DAY, C),
        }
    )
    held = History.from_tables({"order": rows}, observed_until=UNTIL, contracts={"order": table})
    seen = held.as_of(C).table("order").sort_by("account_id")
    assert seen["group"].to_pylist() == [None, "x"]


def test_tables_of_outcomes_are_for_labels_alone() -> None:
    outcome = {"outcome_id": ["o"], "account_id": ["a"], "occurred_at": times(C - DAY)}
    held = history(outcomes=outcome | {"kind": ["churned"]}, usage=one_use())
    assert held.as_of(C).tables == ("usage",)
    with pytest.raises(DataError, match="'outcomes' tells what became of accounts"):
        held.as_of(C).table("outcomes")
    assert held.hindsight("outcomes").num_rows == 1


def one_use() -> dict[str, Any]:
    return {"account_id": ["a"], "occurred_at": times(C - DAY)}


def test_tables_that_are_not_there_are_named() -> None:
    held = history(usage=one_use())
    with pytest.raises(DataError, match=r"no table 'usages'\. Did you mean 'usage'"):
        held.as_of(C).table("usages")
    with pytest.raises(DataError, match="no table 'tickets'"):
        held.hindsight("tickets")
    with pytest.raises(DataError, match="no contract for table 'clicks'"):
        history(clicks=one_use())


def test_a_cutoff_with_a_time_zone_is_refused() -> None:
    with pytest.raises(DataError, match=r"cutoff 2025-03-01T09:30:00\+00:00 has a time zone"):
        history(usage=one_use()).as_of(C.replace(tzinfo=dt.UTC))


def test_times_and_microseconds_are_each_others_inverse() -> None:
    assert microseconds(dt.datetime(1970, 1, 1, 0, 0, 1)) == 1_000_000
    assert microseconds(dt.datetime(1969, 12, 31, 23, 59, 59, 999_999)) == -1
    for time in (C, dt.datetime(1, 1, 1), dt.datetime(9999, 12, 31, 23, 59, 59, 999_999)):
        assert instant_of(microseconds(time)) == time


@pytest.mark.parametrize(
    ("table", "columns"),
    [
        (USAGE, ("occurred_at", "recorded_at")),
        (PLAIN_USAGE, ("occurred_at",)),
        (SUBSCRIPTIONS, ("recorded_at",)),
        (only(SUBSCRIPTIONS, ["subscription_id", "account_id", "started_at"]), ("started_at",)),
    ],
)
def test_a_row_is_known_at(table: Table, columns: tuple[str, ...]) -> None:
    assert row_known_columns(table) == columns


def test_own_times_are_those_of_single_columns() -> None:
    assert own_times(TICKETS, ["category", "csat", "csat_at", "resolved_at"]) == (
        "csat_at",
        "resolved_at",
    )
    assert own_times(TICKETS, ["category", "opened_at"]) == ()


@pytest.mark.parametrize(
    ("table", "needed", "sql"),
    [
        (PLAIN_USAGE, (), "occurred_at"),
        (PLAIN_USAGE, ("occurred_at",), "occurred_at"),
        (USAGE, (), "GREATEST(occurred_at, COALESCE(recorded_at, occurred_at))"),
        (SUBSCRIPTIONS, (), "COALESCE(recorded_at, started_at)"),
        (
            SUBSCRIPTIONS,
            ("started_at",),
            "GREATEST(COALESCE(recorded_at, started_at), started_at)",
        ),
        (
            BARE_TICKETS,
            ("csat_at", "opened_at"),
            "CASE WHEN csat_at IS NULL THEN NULL ELSE GREATEST(opened_at, csat_at) END",
        ),
        (
            USAGE,
            ("recorded_at",),
            (
                "CASE WHEN recorded_at IS NULL THEN NULL "
                "ELSE GREATEST(occurred_at, COALESCE(recorded_at, occurred_at)) END"
            ),
        ),
    ],
)
def test_known_at_as_sql(table: Table, needed: tuple[str, ...], sql: str) -> None:
    assert known_at(table, needed).sql(dialect="duckdb") == sql


def test_the_query_of_the_view() -> None:
    assert as_of_select(BARE_TICKETS, C).sql(dialect="spark") == (
        "SELECT ticket_id AS ticket_id, account_id AS account_id, opened_at AS opened_at, "
        "CASE WHEN csat_at < CAST('2025-03-01 09:30:00' AS TIMESTAMP) THEN csat_at END AS csat_at, "
        "CASE WHEN csat_at < CAST('2025-03-01 09:30:00' AS TIMESTAMP) THEN csat END AS csat "
        "FROM tickets WHERE opened_at < CAST('2025-03-01 09:30:00' AS TIMESTAMP)"
    )


def write(folder: Path, held: History) -> None:
    entries = {}
    for name, contract in held.contracts.items():
        pq.write_table(held.hindsight(name), folder / f"{name}.parquet")
        whole = dataclasses.asdict(STANDARD[contract.name])
        entries[name] = {"rows": 0, "fingerprint": f"of {name}", "contract": whole}
    manifest = {"observed_until": UNTIL.isoformat(), "tables": entries}
    (folder / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")


def test_history_on_disk_is_what_it_was_in_memory(tmp_path: Path) -> None:
    folder = tmp_path / "it's here"
    folder.mkdir()
    held = tickets()
    write(folder, held)
    opened = History.open(folder)
    assert opened.contracts == held.contracts
    assert opened.observed_until == UNTIL
    assert opened.hindsight("tickets").equals(held.hindsight("tickets"))
    assert opened.as_of(C).table("tickets").equals(held.as_of(C).table("tickets"))


def test_a_fingerprint_moves_with_the_content_and_with_nothing_else(tmp_path: Path) -> None:
    first, again = tickets(), tickets()
    assert len(first.fingerprint) == 64
    assert first.fingerprint == again.fingerprint
    assert first.fingerprint != history(usage=one_use()).fingerprint
    later = History.from_tables(first.data, observed_until=UNTIL + DAY)
    assert later.fingerprint != first.fingerprint
    write(tmp_path, first)
    on_disk = History.open(tmp_path)
    assert on_disk.digests == {"tickets": "of tickets"}
    assert on_disk.fingerprint != first.fingerprint
    unsigned = dataclasses.replace(on_disk, digests=None)
    assert unsigned.fingerprint == first.fingerprint


def test_a_folder_that_holds_no_clean_history_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="no clean history here"):
        History.open(tmp_path)
    write(tmp_path, tickets())
    (tmp_path / "tickets.parquet").write_bytes(b"not parquet")
    with pytest.raises(SourceError, match=r"tickets\.parquet: cannot be read .*churnml check"):
        History.open(tmp_path)


def test_a_file_damaged_after_it_was_opened_is_said(tmp_path: Path) -> None:
    write(tmp_path, tickets())
    opened = History.open(tmp_path)
    (tmp_path / "tickets.parquet").unlink()
    with pytest.raises(SourceError, match=r"clean history cannot be read: .*tickets\.parquet"):
        opened.connect()
    (tmp_path / "tickets.parquet").write_bytes(b"not parquet")
    with pytest.raises(SourceError, match="clean history cannot be read"):
        opened.as_of(C).table("tickets")


def test_damaged_rows_are_said_however_they_are_read(tmp_path: Path) -> None:
    write(tmp_path, tickets())
    opened, file = History.open(tmp_path), tmp_path / "tickets.parquet"
    content = bytearray(file.read_bytes())
    head = pq.read_metadata(file).row_group(0).column(0)
    for place in range(head.dictionary_page_offset, head.data_page_offset):
        content[place] ^= 0x5A  # the schema stays readable
    file.write_bytes(content)
    reads: tuple[Callable[[], object], ...] = (
        lambda: opened.as_of(C).table("tickets"),
        lambda: opened.hindsight("tickets"),
        lambda: read_rows(file, ["a"]),
    )
    for read in reads:
        with pytest.raises(SourceError, match=r"(?s)cannot be read: .*\. Run `churnml check`"):
            read()


def test_the_engine_is_bounded_and_spills_outside_the_working_directory() -> None:
    with history(usage=one_use()).connect(memory_limit="500MB") as connection:
        query = "SELECT current_setting('memory_limit'), current_setting('temp_directory')"
        limit, folder = connection.execute(query).fetchall()[0]
    assert limit == "476.8 MiB"
    assert Path(folder).name.startswith("churnml-")
    assert not Path(folder).is_relative_to(Path.cwd())


def test_what_was_spilled_is_gone_when_the_engine_is_closed() -> None:
    with history(usage=one_use()).connect(memory_limit="60MB") as connection:
        connection.execute("SET threads = 2")
        folder = connection.execute("SELECT current_setting('temp_directory')").fetchall()[0][0]
        connection.execute(
            "CREATE TEMP TABLE much AS SELECT hash(range) AS a, hash(range + 1) AS b "
            "FROM range(5000000)"
        )
        assert any(Path(folder).iterdir())
    assert not Path(folder).exists()


def test_a_memory_limit_that_is_none_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"memory limit 'much': .*Expected such as '2GB'"):
        history(usage=one_use()).connect(memory_limit="much")


def test_times_in_the_engine_are_utc() -> None:
    with history(usage=one_use()).connect() as connection:
        assert isinstance(connection, duckdb.DuckDBPyConnection)
        assert connection.execute("SELECT current_setting('TimeZone')").fetchall() == [("UTC",)]


def test_a_fingerprint_moves_with_when_a_column_is_known_and_not_with_words() -> None:
    rows = history(usage=one_use() | {"event": ["view"]}).data
    usage = STANDARD["usage"]

    def fingerprint(**changes: Any) -> str:
        columns = tuple(
            dataclasses.replace(column, **changes) if column.name == "event" else column
            for column in usage.columns
        )
        contracts = {"usage": dataclasses.replace(usage, columns=columns)}
        made = History.from_tables(rows, observed_until=UNTIL, contracts=contracts)
        return made.fingerprint

    assert fingerprint(known="occurred_at") != fingerprint()
    assert fingerprint(doc="what was done, told otherwise") == fingerprint()
