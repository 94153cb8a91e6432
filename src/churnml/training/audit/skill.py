"""What a small model makes of a table when its rows are parted, or its labels dealt, otherwise."""

from __future__ import annotations

from dataclasses import dataclass, replace
from types import MappingProxyType

import numpy as np
import pyarrow as pa

from churnml.features.table import TrainingTable
from churnml.splits import Split, split
from churnml.training.audit.auc import Bools, Floats, Ints
from churnml.training.audit.worth import FOLDS, Rows
from churnml.training.encoding import kind_of
from churnml.training.estimator import fit
from churnml.training.recipes import CalibrationSpec, ModelSpec, Recipe
from churnml.training.shapes import Shape

MOST_ROWS = 20_000  # that a small model sees; accounts beyond are left out by chance


@dataclass(frozen=True, eq=False)
class Trial:
    """Scores of some rows by models that did not learn from them.

    Parameters
    ----------
    rows : Rows
        The rows, their accounts numbered as in the whole.
    positions : ndarray of int (n,)
        Where they stand in the table.
    score : ndarray (n,)
        Calibrated log-odds.
    unseen : ndarray of bool (n,)
        Rows of accounts that their model never learnt from.
    """

    rows: Rows
    positions: Ints
    score: Floats
    unseen: Bools


def small(table: TrainingTable, without: frozenset[str], seed: int = 0) -> TrainingTable:
    """Take as many accounts as a small model needs, and only features that a model can read.

    Parameters
    ----------
    table : TrainingTable
        The table.
    without : frozenset of str
        Features to leave out.
    seed : int
        Fixes which accounts.
    """
    features = tuple(
        name
        for name in table.features
        if name not in without and kind_of(table.frame[name].type) is not None
    )
    frame = table.frame
    if frame.num_rows > MOST_ROWS:
        rows = Rows.of(frame)
        order = np.random.default_rng(seed).permutation(rows.n_accounts)
        counts = np.bincount(rows.account, minlength=rows.n_accounts)[order]
        chosen = np.zeros(rows.n_accounts, dtype=bool)
        chosen[order[np.cumsum(counts) <= MOST_ROWS]] = True
        frame = frame.take(pa.array(np.flatnonzero(chosen[rows.account])))
    return replace(
        table,
        frame=frame,
        features=features,
        categorical=tuple(name for name in table.categorical if name in features),
        monotone=MappingProxyType({}),
    )


def rolled(table: TrainingTable, recipe: Recipe) -> tuple[Trial, tuple[Split, ...]]:
    """Score test rows as the recipe parts them.

    Parameters
    ----------
    table : TrainingTable
        From `small`.
    recipe : Recipe
        How rows are parted.

    Raises
    ------
    LabelError
        If there are too few cutoffs or accounts.
    TrainingError
        If a class is missing on a side.
    """
    parts = split(table.frame, recipe.splits, recipe.label, recipe.cutoffs)
    positions = np.concatenate([part.test for part in parts])
    scores = np.concatenate([_score(table, part.learn, part.test, recipe) for part in parts])
    unseen = np.concatenate([part.unseen for part in parts])
    return Trial(Rows.of(table.frame).take(positions), positions, scores, unseen), parts


def shuffled(
    table: TrainingTable, recipe: Recipe, like: Trial, n_fit: int, *, by_account: bool
) -> Trial:
    """Score the same rows by models that learnt from rows of all times.

    Parameters
    ----------
    table : TrainingTable
        From `small`.
    recipe : Recipe
        Tells the seed.
    like : Trial
        From `rolled`: which rows to score.
    n_fit : int
        How many rows a model may learn from, no more than the rolling ones.
    by_account : bool
        Whether an account's rows stay together; else rows are drawn singly, and a model may know
        the account that it scores.

    Raises
    ------
    TrainingError
        If a class is missing on a side.
    """
    rows, draw = Rows.of(table.frame), np.random.default_rng(1)
    units = rows.account if by_account else np.arange(rows.label.size)
    place = draw.random(int(units.max()) + 1)[units]  # of each unit, in [0, 1)
    score = np.empty(like.positions.size)
    for half in (place < 0.5, place >= 0.5):
        others = draw.permutation(np.flatnonzero(~half))[:n_fit]
        asked = np.flatnonzero(half[like.positions])
        score[asked] = _score(table, np.sort(others), like.positions[asked], recipe)
    return Trial(like.rows, like.positions, score, np.full(score.size, by_account))


def permuted(table: TrainingTable, seed: int = 2) -> TrainingTable:
    """Deal labels anew among the rows of each cutoff, so that there is nothing to be learnt.

    Parameters
    ----------
    table : TrainingTable
        From `small`.
    seed : int
        Fixes the deal.
    """
    rows, draw = Rows.of(table.frame), np.random.default_rng(seed)
    label = rows.label.astype(np.int8)
    day = np.zeros(label.size, np.int64) if rows.day is None else rows.day
    for cutoff in np.unique(day):
        there = np.flatnonzero(day == cutoff)
        label[there] = label[draw.permutation(there)]
    at = table.frame.column_names.index("label")
    return replace(table, frame=table.frame.set_column(at, "label", pa.array(label)))


def matched(table: TrainingTable, recipe: Recipe) -> Floats:
    """Score every row by a small model of the accounts of other folds.

    Parameters
    ----------
    table : TrainingTable
        From `small`.
    recipe : Recipe
        Tells the seed.

    Returns
    -------
    ndarray (n,)
        Log-odds, by the table's rows.

    Raises
    ------
    TrainingError
        If a class is missing on a side.
    """
    fold = Rows.of(table.frame).fold
    score = np.empty(fold.size)
    for number in range(FOLDS):
        test = np.flatnonzero(fold == number)
        score[test] = _score(table, np.flatnonzero(fold != number), test, recipe)
    return score


def _score(table: TrainingTable, learn: Ints, test: Ints, recipe: Recipe) -> Floats:
    if not test.size:
        return np.empty(0)
    model = fit(table, learn, _spec(recipe, learn.size), CalibrationSpec()).model
    return model.score(table.frame.take(pa.array(test))).log_odds


def _spec(recipe: Recipe, n_learn: int) -> ModelSpec:
    shape = Shape(
        name="audit",
        learning_rate=0.15,
        num_leaves=7,
        min_data_in_leaf=max(5, min(30, n_learn // 50)),
    )
    return ModelSpec(
        shapes=(),
        own_shapes=(shape,),
        folds=2,
        max_bin=63,
        max_rounds=50,
        early_stopping_rounds=10,
        seed=recipe.model.seed,
        num_threads=1,  # of so few rows further threads only wait for each other
    )
