"""Rows that were posted to the service, laid over those that sources gave.

A posted row of a table that has a key completes an earlier one of the same key: columns that are
known at a time of their own (a ticket's ``csat`` at ``csat_at``) are taken from the first row that
has that time, and all others stay what the first row said. What was known is so never told anew,
and a cutoff of the past sees what it saw. Rows of a table without a key are added as they are.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from churnml.errors import SourceError
from churnml.history.asof import History, read_rows
from churnml.history.dialect import identifier, literal, said
from churnml.history.manifest import NOTHING_POSTED, Mark
from churnml.history.memory import ARROW_TYPES, empty, only, typed
from churnml.history.store import derived_accounts, order
from churnml.history.tables import ACCOUNT_ID, ACCOUNTS, RECORDED_AT, Kind, Table

MANIFEST = "posted.json"
NUMBER = "_number"
_MERGED = "_merged"


@dataclass(frozen=True)
class Posted:
    """What was posted, as it lies in a folder for history to be read from.

    Parameters
    ----------
    folder : Path
        Holds a file a table.
    mark : Mark
        The last event that is in it; later rows in the files do not count.
    newest : datetime or None
        When the last of it became known, UTC and naive; None where nothing was posted.
    tables : tuple of str
        Which tables have rows.
    """

    folder: Path
    mark: Mark = NOTHING_POSTED
    newest: dt.datetime | None = None
    tables: tuple[str, ...] = ()

    @classmethod
    def read(cls, folder: Path) -> Posted:
        """Read what lies there; nothing where nobody has posted anything.

        Raises
        ------
        SourceError
            If it is damaged.
        """
        path = folder / MANIFEST
        if not path.is_file():
            return cls(folder)
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            newest = content["newest"]
            return cls(
                folder,
                Mark(**content["mark"]),
                None if newest is None else dt.datetime.fromisoformat(newest),
                tuple(content["tables"]),
            )
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise SourceError(
                f"{path}: cannot be read ({error!r}). Remove {folder}; `churnml check` writes it "
                "anew from the service's store."
            ) from error

    def file(self, table: str) -> Path:
        """Say where the rows of a table lie."""
        return self.folder / f"{table}.parquet"

    def write_manifest(self) -> None:
        """Write down what there is, last of all."""
        content = {
            "mark": asdict(self.mark),
            "newest": None if self.newest is None else self.newest.isoformat(),
            "tables": list(self.tables),
        }
        beside = self.folder / f".{MANIFEST}.unfinished"
        beside.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
        beside.replace(self.folder / MANIFEST)

    def state(self) -> dict[str, list[int]]:
        """Tell the files from what they were at another time."""
        if not self.mark.number:
            return {}
        paths = [self.folder / MANIFEST, *map(self.file, self.tables)]
        try:
            found = {str(path): path.stat() for path in paths}
        except OSError as error:
            raise self._lost(error) from error
        return {path: [item.st_size, item.st_mtime_ns] for path, item in found.items()}

    def columns(self, table: str) -> pa.Schema:
        """Read which columns the rows of a table have.

        Raises
        ------
        SourceError
            If its file is gone or damaged.
        """
        try:
            return pq.read_schema(self.file(table))
        except (OSError, pa.ArrowInvalid) as error:
            raise self._lost(error) from error

    def fits(self, contracts: Mapping[str, Table]) -> bool:
        """Whether the rows of all tables can be read, and have the types of today's contracts."""
        try:
            return all(_fits(contracts[name], self.columns(name)) for name in self.tables)
        except SourceError:
            return False

    def _lost(self, error: Exception) -> SourceError:
        return SourceError(
            f"{self.folder}: what was posted to the service cannot be read ({error}). "
            "`churnml check` writes it anew from the service's store."
        )

    def relation(self, table: str) -> str:
        """Write SQL of a table's rows, with their numbers."""
        path = literal(self.file(table))
        return f"(SELECT * FROM read_parquet({path}) WHERE {NUMBER} <= {self.mark.number})"


@dataclass(frozen=True)
class Laid:
    """A table with what was posted.

    Parameters
    ----------
    query : str
        SQL of its rows.
    present : tuple of str
        Its columns, in the contract's order.
    contradicting : str
        SQL that counts the posted rows that say otherwise than an earlier one of their key; what
        they say is not taken.
    """

    query: str
    present: tuple[str, ...]
    contradicting: str


def laid_over(
    table: Table, base: str, there: Iterable[str], posted: str, sent: Iterable[str]
) -> Laid:
    """Write the query of a table with what was posted.

    Parameters
    ----------
    table : Table
        The contract; all of it, also columns that are not there.
    base : str
        SQL of the rows that sources gave. Where they gave no such table it has no rows, and all
        columns, so that what there is does not depend on what happened to be posted.
    there : iterable of str
        The columns of these.
    posted : str
        SQL of the rows that were posted, with their numbers.
    sent : iterable of str
        The columns of these.
    """
    own, more = set(there), set(sent)
    present = tuple(name for name in table.names if name in own | more)
    added = f"SELECT {_named(n for n in present if n in more)}, {NUMBER} FROM {posted}"
    first = f"SELECT {_named(n for n in present if n in own)}, 0 AS {NUMBER} FROM {base}"
    rows = f"({first} UNION ALL BY NAME {added})"
    if not table.key:
        return Laid(f"SELECT {_named(present)} FROM ({rows})", present, "SELECT 0")
    # Rows of two accounts are never one, so that an account's history needs nobody else's.
    key = [name for name in dict.fromkeys((ACCOUNT_ID, *table.key)) if name in present]
    same = " AND ".join(f"a.{identifier(k)} IS NOT DISTINCT FROM b.{identifier(k)}" for k in key)
    touched = f"(SELECT a.* FROM ({rows}) AS a SEMI JOIN ({added}) AS b ON {same})"
    values = ", ".join(_first(table, name) for name in present if name not in key)
    merged = f"SELECT {_named(key)}, {values} FROM {touched} GROUP BY {_named(key)}"
    contradicting = (
        f"SELECT count(*) FROM ({added}) AS a JOIN ({merged}) AS b ON {same} "
        f"WHERE {_contradiction(n for n in present if n in more and n not in {*key, RECORDED_AT})}"
    )
    rest = f"SELECT a.* FROM {base} AS a ANTI JOIN ({added}) AS b ON {same}"
    return Laid(f"{merged} UNION ALL BY NAME ({rest})", present, contradicting)


def _fits(table: Table, there: pa.Schema) -> bool:
    types = {column.name: ARROW_TYPES[column.kind] for column in table.columns}
    return all(types.get(c.name, c.type) == c.type for c in there)


def _first(table: Table, name: str) -> str:
    """Take a column from the first row that tells it: of its key, or that has its known time."""
    column, known = identifier(name), table.column(name).known
    kept = f" FILTER ({identifier(known)} IS NOT NULL)" if known is not None else ""
    return f"first({column} ORDER BY {NUMBER}){kept} AS {column}"


def _contradiction(names: Iterable[str]) -> str:
    """Write the condition that a row says something, and not what was taken."""
    told = (
        f"(a.{identifier(n)} IS NOT NULL AND a.{identifier(n)} IS DISTINCT FROM b.{identifier(n)})"
        for n in names
    )
    return " OR ".join(told) or "false"


def _named(names: Iterable[str]) -> str:
    return ", ".join(map(identifier, names))


def live(
    history: History,
    contracts: Mapping[str, Table],
    accounts: Iterable[str],
    posted: Mapping[str, pa.Table],
    observed_until: dt.datetime,
    tables: Iterable[str] = (),
    *,
    derive: bool = False,
) -> History:
    """Give the history of some accounts with what was posted since, in memory.

    Parameters
    ----------
    history : History
        Clean history.
    contracts : mapping of str to Table
        All tables that a project may have, whole.
    accounts : iterable of str
        Whose history.
    posted : mapping of str to pyarrow.Table
        Their rows of after `history.posted`, in the contracts' types, with their numbers.
    observed_until : datetime
        The end of observation, UTC and naive.
    tables : iterable of str
        Further tables that anybody has posted rows of: they are there, whoever is asked for.
    derive : bool
        Whether accounts follow from the rows of the other tables.

    Raises
    ------
    SourceError
        If clean history is gone or damaged.
    """
    whose = sorted(accounts)
    data, present = {}, {}
    for name in dict.fromkeys((*history.contracts, *posted, *tables)):
        if name in history.contracts:
            data[name], present[name] = _of_accounts(history, name, whose), history.contracts[name]
        else:
            data[name], present[name] = empty(contracts[name]), contracts[name]
        if name in posted:
            data[name] = _merged(contracts[name], data[name], posted[name])
            present[name] = only(contracts[name], data[name].column_names)
    if derive and posted:
        others = {k: v for k, v in present.items() if k not in {ACCOUNTS.name, *history.made_by}}
        data[ACCOUNTS.name] = _derived(present[ACCOUNTS.name], data, others)
    return replace(
        history,
        contracts=MappingProxyType(present),
        data=MappingProxyType(data),
        observed_until=observed_until,
        digests=None,
    )


def _of_accounts(history: History, name: str, accounts: list[str]) -> pa.Table:
    rows = history.data[name]
    if isinstance(rows, Path):
        return read_rows(rows, accounts)
    return rows.filter(pc.is_in(rows[ACCOUNT_ID], pa.array(accounts, pa.string())))


def _merged(table: Table, base: pa.Table, posted: pa.Table) -> pa.Table:
    import duckdb

    sent = [name for name in posted.column_names if name != NUMBER]
    with duckdb.connect(":memory:") as connection:
        connection.register("_posted", posted)
        connection.register("_base", base)
        laid = laid_over(table, "_base", base.column_names, "_posted", sent)
        query = f"SELECT * FROM ({laid.query}) ORDER BY {order(table, laid.present)}"
        try:
            rows = connection.execute(query).to_arrow_table()
        except duckdb.Error as error:
            raise SourceError(f"table {table.name!r}: {said(error)}.") from error
    return typed(only(table, laid.present), rows)


def _derived(
    accounts: Table, data: Mapping[str, pa.Table], tables: Mapping[str, Table]
) -> pa.Table:
    import duckdb

    with duckdb.connect(":memory:") as connection:
        for name in tables:
            connection.register(name, data[name])
        query = derived_accounts(accounts, {identifier(k): v for k, v in tables.items()})
        rows = connection.execute(f"{query} ORDER BY {ACCOUNT_ID}").to_arrow_table()
    return typed(accounts, rows)


def arranged(table: Table, rows: Sequence[Mapping[str, Any]], numbers: Sequence[int]) -> pa.Table:
    """Lay posted rows out in the types of a contract.

    Parameters
    ----------
    table : Table
        The contract, as it is now. A column that it no longer has is left out.
    rows : sequence of mapping
        As JSON knows them, once found to fit; times are ISO 8601, UTC and naive.
    numbers : sequence of int
        Of the events, row by row.

    Raises
    ------
    SourceError
        If a value does not fit the contract, which was another when it was posted.
    """
    columns = {}
    for column in table.columns:
        versioned = column.name == RECORDED_AT and RECORDED_AT in table.key
        if not versioned and not any(column.name in row for row in rows):
            continue
        values = [row.get(column.name) for row in rows]
        if versioned:  # as the contract has it: from the event time on where nothing is said
            values = [v or row[table.time] for v, row in zip(values, rows, strict=True)]
        if column.kind is Kind.TIME:
            values = [None if v is None else dt.datetime.fromisoformat(v) for v in values]
        try:
            columns[column.name] = pa.array(values, ARROW_TYPES[column.kind])
        except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
            raise SourceError(
                f"table {table.name!r}: what was posted as {column.name!r} does not fit the "
                f"contract of today: {error}. Give the column another name under [contracts]."
            ) from error
    return pa.table({**columns, NUMBER: pa.array(numbers, pa.int64())})
