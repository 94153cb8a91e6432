"""The versions of a model, from its bundles and their journal."""

from __future__ import annotations

import datetime as dt
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from churnml.errors import BundleError
from churnml.project import Project
from churnml.serving.documents import ModelVersions
from churnml.serving.versions import Versions
from churnml.training.champions import Change, append
from churnml.training.workflow import Trained

AT = dt.datetime(2026, 3, 1, 12)


@pytest.fixture
def shelf(company: Project, trained: Trained, tmp_path: Path) -> Project:
    """Give the company's bundles in a folder of their own."""
    var = tmp_path / "var"
    project = replace(company, folders=company.folders.model_copy(update={"var": str(var)}))
    shutil.copytree(company.bundles, project.bundles)
    return project


def test_the_service_tells_its_versions(ask: Any, trained: Trained) -> None:
    found = ModelVersions.model_validate_json(ask("GET", "/v1/models").content)
    (one,) = found.models
    assert (found.recipe, one.bundle, one.roles) == ("churn_90d", trained.bundle.id, ["latest"])
    assert (one.answers, one.promoted_at, found.damaged) == (True, None, [])
    assert one.rows == trained.bundle.manifest.training.rows
    assert one.metrics["auc"].value == trained.bundle.manifest.metrics["auc"].value
    assert one.trained_at == ask("GET", "/v1/model").json()["trained"]["at"]


def test_the_journal_and_the_shelf_tell_roles(shelf: Project, trained: Trained) -> None:
    home = shelf.bundles / "churn_90d"
    versions = Versions(shelf, "churn_90d")
    assert versions.document("other")["models"][0]["answers"] is False
    append(home, Change(at=AT, by="ann", action="promote", bundle=trained.bundle.id, before=None))
    (home / "latest").write_text("0123456789ab\n", encoding="utf-8")
    damaged = home / "0123456789ab"
    shutil.copytree(home / trained.bundle.id[:12], damaged)
    (home / "aa").mkdir()

    told = versions.document(trained.bundle.id)

    (one,) = told["models"]
    assert (one["roles"], one["answers"]) == (["champion"], True)
    assert one["promoted_at"] == "2026-03-01T12:00:00Z"
    assert told["damaged"] == ["0123456789ab", "aa"]  # altered, and empty

    shutil.rmtree(damaged)
    assert versions.document("")["damaged"] == ["aa"]
    (home / "promotions.jsonl").write_text("{}\n", encoding="utf-8")
    with pytest.raises(BundleError, match=r"promotions\.jsonl, line 1"):
        versions.document("")
