"""What every test may ask for."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from churnml.project import Project
    from churnml.serving.scores import ScoreList
    from churnml.training.workflow import Trained

# Tests run two at a time; a library with threads of its own beside them is several times slower.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# A test that imports mlflow before churnml does must not make it say more than it does to users.
os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "WARNING")

# A busy machine is slow, not wrong.
settings.register_profile("churnml", deadline=None, print_blob=True)
settings.load_profile("churnml")

SMALL = {
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

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def root() -> Path:
    """The repository's own folder, which is the reference project."""
    return ROOT


@pytest.fixture(scope="session")
def outside_data() -> Callable[[str], Path]:
    """Give the folder of a public data set by name; skip the test where it is not there."""
    home = Path(os.environ.get("CHURNML_DATA", ROOT.parent / "shared" / "data"))

    def folder(name: str) -> Path:
        if not (home / name).is_dir():
            pytest.skip(f"the data set {name!r} is not in {home}; CHURNML_DATA names its parent")
        return home / name

    return folder


@pytest.fixture
def small_project(tmp_path: Path) -> Path:
    """Write a small project of one table, two features and one recipe."""
    for name, text in SMALL.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return tmp_path


@pytest.fixture(scope="session")
def mlflow_store(tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config) -> Path:
    """Give an empty store to copy: MLflow takes some ten seconds to lay its tables out."""
    import mlflow

    from churnml.training.tracking import open_store

    cache = pytestconfig.cache
    assert cache is not None
    kept = cache.mkdir("mlflow") / f"{mlflow.__version__}.db"
    if not kept.is_file():
        made = tmp_path_factory.mktemp("mlflow") / "mlflow.db"
        open_store(made)
        beside = kept.with_name(f"{made.parent.name}-{os.getpid()}")
        shutil.copyfile(made, beside)
        beside.replace(kept)
    return kept


@pytest.fixture(scope="session")
def company(tmp_path_factory: pytest.TempPathFactory, mlflow_store: Path) -> Project:
    """Make the reference project over a small made-up company, with few trees; only to be read."""
    from churnml import scaffold
    from churnml.project import Project
    from churnml.simulate import simulate

    folder = tmp_path_factory.mktemp("walk") / "acme"
    scaffold.from_history(folder)
    simulate(folder / "data" / "sample", accounts=300, months=21, seed=3)
    recipe = folder / "training" / "churn_90d.toml"
    text = recipe.read_text(encoding="utf-8")
    for slow, fast in (
        (
            'shapes = ["stump", "tiny", "small", "medium", "large", "random", "huge"]',
            'shapes = ["tiny", "small", "random"]',
        ),
        ("most_shapes = 3", "most_shapes = 2"),
        ("folds = 5 ", "folds = 3\nmax_rounds = 30\nnum_threads = 1 "),
    ):
        assert slow in text
        text = text.replace(slow, fast)
    recipe.write_text(text, encoding="utf-8")
    (folder / "var").mkdir()
    shutil.copyfile(mlflow_store, folder / "var" / "mlflow.db")
    return Project.load(folder)


@pytest.fixture(scope="session")
def trained(company: Project) -> Trained:
    """Train the company's recipe once."""
    from churnml.training.workflow import train

    return train(company, "churn_90d", lambda _step, _share: None)


@pytest.fixture(scope="session")
def scores(company: Project, trained: Trained) -> ScoreList:
    """Score the company's accounts once, as of the end of observation."""
    from churnml.serving.scorer import score_history
    from churnml.training.tables import open_history

    history = open_history(company, lambda _step, _share: None)
    return score_history(history, trained.bundle, progress=lambda _step, _share: None)


@pytest.fixture
def elsewhere(company: Project, trained: Trained, tmp_path: Path) -> Project:
    """Give the company with a `var` of its own, in which history is read and nothing is trained."""
    var = tmp_path / "var"
    for folder in (company.history, company.readings):
        shutil.copytree(folder, var / folder.name)
    shutil.copyfile(company.tracking, var / "mlflow.db")
    return replace(company, folders=company.folders.model_copy(update={"var": str(var)}))
