"""From history to scores, on the command line."""

from __future__ import annotations

import importlib
import json
import math
import random
import re
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow.csv as pv
import pyarrow.parquet as pq
import pytest

from churnml.project import Project
from churnml.training.tables import open_history
from churnml.training.workflow import Trained

Call = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def acme(company: Project, trained: Trained, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Copy the company, trained, to a place where its `var` may change."""
    folder = tmp_path_factory.mktemp("cli") / "acme"
    shutil.copytree(company.root, folder)
    return folder


def test_training_reports_rows_accounts_and_what_it_left_out(run: Call, acme: Path) -> None:
    status, out, err = run("train", "-C", acme)
    lines = out.splitlines()

    assert status == 0, err
    sheet = json.loads((acme / "var" / "training" / "churn_90d.json").read_text())
    assert lines[0] == (
        f"churn_90d: {sheet['rows']:,} rows to learn from, {sheet['churned']:,} churned; "
        f"{sheet['accounts']:,} accounts, {len(sheet['features'])} features"
    )
    unobserved = sheet["dropped"]["label window not fully observed"]
    assert f"  {unobserved:,} left out: label window not fully observed" in lines
    assert any(line.startswith("Tested out of time: ") for line in lines)
    assert "accounts never trained on" in out
    assert "AUC of recency alone" in out
    assert re.search(r"^tested at +rows +churned +expected +AUC +95% interval$", out, re.MULTILINE)
    assert (
        len(
            re.findall(
                r"^20\d\d-\d\d-01( +[\d,.]+){4} +0\.\d{3} to [01]\.\d{3}$", out, re.MULTILINE
            )
        )
        == 3
    )
    assert "Rows purged before each test, their label not yet known: " in out
    assert re.search(
        r"^The bundle learned from [\d,]+ rows of [\d,]+ accounts of 20\d\d-\d\d-01 to "
        r"20\d\d-\d\d-01\. Its [\d,]+ trees: (tiny|small|random) \d+%(, \w+ \d+%)*\.$",
        out,
        re.MULTILINE,
    )
    said = err.splitlines()
    assert any(re.match(r"[\d,]+ of [\d,]+ accounts churned ", line) for line in said)
    assert [line for line in said if not line.endswith((" …", "."))] == []


def test_the_document_of_a_training_is_all_of_stdout(run: Call, acme: Path) -> None:
    status, out, err = run("train", "churn_90d", "-C", acme, "--json")
    document = json.loads(out)

    assert status == 0, err
    assert document["out_of_time"] is True
    assert [set(item) for item in document["splits"]] == [
        {"test_from", "learn", "test", "purged"}
    ] * 3
    assert all(item["purged"] > 0 for item in document["splits"])
    assert sum(item["test"] for item in document["splits"]) == document["tested"]["rows"]
    assert (
        document["tested"]["metrics"]["auc"]["low"] < document["tested"]["metrics"]["auc"]["high"]
    )
    assert Path(document["folder"]).name == document["bundle"][:12]
    assert document["sheet"]["recipe"] == "churn_90d"
    tested, each = document["tested"], document["by_cutoff"]
    assert [item["cutoff"] for item in each] == [x["test_from"] for x in document["splits"]]
    assert sum(item["churned"] for item in each) == tested["churned"]
    assert all(set(item["evaluation"]["metrics"]) == set(tested["metrics"]) for item in each)
    assert document["baseline"]["feature"] == "days_since_use"
    assert 0 < document["baseline"]["auc"] < 1
    taught, rows = document["taught"], document["sheet"]["cutoffs"]
    assert taught["cutoffs"] == {"first": rows[0]["cutoff"], "last": rows[-1]["cutoff"]}
    assert taught["rows"] == document["sheet"]["rows"]
    assert set(taught["mix"]) <= set(taught["losses"]) == {"tiny", "small", "random"}


def test_scores_are_shown_and_written(run: Call, acme: Path) -> None:
    status, out, err = run("score", "-C", acme, "--top", 4)
    lines = out.splitlines()

    assert status == 0, err
    assert " accounts scored as of 2026-06-30 " in lines[0]
    assert lines[1].split() == ["account", "churn", "80%", "within", "tier", "ARR", "because"]
    path = Path(lines[-1].removeprefix("all scores: "))
    assert path.parent == acme / "var" / "scores"
    table = pq.read_table(path)
    counts = [int(part.split()[0]) for part in lines[0].split(": ")[1].split(", ")]
    assert sum(counts) == table.num_rows
    assert all(line.endswith(" …") for line in err.splitlines())
    assert "+0.00" not in out


def test_the_document_of_scores_is_all_of_stdout(run: Call, acme: Path) -> None:
    status, out, err = run("score", "-C", acme, "--top", 2, "--json", "--as-of", "2026-03-01")
    document = json.loads(out)

    assert status == 0, err
    assert document["cutoff"] == "2026-03-01T00:00:00"
    assert document["accounts"] == document["rows"] == sum(document["tiers"].values())
    assert len(document["riskiest"]) == 2
    first = document["riskiest"][0]
    told = first["base"] + math.fsum(reason["contribution"] for reason in first["reasons"])
    assert told == pytest.approx(first["log_odds"], abs=1e-9)
    assert first["cutoff"] == document["cutoff"]
    assert 0 <= first["low"] < first["probability"] < first["high"] <= 1
    assert first["level"] == 0.8
    assert 0 <= document["thin"] <= document["rows"]
    assert document["stale"] == []
    assert document["not_asked"] == 0
    assert document["given"] == []
    assert document["in_hindsight"] is True
    assert "warning: the bundle learned what was known by 2026-" in err
    assert Path(document["file"]).name == "churn_90d-20260301T000000.parquet"


@pytest.fixture
def impatient(acme: Path) -> Iterator[Path]:
    """Let usage be no older than no time at all, for one test."""
    # In its new place history is read anew by whoever comes first, and the manifest written.
    open_history(Project.load(acme), lambda _step, _share: None)
    manifest = acme / "var" / "history" / "manifest.json"
    before = manifest.read_text()
    content = json.loads(before)
    content["tables"]["usage"]["stale_days"] = 1e-9
    manifest.write_text(json.dumps(content))
    yield acme
    manifest.write_text(before)


def test_stale_tables_are_said(run: Call, impatient: Path) -> None:
    status, out, err = run("score", "-C", impatient, "--top", 0, "--json")
    assert status == 0
    assert [item["table"] for item in json.loads(out)["stale"]] == ["usage"]
    assert "warning: table 'usage': the newest is of 2026-06-30 " in err

    status, out, err = run("train", "-C", impatient, "--json")
    assert status == 0
    assert [item["table"] for item in json.loads(out)["sheet"]["stale"]] == ["usage"]
    assert "warning: table 'usage': the newest is of 2026-06-30 " in err


def test_scores_go_where_they_are_asked_to(run: Call, acme: Path, tmp_path: Path) -> None:
    wanted = tmp_path / "new" / "scores.csv"
    status, out, _ = run("score", "-C", acme, "--output", wanted, "--top", 0, "--json")

    assert status == 0
    assert json.loads(out)["riskiest"] == []
    assert pv.read_csv(wanted).num_rows == json.loads(out)["rows"]
    assert [item.name for item in wanted.parent.iterdir()] == ["scores.csv"]


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["score", "--as-of", "2031-01-01"], 1, "lies after the end of observation"),
        (["score", "--table", "x.csv"], 2, "--table is for flat tables"),
        (["score", "--output", "x.xlsx"], 2, "expected a name that ends in .parquet or .csv"),
        (["score", "--output", "pyproject.toml/x.csv"], 2, "cannot be written"),
        (["score", "churn_60d"], 2, "no recipe 'churn_60d'. Did you mean 'churn_90d'?"),
        (["train", "churn_60d"], 2, "no recipe 'churn_60d'. Did you mean 'churn_90d'?"),
    ],
)
def test_what_cannot_be_done_is_said(
    run: Call,
    acme: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    status: int,
    message: str,
) -> None:
    monkeypatch.chdir(acme)
    got, out, err = run(*arguments)

    assert (got, out) == (status, "")
    assert message in err
    assert "Traceback" not in err


def test_nobody_to_score_is_said(run: Call, acme: Path) -> None:
    status, out, _ = run("score", "-C", acme, "--as-of", "1990-01-01")

    assert status == 0
    assert out.startswith("0 accounts scored as of 1990-01-01 00:00 UTC: 0 critical")
    assert "Nobody is in the population" in out


OWN = """
import datetime as dt
import pyarrow.compute as pc

SEEN = set()

def nights(view, accounts):
    SEEN.add(view.cutoff)
    usage = view.table("usage")
    recent = pc.greater_equal(usage["occurred_at"], view.cutoff - dt.timedelta(days=31))
    usage = usage.filter(pc.and_(recent, pc.less(pc.hour(usage["occurred_at"]), 6)))
    counted = usage.group_by("account_id").aggregate([([], "count_all")]).to_pylist()
    counts = {row["account_id"]: row["count_all"] for row in counted}
    return [counts.get(account) for account in accounts]
"""


@pytest.fixture
def own(small_project: Path, mlflow_store: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make a company whose accounts fall silent once they stop working at night."""
    rng = random.Random(3)
    rows = ["account_id,occurred_at,event"]
    for number in range(60):
        last = rng.randint(4, 17) if number % 2 else 17
        for month in range(last + 1):
            hour = 3 if month < last or last == 17 else 15
            year, step = divmod(month, 12)
            when = f"{2024 + year}-{step + 1:02}-{{day:02}}T{hour:02}:00"
            rows += [f"a{number:02},{when.format(day=day)},use" for day in (4, 14, 24)]
    (small_project / "data" / "usage.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    monkeypatch.delitem(sys.modules, "own_nights", raising=False)
    (small_project / "own_nights.py").write_text(OWN, encoding="utf-8")
    (small_project / "features" / "own.toml").write_text(
        'family = "own"\ntitle = "Our own"\n[[feature]]\nname = "nights"\n'
        'description = "Events by night in the last 31 days"\nunit = "events"\n'
        'function = "own_nights:nights"\nsentence = "{value} events by night"\n'
        'missing = "never worked by night"\n',
        encoding="utf-8",
    )
    (small_project / "training" / "quiet.toml").write_text(
        '[label]\nkind = "inactivity"\nhorizon_days = 40\nactive_days = 40\n'
        "[splits]\ntest_cutoffs = 2\n[sufficiency]\nmin_churned = 20\nmin_tested = 5\n"
        "[model]\nshapes = []\nfolds = 2\nmax_rounds = 30\nnum_threads = 1\n"
        '[[model.own_shapes]]\nname = "fine"\nmin_data_in_leaf = 5\n',
        encoding="utf-8",
    )
    (small_project / "var").mkdir()
    shutil.copyfile(mlflow_store, small_project / "var" / "mlflow.db")
    return small_project


def test_a_custom_python_feature_has_no_query(run: Call, own: Path) -> None:
    assert run("features", "sql", "nights", "-C", own)[:2] == (
        0,
        "-- nights is no query but Python: own_nights:nights\n",
    )


def test_a_custom_python_feature_goes_the_whole_way(run: Call, own: Path) -> None:
    trained = run("train", "-C", own, "--json")
    scored = run("score", "-C", own, "--json", "--top", 60)

    assert (trained[0], scored[0]) == (0, 0), trained[2] + scored[2]
    features = {item["name"]: item for item in json.loads(trained[1])["sheet"]["features"]}
    assert features["nights"]["maximum"] == 3
    assert features["nights"]["missing"] > 0
    said = {
        reason["sentence"]
        for item in json.loads(scored[1])["riskiest"]
        for reason in item["reasons"]
        if reason["feature"] == "nights"
    }
    assert said <= {"3 events by night", "never worked by night"}
    assert said
    assert len(importlib.import_module("own_nights").SEEN) > 10  # a view for each cutoff


def test_scores_refuse_another_code_than_they_learnt_from(run: Call, own: Path) -> None:
    run("train", "-C", own)
    (own / "own_nights.py").write_text(OWN.replace("6)", "7)"), encoding="utf-8")
    status, out, err = run("score", "-C", own)

    assert (status, out) == (1, "")
    assert "the code of its custom features (own_nights:nights) is not the code" in err
    assert run("train", "-C", own)[0] == 0
    assert run("score", "-C", own)[0] == 0
