"""Runs, models and their versions in MLflow. The only module that imports it.

Runs go to an SQLite store in the project; nothing leaves the machine, MLflow's telemetry is off.
Scoring never comes here: it loads a bundle.
"""

from __future__ import annotations

import datetime as dt
import json
import logging
import math
import os
import re
import tempfile
import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import churnml
from churnml.errors import TrainingError, cause
from churnml.history.store import workplace
from churnml.training.encoding import FeatureKind

if TYPE_CHECKING:
    from mlflow.entities import Run as MlflowRun
    from mlflow.entities import RunData
    from mlflow.entities.model_registry import ModelVersion
    from mlflow.tracking import MlflowClient

_AT_ONCE = 100  # parameters that MLflow takes in one call
_LONGEST, _LONGEST_NAME = 6000, 250  # characters of a parameter
_LOADER = "churnml.serving.pyfunc"  # is imported by MLflow, where a model is loaded
_TYPES = MappingProxyType(
    {
        FeatureKind.NUMBER: "double",
        FeatureKind.BOOLEAN: "boolean",
        FeatureKind.CATEGORY: "string",
        FeatureKind.DATE: "datetime",
    }
)
_HELD = MappingProxyType({FeatureKind.NUMBER: "float64", FeatureKind.DATE: "datetime64[us]"})
CHAMPION, CHALLENGER = "champion", "challenger"
MODEL, OUT_OF_TIME, PLOTS = "model", "out_of_time.parquet", "plots"  # among a run's artifacts
BUNDLE = f"{MODEL}/data"  # holds the bundle's folder


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
class Model:
    """A bundle to be kept as a model of MLflow.

    Parameters
    ----------
    name : str
        The registered model.
    bundle : Path
        The bundle's folder, which becomes the model's data.
    kinds : mapping of str to FeatureKind
        Its features, which become the signature.
    example : sequence of mapping
        Rows of features, nobody's own.
    """

    name: str
    bundle: Path
    kinds: Mapping[str, FeatureKind]
    example: Sequence[Mapping[str, float | bool | str | None]]


@dataclass(frozen=True)
class Version:
    """A version of a registered model.

    Parameters
    ----------
    number : int
        MLflow's count, from 1.
    bundle : str
        SHA-256 of the bundle that it is.
    table : str
        Fingerprint of the training table that it learned from.
    run : str
        The run that made it.
    at : datetime
        When it was registered, UTC.
    aliases : tuple of str
        What it is called besides.
    metrics : mapping of str to float
        Of the run.
    """

    number: int
    bundle: str
    table: str
    run: str
    at: dt.datetime
    aliases: tuple[str, ...]
    metrics: Mapping[str, float]


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
    model : Model, optional
        What mlflow itself can load; lies under ``model`` among the artifacts and is registered.
    """

    name: str
    parameters: Mapping[str, Any]
    tags: Mapping[str, str]
    metrics: Mapping[str, float]
    artifacts: Mapping[str, Path]
    texts: Mapping[str, str]
    model: Model | None = None


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
    with _told(
        database,
        "the run could not be recorded",
        "The bundle is kept, and is the latest once the same training has been recorded.",
    ):
        client = open_store(database)
        place = (database.resolve().parent / "mlruns").as_uri()
        name, identity = _experiment(client, experiment, place)
        run = client.create_run(identity, run_name=entry.name, tags=dict(entry.tags))
        with _ended(client, run.info.run_id):
            _fill(client, run.info.run_id, entry)
            if entry.model is not None:
                _keep_model(client, run, entry.model)
    return Run(run.info.run_id, name, _url(database))


def versions(database: Path, name: str) -> tuple[Version, ...]:
    """List the versions of a registered model, the latest first; none where there is no store.

    Those that somebody else registered, or whose run was deleted for good, are left out: which
    bundle they are is not known.

    Parameters
    ----------
    database : Path
        The SQLite file.
    name : str
        The registered model.

    Raises
    ------
    TrainingError
        If the store cannot be read.
    """
    if not database.is_file():
        return ()
    _quieten()
    with _told(database, "the registry cannot be read", "Nothing was changed."):
        client = open_store(database)
        aliases = _aliases(client, name)
        found = client.search_model_versions(f"name = '{name}'")
        runs = {run: _run_data(client, run) for run in {item.run_id for item in found}}
    listed = [
        _version(item, data, aliases)
        for item in found
        if (data := runs[item.run_id]) is not None and "bundle" in data.tags
    ]
    return tuple(sorted(listed, key=lambda item: -item.number))


def set_alias(database: Path, name: str, alias: str, number: int) -> None:
    """Let an alias of a registered model name a version.

    Parameters
    ----------
    database : Path
        The SQLite file.
    name, alias : str
        Which alias of which model.
    number : int
        The version.

    Raises
    ------
    TrainingError
        If the store cannot be written.
    """
    _quieten()
    with _told(database, f"the alias {alias!r} could not be set", "Nothing else is touched by it."):
        open_store(database).set_registered_model_alias(name, alias, str(number))


def artifact(database: Path, run: str, name: str) -> Path | None:
    """Find a file or folder among the artifacts of a run; none where it is not there.

    Parameters
    ----------
    database : Path
        The SQLite file, beside which artifacts lie, also where the project was moved.
    run : str
        The run's id.
    name : str
        The file.
    """
    path = database.resolve().parent / "mlruns" / run / "artifacts" / name
    return path if path.exists() else None


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
    with warnings.catch_warnings():
        # MLflow 3.17 maps a relation in a way that SQLAlchemy 2.1 deprecates.
        warnings.filterwarnings("ignore", message="The ``noload`` loader strategy")
        from mlflow.tracking import MlflowClient

        if not database.exists():
            # Elsewhere first: a store that a dying process left half made could never be opened.
            with workplace(database) as work:
                MlflowClient(tracking_uri=_url(work / database.name))
                (work / database.name).replace(database)
        return MlflowClient(tracking_uri=_url(database))


@contextmanager
def _told(database: Path, what: str, comfort: str) -> Iterator[None]:
    """Tell of what the store refused as an error of ours."""
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    # What the database refuses is raised anyway; mlflow would log its traceback besides.
    logging.getLogger("mlflow.store.db.utils").setLevel(logging.CRITICAL)
    try:
        yield
    except (MlflowException, SQLAlchemyError, OSError) as error:
        raise TrainingError(
            f"{database}: {what}: {cause(error)}. {comfort} If the file is damaged, put a copy "
            "back or move it away, and a new one is made; else grant access and free space there."
        ) from error


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

    told = {_name(key): value for key, value in _flat(entry.parameters).items()}
    parameters = [Param(key, value[:_LONGEST]) for key, value in told.items()]
    for begin in range(0, len(parameters), _AT_ONCE):
        client.log_batch(run_id, params=parameters[begin : begin + _AT_ONCE])
    now = int(time.time() * 1000)
    figures = [Metric(k, x, now, 0) for k, x in entry.metrics.items() if math.isfinite(x)]
    client.log_batch(run_id, metrics=figures)
    for where, path in entry.artifacts.items():
        store = client.log_artifacts if path.is_dir() else client.log_artifact
        store(run_id, str(path), where or None)
    with tempfile.TemporaryDirectory() as folder:
        for file, text in entry.texts.items():
            (Path(folder) / file).write_text(text, encoding="utf-8")
        client.log_artifacts(run_id, folder)


def _keep_model(client: MlflowClient, run: MlflowRun, model: Model) -> None:
    """Keep a bundle as a model: without a pickle, by the name of the module that loads it."""
    import pandas as pd
    from mlflow.exceptions import MlflowException

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # MLflow warns of its own type hints
        from mlflow.models import ModelSignature
        from mlflow.pyfunc import save_model
        from mlflow.types import ColSpec, Schema
    # What is not known of an account may be left out of a request only as a null: the bundle
    # itself refuses a row that lacks a column.
    asked = Schema(
        [ColSpec(_TYPES[kind], name, required=False) for name, kind in model.kinds.items()]
    )
    given = Schema(
        [ColSpec("double", "probability"), ColSpec("string", "tier"), ColSpec("double", "log_odds")]
    )
    # A column without a value would else be taken for numbers, and not fit the signature.
    example = pd.DataFrame(
        {
            name: pd.Series(
                [row.get(name) for row in model.example], dtype=_HELD.get(kind, "object")
            )
            for name, kind in model.kinds.items()
        }
    )
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        # MLflow's way of looking for an array in the example is deprecated by pandas and numpy.
        warnings.simplefilter("ignore")
        save_model(
            Path(folder) / "model",
            loader_module=_LOADER,
            data_path=str(model.bundle),
            signature=ModelSignature(asked, given),
            input_example=example,
            pip_requirements=[f"churnml=={churnml.__version__}"],
        )
        client.log_artifacts(run.info.run_id, str(Path(folder) / "model"), MODEL)
    try:
        client.get_registered_model(model.name)
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        client.create_registered_model(model.name)
    source = f"{run.info.artifact_uri}/{MODEL}"
    made = client.create_model_version(model.name, source, run.info.run_id)
    client.set_registered_model_alias(model.name, CHALLENGER, made.version)


def _version(item: ModelVersion, run: RunData, aliases: Mapping[str, int]) -> Version:
    number = int(item.version)
    return Version(
        number=number,
        bundle=run.tags["bundle"],
        table=run.tags.get("fingerprint.table", ""),
        run=str(item.run_id),
        at=dt.datetime.fromtimestamp(item.creation_timestamp / 1000, dt.UTC).replace(tzinfo=None),
        aliases=tuple(sorted(alias for alias, to in aliases.items() if to == number)),
        metrics=MappingProxyType(dict(run.metrics)),
    )


def _run_data(client: MlflowClient, run: str | None) -> RunData | None:
    """Read what was recorded of a run; none where there is no such run any more."""
    from mlflow.exceptions import MlflowException

    if not run:
        return None
    try:
        return client.get_run(run).data
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        return None


def _aliases(client: MlflowClient, name: str) -> dict[str, int]:
    from mlflow.exceptions import MlflowException

    try:
        found = client.get_registered_model(name).aliases
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        return {}
    return {alias: int(version) for alias, version in found.items()}


def _name(key: str) -> str:
    """Name a parameter as MLflow takes it; features and shapes may be called anything."""
    return re.sub(r"[^\w.\- :]", "-", key)[:_LONGEST_NAME]


def _flat(content: Mapping[str, Any], before: str = "") -> dict[str, str]:
    """Name nested values by dots, as text."""
    told: dict[str, str] = {}
    for key, value in content.items():
        if isinstance(value, Mapping):
            told |= _flat(value, f"{before}{key}.")
        else:
            told[before + key] = value if isinstance(value, str) else json.dumps(value)
    return told
