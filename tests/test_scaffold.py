from __future__ import annotations

import datetime as dt
import tomllib
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import parquet

from churnml import flat, scaffold
from churnml.actions.tiers import read_tiers
from churnml.errors import ConfigError, SourceError
from churnml.labels import ColumnLabel, label_column
from churnml.training.recipes import read_recipe

CSV = "customerID,tenure,Churn\n007,1,Yes\n008,2,No\n009,3,No\n"


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "churn.csv"
    path.write_text(CSV, encoding="utf-8")
    return path


def everything(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def label_of(folder: Path, recipe: str = "churn") -> dict[str, object]:
    text = (folder / "training" / f"{recipe}.toml").read_text(encoding="utf-8")
    return dict(tomllib.loads(text)["label"])


def test_a_history_project_is_the_reference_project_without_its_data(
    tmp_path: Path, root: Path
) -> None:
    made = scaffold.from_history(tmp_path / "acme")

    copied = [
        path.relative_to(root).as_posix()
        for part in ("features", "training", "serving")
        for path in (root / part).rglob("*.toml")
    ]
    data = ["data/sources.toml", "data/text.toml"]
    own = ["pyproject.toml", "README.md", ".gitignore", *data]
    assert everything(tmp_path / "acme") == {*copied, *own}
    assert {path.relative_to(made.folder).as_posix() for path in made.written} == {*copied, *own}
    mark = tomllib.loads((made.folder / "pyproject.toml").read_text(encoding="utf-8"))
    assert mark == {"tool": {"churnml": {"name": "acme"}}}
    for name in [*copied, *data]:
        assert (made.folder / name).read_bytes() == (root / name).read_bytes()


def test_a_table_project_refers_to_a_copy_of_the_table(tmp_path: Path, table: Path) -> None:
    made = scaffold.from_table(
        tmp_path / "flat", table, label="Churn", identifier="customerID", positive=None
    )

    assert everything(tmp_path / "flat") == {
        "pyproject.toml",
        "README.md",
        ".gitignore",
        "training/churn.toml",
        "serving/tiers.toml",
        "data/churn.csv",
    }
    assert label_of(made.folder) == {
        "kind": "column",
        "file": "data/churn.csv",
        "column": "Churn",
        "positive": "Yes",
        "id": "customerID",
    }
    assert (made.folder / "data" / "churn.csv").read_text(encoding="utf-8") == CSV
    assert made.notes == ("Churn = Yes is taken for those who left.",)
    assert made.next[-1] == "churnml train churn"


@pytest.mark.parametrize(
    ("rows", "left", "bounds"),
    [
        (1000, 35, {"medium": 0.05, "high": 0.15, "critical": 0.39}),
        (1000, 265, {"medium": 0.35, "high": 0.64, "critical": 0.87}),
        (1000, 999, {"medium": 0.9993, "high": 0.9998, "critical": 0.9999}),
        (100_000, 1, {"medium": 0.00001, "high": 0.00005, "critical": 0.00018}),
    ],
)
def test_tiers_part_a_table_whatever_share_left(
    tmp_path: Path, rows: int, left: int, bounds: dict[str, float]
) -> None:
    table = pa.table({"churn": [1] * left + [0] * (rows - left)})
    parquet.write_table(table, tmp_path / "t.parquet")

    scaffold.from_table(tmp_path, tmp_path / "t.parquet", label="churn")

    assert read_tiers(tmp_path / "serving" / "tiers.toml").model_dump() == bounds


def test_a_table_inside_the_folder_is_read_where_it_is(tmp_path: Path, table: Path) -> None:
    scaffold.from_table(tmp_path, table, label="Churn")

    assert label_of(tmp_path)["file"] == "churn.csv"
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize(
    ("values", "wanted", "found"),
    [
        (["No", "Yes"], None, "Yes"),
        (["existing", "churned"], None, "churned"),
        (["stay", "go"], "go", "go"),
        (["a", "b", "c"], "c", "c"),
        ([0, 1], None, 1),
        ([0, 1], "0", 0),
        ([0.0, 1.0], None, 1),
        ([False, True], None, True),
        (["No", "Yes", None], None, "Yes"),
        ([Decimal("0.00"), Decimal("1.00")], None, "1.00"),
        ([Decimal("2.50"), Decimal("0.00")], "2.50", "2.50"),
        ([0.25, 0.5], "0.5", "0.5"),
        ([dt.date(2024, 1, 31), dt.date(1970, 1, 1)], "2024-01-31", "2024-01-31"),
        ([dt.datetime(2024, 1, 31), dt.datetime(1970, 1, 1)], *("2024-01-31 00:00:00",) * 2),
    ],
)
def test_the_value_of_those_who_left_is_found_with_its_type(
    tmp_path: Path, values: list[object], wanted: str | None, found: object
) -> None:
    parquet.write_table(pa.table({"left_us": values}), tmp_path / "t.parquet")

    scaffold.from_table(tmp_path, tmp_path / "t.parquet", label="left_us", positive=wanted)

    positive = label_of(tmp_path, "left_us")["positive"]
    assert positive == found
    assert type(positive) is type(found)
    spec = read_recipe(tmp_path / "training" / "left_us.toml").label
    assert isinstance(spec, ColumnLabel)
    labels = label_column(flat.read(tmp_path / "t.parquet"), spec).table["label"].to_pylist()
    assert sorted(labels) == [0] * (len(labels) - 1) + [1]


@pytest.mark.parametrize(
    ("values", "said"),
    [([[1], [0]], "list<element: int64>"), ([{"a": 1}, {"a": 0}], "struct<a: int64>")],
)
def test_what_no_label_or_name_can_be_is_refused_by_name(
    tmp_path: Path, values: list[object], said: str
) -> None:
    path = tmp_path / "t.parquet"
    parquet.write_table(pa.table({"left": values, "ok": ["Yes", "No"]}), path)

    with pytest.raises(ConfigError, match=f"column 'left' holds {said}; expected text, numbers"):
        scaffold.from_table(tmp_path / "p", path, label="left")
    with pytest.raises(SourceError, match=f"column 'left' holds {said}, which cannot be read as"):
        scaffold.from_table(tmp_path / "p", path, label="ok", identifier="left")
    assert not (tmp_path / "p").exists()


@pytest.mark.parametrize(
    ("column", "options", "message"),
    [
        (["a", "b"], {}, "a, b: which of them means that the account left is not plain"),
        (["yes", "true"], {}, "is not plain. Say so, for example with --positive"),
        (["Yes", "No", "Maybe"], {}, "Maybe, No, Yes: which of them"),
        (["Yes", "Yes"], {}, "holds only 'Yes'; there is nothing to learn from"),
        ([None, None], {}, "holds no value at all"),
        (["stays", "leaves"], {"positive": "leave"}, "no value 'leave'. Did you mean 'leaves'?"),
        (["Yes", "No"], {"label": "churm"}, "no column 'churm'. Did you mean 'churn'?"),
        (["Yes", "No"], {"identifier": "iden"}, "no column 'iden'. Did you mean 'ident'?"),
    ],
)
def test_what_is_not_plain_is_asked_and_nothing_is_written(
    tmp_path: Path, column: list[object], options: dict[str, str], message: str
) -> None:
    names = pa.array(column, type=pa.string())
    rows = pa.table({"ident": list(range(len(column))), "churn": names})
    parquet.write_table(rows, tmp_path / "t.parquet")

    with pytest.raises(ConfigError) as caught:
        scaffold.from_table(
            tmp_path / "new", tmp_path / "t.parquet", **{"label": "churn", **options}
        )

    assert message in str(caught.value)
    assert str(tmp_path / "t.parquet") in str(caught.value)
    assert not (tmp_path / "new").exists()


def test_a_label_names_no_account(tmp_path: Path, table: Path) -> None:
    with pytest.raises(ConfigError, match="column 'Churn' cannot be both the label and the id"):
        scaffold.from_table(tmp_path / "flat", table, label="Churn", identifier="Churn")
    assert not (tmp_path / "flat").exists()


def test_a_folder_that_holds_something_is_left_alone(tmp_path: Path, table: Path) -> None:
    folder = tmp_path / "old"
    (folder / "src").mkdir(parents=True)
    (folder / "pyproject.toml").write_text("mine", encoding="utf-8")

    with pytest.raises(ConfigError, match=r"not empty: it holds pyproject\.toml, src\."):
        scaffold.from_history(folder)
    with pytest.raises(ConfigError, match=r"nothing was written"):
        scaffold.from_table(folder, table, label="Churn")

    assert everything(folder) == {"pyproject.toml"}


def test_a_file_is_no_folder(tmp_path: Path, table: Path) -> None:
    with pytest.raises(ConfigError, match="is a file; a project is a folder"):
        scaffold.from_history(table)


def test_a_fresh_repository_keeps_what_it_has(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    for name in ("README.md", "LICENSE", ".gitignore"):
        (tmp_path / name).write_text("mine", encoding="utf-8")

    made = scaffold.from_history(tmp_path)

    for name in ("README.md", "LICENSE", ".gitignore"):
        assert (tmp_path / name).read_text(encoding="utf-8") == "mine"
    assert made.notes == (
        "README.md is there already and was left as it is.",
        ".gitignore is there already and was left as it is.",
        "Add var/ to your .gitignore: everything in it is generated.",
    )


def test_an_installation_without_the_reference_project_says_so(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(scaffold, "PACKAGE", tmp_path / "lib" / "site" / "churnml")

    with pytest.raises(
        ConfigError, match=r"the reference project is missing.*Install churnml again"
    ):
        scaffold.from_history(tmp_path / "new")


def test_a_gitignore_that_knows_var_is_not_remarked_on(tmp_path: Path, table: Path) -> None:
    (tmp_path / ".gitignore").write_text("*.pyc\nvar/\n", encoding="utf-8")

    made = scaffold.from_table(tmp_path, table, label="Churn")

    assert made.notes[1:] == (".gitignore is there already and was left as it is.",)


def test_awkward_names_are_quoted(tmp_path: Path) -> None:
    path = tmp_path / "the table.csv"
    path.write_text('"Did ""they"" leave?",x\nYes,1\nNo,2\n', encoding="utf-8")

    made = scaffold.from_table(tmp_path / 'a "b" $c', path, label='Did "they" leave?')

    assert label_of(made.folder, "did_they_leave")["column"] == 'Did "they" leave?'
    mark = tomllib.loads((made.folder / "pyproject.toml").read_text(encoding="utf-8"))
    assert mark["tool"]["churnml"]["name"] == 'a "b" $c'


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_any_text_survives_as_toml(text: str) -> None:
    assert tomllib.loads(f"x = {scaffold.toml_string(text)}") == {"x": text}
