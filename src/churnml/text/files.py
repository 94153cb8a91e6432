"""Files of messages: lines of text, JSON lines, CSV and Parquet, read a row at a time."""

from __future__ import annotations

import csv
import io
import json
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

from churnml.errors import SourceError, nearest

STDIN = Path("-")
KINDS = (".txt", ".jsonl", ".csv", ".parquet")
_LONGEST = 2**31 - 1  # characters of a field; Python's own limit is shorter than long threads
Row = dict[str, Any]


def rows(path: Path) -> Iterator[Row]:
    """Read a file of messages.

    Parameters
    ----------
    path : Path
        ``.txt`` holds a message a line, as its column ``text``; ``.jsonl`` an object a line;
        ``.csv`` and ``.parquet`` have columns. ``-`` is standard input, a message a line.

    Raises
    ------
    SourceError
        If the file is missing, of another kind, or damaged, naming the line.
    """
    kind = path.suffix.lower()
    if path != STDIN and kind not in KINDS:
        raise SourceError(f"{path}: messages are read from {', '.join(KINDS)}, not {kind!r}.")
    try:
        if kind == ".parquet":
            yield from _parquet(path)
            return
        with _opened(path) as file:
            yield from {".jsonl": _jsonl, ".csv": _csv}.get(kind, _lines)(file, path)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise SourceError(f"{path}: cannot be read: {error}.") from error


def texts(path: Path, column: str) -> Iterator[tuple[Row, str]]:
    """Read rows with what is in their column of text; an empty one where it is missing.

    Raises
    ------
    SourceError
        As `rows`; and if a row has no such column, or no text in it.
    """
    for number, row in enumerate(rows(path), start=1):
        yield row, _text(row, column, f"{path}, row {number}")


def labelled(path: Path, column: str, label: str) -> Iterator[tuple[str, str]]:
    """Read messages and their labels; rows without a message or without a label are passed over.

    Raises
    ------
    SourceError
        As `texts`, for either column.
    """
    for number, row in enumerate(rows(path), start=1):
        where = f"{path}, row {number}"
        text, name = _text(row, column, where), _text(row, label, where).strip()
        if text.strip() and name:
            yield text, name


def _text(row: Row, column: str, where: str) -> str:
    if column not in row:
        raise SourceError(
            f"{where}: no column {column!r}; there are {', '.join(row)}.{nearest(column, row)}"
        )
    value = row[column]
    if value is not None and not isinstance(value, str):
        raise SourceError(f"{where}: column {column!r} holds {value!r}; expected text.")
    return value or ""


@contextmanager
def _opened(path: Path) -> Iterator[TextIO]:
    if path == STDIN:
        # In UTF-8 as files are, whatever the terminal's own encoding.
        file = io.TextIOWrapper(sys.stdin.buffer, encoding="utf-8-sig", newline="")
        try:
            yield file
        finally:
            file.detach()  # or it would close what is not its own
        return
    with path.open(encoding="utf-8-sig", newline="") as file:
        yield file


def _lines(file: TextIO, _: Path) -> Iterator[Row]:
    for line in file:
        yield {"text": line.rstrip("\r\n")}


def _jsonl(file: TextIO, path: Path) -> Iterator[Row]:
    for number, line in enumerate(file, start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise SourceError(f"{path}, line {number}: no JSON: {error}.") from error
        if not isinstance(row, dict):
            raise SourceError(f"{path}, line {number}: expected an object, got {line[:40]!r}.")
        yield row


def _csv(file: TextIO, path: Path) -> Iterator[Row]:
    csv.field_size_limit(_LONGEST)
    found = csv.DictReader(file, strict=True)
    names = found.fieldnames or ()
    if twice := [name for name, count in Counter(names).items() if count > 1]:
        raise SourceError(
            f"{path}: its heading names {twice[0]!r} twice, so that one would hide the other. "
            "Rename one."
        )
    for row in found:
        if None in row or None in row.values():
            raise SourceError(
                f"{path}, line {found.line_num}: has other fields than the heading's {len(names)}."
            )
        yield row


def _parquet(path: Path) -> Iterator[Row]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        for batch in pq.ParquetFile(path).iter_batches(batch_size=4096):
            yield from batch.to_pylist()
    except pa.ArrowInvalid as error:
        raise SourceError(f"{path}: no Parquet file: {error}.") from error
