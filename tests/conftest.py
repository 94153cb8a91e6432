"""What every test may ask for."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

# Tests run two at a time; a library with threads of its own beside them is several times slower.
os.environ.setdefault("OMP_NUM_THREADS", "1")

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
