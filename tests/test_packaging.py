from __future__ import annotations

import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

PIN = re.compile(r"([a-z0-9][a-z0-9._-]*)(?:\[[a-z0-9,_-]+\])?==(\S+)")


def pins(path: Path) -> dict[str, str]:
    """Read a lock file: what each pinned version's entry says."""
    found = {}
    for entry in re.split(r"\n(?=[a-z0-9])", path.read_text(encoding="utf-8").strip()):
        match = PIN.match(entry)
        assert match, f"{path.name}: no version is pinned by {entry!r}"
        found[f"{match[1]}=={match[2]}"] = entry
    return found


def names(requirements: list[str]) -> set[str]:
    return {re.split(r"[^\w.-]", item)[0].rstrip(".") for item in requirements}


@pytest.fixture(scope="module")
def pyproject(root: Path) -> dict[str, object]:
    return tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def wheel(root: Path, tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder)]
    subprocess.run([*command, str(root)], check=True, capture_output=True)
    return zipfile.ZipFile(next(folder.glob("*.whl")))


@pytest.mark.slow
def test_the_wheel_carries_the_reference_project_once(wheel: zipfile.ZipFile, root: Path) -> None:
    expected = {
        path.relative_to(root).as_posix(): path.read_bytes()
        for part in ("features", "training", "serving")
        for path in (root / part).rglob("*.toml")
    } | {
        f"data/{name}.toml": (root / "data" / f"{name}.toml").read_bytes()
        for name in ("sources", "text")
    }

    carried = {
        name.removeprefix("churnml/_template/"): wheel.read(name)
        for name in wheel.namelist()
        if name.startswith("churnml/_template/")
    }

    assert carried == expected


@pytest.mark.slow
def test_the_wheel_carries_the_package_and_nothing_beside_it(
    wheel: zipfile.ZipFile, root: Path
) -> None:
    modules = {
        path.relative_to(root / "src").as_posix()
        for path in (root / "src" / "churnml").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }

    carried = {name for name in wheel.namelist() if not name.startswith("churnml/_template/")}

    assert modules <= carried
    assert {name.split("/")[0] for name in carried} == {
        "churnml",
        next(name for name in carried if name.endswith("METADATA")).split("/")[0],
    }
    assert any(name.endswith("licenses/LICENSE") for name in carried)


LOCKS = ["requirements.txt", "requirements-dev.txt", "requirements-image.txt"]


@pytest.mark.parametrize("name", LOCKS)
def test_every_locked_package_has_hashes_and_no_index_is_named(root: Path, name: str) -> None:
    text = (root / name).read_text(encoding="utf-8")

    assert all("--hash=sha256:" in entry for entry in pins(root / name).values())
    assert "://" not in text
    options = {word for line in text.splitlines() for word in line.split() if word[:2] == "--"}
    assert {option.partition("=")[0] for option in options} == {"--hash"}


def test_all_locks_hold_the_same_versions(root: Path) -> None:
    for name in LOCKS:
        assert set(pins(root / name)) <= set(pins(root / "requirements-dev.txt")), name


def test_every_dependency_is_locked_and_has_its_reason(
    root: Path, pyproject: dict[str, dict[str, list[str]]]
) -> None:
    needed = names(pyproject["project"]["dependencies"])
    for_development = names(pyproject["dependency-groups"]["dev"])
    contributing = (root / "CONTRIBUTING.md").read_text(encoding="utf-8")

    locked = {pin.split("==")[0] for pin in pins(root / "requirements.txt")}
    locked_for_development = {pin.split("==")[0] for pin in pins(root / "requirements-dev.txt")}

    for_image = names(pyproject["dependency-groups"]["image"])
    in_image = {pin.split("==")[0] for pin in pins(root / "requirements-image.txt")}

    assert needed <= locked
    assert for_image <= in_image
    assert for_development <= locked_for_development
    assert {name for name in needed if f"| {name} |" not in contributing} == set()
    assert {name for name in for_development if name not in contributing} == set()
