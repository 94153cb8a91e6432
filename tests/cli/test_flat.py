"""From a flat table to scores, on the command line."""

from __future__ import annotations

import datetime as dt
import json
import random
import re
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest

Call = Callable[..., tuple[int, str, str]]
HEADER = ("id", "months", "plan", "auto", "fee", "left")
QUICK = """
[model]
shapes = []
folds = 3
max_rounds = 30
num_threads = 1
[[model.own_shapes]]
name = "fine"
min_data_in_leaf = 10
"""


def rows(number: int) -> list[list[str]]:
    """Make up customers: monthly plans and new customers leave more often."""
    rng = random.Random(5)
    made = []
    for row in range(number):
        months, plan = rng.randint(0, 60), rng.choice(["1", "2", "flex", ""])
        left = rng.random() < (0.6 if plan == "flex" else 0.1) * (1.3 - months / 60)
        fee = f"{rng.uniform(20, 110):.2f}" if rng.random() < 0.9 else " "
        auto = rng.choice(["true", "false", ""])
        made.append([f"{row:04}", str(months), plan, auto, fee, "Yes" if left else "No"])
    return made


def write(path: Path, body: Sequence[Sequence[str]], header: Sequence[str] = HEADER) -> Path:
    path.write_text("\n".join(",".join(row) for row in (header, *body)) + "\n", encoding="utf-8")
    return path


@pytest.fixture
def made(run: Call, tmp_path: Path, mlflow_store: Path) -> Callable[..., Path]:
    """Give a function that makes a project around rows, with few trees."""

    def make(body: Sequence[Sequence[str]], label: str = "left", **values: str) -> Path:
        folder = tmp_path / "flat"
        table = write(tmp_path / "t.csv", body)
        options = [x for key, value in values.items() for x in (f"--{key}", value)]
        status, _, err = run("init", folder, "--table", table, "--label", label, *options)
        assert status == 0, err
        with (folder / "training" / f"{label}.toml").open("a", encoding="utf-8") as file:
            file.write(QUICK)
        (folder / "var").mkdir()
        shutil.copyfile(mlflow_store, folder / "var" / "mlflow.db")
        return folder

    return make


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, mlflow_store: Path) -> Path:
    """Train a flat project once; tests score with it."""
    from churnml import scaffold
    from churnml.project import Project
    from churnml.training.workflow import train

    home = tmp_path_factory.mktemp("flat")
    table = write(home / "t.csv", rows(600))
    scaffold.from_table(home / "flat", table, label="left", identifier="id")
    with (home / "flat" / "training" / "left.toml").open("a", encoding="utf-8") as file:
        file.write(QUICK)
    (home / "flat" / "var").mkdir()
    shutil.copyfile(mlflow_store, home / "flat" / "var" / "mlflow.db")
    train(Project.load(home / "flat"), "left", lambda _step, _share: None)
    return home / "flat"


def score(run: Call, folder: Path, table: Path) -> dict[str, dict[str, object]]:
    status, out, err = run("score", "-C", folder, "--table", table, "--json", "--top", 1000)
    assert status == 0, err
    return {item["account_id"]: item for item in json.loads(out)["riskiest"]}


def test_a_flat_table_goes_the_whole_way(run: Call, made: Callable[..., Path]) -> None:
    folder = made(rows(600), id="id")
    trained = run("train", "-C", folder)
    scored = run("score", "-C", folder, "--top", 3)

    assert (trained[0], scored[0]) == (0, 0), trained[2] + scored[2]
    assert trained[1].startswith("left: 600 rows to learn from, ")
    assert "Tested on held-out accounts, not out of time" in trained[1]
    assert "never trained on" not in trained[1]  # all of them are
    assert scored[1].startswith("600 accounts scored: ")
    assert "plan is flex" in scored[1]
    tiers = pq.read_table(folder / "var" / "scores" / "left.parquet")["tier"].to_pylist()
    assert len(set(tiers)) >= 3


def test_a_column_of_dates_goes_the_whole_way(run: Call, made: Callable[..., Path]) -> None:
    import mlflow

    start = dt.date(2024, 1, 1)
    days = [start + dt.timedelta(days=10 * int(row[1])) for row in rows(600)]
    body = [
        [row[0], day.isoformat() if place % 9 else "", *row[2:]]
        for place, (row, day) in enumerate(zip(rows(600), days, strict=True))
    ]
    folder = made(body, id="id")
    trained = run("train", "-C", folder, "--json")
    scored = run("score", "-C", folder, "--json", "--top", 600)

    assert trained[0] == scored[0] == 0, trained[2] + scored[2]
    said = {r["sentence"] for x in json.loads(scored[1])["riskiest"] for r in x["reasons"]}
    assert {"months is 2024-01-11", "months is unknown"} <= said
    run_id = json.loads(trained[1])["run"]
    model = mlflow.pyfunc.load_model(str(folder / "var/mlruns" / run_id / "artifacts/model"))
    assert len(model.predict(model.input_example)) == 3


def test_a_search_that_is_interrupted_says_how_to_go_on(
    run: Call, made: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    from churnml.training import workflow

    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(workflow, "tune", interrupt)
    status, out, err = run("train", "-C", made(rows(600), id="id"), "--trials", 3)

    assert (status, out) == (130, "")
    assert err.endswith(
        "interrupted: trials that had ended are kept; the same command goes on with them.\n"
    )


def test_calibration_within_segments_is_told(run: Call, made: Callable[..., Path]) -> None:
    folder = made(rows(600), id="id")
    recipe = folder / "training" / "left.toml"
    text = recipe.read_text(encoding="utf-8")
    recipe.write_text(f'{text}\n[calibration]\nsegments = ["plan", "months"]\n', encoding="utf-8")
    status, out, err = run("train", "-C", folder)
    assert status == 0, err
    lines = out.splitlines()
    first = next(n for n, line in enumerate(lines) if line.startswith("held out, by plan"))
    plan = [line.split() for line in lines[first + 1 : first + 5]]
    assert [row[0] for row in plan] == ["1", "2", "flex", "(missing)"]
    assert sum(int(row[1]) for row in plan) == 600
    assert lines[first + 5].startswith("Scores are ")
    assert "held out, by months" in out

    document = json.loads(run("train", "-C", folder, "--json")[1])
    assert [part["feature"] for part in document["segments"]] == ["plan", "months"]
    manifest = json.loads((Path(document["folder"]) / "manifest.json").read_text(encoding="utf-8"))
    assert document["segments"] == manifest["judgement"]["segments"]
    told = document["segments"][0]["segments"]
    assert [f"{part['pooled']:+.3f}" for part in told] == [row[4] for row in plan]


def test_reasons_and_base_make_the_log_odds(run: Call, trained: Path) -> None:
    scored = run("score", "-C", trained, "--json", "--top", 600)
    for item in json.loads(scored[1])["riskiest"]:
        told = item["base"] + sum(reason["contribution"] for reason in item["reasons"])
        assert told == pytest.approx(item["log_odds"], abs=1e-9)
    said = {r["sentence"] for x in json.loads(scored[1])["riskiest"] for r in x["reasons"]}
    assert {"plan is flex", "plan is unknown", "auto is yes", "auto is no"} <= said


def test_a_row_is_explained_as_it_is_scored(run: Call, trained: Path, tmp_path: Path) -> None:
    table = write(tmp_path / "new.csv", rows(20))
    alone = score(run, trained, table)["0007"]
    given = ("explain", "0007", "-C", trained, "--table", table)
    status, out, err = run(*given, "--json")
    assert status == 0, err
    told = json.loads(out)["score"]
    assert told["reasons"] == alone["reasons"]
    assert told["probability"] == pytest.approx(alone["probability"], abs=1e-9)
    status, out, err = run(*given, "--earlier-model", "latest")
    assert status == 0, err
    assert out.startswith("0007: ")
    assert "It was " in out
    assert ", before by " in out.splitlines()[-1]


def test_a_row_that_is_not_there_or_not_alone_is_refused(
    run: Call, trained: Path, tmp_path: Path
) -> None:
    table = write(tmp_path / "new.csv", [*rows(9), rows(9)[3]])
    status, _, err = run("explain", "0010", "-C", trained, "--table", table)
    assert status == 1
    assert "account '0010': no row tells of it. Did you mean '0008'?" in err
    status, _, err = run("explain", "0003", "-C", trained, "--table", table)
    assert status == 1
    assert "account '0003': 2 rows tell of it, and none is the latest" in err


@pytest.mark.parametrize(
    "option", ["--as-of=2024-01-01", "--since=2024-01-01", "--peers", "--lower"]
)
def test_what_only_history_tells_is_refused(run: Call, trained: Path, option: str) -> None:
    status, _, err = run("explain", "0003", "-C", trained, option)
    assert status == 2
    assert f"{option.partition('=')[0]} needs history; this recipe scores a flat table." in err


def test_scores_do_not_hang_on_the_file_they_come_in(
    run: Call, trained: Path, tmp_path: Path
) -> None:
    """One row alone has plans that look like numbers and blanks that look like nothing."""
    body = rows(600)
    together = score(run, trained, write(tmp_path / "all.csv", body))
    for row in (body[0], *(next(r for r in body if r[2] == plan) for plan in ("1", "flex", ""))):
        alone = score(run, trained, write(tmp_path / "one.csv", [row]))
        assert alone[row[0]]["probability"] == together[row[0]]["probability"]
    frame = pd.read_csv(tmp_path / "all.csv", dtype={"id": str, "plan": str}, na_values=" ")
    frame["plan"] = frame["plan"].astype("category")
    frame[sorted(frame.columns)].to_parquet(tmp_path / "all.parquet")
    assert score(run, trained, tmp_path / "all.parquet") == together


def test_columns_without_any_value_are_told(run: Call, trained: Path, tmp_path: Path) -> None:
    body = [[*row[:4], "", row[5]] for row in rows(3)]
    status, out, err = run(
        "score", "-C", trained, "--table", write(tmp_path / "few.csv", body), "--json"
    )

    assert status == 0, err
    assert json.loads(out)["blank"] == ["fee"]
    assert "warning: no row has a value in 'fee', which training had: taken as unknown" in err


def test_a_table_has_scores_of_its_own(run: Call, trained: Path, tmp_path: Path) -> None:
    everybody = trained / "var" / "scores" / "left.parquet"
    run("score", "-C", trained)
    before = everybody.read_bytes()
    table = write(tmp_path / "five.q1.csv", rows(5))
    status, out, err = run("score", "-C", trained, "--table", table, "--json")

    assert status == 0, err
    path = Path(json.loads(out)["file"])
    assert path.parent == trained / "var" / "scores"
    assert re.fullmatch(r"left-five\.q1-[0-9a-f]{8}\.parquet", path.name)
    assert pq.read_table(path).num_rows == 5
    assert everybody.read_bytes() == before


def test_tables_of_one_name_have_scores_of_their_own(
    run: Call, trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "may").mkdir()
    (tmp_path / "june").mkdir()
    may = write(tmp_path / "may" / "new.csv", rows(5))
    june = write(tmp_path / "june" / "new.csv", rows(9))
    packed = tmp_path / "may" / "new.parquet"
    frame = pd.read_csv(may, dtype={"id": str, "plan": str}, na_values=" ")
    frame.head(3).to_parquet(packed)
    files = []
    for table in (may, june, packed):
        status, out, err = run("score", "-C", trained, "--table", table, "--json")
        assert status == 0, err
        files.append(Path(json.loads(out)["file"]))
    assert [pq.read_table(path).num_rows for path in files] == [5, 9, 3]

    monkeypatch.chdir(tmp_path)
    _, out, _ = run("score", "-C", trained, "--table", "may/../may/new.csv", "--json")
    assert Path(json.loads(out)["file"]) == files[0]


def test_an_unseen_category_scores_as_a_missing_one(
    run: Call, trained: Path, tmp_path: Path
) -> None:
    body = [["a", "5", "brand new", "true", "30", ""], ["b", "5", "", "true", "30", ""]]
    table = write(tmp_path / "new.csv", body)
    found = score(run, trained, table)
    _, out, err = run("score", "-C", trained, "--table", table, "--json")

    assert err.splitlines()[-1] == (
        "warning: column 'plan' holds values that were never learnt from, in 1 of 2 rows, taken "
        "as missing: 'brand new'."
    )
    assert json.loads(out)["unseen"] == [
        {"column": "plan", "values": ["brand new"], "rows": 1, "of": 2}
    ]
    assert found["a"]["probability"] == found["b"]["probability"]
    assert "plan is brand new" in json.dumps(found["a"])


@pytest.mark.parametrize(
    ("header", "body", "message"),
    [
        (
            ("id", "months", "plans", "auto", "fee"),
            [["a", "5", "flex", "true", "3"]],
            r"lacks 1 of the 5 columns that the bundle needs: 'plan'. Did you mean 'plans'?",
        ),
        (
            ("ID", "plan"),
            [["a", "flex"]],
            "lacks 4 of the 5 columns that the bundle needs: 'id', 'months', 'auto', 'fee'.",
        ),
        (
            HEADER[:5],
            [["a", "many", "flex", "true", "3"]],
            "feature 'months' holds text ('many'), but the model knows a number",
        ),
        (
            HEADER[:5],
            [["a", "inf", "flex", "true", "3"]],
            "feature 'months' is infinite in 1 rows",
        ),
        (
            HEADER[:5],
            [["a", "1", "flex", "true", "3"], ["", "1", "flex", "true", "3"]],
            "column 'id', which names the accounts, is missing in 1 of 2 rows",
        ),
        (HEADER[:5], [], "has a header and no rows"),
    ],
)
def test_a_table_that_does_not_fit_is_refused(
    run: Call,
    trained: Path,
    tmp_path: Path,
    header: Sequence[str],
    body: list[list[str]],
    message: str,
) -> None:
    table = write(tmp_path / "new.csv", body, header)
    status, out, err = run("score", "-C", trained, "--table", table)

    assert status in {1, 2}
    assert out == ""
    assert message in err
    assert "Traceback" not in err


def test_as_of_needs_history(run: Call, trained: Path) -> None:
    assert run("score", "-C", trained, "--as-of", "2026-01-01")[0] == 2


def test_times_make_a_test_out_of_time_and_stand_beside_scores(
    run: Call, made: Callable[..., Path]
) -> None:
    """The same 100 accounts once a month; the label looks 30 days ahead."""
    body = []
    for number, row in enumerate(rows(1000)):
        month, account = divmod(number, 100)
        body.append([f"{account:04}", f"2024-{month + 1:02}-01", *row[2:]])
    folder = made(body, id="id")
    recipe = folder / "training" / "left.toml"
    recipe.write_text(
        recipe.read_text().replace("[label]\n", '[label]\ntime = "months"\nhorizon_days = 30\n')
    )
    trained = run("train", "-C", folder, "--json")
    scored = run("score", "-C", folder, "--top", 3)

    assert trained[0] == scored[0] == 0, trained[2] + scored[2]
    assert json.loads(trained[1])["out_of_time"] is True
    assert scored[1].startswith("1,000 rows of 100 accounts scored: ")
    assert scored[1].splitlines()[1].split()[:3] == ["account", "as", "of"]
    table = pq.read_table(folder / "var" / "scores" / "left.parquet")
    assert {when.day for when in table["cutoff"].to_pylist()} == {1}


@pytest.mark.parametrize(
    ("change", "status", "message"),
    [
        ({5: "Yes"}, 1, "equals positive = 'Yes' in every row"),
        ({5: "No"}, 1, "equals positive = 'Yes' in no row"),
        ({0: "same"}, 1, "accounts appear more than once, for example account_id same"),
        ({0: ""}, 1, "column 'id' is missing in 600 of 600 rows"),
    ],
)
def test_a_table_that_teaches_nothing_is_refused(
    run: Call, made: Callable[..., Path], change: dict[int, str], status: int, message: str
) -> None:
    folder = made(rows(600), id="id")
    body = [[change.get(place, value) for place, value in enumerate(row)] for row in rows(600)]
    write(folder / "data" / "t.csv", body)
    got, out, err = run("train", "-C", folder)

    assert (got, out) == (status, "")
    assert message in err
    assert not (folder / "var" / "bundles").exists()


def test_infinity_is_refused(run: Call, made: Callable[..., Path]) -> None:
    folder = made(rows(600), id="id")
    body = [[*row[:1], "inf" if row[1] == "7" else row[1], *row[2:]] for row in rows(600)]
    infinite = sum(row[1] == "7" for row in rows(600))
    assert infinite > 5
    write(folder / "data" / "t.csv", body)
    got, out, err = run("train", "-C", folder)

    assert (got, out) == (1, "")
    assert "feature 'months' is infinite in " in err
    assert not (folder / "var" / "bundles").exists()


def test_a_figure_that_does_not_exist_is_a_dash_and_null(
    run: Call, made: Callable[..., Path]
) -> None:
    """Where no tree can split there is one probability, and through one point no slope."""
    folder = made(rows(600), id="id")
    recipe = folder / "training" / "left.toml"
    text = recipe.read_text(encoding="utf-8")
    assert "min_data_in_leaf = 10\n" in text
    recipe.write_text(text.replace("min_data_in_leaf = 10\n", "min_data_in_leaf = 10_000\n"))
    shown, told = run("train", "-C", folder), run("train", "-C", folder, "--json")
    scored = run("score", "-C", folder)

    assert shown[0] == told[0] == scored[0] == 0, shown[2]
    assert [line.split()[2:] for line in shown[1].splitlines() if "slope" in line] == [["–", "–"]]
    assert json.loads(told[1])["tested"]["metrics"]["calibration_slope"] == {
        "value": None,
        "low": None,
        "high": None,
    }


def test_huge_and_tiny_values_are_only_numbers(run: Call, made: Callable[..., Path]) -> None:
    huge = ("1e308", "-1e308", "1e-320", "5")
    body = [[row[0], huge[place % 4], *row[2:]] for place, row in enumerate(rows(600))]
    folder = made(body, id="id")
    trained, scored = run("train", "-C", folder), run("score", "-C", folder)

    assert trained[0] == scored[0] == 0, trained[2] + scored[2]
    assert "months is 1e+308" in scored[1] or "plan is" in scored[1]
    assert "000,000,000" not in scored[1]


@pytest.mark.parametrize("count", [1, 2, 9])
def test_a_handful_of_rows_ends_in_words(run: Call, made: Callable[..., Path], count: int) -> None:
    folder = made(rows(600), id="id")
    body = rows(600)
    few = [*[r for r in body if r[5] == "Yes"][: count // 2 + count % 2], *body[: count // 2]]
    write(folder / "data" / "t.csv", few)
    status, _, err = run("train", "-C", folder)

    assert status == 1
    assert err.splitlines()[-1].startswith("error: ")


def test_three_values_ask_which_one_is_meant(run: Call, tmp_path: Path) -> None:
    body = [[*row[:5], "Maybe" if place % 9 == 0 else row[5]] for place, row in enumerate(rows(90))]
    table = write(tmp_path / "t.csv", body)
    status, _, err = run("init", tmp_path / "flat", "--table", table, "--label", "left")

    assert status == 2
    assert "holds Maybe, No, Yes: which of them means" in err
    assert "--positive" in err


def test_rows_that_stand_twice_are_told(run: Call, made: Callable[..., Path]) -> None:
    """Without names of accounts, a copy is an account of its own."""
    body = rows(600)
    folder = made([*body, *body[:7]])
    said = (
        "warning: data/t.csv: 7 of 607 rows repeat another in every column. If they are copies, "
        "take them out: they stand in training and in test, and flatter the figures."
    )
    _, out, err = run("train", "-C", folder, "--json")
    assert said in err
    assert json.loads(out)["sheet"]["repeated"]["rows"] == 7
    assert said in run("audit", "-C", folder)[2]


def test_training_can_be_tuned_first(run: Call, made: Callable[..., Path]) -> None:
    folder = made(rows(400), id="id")
    status, out, err = run("train", "-C", folder, "--trials", "2")
    assert status == 0, err
    assert "  not tuned: all 2 trials went to shipped shapes, which come first; " in out
    status, out, err = run("train", "-C", folder, "--trials", "11", "--json")
    assert status == 0, err
    document = json.loads(out)
    tuning = document["sheet"]["tuning"]
    assert (tuning["trials"], tuning["drawn"]) == (11, 2)
    assert tuning["judged_by"] == "held-out accounts"
    assert 0 < tuning["shipped_loss"] < 1
    names = [shape["name"] for shape in tuning["shapes"]]
    assert names == [f"tuned-{place}" for place in range(1, len(names) + 1)]
    status, out, err = run("train", "-C", folder, "--trials", "11")
    assert status == 0, err
    assert "  tuned by 11 trials on held-out accounts: log loss " in out
    assert "tuned" not in run("train", "-C", folder)[1]
