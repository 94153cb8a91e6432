"""From a project and a recipe to the table that a model learns from."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pyarrow as pa

from churnml import flat
from churnml.errors import DataError, TrainingError, nearest
from churnml.features.catalogue import Catalogue
from churnml.features.snapshot import keep
from churnml.features.table import (
    META,
    Fingerprints,
    TrainingTable,
    build_table,
    data_sheet,
    read_table,
)
from churnml.history.asof import History
from churnml.history.ingestion import ingest, is_current
from churnml.labels import ColumnLabel, label, label_column
from churnml.project import Project
from churnml.training.recipes import FeatureChoice, Recipe

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
    sheet : mapping
        The data sheet: what the table holds and what was left out of it.
    path : Path or None
        The Parquet file; none for a flat table, which is the user's own file.
    """

    table: TrainingTable
    catalogue: Catalogue | None
    sheet: Mapping[str, Any]
    path: Path | None


def open_history(project: Project, progress: Progress) -> History:
    """Open clean history, reading the sources first if they have changed.

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
    """
    if not is_current(project.sources, base=project.data, into=project.history):
        report = ingest(
            project.sources,
            base=project.data,
            into=project.history,
            quarantine=project.quarantine,
            progress=progress,
        )
        if not report.written:
            refused = [item for item in report.tables if item.refused is not None]
            raise DataError(
                "history would corrupt a score: "
                + "; ".join(f"table {item.name!r}: {item.refused}" for item in refused)
                + f". `churnml check` shows each fault; the rows are in {project.quarantine}."
            )
    return History.open(project.history)


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
        catalogue=catalogue.fingerprint,
        recipe=fingerprint(recipe, "label", "cutoffs", "features"),
    )
    path = project.training / f"{recipe.name}.parquet"
    sheet_path = path.with_suffix(".json")
    if path.is_file() and sheet_path.is_file():
        sheet = json.loads(sheet_path.read_text(encoding="utf-8"))
        if sheet.get("table") == fingerprints.table:
            return Prepared(read_table(path), catalogue, MappingProxyType(sheet), path)
    progress("labels", 0.0)
    labels = label(history, recipe.label, recipe.cutoffs)
    sheet_path.unlink(missing_ok=True)  # a sheet stands for a complete table: it goes first
    table = build_table(
        history,
        catalogue,
        labels.table,
        fingerprints,
        path,
        progress=lambda done, total: progress("features", done / total),
    )
    sheet = data_sheet(table, catalogue, dropped=labels.dropped, omissions=omissions)
    sheet = {"table": fingerprints.table, "recipe": recipe.name, **sheet}
    sheet_path.write_text(json.dumps(sheet, indent=1, allow_nan=False), encoding="utf-8")
    return Prepared(table, catalogue, MappingProxyType(sheet), path)


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
    rows = flat.read(path, text=[spec.id] if spec.id is not None else [])
    labels = label_column(rows, spec)
    features = _flat_columns(rows, recipe.features, spec)
    taken = rows.take(labels.table["row"])
    frame = labels.table.drop_columns(["row"])
    for name in features:
        frame = frame.append_column(name, taken[name])
    table = TrainingTable(
        frame=frame,
        features=features,
        categorical=tuple(n for n in features if pa.types.is_string(frame[n].type)),
        monotone=MappingProxyType({}),
        families=MappingProxyType({name: name for name in features}),
        fingerprints=Fingerprints(
            data=hashlib.sha256(path.read_bytes()).hexdigest(),
            catalogue=hashlib.sha256("\n".join(features).encode()).hexdigest(),
            recipe=fingerprint(recipe, "label", "features"),
        ),
    )
    sheet = {
        "table": table.fingerprints.table,
        "recipe": recipe.name,
        "rows": frame.num_rows,
        "churned": int(sum(frame["label"].to_pylist())),
        "dropped": dict(labels.dropped),
        "features": list(features),
    }
    return Prepared(table, None, MappingProxyType(sheet), None)


def _flat_columns(rows: pa.Table, choice: FeatureChoice, spec: ColumnLabel) -> tuple[str, ...]:
    for name in (*choice.include, *choice.exclude):
        if name not in rows.column_names:
            raise TrainingError(
                f"{spec.file}: [features] names column {name!r}, which is not there."
                f"{nearest(name, rows.column_names)}"
            )
    reserved = {spec.column, spec.id, spec.time, spec.arr, *choice.exclude}
    names = choice.include or tuple(rows.column_names)
    features = tuple(name for name in names if name not in reserved)
    clash = sorted(set(features) & set(META))
    if clash:
        raise TrainingError(
            f"{spec.file}: a feature is called {clash[0]!r}, a name that training tables keep for "
            "themselves. Rename the column, or exclude it under [features]."
        )
    return features
