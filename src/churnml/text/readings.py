"""The table of readings: what customers said, as it stood at any time, for features to count.

::

    words of history + archive (by digest) + corrections → readings, a version a row

A text's first version is what the model read, or what a source told of its tone, known since the
text was. Every correction is a further version, known since it was made; see
`churnml.history.tables.READINGS`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from churnml.errors import ConfigError, SourceError
from churnml.history.asof import History
from churnml.history.dialect import literal, no_room, said
from churnml.history.memory import ARROW_TYPES
from churnml.history.tables import COMPETITOR_LEVELS, READINGS
from churnml.text.archive import PARTS, SCHEMA, Archive, rows_of
from churnml.text.corrections import Correction, Value
from churnml.text.evidence import read_evidence, write_evidence
from churnml.text.reading import Reader
from churnml.text.spoken import spoken

if TYPE_CHECKING:
    import duckdb

# Raised whenever words, readings and corrections are put together otherwise than before.
LAYOUT = 2
KEPT = 3  # tables; whoever began to compute from one goes on with it
_GROUP = 50_000  # rows that are passed over at once when one account is asked for
_MADE_FROM = b"churnml_made_from"
_BESIDE = "churnml_read_beside"
_SCHEMA = pa.schema([(column.name, ARROW_TYPES[column.kind]) for column in READINGS.columns])
Row = dict[str, Any]


@dataclass(frozen=True)
class Readings:
    """Where readings are kept, and who makes them.

    Parameters
    ----------
    folder : Path
        Holds the archive and the table.
    reader : callable
        Gives who reads what was not read before; called only where there is something.
    corrections : tuple of Correction
        What people say, in the order in which they said it.
    """

    folder: Path
    reader: Callable[[], Reader]
    corrections: tuple[Correction, ...] = ()

    def joined(self, history: History, progress: Callable[[str, float], None]) -> History:
        """Add the table of readings to history, reading first what was not read before.

        Parameters
        ----------
        history : History
            Clean history. Where a source gave it readings, or it has no words, it stays as it is.
        progress : callable
            Told what is being done and the share that is done.

        Raises
        ------
        ConfigError
            If something is to be read, and what is there was read by another version; or if
            people correct readings that a source gives.
        SourceError
            If a file is damaged, or disk or memory does not suffice.
        """
        words = spoken(history)
        if READINGS.name in history.contracts:
            if self.corrections:
                raise ConfigError(
                    "data/corrections.csv corrects readings, but a source gives these: correct "
                    "them there, by a further row, and remove the file."
                )
            return history
        if words is None:
            return history
        archive = Archive(self.folder)
        made_from = self._made_from(history, archive)
        if _told(self._table(made_from)) != made_from:
            archive.complete(history, self.reader, progress)
            made_from = self._made_from(history, archive)
            progress("laying out readings", 0.9)
            self._write(words, history, archive, made_from)
        path = self._table(made_from)
        until = archive.learned_until
        return replace(
            history,
            contracts=MappingProxyType({**history.contracts, READINGS.name: READINGS}),
            data=MappingProxyType({**history.data, READINGS.name: path}),
            # Whatever the table holds follows from what it was made from.
            digests=MappingProxyType({**history.known_digests, READINGS.name: made_from}),
            made_by=MappingProxyType(
                {**history.made_by, READINGS.name: archive.version or "nobody"}
            ),
            learned_until=MappingProxyType(
                {**history.learned_until, **({READINGS.name: until} if until else {})}
            ),
        )

    def read(self, history: History) -> pa.Table:
        """Give the readings of a history in memory, written nowhere.

        Its texts are read as they stand, whatever the archive holds of them: one version says the
        same of a text each time. Corrections count here too, by the ids of the texts.

        Parameters
        ----------
        history : History
            A few accounts' rows. Readings that a source gave it are not looked at.

        Returns
        -------
        pyarrow.Table
            All columns of `READINGS`; no row where history has no words.

        Raises
        ------
        ConfigError
            If something is to be read, and what is in the archive was read by another version.
        SourceError
            If the archive is damaged, or memory does not suffice.
        """
        words = spoken(history)
        if words is None:
            return _SCHEMA.empty_table()
        with history.connect() as connection:
            found = _fetch(
                connection,
                "SELECT DISTINCT sha256(text) AS digest, text "
                f"FROM ({words}) WHERE text IS NOT NULL ORDER BY digest",
            )
            texts = dict(zip(*found.to_pydict().values(), strict=True))
            archive, version, read = Archive(self.folder), None, SCHEMA.empty_table()
            if texts:
                who = archive.same(self.reader(), len(texts))
                version, read = who.version, rows_of(texts, who)
            connection.register(_BESIDE, read)
            return self._laid_out(connection, _first_versions(words, f"FROM {_BESIDE}", version))

    def forget_tables(self) -> None:
        """Remove what was laid out, which is soon made again; what was read stays."""
        for path in self.folder.glob("readings-*.parquet"):
            path.unlink(missing_ok=True)

    def _table(self, made_from: str) -> Path:
        """Name the table by what it was made from, so that none changes under who reads it."""
        return self.folder / f"readings-{made_from[:16]}.parquet"

    def _made_from(self, history: History, archive: Archive) -> str:
        parts = [str(LAYOUT), history.fingerprint, archive.version or "", _SCHEMA.to_string()]
        parts += [
            json.dumps([c.text_id, c.part, c.value, c.by, str(c.at)]) for c in self.corrections
        ]
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()

    def _laid_out(self, connection: duckdb.DuckDBPyConnection, first: str) -> pa.Table:
        """Lay all versions out, from the query of the first ones."""
        wanted = sorted({item.text_id for item in self.corrections})
        connection.register("corrected", pa.table({"text_id": pa.array(wanted, pa.string())}))
        firsts = _fetch(
            connection, f"SELECT * FROM ({first}) WHERE text_id IN (FROM corrected)"
        ).to_pylist()
        later = pa.Table.from_pylist(list(_versions(firsts, self.corrections)), _SCHEMA)
        connection.register("versions", later)
        names = ", ".join(f'"{name}"' for name in _SCHEMA.names)
        table = _fetch(
            connection,
            f"SELECT {names} FROM ({first}) WHERE text_id NOT IN (FROM corrected) "
            f"UNION ALL SELECT {names} FROM versions "
            "ORDER BY account_id, said_at, text_id, recorded_at",
        )
        return table.cast(_SCHEMA)

    def _write(self, words: str, history: History, archive: Archive, made_from: str) -> None:
        first = _first_versions(words, archive.relation, archive.version)
        with history.connect() as connection:
            table = self._laid_out(connection, first)
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self._table(made_from)
        unfinished = path.with_name(f".{path.name}.unfinished")
        table = table.replace_schema_metadata({_MADE_FROM: made_from.encode()})
        pq.write_table(table, unfinished, compression="zstd", row_group_size=_GROUP)
        unfinished.replace(path)
        tables = self.folder.glob("readings-*.parquet")
        for old in sorted(tables, key=lambda item: item.stat().st_mtime_ns)[:-KEPT]:
            old.unlink(missing_ok=True)


def _told(path: Path) -> str | None:
    """Say what a table of readings was made from; nothing where there is none that is whole."""
    try:
        return str((pq.read_schema(path).metadata or {}).get(_MADE_FROM, b"").decode())
    except (OSError, pa.ArrowInvalid):
        return None


def _first_versions(words: str, archive: str, version: str | None) -> str:
    """Write the query of what was read first: a tone that a source told goes before the model's."""
    by = literal(version or "")
    parts = ", ".join(f'"{name}"' for name in PARTS if name != "sentiment")
    # The words that sound as the model says show no other tone.
    toneless = "nullif(json_merge_patch(evidence, '{\"sentiment\": null}')::VARCHAR, '{}')"
    other = "given <> sentiment AND evidence IS NOT NULL"
    return f"""
        SELECT text_id, account_id, said_at, recorded_at, NULL::TIMESTAMP AS replaced_at,
            origin, contact_id,
            CASE WHEN given IS NOT NULL THEN 'source' ELSE 'model' END AS reader,
            CASE WHEN language IS NOT NULL THEN {by} END AS version,
            language, coalesce(given, sentiment) AS sentiment, {parts},
            CASE WHEN {other} THEN {toneless} ELSE evidence END AS evidence
        FROM ({words}) AS words
        LEFT JOIN ({archive}) AS archive ON sha256(words.text) = archive.digest"""


def _versions(firsts: Iterable[Row], corrections: Sequence[Correction]) -> Iterator[Row]:
    """Give every version of the texts that were corrected."""
    by_text: dict[str, list[Correction]] = {}
    for item in corrections:
        by_text.setdefault(item.text_id, []).append(item)
    for first in firsts:
        row = first
        for at, said_then in groupby(by_text[first["text_id"]], key=lambda item: item.at):
            # Nobody corrects what is not there yet; a clock that is off must not hide the text.
            changed = _corrected(row, list(said_then)) | {
                "recorded_at": max(at, row["recorded_at"])
            }
            if changed["recorded_at"] > row["recorded_at"]:
                yield row | {"replaced_at": changed["recorded_at"]}
            row = changed
        yield row


def _corrected(row: Row, corrections: Sequence[Correction]) -> Row:
    """Apply what was said at one time; what a person says shows itself, and needs no evidence."""
    values: dict[str, Value] = {item.part: item.said for item in corrections}
    values |= _competing({**row, **values}, values)
    shown = read_evidence(row["evidence"])
    kept = {name: text for name, text in shown.items() if name not in values}
    return {
        **row,
        **values,
        "reader": "person",
        "version": corrections[-1].by,
        "evidence": write_evidence(kept),
    }


def _competing(row: Row, said: Mapping[str, Value]) -> dict[str, Value]:
    """Keep a competitor and its level together: who is named is mentioned at least."""
    if said.get("competitor_level", said.get("competitor", "")) is None:
        return {"competitor": None, "competitor_level": None}
    if row["competitor"] is not None and row["competitor_level"] is None:
        return {"competitor_level": COMPETITOR_LEVELS[0]}
    return {}


def _fetch(connection: duckdb.DuckDBPyConnection, sql: str) -> pa.Table:
    import duckdb

    try:
        return connection.execute(sql).to_arrow_table()
    except duckdb.Error as error:
        remedy = no_room(error) or " `churnml text reread` makes them anew."
        raise SourceError(f"readings cannot be laid out: {said(error)}.{remedy}") from error
