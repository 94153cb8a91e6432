from __future__ import annotations

import datetime as dt
import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyarrow.csv import write_csv

from churnml import flat
from churnml.errors import DataError, FeatureError, LabelError, TrainingError
from churnml.history.asof import History
from churnml.history.sources import Sources
from churnml.labels import ColumnLabel
from churnml.project import Project
from churnml.splits import Splits, split
from churnml.training.recipes import FeatureChoice, Recipe
from churnml.training.tables import Prepared, catalogue_fingerprint, in_hindsight, plain, prepare
from churnml.training.workflow import Trained

Steps = list[str]


def silent(_step: str, _share: float) -> None:
    pass


@pytest.fixture
def steps() -> Steps:
    return []


@pytest.fixture
def again(elsewhere: Project, steps: Steps) -> Callable[..., Prepared]:
    """Prepare the company's recipe in a `var` of its own, with changes; its steps are noted."""

    def run(project: Project | None = None, **changes: object) -> Prepared:
        there = elsewhere if project is None else project
        recipe = there.recipe("churn_90d").model_copy(update=changes)
        steps.clear()
        return prepare(there, recipe, lambda step, _share: steps.append(step))

    return run


def digest(path: Path | None) -> str:
    assert path is not None
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_the_same_inputs_give_the_same_bytes(
    again: Callable[..., Prepared], trained: Trained, steps: Steps
) -> None:
    made = again()
    assert set(steps) == {"labels", "features"}
    assert made.path is not None
    assert trained.prepared.path is not None
    assert made.path != trained.prepared.path
    assert digest(made.path) == digest(trained.prepared.path)
    wrote = json.loads(trained.prepared.path.with_suffix(".json").read_bytes())
    del wrote["sufficiency"], wrote["tuning"]  # what training adds
    assert json.loads(made.path.with_suffix(".json").read_bytes()) == wrote


def test_a_table_is_taken_up_again_if_nothing_changed(
    again: Callable[..., Prepared], steps: Steps
) -> None:
    first = again()
    second = again(doc="the doc decides nothing")
    assert steps == []
    assert second.table.frame.equals(first.table.frame)
    assert second.table.fingerprints == first.table.fingerprints
    assert second.sheet == first.sheet


def test_another_recipe_catalogue_or_history_builds_it_anew(
    again: Callable[..., Prepared], elsewhere: Project, steps: Steps
) -> None:
    few = FeatureChoice(families=("lifecycle",))
    first = again(features=few)
    label = elsewhere.recipe("churn_90d").label

    changes = {"horizon_days": 60, "lead_days": 14}
    shorter = again(features=few, label=label.model_copy(update=changes))
    assert steps
    assert shorter.sheet["given"] == ["the account stays through the lead of 14 days"]
    assert shorter.table.fingerprints.recipe != first.table.fingerprints.recipe
    assert shorter.table.fingerprints.data == first.table.fingerprints.data

    name = first.table.features[0]
    features = tuple(
        replace(feature, entry=feature.entry.model_copy(update={"description": "reworded"}))
        if feature.name == name
        else feature
        for feature in elsewhere.catalogue.features
    )
    other = replace(elsewhere, catalogue=replace(elsewhere.catalogue, features=features))
    reworded = again(other, features=few)
    assert steps
    assert reworded.table.fingerprints.catalogue != first.table.fingerprints.catalogue

    sources = Sources(tables=elsewhere.sources.tables, observed_until=dt.datetime(2026, 6, 30, 12))
    earlier = again(replace(elsewhere, sources=sources), features=few)
    assert "reading sample/usage.parquet" in steps
    assert earlier.table.fingerprints.data != first.table.fingerprints.data


@pytest.mark.parametrize("damage", ["", "{", "[]", '{"table": "0"}'])
def test_a_damaged_sheet_costs_a_rebuild(
    again: Callable[..., Prepared], steps: Steps, damage: str
) -> None:
    few = FeatureChoice(families=("lifecycle",))
    first = again(features=few)
    assert first.path is not None
    first.path.with_suffix(".json").write_text(damage, encoding="utf-8")
    again(features=few)
    assert steps
    assert json.loads(first.path.with_suffix(".json").read_text()) == dict(first.sheet)


def test_a_table_that_is_not_its_sheets_is_not_taken_up(
    again: Callable[..., Prepared], steps: Steps
) -> None:
    """Trained at once, two versions of a recipe may leave one's table and the other's sheet."""
    few, fewer = (FeatureChoice(families=(name,)) for name in ("lifecycle", "satisfaction"))
    first = again(features=few)
    assert first.path is not None
    sheet = first.path.with_suffix(".json").read_bytes()
    again(features=fewer)
    first.path.with_suffix(".json").write_bytes(sheet)
    assert again(features=few).table.features == first.table.features
    assert steps
    first.path.write_bytes(b"cut short")
    assert again(features=few).table.features == first.table.features


def test_a_failed_build_leaves_the_earlier_table(
    again: Callable[..., Prepared], monkeypatch: pytest.MonkeyPatch
) -> None:
    first = again(features=FeatureChoice(families=("lifecycle",)))
    assert first.path is not None
    before = digest(first.path)

    def fail(*_: object, **__: object) -> None:
        raise FeatureError("half way")

    monkeypatch.setattr("churnml.features.table.read_table", fail)
    with pytest.raises(FeatureError, match="half way"):
        again(features=FeatureChoice(families=("satisfaction",)))
    assert digest(first.path) == before
    assert sorted(item.name for item in first.path.parent.iterdir()) == [
        "churn_90d.json",
        "churn_90d.parquet",
    ]


def test_history_replaced_while_the_table_was_built_spoils_it(
    again: Callable[..., Prepared], elsewhere: Project
) -> None:
    recipe = elsewhere.recipe("churn_90d").model_copy(
        update={"features": FeatureChoice(families=("lifecycle",))}
    )
    first = again(features=recipe.features)
    assert first.path is not None
    first.path.unlink()
    manifest = elsewhere.history / "manifest.json"

    def replace_history(step: str, _share: float) -> None:
        if step == "features":
            content = json.loads(manifest.read_text())
            content["tables"]["usage"]["fingerprint"] = "0" * 64
            manifest.write_text(json.dumps(content))

    with pytest.raises(DataError, match="read anew while this ran"):
        prepare(elsewhere, recipe, replace_history)
    assert not first.path.exists()


def test_the_sheet_tells_what_the_table_holds(trained: Trained) -> None:
    sheet, frame = trained.prepared.sheet, trained.prepared.table.frame
    assert sheet["rows"] == frame.num_rows
    assert sheet["churned"] == sum(frame["label"].to_pylist())
    assert sheet["accounts"] == len(set(frame["account_id"].to_pylist()))
    assert sum(cutoff["rows"] for cutoff in sheet["cutoffs"]) == frame.num_rows
    assert [item["name"] for item in sheet["features"]] == list(trained.prepared.table.features)
    assert sheet["table"] == trained.prepared.table.fingerprints.table
    assert sheet["omitted"] == []
    assert sheet["arrival"]["table"] == "subscriptions"
    assert sheet["arrival"]["too_late"] is False
    assert sheet["given"] == []
    assert sheet["hindsight"] == []
    events = next(item for item in sheet["features"] if item["name"] == "events_28d")
    column = frame["events_28d"]
    assert events["maximum"] == max(value for value in column.to_pylist() if value is not None)
    assert events["missing"] == column.null_count / frame.num_rows
    assert events["family"] == "usage"


def test_what_is_read_in_hindsight_is_said() -> None:
    until, months = dt.datetime(2026, 3, 15), [dt.datetime(2026, n, 1) for n in (2, 3, 4)]
    taught = History(
        contracts={}, observed_until=months[-1], data={}, learned_until={"readings": until}
    )
    (item,) = in_hindsight(taught, ("readings", "usage"), [*months, *months])
    assert (item["table"], item["learned_until"]) == ("readings", "2026-03-15T00:00:00")
    assert "labels of people up to 2026-03-15, after 2 of 3 cutoffs" in item["said"]
    assert in_hindsight(taught, ("usage",), months) == []
    assert in_hindsight(taught, ("readings",), months[2:]) == []


def test_no_label_window_reaches_past_the_end(trained: Trained, company: Project) -> None:
    """What cannot be known by then is dropped and counted, and nothing else is."""
    until = History.open(company.history).observed_until
    reach = dt.timedelta(days=company.recipe("churn_90d").label.reach_days)
    assert reach >= dt.timedelta(days=90 + 30)  # horizon and grace
    last = max(trained.prepared.table.frame["cutoff"].to_pylist())
    assert last + reach <= until < last + reach + dt.timedelta(days=31)
    assert trained.prepared.sheet["dropped"]["label window not fully observed"] > 200


def test_features_are_left_out_with_a_table_and_say_why(
    again: Callable[..., Prepared], elsewhere: Project
) -> None:
    tables = {name: spec for name, spec in elsewhere.sources.tables.items() if name != "surveys"}
    sources = elsewhere.sources.model_copy(update={"tables": tables})
    made = again(replace(elsewhere, sources=sources))
    omitted = {item["feature"]: item["why"] for item in made.sheet["omitted"]}
    read = [f.name for f in elsewhere.catalogue.features if f.entry.table == "surveys"]
    assert read
    assert {name: omitted[name] for name in read} == dict.fromkeys(read, "no table 'surveys'")
    assert not set(omitted) & set(made.table.features)


@pytest.mark.parametrize(
    ("choice", "wanted"),
    [
        ({"families": ("satisfaction",)}, {"satisfaction"}),
        ({"families": ("satisfaction",), "include": ("events_28d",)}, {"satisfaction", "usage"}),
    ],
)
def test_a_recipe_chooses_families_and_features(
    again: Callable[..., Prepared], choice: dict[str, tuple[str, ...]], wanted: set[str]
) -> None:
    made = again(features=FeatureChoice(**choice))
    assert set(made.table.families.values()) == wanted
    named = [name for name, family in made.table.families.items() if family == "usage"]
    assert named == list(choice.get("include", ()))


def test_a_recipe_leaves_features_out(again: Callable[..., Prepared], trained: Trained) -> None:
    every = trained.prepared.table.features
    made = again(features=FeatureChoice(exclude=every[1:]))
    assert made.table.features == every[:1]
    with pytest.raises(TrainingError, match=r"leave none that history can give"):
        again(features=FeatureChoice(exclude=every))


def test_a_chosen_feature_keeps_its_value(again: Callable[..., Prepared], trained: Trained) -> None:
    """What its formula reads is computed with it, but is no column."""
    ratios = [
        feature.name
        for feature in trained.prepared.catalogue.features  # type: ignore[union-attr]
        if feature.entry.formula is not None and not feature.entry.internal
    ][:3]
    made = again(features=FeatureChoice(families=("satisfaction",), include=tuple(ratios)))
    for name in ratios:
        assert made.table.frame[name].equals(trained.prepared.table.frame[name])


def test_no_label_at_all_is_said(again: Callable[..., Prepared], elsewhere: Project) -> None:
    label = elsewhere.recipe("churn_90d").label.model_copy(update={"horizon_days": 3000})
    with pytest.raises(LabelError, match=r"label window not fully observed"):
        again(label=label)


def test_history_that_would_corrupt_a_score_is_refused(
    small_project: Path,
) -> None:
    (small_project / "data" / "usage.csv").write_text(
        "account_id,occurred_at,event\na,2025-01-01,x\n,yesterday,x\n", encoding="utf-8"
    )
    project = Project.load(small_project)
    with pytest.raises(DataError, match=r"table 'usage': .*`churnml check` shows each fault"):
        prepare(project, project.recipe("quiet"), silent)


def test_the_code_of_a_custom_feature_is_part_of_the_catalogue(
    small_project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(small_project)
    module = small_project / "made_for_fingerprints.py"
    module.write_text("def f(view, accounts):\n    return [1.0] * len(accounts)\n")
    plainly = Project.load(small_project).catalogue
    assert catalogue_fingerprint(plainly) == plainly.fingerprint
    with (small_project / "features" / "usage.toml").open("a", encoding="utf-8") as file:
        file.write(
            '[[feature]]\nname = "own"\ndescription = "own"\nunit = "points"\n'
            'function = "made_for_fingerprints:f"\nsentence = "own is {value}"\n'
        )
    catalogue = Project.load(small_project).catalogue
    first = catalogue_fingerprint(catalogue)
    module.write_text("def f(view, accounts):\n    return [2.0] * len(accounts)\n")
    assert first not in {catalogue.fingerprint, catalogue_fingerprint(catalogue)}


def flat_project(folder: Path, file: str, **label: object) -> tuple[Project, Recipe]:
    spec = {"kind": "column", "file": file, "column": "left", "positive": "yes", **label}
    recipe = Recipe(name="flat", label=ColumnLabel.model_validate(spec))
    empty = Project.load(folder)
    return replace(empty, recipes=MappingProxyType({"flat": recipe})), recipe


def test_a_flat_table_keeps_its_types_and_drops_unlabelled_rows(small_project: Path) -> None:
    (small_project / "t.csv").write_text(
        "id,months,plan,auto,left,fee\n"
        "007,1,basic,true,yes,1.5\n"
        "008,2,,false,no,\n"
        "009,3,pro,,,2\n"
        "010,4,pro,true,no,3\n",
        encoding="utf-8",
    )
    project, recipe = flat_project(small_project, "t.csv", id="id")
    made = prepare(project, recipe, silent)
    assert made.path is None
    assert made.catalogue is None
    assert made.table.features == ("months", "plan", "auto", "fee")
    assert made.table.categorical == ("plan",)
    assert made.table.frame.select(["account_id", "plan", "auto", "fee", "label"]).to_pylist() == [
        {"account_id": "007", "plan": "basic", "auto": True, "fee": 1.5, "label": 1},
        {"account_id": "008", "plan": None, "auto": False, "fee": None, "label": 0},
        {"account_id": "010", "plan": "pro", "auto": True, "fee": 3.0, "label": 0},
    ]
    assert made.sheet["dropped"] == {"label missing": 1}
    assert (made.sheet["rows"], made.sheet["accounts"], made.sheet["churned"]) == (3, 3, 1)


def test_a_flat_table_from_pandas_is_read(small_project: Path) -> None:
    """pandas writes large strings, and categories as dictionaries."""
    frame = pd.DataFrame(
        {
            "plan": ["basic", None, "pro"],
            "size": pd.Categorical(["s", "l", None]),
            "step": pd.Categorical([1, 2, 2]),
            "left": pd.Categorical(["yes", "no", "no"]),
        }
    )
    frame.to_parquet(small_project / "t.parquet")
    project, recipe = flat_project(small_project, "t.parquet")
    made = prepare(project, recipe, silent)
    assert made.table.categorical == ("plan", "size")
    assert made.table.frame.select(["account_id", "plan", "size", "step"]).to_pylist() == [
        {"account_id": "row-0", "plan": "basic", "size": "s", "step": 1},
        {"account_id": "row-1", "plan": None, "size": "l", "step": 2},
        {"account_id": "row-2", "plan": "pro", "size": None, "step": 2},
    ]


@pytest.mark.parametrize("zone", ["+03:00", "-08:00"])
@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_a_month_begins_where_a_row_was_written(
    small_project: Path, zone: str, ending: str
) -> None:
    """In UTC it begins the evening before, and the label of the month before would be purged."""
    first = ["2024-01-01", "2024-02-01"]
    rows = pa.table(
        {
            "left": ["yes", "no"] * 2,
            "day": [f"{day}T00:00:00{zone}" for day in first for _ in range(2)],
            "months": [1, 2, 3, 4],
        }
    )
    path = small_project / f"t.{ending}"
    if ending == "csv":
        write_csv(rows, path)
    else:
        times = [dt.datetime.fromisoformat(text) for text in rows["day"].to_pylist()]
        held = pa.array(times, pa.timestamp("ns", tz=zone))
        pq.write_table(rows.set_column(1, "day", held), path)
    project, recipe = flat_project(small_project, path.name, time="day", horizon_days=31)
    frame = prepare(project, recipe, silent).table.frame
    cutoffs = frame["cutoff"].to_pylist()
    assert cutoffs == [dt.datetime(2024, month, 1) for month in (1, 1, 2, 2)]
    (parted,) = split(frame, Splits(test_cutoffs=1), recipe.label, recipe.cutoffs)
    assert (parted.learn.tolist(), parted.test.tolist(), parted.purged) == ([0, 1], [2, 3], 0)


def test_a_flat_table_that_is_written_meanwhile_is_refused(
    small_project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a bundle would name rows that it never learned from."""
    file, read = small_project / "t.csv", flat.read

    def slowly(*given: Any, **named: Any) -> pa.Table:
        rows = read(*given, **named)
        file.write_text("months,left\n1,yes\n3,no\n")
        return rows

    file.write_text("months,left\n1,yes\n2,no\n")
    project, recipe = flat_project(small_project, "t.csv")
    monkeypatch.setattr(flat, "read", slowly)
    with pytest.raises(DataError, match="was written while it was read"):
        prepare(project, recipe, silent)


def test_plain_tables_stay_as_they_are() -> None:
    table = pa.table({"a": ["x"], "b": [1.0], "c": [True]})
    assert plain(table) is table


@pytest.mark.parametrize(
    ("features", "message"),
    [
        ({"exclude": ("reson",)}, r"\[features\] names column 'reson'.*Did you mean 'reason'\?"),
        ({"include": ("months", "ids")}, r"names column 'ids', which is not there"),
        ({}, r"a feature is called 'arr', a name that training tables keep for themselves"),
        ({"exclude": ("months", "reason", "arr")}, r"leave no column to learn from"),
    ],
)
def test_the_columns_of_a_flat_table_are_checked(
    small_project: Path, features: dict[str, tuple[str, ...]], message: str
) -> None:
    (small_project / "t.csv").write_text("months,reason,arr,left\n1,a,5,yes\n2,b,6,no\n")
    project, recipe = flat_project(small_project, "t.csv")
    with pytest.raises(TrainingError, match=message):
        prepare(project, recipe.model_copy(update={"features": FeatureChoice(**features)}), silent)
