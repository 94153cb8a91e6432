from __future__ import annotations

import csv
import datetime as dt
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from churnml.history.ingestion import ingest
from churnml.history.report import Finding, Report, TableReport
from churnml.history.sources import read_sources

NOW = dt.datetime(2030, 1, 1)


@dataclass(frozen=True)
class Yard:
    """A folder with sources, read as `churnml check` reads them."""

    folder: Path

    @property
    def history(self) -> Path:
        return self.folder / "var" / "history"

    @property
    def quarantine(self) -> Path:
        return self.folder / "var" / "quarantine"

    def write(self, name: str, text: str | bytes) -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        return path

    def parquet(self, name: str, columns: dict[str, Any]) -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(pa.table(columns), path)
        return path

    def check(self, toml: str) -> Report:
        sources = read_sources(self.write("sources.toml", toml))
        return ingest(
            sources, base=self.folder, into=self.history, quarantine=self.quarantine, clock=NOW
        )

    def clean(self, table: str) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = pq.read_table(self.history / f"{table}.parquet").to_pylist()
        return rows

    def aside(self, table: str) -> list[dict[str, str]]:
        path = self.quarantine / f"{table}.csv"
        if not path.is_file():
            return []
        with path.open(encoding="utf-8", newline="") as file:
            return list(csv.DictReader(file))


@pytest.fixture
def yard(tmp_path: Path) -> Yard:
    return Yard(tmp_path)


@pytest.fixture(scope="session")
def make_yard() -> type[Yard]:
    """For generated examples, which share one folder."""
    return Yard


def table(report: Report, name: str) -> TableReport:
    return next(item for item in report.tables if item.name == name)


@pytest.fixture
def counts() -> Any:
    """Give the faults of a table as {(fault, column): rows}."""

    def of(report: Report, name: str) -> dict[tuple[str, str | None], int]:
        findings: tuple[Finding, ...] = table(report, name).findings
        return {(str(item.fault), item.column): item.rows for item in findings}

    return of
