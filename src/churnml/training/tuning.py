"""Tuning: search for kinds of trees that suit a table better than those shipped.

A trial is judged as the model will be used: on later cutoffs, by members that learnt from rows
whose labels were known by then; without times, on accounts that were held out. Only rows that the
first rolling test may learn from take part, so that the tests stay tests.

References
----------
Bergstra, Bardenet, Bengio and Kégl (2011), Algorithms for hyper-parameter optimization. NIPS 24.
"""

from __future__ import annotations

import hashlib
import json
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from churnml.errors import LabelError, TrainingError, cause
from churnml.history.tables import ACCOUNT_ID
from churnml.locks import locked
from churnml.splits import Splits, split
from churnml.training.ensemble import Problem, grow, log_loss
from churnml.training.estimator import problem_of
from churnml.training.folds import account_folds
from churnml.training.shapes import SHAPES, Shape

if TYPE_CHECKING:
    import optuna

    from churnml.features.table import TrainingTable
    from churnml.training.recipes import Recipe

Rows = npt.NDArray[np.intp]

JUDGED = 3  # cutoffs, or folds of accounts
KEPT = 3  # shapes that tuning hands on


@dataclass(frozen=True)
class Tuned:
    """What a search found.

    Parameters
    ----------
    shapes : tuple of Shape
        The best, the very best first.
    losses : tuple of float
        Their log loss on the rows that judged.
    shipped : float
        That of the best shipped shape, on the same rows.
    trials : int
        Trials that were completed, those of earlier runs among them.
    drawn : int
        How many of them tried what is not shipped; none where there were no more trials than
        shipped shapes, which come first.
    judged_by : str
        What judged: ``"later cutoffs"`` or ``"held-out accounts"``.
    """

    shapes: tuple[Shape, ...]
    losses: tuple[float, ...]
    shipped: float
    trials: int
    drawn: int
    judged_by: str

    def document(self) -> dict[str, Any]:
        """Say it in values that JSON knows."""
        return {
            "trials": self.trials,
            "drawn": self.drawn,
            "judged_by": self.judged_by,
            "shipped_loss": self.shipped if np.isfinite(self.shipped) else None,
            "losses": list(self.losses),
            "shapes": [shape.model_dump(mode="json") for shape in self.shapes],
        }


def tune(
    table: TrainingTable,
    rows: Rows,
    recipe: Recipe,
    *,
    trials: int,
    storage: Path,
    told: Callable[[float], None],
) -> Tuned:
    """Search for shapes, going on where an earlier search of the same question stopped.

    Parameters
    ----------
    table : TrainingTable
        Features and labels.
    rows : ndarray of int
        The rows that may be learnt from: those known at the first rolling test.
    recipe : Recipe
        What is asked.
    trials : int
        How many trials there shall be in all.
    storage : Path
        A SQLite file that keeps the trials; made where it is missing.
    told : callable
        Told the share of the work that is done.

    Returns
    -------
    Tuned
        The best shapes.

    Raises
    ------
    TrainingError
        If the trials cannot be kept, or there is too little to judge by.
    """
    parts, judged_by = _parts(table, rows, recipe)
    judgements = [_judgement(table, rows, part, recipe) for part in parts]

    def objective(trial: optuna.Trial) -> float:
        return _loss(judgements, _suggest(trial), recipe.model.seed, trial)

    name = _question(table, recipe)
    with locked(storage.parent / f".{name}.lock"), _kept(storage):
        study = _open(storage, name, recipe.model.seed)
        _resume(study)
        while (done := len(_complete(study))) < trials:
            told(done / trials)
            study.optimize(objective, n_trials=1)
        return _found(study, judged_by)


@dataclass(frozen=True, eq=False)
class _Judgement:
    """Rows to fit on and rows to judge by, as a problem of which only the former shape anything."""

    problem: Problem
    inside: Rows
    outside: Rows


def _judgement(
    table: TrainingTable, rows: Rows, part: tuple[Rows, Rows], recipe: Recipe
) -> _Judgement:
    learn, judge = part
    inside, outside = np.arange(learn.size), learn.size + np.arange(judge.size)
    problem = problem_of(table, rows[np.concatenate([learn, judge])], recipe.model, learning=inside)
    return _Judgement(problem, inside, outside)


def _parts(
    table: TrainingTable, rows: Rows, recipe: Recipe
) -> tuple[Sequence[tuple[Rows, Rows]], str]:
    """Part the rows as often as a trial is judged: positions to fit on, and to judge by."""
    frame = table.frame.take(pa.array(rows))
    label = np.asarray(frame["label"], dtype=np.float64)
    if "cutoff" in frame.column_names:
        for tests in range(JUDGED, 0, -1):
            try:
                parted = split(frame, Splits(test_cutoffs=tests), recipe.label, recipe.cutoffs)
            except LabelError:
                continue
            found = [(part.learn, part.test) for part in parted]
            if all(0 < label[part].sum() < part.size for pair in found for part in pair):
                return found, "later cutoffs"
    accounts = np.asarray(frame[ACCOUNT_ID].to_pylist(), dtype=object)
    churned, stayed = (np.unique(accounts[label == value]).size for value in (1, 0))
    if min(churned, stayed) < JUDGED:
        raise TrainingError(
            f"{churned} accounts churned and {stayed} did not among the rows to tune on; tuning "
            f"needs {JUDGED} of each at least. Use more history, or train without --trials."
        )
    fold = account_folds(accounts, label, JUDGED, recipe.model.seed)
    parts = range(JUDGED)
    return [(np.flatnonzero(fold != k), np.flatnonzero(fold == k)) for k in parts], (
        "held-out accounts"
    )


def _loss(judgements: Sequence[_Judgement], shape: Shape, seed: int, trial: optuna.Trial) -> float:
    """Mean log loss over all rows that judge, given up early where it is plainly no good."""
    import optuna

    total, count = 0.0, 0
    # The latest cutoffs first: they are the most like what is to come.
    for step, part in enumerate(reversed(judgements)):
        _, margin = grow(part.problem, shape, part.inside, part.outside, seed)
        total += part.outside.size * log_loss(margin, part.problem.label[part.outside])
        count += part.outside.size
        trial.report(total / count, step)
        if trial.should_prune():
            raise optuna.TrialPruned
    return total / count


def _suggest(trial: optuna.Trial) -> Shape:
    """Draw a shape; the ranges take in every shipped one."""
    return Shape(
        name=f"trial-{trial.number}",
        learning_rate=trial.suggest_float("learning_rate", 0.01, 0.2, log=True),
        num_leaves=trial.suggest_int("num_leaves", 2, 255, log=True),
        max_depth=trial.suggest_categorical("max_depth", [-1, 2, 3, 4, 6, 8]),
        min_data_in_leaf=trial.suggest_int("min_data_in_leaf", 1, 300, log=True),
        min_sum_hessian_in_leaf=trial.suggest_float("min_sum_hessian_in_leaf", 1e-3, 10, log=True),
        feature_fraction=trial.suggest_float("feature_fraction", 0.1, 1.0),
        bagging_fraction=trial.suggest_float("bagging_fraction", 0.4, 1.0),
        extra_trees=trial.suggest_categorical("extra_trees", [False, True]),
        lambda_l1=trial.suggest_float("lambda_l1", 0.0, 5.0),
        lambda_l2=trial.suggest_float("lambda_l2", 0.0, 50.0),
        min_gain_to_split=trial.suggest_float("min_gain_to_split", 0.0, 1.0),
        path_smooth=trial.suggest_float("path_smooth", 0.0, 20.0),
        cat_smooth=trial.suggest_float("cat_smooth", 1.0, 200.0, log=True),
        cat_l2=trial.suggest_float("cat_l2", 1.0, 200.0, log=True),
        min_data_per_group=trial.suggest_int("min_data_per_group", 5, 200, log=True),
        max_cat_to_onehot=trial.suggest_categorical("max_cat_to_onehot", [1, 4, 64]),
    )


def _question(table: TrainingTable, recipe: Recipe) -> str:
    """Name what is searched for, so that trials of another question are never taken for its own."""
    content = json.dumps(
        {
            "made_by": {name: version(name) for name in ("churnml", "lightgbm")},
            "table": asdict(table.fingerprints),
            "splits": recipe.splits.model_dump(mode="json"),
            "model": recipe.model.model_dump(
                mode="json", include={"max_rounds", "early_stopping_rounds", "max_bin", "seed"}
            ),
            "monotone": recipe.model.monotone,
        },
        sort_keys=True,
    )
    return f"{recipe.name}-{hashlib.sha256(content.encode()).hexdigest()[:12]}"


@contextmanager
def _kept(storage: Path) -> Iterator[None]:
    """Tell of what the file of trials refused as an error of ours."""
    import optuna
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except (OSError, SQLAlchemyError, optuna.exceptions.OptunaError) as error:
        raise TrainingError(
            f"{storage}: trials cannot be kept: {cause(error)}. If the file is damaged, move it "
            "away to begin anew; else grant access and free space there."
        ) from error


def _open(storage: Path, name: str, seed: int) -> optuna.Study:
    import optuna

    # A trial that fails is raised anyway; optuna would log its traceback besides.
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    storage.parent.mkdir(parents=True, exist_ok=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        study = optuna.create_study(
            study_name=name,
            storage=f"sqlite:///{storage.resolve()}",
            load_if_exists=True,
            direction="minimize",
            pruner=optuna.pruners.MedianPruner(n_startup_trials=len(SHAPES)),
        )
    # What was drawn before is known to the sampler; what it draws next must not repeat it.
    study.sampler = optuna.samplers.TPESampler(
        seed=seed + len(study.trials), n_startup_trials=len(SHAPES), multivariate=False
    )
    return study


def _resume(study: optuna.Study) -> None:
    """End what a killed search left running, and ask for every shipped shape not tried to its end.

    Nobody else is at work on the study: the caller holds its lock.
    """
    from optuna.trial import TrialState

    for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        study.tell(trial.number, state=TrialState.FAIL)
    asked = [
        trial.system_attrs.get("fixed_params", trial.params)
        for trial in study.get_trials(deepcopy=False)
        if trial.state != TrialState.FAIL
    ]
    for shape in SHAPES.values():
        parameters = shape.model_dump(exclude={"name"})
        if parameters not in asked:
            study.enqueue_trial(parameters)


def _complete(study: optuna.Study) -> list[Any]:
    import optuna

    ended = (optuna.trial.TrialState.COMPLETE, optuna.trial.TrialState.PRUNED)
    return study.get_trials(deepcopy=False, states=ended)


def _found(study: optuna.Study, judged_by: str) -> Tuned:
    import optuna

    ended = study.get_trials(deepcopy=False, states=(optuna.trial.TrialState.COMPLETE,))
    losses = {trial.number: trial.value for trial in ended if trial.value is not None}
    whole = sorted(ended, key=lambda trial: (losses[trial.number], trial.number))
    shipped = [shape.model_dump(exclude={"name"}) for shape in SHAPES.values()]
    tried = _complete(study)
    best = [trial for trial in whole if trial.params not in shipped][:KEPT]
    return Tuned(
        shapes=tuple(
            Shape(name=f"tuned-{place}", **trial.params) for place, trial in enumerate(best, 1)
        ),
        losses=tuple(losses[trial.number] for trial in best),
        shipped=next((losses[t.number] for t in whole if t.params in shipped), np.nan),
        trials=len(tried),
        drawn=sum(trial.params not in shipped for trial in tried),
        judged_by=judged_by,
    )
