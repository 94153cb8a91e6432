"""What is deployed: every command, option and file that it names is there."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

from churnml import cli
from churnml.urls import holds_secret, parse_url


def instructions(root: Path) -> list[tuple[str, str]]:
    """Read the Dockerfile: each instruction with what follows it."""
    text = (root / "Dockerfile").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    whole = "\n".join(lines).replace("\\\n", " ")
    return [(line.split()[0], line.partition(" ")[2]) for line in whole.splitlines()]


def unit(root: Path) -> dict[str, list[str]]:
    """Read the unit of systemd: each setting with its values."""
    found: dict[str, list[str]] = {}
    text = (root / "deploy" / "churnml.service").read_text(encoding="utf-8")
    for line in text.splitlines():
        if line and line[0] not in "#[":
            key, _, value = line.partition("=")
            found.setdefault(key, []).append(value)
    return found


@pytest.fixture
def compose(root: Path) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((root / "compose.yaml").read_text(encoding="utf-8"))
    return found


def commands(root: Path) -> Iterator[list[str]]:
    """Give every command of churnml that is named, without its program."""
    yield next(json.loads(rest) for name, rest in instructions(root) if name == "CMD")
    composed = yaml.safe_load((root / "compose.yaml").read_text(encoding="utf-8"))
    yield composed["services"]["churnml"]["command"]
    yield shlex.split(unit(root)["ExecStart"][0])[1:]
    made = (root / "Makefile").read_text(encoding="utf-8")
    named = r"(?:\$\(BIN\)/churnml|run --rm churnml) (.*)"
    page = (root / "docs" / "deployment.md").read_text(encoding="utf-8")
    for line in re.findall(named, made + page):
        yield shlex.split(line.replace("$(RECIPE)", "churn_90d").replace("$(PORT)", "8000"))


def test_every_command_and_option_is_there(root: Path) -> None:
    app: Any = typer.main.get_command(cli.app)
    asked = list(commands(root))
    assert len(asked) > 8
    for words in asked:
        found, rest = app, list(words)
        while hasattr(found, "commands"):
            assert rest[0] in found.commands, words
            found = found.commands[rest.pop(0)]
        options = {name for parameter in found.params for name in parameter.opts}
        assert {word for word in rest if word.startswith("--")} <= options, words


def test_the_image_is_made_of_what_is_there(root: Path) -> None:
    sent = (root / ".dockerignore").read_text(encoding="utf-8").splitlines()
    for name, rest in instructions(root):
        if name == "COPY" and not rest.startswith("--from"):
            for source in rest.split()[:-1]:
                assert (root / source).exists(), source
                assert f"!{source}" in sent, source


def test_the_image_takes_locked_packages_alone_and_runs_as_nobody(root: Path) -> None:
    found = instructions(root)
    installs = [part for name, rest in found if name == "RUN" for part in rest.split("&&")]
    for part in installs:
        if "pip install" in part and not part.rstrip().endswith(" ."):
            assert "--require-hashes --no-deps" in part
    images = {rest.split()[0] for name, rest in found if name == "FROM"}
    assert images == {"python:3.11-slim"}
    assert [rest for name, rest in found if name == "USER"] == ["churnml"]
    assert any(name == "HEALTHCHECK" and "/healthz" in rest for name, rest in found)
    assert ("VOLUME", "/project") in found


@pytest.mark.slow
def test_what_the_image_is_made_of_gives_the_wheel(root: Path, tmp_path: Path) -> None:
    for name, rest in instructions(root):
        if name == "COPY" and not rest.startswith("--from"):
            *sources, target = rest.split()
            for source in sources:
                into = tmp_path / target / (Path(source).name if target.endswith("/") else "")
                if (root / source).is_dir():
                    ignored = shutil.ignore_patterns("__pycache__")
                    shutil.copytree(root / source, into, ignore=ignored)
                else:
                    into.parent.mkdir(parents=True, exist_ok=True)
                    shutil.copyfile(root / source, into)
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", str(tmp_path)]
    subprocess.run(command, check=True, capture_output=True)
    assert len(list((tmp_path / "dist").glob("churnml-*.whl"))) == 1


def test_no_password_stands_in_a_file(root: Path, compose: dict[str, Any]) -> None:
    service, database = compose["services"]["churnml"], compose["services"]["database"]
    url = service["environment"]["CHURNML_STORE"]
    assert not holds_secret(parse_url(url, "compose.yaml"))
    assert parse_url(url, "compose.yaml").host == "database"
    assert service["environment"]["PGPASSWORD"].startswith("${CHURNML_DATABASE_PASSWORD:?")
    assert not [name for name in database["environment"] if name == "POSTGRES_PASSWORD"]
    secret = Path(database["environment"]["POSTGRES_PASSWORD_FILE"]).name
    assert secret in database["secrets"]
    assert compose["secrets"][secret] == {"environment": "CHURNML_DATABASE_PASSWORD"}


def test_the_composition_is_closed(compose: dict[str, Any]) -> None:
    service = compose["services"]["churnml"]
    assert all(port.startswith("127.0.0.1:") for port in service["ports"])
    assert service["read_only"]
    assert service["cap_drop"] == ["ALL"]
    assert "ports" not in compose["services"]["database"]
    assert set(compose["volumes"]) == {"database"}
    images = [item["image"] for item in compose["services"].values()]
    assert all("/" not in image for image in images)  # no host of a registry


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="there is no systemd")
def test_systemd_reads_its_unit(root: Path, tmp_path: Path) -> None:
    text = (root / "deploy" / "churnml.service").read_text(encoding="utf-8")
    here = tmp_path / "churnml.service"
    here.write_text(text.replace("/opt/churnml/bin/churnml", sys.executable), encoding="utf-8")
    done = subprocess.run(
        ["systemd-analyze", "verify", str(here)], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_the_unit_waits_and_gives_time_to_end(root: Path) -> None:
    found = unit(root)
    assert found["Type"] == ["notify"]
    assert found["RestartPreventExitStatus"] == ["2"]
    assert found["NoNewPrivileges"] == ["yes"]
    assert int(found["TimeoutStopSec"][0]) > 25
