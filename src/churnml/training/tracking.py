"""The record of training runs in MLflow. The only module that imports it.

Runs go to an SQLite store in the project; nothing leaves the machine, MLflow's telemetry is off.
Scoring never comes here: it loads a bundle.
"""

from __future__ import annotations

import json
import math
import os
import shutil
import subprocess
import tempfile
import time
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import churnml
from churnml.errors import TrainingError

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

    from churnml.backtest.metrics import Interval
    from churnml.project import Project
    from churnml.training.bundle import Bundle
    from churnml.training.estimator import FittedModel
    from churnml.training.recipes import Recipe
    from churnml.training.tables import Prepared
    from churnml.training.testing import AtCutoff, Tested

_AT_ONCE = 100  # parameters that MLflow takes in one call
_LONGEST = 6000  # characters of a parameter


@dataclass(frozen=True)
class Run:
    """A run that was recorded.

    Parameters
    ----------
    id : str
        MLflow's name for it.
    experiment : str
        The experiment that it belongs to.
    store : str
        The store's URL: ``mlflow ui --backend-store-uri`` shows it.
    """

    id: str
    experiment: str
    store: str


@dataclass(frozen=True)
class Entry:
    """What there is to record of a run.

    Parameters
    ----------
    name : str
        What the run is called in lists.
    parameters : mapping of str to value
        What was asked for; nested mappings are told with dots.
    tags : mapping of str to str
        Where it came from.
    metrics : mapping of str to float
        What came out; those that do not exist (nan) are left out.
    artifacts : mapping of str to Path
        Files and folders, by where they shall lie among the run's artifacts; ``""`` for the top.
    texts : mapping of str to str
        Further files, by name.
    """

    name: str
    parameters: Mapping[str, Any]
    tags: Mapping[str, str]
    metrics: Mapping[str, float]
    artifacts: Mapping[str, Path]
    texts: Mapping[str, str]


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
        If the store cannot be written; the bundle stays.
    """
    metrics = {
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
        artifacts={"bundle": bundle.folder},
        texts={"data_sheet.json": json.dumps(dict(prepared.sheet), indent=1, default=str)},
    )
    return log(project.tracking, f"{project.name}/{recipe.name}", entry)


def log(database: Path, experiment: str, entry: Entry) -> Run:
    """Write a run to the store, which is made where it is missing.

    Parameters
    ----------
    database : Path
        The SQLite file. Artifacts lie beside it in ``mlruns``.
    experiment : str
        The experiment's name. Artifacts have absolute places in MLflow: where a project was moved,
        its further runs go to an experiment that is named by the new place as well.
    entry : Entry
        What to record.

    Raises
    ------
    TrainingError
        If the store cannot be written.
    """
    _quieten()
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    try:
        client = open_store(database)
        place = (database.resolve().parent / "mlruns").as_uri()
        name, identity = _experiment(client, experiment, place)
        run = client.create_run(identity, run_name=entry.name, tags=dict(entry.tags))
        with _ended(client, run.info.run_id):
            _fill(client, run.info.run_id, entry)
    except (MlflowException, SQLAlchemyError, OSError) as error:
        raise TrainingError(
            f"{database}: the run could not be recorded: {error}. The bundle is complete; what "
            "was trained is not lost."
        ) from error
    return Run(run.info.run_id, name, _url(database))


def open_store(database: Path) -> MlflowClient:
    """Open the store, making it where it is missing, which takes some seconds once.

    Parameters
    ----------
    database : Path
        The SQLite file.

    Returns
    -------
    mlflow.tracking.MlflowClient
        Bound to that file, whatever the environment names as MLflow's store.
    """
    _quieten()
    database.parent.mkdir(parents=True, exist_ok=True)
    with warnings.catch_warnings():
        # MLflow 3.17 maps a relation in a way that SQLAlchemy 2.1 deprecates.
        warnings.filterwarnings("ignore", message="The ``noload`` loader strategy")
        from mlflow.tracking import MlflowClient

        return MlflowClient(tracking_uri=_url(database))


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


def _quieten() -> None:
    """Set what mlflow reads when it is first imported; what the user has set himself stays."""
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "WARNING")


def _url(database: Path) -> str:
    return f"sqlite:///{database.resolve()}"


def _experiment(client: MlflowClient, name: str, place: str) -> tuple[str, str]:
    taken = []
    for wanted in (name, f"{name} @ {place}"):
        found = client.get_experiment_by_name(wanted)
        if found is None:
            return wanted, str(client.create_experiment(wanted, artifact_location=place))
        if found.artifact_location == place:
            return wanted, str(found.experiment_id)
        taken.append(f"{wanted!r} in {found.artifact_location}")
    raise TrainingError(
        f"MLflow's experiments keep their artifacts elsewhere than in {place}: {'; '.join(taken)}. "
        "Move the store away, and a new one is made."
    )


@contextmanager
def _ended(client: MlflowClient, run_id: str) -> Iterator[None]:
    """End a run whatever happens, so that none is left that seems to go on for ever."""
    status = "FAILED"
    try:
        yield
        status = "FINISHED"
    finally:
        client.set_terminated(run_id, status)


def _fill(client: MlflowClient, run_id: str, entry: Entry) -> None:
    from mlflow.entities import Metric, Param

    parameters = [Param(k, v[:_LONGEST]) for k, v in _flat(entry.parameters).items()]
    for begin in range(0, len(parameters), _AT_ONCE):
        client.log_batch(run_id, params=parameters[begin : begin + _AT_ONCE])
    now = int(time.time() * 1000)
    told = {key: value for key, value in entry.metrics.items() if math.isfinite(value)}
    client.log_batch(run_id, metrics=[Metric(key, value, now, 0) for key, value in told.items()])
    for where, path in entry.artifacts.items():
        store = client.log_artifacts if path.is_dir() else client.log_artifact
        store(run_id, str(path), where or None)
    with tempfile.TemporaryDirectory() as folder:
        for file, text in entry.texts.items():
            (Path(folder) / file).write_text(text, encoding="utf-8")
        client.log_artifacts(run_id, folder)


def _flat(content: Mapping[str, Any], before: str = "") -> dict[str, str]:
    """Name nested values by dots, as text."""
    told: dict[str, str] = {}
    for key, value in content.items():
        if isinstance(value, Mapping):
            told |= _flat(value, f"{before}{key}.")
        else:
            told[before + key] = value if isinstance(value, str) else json.dumps(value)
    return told


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
