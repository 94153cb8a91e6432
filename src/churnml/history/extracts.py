"""Sources opened: files and databases as relations that the checks can read many times."""

from __future__ import annotations

import glob
import urllib.parse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from churnml.errors import SourceError, nearest
from churnml.history.csv_files import ROW, SOURCE, CsvFile, copy_csv
from churnml.history.databases import copy_query
from churnml.history.dialect import given_values, identifier, literal, run
from churnml.history.sources import TableSource

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

CSV_SUFFIXES = (".csv", ".csv.gz", ".tsv", ".tsv.gz")
PARQUET_SUFFIXES = (".parquet", ".pq")


@dataclass(frozen=True)
class Extract:
    """What a source holds of one table, ready to be queried.

    Parameters
    ----------
    relation : str
        SQL to select from: the source's columns, ``_source`` and ``_row``.
    columns : mapping of str to str
        The source's columns and their DuckDB types.
    origin : str
        The source, for messages.
    copied : bool
        Whether it was copied as text (CSV, databases) or by a query; Parquet is read in place.
    malformed : tuple of Path
        Parquet files of lines that are no rows.
    n_malformed : int
        How many such lines there are.
    """

    relation: str
    columns: Mapping[str, str]
    origin: str
    copied: bool
    malformed: tuple[Path, ...] = ()
    n_malformed: int = 0


@dataclass(frozen=True)
class Opener:
    """Opens the sources of a project.

    Parameters
    ----------
    connection : duckdb.DuckDBPyConnection
        The engine that reads them.
    base : Path
        The folder that relative paths start from.
    work : Path
        A folder for copies, on a disk with room for them.
    note : callable
        Told of each file before it is read.
    """

    connection: DuckDBPyConnection
    base: Path
    work: Path
    note: Callable[[str], None]

    def open(self, table: str, source: TableSource) -> Extract:
        """Open the source of one table.

        Parameters
        ----------
        table : str
            The table of history.
        source : TableSource
            Where it comes from; not derived.

        Raises
        ------
        ConfigError
            If the URL of a database is unset or malformed.
        SourceError
            If the source is not there or cannot be read.
        """
        if source.files is None:
            into = self.work / f"{table}.source.parquet"
            label = copy_query(table, source, base=self.base, into=into, note=self.note)
            return self._described(table, f"read_parquet({literal(into)})", label, copied=True)
        if isinstance(source.files, dict):
            return self._open_query(table, source, source.files)
        given = (source.files,) if isinstance(source.files, str) else source.files
        return self._open_files(table, source, given, f"{table}.source")

    def _open_query(self, table: str, source: TableSource, named: Mapping[str, str]) -> Extract:
        parts = {}
        for name, given in named.items():
            part = self._open_files(table, source, (given,), f"{table}.{name}.source")
            parts[name] = part
            run(
                self.connection,
                table,
                f"CREATE OR REPLACE TEMP VIEW {identifier(name)} AS "
                f"SELECT {', '.join(given_values(part.columns, source.missing))} "
                f"FROM {part.relation}",
            )
        origin = " + ".join(part.origin for part in parts.values())
        query = str(source.sql).rstrip().rstrip(";")
        described = run(self.connection, table, f"DESCRIBE {query}").fetchall()
        _check_unique(table, [row[0] for row in described])
        into = self.work / f"{table}.source.parquet"
        run(
            self.connection,
            table,
            f"COPY (SELECT *, {literal(origin)} AS {SOURCE}, row_number() OVER () AS {ROW} "
            f"FROM ({query})) TO {literal(into)} (FORMAT parquet)",
        )
        for name in parts:
            run(self.connection, table, f"DROP VIEW {identifier(name)}")
        extract = self._described(table, f"read_parquet({literal(into)})", origin, copied=True)
        return Extract(
            relation=extract.relation,
            columns=extract.columns,
            origin=origin,
            copied=True,
            malformed=tuple(path for part in parts.values() for path in part.malformed),
            n_malformed=sum(part.n_malformed for part in parts.values()),
        )

    def _open_files(
        self, table: str, source: TableSource, given: Sequence[str], stem: str
    ) -> Extract:
        files = find_files(table, given, self.base)
        labels = [_label(path, self.base) for path in files]
        origin = labels[0] if len(files) == 1 else f"{len(files)} files, {labels[0]} … {labels[-1]}"
        if _is_csv(files[0]):
            into, malformed = self.work / f"{stem}.parquet", self.work / f"{stem}.malformed.parquet"
            count = copy_csv(
                [
                    CsvFile(path, label, _partition(label))
                    for path, label in zip(files, labels, strict=True)
                ],
                source.csv,
                into=into,
                malformed=malformed,
                note=self.note,
            )
            extract = self._described(table, f"read_parquet({literal(into)})", origin, copied=True)
            return Extract(extract.relation, extract.columns, origin, True, (malformed,), count)
        self.note(origin)
        relation = _parquet(files, labels, self.base)
        extract = self._described(table, relation, origin, copied=False)
        times = [name for name, kind in extract.columns.items() if kind.startswith("TIMESTAMP")]
        if times and len(files) > 1:
            _check_zones(table, dict(zip(labels, files, strict=True)), times)
        return extract

    def _described(self, table: str, relation: str, origin: str, *, copied: bool) -> Extract:
        rows = run(self.connection, table, f"DESCRIBE SELECT * FROM {relation}").fetchall()
        columns = {row[0]: row[1] for row in rows if row[0] not in {SOURCE, ROW}}
        return Extract(relation, columns, origin, copied)


def find_files(table: str, given: Sequence[str], base: Path) -> list[Path]:
    """Find the files of a table.

    Parameters
    ----------
    table : str
        The table of history, for messages.
    given : sequence of str
        Files, folders and patterns, relative to `base`.
    base : Path
        The folder that they are relative to.

    Returns
    -------
    list of Path
        Each file once, in the order of their paths within each of `given`.

    Raises
    ------
    SourceError
        If nothing is found, or CSV and Parquet are mixed.
    """
    found: dict[Path, None] = {}
    for item in given:
        if "://" in item:
            raise SourceError(
                f"tables.{table}.files: {item!r} is not a local path. Copy or mount the files."
            )
        paths = _matching(base, item)
        if not paths:
            raise SourceError(f"tables.{table}.files: {base / item}: {_absent(base / item)}")
        found.update(dict.fromkeys(paths))
    files = list(found)
    strange = [path for path in files if not (_is_csv(path) or _is_parquet(path))]
    if strange:
        raise SourceError(
            f"tables.{table}.files: {strange[0]}: expected one of "
            f"{', '.join((*CSV_SUFFIXES, *PARQUET_SUFFIXES))}. "
            "Save spreadsheets as CSV."
        )
    if len({_is_csv(path) for path in files}) > 1:
        raise SourceError(
            f"tables.{table}.files: CSV and Parquet are mixed ({files[0].name}, {files[-1].name}); "
            "name them in `files = { a = …, b = … }` and join them in `sql`."
        )
    return files


def _matching(base: Path, item: str) -> list[Path]:
    path = base / item
    if path.is_file():
        return [path]
    if path.is_dir():
        inside = (p for p in path.rglob("*") if p.is_file() and (_is_csv(p) or _is_parquet(p)))
        return sorted(p for p in inside if not p.name.startswith((".", "_")))
    if not glob.has_magic(item):
        return []
    anchor = Path(path.anchor) if Path(item).is_absolute() else base
    pattern = path.relative_to(anchor).as_posix()
    return sorted(found for found in anchor.glob(pattern) if found.is_file())


def _absent(path: Path) -> str:
    if path.is_dir():
        return "the folder holds no CSV or Parquet file."
    if glob.has_magic(str(path)):
        return "the pattern matches no file."
    beside = [item.name for item in path.parent.iterdir()] if path.parent.is_dir() else []
    return f"no such file or folder.{nearest(path.name, beside)}"


def _is_csv(path: Path) -> bool:
    return path.name.lower().endswith(CSV_SUFFIXES)


def _is_parquet(path: Path) -> bool:
    return path.name.lower().endswith(PARQUET_SUFFIXES)


def _label(path: Path, base: Path) -> str:
    return path.relative_to(base).as_posix() if path.is_relative_to(base) else path.as_posix()


def _partition(label: str) -> dict[str, str]:
    folders = (part.partition("=") for part in label.split("/")[:-1] if "=" in part)
    return {key: urllib.parse.unquote(value) for key, _, value in folders}


def _parquet(files: Sequence[Path], labels: Sequence[str], base: Path) -> str:
    paths = ", ".join(literal(glob.escape(str(path))) for path in files)
    hive = str(all(_partition(label) for label in labels)).lower()
    prefix = f"{base.as_posix().rstrip('/')}/"
    return (
        f"(SELECT * EXCLUDE (filename, file_row_number), "
        f"if(starts_with(filename, {literal(prefix)}), substr(filename, {len(prefix) + 1}), "
        f"filename) AS {SOURCE}, file_row_number + 1 AS {ROW} "
        f"FROM read_parquet([{paths}], union_by_name = true, filename = true, "
        f"file_row_number = true, hive_partitioning = {hive}, hive_types_autocast = false))"
    )


def _check_zones(table: str, files: Mapping[str, Path], columns: Sequence[str]) -> None:
    """Refuse times with and without zone in one column: DuckDB would take either for the other."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    first: dict[tuple[str, bool], str] = {}
    for label, path in files.items():
        for field in pq.read_schema(path):
            if field.name in columns and pa.types.is_temporal(field.type):
                zoned = getattr(field.type, "tz", None) is not None
                first.setdefault((field.name, zoned), label)
    for name in columns:
        zoned_in, naive_in = first.get((name, True)), first.get((name, False))
        if zoned_in is not None and naive_in is not None:
            raise SourceError(
                f"tables.{table}.files: column {name!r} has a zone in {zoned_in} and none in "
                f"{naive_in}. Write both alike, or name them in `files = {{ a = …, b = … }}` and "
                f"give the zone in `sql`: timezone('Europe/Berlin', {name})."
            )


def _check_unique(table: str, names: Sequence[str]) -> None:
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise SourceError(
            f"tables.{table}.sql: the query gives column {twice[0]!r} twice; name one anew with AS."
        )
