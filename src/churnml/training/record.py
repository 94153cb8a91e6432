"""The record of a training: what was asked for, what came out, from what, with plots."""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

import churnml
from churnml.explain.dependence import Column, dependence
from churnml.explain.plots import beeswarm, draw
from churnml.training.bundle import GOLDEN
from churnml.training.contest import out_of_time
from churnml.training.encoding import Encoding, FeatureKind
from churnml.training.tracking import OUT_OF_TIME, PLOTS, Entry, Model, Run, log

if TYPE_CHECKING:
    from churnml.backtest.metrics import Interval
    from churnml.project import Project
    from churnml.training.bundle import Bundle
    from churnml.training.estimator import FittedModel
    from churnml.training.recipes import Recipe
    from churnml.training.tables import Prepared
    from churnml.training.testing import AtCutoff, Tested

_EXPLAINED = 500  # rows of a plot of what moves scores; more are drawn over one another
_LEVELS = ("no", "yes")  # of a boolean
_EXAMPLE = 3  # rows


def model_name(project: Project, recipe: str) -> str:
    """Name the registered model of a recipe; MLflow allows neither ``/`` nor ``:`` there."""
    return f"{project.name}.{recipe}".replace("/", "-").replace(":", "-").replace("'", "-")


def record(
    project: Project,
    recipe: Recipe,
    prepared: Prepared,
    tested: Tested,
    fitted: FittedModel,
    bundle: Bundle,
) -> Run:
    """Record one training.

    Parameters
    ----------
    project, recipe
        What was asked for.
    prepared : Prepared
        The training table and its data sheet.
    tested : Tested
        What it was worth out of time.
    fitted : FittedModel
        The final model.
    bundle : Bundle
        What was written of it; goes among the artifacts.

    Raises
    ------
    TrainingError
        If the store cannot be written; the bundle stays, and is not the latest.
    """
    metrics = {
        **_accuracy(tested),
        "trees": float(sum(fitted.model.fold_trees)),
        "test_rows": float(tested.evaluation.rows),
        "test_accounts": float(tested.evaluation.accounts),
        "test_positives": float(tested.evaluation.positives),
        **_intervals(tested.evaluation.metrics),
    }
    if tested.unseen_evaluation is not None:
        metrics |= _intervals(tested.unseen_evaluation.metrics, "unseen.")
    if tested.baseline is not None:
        metrics["baseline.auc"] = tested.baseline.second
        metrics |= _intervals({"difference": tested.baseline.difference}, "baseline.")
    for item in tested.by_cutoff:
        metrics |= _at(item)
    entry = Entry(
        name=bundle.id[:12],
        parameters={
            **recipe.model_dump(mode="json", exclude={"name", "doc"}),
            "mix": dict(fitted.ensemble.weights),
            "rows": fitted.rows,
            "accounts": fitted.accounts,
            "churned": fitted.churned,
        },
        tags={
            **{f"fingerprint.{k}": v for k, v in asdict(prepared.table.fingerprints).items()},
            "fingerprint.table": prepared.table.fingerprints.table,
            "bundle": bundle.id,
            "churnml": churnml.__version__,
            "out_of_time": str(tested.out_of_time).lower(),
            **revision(project.root),
        },
        metrics=metrics,
        artifacts={},
        texts={"data_sheet.json": json.dumps(dict(prepared.sheet), indent=1, default=str)},
        model=Model(
            name=model_name(project, recipe.name),
            bundle=bundle.folder,
            kinds=bundle.model.encoding.kinds,
            example=_example(bundle),
        ),
    )
    with tempfile.TemporaryDirectory() as folder:
        rows, plots = Path(folder) / OUT_OF_TIME, Path(folder) / PLOTS
        pq.write_table(out_of_time(tested, prepared.table, recipe.gates), rows)
        _draw(tested, prepared, bundle, plots)
        entry = replace(entry, artifacts={"": rows, PLOTS: plots})
        return log(project.tracking, f"{project.name}/{recipe.name}", entry)


def _accuracy(tested: Tested) -> dict[str, float]:
    """Tell the share told rightly at a probability of one half, beside what no model gets."""
    label = tested.frame["label"].to_numpy() == 1
    told = tested.frame["probability"].to_numpy() >= 0.5
    rate = float(label.mean())
    return {"accuracy": float((told == label).mean()), "accuracy.majority": max(rate, 1 - rate)}


def _draw(tested: Tested, prepared: Prepared, bundle: Bundle, into: Path) -> None:
    """Draw what the tests were worth, and what moves the final model on the rows of the tests."""
    into.mkdir()
    label = np.asarray(tested.frame["label"].to_numpy(), dtype=np.float64)
    draw(label, tested.frame["probability"].to_numpy(), into)
    rows = np.concatenate([item.test for item in tested.splits])
    if rows.size > _EXPLAINED:
        rows = np.sort(np.random.default_rng(0).choice(rows, _EXPLAINED, replace=False))
    frame = prepared.table.frame.take(pa.array(rows))
    shares = np.asarray(bundle.model.score(frame, contributions=True).contributions)
    matrix = bundle.model.encoding.matrix(frame)
    beeswarm(shares, matrix, bundle.features, into)
    dependence(shares, _columns(bundle.model.encoding, matrix), into)


def _columns(encoding: Encoding, matrix: npt.NDArray[np.float64]) -> list[Column]:
    """Tell the features of encoded rows as plots show them."""
    columns = []
    for place, (name, kind) in enumerate(encoding.kinds.items()):
        levels = _LEVELS if kind is FeatureKind.BOOLEAN else encoding.codes.get(name, ())
        columns.append(Column(name, matrix[:, place], levels, kind is FeatureKind.DATE))
    return columns


def _example(bundle: Bundle) -> list[dict[str, float | bool | str | None]]:
    """Take some golden rows, which are nobody's own."""
    golden = json.loads((bundle.folder / GOLDEN).read_text(encoding="utf-8"))
    return [dict(zip(golden["columns"], row, strict=True)) for row in golden["rows"][:_EXAMPLE]]


def revision(root: Path) -> dict[str, str]:
    """Tell the git revision of a project, as tags; none where it is not under git.

    Parameters
    ----------
    root : Path
        The project.

    Returns
    -------
    dict
        ``mlflow.source.git.commit``, and ``git.changed`` where files differ from it.
    """
    git = shutil.which("git")
    if git is None:
        return {}

    def ask(*command: str) -> str | None:
        done = subprocess.run(  # noqa: S603 - fixed words and the project's own folder
            [str(git), "-C", str(root), *command], capture_output=True, text=True, check=False
        )
        return done.stdout.strip() if done.returncode == 0 else None

    commit = ask("rev-parse", "--verify", "HEAD")
    if commit is None:
        return {}
    changed = ask("status", "--porcelain", "--untracked-files=no", "--", ".")
    return {"mlflow.source.git.commit": commit, "git.changed": str(bool(changed)).lower()}


def _at(item: AtCutoff) -> dict[str, float]:
    """Name the figures of one test after its cutoff."""
    before = f"{item.cutoff:%Y-%m-%d}."
    told = {"rows": float(item.rows), "positives": float(item.churned), "expected": item.expected}
    if item.evaluation is not None:
        told |= {name: interval.value for name, interval in item.evaluation.metrics.items()}
    return {before + name: value for name, value in told.items()}


def _intervals(metrics: Mapping[str, Interval], before: str = "") -> dict[str, float]:
    told = {}
    for name, interval in metrics.items():
        told[before + name] = interval.value
        told[f"{before}{name}.low"] = interval.low
        told[f"{before}{name}.high"] = interval.high
    return told
