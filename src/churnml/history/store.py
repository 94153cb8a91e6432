"""Clean history on disk: written beside, put in place as a whole."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import shutil
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from churnml.history.asof import known_at
from churnml.history.checks import Checked
from churnml.history.dialect import identifier, instant, literal, run
from churnml.history.manifest import MANIFEST, NOTHING_POSTED, Mark
from churnml.history.memory import only
from churnml.history.report import Span
from churnml.history.tables import ACCOUNT_ID, RECORDED_AT, Table

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

READING = "reading.json"
_REPLACED, _DISCARDED = "replaced", "discarded"
_ABANDONED_AFTER = 24 * 3600.0


@dataclass(frozen=True)
class Written:
    """A table that was written, as the manifest tells of it.

    Parameters
    ----------
    contract : Table
        All of it, also columns the source does not have.
    rows : int
        How many there are.
    newest : datetime, optional
        When the latest thing of it happened or became known, UTC and naive; none without rows.
    stale_days : float, optional
        The age of `newest` beyond which the table is stale; none where age says nothing, as of
        terms that are booked ahead.
    """

    contract: Table
    rows: int
    newest: dt.datetime | None
    stale_days: float | None


@contextmanager
def workplace(into: Path, *, alone: bool = False) -> Iterator[Path]:
    """Make a folder beside `into` for work in progress, and remove it at the end.

    What a killed process left is removed when it is a day old, since a younger one may be at work.

    Parameters
    ----------
    into : Path
        The folder that the work is for; on its disk a rename is instant.
    alone : bool
        Whether nobody else can be at work, because the caller holds a lock; what was left is then
        removed at once. Copies of whole databases, left every hour, would fill a disk in a day.
    """
    into.parent.mkdir(parents=True, exist_ok=True)
    for left in into.parent.glob(f".{into.name}-*"):
        if alone or time.time() - left.stat().st_mtime > _ABANDONED_AFTER:
            shutil.rmtree(left, ignore_errors=True)
    work = Path(tempfile.mkdtemp(prefix=f".{into.name}-", dir=into.parent))
    try:
        yield work
    finally:
        shutil.rmtree(work, ignore_errors=True)


def write_table(connection: DuckDBPyConnection, checks: Checked, folder: Path) -> int:
    """Write the clean rows of a table, sorted so that the same rows give the same bytes.

    Parameters
    ----------
    connection : duckdb.DuckDBPyConnection
        The engine.
    checks : Checked
        The rows and their rules.
    folder : Path
        Where ``<table>.parquet`` is written.

    Returns
    -------
    int
        The number of rows.
    """
    table, present = checks.mapped.table, checks.mapped.present
    if table.replaced is None:
        return write_rows(connection, table, present, checks.clean, folder)
    names = tuple(name for name in table.names if name in {*present, table.replaced})
    return write_rows(connection, table, names, _closed(table, present, checks.clean), folder)


def _closed(table: Table, present: tuple[str, ...], rows: str) -> str:
    """End each version at the latest where the next one begins, whatever a source says of it."""
    shared = ", ".join(identifier(name) for name in dict.fromkeys((ACCOUNT_ID, *table.identity)))
    following = f"lead({RECORDED_AT}) OVER (PARTITION BY {shared} ORDER BY {RECORDED_AT})"
    end = identifier(table.replaced or "")
    if table.replaced not in present:
        return f"SELECT *, {following} AS {end} FROM ({rows})"
    return f"SELECT * REPLACE (least({end}, {following}) AS {end}) FROM ({rows})"


def order(table: Table, present: Iterable[str]) -> str:
    """Write by what the rows of a table are sorted: accounts first, and the same rows alike."""
    first = (ACCOUNT_ID, table.time, *table.key)
    names = (name for name in dict.fromkeys((*first, *present)) if name in {*present})
    return ", ".join(map(identifier, names))


def write_rows(
    connection: DuckDBPyConnection,
    table: Table,
    present: tuple[str, ...],
    query: str,
    folder: Path,
) -> int:
    """Write the rows of a query as a table of clean history.

    Parameters
    ----------
    connection : duckdb.DuckDBPyConnection
        The engine.
    table : Table
        The contract.
    present : tuple of str
        The columns to write, in the contract's order.
    query : str
        SQL of the rows.
    folder : Path
        Where ``<table>.parquet`` is written.

    Returns
    -------
    int
        The number of rows.
    """
    columns = ", ".join(identifier(name) for name in present)
    path = folder / f"{table.name}.parquet"
    row = run(
        connection,
        table.name,
        f"COPY (SELECT {columns} FROM ({query}) ORDER BY {order(table, present)}) "
        f"TO {literal(path)} (FORMAT parquet, COMPRESSION zstd)",
    ).fetchone()
    return int(row[0]) if row else 0


def measure(
    connection: DuckDBPyConnection,
    table: Table,
    present: Iterable[str],
    folder: Path,
    observed_until: dt.datetime,
) -> Span:
    """Measure what a written table covers.

    Parameters
    ----------
    connection : duckdb.DuckDBPyConnection
        The engine.
    table : Table
        The contract.
    present : iterable of str
        The columns that were written.
    folder : Path
        Where ``<table>.parquet`` lies.
    observed_until : datetime
        The end of observation, UTC and naive.
    """
    happened, written = identifier(table.time), set(present)
    known = [column.name for column in table.columns if column.known == column.name]
    times = [happened, *(identifier(name) for name in (RECORDED_AT, *known) if name in written)]
    past = (f"max(CASE WHEN {time} < {instant(observed_until)} THEN {time} END)" for time in times)
    row = run(
        connection,
        table.name,
        f"SELECT count(DISTINCT {ACCOUNT_ID}), min({happened}), max({happened}), "
        f"greatest({', '.join(past)}) "
        f"FROM read_parquet({literal(folder / f'{table.name}.parquet')})",
    ).fetchone()
    accounts, first, last, newest = row or (0, None, None, None)
    age = None if newest is None else (observed_until - newest) / dt.timedelta(days=1)
    return Span(accounts, first, last, newest, age)


def derive_accounts(
    connection: DuckDBPyConnection, accounts: Table, tables: Mapping[str, Table], folder: Path
) -> int:
    """Write one row for each account of the other tables, created when it was first known.

    Parameters
    ----------
    connection : duckdb.DuckDBPyConnection
        The engine.
    accounts : Table
        The contract of accounts.
    tables : mapping of str to Table
        The clean tables in `folder`.
    folder : Path
        Where they lie, and where ``accounts.parquet`` is written.

    Returns
    -------
    int
        The number of accounts.
    """
    there = {}
    for name, table in tables.items():
        rows = f"read_parquet({literal(folder / f'{name}.parquet')})"
        columns = run(connection, name, f"DESCRIBE FROM {rows}").fetchall()
        there[rows] = only(table, (column[0] for column in columns))
    query = derived_accounts(accounts, there)
    present = (ACCOUNT_ID, accounts.time, RECORDED_AT)
    return write_rows(connection, accounts, present, query, folder)


def derived_accounts(accounts: Table, tables: Mapping[str, Table]) -> str:
    """Write the query of one row for each account of other tables, created when first known.

    Parameters
    ----------
    accounts : Table
        The contract of accounts.
    tables : mapping of str to Table
        By the SQL that gives their rows, the contracts with only the columns that are there.
    """
    firsts = [
        f"SELECT {ACCOUNT_ID}, {identifier(table.time)} AS happened, "
        f"{known_at(table).sql(dialect='duckdb', identify=True)} AS known FROM {rows}"
        for rows, table in tables.items()
        if not table.label_only
    ]
    return (
        f"SELECT {ACCOUNT_ID}, least(min(happened), min(known)) AS {accounts.time}, "
        f"min(known) AS {RECORDED_AT} FROM ("
        f"SELECT *, min(known) OVER (PARTITION BY {ACCOUNT_ID}) AS first_known "
        f"FROM ({' UNION ALL '.join(firsts)})) WHERE known = first_known GROUP BY {ACCOUNT_ID}"
    )


def write_manifest(
    folder: Path,
    *,
    observed_until: dt.datetime,
    tables: Mapping[str, Written],
    reading: Mapping[str, Any],
    posted: Mark = NOTHING_POSTED,
) -> None:
    """Write the manifest, last of all: history without it is none.

    Parameters
    ----------
    folder : Path
        Where the tables were written.
    observed_until : datetime
        The end of observation, UTC and naive.
    tables : mapping of str to Written
        What was written of each.
    reading : mapping
        What was read, by which `ingestion.is_current` tells whether to read again. It is kept
        apart because the times of files are not the same on every machine.
    posted : Mark
        How much of what was posted to the service the tables hold.
    """
    content = {
        "observed_until": observed_until.isoformat(),
        "posted": asdict(posted),
        "tables": {
            name: {
                "rows": item.rows,
                "newest": item.newest.isoformat() if item.newest else None,
                "stale_days": item.stale_days,
                "fingerprint": _sha256(folder / f"{name}.parquet"),
                "contract": asdict(item.contract),
            }
            for name, item in tables.items()
        },
    }
    (folder / READING).write_text(json.dumps(reading, indent=2), encoding="utf-8")
    (folder / MANIFEST).write_text(json.dumps(content, indent=2), encoding="utf-8")


def replace_folder(new: Path, old: Path) -> None:
    """Put a folder in the place of another, which at no time holds a mixture of both.

    Parameters
    ----------
    new : Path
        The folder that takes the place.
    old : Path
        The place; if there is something it is removed.
    """
    if old.exists():
        aside = new.parent / _REPLACED
        old.rename(aside)
        try:
            new.rename(old)
        except OSError:
            aside.rename(old)
            raise
        # Under another name, since what is half removed must never be put back.
        shutil.rmtree(aside.rename(new.parent / _DISCARDED))
    else:
        new.rename(old)


def put_back(folder: Path) -> None:
    """Put back a folder that a process was killed over while it replaced it.

    Between the two renames of `replace_folder` there is nothing in the place; what was there lies
    whole in the workplace beside.

    Parameters
    ----------
    folder : Path
        The place. Nobody else may be replacing it: the caller holds its lock.
    """
    if folder.exists():
        return
    left = list(folder.parent.glob(f".{folder.name}-*/{_REPLACED}"))
    if left:
        max(left, key=lambda path: path.parent.stat().st_mtime_ns).rename(folder)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
