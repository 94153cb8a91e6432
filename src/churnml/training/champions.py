"""Champions: which bundle was put in charge of a recipe, when, by whom, on what evidence.

The journal is a file of JSON lines that is only ever appended to, one line a change, and the last
line says who is in charge. It is the one truth: the alias in MLflow follows it, and a scorer needs
nothing else. A line is complete once it ends; one that a dying process left unfinished never
counted, and is cut off before the next is written.
"""

from __future__ import annotations

import datetime as dt
import json
import os
from pathlib import Path
from typing import Any, Literal

from churnml.config import FrozenModel, parse
from churnml.errors import BundleError, ConfigError

JOURNAL = "promotions.jsonl"


class GateRecord(FrozenModel):
    """What a gate found; see `churnml.training.gates.Gate`."""

    name: str
    passed: bool | None
    said: str
    numbers: dict[str, float | None]


class Change(FrozenModel):
    """A change of the bundle in charge.

    Parameters
    ----------
    at : datetime
        When, UTC.
    by : str
        Who.
    action : "promote" or "rollback"
        What was done.
    bundle : str
        SHA-256 of the bundle that is in charge from then on.
    before : str or None
        Of the one that was until then.
    gates : tuple of GateRecord
        What the gates found; none for a rollback.
    forced : str or None
        Why it was promoted although a gate failed.
    reason : str or None
        What was said of it.
    """

    at: dt.datetime
    by: str
    action: Literal["promote", "rollback"]
    bundle: str
    before: str | None
    gates: tuple[GateRecord, ...] = ()
    forced: str | None = None
    reason: str | None = None


def read_changes(home: Path) -> tuple[Change, ...]:
    """Read the journal of a recipe, the earliest change first.

    Parameters
    ----------
    home : Path
        The folder of its bundles.

    Raises
    ------
    BundleError
        If a line is no change of this version.
    """
    path = home / JOURNAL
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return ()
    except OSError as error:
        raise BundleError(f"{path}: cannot be read: {error}.") from error
    complete = content[: content.rfind(b"\n") + 1].splitlines()
    return tuple(_change(line, f"{path}, line {n}") for n, line in enumerate(complete, start=1))


def append(home: Path, change: Change) -> None:
    """Write a change to the journal, to the disk itself; the caller holds the lock.

    Parameters
    ----------
    home : Path
        The folder of the recipe's bundles.
    change : Change
        What was decided.

    Raises
    ------
    ConfigError
        If it cannot be written.
    """
    path = home / JOURNAL
    line = json.dumps(change.model_dump(mode="json"), ensure_ascii=False, allow_nan=False)
    try:
        with path.open("ab+") as file:
            file.seek(0)
            complete = file.read().rfind(b"\n") + 1
            file.truncate(complete)
            file.write(line.encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise ConfigError(
            f"{path}: cannot be written: {error.strerror or error}. Nothing has changed; grant "
            "access and free space there."
        ) from error


def standing(changes: tuple[Change, ...]) -> str | None:
    """Tell which bundle is in charge; none where none was promoted."""
    return changes[-1].bundle if changes else None


def previous(changes: tuple[Change, ...]) -> str | None:
    """Tell which bundle a rollback puts in charge: the champion before this one.

    Rolling back twice goes back two champions, not to and fro.
    """
    line: list[str] = []
    for change in changes:
        if change.action == "rollback":
            line = line[:-1]
        else:
            line.append(change.bundle)
    return line[-2] if len(line) > 1 else None


def _change(line: bytes, where: str) -> Change:
    try:
        content: Any = json.loads(line)
        if not isinstance(content, dict):
            raise BundleError(f"{where}: no change, but {line[:40]!r}.")
        return parse(Change, content, where)
    except (ValueError, ConfigError) as error:
        raise BundleError(
            f"{where}: cannot be read: {error} Bring the journal back as it was; churnml only "
            "ever appends to it."
        ) from error
