"""Families: under which each feature is told."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from churnml.explain.correlation import told_together

if TYPE_CHECKING:
    from churnml.features.table import TrainingTable
    from churnml.training.estimator import Model

# So many values tell what correlates, and how heavy it is: all features of some thousand rows.
_VALUES, _LEAST_ROWS = 4_000_000, 1_000


def told_families(model: Model, table: TrainingTable) -> dict[str, str]:
    """Tell under which family each feature is told: its own, or that of one that says the same.

    Parameters
    ----------
    model : Model
        The final model.
    table : TrainingTable
        What it learned from; its rows are taken at even steps.
    """
    features = model.encoding.features
    rows = max(_LEAST_ROWS, _VALUES // len(features))
    step = max(1, -(-table.frame.num_rows // rows))
    frame = table.frame.take(pa.array(range(0, table.frame.num_rows, step)))
    contributions = model.score(frame, contributions=True).contributions
    return told_together(
        features,
        [table.families[name] for name in features],
        model.encoding.matrix(frame),
        [name in model.encoding.codes for name in features],
        np.abs(np.asarray(contributions)).mean(axis=0),
    )
