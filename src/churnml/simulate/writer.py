"""Tables written piece by piece: memory holds one row group of each, whatever the world's size."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

import pyarrow as pa
import pyarrow.parquet as pq

from churnml.errors import ConfigError

MARK = b"churnml.simulated"
GROUP_ROWS = 65_536


class TableWriter:
    """Parquet files that appear all at once, when all of them are complete.

    Parameters
    ----------
    folder : Path
        Where they go; it is made if it is not there. Files of an earlier simulation are replaced,
        any other is refused.
    names : tuple of str
        The files, relative to the folder, without the suffix.

    Raises
    ------
    ConfigError
        If a file is in the way that no simulation wrote.
    """

    def __init__(self, folder: Path, names: tuple[str, ...]) -> None:
        self._paths = {name: folder / f"{name}.parquet" for name in names}
        for path in self._paths.values():
            _refuse_foreign(path)
        folder.mkdir(parents=True, exist_ok=True)
        self._workshop = Path(tempfile.mkdtemp(prefix=".simulating-", dir=folder))
        self._writers: dict[str, pq.ParquetWriter] = {}
        self._waiting: dict[str, list[pa.Table]] = {name: [] for name in names}
        self.rows = dict.fromkeys(names, 0)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is None:
            for name in self._paths:
                self._flush(name)
        for writer in self._writers.values():
            writer.close()
        if kind is None:
            for name, path in self._paths.items():
                path.parent.mkdir(parents=True, exist_ok=True)
                self._draft(name).replace(path)
        shutil.rmtree(self._workshop)

    def append(self, tables: Mapping[str, pa.Table]) -> None:
        """Add rows; each file's schema is that of its first.

        Parameters
        ----------
        tables : mapping of str to pyarrow.Table
            Rows by name of the file.
        """
        for name, table in tables.items():
            self._waiting[name].append(table)
            self.rows[name] += table.num_rows
            if sum(part.num_rows for part in self._waiting[name]) >= GROUP_ROWS:
                self._flush(name)

    def _flush(self, name: str) -> None:
        parts = self._waiting[name]
        if not parts:
            return
        table = pa.concat_tables(parts)
        if name not in self._writers:
            schema = table.schema.with_metadata({**(table.schema.metadata or {}), MARK: b"yes"})
            draft = self._draft(name)
            draft.parent.mkdir(parents=True, exist_ok=True)
            self._writers[name] = pq.ParquetWriter(draft, schema, compression="zstd")
        self._writers[name].write_table(
            table.replace_schema_metadata(self._writers[name].schema.metadata)
        )
        self._waiting[name] = []

    def _draft(self, name: str) -> Path:
        return self._workshop / f"{name}.parquet"


def _refuse_foreign(path: Path) -> None:
    if not path.exists():
        return
    try:
        metadata = pq.read_schema(path).metadata or {}
    except (pa.ArrowInvalid, OSError):
        metadata = {}
    if MARK not in metadata:
        raise ConfigError(
            f"{path}: already there, and not written by a simulation; nothing was changed. "
            f"Simulate into another folder, or move the file away."
        )
