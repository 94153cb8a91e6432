"""Answers of a champion to past rows, for a contest."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np
import pyarrow as pa

from churnml.errors import DataError
from churnml.features.catalogue import Catalogue
from churnml.features.engine import compute
from churnml.features.facts import compile_catalogue
from churnml.history.tables import ACCOUNT_ID
from churnml.labels import ColumnLabel, label_column
from churnml.project import Project
from churnml.training.bundle import Bundle
from churnml.training.suitability import read_flat, suited
from churnml.training.tables import Progress, open_history

if TYPE_CHECKING:
    from numpy.typing import NDArray


def asker(
    project: Project, champion: Bundle, progress: Progress
) -> Callable[[pa.Table], NDArray[np.float64]]:
    """Give what asks a champion's bundle about past rows.

    Its features are those of its own catalogue, or of the flat table that its own label names,
    whatever the recipe says today.

    Parameters
    ----------
    project : Project
        The project, whose history or flat table gives the features; read when it is asked.
    champion : Bundle
        Who is asked.
    progress : callable
        Told what is being done and the share that is done.

    Returns
    -------
    callable
        From rows with ``account_id`` and ``cutoff`` (if there are times) to probabilities, nan
        where a flat table has no such row any more. Raises a ChurnMLError where the features are
        no longer to be had.
    """

    def ask(rows: pa.Table) -> NDArray[np.float64]:
        label = champion.manifest.label
        if isinstance(label, ColumnLabel):
            return _ask_flat(project.root / label.file, label, champion, rows)
        history = open_history(project, progress)
        # Who learned from history brings its catalogue.
        catalogue = suited(champion, cast(Catalogue, champion.catalogue), history)
        parts = [
            part.columns.append_column("_place", pa.array(part.positions))
            for part in compute(
                history,
                compile_catalogue(catalogue, history.contracts),
                rows[ACCOUNT_ID].to_pylist(),
                rows["cutoff"].cast(pa.int64()).to_numpy(),
                progress=lambda done, total: progress("the champion's features", done / total),
            )
        ]
        features = pa.concat_tables(parts).sort_by("_place").drop_columns(["_place"])
        return champion.score(features).probability

    return ask


def _ask_flat(
    path: Path, label: ColumnLabel, champion: Bundle, rows: pa.Table
) -> NDArray[np.float64]:
    """Ask by the file as it is now, whose rows are found by account and time."""
    table = read_flat(champion, path)
    if label.id is None:
        _require_same(path, champion)
    lost = [column for column in champion.features if column not in table.column_names]
    if lost:
        raise DataError(
            f"{path}: the champion needs column {lost[0]!r}, which is not there any more. Bring it "
            "back."
        )
    there = label_column(table, label).table
    keys = [ACCOUNT_ID] if label.time is None else [ACCOUNT_ID, "cutoff"]
    place = dict(zip(_keys(there, keys), there["row"].to_pylist(), strict=True))
    found = [place.get(key) for key in _keys(rows, keys)]
    features = table.select(list(champion.features)).take(pa.array(found, pa.int64()))
    scores = champion.score(features).probability
    return np.where([item is None for item in found], np.nan, scores)


def _require_same(path: Path, champion: Bundle) -> None:
    """Refuse a file in which a row's number may be another's by now."""
    learned = champion.manifest.training.fingerprints["data"]
    if hashlib.sha256(path.read_bytes()).hexdigest() != learned:
        raise DataError(
            f"{path}: is not what the champion learned from, and without a column that names "
            "accounts, id under [label], its rows cannot be known again."
        )


def _keys(rows: pa.Table, names: list[str]) -> list[tuple[object, ...]]:
    return list(zip(*(rows[name].to_pylist() for name in names), strict=True))
