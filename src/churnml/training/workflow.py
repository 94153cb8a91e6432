"""Training, the whole way: table, rolling tests, final model, bundle, tracked run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from churnml.backtest.metrics import Evaluation
from churnml.errors import BundleError, ConfigError
from churnml.features.ahead import days_ahead
from churnml.history.store import workplace
from churnml.locks import locked
from churnml.project import Project
from churnml.splits import split
from churnml.training import bundle as bundles
from churnml.training.bundle import Bundle
from churnml.training.contest import require_segments
from churnml.training.estimator import FittedModel, fit
from churnml.training.hazard import FittedHazard, fit_hazard
from churnml.training.recipes import Recipe
from churnml.training.record import record
from churnml.training.shelf import ID_DIGITS, LATEST
from churnml.training.sufficiency import Sufficiency, assess, require
from churnml.training.tables import Prepared, Progress, annotate, prepare
from churnml.training.testing import Tested, test
from churnml.training.tracking import Run
from churnml.training.tuning import tune

TRIALS = "trials.db"


@dataclass(frozen=True, eq=False)
class Trained:
    """What one training run gave.

    Parameters
    ----------
    prepared : Prepared
        The table and its sheet.
    tested : Tested
        What the recipe is worth out of time.
    bundle : Bundle
        The final model. It learns from every labelled row; its manifest has their times.
    run : Run
        The tracked run.
    baseline : str
        What the recipe compares the model with; see `Recipe.baseline`.
    """

    prepared: Prepared
    tested: Tested
    bundle: Bundle
    run: Run
    baseline: str


def train(
    project: Project,
    name: str,
    progress: Progress,
    told: Callable[[Sufficiency], None] | None = None,
    *,
    trials: int = 0,
) -> Trained:
    """Train a recipe and write its bundle.

    Parameters
    ----------
    project : Project
        The project.
    name : str
        The recipe.
    progress : callable
        Told what is being done and the share that is done.
    told : callable, optional
        Told before anything is trained what the data can support.
    trials : int
        How many kinds of trees to try before that, those of earlier runs on the same question
        among them; see `churnml.training.tuning`. None when 0.

    Returns
    -------
    Trained
        Measured out of time, bundled, tracked.

    Raises
    ------
    ConfigError
        If there is no such recipe, or the project's ``var`` cannot be written.
    ChurnMLError
        If the recipe, its data or the model do not allow it; what was there before stays.
    """
    recipe = project.recipe(name)
    # Side by side, LightGBM is several times slower than in turn.
    turn = locked(
        project.var / ".training.lock", lambda: progress("waiting: another training runs", 0.0)
    )
    try:
        with turn:
            return _train(project, recipe, progress, told, trials)
    except OSError as error:
        raise ConfigError(
            f"{error.filename or project.var}: {error.strerror or error}. What was trained before "
            f"stays. Training writes to {project.var}: grant access and free space there, or name "
            "another folder as `var` under [tool.churnml.folders]."
        ) from error


def _train(
    project: Project,
    recipe: Recipe,
    progress: Progress,
    told: Callable[[Sufficiency], None] | None,
    trials: int,
) -> Trained:
    prepared = _sufficient(prepare(project, recipe, progress), recipe, told)
    require_segments(prepared.table, recipe.gates)
    if trials:
        prepared, recipe = _tuned(project, prepared, recipe, trials, progress)
    tested = test(prepared.table, recipe, progress)
    table = prepared.table
    fitted = fit(
        table,
        np.arange(table.frame.num_rows),
        recipe.model,
        recipe.calibration,
        lambda share: progress("final model", share),
    )
    hazard = fit_hazard(
        table,
        fitted.model.encoding,
        recipe.label,
        recipe.model,
        recipe.survival.periods,
        ahead=_ahead(project, prepared),
        known_at=None,
    )
    bundle = _write_bundle(project, recipe, prepared, fitted, hazard, tested.evaluation)
    progress("tracking", 0.0)
    run = record(project, recipe, prepared, tested, fitted, bundle)
    # Last, so that nobody is scored by a model of which no record tells what it is worth.
    _point(project.bundles / recipe.name, bundle)
    progress("done", 1.0)
    return Trained(prepared, tested, bundle, run, recipe.baseline)


def _sufficient(
    prepared: Prepared, recipe: Recipe, told: Callable[[Sufficiency], None] | None
) -> Prepared:
    """Tell what the data can support, refuse what is too little, and keep it in the sheet."""
    parts = split(prepared.table.frame, recipe.splits, recipe.label, recipe.cutoffs)
    found = assess(prepared.table, parts)
    if told is not None:
        told(found)
    require(found, recipe.sufficiency, recipe.label)
    # A table that is taken up again may come with what an earlier training wrote in its sheet.
    return annotate(prepared, sufficiency=found.document(), tuning=None)


def _tuned(
    project: Project, prepared: Prepared, recipe: Recipe, trials: int, progress: Progress
) -> tuple[Prepared, Recipe]:
    """Search for kinds of trees, add the best to the recipe's own, and keep them in the sheet."""
    first = split(prepared.table.frame, recipe.splits, recipe.label, recipe.cutoffs)[0]
    found = tune(
        prepared.table,
        first.learn,
        recipe,
        trials=trials,
        storage=project.var / TRIALS,
        told=lambda share: progress("tuning", share),
    )
    names = {shape.name for shape in found.shapes}
    own = tuple(shape for shape in recipe.model.own_shapes if shape.name not in names)
    model = recipe.model.model_copy(
        update={
            "own_shapes": (*own, *found.shapes),
            # They stand beside the shipped ones in the mix, not in their place.
            "most_shapes": recipe.model.most_shapes + len(found.shapes),
        }
    )
    return annotate(prepared, tuning=found.document()), recipe.model_copy(update={"model": model})


def _ahead(project: Project, prepared: Prepared) -> tuple[str, ...]:
    if prepared.catalogue is None:
        return ()
    return days_ahead(prepared.catalogue, project.sources.tables_declared())


def _write_bundle(
    project: Project,
    recipe: Recipe,
    prepared: Prepared,
    fitted: FittedModel,
    hazard: FittedHazard | None,
    evaluation: Evaluation,
) -> Bundle:
    home = project.bundles / recipe.name
    with workplace(home / LATEST) as work:
        made = bundles.write(
            work / "bundle",
            fitted,
            prepared.table,
            recipe,
            tiers=project.tiers,
            catalogue=prepared.catalogue,
            known=prepared.known,
            metrics=evaluation.metrics,
            hazard=hazard,
        )
        folder = home / made.id[:ID_DIGITS]
        if not _intact(folder, made.id):
            if folder.exists():
                folder.rename(work / "damaged")
            made.folder.rename(folder)
    return bundles.load(folder)


def _point(home: Path, bundle: Bundle) -> None:
    """Make a bundle the latest."""
    with workplace(home / LATEST) as work:
        pointer = work / LATEST
        pointer.write_text(bundle.folder.name + "\n", encoding="utf-8")
        pointer.replace(home / LATEST)


def _intact(folder: Path, wanted: str) -> bool:
    """Whether the same inputs gave this bundle before, and it is unharmed."""
    try:
        return folder.is_dir() and bundles.load(folder).id == wanted
    except BundleError:
        return False
