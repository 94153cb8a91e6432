"""Crossing: two scores of an account, by either model, and what made one into the other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from churnml.errors import BundleError
from churnml.explain.change import Calibration, Change, Margins, change, cross
from churnml.flat import without_nan

if TYPE_CHECKING:
    import pyarrow as pa

    from churnml.features.catalogue import Catalogue
    from churnml.training.estimator import Model

Floats = npt.NDArray[np.float64]


def change_between(
    models: tuple[Model, Model],
    frames: tuple[pa.Table, pa.Table],
    catalogue: Catalogue | None,
    *,
    families: Mapping[str, str] | None = None,
) -> Change:
    """Tell why the later model's score of the later row is not the earlier one's of the earlier.

    A feature counts as known to both models where both frames have the same values of it: if it was
    declared anew in between, and says something else, what it moved is the models' doing.

    Parameters
    ----------
    models : pair of Model
        The earlier and the later one; where they are the same, the same twice.
    frames : pair of pyarrow.Table
        For either model the earlier and the later row, with every feature of that model. Compute
        the earlier row anew for the later model: what is left missing looks like thin history.
    catalogue : Catalogue, optional
        The later model's; none for a flat table.
    families : mapping of str to str, optional
        Under which family each feature is told; by default its own.

    Returns
    -------
    Change
        From the first model's score of the first row to the second one's of the second.

    Raises
    ------
    BundleError
        If a frame has not two rows, or does not fit its model.
    """
    for frame in frames:
        if frame.num_rows != 2:
            raise BundleError(
                f"{frame.num_rows} rows to tell a change by; expected two, the earlier one first."
            )
    first, second = (without_nan(frame) for frame in frames)
    names = [model.encoding.features for model in models]
    features = tuple(dict.fromkeys((*names[0], *names[1])))
    old, through_old = _asked(models[0], first, features)
    new, through_new = _asked(models[1], second, features)
    shared = tuple(
        all(name in known for known in names) and _alike(first, second, name) for name in features
    )
    before, after = second.to_pylist()
    crossed = cross((old, new), (through_old, through_new))
    return change(crossed, features, shared, (before, after), catalogue, families=families)


def _alike(first: pa.Table, second: pa.Table, name: str) -> bool:
    return bool(first[name].to_pylist() == second[name].to_pylist())


def _asked(model: Model, frame: pa.Table, features: tuple[str, ...]) -> tuple[Margins, Calibration]:
    """Give what a model's trees say of rows, and its calibration of any trees' margins of them."""
    encoding = model.encoding
    matrix = encoding.matrix(frame, error=BundleError)
    parts, values = model.explainer.explain(matrix)
    places = [features.index(name) for name in encoding.features]
    aligned = np.zeros((len(values), len(features)))
    aligned[:, places] = values
    # Only what no margin decides is used of it: which rows are thin, and of which segment.
    judged = model.judgement.judge(
        model.calibrator, encoding, matrix, parts.sum(axis=0), np.zeros(len(values))
    )
    judged = replace(judged, moves=tuple((places[place], moved) for place, moved in judged.moves))

    def calibration(margin: Floats, base: float, values: Floats) -> tuple[Floats, Floats]:
        return model.judgement.explain(model.calibrator, margin, base, values, judged)

    return Margins(float(model.explainer.bases.sum()), aligned), calibration
