"""Rolling tests: what a recipe is worth on cutoffs that its models saw nothing of."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from churnml.backtest.metrics import Comparison, Evaluation, compare, evaluate
from churnml.errors import TrainingError, nearest
from churnml.history.tables import ACCOUNT_ID
from churnml.splits import Split, split
from churnml.training.encoding import FeatureKind, kind_of
from churnml.training.estimator import fit
from churnml.training.recipes import Recipe

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from churnml.features.table import TrainingTable
    from churnml.training.tables import Progress

_BASELINE = "_baseline"  # a column that no feature can be called


@dataclass(frozen=True)
class AtCutoff:
    """What scores were worth at one test.

    Parameters
    ----------
    cutoff : datetime
        The first instant of the test, UTC.
    rows, churned : int
        What was tested.
    expected : float
        How many churned by the probabilities: their sum.
    evaluation : Evaluation or None
        Of these rows alone, where both outcomes occur among them.
    """

    cutoff: dt.datetime
    rows: int
    churned: int
    expected: float
    evaluation: Evaluation | None


@dataclass(frozen=True, eq=False)
class Tested:
    """Scores of test rows, each by a model that saw nothing of its time or later.

    Parameters
    ----------
    frame : pyarrow.Table
        ``account_id``, ``cutoff`` (if there are times), ``label``, ``probability``.
    unseen : ndarray of bool (n,)
        Rows of accounts that the model never learnt from.
    evaluation : Evaluation
        Over all rows.
    by_cutoff : tuple of AtCutoff
        Of each test by itself, the earliest first; none without times.
    unseen_evaluation : Evaluation or None
        Over unseen accounts, where both outcomes occur there.
    baseline : Comparison or None
        AUC of the model against the recipe's baseline alone, where the table has it.
    out_of_time : bool
        Whether the tests lie after what was learnt.
    splits : tuple of Split
        How rows were parted.
    """

    frame: pa.Table
    unseen: NDArray[np.bool_]
    evaluation: Evaluation
    by_cutoff: tuple[AtCutoff, ...]
    unseen_evaluation: Evaluation | None
    baseline: Comparison | None
    out_of_time: bool
    splits: tuple[Split, ...]


def test(table: TrainingTable, recipe: Recipe, progress: Progress) -> Tested:
    """Measure a recipe on its latest cutoffs, each by a model of its own.

    Parameters
    ----------
    table : TrainingTable
        Rows with labels.
    recipe : Recipe
        How to part, fit and calibrate, and what to compare with.
    progress : callable
        Told what is being done and the share that is done.

    Raises
    ------
    LabelError
        If there are too few cutoffs or accounts.
    TrainingError
        If a model cannot be fitted, or the recipe's baseline is no number among its features.
    """
    baseline = _baseline(table, recipe)
    splits = split(table.frame, recipe.splits, recipe.label, recipe.cutoffs)
    parts, spec = [], recipe.model
    for number, parted in enumerate(splits):

        def told(share: float, done: int = number) -> None:
            progress("rolling tests", (done + share) / len(splits))

        fitted = fit(table, parted.learn, spec, recipe.calibration, told)
        # What the first test's rows chose, none of the later ones need try again.
        spec, model = spec.only(fitted.ensemble.weights), fitted.model
        rows = table.frame.take(pa.array(parted.test))
        kept = [name for name in (ACCOUNT_ID, "cutoff", "label") if name in rows.column_names]
        scores = model.score(rows)
        part = rows.select(kept).append_column("probability", pa.array(scores.probability))
        if baseline is not None:
            part = part.append_column(_BASELINE, rows[baseline].cast(pa.float64(), safe=False))
        parts.append(part)
    progress("intervals", 0.0)
    frame, unseen = pa.concat_tables(parts), np.concatenate([item.unseen for item in splits])
    tests = zip((item.test_from for item in splits), parts, strict=True)
    return Tested(
        frame=frame if baseline is None else frame.drop_columns([_BASELINE]),
        unseen=unseen,
        evaluation=_evaluation(frame),
        by_cutoff=tuple(_at(cutoff, rows) for cutoff, rows in tests if cutoff is not None),
        unseen_evaluation=_possible(frame.filter(pa.array(unseen))),
        baseline=None if baseline is None else _compared(frame, recipe.baseline.startswith("-")),
        out_of_time=all(parted.out_of_time for parted in splits),
        splits=splits,
    )


def _baseline(table: TrainingTable, recipe: Recipe) -> str | None:
    """Find the column of the recipe's baseline; one that was asked for must be there."""
    name = recipe.baseline.removeprefix("-")
    there = name in table.features
    if there and kind_of(table.frame[name].type) in {FeatureKind.NUMBER, FeatureKind.BOOLEAN}:
        return name
    if "baseline" not in recipe.model_fields_set:
        return None
    held = f" {table.frame[name].type}, no number." if there else " none of its features."
    raise TrainingError(
        f"recipe {recipe.name!r}: baseline = {recipe.baseline!r} names{held}"
        f"{'' if there else nearest(name, table.features)} Name a number that the model sees."
    )


def _at(cutoff: dt.datetime, rows: pa.Table) -> AtCutoff:
    return AtCutoff(
        cutoff=cutoff,
        rows=rows.num_rows,
        churned=int(rows["label"].to_numpy().sum()),
        expected=float(rows["probability"].to_numpy().sum()),
        evaluation=_possible(rows),
    )


def _accounts(rows: pa.Table) -> NDArray[np.object_]:
    return np.asarray(rows[ACCOUNT_ID].to_pylist(), dtype=object)


def _evaluation(rows: pa.Table) -> Evaluation:
    return evaluate(rows["label"].to_numpy(), rows["probability"].to_numpy(), _accounts(rows))


def _possible(rows: pa.Table) -> Evaluation | None:
    """Evaluate rows that hold both outcomes; of others there is nothing to say."""
    churned = int(rows["label"].to_numpy().sum())
    return _evaluation(rows) if 0 < churned < rows.num_rows else None


def _compared(rows: pa.Table, less_is_riskier: bool) -> Comparison:
    values = rows[_BASELINE].to_numpy() * (-1.0 if less_is_riskier else 1.0)
    # An account never seen at all has been away for longer than any other.
    missing = np.isnan(values)
    riskiest = np.nextafter(values[~missing].max(initial=0.0), np.inf)
    values = np.where(missing, riskiest, values)
    return compare(
        rows["label"].to_numpy(), rows["probability"].to_numpy(), values, _accounts(rows)
    )
