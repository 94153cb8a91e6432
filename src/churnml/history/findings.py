"""Counting what breaks the rules, with examples, and setting it aside."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from churnml.history.checks import Checked, Rule
from churnml.history.csv_files import LINE, REASON, ROW, SOURCE
from churnml.history.dialect import any_of, identifier, literal, run
from churnml.history.faults import MEANINGS, Fault, Severity
from churnml.history.mappings import RAW
from churnml.history.report import Example, Finding
from churnml.history.tables import ACCOUNT_ID

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

FAULT = "_fault"
_EXAMPLES = 5


@dataclass(frozen=True)
class Counts:
    """What was counted in one table.

    Parameters
    ----------
    read, aside, in_error : int
        Rows that were read, those to set aside, and those that count against the table; malformed
        lines among all three.
    findings : tuple of Finding
        Each broken rule.
    """

    read: int
    aside: int
    in_error: int
    findings: tuple[Finding, ...]


def count(connection: DuckDBPyConnection, checks: Checked) -> Counts:
    """Count the rows that break each rule of a table, in one pass.

    Parameters
    ----------
    connection : duckdb.DuckDBPyConnection
        The engine.
    checks : Checked
        The rows and their rules.
    """
    sums = [checks.faulty, checks.in_error, *(rule.condition for rule in checks.rules)]
    columns = ", ".join(f"coalesce(sum(CASE WHEN {sql} THEN 1 END), 0)" for sql in sums)
    table = checks.mapped.table.name
    row = run(connection, table, f"SELECT count(*), {columns} FROM {checks.relation}").fetchone()
    read, aside, in_error, *broken = map(int, row or ())
    malformed = checks.mapped.extract.n_malformed
    findings = [
        _finding(connection, checks, rule, rows)
        for rule, rows in zip(checks.rules, broken, strict=True)
        if rows
    ]
    if malformed:
        findings.append(_malformed(connection, checks))
    order = list(Fault)
    findings.sort(key=lambda item: order.index(item.fault))
    return Counts(read + malformed, aside + malformed, in_error + malformed, tuple(findings))


def overlap(connection: DuckDBPyConnection, checks: Checked) -> Finding | None:
    """Find terms that start before the account's earlier term of the same plan has ended.

    Parameters
    ----------
    connection : duckdb.DuckDBPyConnection
        The engine.
    checks : Checked
        Subscriptions.

    Returns
    -------
    Finding or None
        None where there are none, or too little is known of the terms to say.
    """
    mapped = checks.mapped
    ends = [name for name in ("ends_at", "terminated_at") if mapped.has(name)]
    if not ends or not mapped.has("plan"):
        return None
    end = f"coalesce(least({', '.join(ends)}), TIMESTAMP 'infinity')"
    later = (
        f"SELECT {checks.key_text} AS key, {SOURCE}, {ROW}, started_at, max({end}) OVER ("
        f"PARTITION BY {ACCOUNT_ID}, plan ORDER BY started_at, {SOURCE}, {ROW} "
        "ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS taken "
        f"FROM {checks.relation} WHERE NOT {checks.faulty}"
    )
    rule = Rule(
        Fault.OVERLAP,
        "started_at",
        "started_at < taken",
        "if(isinf(taken), 'earlier term is open-ended', concat(started_at, ' before ', taken))",
        "not before the earlier term ends",
    )
    counted = f"SELECT count(*) FROM ({later}) WHERE started_at < taken"
    row = run(connection, mapped.table.name, counted).fetchone()
    if row is None or row[0] == 0:
        return None
    examples = _examples(connection, mapped.table.name, f"({later})", "key", rule)
    return Finding(
        rule.fault, rule.column, Severity.WARNING, False, row[0], rule.expected, examples
    )


def quarantine(connection: DuckDBPyConnection, checks: Checked, into: Path) -> None:
    """Write the rows to set aside as CSV, as the source has them, with what is wrong.

    Parameters
    ----------
    connection : duckdb.DuckDBPyConnection
        The engine.
    checks : Checked
        The rows and their rules.
    into : Path
        The file: ``_fault`` (``rule:column``, several by blanks), ``_reason``, ``_source``,
        ``_row``, the source's columns, and ``_line`` for lines of CSV that are no rows.
    """
    rules = [rule for rule in checks.rules if checks.quarantines(rule.fault)]
    faults = ", ".join(
        f"CASE WHEN {rule.condition} THEN {literal(_code(rule))} END" for rule in rules
    )
    reasons = ", ".join(
        f"CASE WHEN {rule.condition} THEN concat({literal(_start(rule))}, {rule.got}, "
        f"{literal(f', expected {rule.expected}')}) END"
        for rule in rules
    )
    # A quarantine file that was repaired and is read again has columns of its own.
    ours = {FAULT, REASON, LINE, SOURCE, ROW}
    raw = ", ".join(
        f"CAST({identifier(RAW + name)} AS VARCHAR) AS {identifier(name)}"
        for name in checks.mapped.raw
        if name not in ours
    )
    rows = (
        f"SELECT concat_ws(' ', {faults}) AS {FAULT}, concat_ws('; ', {reasons}) AS {REASON}, "
        f"{SOURCE}, {ROW}, {raw} FROM {checks.relation} WHERE {checks.faulty}"
    )
    malformed = checks.mapped.extract.malformed if checks.mapped.extract.n_malformed else ()
    for path in malformed:
        rows += (
            f" UNION ALL BY NAME SELECT '{Fault.MALFORMED_LINE}' AS {FAULT}, {REASON}, {SOURCE}, "
            f"{ROW}, {LINE} FROM read_parquet({literal(path)})"
        )
    run(
        connection,
        checks.mapped.table.name,
        f"COPY (FROM ({rows}) ORDER BY {SOURCE}, {ROW}) TO {literal(into)} (FORMAT csv, HEADER)",
    )


def _code(rule: Rule) -> str:
    return f"{rule.fault}:{rule.column}" if rule.column else str(rule.fault)


def _start(rule: Rule) -> str:
    return f"{rule.column}: got " if rule.column else f"{rule.fault}: got "


def _finding(connection: DuckDBPyConnection, checks: Checked, rule: Rule, rows: int) -> Finding:
    table = checks.mapped.table.name
    examples = _examples(connection, table, checks.relation, checks.key_text, rule)
    return Finding(
        fault=rule.fault,
        column=rule.column,
        severity=checks.severity(rule.fault),
        quarantined=checks.quarantines(rule.fault),
        rows=rows,
        expected=rule.expected,
        examples=examples,
    )


def _examples(
    connection: DuckDBPyConnection, table: str, relation: str, key: str, rule: Rule
) -> tuple[Example, ...]:
    sql = (
        f"SELECT {key}, {rule.got}, {SOURCE}, {ROW} FROM {relation} "
        f"WHERE {any_of([rule.condition])} ORDER BY {SOURCE}, {ROW} LIMIT {_EXAMPLES}"
    )
    return tuple(Example(*row) for row in run(connection, table, sql).fetchall())


def _malformed(connection: DuckDBPyConnection, checks: Checked) -> Finding:
    files = ", ".join(literal(path) for path in checks.mapped.extract.malformed)
    rule = Rule(Fault.MALFORMED_LINE, None, "true", REASON, "as many fields as the header has")
    examples = _examples(
        connection, checks.mapped.table.name, f"read_parquet([{files}])", LINE, rule
    )
    meaning = MEANINGS[rule.fault]
    return Finding(
        fault=rule.fault,
        column=None,
        severity=meaning.severity,
        quarantined=True,
        rows=checks.mapped.extract.n_malformed,
        expected=rule.expected,
        examples=examples,
    )
