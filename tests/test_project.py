from __future__ import annotations

import re
from dataclasses import FrozenInstanceError
from pathlib import Path

import pytest

from churnml.errors import ConfigError
from churnml.project import Project, find_root

FILES = {
    "pyproject.toml": '[tool.churnml]\nname = "acme"\n',
    "data/sources.toml": '[tables.usage]\nfiles = "usage.csv"\n',
    "features/usage.toml": (
        'family = "usage"\ntitle = "Usage"\n[[feature]]\nname = "events_{w}d"\n'
        'description = "events in {w} days"\nunit = "events"\nwindows = [7, 28]\n'
        'table = "usage"\naggregate = "count"\nsentence = "{value} events in {w} days"\n'
    ),
    "training/quiet.toml": '[label]\nkind = "inactivity"\ntable = "usage"\n',
    "serving/tiers.toml": "[risk]\nmedium = 0.1\nhigh = 0.2\ncritical = 0.5\n",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        write(tmp_path, name, text)
    return tmp_path


def write(folder: Path, name: str, text: str) -> None:
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(text, encoding="utf-8")


def test_a_project_is_read_from_any_folder_of_it(folder: Path) -> None:
    project = Project.load(folder / "features")

    assert project.root == folder
    assert project.name == "acme"
    assert list(project.recipes) == ["quiet"]
    assert project.recipe("quiet").label.horizon_days == 90
    assert list(project.sources.tables) == ["usage"]
    assert project.catalogue.columns == ("events_7d", "events_28d")
    assert project.tiers.critical == 0.5


def test_what_is_generated_has_its_place(folder: Path) -> None:
    project = Project.load(folder)

    assert project.data == folder / "data"
    assert project.history == folder / "var" / "history"
    assert project.quarantine == folder / "var" / "quarantine"
    assert project.training == folder / "var" / "training"
    assert project.bundles == folder / "var" / "bundles"
    assert project.scores == folder / "var" / "scores"
    assert project.tracking == folder / "var" / "mlflow.db"


def test_folders_may_lie_elsewhere(folder: Path) -> None:
    (folder / "features").rename(folder / "measures")
    write(
        folder,
        "pyproject.toml",
        '[tool.churnml]\nname = "acme"\nfolders = { features = "measures", var = "../big" }\n',
    )

    project = Project.load(folder)

    assert project.catalogue.columns == ("events_7d", "events_28d")
    assert project.history == folder / ".." / "big" / "history"


def test_a_project_is_frozen(folder: Path) -> None:
    project = Project.load(folder)

    with pytest.raises(FrozenInstanceError):
        project.name = "other"  # type: ignore[misc]
    with pytest.raises(TypeError):
        project.recipes["other"] = project.recipe("quiet")  # type: ignore[index]


def test_a_project_of_flat_tables_needs_no_history(tmp_path: Path) -> None:
    for name in ("pyproject.toml", "serving/tiers.toml"):
        write(tmp_path, name, FILES[name])
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
    folder: Path, file: str, old: str, new: str, message: str
) -> None:
    write(folder, file, FILES[file].replace(old, new, 1))

    with pytest.raises(ConfigError) as caught:
        Project.load(folder)

    assert str(folder / file) in str(caught.value)
    assert message in str(caught.value)


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
    folder: Path, choice: str, message: str
) -> None:
    write(folder, "training/quiet.toml", f"{FILES['training/quiet.toml']}[features]\n{choice}\n")

    with pytest.raises(ConfigError, match=re.escape(message)):
        Project.load(folder)


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
def test_a_missing_file_is_named(folder: Path, gone: str, message: str) -> None:
    (folder / gone).unlink()

    with pytest.raises(ConfigError, match=re.escape(message)):
        Project.load(folder)


def test_a_missing_folder_is_named(folder: Path) -> None:
    (folder / "features" / "usage.toml").unlink()
    (folder / "features").rmdir()

    with pytest.raises(
        ConfigError, match=r"features: no such folder; expected one for each feature"
    ):
        Project.load(folder)


def test_an_unknown_recipe_names_the_nearest(folder: Path) -> None:
    with pytest.raises(ConfigError, match=r"no recipe 'quite'\. Did you mean 'quiet'\?"):
        Project.load(folder).recipe("quite")


def test_the_root_is_the_nearest_marked_folder_upward(folder: Path) -> None:
    write(folder, "features/pyproject.toml", "[tool.ruff]\n")

    assert find_root(folder / "features") == folder


def test_outside_a_project_the_remedy_is_said(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"`churnml init DIR` makes a project"):
        find_root(tmp_path)
    with pytest.raises(ConfigError, match=r"no such folder\. `churnml init .*acme` makes"):
        find_root(tmp_path / "acme")


def test_the_reference_project_holds_together(root: Path) -> None:
    project = Project.load(root)

    assert project.name == "reference"
    assert "churn_90d" in project.recipes
