from __future__ import annotations

import json
import random
import runpy
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

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
    StoreError,
    TrainingError,
)

if TYPE_CHECKING:
    from churnml.project import Project
    from churnml.training.workflow import Trained

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

    assert names == [
        "init", "simulate", "check", "audit", "train", "score", "serve", "explain", "forecast",
        "indicators", "responses", "mix",
    ]  # fmt: skip
    assert [group.name for group in cli.app.registered_groups] == [
        "models", "text", "features", "keys", "store",
    ]  # fmt: skip


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
        (FeatureError, 2),
        (LabelError, 1),
        (TrainingError, 1),
        (BundleError, 1),
        (StoreError, 2),
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


def test_features_are_listed_with_unit_and_meaning(run: Run, small_project: Path) -> None:
    status, out, _ = run("features", "list", "--project", small_project)

    assert status == 0
    assert [line.split() for line in out.splitlines()] == [
        ["feature", "family", "unit", "what", "it", "is"],
        ["events_7d", "usage", "events", "events", "in", "7", "days"],
        ["events_28d", "usage", "events", "events", "in", "28", "days"],
        [],
        ["2", "features"],
    ]


def test_features_are_listed_for_machines(run: Run, small_project: Path) -> None:
    _, out, _ = run("features", "list", "--json", "-C", small_project / "data")

    listed = json.loads(out)
    assert [feature["name"] for feature in listed] == ["events_7d", "events_28d"]
    assert listed[1]["window_days"] == 28
    assert listed[1]["sentence"] == "{value} events in 28 days"


def test_a_feature_is_shown_whole(run: Run, small_project: Path) -> None:
    status, out, _ = run("features", "show", "events_7d", "-C", small_project)

    assert status == 0
    shown = dict(line.split(maxsplit=1) for line in out.splitlines())
    assert shown["description"] == "events in 7 days"
    assert shown["table"] == "usage"
    assert shown["file"] == str(small_project / "features" / "usage.toml")
    assert "formula" not in shown
    assert run("features", "show", "events_7d", "--json", "-C", small_project)[1].startswith("{")


def test_the_sql_of_a_feature_is_one_group_by(run: Run, small_project: Path) -> None:
    status, out, _ = run(
        "features", "sql", "events_7d", "--cutoff", "2026-01-01", "-C", small_project
    )

    assert status == 0
    assert out.startswith("-- usage by occurred_at, for events_7d\nSELECT\n")
    assert "GROUP BY" in out
    assert "2026-01-01" in out
    spark = run("features", "sql", "--dialect", "spark", "-C", small_project)[1]
    assert "for events_7d, events_28d" in spark


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["list", "--family", "usge"], 2, "no feature family 'usge'. Did you mean 'usage'?"),
        (["show", "events_8d"], 2, "no feature 'events_8d'. Did you mean"),
        (["sql", "--dialect", "duckbd"], 2, "no dialect 'duckbd'. Did you mean 'duckdb'?"),
    ],
)
def test_an_unknown_feature_family_or_dialect_names_the_nearest(
    run: Run, small_project: Path, arguments: list[str], status: int, message: str
) -> None:
    got, out, err = run("features", *arguments, "-C", small_project)

    assert (got, out) == (status, "")
    assert message in err


def test_check_reports_and_writes_clean_history(run: Run, small_project: Path) -> None:
    rows = "account_id,occurred_at,event\na,2025-01-01,login\nb,2025-02-01,login\n"
    (small_project / "data" / "usage.csv").write_text(rows, encoding="utf-8")

    status, out, err = run("check", "-C", small_project)
    report = json.loads(run("check", "-C", small_project, "--json")[1])

    assert status == 0
    assert "usage" in out
    assert "…" in err
    assert report["tables"][0]["clean"] == 2
    assert (small_project / "var" / "history" / "manifest.json").is_file()


def test_check_exits_with_one_on_what_would_corrupt_a_score(run: Run, small_project: Path) -> None:
    rows = "account_id,occurred_at,event\na,2025-01-01,login\n,yesterday,login\n"
    (small_project / "data" / "usage.csv").write_text(rows, encoding="utf-8")

    status, out, _ = run("check", "-C", small_project)

    assert status == 1
    assert "usage is refused" in out
    assert not (small_project / "var" / "history").exists()


def test_simulate_says_what_it_wrote(run: Run, tmp_path: Path) -> None:
    span = ("--months", 3, "--start", "2024-01-01")
    arguments = ("simulate", tmp_path / "s", "--accounts", 5, *span, "--seed", 1)

    status, out, err = run(*arguments)
    document = json.loads(run(*arguments, "--json")[1])

    assert (status, err) == (0, "Simulating 5 accounts …\n")
    assert out.splitlines()[0] == (
        f"Made up 5 accounts in {tmp_path / 's'}, 2024-01-01 to 2024-04-01, seed 1."
    )
    assert document["rows"]["accounts"] >= 5
    assert (tmp_path / "s" / "usage.parquet").is_file()


@pytest.mark.parametrize(
    ("place", "reason"),
    [
        ("file", "File exists"),
        ("file/below", "Not a directory"),
        ("file/far/below", "Not a directory"),
        ("n" * 300, "File name too long"),
    ],
)
def test_a_place_that_cannot_be_written_is_one_message(
    run: Run, tmp_path: Path, place: str, reason: str
) -> None:
    (tmp_path / "file").touch()
    table = tmp_path / "t.csv"
    table.write_text("id,left\na,1\nb,0\n", encoding="utf-8")
    folder = tmp_path / place

    for command in (
        ("simulate", folder, "--accounts", 2, "--months", 2),
        ("init", folder),
        ("init", folder, "--table", table, "--label", "left"),
    ):
        status, out, err = run(*command)

        last = err.splitlines()[-1]
        assert (status, out) == (2, ""), command
        assert last.startswith(f"error: {tmp_path / place.split('/', maxsplit=1)[0]}"), command
        if command[0] == "simulate" or place != "file":
            assert f"cannot be written: {reason}. Name another place" in last, command


def prepare(project: Path, mlflow_store: Path) -> None:
    (project / "var").mkdir()
    shutil.copyfile(mlflow_store, project / "var" / "mlflow.db")


@pytest.mark.slow
def test_a_flat_table_leads_to_scores_with_reasons(
    run: Run, tmp_path: Path, mlflow_store: Path
) -> None:
    rng = random.Random(5)
    rows = ["id,months,plan,left"]
    for number in range(900):
        months, plan = rng.randint(0, 60), rng.choice(["monthly", "yearly"])
        left = rng.random() < (0.5 if plan == "monthly" else 0.1) * (1.2 - months / 60)
        rows.append(f"{number:04},{months},{plan},{'Yes' if left else 'No'}")
    (tmp_path / "t.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    flat = tmp_path / "flat"
    run("init", flat, "--table", tmp_path / "t.csv", "--label", "left", "--id", "id")
    prepare(flat, mlflow_store)

    trained = run("train", "left", "-C", flat, "--json")
    status, out, err = run("score", "left", "-C", flat, "--top", 3)
    scored = run("score", "-C", flat, "--top", 2, "--json")

    assert (trained[0], status) == (0, 0)
    document = json.loads(trained[1])
    assert document["out_of_time"] is False
    assert 0.65 < document["tested"]["metrics"]["auc"]["value"] < 0.95
    assert out.startswith("900 accounts scored: ")
    assert "plan is monthly" in out
    assert "scores …" in err
    riskiest = json.loads(scored[1])["riskiest"]
    assert len(riskiest) == 2
    assert riskiest[0]["probability"] >= riskiest[1]["probability"]
    assert (flat / "var" / "scores" / "left.parquet").is_file()


@pytest.mark.slow
def test_history_leads_to_scores_with_reasons(run: Run, tmp_path: Path, mlflow_store: Path) -> None:
    acme = tmp_path / "acme"
    run("init", acme)
    prepare(acme, mlflow_store)
    run("simulate", acme / "data" / "sample", "--accounts", 300, "--months", 24, "--seed", 3)
    run("check", "-C", acme)

    trained = run("train", "churn_90d", "-C", acme)
    scored = run("score", "churn_90d", "-C", acme, "--top", 5, "--json")

    assert trained[0] == 0, trained[2]
    assert "Tested out of time" in trained[1]
    document = json.loads(scored[1])
    assert document["accounts"] == sum(document["tiers"].values()) > 100
    assert len(document["riskiest"]) == 5
    assert document["riskiest"][0]["reasons"]


def test_scores_need_a_bundle(run: Run, small_project: Path) -> None:
    status, out, err = run("score", "-C", small_project)

    assert (status, out) == (1, "")
    assert "recipe 'quiet' has no bundle" in err
    assert "`churnml train quiet` makes one." in err


def test_an_unknown_recipe_is_a_usage_error(run: Run, small_project: Path) -> None:
    status, _, err = run("train", "quite", "-C", small_project)

    assert status == 2
    assert err.endswith("no recipe 'quite'. Did you mean 'quiet'?\n")


def test_several_recipes_ask_for_a_name(run: Run, small_project: Path) -> None:
    training = small_project / "training"
    shutil.copyfile(training / "quiet.toml", training / "silent.toml")

    status, _, err = run("train", "-C", small_project)

    assert status == 2
    assert "several recipes; name one of them: quiet, silent." in err


def test_a_flat_table_has_no_history_to_check(run: Run, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("id,left\na,1\nb,0\n", encoding="utf-8")
    run("init", tmp_path / "flat", "--table", tmp_path / "t.csv", "--label", "left")

    status, _, err = run("check", "-C", tmp_path / "flat")

    assert status == 2
    assert "every recipe learns from a flat table; there is no history" in err


def test_the_package_runs_as_a_module(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["churnml", "--version"])

    with pytest.raises(SystemExit):
        runpy.run_module("churnml", run_name="__main__")

    assert capsys.readouterr().out.startswith("churnml 0.")


@pytest.mark.slow
def test_score_options_fit_the_recipe(
    run: Run, company: Project, trained: Trained, tmp_path: Path
) -> None:
    for options, message in (
        (["--table", tmp_path / "t.csv"], "--table is for flat tables"),
        (["--output", tmp_path / "scores.xlsx"], "expected a name that ends in .parquet or .csv"),
    ):
        status, _, err = run("score", "-C", company.root, *options)
        assert status == 2
        assert message in err

    path = tmp_path / "scores.csv"
    status, out, _ = run("score", "-C", company.root, "--top", 0, "--output", path)

    assert status == 0
    assert out.splitlines()[-1] == f"all scores: {path}"
    assert path.read_text(encoding="utf-8").startswith('"account_id"')
