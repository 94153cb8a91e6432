"""Histories that are too small, too empty or too odd end in words, or in a right result."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

Call = Callable[..., tuple[int, str, str]]
Lives = list[int]  # how many months each account stays
MONTHS = 23

RECIPE = """
[label]
kind = "subscriptions"
{label}
[cutoffs]
every = "month"
{cutoffs}
[splits]
test_cutoffs = 1

[sufficiency]
min_churned = 2
min_tested = 1

[model]
shapes = []
folds = 2
max_rounds = 20
num_threads = 1
[[model.own_shapes]]
name = "fine"
min_data_in_leaf = 5
"""
SOURCES = """
observed_until = 2025-12-01T00:00:00Z
[tables.subscriptions]
files = "subscriptions.csv"
[tables.usage]
files = "usage.csv"
"""


def month(number: int) -> str:
    return f"{2024 + number // 12}-{number % 12 + 1:02}"


def terms(lives: Lives, mrr: str = "100") -> str:
    rows = ["subscription_id,account_id,started_at,ends_at,mrr"]
    for number, life in enumerate(lives):
        for start in range(life):
            ends = f"{month(start + 1)}-01"
            rows.append(f"{number}-{start},a{number:02},{month(start)}-01,{ends},{mrr}")
    return "\n".join(rows) + "\n"


def usage(lives: Lives) -> str:
    rng = random.Random(2)
    rows = ["account_id,occurred_at,event"]
    for number, life in enumerate(lives):
        for start in range(life):
            day = rng.randint(2, 27)
            rows.append(f"a{number:02},{month(start)}-{day:02},{rng.choice(['login', 'export'])}")
    return "\n".join(rows) + "\n"


@pytest.fixture
def made(small_project: Path, mlflow_store: Path) -> Callable[..., Path]:
    def make(subscriptions: str, events: str, *, label: str = "", cutoffs: str = "") -> Path:
        (small_project / "training" / "quiet.toml").unlink()
        for name, text in {
            "data/sources.toml": SOURCES,
            "data/subscriptions.csv": subscriptions,
            "data/usage.csv": events,
            "training/leave.toml": RECIPE.format(label=label, cutoffs=cutoffs),
        }.items():
            (small_project / name).write_text(text, encoding="utf-8")
        (small_project / "var").mkdir()
        shutil.copyfile(mlflow_store, small_project / "var" / "mlflow.db")
        return small_project

    return make


def mixed() -> Lives:
    rng = random.Random(1)
    return [MONTHS if rng.random() < 0.4 else rng.randint(3, MONTHS) for _ in range(50)]


def test_a_company_of_fifty_is_enough_for_a_first_model(
    run: Call, made: Callable[..., Path]
) -> None:
    lives = mixed()
    folder = made(terms(lives), usage(lives))
    trained = run("train", "-C", folder, "--json")

    assert trained[0] == 0, trained[2]
    assert json.loads(trained[1])["sheet"]["dropped"]["label window not fully observed"] > 0
    assert run("score", "-C", folder)[0] == 0


@pytest.mark.parametrize(
    ("subscriptions", "events", "options", "message"),
    [
        ("", "all", {}, "table 'subscriptions': it is empty"),
        ("all", "", {}, "table 'usage': it is empty"),
        ([MONTHS], "all", {}, "too little data: 0 churned accounts to learn from"),
        ([MONTHS] * 40, "all", {}, "In all 0 of 40 accounts churned, in 720 rows"),
        ([8] * 40, "all", {}, "In all 40 of 40 accounts churned, in 320 rows"),
        ([14] * 40, "all", {}, "too little data: 0 churned accounts to learn from"),
        ([3] * 40, "all", {}, "cutoffs can give 0 tests"),
        ("all", "all", {"label": "horizon_days = 3000"}, "label window not fully observed"),
        (
            "all",
            "all",
            {"cutoffs": "first = 2025-01-01\nlast = 2025-01-31"},
            "1 cutoff can give 0 tests",
        ),
        (
            "all",
            "all",
            {"cutoffs": "first = 2031-01-01"},
            "[cutoffs]",
        ),
    ],
    ids=[
        "no subscriptions",
        "no usage",
        "one account",
        "nobody churned",
        "everybody churned early",
        "everybody churned at once",
        "everybody churned before a test",
        "a horizon beyond history",
        "a single cutoff",
        "no cutoff",
    ],
)
def test_what_cannot_be_learned_from_is_said(
    run: Call,
    made: Callable[..., Path],
    subscriptions: str | Lives,
    events: str,
    options: dict[str, str],
    message: str,
) -> None:
    lives = mixed() if isinstance(subscriptions, str) else subscriptions
    sold = terms(lives) if subscriptions else terms([])
    folder = made(sold, usage(lives) if events else usage([]), **options)
    status, out, err = run("train", "-C", folder)

    assert (status, out) == (1, "")
    assert message in err.splitlines()[-1]
    assert not (folder / "var" / "bundles").exists()


def test_a_test_in_which_nobody_left_is_said(run: Call, made: Callable[..., Path]) -> None:
    lives = [*range(4, 17), *range(4, 17), *[MONTHS] * 30]
    folder = made(terms(lives), usage(lives), cutoffs="last = 2025-07-01")
    recipe = folder / "training" / "leave.toml"
    recipe.write_text(recipe.read_text().replace("n_cutoffs = 1", "n_cutoffs = 4"))
    status, out, err = run("train", "-C", folder)

    assert (status, out) == (1, "")
    assert "0 churned accounts to test on, where [sufficiency] min_tested = 1" in err


def test_what_is_recorded_too_late_for_its_label_is_said(
    run: Call, made: Callable[..., Path]
) -> None:
    """Every term is booked twenty days after it began."""
    lives = mixed()
    head, *rows = terms(lives).splitlines()
    late = [f"{head},recorded_at", *(f"{row},{row.split(',')[2][:8]}21" for row in rows)]
    folder = made("\n".join(late) + "\n", usage(lives), label="settle_days = 7")
    trained = run("train", "-C", folder)

    assert trained[0] == 0, trained[2]
    assert (
        "  1 % of the rows of subscriptions are recorded more than 20 days late; "
        "the label's settle_days = 7 is too few for them"
    ) in trained[1].splitlines()


def test_features_that_history_cannot_give_are_counted(
    run: Call, made: Callable[..., Path]
) -> None:
    lives = mixed()
    folder = made(terms(lives), usage(lives))
    (folder / "features" / "support.toml").write_text(
        'family = "support"\ntitle = "Support"\n[[feature]]\nname = "tickets_{w}d"\n'
        'description = "tickets"\nunit = "tickets"\nwindows = [7, 28]\ntable = "tickets"\n'
        'aggregate = "count"\nsentence = "tickets: {value}"\n'
    )
    trained = run("train", "-C", folder)

    assert trained[0] == 0, trained[2]
    wanted = "  2 features left out: tickets_7d (no table 'tickets'); …"
    assert wanted in trained[1].splitlines()


def test_rows_that_appear_twice_count_once(run: Call, made: Callable[..., Path]) -> None:
    lives = mixed()
    sold = terms(lives)
    folder = made(sold, usage(lives))
    first = json.loads(run("train", "-C", folder, "--json")[1])
    (folder / "data" / "subscriptions.csv").write_text(sold + sold.partition("\n")[2])
    second = json.loads(run("train", "-C", folder, "--json")[1])

    assert first["sheet"]["rows"] == second["sheet"]["rows"]
    assert first["bundle"] == second["bundle"]


def test_a_revenue_beyond_all_measure_is_refused(run: Call, made: Callable[..., Path]) -> None:
    lives = mixed()
    status, _, err = run("train", "-C", made(terms(lives, mrr="1e308"), usage(lives)))

    assert status == 1
    assert "table 'subscriptions': " in err
    assert "are in error" in err
