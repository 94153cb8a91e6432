"""What was posted, taken from the store to where history is read from."""

from __future__ import annotations

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
    tables = tuple(name for name in events.tables() if name in contracts)
    if (there.mark, there.tables) == (mark, tables):
        return there
    folder.mkdir(parents=True, exist_ok=True)
    newest = max(events.newest(tables).values(), default=None)
    found = Posted(folder, mark, newest, tables)
    for name in tables:
        _write(events, contracts[name], found.file(name))
    found.write_manifest()
    return found


def _write(events: Events, table: Table, path: Path) -> None:
    parts = [
        arranged(table, [item.row for item in part], [item.number or 0 for item in part])
        for part in events.all(table.name)
    ]
    beside = path.with_name(f".{path.name}.unfinished")
    pq.write_table(pa.concat_tables(parts, promote_options="default"), beside, compression="zstd")
    beside.replace(path)
