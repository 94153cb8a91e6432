"""What every test may ask for."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

# Tests run two at a time; a library with threads of its own beside them is several times slower.
os.environ.setdefault("OMP_NUM_THREADS", "1")

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
