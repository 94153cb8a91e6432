from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from churnml.project import Project
from churnml.training.workflow import Trained

Call = Callable[..., tuple[int, str, str]]


@pytest.fixture
def acme(company: Project, trained: Trained, tmp_path: Path) -> Path:
    """Give the trained company in a folder of its own, where it may be promoted."""
    folder = tmp_path / "acme"
    shutil.copytree(company.root, folder)
    return folder


def test_a_model_is_put_in_charge_and_scores(run: Call, acme: Path, trained: Trained) -> None:
    name = trained.bundle.id[:12]
    status, out, _ = run("models", "list", "-C", acme)
    assert status == 0
    assert f"{name}" in out
    assert "challenger" in out
    assert "None is in charge yet: scores are by the latest." in out

    status, out, _ = run("models", "compare", "-C", acme)
    assert f"churn_90d: {name} against no champion yet" in out
    assert "always saying the" in out
    assert status == (1 if "FAILED" in out else 0)

    status, out, _ = run("models", "promote", "churn_90d", "-C", acme, "--force", "a test")
    assert status == 0
    assert f"{name} is in charge of churn_90d;" in out

    status, out, _ = run("models", "list", "-C", acme, "--json")
    document = json.loads(out)
    assert document["champion"] == trained.bundle.id
    (model,) = document["models"]
    assert model["roles"] == ["champion"]
    assert model["aliases"] == ["challenger", "champion"]
    assert model["metrics"]["auc"] == trained.tested.evaluation.metrics["auc"].value

    status, out, _ = run("score", "-C", acme)
    assert f"scored by the champion {name}" in out
    status, out, _ = run("score", "-C", acme, "--json", "--model", "latest")
    assert json.loads(out)["model"] == "latest"
    status, out, _ = run("score", "-C", acme, "--model", name[:5])
    assert f"scored by the model {name}" in out

    status, _, err = run("models", "rollback", "-C", acme)
    assert status == 1
    assert "has had one champion" in err
    status, _, err = run("models", "promote", "-C", acme)
    assert status == 1
    assert "is the champion of 'churn_90d' already" in err


def test_a_failed_gate_is_an_exit_status(run: Call, acme: Path) -> None:
    recipe = acme / "training" / "churn_90d.toml"
    recipe.write_text(recipe.read_text() + "\n[gates]\nleast_accuracy = 1.0\n")
    status, out, _ = run("models", "compare", "-C", acme, "--json")
    document = json.loads(out)
    assert status == 1
    assert document["passed"] is False
    accuracy = document["gates"][0]
    assert (accuracy["name"], accuracy["passed"]) == ("accuracy", False)
    assert accuracy["numbers"]["majority"] > 0.5

    status, out, _ = run("models", "promote", "-C", acme)
    assert status == 1
    assert "Not promoted. --force REASON" in out
    assert not (acme / "var" / "bundles" / "churn_90d" / "promotions.jsonl").exists()

    status, out, _ = run("models", "promote", "-C", acme, "--json", "--by", "ann", "--force", "x")
    document = json.loads(out)
    assert status == 0
    assert document["change"]["by"] == "ann"
    assert document["change"]["forced"] == "x"
    assert document["verdict"]["passed"] is False
    assert document["alias"] is None


def test_the_challenger_of_a_list_is_the_latest(run: Call, acme: Path) -> None:
    """A training that was killed at its very end is on record, but did not become the latest."""
    (acme / "var" / "bundles" / "churn_90d" / "latest").write_text("beefbeefbeef\n")
    status, out, _ = run("models", "list", "-C", acme, "--json")
    assert status == 0
    assert [item["roles"] for item in json.loads(out)["models"]] == [[]]


def test_nothing_trained_is_said(run: Call, acme: Path) -> None:
    (acme / "var" / "mlflow.db").unlink()
    status, out, _ = run("models", "list", "-C", acme)
    assert status == 0
    assert "no models yet. `churnml train churn_90d` makes one." in out
    status, _, err = run("models", "compare", "-C", acme, "--not-worse")
    assert status == 1
    assert "has no models in the registry" in err
