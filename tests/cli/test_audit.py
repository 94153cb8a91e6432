from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path

import pytest

Call = Callable[..., tuple[int, str, str]]


@pytest.fixture
def project(run: Call, tmp_path: Path) -> Callable[[bool], Path]:
    """Give a function that makes a flat project, with a column only leavers have or without."""

    def make(leaking: bool) -> Path:
        rng = random.Random(4)
        lines = ["id,months,plan,fee,why,left"]
        for number in range(900):
            months, plan = rng.randint(0, 60), rng.choice(["flex", "year"])
            left = rng.random() < (0.6 if plan == "flex" else 0.15) * (1.3 - months / 60)
            why = "price" if leaking and left else ""
            ending = f"{why},{'Yes' if left else 'No'}"
            lines.append(f"{number:04},{months},{plan},{rng.uniform(20, 90):.2f},{ending}")
        table = tmp_path / "t.csv"
        table.write_text("\n".join(lines) + "\n", encoding="utf-8")
        folder = tmp_path / "flat"
        made = run("init", folder, "--table", table, "--label", "left", "--id", "id")
        assert made[0] == 0, made[2]
        return folder

    return make


def test_a_clean_table_ends_with_0(run: Call, project: Callable[[bool], Path]) -> None:
    status, out, _ = run("audit", "-C", project(False))

    assert status == 0
    assert out.startswith("left: 900 rows of 900 accounts, ")
    assert "worthless a month earlier: not applicable: the table's rows have no times" in out
    assert out.rstrip().endswith("No leak found.")


def test_a_leak_ends_with_1_and_says_what_to_do(run: Call, project: Callable[[bool], Path]) -> None:
    status, out, _ = run("audit", "left", "-C", project(True))

    assert status == 1
    assert "leak: why is there for accounts of which 100.0% leave." in out
    assert "name it under exclude in [features]" in out
    assert out.rstrip().endswith("Leaks: why.")


def test_json_is_one_document(run: Call, project: Callable[[bool], Path]) -> None:
    status, out, _ = run("audit", "-C", project(True), "--json")

    document = json.loads(out)
    assert status == 1
    assert (document["recipe"], document["clean"], document["leaks"]) == ("left", False, ["why"])
    assert document["findings"][0]["level"] == "leak"


def test_excluding_the_column_mends_it(run: Call, project: Callable[[bool], Path]) -> None:
    folder = project(True)
    recipe = folder / "training" / "left.toml"
    recipe.write_text(
        recipe.read_text(encoding="utf-8").replace("exclude = []", 'exclude = ["why"]'),
        encoding="utf-8",
    )

    assert run("audit", "-C", folder)[0] == 0


def test_an_unknown_recipe_ends_with_2(run: Call, project: Callable[[bool], Path]) -> None:
    status, _, err = run("audit", "gone", "-C", project(False))

    assert status == 2
    assert "gone" in err
