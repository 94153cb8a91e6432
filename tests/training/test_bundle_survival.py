"""Bundles that tell of later periods."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from churnml.actions.tiers import RiskTiers
from churnml.errors import BundleError
from churnml.features.catalogue import Catalogue
from churnml.features.table import TrainingTable
from churnml.training import bundle
from churnml.training.bundle import Bundle, load
from churnml.training.estimator import FittedModel
from churnml.training.hazard import FittedHazard, fit_hazard
from churnml.training.recipes import Recipe

Change = Callable[[dict[str, Any]], None]


@pytest.fixture(scope="module")
def hazard(table: TrainingTable, fitted: FittedModel, recipe: Recipe) -> FittedHazard:
    label = np.asarray(table.frame["label"])
    generator = np.random.default_rng(1)
    churned = np.where(label == 1, 1, generator.integers(0, 4, label.size)).astype(np.int16)
    churned[(churned == 1) & (label == 0)] = 0
    frame = table.frame.append_column(
        "periods_told", pa.array(np.full(label.size, 3, dtype=np.int16))
    ).append_column("churned_period", pa.array(churned, mask=churned == 0))
    found = fit_hazard(
        replace(table, frame=frame), fitted.model.encoding, recipe.label, recipe.model, 3,
        ahead=("trend", "plan"), known_at=None,
    )  # fmt: skip
    assert found is not None
    return found


@pytest.fixture
def written(
    table: TrainingTable,
    fitted: FittedModel,
    hazard: FittedHazard,
    recipe: Recipe,
    tiers: RiskTiers,
    catalogue: Catalogue,
    tmp_path: Path,
) -> Bundle:
    made = [
        bundle.write(
            tmp_path / name, fitted, table, recipe,
            tiers=tiers, catalogue=catalogue, known={}, metrics={}, hazard=hazard,
        )
        for name in ("one", "two")
    ]  # fmt: skip
    assert made[0].id == made[1].id
    return made[0]


def test_it_tells_what_was_fitted(
    written: Bundle, table: TrainingTable, hazard: FittedHazard
) -> None:
    first = written.score(table.frame).probability
    survival = written.survival(written.matrix(table.frame), first)
    assert written.periods == 3
    assert survival.shape == (table.frame.num_rows, 3)
    assert np.array_equal(survival, hazard.hazard.survival(table.frame, first))
    assert np.array_equal(survival[:, 0], 1 - first)
    assert set(written.manifest.files) == {
        "model.txt",
        "hazard.txt",
        "golden.json",
        "reference.json",
    }
    assert written.manifest.survival is not None
    assert written.manifest.survival.churned == hazard.churned


def _edit(folder: Path, name: str, change: Change) -> None:
    path, manifest = folder / name, folder / "manifest.json"
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))
    if name != "manifest.json":
        said = json.loads(manifest.read_text())
        said["files"][name] = hashlib.sha256(path.read_bytes()).hexdigest()
        manifest.write_text(json.dumps(said))


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        (
            "manifest.json",
            lambda m: m.update(survival=None),
            r"missing or unknown: hazard\.txt",
        ),
        (
            "manifest.json",
            lambda m: m["survival"]["calibrators"].pop(),
            "tell of other periods than the model's 2",
        ),
        (
            "manifest.json",
            lambda m: m["survival"]["calibrators"][0].update(intercept=-3.0),
            "survival differs by up to",
        ),
        (
            "golden.json",
            lambda g: g.update(survival=None),
            r"28 golden rows have 0 answers \(survival\)",
        ),
        (
            "golden.json",
            lambda g: g["survival"][0].__setitem__(2, 0.5),
            "survival differs by up to",
        ),
    ],
)
def test_what_does_not_fit_is_refused(
    written: Bundle, name: str, change: Change, message: str
) -> None:
    _edit(written.folder, name, change)
    with pytest.raises(BundleError, match=message):
        load(written.folder)


def test_altered_trees_are_refused(written: Bundle) -> None:
    path = written.folder / "hazard.txt"
    path.write_bytes(path.read_bytes() + b" ")
    with pytest.raises(BundleError, match=r"hazard\.txt: altered since it was written"):
        load(written.folder)
