"""The as-of view: the one place where history is cut by time, and the only way to it.

A fact is visible at a cutoff when it was known strictly before. The view drops rows that were not
yet known and blanks columns that were not; `known_at` gives the same rule to the segment plan, as
an expression that any SQL engine can run.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
from sqlglot import exp

from churnml.errors import DataError, SourceError, nearest
from churnml.history.tables import RECORDED_AT, STANDARD, Column, Kind, Table

if TYPE_CHECKING:
    import duckdb

MANIFEST = "manifest.json"

ARROW_TYPES: Mapping[Kind, pa.DataType] = MappingProxyType(
    {
        Kind.ID: pa.string(),
        Kind.STRING: pa.string(),
        Kind.NUMBER: pa.float64(),
        Kind.INTEGER: pa.int64(),
        Kind.BOOLEAN: pa.bool_(),
        Kind.TIME: pa.timestamp("us"),
    }
)


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
    needed = [name for name in dict.fromkeys(times) if name != table.time or name not in row]
    terms = [_row_term(table, name) for name in row]
    terms += [exp.column(name) for name in needed if name not in row]
    latest = terms[0] if len(terms) == 1 else exp.Greatest(this=terms[0], expressions=terms[1:])
    nullable = [name for name in needed if name != table.time]
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
    fingerprint : str
        SHA-256 over the content of all tables.
    """

    contracts: Mapping[str, Table]
    observed_until: dt.datetime
    data: Mapping[str, pa.Table | Path]
    fingerprint: str

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
        path = folder / MANIFEST
        try:
            manifest = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError as error:
            raise SourceError(
                f"{folder}: no clean history here ({MANIFEST} is missing). "
                "Run `churnml check` to read the sources."
            ) from error
        contracts, data = {}, {}
        for name, entry in manifest["tables"].items():
            data[name] = folder / f"{name}.parquet"
            try:
                present = pq.read_schema(data[name]).names
            except (OSError, pa.ArrowInvalid) as error:
                raise SourceError(
                    f"{data[name]}: cannot be read ({error}). Run `churnml check` again."
                ) from error
            contracts[name] = _only(contract_from_dict(entry["contract"]), present)
        return cls(
            contracts=MappingProxyType(contracts),
            observed_until=dt.datetime.fromisoformat(manifest["observed_until"]),
            data=MappingProxyType(data),
            fingerprint=_digest(
                manifest["observed_until"],
                *(f"{k}:{v['fingerprint']}" for k, v in sorted(manifest["tables"].items())),
            ),
        )

    @classmethod
    def from_tables(
        cls,
        tables: Mapping[str, pa.Table],
        *,
        observed_until: dt.datetime,
        contracts: Mapping[str, Table] = STANDARD,
    ) -> History:
        """Hold rows in memory as history; they are trusted to be clean.

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
            If a table or column is not in the contracts, or a value does not fit its type.
        """
        held, kept = {}, {}
        for name, rows in tables.items():
            if name not in contracts:
                raise DataError(f"no contract for table {name!r}.{nearest(name, contracts)}")
            kept[name] = _only(contracts[name], rows.column_names)
            held[name] = _cast(kept[name], rows)
        return cls(
            contracts=MappingProxyType(kept),
            observed_until=observed_until,
            data=MappingProxyType(held),
            fingerprint=_digest(
                observed_until.isoformat(), *(_content(k, held[k]) for k in sorted(held))
            ),
        )

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
            DuckDB's bound, such as ``"3GB"``; beyond it the engine spills to disk.
        """
        import duckdb

        connection = duckdb.connect(":memory:")
        connection.execute("SET TimeZone = 'UTC'")
        if memory_limit is not None:
            connection.execute("SET memory_limit = ?", [memory_limit])
        for name, rows in self.data.items():
            if isinstance(rows, Path):
                source = exp.Literal.string(str(rows)).sql(dialect="duckdb")
                connection.execute(f'CREATE VIEW "{name}" AS FROM read_parquet({source})')
            else:
                connection.register(name, rows)
        return connection

    def as_of(self, cutoff: dt.datetime) -> AsOfView:
        """See history as it was known strictly before `cutoff` (UTC, naive)."""
        return AsOfView(self, cutoff)

    def hindsight(self, table: str) -> pa.Table:
        """Read all rows of a table, whenever they became known.

        For labels and checks alone: anything that predicts must use `as_of`.
        """
        self.contract(table)
        rows = self.data[table]
        return pq.read_table(rows) if isinstance(rows, Path) else rows


@dataclass(frozen=True, eq=False)
class AsOfView:
    """History as it was known strictly before a cutoff.

    Parameters
    ----------
    history : History
        All rows.
    cutoff : datetime
        The instant, UTC and naive.
    """

    history: History
    cutoff: dt.datetime

    def __post_init__(self) -> None:
        if self.cutoff.tzinfo is not None:
            raise DataError(
                f"cutoff {self.cutoff.isoformat()} has a time zone; "
                "expected a naive time in UTC. Convert it and drop the zone."
            )

    @cached_property
    def tables(self) -> tuple[str, ...]:
        """The tables that features may read."""
        return tuple(k for k, v in self.history.contracts.items() if not v.label_only)

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
        """
        contract = self.history.contract(name)
        if contract.label_only:
            raise DataError(
                f"table {name!r} tells what became of accounts and is read by labels alone; "
                "a feature may not use it."
            )
        query = as_of_select(contract, self.cutoff).sql(dialect="duckdb")
        with self.history.connect() as connection:
            return connection.execute(query).to_arrow_table()


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
        Rows known before the cutoff, with columns that were not yet known as null.
    """
    instant = exp.cast(exp.Literal.string(cutoff.isoformat(sep=" ")), "timestamp")
    selected = [_blanked(column, instant).as_(column.name) for column in table.columns]
    return (
        exp.select(*selected).from_(exp.to_table(table.name)).where(known_at(table, ()) < instant)
    )


def _blanked(column: Column, instant: exp.Expr) -> exp.Expr:
    if column.known is None:
        return exp.column(column.name)
    return exp.Case().when(exp.column(column.known) < instant, exp.column(column.name))


def contract_from_dict(content: Mapping[str, Any]) -> Table:
    """Rebuild a contract from ``dataclasses.asdict`` of it, as the manifest stores it."""
    columns = tuple(
        Column(**{**item, "kind": Kind(item["kind"]), "choices": tuple(item["choices"])})
        for item in content["columns"]
    )
    return Table(**{**content, "key": tuple(content["key"]), "columns": columns})


def contract_to_dict(table: Table) -> dict[str, Any]:
    """Turn a contract into plain values for the manifest; `contract_from_dict` reverses it."""
    return asdict(table)


def _only(table: Table, present: Iterable[str]) -> Table:
    """Keep the columns that are there, and of the rest forget that they were declared."""
    there = set(present)
    unknown = sorted(there - set(table.names))
    if unknown:
        raise DataError(
            f"table {table.name!r}: column {unknown[0]!r} is not in its contract."
            f"{nearest(unknown[0], table.names)}"
        )
    lost = [name for name in (*table.key, table.time) if name not in there and name != RECORDED_AT]
    if lost:
        raise DataError(f"table {table.name!r}: required columns are missing: {', '.join(lost)}.")
    columns = tuple(
        replace(column, after=column.after if column.after in there else None)
        for column in table.columns
        if column.name in there and (column.known is None or column.known in there)
    )
    names = {column.name for column in columns}
    return replace(
        table,
        columns=columns,
        key=tuple(name for name in table.key if name in names),
        dimension=table.dimension if table.dimension in names else None,
    )


def _cast(table: Table, rows: pa.Table) -> pa.Table:
    schema = pa.schema([(column.name, ARROW_TYPES[column.kind]) for column in table.columns])
    try:
        return rows.select(list(table.names)).cast(schema)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise DataError(f"table {table.name!r}: {error}. Expected types: {schema}.") from error


def _content(name: str, rows: pa.Table) -> str:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, rows.schema) as writer:
        writer.write_table(rows.combine_chunks())
    return f"{name}:{hashlib.sha256(sink.getvalue()).hexdigest()}"


def _digest(*parts: str) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()
