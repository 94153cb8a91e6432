from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from churnml import cli
from churnml.errors import (
    BundleError,
    ChurnMLError,
    ConfigError,
    DataError,
    FeatureError,
    LabelError,
    SourceError,
    TrainingError,
)

HEAVY = (
    "duckdb",
    "lightgbm",
    "mlflow",
    "numpy",
    "pandas",
    "pyarrow",
    "pydantic",
    "rich",
    "sklearn",
)


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    return Run(monkeypatch, capsys)


class Run:
    """Run the command line in this process; give its exit status, stdout and stderr."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self._monkeypatch = monkeypatch
        self._capsys = capsys

    def __call__(self, *arguments: object) -> tuple[int, str, str]:
        self._monkeypatch.setattr(sys, "argv", ["churnml", *map(str, arguments)])
        with pytest.raises(SystemExit) as stopped:
            cli.main()
        out, err = self._capsys.readouterr()
        return int(stopped.value.code or 0), out, err


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys; from churnml.cli import app; app(['--help'], standalone_mode=False);"
        f"print([m for m in {HEAVY} if m in sys.modules])"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.splitlines()[-1] == "[]"


def test_the_commands_are_the_intended_ones() -> None:
    names = [command.name for command in cli.app.registered_commands]

    assert names == ["init", "simulate", "check"]
    assert [group.name for group in cli.app.registered_groups] == ["features"]


def test_the_version(run: Run) -> None:
    status, out, _ = run("--version")

    assert status == 0
    assert out.startswith("churnml 0.")


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (ConfigError, 2),
        (SourceError, 2),
        (DataError, 1),
        (FeatureError, 1),
        (LabelError, 1),
        (TrainingError, 1),
        (BundleError, 1),
        (ChurnMLError, 1),
    ],
)
def test_a_deliberate_error_is_one_message_and_a_status(
    run: Run, monkeypatch: pytest.MonkeyPatch, error: type[ChurnMLError], status: int
) -> None:
    def fail() -> None:
        raise error("features/usage.toml: unknown key 'windws'. Did you mean 'windows'?")

    monkeypatch.setattr(cli, "app", fail)

    assert run() == (
        status,
        "",
        "error: features/usage.toml: unknown key 'windws'. Did you mean 'windows'?\n",
    )


def test_an_unexpected_error_keeps_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(cli, "app", fail)

    with pytest.raises(ZeroDivisionError):
        cli.main()


def test_usage_errors_exit_with_two(run: Run, tmp_path: Path) -> None:
    table = tmp_path / "t.csv"

    assert run("init")[0] == 2
    assert run("int", tmp_path)[0] == 2
    status, _, err = run("init", tmp_path / "x", "--label", "Churn")
    assert status == 2
    assert "is of use only with --table" in err
    status, _, err = run("init", tmp_path / "x", "--table", table)
    assert status == 2
    assert "say which column tells who left" in err
    assert not (tmp_path / "x").exists()


def test_init_says_what_it_made_and_what_comes_next(run: Run, tmp_path: Path) -> None:
    table = tmp_path / "t.csv"
    table.write_text("id,x,Churn\na,1,Yes\nb,2,No\n", encoding="utf-8")

    status, out, err = run("init", tmp_path / "flat", "--table", table, "--label", "Churn")

    assert (status, err) == (0, "")
    assert out.splitlines() == [
        f"Made a project in {tmp_path / 'flat'}:",
        "  .gitignore",
        "  README.md",
        "  pyproject.toml",
        "  serving/tiers.toml",
        "  training/churn.toml",
        "  data/t.csv",
        "Churn = Yes is taken for those who left.",
        "",
        "Next:",
        f"  cd {tmp_path / 'flat'}",
        "  churnml train churn",
    ]


def test_init_asks_for_the_column_meant(run: Run, tmp_path: Path) -> None:
    table = tmp_path / "t.csv"
    table.write_text("id,x,Churn\na,1,Yes\nb,2,No\n", encoding="utf-8")

    status, out, err = run("init", tmp_path / "flat", "--table", table, "--label", "churned")

    assert (status, out) == (2, "")
    assert err == f"error: {table}: has no column 'churned'. Did you mean 'Churn'?\n"
