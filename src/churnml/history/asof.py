"""The as-of view: the one place where history is cut by time, and the only way to it.

A fact is visible at a cutoff when it was known strictly before. The view drops rows that were not
yet known and blanks columns that were not; `known_at` gives the same rule to the segment plan, as
an expression that any SQL engine can run.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import tempfile
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq
from sqlglot import exp

from churnml.errors import ConfigError, DataError, SourceError, nearest
from churnml.history.dialect import no_room, said
from churnml.history.manifest import NOTHING_POSTED, Mark, read_manifest
from churnml.history.memory import only, typed
from churnml.history.tables import ACCOUNT_ID, RECORDED_AT, STANDARD, Column, Table

if TYPE_CHECKING:
    import duckdb

_EPOCH = dt.datetime(1970, 1, 1)


def row_known_columns(table: Table) -> tuple[str, ...]:
    """Name the times whose latest is when a row of `table` becomes known.

    Parameters
    ----------
    table : Table
        The contract, holding only the columns that are present.

    Returns
    -------
    tuple of str
        The event time, ``recorded_at``, or both; a scheduled row is known when it is booked.
    """
    if not table.has(RECORDED_AT):
        return (table.time,)
    return (RECORDED_AT,) if table.scheduled else (table.time, RECORDED_AT)


def standing(table: Table, instant: exp.Expr) -> exp.Expr:
    """Write the condition under which a row counts at an instant: known, and not yet replaced.

    Parameters
    ----------
    table : Table
        The contract, holding only the columns that are present.
    instant : sqlglot.exp.Expr
        A timestamp.
    """
    known = known_at(table) < instant
    if table.replaced is None:
        return known
    end = exp.column(table.replaced)
    return exp.and_(known, exp.or_(end.is_(exp.null()), end.copy() >= instant.copy()))


def own_times(table: Table, columns: Iterable[str]) -> tuple[str, ...]:
    """Name the times of single columns that must have come before `columns` are known.

    Parameters
    ----------
    table : Table
        The contract, holding only the columns that are present.
    columns : iterable of str
        The columns that are read.

    Returns
    -------
    tuple of str
        Sorted; empty where all columns are known with their row.
    """
    known = (table.column(name).known for name in columns)
    return tuple(sorted({name for name in known if name is not None}))


def known_at(table: Table, times: Iterable[str] = ()) -> exp.Expr:
    """Write the instant at which a row of `table` and some of its times are known, as SQL.

    Parameters
    ----------
    table : Table
        The contract, holding only the columns that are present.
    times : iterable of str
        Time columns that must have come as well: the `own_times` of what is read, and the time
        that dates the fact.

    Returns
    -------
    sqlglot.exp.Expr
        A timestamp; null where one of `times` is missing, since such a fact is never known.
    """
    row = row_known_columns(table)
    needed = [name for name in dict.fromkeys(times) if name not in row]
    terms = [*(_row_term(table, name) for name in row), *(exp.column(name) for name in needed)]
    latest = terms[0]
    if len(terms) > 1:
        # None of the terms is null where it counts, so engines that differ there agree.
        latest = exp.Greatest(this=terms[0], expressions=terms[1:], ignore_nulls=True)
    nullable = [name for name in dict.fromkeys(times) if name != table.time]
    if not nullable:
        return latest
    missing = exp.or_(*(exp.column(name).is_(exp.null()) for name in nullable))
    return exp.Case().when(missing, exp.null()).else_(latest)


def _row_term(table: Table, name: str) -> exp.Expr:
    if name == table.time:
        return exp.column(name)
    return exp.Coalesce(this=exp.column(name), expressions=[exp.column(table.time)])


@dataclass(frozen=True, eq=False)
class History:
    """Clean tables and what is known of them; holds no row that was found faulty.

    Parameters
    ----------
    contracts : mapping of str to Table
        The tables that are present, each with only the columns that are present.
    observed_until : datetime
        The end of observation, UTC and naive: what happens from here on is not recorded yet.
    data : mapping of str to pyarrow.Table or Path
        Rows in memory, or the Parquet file that holds them.
    digests : mapping of str to str, optional
        SHA-256 of each table's content, where ingestion took it; worked out when asked for where
        omitted.
    stale_days : mapping of str to float
        The age of its newest row beyond which a table is stale, where its source says one.
    made_by : mapping of str to str
        The version of what made a table, where it is no source's but was worked out.
    learned_until : mapping of str to datetime
        When people said the latest of what the maker of such a table had learned, UTC and naive:
        what it tells of earlier times it tells in hindsight.
    posted : Mark
        How much of what was posted to the service the tables hold.
    """

    contracts: Mapping[str, Table]
    observed_until: dt.datetime
    data: Mapping[str, pa.Table | Path]
    digests: Mapping[str, str] | None = None
    stale_days: Mapping[str, float] = field(default_factory=dict)
    made_by: Mapping[str, str] = field(default_factory=dict)
    learned_until: Mapping[str, dt.datetime] = field(default_factory=dict)
    posted: Mark = NOTHING_POSTED

    @classmethod
    def open(cls, folder: Path) -> History:
        """Open clean history on disk.

        Parameters
        ----------
        folder : Path
            The folder that ingestion wrote.

        Raises
        ------
        SourceError
            If the folder holds no complete clean history.
        """
        manifest = read_manifest(folder)
        contracts, data = {}, {}
        for name, entry in manifest.tables.items():
            data[name] = folder / f"{name}.parquet"
            try:
                present = pq.read_schema(data[name]).names
            except (OSError, pa.ArrowInvalid) as error:
                raise SourceError(
                    f"{data[name]}: cannot be read ({error}). Run `churnml check` again."
                ) from error
            contracts[name] = only(entry.contract, present)
        return cls(
            contracts=MappingProxyType(contracts),
            observed_until=manifest.observed_until,
            data=MappingProxyType(data),
            digests={name: entry.fingerprint for name, entry in manifest.tables.items()},
            stale_days=MappingProxyType(
                {k: v.stale_days for k, v in manifest.tables.items() if v.stale_days is not None}
            ),
            posted=manifest.posted,
        )

    @classmethod
    def from_tables(
        cls,
        tables: Mapping[str, pa.Table],
        *,
        observed_until: dt.datetime,
        contracts: Mapping[str, Table] = STANDARD,
    ) -> History:
        """Hold rows in memory as history.

        What a table's contract promises of clean rows is taken on trust, but for what would break
        the computation itself: missing accounts and event times, and numbers that are not finite.

        Parameters
        ----------
        tables : mapping of str to pyarrow.Table
            Rows by table; columns are cast to the contract's types.
        observed_until : datetime
            The end of observation, UTC and naive.
        contracts : mapping of str to Table
            The contracts; give more than the standard ones for further tables.

        Raises
        ------
        DataError
            If a table or column is not in the contracts, a value does not fit its type, an account
            or an event time is missing, or a number is not finite.
        """
        held, kept = {}, {}
        for name, rows in tables.items():
            if name not in contracts:
                raise DataError(f"no contract for table {name!r}.{nearest(name, contracts)}")
            kept[name] = only(contracts[name], rows.column_names)
            held[name] = typed(kept[name], rows)
        return cls(
            contracts=MappingProxyType(kept),
            observed_until=observed_until,
            data=MappingProxyType(held),
        )

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 over the content of all tables, when it is known, and the end of observation."""
        digests = self.known_digests
        rules = {name: _rules(table) for name, table in self.contracts.items()}
        parts = [f"{name}:{digest}:{rules[name]}" for name, digest in sorted(digests.items())]
        text = "\n".join([self.observed_until.isoformat(), *parts])
        return hashlib.sha256(text.encode()).hexdigest()

    @cached_property
    def known_digests(self) -> Mapping[str, str]:
        """SHA-256 of each table's content."""
        if self.digests is not None:
            return self.digests
        return {name: _content(self.hindsight(name)) for name in self.contracts}

    def contract(self, table: str) -> Table:
        """Look up the contract of a table that is present.

        Raises
        ------
        DataError
            If history holds no such table, with the nearest name.
        """
        if table not in self.contracts:
            raise DataError(f"history has no table {table!r}.{nearest(table, self.contracts)}")
        return self.contracts[table]

    def connect(self, *, memory_limit: str | None = None) -> duckdb.DuckDBPyConnection:
        """Open an engine in memory with one view a table.

        The views hold every row whenever known: only the as-of rule of this module may read them.

        Parameters
        ----------
        memory_limit : str, optional
            DuckDB's bound, such as ``"3GB"``; beyond it the engine spills to the system's folder
            for temporary files.

        Raises
        ------
        ConfigError
            If the memory limit is not understood.
        SourceError
            If a file of clean history is gone or damaged.
        """
        import duckdb

        connection = duckdb.connect(":memory:")
        try:
            connection.execute("SET TimeZone = 'UTC'")
            # DuckDB makes the folder when it first spills, and takes it away when it is closed;
            # left alone it would spill into the working directory.
            spill = Path(tempfile.gettempdir()) / f"churnml-{uuid.uuid4().hex}"
            connection.execute("SET temp_directory = ?", [str(spill)])
            if memory_limit is not None:
                connection.execute("SET memory_limit = ?", [memory_limit])
            for name, rows in self.data.items():
                _show(connection, name, rows)
        except duckdb.ParserException as error:
            connection.close()
            raise ConfigError(
                f"memory limit {memory_limit!r}: {error}. Expected such as '2GB' or '500MB'."
            ) from error
        except (duckdb.IOException, duckdb.InvalidInputException) as error:
            connection.close()
            raise SourceError(
                f"clean history cannot be read: {error}. Run `churnml check` again."
            ) from error
        return connection

    def query(self, sql: str, parameters: Mapping[str, object] | None = None) -> pa.Table:
        """Ask one question of all rows, whenever known; see `connect`.

        Parameters
        ----------
        sql : str
            One statement, in DuckDB's dialect.
        parameters : mapping of str to object, optional
            What it names by ``$name``.

        Raises
        ------
        SourceError
            If a file of clean history is gone or damaged, or disk or memory does not suffice.
        """
        import duckdb

        with self.connect() as connection:
            try:
                return connection.execute(sql, parameters or {}).to_arrow_table()
            except duckdb.Error as error:
                remedy = no_room(error) or " Run `churnml check` again."
                raise SourceError(
                    f"clean history cannot be read: {said(error)}.{remedy}"
                ) from error

    def as_of(self, cutoff: dt.datetime) -> AsOfView:
        """See history as it was known strictly before `cutoff` (UTC, naive)."""
        return AsOfView(self, cutoff)

    def hindsight(self, table: str) -> pa.Table:
        """Read all rows of a table, whenever they became known.

        For labels and checks alone: anything that predicts must use `as_of`.

        Raises
        ------
        DataError
            If history holds no such table.
        SourceError
            If its file is gone or damaged.
        """
        self.contract(table)
        rows = self.data[table]
        return read_rows(rows) if isinstance(rows, Path) else rows


def read_rows(path: Path, accounts: Iterable[str] | None = None) -> pa.Table:
    """Read the rows of a file of clean history, whenever they became known.

    Parameters
    ----------
    path : Path
        The file. It is sorted by account, so that whole row groups are passed over.
    accounts : iterable of str, optional
        Whose rows; everybody's when omitted.

    Raises
    ------
    SourceError
        If the file is gone or damaged.
    """
    chosen = None if accounts is None else [(ACCOUNT_ID, "in", list(accounts))]
    try:
        return pq.read_table(path, filters=chosen)
    except (OSError, pa.ArrowInvalid) as error:
        why = str(error).strip().rstrip(".")
        raise SourceError(f"{path}: cannot be read: {why}. Run `churnml check` again.") from error


@dataclass(frozen=True, eq=False)
class AsOfView:
    """History as it was known strictly before a cutoff.

    Parameters
    ----------
    _history : History
        All rows; the view's own, since who is given a view is to see no more than it shows.
    cutoff : datetime
        The instant, UTC and naive.
    """

    _history: History
    cutoff: dt.datetime

    def __post_init__(self) -> None:
        microseconds(self.cutoff)

    @cached_property
    def tables(self) -> tuple[str, ...]:
        """The tables that features may read."""
        return tuple(k for k, v in self._history.contracts.items() if not v.label_only)

    def table(self, name: str) -> pa.Table:
        """Read a table: rows not yet known are absent, columns not yet known are null.

        Parameters
        ----------
        name : str
            The table.

        Returns
        -------
        pyarrow.Table
            Every column of the contract that is present.

        Raises
        ------
        DataError
            If there is no such table, or it is reserved for labels.
        SourceError
            If its file is gone or damaged.
        """
        contract = self._history.contract(name)
        if contract.label_only:
            raise DataError(
                f"table {name!r} tells what became of accounts and is read by labels alone; "
                "a feature may not use it."
            )
        return self._history.query(
            as_of_select(contract, self.cutoff).sql(dialect="duckdb", identify=True)
        )


def as_of_select(table: Table, cutoff: dt.datetime) -> exp.Select:
    """Write the query that reads `table` as it was known strictly before `cutoff`.

    Parameters
    ----------
    table : Table
        The contract, holding only the columns that are present.
    cutoff : datetime
        UTC, naive.

    Returns
    -------
    sqlglot.exp.Select
        Rows known and not yet replaced before the cutoff, with columns that were not yet known as
        null.
    """
    instant = exp.cast(exp.Literal.string(cutoff.isoformat(sep=" ")), "timestamp")
    selected = [_blanked(column, instant).as_(column.name) for column in table.columns]
    return exp.select(*selected).from_(exp.to_table(table.name)).where(standing(table, instant))


def _blanked(column: Column, instant: exp.Expr) -> exp.Expr:
    if column.known is None:
        return exp.column(column.name)
    return exp.Case().when(exp.column(column.known) < instant, exp.column(column.name))


def _show(connection: duckdb.DuckDBPyConnection, name: str, rows: pa.Table | Path) -> None:
    """Make a view of one table."""
    if isinstance(rows, Path):
        source = exp.Literal.string(str(rows)).sql(dialect="duckdb")
        view = exp.to_identifier(name, quoted=True).sql(dialect="duckdb")
        connection.execute(f"CREATE VIEW {view} AS FROM read_parquet({source})")
    else:
        connection.register(name, rows)


def _rules(table: Table) -> str:
    """Write what a contract says of when and how rows count; its words are left out.

    The same bytes under another rule are another history: a column found to be known later than
    was declared must not leave what was made from it in use.
    """
    columns = [[c.name, c.kind.value, c.known] for c in table.columns]
    own = [table.time, table.key, table.dimension, table.scheduled, table.label_only]
    versions = [] if table.replaced is None else [table.replaced]
    return json.dumps([columns, own + versions])


def _content(rows: pa.Table) -> str:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, rows.schema) as writer:
        writer.write_table(rows.combine_chunks())
    return hashlib.sha256(sink.getvalue()).hexdigest()


def microseconds(cutoff: dt.datetime) -> int:
    """Count the microseconds from 1970 to a cutoff.

    Parameters
    ----------
    cutoff : datetime
        UTC, naive.

    Raises
    ------
    DataError
        If it has a time zone.
    """
    if cutoff.tzinfo is not None:
        raise DataError(
            f"cutoff {cutoff.isoformat()} has a time zone; expected a naive time in UTC. "
            "Convert it and drop the zone."
        )
    return (cutoff - _EPOCH) // dt.timedelta(microseconds=1)


def instant_of(cutoff: int) -> dt.datetime:
    """Turn microseconds since 1970 back into a time, UTC and naive."""
    return _EPOCH + dt.timedelta(microseconds=cutoff)
