"""What reading history found, for people, machines and the exit status."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from churnml.history.faults import MEANINGS, Fault, Severity

if TYPE_CHECKING:
    from rich.console import Console, RenderableType


@dataclass(frozen=True)
class Example:
    """One faulty row.

    Parameters
    ----------
    key : str
        What identifies it.
    got : str
        The offending value.
    source : str
        The file or database it came from.
    row : int
        Its place there; in CSV the number of the record, the header being 1.
    """

    key: str
    got: str
    source: str
    row: int


@dataclass(frozen=True)
class Finding:
    """A fault of a table.

    Parameters
    ----------
    fault : Fault
        What is wrong.
    column : str, optional
        Where.
    severity : Severity
        Whether it would corrupt a score.
    quarantined : bool
        Whether its rows were set aside.
    rows : int
        How many rows have it; 0 for a fault of the table as a whole.
    expected : str
        What was expected, or for a fault of the whole table what was found.
    examples : tuple of Example
        The first few rows.
    """

    fault: Fault
    column: str | None
    severity: Severity
    quarantined: bool
    rows: int
    expected: str
    examples: tuple[Example, ...] = ()


@dataclass(frozen=True)
class Span:
    """What the clean rows of a table cover.

    Parameters
    ----------
    accounts : int
        Accounts with a row.
    first, last : datetime, optional
        The earliest and latest event time, UTC.
    newest : datetime, optional
        The latest time before the end of observation at which something of the table happened, was
        recorded or became known, UTC.
    age_days : float, optional
        From then to the end of observation.
    """

    accounts: int = 0
    first: dt.datetime | None = None
    last: dt.datetime | None = None
    newest: dt.datetime | None = None
    age_days: float | None = None


@dataclass(frozen=True)
class TableReport:
    """What was found in one table.

    Parameters
    ----------
    name : str
        The table.
    origin : str
        Where it came from.
    read, clean, quarantined : int
        Rows; every row that was read is either clean or quarantined.
    span : Span
        What the clean rows cover.
    left_out : int
        Rows of the source that `where` says do not belong.
    unused : tuple of str
        Columns of the source that nothing was read from.
    findings : tuple of Finding
        What is wrong.
    refused : str, optional
        Why the table would corrupt scores.
    posted : int
        Rows that were posted to the service and laid over these; `clean` counts what came out.
    """

    name: str
    origin: str
    read: int
    clean: int
    quarantined: int
    span: Span = Span()
    left_out: int = 0
    unused: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()
    refused: str | None = None
    posted: int = 0


@dataclass(frozen=True)
class Report:
    """What reading all sources found.

    Parameters
    ----------
    observed_until : datetime
        The end of observation, UTC and naive.
    tables : tuple of TableReport
        One for each table.
    notes : tuple of str
        What was not checked, and why.
    written : bool
        Whether clean history was written. It is not when a table is refused: what was there before
        stays.
    """

    observed_until: dt.datetime
    tables: tuple[TableReport, ...]
    notes: tuple[str, ...]
    written: bool

    @property
    def refused(self) -> tuple[TableReport, ...]:
        """The tables that would corrupt scores."""
        return tuple(table for table in self.tables if table.refused is not None)


def exit_code(report: Report) -> int:
    """Give 1 when history would corrupt a score, else 0.

    Parameters
    ----------
    report : Report
        What was found. Quarantined rows within `max_faulty` of their table, and warnings, are 0.
    """
    return 1 if report.refused else 0


def to_json(report: Report) -> str:
    """Write a report as JSON; the same for the same sources.

    Parameters
    ----------
    report : Report
        What was found.
    """

    def plain(value: object) -> str:
        if isinstance(value, dt.datetime):
            return value.isoformat()
        raise TypeError(f"unexpected {type(value).__name__} in a report")

    return json.dumps(asdict(report), default=plain, indent=2, ensure_ascii=False)


def render(report: Report, console: Console, *, quarantine: Path | None = None) -> None:
    """Show a report.

    Parameters
    ----------
    report : Report
        What was found.
    console : rich.console.Console
        Where to show it.
    quarantine : Path, optional
        The folder of quarantined rows, named where there are some.
    """
    for part in _parts(report, quarantine):
        console.print(part)


def _parts(report: Report, quarantine: Path | None) -> Iterator[RenderableType]:
    from rich.markup import escape

    yield _overview(report)
    for table in report.tables:
        if table.findings:
            yield _findings(table)
            for fault in dict.fromkeys(item.fault for item in table.findings):
                yield f"[dim]{fault}: {escape(MEANINGS[fault].remedy)}.[/]"
    for note in report.notes:
        yield f"[dim]{note}[/]"
    aside = sum(table.quarantined for table in report.tables)
    if aside and quarantine is not None:
        yield f"{aside:,} rows are set aside in {quarantine}, each with its reason."
    for table in report.refused:
        yield f"[bold red]{table.name} is refused:[/] {table.refused}"
    if not report.written:
        yield (
            "[bold red]History was not written[/]; what was there before stays. Repair the "
            "source, or say in sources.toml what to `accept` or a table's `max_faulty`."
        )


def _overview(report: Report) -> RenderableType:
    from rich.table import Table

    title = f"History observed until {report.observed_until:%Y-%m-%d %H:%M:%S} UTC"
    shown = Table(title=title, title_justify="left", box=None, pad_edge=False)
    shown.add_column("table", no_wrap=True)
    for name in ("rows", "clean", "set aside", "accounts"):
        shown.add_column(name, justify="right", no_wrap=True)
    shown.add_column("from", no_wrap=True)
    shown.add_column("to", no_wrap=True)
    shown.add_column("age", justify="right", no_wrap=True)
    for table in report.tables:
        span = table.span
        shown.add_row(
            f"[red]{table.name}[/]" if table.refused else table.name,
            f"{table.read:,}",
            f"{table.clean:,}",
            f"{table.quarantined:,}",
            f"{span.accounts:,}",
            f"{span.first:%Y-%m-%d}" if span.first else "–",
            f"{span.last:%Y-%m-%d}" if span.last else "–",
            "–" if span.age_days is None else f"{span.age_days:.1f} d",
        )
    return shown


def _findings(table: TableReport) -> RenderableType:
    from rich.markup import escape
    from rich.table import Table

    title = f"\nFaults of {table.name}, from {escape(table.origin)}"
    shown = Table(title=title, title_justify="left", box=None, pad_edge=False)
    for name in ("fault", "column"):
        shown.add_column(name)
    for name in ("rows", "share"):
        shown.add_column(name, justify="right")
    for name in ("example", "expected"):
        shown.add_column(name, overflow="fold")
    for item in table.findings:
        colour = "red" if item.severity is Severity.ERROR else "yellow"
        example = item.examples[0] if item.examples else None
        shown.add_row(
            f"[{colour}]{item.fault}[/]",
            item.column or "",
            f"{item.rows:,}" if item.rows else "",
            f"{item.rows / table.read:.1%}" if item.rows else "",
            escape(f"{example.key}: {example.got}") if example else "",
            escape(item.expected),
        )
    return shown
