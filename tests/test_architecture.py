"""Data flows one way, and what must have one home has one."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

# Each imports from its own level or from those before it, never back.
LEVELS = (
    {"errors"},
    {"config", "flat", "locks", "transcoding", "urls"},
    {"history", "text"},
    {"features", "labels", "simulate"},
    {"actions", "backtest", "explain", "splits"},
    {"project", "training"},
    {"scaffold", "serving"},
    {"cli", "client"},
)
LEVEL = {name: number for number, names in enumerate(LEVELS) for name in names}
# The package itself hands out names of every level, when they are asked for.
FRONT = {"__init__", "__main__"}


def modules(root: Path) -> list[Path]:
    return sorted((root / "src" / "churnml").rglob("*.py"))


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module == "churnml":
            yield from (f"churnml.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            yield node.module


def part(root: Path, path: Path) -> str:
    return path.relative_to(root / "src" / "churnml").with_suffix("").parts[0]


def test_every_part_has_its_level(root: Path) -> None:
    assert {part(root, path) for path in modules(root)} - FRONT == set(LEVEL)


def test_no_part_imports_a_later_one(root: Path) -> None:
    back = [
        f"{path.relative_to(root)} imports {name}"
        for path in modules(root)
        for name in imports(path)
        if part(root, path) not in FRONT and name.startswith("churnml.")
        if LEVEL[name.split(".")[1]] > LEVEL[part(root, path)]
    ]

    assert back == []


@pytest.mark.parametrize(
    ("library", "home"),
    [("mlflow", "training/tracking.py"), ("shap", "explain/plots.py")],
)
def test_a_library_has_one_home(root: Path, library: str, home: str) -> None:
    importers = {
        path.relative_to(root / "src" / "churnml").as_posix()
        for path in modules(root)
        if any(name.split(".")[0] == library for name in imports(path))
    }

    assert importers == {home}
