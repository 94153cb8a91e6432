"""A table of the contract over a source: which column comes from where, and read as what."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from churnml.errors import SourceError, nearest
from churnml.history.conversions import Conversion, conversion, is_scalar
from churnml.history.csv_files import ROW, SOURCE
from churnml.history.dialect import any_of, given_values, identifier, literal, run
from churnml.history.extracts import Extract
from churnml.history.sources import TableSource
from churnml.history.tables import RECORDED_AT, Table

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

# Prefixes of the columns that travel beside the contract's own, which hold no dot.
RAW, GIVEN, TRIED = "raw.", "given.", "try."
BAD, NAN, NAIVE, ZONED = "bad.", "nan.", "naive.", "zoned."


@dataclass(frozen=True)
class MappedTable:
    """A table whose columns are read from a source, row by row, none judged yet.

    Parameters
    ----------
    table : Table
        The contract; all of it, also columns the source does not have.
    present : tuple of str
        The columns that are there, in the contract's order.
    relation : str
        SQL to select from: the contract's columns in their kinds; ``raw.x`` as the source has x;
        ``given.c`` the value that column c was read from and ``bad.c`` whether that failed;
        ``nan.c``, ``naive.c``, ``zoned.c`` for some; ``_source`` and ``_row``.
    raw : tuple of str
        The source's columns.
    unused : tuple of str
        Those of them that no column was read from, as far as that can be told.
    with_nan, with_zones : tuple of str
        The columns that have ``nan.c``, and ``naive.c`` with ``zoned.c``.
    extract : Extract
        The opened source.
    """

    table: Table
    present: tuple[str, ...]
    relation: str
    raw: tuple[str, ...]
    unused: tuple[str, ...]
    with_nan: tuple[str, ...]
    with_zones: tuple[str, ...]
    extract: Extract

    def has(self, name: str) -> bool:
        """Whether the source fills a column."""
        return name in self.present


def missing_columns(table: Table, source: TableSource, extract: Extract) -> tuple[str, ...]:
    """Name the required columns that nothing fills."""
    filled = {*source.columns, *source.expressions, *source.constants, *extract.columns}
    return tuple(
        column.name for column in table.columns if column.required and column.name not in filled
    )


def map_table(
    connection: DuckDBPyConnection,
    table: Table,
    source: TableSource,
    extract: Extract,
    *,
    zone: str,
    copy: Path,
) -> MappedTable:
    """Read a source as a table of the contract.

    Parameters
    ----------
    connection : duckdb.DuckDBPyConnection
        The engine.
    table : Table
        The contract.
    source : TableSource
        How its columns are filled.
    extract : Extract
        The opened source.
    zone : str
        The zone of times that have none.
    copy : Path
        Where the rows are kept once read, for sources of text, which are slow to read again.

    Raises
    ------
    SourceError
        If a mapped source column is not there, cannot be a column, or SQL in the mapping fails.
    """
    given = _given(table, source, extract)
    present = tuple(name for name in table.names if name in given)
    inner = _inner(table, source, extract, given)
    described = run(connection, table.name, f"DESCRIBE {inner}").fetchall()
    inner, types = _recoded(inner, {row[0]: row[1] for row in described}, source)
    conversions = {
        name: conversion(
            table.column(name).kind,
            types[GIVEN + name],
            identifier(GIVEN + name),
            zone=zone,
            form=source.formats.get(name),
        )
        for name in present
    }
    relation = f"(SELECT *, {', '.join(_read(conversions, source))} FROM ({inner}))"
    if RECORDED_AT in table.key:
        relation, present = _with_recorded(table, present, relation)
    if extract.copied or source.expressions:
        _copy(connection, table.name, relation, copy, trying=bool(source.expressions))
        relation = f"read_parquet({literal(copy)})"
    else:
        # Fails here, with the table's name, where SQL of the mapping is at fault.
        run(connection, table.name, f"EXPLAIN SELECT * FROM {relation}")
    return MappedTable(
        table=table,
        present=present,
        relation=relation,
        raw=tuple(extract.columns),
        unused=_unused(given, source, extract),
        with_nan=tuple(name for name, item in conversions.items() if item.nan),
        with_zones=tuple(name for name, item in conversions.items() if item.zoned),
        extract=extract,
    )


def _copy(
    connection: DuckDBPyConnection, table: str, relation: str, copy: Path, *, trying: bool
) -> None:
    """Keep the rows as they were read."""
    sql = f"COPY {relation} TO {literal(copy)} (FORMAT parquet)"
    try:
        run(connection, table, sql)
    except SourceError:
        if not trying:
            raise
        # DuckDB 1.5 computes what two parts of an expression share before either TRY, where it
        # fails for all rows. Without that saving it is slower and right.
        connection.execute("SET disabled_optimizers = 'common_subexpressions'")
        try:
            run(connection, table, sql)
        finally:
            connection.execute("SET disabled_optimizers = ''")


def _given(table: Table, source: TableSource, extract: Extract) -> Mapping[str, str]:
    """Write the SQL that gives each column's value, before it is read as its kind."""
    given = {name: identifier(name) for name in table.names if name in extract.columns}
    for name, column in source.columns.items():
        if column not in extract.columns:
            raise SourceError(
                f"tables.{table.name}.columns.{name}: {extract.origin} has no column {column!r}."
                f"{nearest(column, extract.columns)}"
            )
        given[name] = identifier(column)
    for name, value in source.constants.items():
        number = isinstance(value, int | float)  # and booleans
        given[name] = str(value).lower() if number else literal(value)
    for name in source.expressions:
        given[name] = f"{identifier(TRIED + name)}[1]"
    for section in ("values", "formats"):
        for name in getattr(source, section):
            if name not in given:
                raise SourceError(
                    f"tables.{table.name}.{section}.{name}: nothing of {extract.origin} fills this "
                    f"column.{nearest(name, extract.columns)} Map it in `columns`."
                )
    return given


def _inner(table: Table, source: TableSource, extract: Extract, given: Mapping[str, str]) -> str:
    """Select the rows that belong to the table, raw and with the value given for each column."""
    for name in given:
        column = source.columns.get(name, name)
        sql_type = extract.columns.get(column, "VARCHAR")
        if name not in source.expressions and not is_scalar(sql_type):
            raise SourceError(
                f"tables.{table.name}: column {column!r} of {extract.origin} is {sql_type}; "
                f"expected one value a row. Give {name!r} in `expressions`."
            )
    raw = (f"{identifier(name)} AS {identifier(RAW + name)}" for name in extract.columns)
    values = given_values(extract.columns, source.missing)
    rows = f"SELECT {SOURCE}, {ROW}, {', '.join([*raw, *values])} FROM {extract.relation}"
    # TRY makes a fault of the one row that an expression fails on; wrapped in a list, a failure
    # can be told from a null.
    tried = "".join(
        f", TRY([({sql})]) AS {identifier(TRIED + name)}"
        for name, sql in source.expressions.items()
    )
    rows = f"SELECT *{tried} FROM ({rows})" + (f" WHERE ({source.where})" if source.where else "")
    selected = [
        SOURCE,
        ROW,
        *(identifier(RAW + name) for name in extract.columns),
        *(identifier(TRIED + name) for name in source.expressions),
        *(f"{value} AS {identifier(GIVEN + name)}" for name, value in given.items()),
    ]
    return f"SELECT {', '.join(selected)} FROM ({rows})"


def _recoded(
    inner: str, types: Mapping[str, str], source: TableSource
) -> tuple[str, dict[str, str]]:
    """Recode the values that are to be recoded, which makes them texts."""
    changed, after = [], dict(types)
    for name, codes in source.values.items():
        column = identifier(GIVEN + name)
        cases = " ".join(f"WHEN {literal(old)} THEN {literal(new)}" for old, new in codes.items())
        words = f"CAST({column} AS VARCHAR)"
        changed.append(f"CASE {words} {cases} ELSE {words} END AS {column}")
        after[GIVEN + name] = "VARCHAR"
    if not changed:
        return inner, after
    return f"SELECT * REPLACE ({', '.join(changed)}) FROM ({inner})", after


def _read(conversions: Mapping[str, Conversion], source: TableSource) -> list[str]:
    selected = []
    for name, item in conversions.items():
        given = identifier(GIVEN + name)
        unread = f"{given} IS NOT NULL AND ({item.value}) IS NULL"
        failed = [f"{unread} AND NOT coalesce({item.nan}, false)" if item.nan else unread]
        if name in source.expressions:
            failed.append(f"{identifier(TRIED + name)} IS NULL")
        selected.append(f"{item.value} AS {identifier(name)}")
        selected.append(f"{any_of(failed)} AS {identifier(BAD + name)}")
        for prefix, flag in ((NAN, item.nan), (NAIVE, item.naive), (ZONED, item.zoned)):
            if flag:
                selected.append(f"coalesce({flag}, false) AS {identifier(prefix + name)}")
    return selected


def _with_recorded(
    table: Table, present: tuple[str, ...], relation: str
) -> tuple[str, tuple[str, ...]]:
    """Take a version as recorded when it happened, where nothing else is said."""
    if RECORDED_AT in present:
        filled = f"* REPLACE (coalesce({RECORDED_AT}, {table.time}) AS {RECORDED_AT})"
        return f"(SELECT {filled} FROM {relation})", present
    filled = (
        f"*, {table.time} AS {RECORDED_AT}, CAST(NULL AS VARCHAR) AS "
        f"{identifier(GIVEN + RECORDED_AT)}, false AS {identifier(BAD + RECORDED_AT)}"
    )
    names = tuple(name for name in table.names if name in {*present, RECORDED_AT})
    return f"(SELECT {filled} FROM {relation})", names


def _unused(given: Mapping[str, str], source: TableSource, extract: Extract) -> tuple[str, ...]:
    used = {source.columns.get(name, name) for name in given}
    sql = " ".join([*source.expressions.values(), source.where or ""])
    return tuple(name for name in extract.columns if name not in used and name not in sql)
