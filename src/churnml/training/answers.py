"""Answers of a champion to past rows, for a contest."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from churnml.errors import DataError
from churnml.features.engine import compute
from churnml.features.facts import compile_catalogue
from churnml.history.tables import ACCOUNT_ID
from churnml.labels import ColumnLabel
from churnml.project import Project
from churnml.training.bundle import Bundle
from churnml.training.suitability import suited
from churnml.training.tables import Progress, open_history, prepare

if TYPE_CHECKING:
    from numpy.typing import NDArray


def asker(
    project: Project, name: str, champion: Bundle, progress: Progress
) -> Callable[[pa.Table], NDArray[np.float64]]:
    """Give what asks a champion's bundle about past rows, by features of its own catalogue.

    Parameters
    ----------
    project : Project
        The project, whose history or flat table gives the features; read when it is asked.
    name : str
        The recipe.
    champion : Bundle
        Who is asked.
    progress : callable
        Told what is being done and the share that is done.

    Returns
    -------
    callable
        From rows with ``account_id`` and ``cutoff`` (if there are times) to probabilities, nan
        where a flat table has no such row any more. Raises BundleError or DataError where the
        features are no longer to be had.
    """

    def ask(rows: pa.Table) -> NDArray[np.float64]:
        if champion.catalogue is None:
            return _ask_flat(project, name, champion, rows, progress)
        history = open_history(project, progress)
        catalogue = suited(champion, champion.catalogue, history)
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
    project: Project, name: str, champion: Bundle, rows: pa.Table, progress: Progress
) -> NDArray[np.float64]:
    recipe = project.recipe(name)
    if not isinstance(recipe.label, ColumnLabel):
        raise DataError(f"recipe {name!r} learns from history now, and its champion did not.")
    frame = prepare(project, recipe, progress).table.frame
    keys = [key for key in (ACCOUNT_ID, "cutoff") if key in rows.column_names]
    lost = [column for column in champion.features if column not in frame.column_names]
    if lost:
        raise DataError(
            f"{recipe.label.file}: the champion needs column {lost[0]!r}, which is not there any "
            "more, or is excluded. Bring it back, or promote by force."
        )
    place = {key: row for row, key in enumerate(_keys(frame, keys))}
    found = [place.get(key) for key in _keys(rows, keys)]
    scores = champion.score(
        frame.select(list(champion.features)).take(pa.array(found, pa.int64()))
    ).probability
    return np.where([item is None for item in found], np.nan, scores)


def _keys(rows: pa.Table, names: list[str]) -> list[tuple[object, ...]]:
    return list(zip(*(rows[name].to_pylist() for name in names), strict=True))
