from __future__ import annotations

import datetime as dt
import json
import os
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from churnml.errors import BundleError, ConfigError
from churnml.project import Project
from churnml.splits import span
from churnml.training import bundle as bundles
from churnml.training.shelf import latest_bundle
from churnml.training.tracking import open_store
from churnml.training.workflow import Trained, train

DAY = dt.timedelta(days=1)

# Trains the project it is told of, its recipe and its var, and may die on the way.
CHILD = """
import dataclasses, os, pathlib, signal, sys
from churnml.project import Project
from churnml.training.workflow import train

def progress(step, share):
    print(step, flush=True)
    if step == sys.argv[3]:
        os.kill(os.getpid(), signal.SIGKILL)

project = Project.load(pathlib.Path(sys.argv[1]))
folders = project.folders.model_copy(update={"var": sys.argv[2]})
print(train(dataclasses.replace(project, folders=folders), "churn_90d", progress).bundle.id)
"""


def silent(_step: str, _share: float) -> None:
    pass


def child(project: Project, *, die: str = "") -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", CHILD, str(project.root), str(project.var), die],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )


def test_tests_lie_after_all_that_was_learnt(trained: Trained, company: Project) -> None:
    reach = company.recipe("churn_90d").label.reach_days * DAY
    tested, frame = trained.tested, trained.prepared.table.frame
    cutoffs = np.asarray(frame["cutoff"])
    assert tested.out_of_time
    assert len(tested.splits) == 3
    for parted in tested.splits:
        assert parted.test_from is not None
        assert max(cutoffs[parted.learn]) + np.timedelta64(reach) <= parted.test_from
        assert set(cutoffs[parted.test]) == {np.datetime64(parted.test_from, "us")}


def test_rows_whose_label_was_not_yet_known_are_purged(trained: Trained) -> None:
    cutoffs = np.asarray(trained.prepared.table.frame["cutoff"])
    for parted in trained.tested.splits:
        earlier = (cutoffs < np.datetime64(parted.test_from, "us")).sum()
        assert parted.purged == earlier - len(parted.learn)
        assert parted.purged > 100


def test_every_test_row_is_scored_once(trained: Trained) -> None:
    tested = trained.tested
    rows = sum(len(parted.test) for parted in tested.splits)
    assert tested.frame.num_rows == tested.evaluation.rows == len(tested.unseen) == rows
    assert tested.frame.column_names == ["account_id", "cutoff", "label", "probability"]
    assert tested.evaluation.positives == sum(tested.frame["label"].to_pylist())
    assert tested.unseen_evaluation is not None
    assert tested.unseen_evaluation.rows == int(tested.unseen.sum())
    assert tested.baseline is not None
    assert tested.baseline.first == tested.evaluation.metrics["auc"].value


def test_the_bundle_says_where_it_comes_from(trained: Trained, company: Project) -> None:
    manifest = trained.bundle.manifest
    assert trained.bundle.folder == company.bundles / "churn_90d" / trained.bundle.id[:12]
    assert manifest.name == "churn_90d"
    assert manifest.training.fingerprints == vars(trained.prepared.table.fingerprints)
    assert manifest.metrics["auc"].value == trained.tested.evaluation.metrics["auc"].value
    assert trained.bundle.features == trained.prepared.table.features
    assert list(manifest.training.losses) == ["tiny", "small", "random"]
    assert 1 <= len(manifest.training.mix) <= 2
    assert sum(manifest.training.mix.values()) == pytest.approx(1, abs=1e-12)
    assert len(manifest.fold_trees) == 3
    assert latest_bundle(company, "churn_90d").id == trained.bundle.id


def test_the_final_model_learns_from_every_labelled_row(trained: Trained) -> None:
    frame, taught = trained.prepared.table.frame, trained.bundle.manifest.training
    assert taught.rows == frame.num_rows > max(len(p.learn) for p in trained.tested.splits)
    assert taught.accounts == len(set(frame["account_id"].to_pylist()))
    assert taught.churned == sum(frame["label"].to_pylist())
    assert taught.cutoffs == span(frame)


def test_the_run_is_recorded_with_what_it_was_made_from(trained: Trained, company: Project) -> None:
    run = open_store(company.tracking).get_run(trained.run.id)
    assert trained.run.experiment == "acme/churn_90d"
    assert run.data.tags["bundle"] == trained.bundle.id
    assert run.data.tags["fingerprint.table"] == trained.prepared.sheet["table"]
    assert run.data.params["label.horizon_days"] == "90"
    assert run.data.metrics["auc"] == trained.tested.evaluation.metrics["auc"].value


def test_the_same_inputs_give_the_same_bundle(trained: Trained, elsewhere: Project) -> None:
    steps: list[str] = []
    again = train(elsewhere, "churn_90d", lambda step, _share: steps.append(step))
    assert list(dict.fromkeys(steps)) == [
        "labels",
        "features",
        "rolling tests",
        "intervals",
        "final model",
        "tracking",
        "done",
    ]
    assert again.bundle.folder != trained.bundle.folder
    for name in ("manifest.json", "model.txt", "golden.json", "reference.json"):
        assert (again.bundle.folder / name).read_bytes() == (
            trained.bundle.folder / name
        ).read_bytes()
    assert sorted(item.name for item in again.bundle.folder.parent.iterdir()) == [
        again.bundle.id[:12],
        "latest",
    ]
    assert again.run.id != trained.run.id


@pytest.fixture
def copied(company: Project, trained: Trained, tmp_path: Path) -> Project:
    """Give the trained company in a `var` of its own, to damage."""
    shutil.copytree(company.bundles, tmp_path / "bundles")
    return replace(company, folders=company.folders.model_copy(update={"var": str(tmp_path)}))


def test_an_altered_manifest_is_refused(copied: Project, trained: Trained) -> None:
    """Every other file's hash stands in the manifest; its own is the folder's name."""
    path = copied.bundles / "churn_90d" / trained.bundle.id[:12] / "manifest.json"
    manifest = json.loads(path.read_text())
    manifest["tiers"]["critical"] = 0.9
    path.write_text(json.dumps(manifest))
    bundles.load(path.parent)
    with pytest.raises(
        BundleError, match=r"altered since it was written.*`churnml train churn_90d"
    ):
        latest_bundle(copied, "churn_90d")


@pytest.mark.parametrize("text", ["", "\n", "0123456789ab\n", "..\n"])
def test_a_pointer_that_points_nowhere_is_refused(copied: Project, text: str) -> None:
    (copied.bundles / "churn_90d" / "latest").write_text(text)
    with pytest.raises(BundleError, match=r"names no bundle.*`churnml train churn_90d"):
        latest_bundle(copied, "churn_90d")


def test_no_bundle_names_what_was_trained(copied: Project) -> None:
    other = replace(copied, recipes={"other": copied.recipe("churn_90d")})
    with pytest.raises(BundleError, match=r"`churnml train other` .*Trained so far: churn_90d\."):
        latest_bundle(other, "other")
    with pytest.raises(ConfigError, match=r"no recipe 'chrun_90d'\. Did you mean 'churn_90d'\?"):
        latest_bundle(copied, "chrun_90d")


@pytest.mark.parametrize("harm", ["cut", "lost"])
def test_training_mends_a_damaged_bundle(
    elsewhere: Project, company: Project, trained: Trained, harm: str
) -> None:
    shutil.copytree(company.bundles, elsewhere.bundles)
    shutil.copytree(company.training, elsewhere.training)
    model = elsewhere.bundles / "churn_90d" / trained.bundle.id[:12] / "model.txt"
    if harm == "cut":
        model.write_bytes(model.read_bytes()[:100])
    else:
        model.unlink()
    with pytest.raises(BundleError):
        latest_bundle(elsewhere, "churn_90d")
    assert train(elsewhere, "churn_90d", silent).bundle.id == trained.bundle.id
    assert latest_bundle(elsewhere, "churn_90d").id == trained.bundle.id


def test_a_var_that_cannot_be_written_is_said(company: Project, tmp_path: Path) -> None:
    (tmp_path / "var").write_text("in the way")
    there = replace(
        company, folders=company.folders.model_copy(update={"var": str(tmp_path / "var")})
    )
    with pytest.raises(ConfigError, match=r"cannot be written: .*another folder as `var`"):
        train(there, "churn_90d", silent)


def test_a_full_disk_is_said(
    elsewhere: Project, trained: Trained, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device", "var/training/churn_90d.parquet")

    monkeypatch.setattr("churnml.training.workflow.prepare", full)
    with pytest.raises(ConfigError, match=r"parquet: No space left on device\. What was trained"):
        train(elsewhere, "churn_90d", silent)


@pytest.mark.slow
@pytest.mark.parametrize("step", ["features", "final model", "tracking"])
def test_a_killed_training_is_simply_run_again(
    elsewhere: Project, trained: Trained, step: str
) -> None:
    killed = child(elsewhere, die=step)
    assert killed.communicate()[0].splitlines()[-1] == step
    assert killed.returncode == -signal.SIGKILL
    with pytest.raises(BundleError, match="has no bundle"):
        latest_bundle(elsewhere, "churn_90d")
    assert train(elsewhere, "churn_90d", silent).bundle.id == trained.bundle.id


@pytest.mark.slow
def test_two_trainings_at_once_take_turns(elsewhere: Project, trained: Trained) -> None:
    shutil.rmtree(elsewhere.history)  # so that both find history unread
    both = [child(elsewhere), child(elsewhere)]
    told = [process.communicate() for process in both]
    assert [process.returncode for process in both] == [0, 0], told
    assert [out.splitlines()[-1] for out, _ in told] == [trained.bundle.id] * 2
    assert sum("waiting: another training runs" in out for out, _ in told) == 1
    assert latest_bundle(elsewhere, "churn_90d").id == trained.bundle.id
