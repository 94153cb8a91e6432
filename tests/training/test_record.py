from __future__ import annotations

import dataclasses
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow.parquet as pq

from churnml.project import Project
from churnml.training import bundle
from churnml.training.encoding import Encoding, FeatureKind
from churnml.training.record import _columns, model_name, revision
from churnml.training.tracking import artifact, open_store, versions
from churnml.training.workflow import Trained

if TYPE_CHECKING:
    import pytest


def test_everything_of_a_training_is_kept(trained: Trained, company: Project) -> None:
    home = artifact(company.tracking, trained.run.id, "")
    assert home is not None
    files = {path.relative_to(home).as_posix() for path in home.rglob("*") if path.is_file()}
    folder = f"model/data/{trained.bundle.id[:12]}"
    plots = {"roc", "precision_recall", "lift", "calibration", "beeswarm"}
    assert {f"plots/{name}.png" for name in plots} <= files
    drawn = sorted(name for name in files if name.startswith("plots/dependence_"))
    assert [name.split("_")[1] for name in drawn] == ["1", "2", "3", "4", "5", "6"]
    assert {"data_sheet.json", "out_of_time.parquet", "model/MLmodel"} <= files
    assert bundle.load(home / folder).id == trained.bundle.id


def test_the_rows_of_the_tests_are_kept(trained: Trained, company: Project) -> None:
    path = artifact(company.tracking, trained.run.id, "out_of_time.parquet")
    assert path is not None
    rows = pq.read_table(path)
    assert rows.select(["account_id", "cutoff", "label", "probability"]).equals(
        trained.tested.frame
    )
    assert rows["unseen"].to_pylist() == trained.tested.unseen.tolist()
    arr, tier = rows["arr"].to_pylist(), rows["account_tier"].to_pylist()
    assert {t for a, t in zip(arr, tier, strict=True) if a > 100_000} <= {"vip"}
    assert {t for a, t in zip(arr, tier, strict=True) if a < 1_000} <= {"starter"}


def test_columns_are_plotted_as_what_they_are() -> None:
    kinds = {
        "use": FeatureKind.NUMBER,
        "trial": FeatureKind.BOOLEAN,
        "plan": FeatureKind.CATEGORY,
        "since": FeatureKind.DATE,
    }
    columns = _columns(Encoding(kinds, {"plan": ("a", "b")}), np.array([[7.0, 1.0, 0.0, 19_000.0]]))
    assert [item.name for item in columns] == list(kinds)
    assert [item.values.tolist() for item in columns] == [[7], [1], [0], [19_000]]
    assert [item.levels for item in columns] == [(), ("no", "yes"), ("a", "b"), ()]
    assert [item.dated for item in columns] == [False, False, False, True]


def test_metrics_stand_with_their_intervals(trained: Trained, company: Project) -> None:
    found = open_store(company.tracking).get_run(trained.run.id).data
    auc = trained.tested.evaluation.metrics["auc"]
    assert found.metrics["auc"] == auc.value
    assert found.metrics["auc.low"] == auc.low
    assert found.metrics["auc.high"] == auc.high
    label = np.asarray(trained.tested.frame["label"])
    right = (np.asarray(trained.tested.frame["probability"]) >= 0.5) == (label == 1)
    assert found.metrics["accuracy"] == right.mean()
    assert found.metrics["accuracy.majority"] == 1 - label.mean()
    assert trained.tested.baseline is not None
    assert found.metrics["baseline.difference"] == trained.tested.baseline.difference.value
    first = trained.tested.by_cutoff[0]
    assert found.metrics[f"{first.cutoff:%Y-%m-%d}.rows"] == first.rows
    assert found.metrics[f"{first.cutoff:%Y-%m-%d}.expected"] == first.expected


def test_parameters_and_fingerprints_stand_with_the_run(trained: Trained, company: Project) -> None:
    found = open_store(company.tracking).get_run(trained.run.id)
    assert found.info.run_name == trained.bundle.id[:12]
    assert found.data.params["model.folds"] == "3"
    assert found.data.params["gates.least_accuracy"] == "0.85"
    assert found.data.params["label.kind"] == "subscriptions"
    prints = dataclasses.asdict(trained.prepared.table.fingerprints)
    assert {key: found.data.tags[f"fingerprint.{key}"] for key in prints} == prints
    assert found.data.tags["out_of_time"] == "true"


def test_the_model_is_registered_under_a_name_that_mlflow_takes(
    trained: Trained, company: Project
) -> None:
    (version,) = versions(company.tracking, "acme.churn_90d")
    assert (version.bundle, version.aliases) == (trained.bundle.id, ("challenger",))
    assert model_name(company, "churn_90d") == "acme.churn_90d"
    odd: Any = dataclasses.replace(company, name="a/b:c'd")
    assert model_name(odd, "x") == "a-b-c-d.x"


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
