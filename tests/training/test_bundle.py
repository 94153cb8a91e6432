from __future__ import annotations

import datetime as dt
import hashlib
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from churnml.actions.tiers import RiskTiers
from churnml.backtest.metrics import Interval
from churnml.errors import BundleError
from churnml.features.catalogue import Catalogue
from churnml.features.table import TrainingTable
from churnml.splits import Span
from churnml.training import bundle, golden
from churnml.training.bundle import Bundle, load
from churnml.training.estimator import FittedModel
from churnml.training.golden import UNSEEN
from churnml.training.recipes import Recipe

Write = Callable[[Path], Bundle]


@pytest.fixture
def write(
    table: TrainingTable,
    fitted: FittedModel,
    recipe: Recipe,
    tiers: RiskTiers,
    catalogue: Catalogue,
) -> Write:
    def make(folder: Path) -> Bundle:
        return bundle.write(
            folder,
            fitted,
            table,
            recipe,
            tiers=tiers,
            catalogue=catalogue,
            known={},
            metrics={"auc": Interval(0.8, 0.7, 0.9), "lift_at_10": Interval(2.0, math.nan, 3.0)},
        )

    return make


@pytest.fixture
def written(write: Write, tmp_path: Path) -> Bundle:
    return write(tmp_path / "bundles" / "first")


def reseal(folder: Path) -> None:
    """Give the manifest the hashes of the files as they are now."""
    path = folder / "manifest.json"
    manifest = json.loads(path.read_text())
    for name in manifest["files"]:
        manifest["files"][name] = hashlib.sha256((folder / name).read_bytes()).hexdigest()
    path.write_text(json.dumps(manifest))


def edit(folder: Path, name: str, change: Callable[[dict[str, Any]], None]) -> None:
    content = json.loads((folder / name).read_text())
    change(content)
    (folder / name).write_text(json.dumps(content))
    if name != "manifest.json":
        reseal(folder)


def isotonic(margins: tuple[float, ...], values: tuple[float, ...]) -> dict[str, Any]:
    return {"kind": "isotonic", "margins": list(margins), "values": list(values)}


def test_a_bundle_scores_as_the_model_did(
    written: Bundle, table: TrainingTable, fitted: FittedModel
) -> None:
    before = fitted.model.score(table.frame, contributions=True)
    after = written.score(table.frame, contributions=True)
    for name in (
        "margin",
        "spread",
        "log_odds",
        "probability",
        "low",
        "high",
        "base",
        "contributions",
    ):
        assert np.array_equal(getattr(before, name), getattr(after, name))
    assert written.features == table.features
    assert written.families == table.families


def test_it_says_what_it_is(
    written: Bundle, fitted: FittedModel, recipe: Recipe, tiers: RiskTiers, catalogue: Catalogue
) -> None:
    manifest = written.manifest
    assert manifest.name == "test"
    assert manifest.label == recipe.label
    assert manifest.cutoffs == recipe.cutoffs
    assert manifest.tiers == tiers
    assert written.catalogue is not None
    assert [f.entry for f in written.catalogue.features] == [f.entry for f in catalogue.features]
    assert manifest.fold_trees == fitted.model.fold_trees
    assert manifest.training.mix == {"quick": 1.0}
    assert manifest.training.losses == dict(fitted.ensemble.losses)
    assert manifest.training.fingerprints["data"] == "d" * 64
    assert manifest.metrics["auc"].value == 0.8
    assert manifest.metrics["lift_at_10"].low is None
    assert manifest.features[4].codes == ("basic", "pro", "team")
    assert set(manifest.files) == {"model.txt", "golden.json", "reference.json"}


def test_it_says_which_cutoffs_taught_it(written: Bundle, table: TrainingTable) -> None:
    """Ten of fourteen months: labels of the eleventh were not known at the first test."""
    taught = written.manifest.training
    assert taught.cutoffs == Span(first=dt.datetime(2023, 1, 1), last=dt.datetime(2023, 10, 1))
    assert (taught.rows, taught.accounts) == (10 * 120, 120)
    label = table.frame.slice(0, 1200)["label"].to_pylist()
    assert taught.churned == sum(label)
    # 30 days of horizon and 7 to settle
    assert written.manifest.learned_until == dt.datetime(2023, 11, 7)


def test_equal_input_gives_equal_bytes(write: Write, tmp_path: Path) -> None:
    one, other = write(tmp_path / "a"), write(tmp_path / "b")
    assert one.id == other.id
    for name in ("manifest.json", "model.txt", "golden.json", "reference.json"):
        assert (one.folder / name).read_bytes() == (other.folder / name).read_bytes()


def test_columns_are_found_by_name(written: Bundle, table: TrainingTable) -> None:
    turned = table.frame.select(sorted(table.frame.column_names, reverse=True))
    assert np.array_equal(written.score(turned).margin, written.score(table.frame).margin)
    only = table.frame.select(list(table.features))
    assert np.array_equal(written.score(only).margin, written.score(table.frame).margin)
    with pytest.raises(BundleError, match="1 of 7 features are missing: trend"):
        written.score(table.frame.drop(["trend"]))
    with pytest.raises(
        BundleError, match=r"no features of this model: trent\. Did you mean 'trend'"
    ):
        written.score(table.frame.append_column("trent", table.frame["trend"]))


def test_golden_rows_hold_every_kind_of_value(written: Bundle, table: TrainingTable) -> None:
    rows = json.loads((written.folder / "golden.json").read_text())
    assert {len(rows[key]) for key in ("rows", "margin", "spread", "probability")} == {28}
    plan = [row[rows["columns"].index("plan")] for row in rows["rows"]]
    assert {"basic", "pro", "team", None, UNSEEN} <= set(plan)
    assert rows["rows"][-2] == [None] * 7
    assert any(row[1] is None for row in rows["rows"][:-2])
    known = {
        tuple(row[name] for name in table.features)
        for row in table.frame.select(list(table.features)).to_pylist()
    }
    assert not known & {tuple(row) for row in rows["rows"]}  # nobody's row is given away


def test_a_bundle_is_never_overwritten(written: Bundle, write: Write) -> None:
    before = (written.folder / "manifest.json").read_bytes()
    with pytest.raises(BundleError, match="exists; a bundle is never changed"):
        write(written.folder)
    assert (written.folder / "manifest.json").read_bytes() == before


def test_a_failed_write_leaves_nothing(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(folder: Path) -> Bundle:
        raise BundleError(f"{folder}: no")

    monkeypatch.setattr(bundle, "load", fail)
    with pytest.raises(BundleError, match="no"):
        write(tmp_path / "bundles" / "first")
    assert list((tmp_path / "bundles").iterdir()) == []


@pytest.mark.parametrize("name", ["model.txt", "golden.json", "reference.json"])
def test_an_altered_file_is_refused(written: Bundle, name: str) -> None:
    path = written.folder / name
    path.write_bytes(path.read_bytes() + b" ")
    with pytest.raises(BundleError, match=f"{name}: altered since it was written"):
        load(written.folder)


@pytest.mark.parametrize("name", ["model.txt", "golden.json", "reference.json", "manifest.json"])
def test_a_missing_file_is_refused(written: Bundle, name: str) -> None:
    (written.folder / name).unlink()
    with pytest.raises(BundleError, match=name):
        load(written.folder)


def test_files_it_does_not_know_are_refused(written: Bundle) -> None:
    (written.folder / "model.pkl").write_bytes(b"")
    with pytest.raises(BundleError, match=r"files missing or unknown: model\.pkl"):
        load(written.folder)


def test_a_file_that_cannot_be_read_is_refused(written: Bundle) -> None:
    (written.folder / "model.txt").unlink()
    (written.folder / "model.txt").mkdir()
    with pytest.raises(BundleError, match=r"model\.txt: cannot be read"):
        load(written.folder)


def test_what_is_no_bundle_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"not a bundle: manifest\.json is missing"):
        load(tmp_path / "nowhere")
    (tmp_path / "manifest.json").write_text("{")
    with pytest.raises(BundleError, match=r"manifest\.json: cannot be read"):
        load(tmp_path)
    (tmp_path / "manifest.json").write_text("[]")
    with pytest.raises(BundleError, match="format None; this version of churnml reads format 4"):
        load(tmp_path)


def _move_a_tree(fold_trees: list[int]) -> None:
    fold_trees[0] += 1
    fold_trees[1] -= 1


def _rename(manifest: dict[str, Any], place: int, name: str) -> None:
    for features in (manifest["features"], manifest["catalogue"]["features"]):
        features[place].update(name=name)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda m: m.update(format=3), "format 3; this version of churnml reads format 4"),
        (lambda m: m.update(format=True), "format True"),
        (lambda m: m.update(extra=1), "unknown key 'extra'"),
        (lambda m: m.pop("label"), "key 'label' is required"),
        (lambda m: m["label"].update(kind="horoscope"), "key 'label': .*horoscope"),
        (lambda m: m["label"].update(horizon_days=0), "label.subscriptions.horizon_days"),
        (lambda m: m["cutoffs"].update(evry="month"), r"unknown key 'cutoffs\.evry'"),
        (lambda m: m["tiers"].update(high=0.05), "expected each above the one before"),
        (lambda m: m["tiers"].pop("medium"), r"key 'tiers\.medium' is required"),
        (lambda m: m.update(catalogue={}), "catalogue: key 'titles' is required"),
        (lambda m: m["catalogue"]["features"][0]["entry"].update(aggregate="cuont"), "aggregate"),
        (lambda m: m["catalogue"]["features"].pop(), "declarations differ in nameless"),
        (lambda m: m["training"]["cutoffs"].update(last="soon"), "training.cutoffs.last"),
        (lambda m: m.update(fold_trees=[1]), "fold_trees"),
        (lambda m: m["fold_trees"].__setitem__(0, 0), "fold_trees"),
        (lambda m: m["fold_trees"].append(1), r"trees and the manifest \d+"),
        (lambda m: _move_a_tree(m["fold_trees"]), "answers otherwise .* spread"),
        (lambda m: m["calibrator"].update(slope=-1.0), "calibrator.line.slope"),
        (lambda m: m["calibrator"].update(intercept=0.5), "answers otherwise .* probability"),
        (lambda m: m["calibrator"].update(kind="spline"), "calibrator"),
        (lambda m: m.update(calibrator=isotonic((1.0, 1.0), (0.0, 1.0))), "must ascend"),
        (lambda m: m.update(calibrator=isotonic((0.0, 1.0), (0.0,))), "as many values as margins"),
        (lambda m: m.update(calibrator=isotonic((0.0, 1.0), (0.0, 1.0))), "answers otherwise"),
        (lambda m: m["judgement"]["thin"]["least"].update(nobody=1.0), "names 'nobody', none of"),
        (lambda m: m["judgement"]["thin"]["rates"].append(0.0), "other segments"),
        (lambda m: m["judgement"]["intervals"].update(unseen=[2.0] * 6), "otherwise .* low|high"),
        (lambda m: (m["features"].pop(), m["catalogue"]["features"].pop()), "the manifest 6"),
        (lambda m: m["features"].reverse(), "golden.json"),
        (lambda m: m["features"][4].update(codes=["pro", "basic", "team"]), "answers otherwise"),
        (lambda m: m["features"][1].update(name="tend"), "declarations differ in tend, trend"),
        (lambda m: _rename(m, 1, "tend"), "do not have the columns of the model"),
        (lambda m: m["files"].update({"../evil": "0"}), "missing or unknown: ../evil"),
    ],
)
def test_a_manifest_that_does_not_fit_is_refused(
    written: Bundle, change: Callable[[dict[str, Any]], None], message: str
) -> None:
    edit(written.folder, "manifest.json", change)
    with pytest.raises(BundleError, match=message):
        load(written.folder)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda g: g["margin"].__setitem__(0, g["margin"][0] + 1e-9), "margin differs by up to 1e"),
        (lambda g: g["spread"].__setitem__(3, g["spread"][3] + 1e-9), "spread differs by up to 1e"),
        (lambda g: g["probability"].pop(), r"28 golden rows have 27 answers \(probability\)"),
        (lambda g: g.update(rows=g["rows"][:3]), "rows"),
        (lambda g: g["rows"][0].pop(), "do not have the columns"),
        (lambda g: g["rows"][0].__setitem__(1, "text"), "do not fit the model"),
        (lambda g: g["columns"].reverse(), "golden rows|columns|answers"),
        (lambda g: g.pop("columns"), "key 'columns' is required"),
    ],
)
def test_golden_rows_that_do_not_hold_are_refused(
    written: Bundle, change: Callable[[dict[str, Any]], None], message: str
) -> None:
    edit(written.folder, "golden.json", change)
    with pytest.raises(BundleError, match=message):
        load(written.folder)


def test_other_trees_are_found_out_even_with_the_right_hash(written: Bundle) -> None:
    path = written.folder / "model.txt"
    text = path.read_text()
    start = text.index("leaf_value=") + len("leaf_value=")
    changed = "7" if text[start + 1] != "7" else "8"
    path.write_text(text[: start + 1] + changed + text[start + 2 :])
    reseal(written.folder)
    with pytest.raises(BundleError, match=r"golden\.json: the model answers otherwise"):
        load(written.folder)


@pytest.mark.parametrize("text", [b"tree\nversion=v4\n", b"", b"\xff"])
def test_text_that_is_no_model_is_refused(written: Bundle, text: bytes) -> None:
    (written.folder / "model.txt").write_bytes(text)
    reseal(written.folder)
    with pytest.raises(BundleError, match=r"model\.txt: "):
        load(written.folder)


def test_unknown_features_have_their_golden_row(fitted: FittedModel, table: TrainingTable) -> None:
    content = golden.make(fitted.model, table.frame)
    unseen = pa.table(
        {
            name: pa.array([UNSEEN if name in table.categorical else None], column.type)
            for name, column in zip(
                table.features, table.frame.select(list(table.features)).columns, strict=True
            )
        }
    )
    assert content["margin"][-1] == fitted.model.score(unseen).margin[0]


def test_it_knows_how_training_was_distributed(
    written: Bundle, table: TrainingTable, fitted: FittedModel
) -> None:
    reference = written.reference
    assert reference is not None
    assert tuple(reference.features) == written.features
    assert sum(reference.score.counts) == fitted.rows
    assert {sum(bins.counts) for bins in reference.features.values()} == {table.frame.num_rows}
    missing = table.frame["logins[30d]:total, all"].null_count
    assert reference.features["logins[30d]:total, all"].counts[-1] == missing > 0
    assert reference.features["empty"].counts == (0, table.frame.num_rows)
    assert sorted(reference.ranks["plan"]) == [0, 1, 2]


def test_an_older_bundle_has_no_reference(written: Bundle) -> None:
    (written.folder / "reference.json").unlink()
    edit(written.folder, "manifest.json", lambda m: m["files"].pop("reference.json"))
    assert load(written.folder).reference is None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda r: r["features"].pop("seats"), "of other features"),
        (lambda r: r["ranks"].update(plan=[0, 1]), "of other features or categories"),
        (lambda r: r["score"]["counts"].pop(), "as many counts as edges and two more"),
        (lambda r: r["score"]["edges"].reverse(), "edges must ascend"),
    ],
)
def test_a_reference_of_another_model_is_refused(
    written: Bundle, change: Callable[[dict[str, Any]], None], message: str
) -> None:
    edit(written.folder, "reference.json", change)
    with pytest.raises(BundleError, match=message):
        load(written.folder)
