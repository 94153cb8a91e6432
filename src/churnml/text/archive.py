"""The archive: every text's reading, kept with the version of the reader that made it.

A reading depends on the text alone, so that texts are known by their digest, and what is read twice
is kept once. All readings are of one version: features of two would mean two things. Reading anew
by another version is asked for, never a side effect.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from churnml.errors import ConfigError, SourceError
from churnml.history.asof import History
from churnml.history.dialect import literal, said
from churnml.history.tables import COMPETITOR_LEVELS, INTENTS, THEMES, about
from churnml.text.evidence import write_evidence
from churnml.text.reading import Reader, Reading
from churnml.text.spoken import spoken

if TYPE_CHECKING:
    import duckdb

ARCHIVE = "archive.parquet"
SCHEMA = pa.schema(
    [
        ("digest", pa.string()),
        ("language", pa.string()),
        ("sentiment", pa.string()),
        *((name, pa.bool_()) for name in INTENTS),
        ("competitor", pa.string()),
        ("competitor_level", pa.string()),
        *((about(name), pa.bool_()) for name in THEMES),
        ("evidence", pa.string()),
    ]
)
PARTS = tuple(name for name in SCHEMA.names if name not in {"digest", "language", "evidence"})
_VERSION = b"churnml_reader"
_LEARNED_UNTIL = b"churnml_learned_until"
_WAITING = "churnml_texts_waiting"
_CHUNK = 50_000  # texts read between two writes: what a killed process loses at most
_STEP = 1_000  # texts between two signs of progress
_SHOWN = 240  # characters of evidence


class Archive:
    """The readings of texts, in a folder.

    Parameters
    ----------
    folder : Path
        Holds the file; made where it is missing. Whoever writes holds a lock.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / ARCHIVE

    @property
    def version(self) -> str | None:
        """The version of the reader that made the readings; none where there are none.

        Raises
        ------
        SourceError
            If the file is damaged.
        """
        return self._kept_with(_VERSION)

    @property
    def learned_until(self) -> dt.datetime | None:
        """When people said the latest of what that reader had learned; None where they did not.

        Raises
        ------
        SourceError
            If the file is damaged.
        """
        told = self._kept_with(_LEARNED_UNTIL)
        return dt.datetime.fromisoformat(told) if told else None

    def _kept_with(self, name: bytes) -> str | None:
        if not self.path.is_file():
            return None
        try:
            schema = pq.read_schema(self.path)
        except (OSError, pa.ArrowInvalid) as error:
            raise self._damaged(error) from error
        if schema.remove_metadata() != SCHEMA:
            raise self._damaged("it has other columns than this version of churnml writes")
        return str((schema.metadata or {}).get(name, b"").decode())

    def _damaged(self, why: object) -> SourceError:
        return SourceError(
            f"{self.path}: cannot be read ({why}). `churnml text reread` makes it anew."
        )

    @property
    def relation(self) -> str:
        """SQL of all readings: a row a text, by its digest."""
        if self.path.is_file():
            return f"SELECT * FROM read_parquet({literal(self.path)})"
        types = {pa.bool_(): "BOOLEAN", pa.string(): "VARCHAR"}
        nothing = ", ".join(f'NULL::{types[item.type]} AS "{item.name}"' for item in SCHEMA)
        return f"SELECT {nothing} WHERE false"

    def forget(self) -> None:
        """Begin anew: the next reading of history reads all of it."""
        self.path.unlink(missing_ok=True)

    def same(self, who: Reader, texts: int) -> Reader:
        """Make sure that who is to read so many new texts is who read what is there.

        Raises
        ------
        ConfigError
            If that was another version.
        SourceError
            If the archive is damaged.
        """
        if self.version not in {None, who.version}:
            raise ConfigError(
                f"{texts:,} texts are new, and the readings there were made by version "
                f"{self.version}; this is {who.version}. Models learnt from the former. "
                "`churnml text reread` reads all of history anew; train again after it."
            )
        return who

    def complete(
        self,
        history: History,
        reader: Callable[[], Reader],
        progress: Callable[[str, float], None],
    ) -> None:
        """Read every text of history that was not read before.

        Parameters
        ----------
        history : History
            Clean history.
        reader : callable
            Gives who reads; called only where there is something to read.
        progress : callable
            Told what is being done and the share that is done.

        Raises
        ------
        ConfigError
            If there is something to read, and what is there was read by another version.
        SourceError
            If history or the archive is damaged.
        """
        import duckdb

        try:
            self._complete(history, reader, progress)
        except duckdb.Error as error:
            raise self._damaged(said(error)) from error
        except (OSError, pa.ArrowInvalid) as error:
            if isinstance(error, OSError) and error.errno is not None:
                raise ConfigError(f"{self.path}: cannot be written: {error.strerror}.") from error
            raise self._damaged(error) from error

    def _complete(
        self,
        history: History,
        reader: Callable[[], Reader],
        progress: Callable[[str, float], None],
    ) -> None:
        with history.connect() as connection:
            waiting = self._waiting(history, connection)
            if not waiting:
                return
            who = self.same(reader(), waiting)
            done = 0
            connection.execute(f"SELECT digest, text FROM {_WAITING} ORDER BY digest")
            while rows := connection.fetchmany(_CHUNK):
                found: list[dict[str, Any]] = []
                for reading in who.stream(text for _, text in rows):
                    if done % _STEP == 0:
                        progress("reading what customers wrote", done / waiting)
                    found.append(_row(rows[len(found)][0], reading))
                    done += 1
                self._append(found, who)

    def _waiting(self, history: History, connection: duckdb.DuckDBPyConnection) -> int:
        """Lay out the texts that have no reading, each once, and count them."""
        words = spoken(history)
        if words is None:
            return 0
        connection.execute(
            f"CREATE TEMP TABLE {_WAITING} AS "
            "SELECT sha256(text) AS digest, any_value(text) AS text "
            f"FROM ({words}) WHERE text IS NOT NULL GROUP BY digest"
        )
        connection.execute(
            f"DELETE FROM {_WAITING} WHERE digest IN (SELECT digest FROM ({self.relation}))"
        )
        row = connection.execute(f"SELECT count(*) FROM {_WAITING}").fetchone()
        return int(row[0]) if row else 0

    def _append(self, rows: list[dict[str, Any]], who: Reader) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        known = {_VERSION: who.version.encode()}
        if who.learned_until is not None:
            known[_LEARNED_UNTIL] = who.learned_until.isoformat().encode()
        schema = SCHEMA.with_metadata(known)
        new = self.path.with_name(f".{ARCHIVE}.unfinished")
        with pq.ParquetWriter(new, schema, compression="zstd") as writer:
            for batch in self._kept():
                writer.write_batch(batch.replace_schema_metadata(schema.metadata))
            writer.write_table(pa.Table.from_pylist(rows, schema))
        new.replace(self.path)

    def _kept(self) -> Iterator[pa.RecordBatch]:
        if self.path.is_file():
            with pq.ParquetFile(self.path) as file:
                yield from file.iter_batches()


def rows_of(texts: Mapping[str, str], who: Reader) -> pa.Table:
    """Read texts, by their digest, into the archive's columns; nothing is kept."""
    found = zip(texts, who.stream(texts.values()), strict=True)
    return pa.Table.from_pylist([_row(digest, reading) for digest, reading in found], SCHEMA)


def _row(digest: str, reading: Reading) -> dict[str, Any]:
    """Lay a reading out in columns; what was not read is null."""
    row: dict[str, Any] = {"digest": digest, "language": reading.language}
    if reading.tone is None:
        return row
    evidence = {"sentiment": reading.tone.span.text}
    wanted = {item.intent.value: item.span.text for item in reading.intents}
    themes = {about(item.theme.value): item.span.text for item in reading.themes}
    row["sentiment"] = reading.tone.level
    row.update((name, name in wanted) for name in INTENTS)
    row.update((about(name), about(name) in themes) for name in THEMES)
    rivals = sorted(reading.competitors, key=lambda item: COMPETITOR_LEVELS.index(item.level.value))
    if rivals:
        furthest = rivals[-1]
        row["competitor"], row["competitor_level"] = furthest.name, furthest.level.value
        evidence["competitor_level"] = furthest.span.text
    evidence |= wanted | themes
    shown = {name: " ".join(text.split())[:_SHOWN] for name, text in evidence.items()}
    return row | {"evidence": write_evidence(shown)}
