"""The manifest of clean history: what ingestion says of the tables it wrote."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from churnml.errors import SourceError
from churnml.history.tables import Column, Kind, Table

MANIFEST = "manifest.json"


@dataclass(frozen=True)
class TableEntry:
    """What the manifest says of one table.

    Parameters
    ----------
    contract : Table
        As it stood when the table was written.
    fingerprint : str
        SHA-256 of the file.
    stale_days : float or None
        The age of its newest fact, in days, that its source allows; none where none is told.
    """

    contract: Table
    fingerprint: str
    stale_days: float | None = None


@dataclass(frozen=True)
class Mark:
    """The last event, of those posted to the service, that something holds.

    Parameters
    ----------
    number : int
        Its place among all; 0 where there is none.
    digest : str
        SHA-256 of what it says: a store that went back to a backup numbers others alike.
    """

    number: int = 0
    digest: str = ""


NOTHING_POSTED = Mark()


@dataclass(frozen=True)
class Manifest:
    """What a folder of clean history holds.

    Parameters
    ----------
    observed_until : datetime
        The end of observation, UTC and naive.
    tables : mapping of str to TableEntry
        The tables that are present.
    posted : Mark
        How much of what was posted they hold.
    """

    observed_until: dt.datetime
    tables: Mapping[str, TableEntry]
    posted: Mark = NOTHING_POSTED


def read_manifest(folder: Path) -> Manifest:
    """Read the manifest of a folder of clean history.

    Parameters
    ----------
    folder : Path
        The folder that ingestion wrote.

    Raises
    ------
    SourceError
        If there is none, or it cannot be understood.
    """
    path = folder / MANIFEST
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return Manifest(
            observed_until=dt.datetime.fromisoformat(content["observed_until"]),
            tables={
                name: TableEntry(
                    _contract(entry["contract"]),
                    str(entry["fingerprint"]),
                    float(days) if (days := entry.get("stale_days")) is not None else None,
                )
                for name, entry in content["tables"].items()
            },
            posted=Mark(**content.get("posted", {})),
        )
    except FileNotFoundError as error:
        raise SourceError(
            f"{folder}: no clean history here ({MANIFEST} is missing). "
            "Run `churnml check` to read the sources."
        ) from error
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise SourceError(
            f"{path}: damaged, or written by another version ({error!r}). "
            "Run `churnml check` again."
        ) from error


def _contract(content: Mapping[str, Any]) -> Table:
    """Rebuild a contract from ``dataclasses.asdict`` of it."""
    columns = tuple(
        Column(**{**item, "kind": Kind(item["kind"]), "choices": tuple(item["choices"])})
        for item in content["columns"]
    )
    return Table(**{**content, "key": tuple(content["key"]), "columns": columns})
