"""What was posted, taken from the store to where history is read from."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq

from churnml.history.manifest import NOTHING_POSTED, Mark
from churnml.history.posted import Posted, arranged

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from churnml.history.tables import Table
    from churnml.serving.store.events import Events


def lay_out(events: Events, contracts: Mapping[str, Table], folder: Path) -> Posted:
    """Write what was posted to a folder, unless it lies there already.

    Parameters
    ----------
    events : Events
        What was posted.
    contracts : mapping of str to Table
        The tables that a project may have. Rows of one that it no longer declares stay in the
        store, and are left out.
    folder : Path
        Where to. Whoever writes holds the lock of history.

    Returns
    -------
    Posted
        What lies there.

    Raises
    ------
    SourceError
        If a row does not fit its contract, or the folder is damaged.
    StoreError
        If the store refuses.
    """
    last = events.last()
    mark = Mark(last, events.digest(last) or "") if last else NOTHING_POSTED
    there = Posted.read(folder)
    tables = [name for name in events.tables() if name in contracts]
    if (there.mark, list(there.tables)) == (mark, tables) and there.fits(contracts):
        return there
    folder.mkdir(parents=True, exist_ok=True)
    newest = {name: _write(events, contracts[name], folder, last) for name in tables}
    # A table whose first event came meanwhile is one of the next time.
    found = {name: time for name, time in newest.items() if time is not None}
    posted = Posted(folder, mark, max(found.values(), default=None), tuple(found))
    posted.write_manifest()
    return posted


def _write(events: Events, table: Table, folder: Path, last: int) -> dt.datetime | None:
    """Write the rows of a table up to an event; tell when the latest became known."""
    parts, newest = [], []
    for part in events.all(table.name):
        rows = [item for item in part if (item.number or 0) <= last]
        if rows:
            parts.append(arranged(table, [r.row for r in rows], [r.number or 0 for r in rows]))
            newest.append(max(item.known_at for item in rows))
    if not parts:
        return None
    path = Posted(folder).file(table.name)
    beside = path.with_name(f".{path.name}.unfinished")
    pq.write_table(pa.concat_tables(parts, promote_options="default"), beside, compression="zstd")
    beside.replace(path)
    return max(newest)
