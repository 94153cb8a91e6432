from __future__ import annotations

import datetime as dt
import math
import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from churnml.actions.tiers import RiskTiers
from churnml.backtest.metrics import Comparison, Evaluation, Interval
from churnml.errors import TrainingError
from churnml.features.catalogue import Catalogue
from churnml.features.table import TrainingTable
from churnml.training import bundle, tracking
from churnml.training.estimator import FittedModel
from churnml.training.recipes import Recipe
from churnml.training.testing import AtCutoff
from churnml.training.tracking import Entry, log, open_store, revision

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
    with pytest.raises(TrainingError, match=r"could not be recorded.*The bundle is complete"):
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


def test_the_revision_is_that_of_the_project(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert revision(tmp_path) == {}

    def git(*command: str) -> str:
        quiet = ["-c", "user.name=t", "-c", "user.email=t@example.org"]
        run = ["git", "-C", str(tmp_path), *quiet, *command]
        return subprocess.run(run, check=True, capture_output=True, text=True).stdout.strip()

    git("init", "-q")
    assert revision(tmp_path) == {}  # nothing committed yet
    (tmp_path / "recipe.toml").write_text("a = 1")
    git("add", ".")
    git("commit", "-q", "-m", "first")
    commit = git("rev-parse", "HEAD")
    (tmp_path / "untracked").write_text("")
    assert revision(tmp_path) == {"mlflow.source.git.commit": commit, "git.changed": "false"}
    (tmp_path / "recipe.toml").write_text("a = 2")
    assert revision(tmp_path)["git.changed"] == "true"
    monkeypatch.setenv("PATH", "")
    assert revision(tmp_path) == {}


def test_a_training_is_recorded(
    database: Path,
    tmp_path: Path,
    table: TrainingTable,
    fitted: FittedModel,
    recipe: Recipe,
    tiers: RiskTiers,
    catalogue: Catalogue,
) -> None:
    metrics = {"auc": Interval(0.8, 0.7, 0.9)}
    written = bundle.write(
        tmp_path / "bundle",
        fitted,
        table,
        recipe,
        tiers=tiers,
        catalogue=catalogue,
        known={},
        metrics=metrics,
    )
    evaluation = Evaluation(metrics, rows=9, accounts=3, positives=2, draws=5, level=0.95)
    difference = Interval(0.1, 0.05, math.nan)
    tested: Any = SimpleNamespace(
        evaluation=evaluation,
        unseen_evaluation=evaluation,
        baseline=Comparison("auc", 0.8, 0.7, difference),
        by_cutoff=(
            AtCutoff(dt.datetime(2024, 1, 1), 5, 2, 1.5, evaluation),
            AtCutoff(dt.datetime(2024, 2, 1), 4, 0, 0.5, None),
        ),
        out_of_time=True,
    )
    project: Any = SimpleNamespace(root=tmp_path, name="company", tracking=database)
    prepared: Any = SimpleNamespace(table=table, sheet={"rows": 7})
    run = tracking.record(project, recipe, prepared, tested, fitted, written)
    found = open_store(database).get_run(run.id)
    assert run.experiment == "company/test"
    assert found.info.run_name == written.id[:12]
    assert found.data.params["model.folds"] == "3"
    assert found.data.params["mix.quick"] == "1.0"
    assert found.data.params["rows"] == "1200"
    assert found.data.params["accounts"] == "120"
    assert found.data.params["churned"] == str(fitted.churned)
    assert found.data.params["label.kind"] == "subscriptions"
    assert found.data.tags["fingerprint.data"] == "d" * 64
    assert found.data.tags["out_of_time"] == "true"
    assert found.data.metrics == {
        "trees": sum(fitted.model.fold_trees),
        "test_rows": 9,
        "test_accounts": 3,
        "test_positives": 2,
        "auc": 0.8,
        "auc.low": 0.7,
        "auc.high": 0.9,
        "unseen.auc": 0.8,
        "unseen.auc.low": 0.7,
        "unseen.auc.high": 0.9,
        "baseline.auc": 0.7,
        "baseline.difference": 0.1,
        "baseline.difference.low": 0.05,
        "2024-01-01.rows": 5,
        "2024-01-01.positives": 2,
        "2024-01-01.expected": 1.5,
        "2024-01-01.auc": 0.8,
        "2024-02-01.rows": 4,
        "2024-02-01.positives": 0,
        "2024-02-01.expected": 0.5,
    }
    home = database.parent / "mlruns" / run.id / "artifacts"
    assert bundle.load(home / "bundle").id == written.id
    assert (home / "data_sheet.json").read_text() == '{\n "rows": 7\n}'
    bare = SimpleNamespace(**{**vars(tested), "unseen_evaluation": None, "baseline": None})
    again = tracking.record(project, recipe, prepared, bare, fitted, written)  # type: ignore[arg-type]
    assert "unseen.auc" not in open_store(database).get_run(again.id).data.metrics
