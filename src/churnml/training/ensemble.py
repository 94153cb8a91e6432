"""The ensemble: shapes raced on the same folds, and the mix of them that judges unseen rows best.

Each shape gives one member for each fold, learnt from the other folds and stopped when the fold
itself gets no better. So every row has a margin from members that never saw its account; by those
margins shapes are dropped and weighted, and later the calibrator is fitted. The mix is a weighted
sum of LightGBM models, and so one LightGBM model.

References
----------
Breiman (1996), Bagging predictors. Machine Learning 24, 123-140.
Caruana, Niculescu-Mizil, Crew and Ksikes (2004), Ensemble selection from libraries of models.
ICML 21.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from types import MappingProxyType
from typing import Any

import lightgbm as lgb
import numpy as np
import numpy.typing as npt

from churnml.training.merging import merge
from churnml.training.shapes import Shape

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.intp]
Told = Callable[[float], None]

GIVE_UP = 2  # larger shapes in a row that are no better, after which none is tried
STEPS = 50  # rounds of the greedy choice: weights are multiples of a fiftieth
LEAST_WEIGHT = 0.05


@dataclass(frozen=True, eq=False)
class Problem:
    """What the members learn from.

    Parameters
    ----------
    matrix : ndarray (n, n_features)
        Encoded features.
    label : ndarray (n,)
        0 or 1.
    fold : ndarray of int (n,)
        Each row's fold, from 0; rows of an account share theirs.
    categorical : tuple of int
        Positions of the features that are categories.
    fixed : mapping of str to value
        Parameters of LightGBM that all shapes share.
    max_rounds, patience : int
        Most trees of a member, and how many that do not better its fold end it.
    cutting : ndarray of int, optional
        The rows by whose values features are cut into bins; all if omitted.
    """

    matrix: Floats
    label: Floats
    fold: Ints
    categorical: tuple[int, ...]
    fixed: Mapping[str, Any]
    max_rounds: int
    patience: int
    cutting: Ints | None = None

    @property
    def n_folds(self) -> int:
        """How many folds there are."""
        return int(self.fold.max()) + 1

    @cached_property
    def binned(self) -> lgb.Dataset:
        """All rows, their values cut into bins once for all members, which take parts of it."""
        if self.cutting is None:
            return self._dataset(self.matrix, self.label).construct()
        cut = self._dataset(self.matrix[self.cutting], self.label[self.cutting])
        return cut.create_valid(self.matrix, label=self.label, params=cut.params).construct()

    def _dataset(self, matrix: Floats, label: Floats) -> lgb.Dataset:
        return lgb.Dataset(
            matrix,
            label=label,
            # LightGBM refuses [ ] : , in names; ours stay in the encoding.
            feature_name=[f"f{position}" for position in range(matrix.shape[1])],
            categorical_feature=list(self.categorical),
            # A filter would leave out what the leaves of one shape are too large to part.
            params={**self.fixed, "feature_pre_filter": False},
        )


@dataclass(frozen=True, eq=False)
class Ensemble:
    """A mix of members, as one model.

    Parameters
    ----------
    text : str
        All trees, fold by fold, LightGBM's text; its margin is the mix's.
    fold_trees : tuple of int
        How many of the trees, in their order, are of each fold's members.
    weights : mapping of str to float
        What each shape counts; they sum to 1.
    losses : mapping of str to float
        Log loss of each shape that was tried, on rows its members had not seen: of all folds, or
        of the first alone where it was dropped after that.
    held_out : ndarray (n,)
        Margin of each row by the members that never saw its account.
    """

    text: str
    fold_trees: tuple[int, ...]
    weights: Mapping[str, float]
    losses: Mapping[str, float]
    held_out: Floats


@dataclass
class _Runner:
    """A shape in the race: its members so far, and what they say of their folds."""

    shape: Shape
    held_out: Floats
    texts: list[str] = field(default_factory=list)


def race(
    problem: Problem,
    ladder: Sequence[Shape],
    always: Sequence[Shape] = (),
    *,
    most: int,
    seed: int,
    told: Told,
) -> Ensemble:
    """Try shapes, keep those that help, and mix them.

    On the first fold shapes climb the ladder, from the fewest leaves up, until `GIVE_UP` in a row
    are no better than the best below them: a table that is too small or too noisy for large trees
    is not made to grow larger ones still. The best `most` of them run the other folds.

    Parameters
    ----------
    problem : Problem
        What to learn from.
    ladder : sequence of Shape
        What to climb, in any order.
    always : sequence of Shape
        What to try wherever the climb ends; with `ladder`, at least one.
    most : int
        How many may be in the mix.
    seed : int
        Fixes all chance.
    told : callable
        Told the share of the work that is done.
    """
    kept = min(most, len(ladder) + len(always))
    total = len(ladder) + len(always) + kept * (problem.n_folds - 1)
    first = problem.fold == 0
    done = 0

    def run(runner: _Runner, fold: int) -> None:
        nonlocal done
        told(done / total)
        inside = np.flatnonzero(problem.fold != fold)
        outside = np.flatnonzero(problem.fold == fold)
        text, runner.held_out[outside] = grow(problem, runner.shape, inside, outside, seed + fold)
        runner.texts.append(text)
        done += 1

    def begin(shape: Shape) -> tuple[_Runner, float]:
        runner = _Runner(shape, np.zeros(problem.label.size))
        run(runner, 0)
        return runner, log_loss(runner.held_out[first], problem.label[first])

    tried = _climb(ladder, begin) + [begin(shape) for shape in always]
    losses = {runner.shape.name: loss for runner, loss in tried}
    done = len(ladder) + len(always)
    finalists = [runner for runner, _ in sorted(tried, key=lambda pair: pair[1])[:kept]]
    for runner in finalists:
        for fold in range(1, problem.n_folds):
            run(runner, fold)
        losses[runner.shape.name] = log_loss(runner.held_out, problem.label)
    margins = np.stack([runner.held_out for runner in finalists])
    return _mixed(finalists, greedy_weights(margins, problem.label), losses)


def _climb(
    ladder: Sequence[Shape], begin: Callable[[Shape], tuple[_Runner, float]]
) -> list[tuple[_Runner, float]]:
    """Begin with shapes from the fewest leaves up, until they get no better."""
    tried: list[tuple[_Runner, float]] = []
    best, idle = np.inf, 0
    for shape in sorted(ladder, key=lambda shape: shape.num_leaves):
        tried.append(begin(shape))
        idle = 0 if tried[-1][1] < best else idle + 1
        best = min(best, tried[-1][1])
        if idle == GIVE_UP:
            break
    return tried


def greedy_weights(margins: Floats, label: Floats) -> Floats:
    """Weigh models by adding, again and again, whichever lowers the log loss of the mean most.

    Parameters
    ----------
    margins : ndarray (n_models, n)
        Log-odds of rows that the models were not fitted on.
    label : ndarray (n,)
        0 or 1.

    Returns
    -------
    ndarray (n_models,)
        They sum to 1; none lies between 0 and `LEAST_WEIGHT`, and their mix is no worse than the
        best model alone.

    References
    ----------
    Caruana et al. (2004), section 2: selection with replacement.
    """
    total, counts = np.zeros(label.size), np.zeros(len(margins))
    best, weights = np.inf, counts
    for size in range(1, STEPS + 1):
        found = [log_loss((total + margin) / size, label) for margin in margins]
        choice = int(np.argmin(found))
        total += margins[choice]
        counts[choice] += 1
        if found[choice] < best - 1e-9:
            best, weights = found[choice], counts / size
    weights = np.where(weights < LEAST_WEIGHT, 0.0, weights)
    weights = np.asarray(weights / weights.sum())
    alone = [log_loss(margin, label) for margin in margins]
    if log_loss(weights @ margins, label) > min(alone):
        # What was swept out held the mix together; that takes few rows and huge margins.
        return np.asarray(np.eye(len(alone))[int(np.argmin(alone))])
    return weights


def log_loss(margin: Floats, label: Floats) -> float:
    """Mean log loss of log-odds (n,) on labels (n,)."""
    return float(np.mean(np.logaddexp(0.0, margin) - label * margin))


def grow(
    problem: Problem, shape: Shape, inside: Ints, outside: Ints, seed: int
) -> tuple[str, Floats]:
    """Fit a member: on some rows, stopped by others.

    Parameters
    ----------
    problem : Problem
        All rows.
    shape : Shape
        The kind of trees.
    inside, outside : ndarray of int
        Positions of the rows to fit on, and of those that stop it.
    seed : int
        Fixes all chance.

    Returns
    -------
    text : str
        The trees, LightGBM's text.
    margin : ndarray (n_outside,)
        What they say of the rows outside.
    """
    parameters = {
        **shape.model_dump(exclude={"name"}),
        **problem.fixed,
        "bagging_freq": 1,
        "feature_pre_filter": False,
        "seed": seed,
    }
    booster = lgb.train(
        parameters,
        problem.binned.subset(inside.tolist()),
        num_boost_round=problem.max_rounds,
        valid_sets=[problem.binned.subset(outside.tolist())],
        callbacks=[lgb.early_stopping(problem.patience, verbose=False)],
    )
    text = booster.model_to_string(num_iteration=booster.best_iteration)
    judged = problem.matrix[outside]
    return text, np.asarray(lgb.Booster(model_str=text).predict(judged, raw_score=True))


def _mixed(runners: Sequence[_Runner], weights: Floats, losses: Mapping[str, float]) -> Ensemble:
    chosen = [(r, w) for r, w in zip(runners, weights, strict=True) if w > 0]
    n_folds = len(runners[0].texts)
    parts = [(r.texts[fold], w / n_folds) for fold in range(n_folds) for r, w in chosen]
    sizes = [lgb.Booster(model_str=text).num_trees() for text, _ in parts]
    return Ensemble(
        text=merge(parts),
        fold_trees=tuple(
            sum(sizes[begin : begin + len(chosen)]) for begin in range(0, len(sizes), len(chosen))
        ),
        weights=MappingProxyType({r.shape.name: float(w) for r, w in chosen}),
        losses=MappingProxyType(dict(losses)),
        held_out=np.asarray(sum(w * r.held_out for r, w in chosen)),
    )
