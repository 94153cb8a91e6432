from __future__ import annotations

import logging
import math
import os
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import churnml
from churnml.errors import TrainingError
from churnml.training.encoding import FeatureKind
from churnml.training.tracking import Entry, Model, artifact, log, open_store, set_alias, versions

if TYPE_CHECKING:
    from sqlalchemy import Engine

ENTRY = Entry(
    name="first",
    parameters={"model": {"seed": 3, "deep": {"er": [1, 2]}}, "word": "plain", "none": None},
    tags={"bundle": "abc"},
    metrics={"auc": 0.8, "auc.low": math.nan, "lift": 2.0},
    artifacts={},
    texts={"sheet.json": "{}"},
)


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store made once: MLflow takes seconds to lay its tables out."""
    path = tmp_path_factory.mktemp("mlflow") / "mlflow.db"
    open_store(path)
    return path


@pytest.fixture
def database(empty_store: Path, tmp_path: Path) -> Path:
    path = tmp_path / "var" / "mlflow.db"
    path.parent.mkdir()
    shutil.copyfile(empty_store, path)
    return path


def test_a_store_is_there_whole_or_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A training may be killed while MLflow lays out the tables of the first run."""

    def killed(engine: Engine) -> None:
        with engine.begin() as connection:
            connection.exec_driver_sql("CREATE TABLE span_metrics (x INTEGER)")
        raise KeyboardInterrupt

    monkeypatch.setattr("mlflow.store.db.utils._initialize_tables", killed)
    with pytest.raises(KeyboardInterrupt):
        open_store(tmp_path / "var" / "mlflow.db")
    assert list((tmp_path / "var").iterdir()) == []


def test_a_run_is_recorded_whole(database: Path, tmp_path: Path) -> None:
    (tmp_path / "made").mkdir()
    (tmp_path / "made" / "model.txt").write_text("trees")
    entry = Entry(
        **{
            **vars(ENTRY),
            "artifacts": {"bundle": tmp_path / "made", "": tmp_path / "made/model.txt"},
        }
    )
    run = log(database, "company/churn", entry)
    assert run.experiment == "company/churn"
    assert run.store == f"sqlite:///{database}"
    found = open_store(database).get_run(run.id)
    assert found.info.status == "FINISHED"
    assert found.info.run_name == "first"
    assert found.data.params == {
        "model.seed": "3",
        "model.deep.er": "[1, 2]",
        "word": "plain",
        "none": "null",
    }
    assert found.data.metrics == {"auc": 0.8, "lift": 2.0}
    assert found.data.tags["bundle"] == "abc"
    home = database.parent / "mlruns" / run.id / "artifacts"
    files = {path.relative_to(home).as_posix() for path in home.rglob("*") if path.is_file()}
    assert files == {"bundle/model.txt", "model.txt", "sheet.json"}


def test_the_place_of_artifacts_is_absolute_whatever_the_working_directory(
    database: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    first = log(database, "churn", ENTRY)
    second = log(database, "churn", ENTRY)
    assert first.experiment == second.experiment == "churn"
    assert list(elsewhere.iterdir()) == []
    assert (database.parent / "mlruns" / second.id / "artifacts" / "sheet.json").is_file()


def test_a_project_that_was_moved_goes_on_where_it_is_now(database: Path, tmp_path: Path) -> None:
    log(database, "churn", ENTRY)
    moved = tmp_path / "moved" / "mlflow.db"
    moved.parent.mkdir()
    shutil.copyfile(database, moved)
    for _ in range(2):
        run = log(moved, "churn", ENTRY)
        assert run.experiment == f"churn @ {(moved.parent / 'mlruns').as_uri()}"
        assert (moved.parent / "mlruns" / run.id / "artifacts" / "sheet.json").is_file()


def test_experiments_whose_places_are_both_taken_are_an_error(database: Path) -> None:
    client = open_store(database)
    place = (database.parent / "mlruns").as_uri()
    client.create_experiment("churn", artifact_location="file:///x")
    client.create_experiment(f"churn @ {place}", artifact_location="file:///y")
    with pytest.raises(TrainingError, match=r"elsewhere than in .* in file:///y"):
        log(database, "churn", ENTRY)


def test_a_run_that_breaks_off_is_ended_as_failed(database: Path, tmp_path: Path) -> None:
    entry = Entry(**{**vars(ENTRY), "artifacts": {"bundle": tmp_path / "nowhere"}})
    with pytest.raises(TrainingError, match=r"could not be recorded.*The bundle is kept"):
        log(database, "churn", entry)
    client = open_store(database)
    experiment = client.get_experiment_by_name("churn")
    assert experiment is not None
    (run,) = client.search_runs([experiment.experiment_id])
    assert run.info.status == "FAILED"


def test_more_parameters_than_one_call_takes(database: Path) -> None:
    many = {f"p{n}": n for n in range(250)} | {"long": "x" * 9000}
    run = log(database, "churn", Entry(**{**vars(ENTRY), "parameters": many}))
    found = open_store(database).get_run(run.id).data.params
    assert len(found) == 251
    assert len(found["long"]) == 6000


def test_a_parameter_is_kept_whatever_its_feature_is_called(database: Path) -> None:
    least = {"Monthly charges (€/$)": 1.0, "n" * 300: 2.0}
    run = log(database, "churn", replace(ENTRY, parameters={"thin": {"least": least}}))
    assert open_store(database).get_run(run.id).data.params == {
        "thin.least.Monthly charges -----": "1.0",
        "thin.least." + "n" * 239: "2.0",
    }


def test_telemetry_is_off_in_a_fresh_process(database: Path) -> None:
    """It is settled when mlflow is first imported, so no import of it may come before that."""
    code = (
        "import sys; from pathlib import Path; from churnml.training import tracking\n"
        "assert 'mlflow' not in sys.modules\n"
        "tracking.log(Path(sys.argv[1]), 'x', tracking.Entry('n', {}, {}, {}, {}, {}))\n"
        "from mlflow.telemetry.client import get_telemetry_client\n"
        "print(get_telemetry_client())\n"
    )
    # MLflow keeps quiet of itself where it sees a test or a CI; neither shall help here.
    hints = ("MLFLOW", "PYTEST", "CI", "GITHUB", "DO_NOT_TRACK")
    bare = {key: value for key, value in os.environ.items() if not key.startswith(hints)}
    done = subprocess.run(
        [sys.executable, "-c", code, str(database)],
        env=bare,
        check=False,
        capture_output=True,
        text=True,
    )
    assert (done.stdout, done.stderr) == ("None\n", "")


def made(folder: Path, name: str) -> Path:
    """Something that stands for a bundle: MLflow only copies it."""
    (folder / name).mkdir(parents=True)
    (folder / name / "manifest.json").write_text("{}")
    return folder / name


def entry(folder: Path, bundle: str) -> Entry:
    kinds = {
        "n": FeatureKind.NUMBER,
        "b": FeatureKind.BOOLEAN,
        "c": FeatureKind.CATEGORY,
        "never told": FeatureKind.CATEGORY,
        "never true or false": FeatureKind.BOOLEAN,
        "d": FeatureKind.DATE,
        "never dated": FeatureKind.DATE,
    }
    example: list[dict[str, float | bool | str | None]] = [
        {"n": 1.5, "b": True, "c": "x", "d": "2024-01-31T00:00:00"},
        {"n": None, "b": None, "c": None, "d": None},
    ]
    model = Model("acme.churn", made(folder, bundle), kinds, example)
    return replace(ENTRY, tags={"bundle": bundle}, model=model)


def test_models_are_registered_as_challengers(database: Path, tmp_path: Path) -> None:
    assert versions(database, "acme.churn") == ()
    assert versions(tmp_path / "nowhere.db", "acme.churn") == ()
    first = log(database, "churn", entry(tmp_path, "aa"))
    second = log(database, "churn", entry(tmp_path, "bb"))
    latest, earliest = versions(database, "acme.churn")
    assert (latest.number, latest.bundle, latest.run) == (2, "bb", second.id)
    assert (earliest.number, earliest.bundle, earliest.run) == (1, "aa", first.id)
    assert (latest.aliases, earliest.aliases) == (("challenger",), ())
    assert latest.metrics == {"auc": 0.8, "lift": 2.0}
    assert latest.at.tzinfo is None
    set_alias(database, "acme.churn", "champion", 1)
    assert versions(database, "acme.churn")[1].aliases == ("champion",)


def test_versions_that_others_registered_are_left_out(database: Path, tmp_path: Path) -> None:
    mine = log(database, "churn", entry(tmp_path, "aa"))
    other = log(database, "churn", replace(ENTRY, tags={}))
    client = open_store(database)
    client.create_model_version("acme.churn", str(tmp_path))
    client.create_model_version("acme.churn", str(tmp_path), other.id)
    client.create_model_version("acme.churn", str(tmp_path), "0" * 32)
    assert [(item.number, item.run) for item in versions(database, "acme.churn")] == [(1, mine.id)]


def test_a_model_is_kept_without_anything_that_runs(database: Path, tmp_path: Path) -> None:
    run = log(database, "churn", entry(tmp_path, "aa"))
    kept = artifact(database, run.id, "model")
    assert kept is not None
    files = {path.relative_to(kept).as_posix() for path in kept.rglob("*") if path.is_file()}
    assert files == {
        "MLmodel",
        "conda.yaml",
        "data/aa/manifest.json",
        "input_example.json",
        "python_env.yaml",
        "requirements.txt",
        "serving_input_example.json",
    }
    assert "loader_module: churnml.serving.pyfunc" in (kept / "MLmodel").read_text()
    assert f"churnml=={churnml.__version__}" in (kept / "requirements.txt").read_text()
    assert artifact(database, run.id, "nothing") is None


def test_an_alias_of_nothing_is_an_error(database: Path) -> None:
    with pytest.raises(TrainingError, match=r"the alias 'champion' could not be set"):
        set_alias(database, "acme.churn", "champion", 1)


def test_a_damaged_store_is_said(tmp_path: Path) -> None:
    (tmp_path / "mlflow.db").write_text("no database, whatever its name")
    with pytest.raises(
        TrainingError,
        match=r"mlflow\.db: the registry cannot be read: file is not a database\. Nothing was "
        r"changed\. If the file is damaged, put a copy back or move it away, [^\n]*\.$",
    ):
        versions(tmp_path / "mlflow.db", "acme.churn")


def test_what_a_store_refuses_is_not_logged_besides(
    database: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging.getLogger("mlflow"), "propagate", True)
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("ALTER TABLE runs RENAME COLUMN deleted_time TO lost")
    with pytest.raises(TrainingError, match="recorded: table runs has no column named deleted_"):
        log(database, "acme", Entry("x", {}, {}, {}, {}, {}))
    assert caplog.messages == []
