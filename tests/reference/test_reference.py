"""The repository as a project of churnml: what a newcomer copies must hold together."""

from __future__ import annotations

from pathlib import Path

import pytest

from churnml import cli
from churnml.history.tables import STANDARD
from churnml.labels import SubscriptionLabel
from churnml.project import Project
from churnml.simulate.simulation import TABLES
from churnml.training.recipes import BASELINE, ModelSpec, Recipe
from churnml.training.shapes import SHAPES
from churnml.training.tables import catalogue_fingerprint


@pytest.fixture(scope="module")
def reference(root: Path) -> Project:
    return Project.load(root)


def test_it_loads_from_any_folder(root: Path, reference: Project) -> None:
    assert reference.name == "reference"
    assert Project.load(root / "training") == reference


def test_every_standard_table_has_a_source(reference: Project) -> None:
    assert set(reference.sources.tables) == set(TABLES)
    assert set(reference.sources.tables_declared()) == set(STANDARD)


def test_its_features_need_nothing_that_is_not_shipped(reference: Project) -> None:
    _, omitted = reference.catalogue.available(reference.sources.tables_declared())
    assert omitted == ()
    assert catalogue_fingerprint(reference.catalogue) == reference.catalogue.fingerprint


def test_the_baseline_is_a_feature_for_which_more_is_riskier(reference: Project) -> None:
    feature = reference.catalogue.get(BASELINE)
    assert feature.entry.unit == "days"
    assert feature.entry.risk == "high"
    assert not feature.entry.internal


def test_its_recipes_leave_time_to_learn(reference: Project) -> None:
    """Thirty months of sample history must hold all tests, and the purge before them."""
    assert list(reference.recipes) == ["churn_90d"]
    recipe = reference.recipe("churn_90d")
    assert isinstance(recipe.label, SubscriptionLabel)
    # Once before the end of observation, and once before the first test.
    months = 2 * (recipe.label.reach_days // 30 + 1)
    assert months + recipe.splits.test_cutoffs + 12 <= 30
    assert recipe.doc


def test_its_tiers_are_those_of_the_docs(reference: Project) -> None:
    assert reference.tiers.model_dump() == {"medium": 0.05, "high": 0.15, "critical": 0.40}


def test_every_key_of_a_recipe_is_told(root: Path) -> None:
    page = (root / "docs" / "training.md").read_text(encoding="utf-8")
    for key in Recipe.model_fields:
        if key != "name":  # the file's own
            assert f"[{key}]" in page or f"{key} = " in page, key
    for key in SubscriptionLabel.model_fields:
        assert key in page, key
    for key in ModelSpec.model_fields:
        assert f"`{key}`" in page or f"model.{key}]" in page, key
    for name in SHAPES:
        assert f"`{name}`" in page, name


def test_every_command_is_told(root: Path) -> None:
    pages = [root / "README.md", *(root / "docs").glob("*.md")]
    told = "\n".join(page.read_text(encoding="utf-8") for page in pages)
    commands = [command.name for command in cli.app.registered_commands]
    groups = [group.name for group in cli.app.registered_groups]
    for name in (*commands, *groups):
        assert f"churnml {name}" in told, name


def test_the_pages_that_explain_it_are_there(root: Path) -> None:
    for name in ("README", "data-contract", "features", "point-in-time", "scoring", "training"):
        assert (root / "docs" / f"{name}.md").is_file()
