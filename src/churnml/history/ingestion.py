"""From sources to clean history: read, check, set aside, write."""

from __future__ import annotations

import contextlib
import datetime as dt
import functools
import json
import shutil
import zoneinfo
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow.parquet as pq

from churnml.errors import ConfigError
from churnml.history.checks import Checked, checked, keep_accounts, with_repeats
from churnml.history.dialect import identifier, instant, literal, run
from churnml.history.extracts import Extract, Opener
from churnml.history.faults import MEANINGS, Fault, Severity
from churnml.history.findings import Counts, count, overlap, quarantine
from churnml.history.manifest import MANIFEST, NOTHING_POSTED
from churnml.history.mappings import MappedTable, map_table, missing_columns
from churnml.history.memory import empty
from churnml.history.posted import Posted, laid_over
from churnml.history.report import Finding, Report, TableReport
from churnml.history.source_state import SourceState
from churnml.history.sources import Sources, TableSource, check_sources
from churnml.history.store import (
    READING,
    Written,
    derive_accounts,
    measure,
    put_back,
    replace_folder,
    workplace,
    write_manifest,
    write_rows,
    write_table,
)
from churnml.history.tables import RECORDED_AT, Table

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

Progress = Callable[[str, float], None]


def ingest(
    sources: Sources,
    *,
    base: Path,
    into: Path,
    quarantine: Path,
    progress: Progress | None = None,
    memory: str = "2GB",
    clock: dt.datetime | None = None,
    posted: Path | None = None,
) -> Report:
    """Read all sources, check every row, and write clean history.

    A table is refused when a required column has no source, when it is empty or nothing of it was
    recorded before the end of observation, or when more than `max_faulty` of its rows are in error.
    If any is, clean history is not written and what was there before stays; the quarantine is
    written all the same. Only one process may read at a time: hold a lock where there may be two.

    Parameters
    ----------
    sources : Sources
        Where each table comes from.
    base : Path
        The folder that relative paths start from: that of ``sources.toml``.
    into : Path
        The folder of clean history; replaced as a whole, or not at all.
    quarantine : Path
        The folder of rows that were set aside, ``<table>.csv`` each.
    progress : callable, optional
        Told what is being done and the share that is done, 0 to 1.
    memory : str
        DuckDB's bound; beyond it work goes to disk. Raise it where there is room.
    clock : datetime, optional
        Now, UTC and naive; what is dated later cannot have happened. The machine's if not given.
    posted : Path, optional
        The folder of what was posted to the service; see `churnml.history.posted`.

    Returns
    -------
    Report
        What was found.

    Raises
    ------
    ConfigError
        If the sources contradict the contracts, the end of observation cannot be told, or a folder
        cannot be written.
    SourceError
        If a source is not there, cannot be read, or changes while it is read; history and the
        quarantine then stay what they were.
    """
    import duckdb

    check_sources(sources)
    now = clock or dt.datetime.now(dt.UTC).replace(tzinfo=None)
    with _told_if_unwritable(into), contextlib.ExitStack() as open_:
        put_back(into)
        sent = None if posted is None else Posted.read(posted)
        state = SourceState.of(sources, base, sent)
        work = open_.enter_context(workplace(into, alone=True))
        connection = open_.enter_context(duckdb.connect(":memory:"))
        _prepare(connection, work, memory)
        reading = _Reading(
            sources, base.resolve(), work, connection, progress or _silent, now, sent
        )
        report = reading.run()
        state.require_unchanged(sources, base, sent)
        _put_quarantine(work / "aside", quarantine, reading.contracts)
        if report.written:
            write_manifest(
                work / "clean",
                observed_until=report.observed_until,
                tables={item.name: reading.written(item) for item in report.tables},
                reading=state.as_json(),
                posted=sent.mark if sent is not None else NOTHING_POSTED,
            )
            replace_folder(work / "clean", into)
    (progress or _silent)("done", 1.0)
    return report


@contextlib.contextmanager
def _told_if_unwritable(into: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ConfigError(
            f"{error.filename or into.parent}: {error.strerror or error}. The history that was "
            "there before stays. Grant access and free space there."
        ) from error


def is_current(sources: Sources, *, base: Path, into: Path, posted: Path | None = None) -> bool:
    """Whether clean history is what reading the sources again would give.

    History that a killed process left aside is put back first; hold the lock of `ingest`.

    Parameters
    ----------
    sources : Sources
        Where each table comes from.
    base : Path
        The folder that relative paths start from.
    into : Path
        The folder of clean history.
    posted : Path, optional
        The folder of what was posted to the service.

    Returns
    -------
    bool
        False also when a source is a database, of which nothing can be known without reading it.

    Raises
    ------
    SourceError
        If a source is not there.
    """
    put_back(into)
    try:
        before = json.loads((into / READING).read_text(encoding="utf-8"))
    except (FileNotFoundError, json.JSONDecodeError):
        return False
    if not (into / MANIFEST).is_file() or any(_is_database(s) for s in sources.tables.values()):
        return False
    sent = None if posted is None else Posted.read(posted)
    return bool(before == SourceState.of(sources, base, sent).as_json())


def _record_times(item: MappedTable) -> list[str]:
    """Name the times of a table that can only lie in the past: they say when something came."""
    table = item.table
    past = [column.name for column in table.columns if column.known == column.name]
    own = [RECORDED_AT] if table.scheduled else [table.time, RECORDED_AT]
    return [name for name in (*own, *past) if name in item.present]


def _silent(what: str, share: float) -> None:
    """Tell nobody."""


def _prepare(connection: DuckDBPyConnection, work: Path, memory: str) -> None:
    for folder in ("copies", "clean", "laid", "aside", "spill"):
        (work / folder).mkdir()
    connection.execute("SET TimeZone = 'UTC'")
    # A bound parameter would make DuckDB import pandas, which takes most of a second.
    connection.execute(f"SET memory_limit = {literal(memory)}")
    connection.execute(f"SET temp_directory = {literal(work / 'spill')}")
    connection.execute("SET autoinstall_known_extensions = false")
    connection.execute("SET enable_progress_bar = false")


@dataclass(frozen=True)
class _Reading:
    """One reading of all sources."""

    sources: Sources
    base: Path
    work: Path
    connection: DuckDBPyConnection
    progress: Progress
    clock: dt.datetime
    posted: Posted | None = None

    @property
    def contracts(self) -> Mapping[str, Table]:
        return self.sources.tables_declared()

    def run(self) -> Report:
        mapped, reports = self._map_all()
        accounts = mapped.get("accounts")
        if accounts is not None:
            keep_accounts(self.connection, accounts)
        found = self._end_of_observation(mapped)
        if found is None and self.posted is not None and self.posted.newest is not None:
            found = self.posted.newest
        # Where there is none, tables may still say why: each is judged as if all had happened.
        end = found or self.clock
        for place, (name, item) in enumerate(mapped.items()):
            self.progress(f"checking {name}", 0.5 + 0.5 * place / len(mapped))
            reports[name] = self._table(item, end, known=accounts is not None)
        alone = self._posted_alone(end)
        reports |= alone
        notes = []
        if "accounts" not in self.sources.tables:
            notes.append("No accounts table: unknown and later accounts were not looked for.")
        elif self.sources.tables["accounts"].derive:
            read = {*mapped, *alone}
            others = [table for name, table in self.contracts.items() if name in read]
            reports["accounts"] = self._derive(others, end)
        ordered = tuple(reports[name] for name in self.contracts if name in reports)
        refused = any(item.refused is not None for item in ordered)
        if found is None and not refused:
            raise ConfigError(
                "observed_until is not given, and no table tells of a sound event in the past to "
                "derive it from. Set observed_until to the time at which the data was exported."
            )
        return Report(self._until(end), ordered, tuple(notes), written=not refused)

    def written(self, report: TableReport) -> Written:
        """Say what the manifest tells of a table that was not refused."""
        contract, source = self.contracts[report.name], self.sources.tables.get(report.name)
        ageless = contract.scheduled or source is None or source.derive
        stale_days = None if source is None or ageless else source.stale_days
        return Written(contract, report.clean, report.span.newest, stale_days)

    def _map_all(self) -> tuple[dict[str, MappedTable], dict[str, TableReport]]:
        """Open every source; a table that lacks a required column is reported and left out."""
        mapped: dict[str, MappedTable] = {}
        reports: dict[str, TableReport] = {}
        read = {name: item for name, item in self.sources.tables.items() if not item.derive}
        ordered = [(name, table) for name, table in self.contracts.items() if name in read]
        for place, (name, table) in enumerate(ordered):
            source, share = read[name], 0.5 * place / len(ordered)
            note = functools.partial(self._opening, share)
            opener = Opener(self.connection, self.base, self.work / "copies", note)
            extract = opener.open(name, source)
            missing = missing_columns(table, source, extract)
            if missing:
                reports[name] = _unmapped(table, extract, missing)
                continue
            mapped[name] = map_table(
                self.connection,
                table,
                source,
                extract,
                zone=self.sources.zone(name),
                copy=self.work / "copies" / f"{name}.parquet",
            )
        return mapped, reports

    def _opening(self, share: float, what: str) -> None:
        self.progress(f"reading {what}", share)

    def _checked(self, mapped: MappedTable, end: dt.datetime | None, *, known: bool) -> Checked:
        name = mapped.table.name
        return checked(
            self.connection,
            mapped,
            self.sources.tables[name],
            zone=self.sources.zone(name),
            observed_until=end,
            accounts_known=known,
        )

    def _end_of_observation(self, mapped: Mapping[str, MappedTable]) -> dt.datetime | None:
        given = self.sources.observed_until
        if given is not None:
            zone = given.tzinfo or zoneinfo.ZoneInfo(self.sources.timezone)
            return given.replace(tzinfo=zone).astimezone(dt.UTC).replace(tzinfo=None)
        newest: list[dt.datetime] = []
        for name, item in mapped.items():
            times = [identifier(time) for time in _record_times(item)]
            if not times:
                continue
            checks = self._checked(item, None, known="accounts" in mapped)
            past = ", ".join(
                f"max({time}) FILTER ({time} < {instant(self.clock)})" for time in times
            )
            query = f"SELECT {past} FROM {checks.relation} WHERE NOT {checks.faulty}"
            row = run(self.connection, name, query).fetchone() or ()
            newest += [time for time in row if time is not None]
        if not newest:
            return None
        return max(newest).replace(microsecond=0) + dt.timedelta(seconds=1)

    def _table(self, mapped: MappedTable, end: dt.datetime, *, known: bool) -> TableReport:
        table, source = mapped.table, self.sources.tables[mapped.table.name]
        checks = with_repeats(self.connection, self._checked(mapped, end, known=known))
        counts = count(self.connection, checks)
        clean = write_table(self.connection, checks, self.work / "clean")
        present, posted = mapped.present, 0
        contradicted: list[Finding] = []
        if table.name in self._sent:
            clean, present, posted, contradicted = self._lay(table, mapped.present)
            end = self._until(end)
        if counts.aside:
            quarantine(self.connection, checks, self.work / "aside" / f"{table.name}.csv")
        span = measure(self.connection, table, present, self.work / "clean", end)
        findings = [*counts.findings, *contradicted, *_whole(table, source, counts, span.age_days)]
        if table.name == "subscriptions":
            found = overlap(self.connection, checks)
            findings += [found] if found else []
        return TableReport(
            name=table.name,
            origin=mapped.extract.origin,
            read=counts.read,
            clean=clean,
            quarantined=counts.aside,
            span=span,
            left_out=self._left_out(mapped, source, counts),
            unused=mapped.unused,
            findings=tuple(findings),
            refused=_refused(source, counts),
            posted=posted,
        )

    @property
    def _sent(self) -> tuple[str, ...]:
        return () if self.posted is None else self.posted.tables

    def _until(self, end: dt.datetime) -> dt.datetime:
        """Tell the end of observation with what was posted, which may reach further."""
        newest = None if self.posted is None else self.posted.newest
        return end if newest is None else max(end, newest + dt.timedelta(microseconds=1))

    def _posted_alone(self, end: dt.datetime) -> dict[str, TableReport]:
        """Write the tables that were posted and that no source gives."""
        found = {}
        for name in self._sent:
            if name in self.sources.tables:
                continue
            table = self.contracts[name]
            pq.write_table(empty(table), self._written(table))
            clean, present, posted, contradicted = self._lay(table, table.names)
            found[name] = TableReport(
                name=name,
                origin="posted to the service",
                read=0,
                clean=clean,
                quarantined=0,
                span=measure(
                    self.connection, table, present, self.work / "clean", self._until(end)
                ),
                findings=tuple(contradicted),
                posted=posted,
            )
        return found

    def _lay(
        self, table: Table, there: tuple[str, ...]
    ) -> tuple[int, tuple[str, ...], int, list[Finding]]:
        """Lay what was posted over the clean rows of a table; tell what came of it."""
        assert self.posted is not None  # noqa: S101 - it names the table
        written = self._written(table)
        base = f"(FROM read_parquet({literal(written)}))"
        sent = [name for name in self.posted.columns(table.name).names if name in table.names]
        laid = laid_over(table, base, there, self.posted.relation(table.name), sent)
        clean = write_rows(self.connection, table, laid.present, laid.query, self.work / "laid")
        rows = self._count(table, f"SELECT count(*) FROM {self.posted.relation(table.name)}")
        otherwise = self._count(table, laid.contradicting)
        (self.work / "laid" / written.name).replace(written)
        return clean, laid.present, rows, _contradicted(otherwise)

    def _written(self, table: Table) -> Path:
        return self.work / "clean" / f"{table.name}.parquet"

    def _count(self, table: Table, sql: str) -> int:
        row = run(self.connection, table.name, sql).fetchone()
        return int(row[0]) if row else 0

    def _left_out(self, mapped: MappedTable, source: TableSource, counts: Counts) -> int:
        if source.where is None:
            return 0
        sql = f"SELECT count(*) FROM {mapped.extract.relation}"
        row = run(self.connection, mapped.table.name, sql).fetchone()
        rows = int(row[0]) if row else 0
        return rows + mapped.extract.n_malformed - counts.read

    def _derive(self, read: Sequence[Table], end: dt.datetime) -> TableReport:
        table, folder = self.contracts["accounts"], self.work / "clean"
        others = {item.name: item for item in read}
        rows = derive_accounts(self.connection, table, others, folder)
        return TableReport(
            name="accounts",
            origin=f"derived from {', '.join(n for n, t in others.items() if not t.label_only)}",
            read=rows,
            clean=rows,
            quarantined=0,
            span=measure(self.connection, table, (RECORDED_AT,), folder, end),
        )


def _unmapped(table: Table, extract: Extract, missing: tuple[str, ...]) -> TableReport:
    there = ", ".join(extract.columns)
    findings = tuple(
        Finding(Fault.MISSING_COLUMN, name, Severity.ERROR, False, 0, f"found only: {there}")
        for name in missing
    )
    return TableReport(
        name=table.name,
        origin=extract.origin,
        read=0,
        clean=0,
        quarantined=0,
        findings=findings,
        refused=f"required columns have no source: {', '.join(missing)}",
    )


def _contradicted(rows: int) -> list[Finding]:
    if not rows:
        return []
    said = "what the first row of its key says; posted rows may only add what became known later"
    return [Finding(Fault.CONFLICT, None, Severity.WARNING, False, rows, said)]


def _whole(table: Table, source: TableSource, counts: Counts, age: float | None) -> list[Finding]:
    """Find what is wrong with a table as a whole."""
    findings = []
    if counts.read == 0:
        accepted = Fault.EMPTY in source.accept
        severity = Severity.WARNING if accepted else MEANINGS[Fault.EMPTY].severity
        findings.append(Finding(Fault.EMPTY, None, severity, False, 0, "at least one row"))
    if age is not None and age > source.stale_days and not table.scheduled:
        said = f"at most {source.stale_days:g} days old, got {age:.1f}"
        findings.append(Finding(Fault.STALE, table.time, Severity.WARNING, False, 0, said))
    return findings


def _refused(source: TableSource, counts: Counts) -> str | None:
    if counts.read == 0:
        return None if Fault.EMPTY in source.accept else "it is empty"
    share = counts.in_error / counts.read
    if share > source.max_faulty:
        return (
            f"{counts.in_error:,} of {counts.read:,} rows ({share:.1%}) are in error; "
            f"max_faulty allows {source.max_faulty:.1%}"
        )
    # However many faults are allowed, a table without a clean row is empty; rows that are not yet
    # recorded are no errors, but do not fill it either.
    if counts.aside == counts.read and Fault.EMPTY not in source.accept:
        return (
            f"none of its {counts.read:,} rows is both sound and recorded before the end of "
            "observation"
        )
    return None


def _put_quarantine(found: Path, quarantine: Path, contracts: Mapping[str, Table]) -> None:
    """Replace what an earlier reading set aside; files of other names are left alone."""
    quarantine.mkdir(parents=True, exist_ok=True)
    for name in contracts:
        new, old = found / f"{name}.csv", quarantine / f"{name}.csv"
        if new.is_file():
            shutil.move(new, old)
        else:
            old.unlink(missing_ok=True)


def _is_database(source: TableSource) -> bool:
    return source.database is not None or source.database_env is not None
