"""A champion of a flat table, asked about past rows."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from churnml import scaffold
from churnml.actions.tiers import RiskTiers
from churnml.errors import BundleError, DataError, LabelError, SourceError
from churnml.project import Project
from churnml.training import bundle as bundles
from churnml.training.answers import asker
from churnml.training.bundle import Bundle
from churnml.training.estimator import fit
from churnml.training.shapes import Shape
from churnml.training.tables import prepare

HEADER = ("id", "month", "plan", "logins", "left")
TIMES = 'time = "month"\nhorizon_days = 30\n'
FROM_HISTORY = '[label]\nkind = "inactivity"\ntable = "usage"\n'
Lines = list[list[str]]


def silent(_step: str, _share: float) -> None:
    pass


def lines() -> Lines:
    """Write 40 customers at six months; plan 2 and few logins leave more often."""
    chance = random.Random(1)
    made = []
    for month in range(1, 7):
        for customer in range(40):
            plan, logins = chance.choice(["1", "2"]), chance.randint(0, 20)
            left = chance.random() < (0.6 if plan == "2" else 0.1) * (1.4 - logins / 20)
            when = f"2024-{month:02}-01"
            made.append([f"{customer:03}", when, plan, str(logins), "Yes" if left else "No"])
    return made


def write(path: Path, body: Lines, header: tuple[str, ...] = HEADER) -> None:
    path.write_text("\n".join(",".join(row) for row in (header, *body)) + "\n", encoding="utf-8")


def learn(project: Project, folder: Path) -> tuple[Bundle, pa.Table]:
    """Learn from the project's flat table; give the bundle and the rows it learned from."""
    recipe = project.recipe("left")
    table = prepare(project, recipe, silent).table
    shape = Shape(name="quick", learning_rate=0.3, min_data_in_leaf=5)
    model = recipe.model.model_copy(
        update={"shapes": (), "own_shapes": (shape,), "folds": 2, "max_rounds": 8, "num_threads": 1}
    )
    fitted = fit(table, np.arange(table.frame.num_rows), model, recipe.calibration)
    tiers = RiskTiers(medium=0.1, high=0.3, critical=0.6)
    made = bundles.write(
        folder, fitted, table, recipe, tiers=tiers, catalogue=None, known={}, metrics={}
    )
    return made, table.frame


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """Make a project around the table, with ids and times."""
    write(tmp_path / "t.csv", lines())
    scaffold.from_table(tmp_path / "flat", tmp_path / "t.csv", label="left", identifier="id")
    recipe = tmp_path / "flat" / "training" / "left.toml"
    text = recipe.read_text(encoding="utf-8").replace("[label]\n", f"[label]\n{TIMES}")
    recipe.write_text(text, encoding="utf-8")
    return Project.load(tmp_path / "flat")


@pytest.fixture
def learned(project: Project, tmp_path: Path) -> tuple[Bundle, pa.Table]:
    return learn(project, tmp_path / "bundle")


Change = Callable[[Callable[[str], str]], Project]


@pytest.fixture
def rewrite(project: Project) -> Change:
    """Give what writes the recipe anew, as it is some time after the champion learned."""

    def call(change: Callable[[str], str]) -> Project:
        recipe = project.root / "training" / "left.toml"
        recipe.write_text(change(recipe.read_text(encoding="utf-8")), encoding="utf-8")
        return Project.load(project.root)

    return call


def test_rows_are_found_by_account_and_time_in_whatever_order(
    project: Project, learned: tuple[Bundle, pa.Table]
) -> None:
    champion, frame = learned
    order = pa.array([239, 0, 120, 41, 7, 200])
    rows = frame.take(order).select(["account_id", "cutoff", "label"])
    expected = champion.score(frame).probability[order.to_numpy()]
    assert len(set(expected)) > 3  # so that rows in a wrong order would show
    assert asker(project, champion, silent)(rows).tolist() == expected.tolist()
    body = lines()
    random.Random(2).shuffle(body)
    write(project.root / "data" / "t.csv", body)
    assert asker(project, champion, silent)(rows).tolist() == expected.tolist()


def test_a_row_that_the_table_no_longer_has_is_nan(
    project: Project, learned: tuple[Bundle, pa.Table]
) -> None:
    champion, frame = learned
    rows = frame.take(pa.array([5, 80, 6])).select(["account_id", "cutoff"])
    assert rows["account_id"].to_pylist() == ["005", "000", "006"]
    body = [row for row in lines() if row[:2] != ["000", "2024-03-01"]]
    body[6][4] = ""  # its outcome is not known any more
    write(project.root / "data" / "t.csv", body)
    first = champion.score(frame.slice(5, 1)).probability[0]
    np.testing.assert_array_equal(asker(project, champion, silent)(rows), [first, np.nan, np.nan])


def test_categories_that_look_like_numbers_stay_text(
    project: Project, learned: tuple[Bundle, pa.Table]
) -> None:
    assert learned[1]["plan"].type == pa.int64()
    body = [[*row[:2], f"plan {row[2]}", *row[3:]] for row in lines()]
    write(project.root / "data" / "t.csv", body)
    named, frame = learn(project, project.root / "named")
    assert frame["plan"].type == pa.string()
    write(project.root / "data" / "t.csv", lines())  # the same column, of numbers now
    found = asker(project, named, silent)(frame.slice(0, 3))
    blank = frame.set_column(frame.column_names.index("plan"), "plan", pa.nulls(240, pa.string()))
    assert found.tolist() == named.score(blank.slice(0, 3)).probability.tolist()


def test_a_lost_column_is_named(project: Project, learned: tuple[Bundle, pa.Table]) -> None:
    champion, frame = learned
    body = [[*row[:3], row[4]] for row in lines()]
    write(project.root / "data" / "t.csv", body, ("id", "month", "plan", "left"))
    with pytest.raises(DataError) as told:
        asker(project, champion, silent)(frame.slice(0, 2))
    path = project.root / "data" / "t.csv"
    assert str(told.value) == (
        f"{path}: the champion needs column 'logins', which is not there any more. Bring it back."
    )


def test_a_column_of_another_kind_is_refused(
    project: Project, learned: tuple[Bundle, pa.Table]
) -> None:
    champion, frame = learned
    body = [[*row[:3], "many", row[4]] for row in lines()]
    write(project.root / "data" / "t.csv", body)
    with pytest.raises(BundleError, match=r"feature 'logins' holds text \('many'\)"):
        asker(project, champion, silent)(frame.slice(0, 2))


def test_what_the_recipe_says_today_does_not_matter(
    rewrite: Change, project: Project, learned: tuple[Bundle, pa.Table], small_project: Path
) -> None:
    """A champion answers by what it learned, though its successor is of something else."""
    champion, frame = learned
    rows = frame.take(pa.array([30, 3]))
    expected = champion.score(rows).probability.tolist()
    excluding = rewrite(lambda text: text.replace("exclude = []", 'exclude = ["logins"]'))
    assert excluding.recipe("left").features.exclude == ("logins",)
    assert asker(excluding, champion, silent)(rows).tolist() == expected
    timeless = rewrite(lambda text: text.replace(TIMES, ""))
    assert asker(timeless, champion, silent)(rows).tolist() == expected
    for name in ("data/sources.toml", "features/usage.toml"):
        (project.root / name).parent.mkdir(exist_ok=True)
        shutil.copyfile(small_project / name, project.root / name)
    history = rewrite(lambda _: FROM_HISTORY)
    assert history.recipe("left").label.kind == "inactivity"
    assert asker(history, champion, silent)(rows).tolist() == expected


def test_a_file_or_a_label_that_is_gone_is_said(
    project: Project, learned: tuple[Bundle, pa.Table]
) -> None:
    champion, frame = learned
    path = project.root / "data" / "t.csv"
    write(path, [row[:4] for row in lines()], HEADER[:4])
    with pytest.raises(LabelError, match="no column 'left'"):
        asker(project, champion, silent)(frame.slice(0, 2))
    path.unlink()
    with pytest.raises(SourceError, match="no such file"):
        asker(project, champion, silent)(frame.slice(0, 2))


def test_without_an_id_only_the_same_file_will_do(rewrite: Change, tmp_path: Path) -> None:
    """Its rows are known by their number, which may be another's in another file."""
    nameless = rewrite(lambda text: text.replace('\nid = "id"', ""))
    champion, frame = learn(nameless, tmp_path / "nameless")
    rows = frame.take(pa.array([9, 2]))
    assert rows["account_id"].to_pylist() == ["row-009", "row-002"]
    expected = champion.score(rows).probability.tolist()
    assert asker(nameless, champion, silent)(rows).tolist() == expected
    write(nameless.root / "data" / "t.csv", [*lines()[1:], lines()[0]])
    with pytest.raises(
        DataError, match="is not what the champion learned from, and without a column"
    ):
        asker(nameless, champion, silent)(rows)
