"""Corrections: what a person says of a text, which wins over every model from then on.

They stand in ``data/corrections.csv``, a line each, so that they can be kept with the project, read
and edited. Nothing is ever overwritten: a second thought is a further line.
"""

from __future__ import annotations

import csv
import datetime as dt
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from churnml.errors import ConfigError, DataError, nearest
from churnml.history.tables import COMPETITOR_LEVELS, INTENTS, SENTIMENTS, THEMES, about

FILE = "corrections.csv"
HEADER = ("text_id", "part", "value", "by", "at")
Value = str | bool | None

FLAGS = (*INTENTS, *(about(name) for name in THEMES))
_YES_NO: Mapping[str, bool] = {"yes": True, "no": False}
_CHOICES: Mapping[str, tuple[str, ...]] = {
    "sentiment": SENTIMENTS,
    "competitor_level": ("", *COMPETITOR_LEVELS),
}
_YEARS = 1900, 2199
PARTS = ("sentiment", *FLAGS, "competitor", "competitor_level")


@dataclass(frozen=True)
class Correction:
    """What a person says of one part of a reading.

    Parameters
    ----------
    text_id : str
        The text, such as ``messages/m-7``.
    part : str
        Which part of its reading; one of `PARTS`.
    value : str
        What it is: a level of tone or of a competitor, a competitor's name, ``yes`` or ``no``;
        empty where no competitor is named.
    by : str
        Who says so.
    at : datetime
        When, UTC and naive.

    Raises
    ------
    DataError
        If there is no such part, or the value is none of its.
    """

    text_id: str
    part: str
    value: str
    by: str
    at: dt.datetime

    def __post_init__(self) -> None:
        if self.part not in PARTS:
            raise DataError(f"no part {self.part!r} of a reading.{nearest(self.part, PARTS)}")
        choices = tuple(_YES_NO) if self.part in FLAGS else _CHOICES.get(self.part, ())
        if choices and self.value not in choices:
            raise DataError(
                f"{self.part} = {self.value!r}; expected {', '.join(map(repr, choices))}."
            )
        if not self.text_id.strip() or not self.by.strip():
            raise DataError("a correction names its text and who made it.")

    @property
    def said(self) -> Value:
        """The value as readings hold it."""
        return _YES_NO[self.value] if self.part in FLAGS else self.value or None


def read_corrections(path: Path) -> tuple[Correction, ...]:
    """Read corrections, in the order in which they were made.

    Parameters
    ----------
    path : Path
        The file; where there is none, nobody has corrected anything.

    Raises
    ------
    DataError
        If a line is none, naming it.
    ConfigError
        If the file cannot be read.
    """
    if not path.is_file():
        return ()
    try:
        # Spreadsheets begin a file with a mark that is no part of its first name.
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = csv.DictReader(file)
            if tuple(rows.fieldnames or ()) != HEADER:
                raise DataError(
                    f"{path}: its first line is {', '.join(rows.fieldnames or ())}; expected "
                    f"{', '.join(HEADER)}."
                )
            found = [_parsed(row, f"{path}, line {rows.line_num}") for row in rows]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ConfigError(f"{path}: cannot be read: {error}.") from error
    return tuple(sorted(found, key=lambda item: item.at))


def _parsed(row: Mapping[str, str | None], where: str) -> Correction:
    values = {name: row.get(name) for name in HEADER}
    if None in values.values() or None in row:
        raise DataError(f"{where}: expected {len(HEADER)} values: {', '.join(HEADER)}.")
    text = {name: str(value).strip() for name, value in values.items()}
    text["text_id"] = str(row["text_id"])  # ids are taken as they are, blanks too
    try:
        at = dt.datetime.fromisoformat(text.pop("at"))
    except ValueError as error:
        raise DataError(
            f"{where}: at: {error}. Expected such as 2026-03-30T08:15:00Z, with its zone."
        ) from error
    if at.tzinfo is None:
        raise DataError(f"{where}: at has no time zone; expected such as 2026-03-30T08:15:00Z.")
    if not _YEARS[0] <= at.year <= _YEARS[1]:
        raise DataError(f"{where}: at is of {at.year}; expected a year from 1900 to 2199.")
    try:
        return Correction(**text, at=at.astimezone(dt.UTC).replace(tzinfo=None))
    except DataError as error:
        raise DataError(f"{where}: {error}") from error


def add_corrections(path: Path, corrections: Iterable[Correction]) -> None:
    """Write further corrections at the end; on disk before this returns, or not at all.

    Parameters
    ----------
    path : Path
        The file; made where it is missing. Whoever writes holds a lock.
    corrections : iterable of Correction
        What to add.

    Raises
    ------
    ConfigError
        If the file cannot be written.
    """
    try:
        old = path.read_bytes() if path.is_file() else (",".join(HEADER) + "\n").encode()
        unfinished = path.with_name(f".{path.name}.unfinished")
        with unfinished.open("wb") as binary:
            binary.write(old if old.endswith(b"\n") else old + b"\n")
        with unfinished.open("a", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            for item in corrections:
                at = item.at.isoformat() + "Z"
                writer.writerow([item.text_id, item.part, item.value, item.by, at])
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(path)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be written: {error.strerror or error}.") from error
