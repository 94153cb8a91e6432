"""The rules of the contract as SQL, and what breaks them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from churnml.history.conversions import EXPECTED
from churnml.history.csv_files import ROW, SOURCE
from churnml.history.dialect import any_of, identifier, instant, literal, run
from churnml.history.faults import MEANINGS, Fault, Severity
from churnml.history.mappings import BAD, GIVEN, NAIVE, NAN, ZONED, MappedTable
from churnml.history.sources import TableSource
from churnml.history.tables import ACCOUNT_ID, RECORDED_AT, Column, Kind

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

KNOWN_ACCOUNTS = "known_accounts"
_ACCOUNT, _CREATED = '"known.account_id"', '"known.created_at"'
_REPEAT = '"repeat.fault"'
_TIMES = "TIMESTAMP '1900-01-01'", "TIMESTAMP '2200-01-01'"


@dataclass(frozen=True)
class Rule:
    """Something a row must not be.

    Parameters
    ----------
    fault : Fault
        What it is when it is.
    column : str, optional
        The column at fault.
    condition : str
        SQL that is true for a faulty row.
    got : str
        SQL of the offending value, as text.
    expected : str
        What was expected, in words.
    """

    fault: Fault
    column: str | None
    condition: str
    got: str
    expected: str


@dataclass(frozen=True)
class Checked:
    """A mapped table with its rules.

    Parameters
    ----------
    mapped : MappedTable
        The rows.
    rules : tuple of Rule
        What is asked of each row.
    relation : str
        SQL to select from: the rows of `mapped` beside what other tables say of them.
    accept : tuple of Fault
        Faults whose rows are kept.
    early : mapping of str to str
        SQL that is true where a column's value is not yet known at the end of observation, for the
        columns that are known at a time of their own.
    """

    mapped: MappedTable
    rules: tuple[Rule, ...]
    relation: str
    accept: tuple[Fault, ...]
    early: Mapping[str, str]

    def severity(self, fault: Fault) -> Severity:
        """Give the severity of a fault in this table."""
        return Severity.WARNING if fault in self.accept else MEANINGS[fault].severity

    def quarantines(self, fault: Fault) -> bool:
        """Whether rows with a fault are set aside in this table."""
        return MEANINGS[fault].quarantined and fault not in self.accept

    @property
    def faulty(self) -> str:
        """SQL that is true for a row to set aside."""
        return any_of(rule.condition for rule in self.rules if self.quarantines(rule.fault))

    @property
    def in_error(self) -> str:
        """SQL that is true for a row that counts against the table."""
        return any_of(
            rule.condition for rule in self.rules if self.severity(rule.fault) is Severity.ERROR
        )

    @property
    def clean(self) -> str:
        """SQL of the rows of clean history: what is not yet known is blank."""
        blanked = ", ".join(
            f"CASE WHEN {early} THEN NULL ELSE {identifier(name)} END AS {identifier(name)}"
            for name, early in self.early.items()
        )
        columns = f"* REPLACE ({blanked})" if blanked else "*"
        return f"SELECT {columns} FROM {self.relation} WHERE NOT {self.faulty}"

    @property
    def key_text(self) -> str:
        """SQL of what identifies a row, for people."""
        table = self.mapped.table
        names = table.key or (ACCOUNT_ID, table.time)
        parts = (f"coalesce(CAST({identifier(name)} AS VARCHAR), '?')" for name in names)
        return f"concat_ws(' / ', {', '.join(parts)})"


def keep_accounts(connection: DuckDBPyConnection, accounts: MappedTable) -> None:
    """Remember which accounts there are, for the checks of the other tables.

    An account counts as known even where a row of it is faulty: one bad value in the CRM must not
    cost all the history of the account.

    Parameters
    ----------
    connection : duckdb.DuckDBPyConnection
        Where they are kept.
    accounts : MappedTable
        The accounts table.
    """
    run(
        connection,
        "accounts",
        f"CREATE OR REPLACE TEMP TABLE {KNOWN_ACCOUNTS} AS SELECT {ACCOUNT_ID} AS {_ACCOUNT}, "
        f"min(created_at) AS {_CREATED} FROM {accounts.relation} "
        f"WHERE {ACCOUNT_ID} IS NOT NULL GROUP BY ALL",
    )


def checked(
    connection: DuckDBPyConnection,
    mapped: MappedTable,
    source: TableSource,
    *,
    zone: str,
    observed_until: dt.datetime | None,
    accounts_known: bool,
) -> Checked:
    """Set up the rules of a table, but for repeated keys.

    Parameters
    ----------
    connection : duckdb.DuckDBPyConnection
        The engine, which holds the known accounts.
    mapped : MappedTable
        The rows.
    source : TableSource
        Which faults are accepted.
    zone : str
        The zone whose days decide what came before an account.
    observed_until : datetime, optional
        The end of observation, UTC and naive; without it nothing is too late.
    accounts_known : bool
        Whether there is an accounts table to check against.
    """
    against_accounts = accounts_known and mapped.table.name != "accounts"
    relation = mapped.relation
    if against_accounts:
        relation = (
            f"(SELECT * FROM {relation} AS m LEFT JOIN (SELECT {_ACCOUNT}, "
            f"{_day(_CREATED, zone)} AS {_CREATED} FROM {KNOWN_ACCOUNTS}) AS k "
            f"ON m.{ACCOUNT_ID} = k.{_ACCOUNT})"
        )
    rules = [
        *_value_rules(mapped, _mixed(connection, mapped)),
        *_order_rules(mapped),
        *(_end_rules(mapped, observed_until) if observed_until is not None else ()),
        *(_account_rules(mapped) if against_accounts else ()),
        *_warnings(mapped),
    ]
    early = {} if observed_until is None else _early(mapped, observed_until)
    return Checked(mapped, tuple(rules), relation, source.accept, early)


def with_repeats(connection: DuckDBPyConnection, checks: Checked) -> Checked:
    """Find rows whose key another row has, and add the rules that set them aside.

    Of rows with one key, the sound one that was known first stays, whatever the order of the
    source; where several were known then, the least in the order of its values. A row that is not
    yet recorded repeats nothing: it is a later word, which has not been heard.

    Parameters
    ----------
    connection : duckdb.DuckDBPyConnection
        The engine.
    checks : Checked
        A table with its other rules.
    """
    mapped, table = checks.mapped, checks.mapped.table
    if not table.key:
        return checks
    key, names = ", ".join(identifier(name) for name in table.key), ", ".join(table.key)
    known = identifier(table.time)
    if mapped.has(RECORDED_AT):
        known = f"greatest({RECORDED_AT}, {known})"
    values = ", ".join(identifier(name) for name in mapped.present)
    unheard = any_of(r.condition for r in checks.rules if r.fault is Fault.NOT_YET_RECORDED)
    keyed = " AND ".join(f"{identifier(name)} IS NOT NULL" for name in table.key)
    keyed = f"{keyed} AND NOT {unheard}"
    rows = f"(SELECT * FROM {checks.relation} WHERE {keyed})"
    repeats = f"{table.name}_repeats"
    run(
        connection,
        table.name,
        f"CREATE OR REPLACE TEMP TABLE {identifier(repeats)} AS "
        f'SELECT {SOURCE} AS "repeat.source", {ROW} AS "repeat.row", '
        f"if(said IS NOT DISTINCT FROM first_said, 'duplicate', 'conflict') AS {_REPEAT} FROM ("
        f"SELECT {SOURCE}, {ROW}, row({values}) AS said, "
        f"first_value(row({values})) OVER earliest AS first_said, "
        f"row_number() OVER earliest AS place FROM {rows} "
        f"SEMI JOIN (SELECT {key} FROM {rows} GROUP BY ALL HAVING count(*) > 1) USING ({key}) "
        f"WINDOW earliest AS (PARTITION BY {key} "
        f"ORDER BY {checks.faulty}, {known}, row({values}), {SOURCE}, {ROW})"
        f") WHERE place > 1",
    )
    found = run(connection, table.name, f"SELECT count(*) FROM {identifier(repeats)}").fetchone()
    if found is None or found[0] == 0:
        return checks
    relation = (
        f"(SELECT * FROM {checks.relation} AS c LEFT JOIN {identifier(repeats)} AS r "
        f'ON c.{SOURCE} = r."repeat.source" AND c.{ROW} = r."repeat.row")'
    )
    rules = (
        Rule(fault, None, f"{_REPEAT} = '{fault}'", "'a further row'", f"one row for each {names}")
        for fault in (Fault.CONFLICT, Fault.DUPLICATE)
    )
    return replace(checks, rules=(*checks.rules, *rules), relation=relation)


def _mixed(connection: DuckDBPyConnection, mapped: MappedTable) -> tuple[str, ...]:
    """Name the columns in which some times have a zone and some have none."""
    if not mapped.with_zones:
        return ()
    flags = ", ".join(
        f"bool_or({identifier(NAIVE + name)}) AND bool_or({identifier(ZONED + name)})"
        for name in mapped.with_zones
    )
    row = run(connection, mapped.table.name, f"SELECT {flags} FROM {mapped.relation}").fetchone()
    return tuple(name for name, mixed in zip(mapped.with_zones, row or (), strict=True) if mixed)


def _value_rules(mapped: MappedTable, mixed: Sequence[str]) -> Iterator[Rule]:
    for column in map(mapped.table.column, mapped.present):
        name, value = column.name, identifier(column.name)
        given = f"CAST({identifier(GIVEN + name)} AS VARCHAR)"
        bad = identifier(BAD + name)
        if column.required or name in mapped.table.key:
            absent = f"{value} IS NULL AND NOT {bad}"
            yield Rule(Fault.MISSING_VALUE, name, absent, "'nothing'", "a value")
        yield Rule(Fault.UNREADABLE_VALUE, name, bad, given, EXPECTED[column.kind])
        if name in mixed:
            naive = identifier(NAIVE + name)
            yield Rule(Fault.MIXED_ZONES, name, naive, given, "a zone, as other rows have")
        if column.kind is Kind.NUMBER:
            yield Rule(Fault.NOT_FINITE, name, f"isinf({value})", given, "a finite number")
        yield from _bounds(column)


def _bounds(column: Column) -> Iterator[Rule]:
    value, fault = identifier(column.name), Fault.IMPOSSIBLE_VALUE
    got = f"CAST({value} AS VARCHAR)"
    if column.minimum is not None or column.maximum is not None:
        low, high = column.minimum, column.maximum
        outside = [f"{value} < {low!r}"] if low is not None else []
        outside += [f"{value} > {high!r}"] if high is not None else []
        condition = f"({' OR '.join(outside)})"
        if column.kind is Kind.NUMBER:
            condition += f" AND NOT isinf({value})"
        words = [f"at least {low:g}"] if low is not None else []
        words += [f"at most {high:g}"] if high is not None else []
        yield Rule(fault, column.name, condition, got, " and ".join(words))
    if column.choices:
        allowed = ", ".join(literal(choice) for choice in column.choices)
        expected = f"one of {', '.join(column.choices)}"
        yield Rule(fault, column.name, f"{value} NOT IN ({allowed})", got, expected)
    if column.kind is Kind.TIME:
        outside_time = f"{value} < {_TIMES[0]} OR {value} >= {_TIMES[1]}"
        yield Rule(fault, column.name, outside_time, got, "a year from 1900 to 2199")


def _order_rules(mapped: MappedTable) -> Iterator[Rule]:
    table = mapped.table
    for column in map(table.column, mapped.present):
        value = identifier(column.name)
        if column.after is not None and mapped.has(column.after):
            after = identifier(column.after)
            got = f"concat({value}, ' before ', {after})"
            expected = f"not before {column.after}"
            yield Rule(Fault.WRONG_ORDER, column.name, f"{value} < {after}", got, expected)


def _end_rules(mapped: MappedTable, observed_until: dt.datetime) -> Iterator[Rule]:
    """Judge what lies beyond the end of observation: rows that say so, and single values.

    A row that happened there is wrong, or the end is. A row that was recorded there, and a value
    known at a time of its own that lies there, are what an export holds that was made later, or
    what is planned: nothing is wrong with them but that their time has not come.
    """
    table, end = mapped.table, instant(observed_until)
    expected = f"before {observed_until.isoformat()}Z"
    happened = identifier(table.time)
    if not table.scheduled:
        got = f"CAST({happened} AS VARCHAR)"
        yield Rule(Fault.AFTER_NOW, table.time, f"{happened} >= {end}", got, expected)
    if mapped.has(RECORDED_AT):
        condition = f"{RECORDED_AT} >= {end}"
        if not table.scheduled:
            condition += f" AND {happened} < {end}"
        got = f"CAST({RECORDED_AT} AS VARCHAR)"
        yield Rule(Fault.NOT_YET_RECORDED, RECORDED_AT, condition, got, expected)
    for time, columns in _known_at(mapped).items():
        value = identifier(time)
        given = " OR ".join(f"{identifier(name)} IS NOT NULL" for name in columns)
        condition = f"{value} >= {end} AND ({given})"
        until = f"{expected}; blank until then: {', '.join(columns)}"
        got = f"CAST({value} AS VARCHAR)"
        yield Rule(Fault.NOT_YET_KNOWN, time, condition, got, until)


def _early(mapped: MappedTable, observed_until: dt.datetime) -> dict[str, str]:
    end = instant(observed_until)
    return {
        name: f"{identifier(time)} >= {end}"
        for time, columns in _known_at(mapped).items()
        for name in columns
    }


def _known_at(mapped: MappedTable) -> dict[str, tuple[str, ...]]:
    """Name the times at which single columns become known, each with those columns.

    A column that is known with its row by another name is none of them.
    """
    table = mapped.table
    with_row = {None, RECORDED_AT, *([] if table.scheduled else [table.time])}
    columns = [table.column(name) for name in mapped.present]
    times = dict.fromkeys(item.known for item in columns if item.known not in with_row)
    return {
        time: tuple(item.name for item in columns if item.known == time)
        for time in times
        if time is not None and mapped.has(time)
    }


def _account_rules(mapped: MappedTable) -> Iterator[Rule]:
    unknown = f"{ACCOUNT_ID} IS NOT NULL AND {_ACCOUNT} IS NULL"
    yield Rule(Fault.UNKNOWN_ACCOUNT, ACCOUNT_ID, unknown, ACCOUNT_ID, "an id of accounts")
    time = identifier(mapped.table.time)
    got = f"concat({time}, ' before ', {_CREATED})"
    expected = "not before the day of the account's created_at"
    yield Rule(Fault.BEFORE_ACCOUNT, mapped.table.time, f"{time} < {_CREATED}", got, expected)


def _warnings(mapped: MappedTable) -> Iterator[Rule]:
    table = mapped.table
    for name in mapped.with_nan:
        yield Rule(Fault.NOT_A_NUMBER, name, identifier(NAN + name), "'NaN'", "a number or nothing")
    for column in map(table.column, mapped.present):
        if column.known in {None, column.name}:
            continue
        value = identifier(column.name)
        unknown = f"{identifier(column.known)} IS NULL" if mapped.has(column.known) else "true"
        condition = f"{value} IS NOT NULL AND {unknown}"
        expected = f"{column.known} beside it"
        yield Rule(Fault.NEVER_KNOWN, column.name, condition, f"CAST({value} AS VARCHAR)", expected)
    if mapped.has(RECORDED_AT) and not table.scheduled:
        early = f"{RECORDED_AT} < {identifier(table.time)}"
        got = f"concat({RECORDED_AT}, ' before ', {identifier(table.time)})"
        expected = f"not before {table.time}"
        yield Rule(Fault.RECORDED_EARLY, RECORDED_AT, early, got, expected)


def _day(time: str, zone: str) -> str:
    """Write the first instant of a UTC time's day in a zone, as UTC."""
    if zone == "UTC":
        return f"date_trunc('day', {time})"
    local = f"timezone({literal(zone)}, timezone('UTC', {time}))"
    return f"timezone('UTC', timezone({literal(zone)}, date_trunc('day', {local})))"
