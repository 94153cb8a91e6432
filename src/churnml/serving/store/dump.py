"""All rows of a store as lines of JSON: what is written of a server, where no file can be copied.

The first line tells the schema, then each line is a row, and the last tells how many there were of
each table and the SHA-256 of all lines before it.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from collections.abc import Iterator
from itertools import groupby, islice
from operator import itemgetter
from pathlib import Path
from typing import Any, BinaryIO

import sqlalchemy as sa

from churnml.errors import StoreError
from churnml.serving.store.database import revision_of
from churnml.serving.store.revisions import bring
from churnml.serving.store.schema import HEAD, METADATA, REVISIONS, VERSIONS

_KIND = "churnml store"
_BATCH = 1000  # rows


def write(connection: sa.Connection, out: BinaryIO) -> None:
    """Write every row.

    Parameters
    ----------
    connection : sqlalchemy.Connection
        That sees the store at one instant.
    out : binary file
        Where to.
    """
    digest = hashlib.sha256()

    def line(content: dict[str, Any]) -> None:
        encoded = json.dumps(content).encode("ascii") + b"\n"
        digest.update(encoded)
        out.write(encoded)

    line({"kind": _KIND, "revision": revision_of(connection)})
    rows = {}
    for table in _tables(connection):
        rows[table.name] = 0
        wanted = sa.select(table).order_by(*table.primary_key)
        found = connection.execute(wanted, execution_options={"yield_per": _BATCH})
        for row in found.mappings():
            line({"table": table.name, "row": {name: _plain(row[name]) for name in row}})
            rows[table.name] += 1
    out.write(json.dumps({"rows": rows, "sha256": digest.hexdigest()}).encode("ascii") + b"\n")


def read(connection: sa.Connection, file: Path) -> None:
    """Make an empty database into the store that was written.

    Parameters
    ----------
    connection : sqlalchemy.Connection
        In a transaction that writes.
    file : Path
        What `write` wrote.

    Raises
    ------
    StoreError
        If the file is no such dump, is damaged or cut off, or is of a newer version.
    """
    lines = _checked(file)
    _, head = next(lines)
    if head["revision"] not in REVISIONS:
        raise StoreError(
            f"{file}: its schema {head['revision']!r} is unknown to this version of churnml, which "
            f"has {HEAD}: a newer one wrote it. Nothing was changed."
        )
    bring(connection, head["revision"])
    tables = {table.name: table for table in _tables(connection)}
    for table, rows in groupby((_row(tables, *line, file) for line in lines), itemgetter(0)):
        while batch := [row for _, row in islice(rows, _BATCH)]:
            connection.execute(sa.insert(table), batch)


def _checked(file: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Give the lines between first and last, once the last vouches for all.

    Reads twice: nothing is given before everything was seen.
    """
    digest, last, number = hashlib.sha256(), b"", 0
    with file.open("rb") as opened:
        for number, line in enumerate(opened, 1):
            digest.update(last)
            last = line
            if number == 1 and _parsed(line).get("kind") != _KIND:
                raise StoreError(f"{file}: no backup; expected one of `churnml store backup`.")
    if number == 0:
        raise StoreError(f"{file}: empty; expected a file of `churnml store backup`.")
    if _parsed(last).get("sha256") != digest.hexdigest():
        raise StoreError(
            f"{file}: damaged or cut off: its last line, {number}, does not vouch for those before "
            "it. Nothing was changed; take another backup."
        )
    with file.open("rb") as opened:
        for at in range(1, number):
            yield at, _parsed(opened.readline())


def _row(
    tables: dict[str, sa.Table], number: int, content: dict[str, Any], file: Path
) -> tuple[sa.Table, dict[str, Any]]:
    try:
        table = tables[content["table"]]
        return table, {name: _typed(table.c[name], value) for name, value in content["row"].items()}
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise StoreError(
            f"{file}: line {number}: no row of the schema that the first line names: {error}. "
            "Nothing was changed."
        ) from error


def _parsed(line: bytes) -> dict[str, Any]:
    try:
        content = json.loads(line)
    except ValueError:
        return {}
    return content if isinstance(content, dict) else {}


def _tables(connection: sa.Connection) -> list[sa.Table]:
    """List the tables as they are there, whatever the revision."""
    metadata = sa.MetaData()
    there = set(sa.inspect(connection).get_table_names()) - {VERSIONS}
    return [
        sa.Table(name, metadata, autoload_with=connection)
        for name in METADATA.tables
        if name in there
    ]


def _plain(value: Any) -> Any:
    if isinstance(value, dt.datetime):
        return value.isoformat()
    return bytes(value).hex() if isinstance(value, bytes | memoryview) else value


def _typed(column: sa.Column[Any], value: Any) -> Any:
    if value is None:
        return None
    if isinstance(column.type, sa.DateTime):
        return dt.datetime.fromisoformat(value)
    return bytes.fromhex(value) if isinstance(column.type, sa.LargeBinary) else value
