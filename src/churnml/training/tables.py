"""From a project and a recipe to the table that a model learns from."""

from __future__ import annotations

import datetime as dt
import functools
import hashlib
import json
import sys
from collections.abc import Callable, Collection, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

import churnml
from churnml import flat
from churnml.errors import DataError, TrainingError, nearest
from churnml.features.catalogue import Catalogue
from churnml.features.engine import load_function
from churnml.features.knowledge import KnownRule, known_rules
from churnml.features.snapshot import keep
from churnml.features.table import (
    CUTOFF,
    META,
    Fingerprints,
    TrainingTable,
    build_table,
    data_sheet,
    read_table,
)
from churnml.history.asof import History
from churnml.history.freshness import Stale, stale
from churnml.history.ingestion import ingest, is_current
from churnml.history.store import workplace
from churnml.history.tables import ACCOUNT_ID, READINGS
from churnml.labels import ColumnLabel, Labels, label, label_column
from churnml.labels.arrival import arrival
from churnml.locks import locked
from churnml.project import Project
from churnml.text.spoken import ORIGINS
from churnml.training.columns import Columns
from churnml.training.recipes import FeatureChoice, Recipe

if TYPE_CHECKING:
    from churnml.text.readings import Readings

Progress = Callable[[str, float], None]


@dataclass(frozen=True, eq=False)
class Prepared:
    """A training table and how it came about.

    Parameters
    ----------
    table : TrainingTable
        Rows to learn from.
    catalogue : Catalogue or None
        The features, as they were computed; none for a flat table.
    known : mapping of str to KnownRule
        When what they read counts as known; nothing for a flat table.
    sheet : mapping
        The data sheet: what the table holds and what was left out of it.
    path : Path or None
        The Parquet file; none for a flat table, which is the user's own file.
    """

    table: TrainingTable
    catalogue: Catalogue | None
    known: Mapping[str, KnownRule]
    sheet: Mapping[str, Any]
    path: Path | None


def open_history(project: Project, progress: Progress) -> History:
    """Open clean history with the readings of what customers wrote.

    The sources are read first if they have changed, and so are texts that are new.

    Parameters
    ----------
    project : Project
        Whose history.
    progress : callable
        Told what is being done and the share that is done.

    Raises
    ------
    DataError
        If what is read now would corrupt a score.
    ConfigError
        If texts are new and the readings there were made by another version of the reader.
    """
    # Two that read at once would take each other's folder away.
    with locked(
        project.var / ".history.lock", lambda: progress("waiting: history is being read", 0.0)
    ):
        if not is_current(
            project.sources, base=project.data, into=project.history, posted=project.posted
        ):
            _read(project, progress)
        return readings(project).joined(History.open(project.history), progress)


def readings(project: Project) -> Readings:
    """Say where a project keeps readings, who makes them, and what people corrected.

    Parameters
    ----------
    project : Project
        The project.
    """
    # Here, since whatever scores a flat table has no texts to read.
    from churnml.text import corrections, vocabulary
    from churnml.text.corrections import read_corrections
    from churnml.text.reading import read_reader
    from churnml.text.readings import Readings

    return Readings(
        folder=project.readings,
        reader=lambda: read_reader(project.data / vocabulary.FILE),
        corrections=read_corrections(project.data / corrections.FILE),
    )


def require_unchanged(project: Project, history: History) -> None:
    """Refuse what was computed if clean history was replaced meanwhile.

    Parameters
    ----------
    project : Project
        Whose history.
    history : History
        As it was when the computation began.

    Raises
    ------
    DataError
        If another reading has taken its place, so that the computation may have seen both.
    """
    there = History.open(project.history)
    digests = history.known_digests
    same = all(digests.get(name) == digest for name, digest in there.known_digests.items())
    if not same or there.observed_until != history.observed_until:
        raise DataError(
            f"{project.history} was read anew while this ran, so that what was computed may be of "
            "two histories. Run it again."
        )


def _read(project: Project, progress: Progress) -> None:
    report = ingest(
        project.sources,
        base=project.data,
        into=project.history,
        quarantine=project.quarantine,
        progress=progress,
        posted=project.posted,
    )
    refused = [item for item in report.tables if item.refused is not None]
    if refused:
        raise DataError(
            "history would corrupt a score: "
            + "; ".join(f"table {item.name!r}: {item.refused}" for item in refused)
            + f". `churnml check` shows each fault; the rows are in {project.quarantine}."
        )


def prepare(project: Project, recipe: Recipe, progress: Progress) -> Prepared:
    """Build the table of a recipe, or take it up again if nothing it is made from has changed.

    Parameters
    ----------
    project : Project
        The project.
    recipe : Recipe
        What to predict, from what.
    progress : callable
        Told what is being done and the share that is done.

    Raises
    ------
    ChurnMLError
        If history, labels or features cannot be had.
    """
    if isinstance(recipe.label, ColumnLabel):
        return _flat(project, recipe, recipe.label)
    history = open_history(project, progress)
    available, omissions = project.catalogue.available(history.contracts)
    catalogue = keep(available, _chosen(available, recipe.features))
    fingerprints = Fingerprints(
        data=history.fingerprint,
        catalogue=catalogue_fingerprint(catalogue),
        recipe=fingerprint(recipe, "label", "cutoffs", "features"),
    )
    path = project.training / f"{recipe.name}.parquet"
    silent = stale_tables(history, catalogue, history.observed_until)
    old = [item.document() for item in silent]
    known = known_rules(catalogue, history.contracts, history.made_by)
    made = _earlier(path, fingerprints, old)
    if made is None:
        progress("labels", 0.0)
        labels = label(history, recipe.label, recipe.cutoffs)
        table = _built(project, history, catalogue, labels, fingerprints, path, progress)
        late = arrival(history, recipe.label)
        sheet = {
            "table": fingerprints.table,
            "code": _code(),
            "recipe": recipe.name,
            "given": list(recipe.label.given),
            "stale": old,
            "arrival": {**asdict(late), "too_late": late.too_late},
            "hindsight": in_hindsight(history, known, table.frame[CUTOFF].to_pylist()),
            **data_sheet(table, catalogue, dropped=labels.dropped, omissions=omissions),
        }
        _write_sheet(path.with_suffix(".json"), sheet)
        made = _Made(table, MappingProxyType(sheet))
    return Prepared(made.table, catalogue, known, made.sheet, path)


def _built(
    project: Project,
    history: History,
    catalogue: Catalogue,
    labels: Labels,
    fingerprints: Fingerprints,
    path: Path,
    progress: Progress,
) -> TrainingTable:
    table = build_table(
        history,
        catalogue,
        labels.table,
        fingerprints,
        path,
        progress=lambda done, total: progress("features", done / total),
    )
    try:
        require_unchanged(project, history)
    except DataError:
        path.unlink()  # it bears the name of a history that it may not be made from
        raise
    return table


def annotate(prepared: Prepared, **more: Any) -> Prepared:
    """Write more into the data sheet, and into its file where there is one.

    Parameters
    ----------
    prepared : Prepared
        A training table.
    more
        Plain values by their key in the sheet; what stands there already is replaced.
    """
    sheet = {**prepared.sheet, **more}
    if prepared.path is not None:
        _write_sheet(prepared.path.with_suffix(".json"), sheet)
    return replace(prepared, sheet=MappingProxyType(sheet))


def stale_tables(history: History, catalogue: Catalogue, cutoff: dt.datetime) -> tuple[Stale, ...]:
    """Find the tables that features read and in which nothing was new before a cutoff.

    Which tables a custom feature reads is not known, and not looked at.

    Parameters
    ----------
    history : History
        Clean history.
    catalogue : Catalogue
        The features that are used.
    cutoff : datetime
        UTC, naive.

    Raises
    ------
    SourceError
        If clean history is gone or damaged.
    """
    read = {item.entry.table for item in catalogue.features if item.entry.table is not None}
    return stale(history, told_by(read), cutoff)


def in_hindsight(
    history: History, tables: Collection[str], cutoffs: Collection[dt.datetime]
) -> list[dict[str, Any]]:
    """Say which tables were made by what had learned from people's labels of after a cutoff.

    Parameters
    ----------
    history : History
        Clean history.
    tables : collection of str
        The tables that features read.
    cutoffs : collection of datetime
        UTC, naive; any number of times each.

    Returns
    -------
    list of dict
        In values that JSON knows; ``said`` is the whole in words.
    """
    times, found = set(cutoffs), []
    for table in sorted({*tables} & {*history.learned_until}):
        until = history.learned_until[table]
        if before := sum(cutoff < until for cutoff in times):
            said = (
                f"{table!r} were made by a model that learned from labels of people up to "
                f"{until:%Y-%m-%d}, after {before} of {len(times)} cutoffs: at these it may know "
                "what nobody knew then, and figures may be better than they would have been. "
                "Compare with the shipped model before you trust them."
            )
            found.append({"table": table, "learned_until": until.isoformat(), "said": said})
    return found


def told_by(tables: Collection[str]) -> set[str]:
    """Name the tables that others are made of as well: readings are as old as what was written."""
    return {*tables, *(ORIGINS if READINGS.name in tables else ())}


@dataclass(frozen=True)
class _Made:
    table: TrainingTable
    sheet: Mapping[str, Any]


def _earlier(path: Path, wanted: Fingerprints, old: list[dict[str, Any]]) -> _Made | None:
    """Take up a table that is there already, if it and its sheet are what would be built now."""
    try:
        sheet = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
        if (sheet["table"], sheet["code"], sheet["stale"]) != (wanted.table, _code(), old):
            return None
        table = read_table(path)
    except (OSError, ValueError, KeyError, TypeError, DataError):
        return None  # missing or damaged, which building it anew mends
    if table.fingerprints != wanted:
        return None
    return _Made(table, MappingProxyType(sheet))


def _write_sheet(path: Path, sheet: Mapping[str, Any]) -> None:
    with workplace(path) as work:
        beside = work / path.name
        beside.write_text(json.dumps(sheet, indent=1, allow_nan=False) + "\n", encoding="utf-8")
        beside.replace(path)


def catalogue_fingerprint(catalogue: Catalogue) -> str:
    """SHA-256 of a catalogue and of the modules that its custom features are written in.

    What such a module imports is not looked at.

    Parameters
    ----------
    catalogue : Catalogue
        The features.

    Raises
    ------
    FeatureError
        If the function of a custom feature cannot be imported.
    """
    functions = {f.entry.function for f in catalogue.features if f.entry.function is not None}
    if not functions:
        return catalogue.fingerprint
    digest = hashlib.sha256(catalogue.fingerprint.encode())
    for name in sorted(functions):
        load_function(name)
        file = sys.modules[name.partition(":")[0]].__file__
        digest.update(name.encode())
        digest.update(Path(file).read_bytes() if file is not None else b"")
    return digest.hexdigest()


@functools.cache
def _code() -> str:
    """SHA-256 of the code that cuts labels and computes features; other code, other tables."""
    package = Path(churnml.__file__).parent
    digest = hashlib.sha256()
    for part in ("features", "history", "labels"):
        for module in sorted((package / part).glob("*.py")):
            digest.update(module.read_bytes())
    return digest.hexdigest()


def fingerprint(recipe: Recipe, *parts: str) -> str:
    """SHA-256 of some parts of a recipe."""
    content = recipe.model_dump(mode="json", include=set(parts))
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _chosen(catalogue: Catalogue, choice: FeatureChoice) -> tuple[str, ...]:
    chosen = tuple(
        name
        for name in catalogue.columns
        if name not in choice.exclude
        and (
            name in choice.include
            or catalogue.get(name).family in choice.families
            or not choice.families
        )
    )
    if not chosen:
        raise TrainingError(
            "the recipe's [features] leave none that history can give. `churnml check` shows the "
            "tables there are, `churnml features list` the features."
        )
    return chosen


def _flat(project: Project, recipe: Recipe, spec: ColumnLabel) -> Prepared:
    path = project.root / spec.file
    before = _digest(path)
    text, zoned = filter(None, [spec.id]), filter(None, [spec.time])
    rows = plain(flat.read(path, text=list(text), zoned=list(zoned)))
    data = _digest(path)
    if data != before:
        raise DataError(f"{path}: was written while it was read. Train again when that is done.")
    labels = label_column(rows, spec)
    taken = rows.take(labels.table["row"])
    columns = _flat_columns(taken, recipe.features, spec)
    features = columns.features
    frame = labels.table.drop_columns(["row"])
    for name in features:
        frame = frame.append_column(name, taken[name])
    table = TrainingTable(
        frame=frame,
        features=features,
        categorical=columns.categorical,
        monotone=MappingProxyType({}),
        families=MappingProxyType({name: name for name in features}),
        fingerprints=Fingerprints(
            data=data,
            catalogue=hashlib.sha256("\n".join(features).encode()).hexdigest(),
            recipe=fingerprint(recipe, "label", "features"),
        ),
    )
    sheet = {
        "table": table.fingerprints.table,
        "recipe": recipe.name,
        "rows": frame.num_rows,
        "accounts": pc.count_distinct(frame[ACCOUNT_ID]).as_py(),
        "churned": int(sum(frame["label"].to_pylist())),
        "dropped": dict(labels.dropped),
        "features": list(features),
        "left_out": dict(columns.left_out),
        "doubted": dict(columns.doubted),
        "repeated": _repeated(taken, spec),
    }
    return Prepared(table, None, MappingProxyType({}), MappingProxyType(sheet), None)


def _digest(path: Path) -> str:
    """Identify what a file holds; nothing where there is none, which reading it will say."""
    if not path.is_file():
        return ""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _repeated(rows: pa.Table, spec: ColumnLabel) -> dict[str, Any] | None:
    """Tell of rows that may be one account's, where nothing names accounts; else they are refused.

    ``said`` is the whole in words.
    """
    count = 0 if spec.id is not None else flat.repeated(rows)
    if not count:
        return None
    said = (
        f"{spec.file}: {count:,} of {rows.num_rows:,} rows repeat another in every column. If they "
        "are copies, take them out: they stand in training and in test, and flatter the figures. "
        "If they are accounts, name the column that tells them apart as `id`."
    )
    return {"rows": count, "said": said}


def plain(rows: pa.Table) -> pa.Table:
    """Turn every column of strings, however Parquet holds it, into plain strings.

    Parameters
    ----------
    rows : pyarrow.Table
        A flat table; pandas writes large strings and categories.
    """
    for place, field in enumerate(rows.schema):
        held = field.type.value_type if pa.types.is_dictionary(field.type) else field.type
        text = pa.types.is_large_string(held) or pa.types.is_string_view(held)
        wanted = pa.string() if text else held
        if wanted != field.type:
            rows = rows.set_column(place, field.name, rows.column(place).cast(held).cast(wanted))
    return rows


def _flat_columns(rows: pa.Table, choice: FeatureChoice, spec: ColumnLabel) -> Columns:
    """Choose the columns to learn from; of those that a recipe includes by name, none is judged."""
    for name in (*choice.include, *choice.exclude):
        if name not in rows.column_names:
            raise TrainingError(
                f"{spec.file}: [features] names column {name!r}, which is not there."
                f"{nearest(name, rows.column_names)}"
            )
    reserved = {spec.column, spec.id, spec.time, spec.arr, *choice.exclude}
    names = choice.include or tuple(rows.column_names)
    wanted = tuple(name for name in names if name not in reserved)
    columns = Columns.choose(rows, wanted, keep=choice.include)
    if not columns.features:
        faults = "; ".join(f"{name!r} {why}" for name, why in columns.left_out.items())
        raise TrainingError(
            f"{spec.file}: [features] leave no column to learn from, of: "
            f"{', '.join(rows.column_names)}.{f' Left out: {faults}.' if faults else ''}"
        )
    clash = sorted(set(columns.features) & set(META))
    if clash:
        raise TrainingError(
            f"{spec.file}: a feature is called {clash[0]!r}, a name that training tables keep for "
            "themselves. Rename the column, or exclude it under [features]."
        )
    return columns
