from __future__ import annotations

import re
from dataclasses import FrozenInstanceError
from pathlib import Path

import pytest

from churnml.errors import ConfigError
from churnml.project import Project, find_root

QUIET = '[label]\nkind = "inactivity"\ntable = "usage"\n'


def write(folder: Path, name: str, text: str) -> None:
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(text, encoding="utf-8")


def test_a_project_is_read_from_any_folder_of_it(small_project: Path) -> None:
    project = Project.load(small_project / "features")

    assert project.root == small_project
    assert project.name == "acme"
    assert list(project.recipes) == ["quiet"]
    assert project.recipe("quiet").label.horizon_days == 90
    assert list(project.sources.tables) == ["usage"]
    assert project.catalogue.columns == ("events_7d", "events_28d")
    assert project.tiers.critical == 0.5


def test_what_is_generated_has_its_place(small_project: Path) -> None:
    project = Project.load(small_project)

    assert project.data == small_project / "data"
    assert project.history == small_project / "var" / "history"
    assert project.quarantine == small_project / "var" / "quarantine"
    assert project.training == small_project / "var" / "training"
    assert project.bundles == small_project / "var" / "bundles"
    assert project.scores == small_project / "var" / "scores"
    assert project.tracking == small_project / "var" / "mlflow.db"


def test_folders_may_lie_elsewhere(small_project: Path) -> None:
    (small_project / "features").rename(small_project / "measures")
    write(
        small_project,
        "pyproject.toml",
        '[tool.churnml]\nname = "acme"\nfolders = { features = "measures", var = "../big" }\n',
    )

    project = Project.load(small_project)

    assert project.catalogue.columns == ("events_7d", "events_28d")
    assert project.history == small_project / ".." / "big" / "history"


def test_a_project_is_frozen(small_project: Path) -> None:
    project = Project.load(small_project)

    with pytest.raises(FrozenInstanceError):
        project.name = "other"  # type: ignore[misc]
    with pytest.raises(TypeError):
        project.recipes["other"] = project.recipe("quiet")  # type: ignore[index]


def test_a_project_of_flat_tables_needs_no_history(tmp_path: Path) -> None:
    write(tmp_path, "pyproject.toml", '[tool.churnml]\nname = "flat"\n')
    write(tmp_path, "serving/tiers.toml", "[risk]\nmedium = 0.1\nhigh = 0.2\ncritical = 0.5\n")
    write(tmp_path, "data/churn.csv", "Churn\nYes\n")
    recipe = (
        '[label]\nkind = "column"\nfile = "data/churn.csv"\ncolumn = "Churn"\npositive = "Yes"\n'
    )
    write(tmp_path, "training/churn.toml", recipe)

    project = Project.load(tmp_path)

    assert dict(project.sources.tables) == {}
    assert project.catalogue.features == ()

    (tmp_path / "data" / "churn.csv").rename(tmp_path / "data" / "chrun.csv")
    with pytest.raises(ConfigError, match=r"label\.file: no file .*Did you mean 'chrun\.csv'\?"):
        Project.load(tmp_path)


@pytest.mark.parametrize(
    ("file", "old", "new", "message"),
    [
        ("pyproject.toml", "name", "nam", "unknown key 'nam'. Did you mean 'name'?"),
        ("pyproject.toml", '"acme"', "7", "key 'name': got 7"),
        ("pyproject.toml", "[tool.churnml]", "[tool.churnm]", "did you mean [tool.churnml]?"),
        ("pyproject.toml", "]", "", "pyproject.toml: not valid TOML"),
        ("pyproject.toml", '"acme"', '"a"\nfolder = {}', "Did you mean 'folders'?"),
        ("pyproject.toml", '"acme"', '"a"\nfolders = { vars = "v" }', "Did you mean 'var'?"),
        (
            "data/sources.toml",
            "usage",
            "usges",
            "tables.usges: no such table. Did you mean",
        ),
        ("data/sources.toml", "files", "fles", "key 'tables.usage.fles'. Did you mean 'files'?"),
        ("features/usage.toml", '"usage"\naggr', '"usag"\naggr', "no table 'usag'"),
        ("features/usage.toml", "windows", "windws", "Did you mean 'windows'?"),
        ("training/quiet.toml", '"usage"', '"usge"', "label.table: nothing is named 'usge'"),
        ("training/quiet.toml", "[label]", "[lable]", "unknown key 'lable'. Did you mean 'label'?"),
        ("serving/tiers.toml", "0.2", "0.7", "expected each above the one before"),
    ],
)
def test_a_fault_names_the_file_and_what_is_meant(
    small_project: Path, file: str, old: str, new: str, message: str
) -> None:
    write(
        small_project, file, (small_project / file).read_text(encoding="utf-8").replace(old, new, 1)
    )

    with pytest.raises(ConfigError) as caught:
        Project.load(small_project)

    assert str(small_project / file) in str(caught.value)
    assert message in str(caught.value)


def test_a_baseline_must_be_a_feature(small_project: Path) -> None:
    recipe = small_project / "training" / "quiet.toml"
    text = recipe.read_text(encoding="utf-8")
    recipe.write_text('baseline = "-events_28d"\n' + text, encoding="utf-8")
    assert Project.load(small_project).recipe("quiet").baseline == "-events_28d"
    recipe.write_text('baseline = "-evens_28d"\n' + text, encoding="utf-8")
    with pytest.raises(ConfigError, match=r"baseline: nothing is named 'evens_28d'\. Did you mean"):
        Project.load(small_project)


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        (
            'families = ["usgae"]',
            "features.families: nothing is named 'usgae'. Did you mean",
        ),
        ('include = ["events_8d"]', "features.include: nothing is named 'events_8d'. Did you mean"),
        ('exclude = ["event_28d"]', "nothing is named 'event_28d'. Did you mean 'events_28d'?"),
    ],
)
def test_a_recipe_may_name_only_features_that_exist(
    small_project: Path, choice: str, message: str
) -> None:
    write(small_project, "training/quiet.toml", f"{QUIET}[features]\n{choice}\n")

    with pytest.raises(ConfigError, match=re.escape(message)):
        Project.load(small_project)


@pytest.mark.parametrize(
    ("gone", "message"),
    [
        ("data/sources.toml", "sources.toml: no such file"),
        (
            "features/usage.toml",
            "features: has no .toml file; expected one for each feature family",
        ),
        ("training/quiet.toml", "training: has no .toml file; expected one for each recipe"),
        ("serving/tiers.toml", "tiers.toml: no such file"),
    ],
)
def test_a_missing_file_is_named(small_project: Path, gone: str, message: str) -> None:
    (small_project / gone).unlink()

    with pytest.raises(ConfigError, match=re.escape(message)):
        Project.load(small_project)


def test_recipes_are_checked_each_for_itself(small_project: Path) -> None:
    write(small_project, "training/all.toml", '[label]\nkind = "subscriptions"\n')

    assert list(Project.load(small_project).recipes) == ["all", "quiet"]


def test_a_missing_folder_is_named(small_project: Path) -> None:
    (small_project / "features" / "usage.toml").unlink()
    (small_project / "features").rmdir()

    with pytest.raises(
        ConfigError, match=r"features: no such folder; expected one for each feature"
    ):
        Project.load(small_project)


def test_an_unknown_recipe_names_the_nearest(small_project: Path) -> None:
    with pytest.raises(ConfigError, match=r"no recipe 'quite'\. Did you mean 'quiet'\?"):
        Project.load(small_project).recipe("quite")


def test_the_root_is_the_nearest_marked_folder_upward(small_project: Path) -> None:
    write(small_project, "features/pyproject.toml", "[tool.ruff]\n")

    assert find_root(small_project / "features") == small_project


def test_outside_a_project_the_remedy_is_said(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"`churnml init DIR` makes a project"):
        find_root(tmp_path)
    with pytest.raises(ConfigError, match=r"no such folder\. `churnml init .*acme` makes"):
        find_root(tmp_path / "acme")


def test_the_reference_project_holds_together(root: Path) -> None:
    project = Project.load(root)

    assert project.name == "reference"
    assert "churn_90d" in project.recipes
