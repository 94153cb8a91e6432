from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from churnml.errors import BundleError, ChurnMLError, ConfigError
from churnml.project import Project
from churnml.training import bundle as bundles
from churnml.training import promotion
from churnml.training.answers import asker
from churnml.training.audit import Audit
from churnml.training.champions import read_changes, standing
from churnml.training.promotion import judged, listed, promote, rollback
from churnml.training.shelf import champion_bundle, choose
from churnml.training.tracking import Entry, Model, artifact, log, versions
from churnml.training.workflow import Trained

NAME, MODEL = "churn_90d", "acme.churn_90d"
Register = Callable[..., str]


def silent(_step: str, _share: float) -> None:
    pass


@pytest.fixture
def there(
    elsewhere: Project,
    company: Project,
    trained: Trained,
    mlflow_store: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Project:
    """Give the trained company with a registry of its own, in which nothing is registered yet."""
    shutil.copytree(company.training, elsewhere.training)
    shutil.copyfile(mlflow_store, elsewhere.tracking)
    # The real audit takes seconds, and is asked by the command line's own tests.
    monkeypatch.setattr(promotion, "audit", lambda *_: Audit(9, 3, 2, (), ()))
    return elsewhere


@pytest.fixture
def register(there: Project, trained: Trained) -> Register:
    """Give what registers a bundle that answered the tests as if it knew so much."""

    def call(critical: float, knowing: float, *, table: str | None = None) -> str:
        made = there.bundles / NAME / "made"
        shutil.copytree(trained.bundle.folder, made)
        manifest = json.loads((made / "manifest.json").read_text())
        manifest["tiers"]["critical"] = critical
        (made / "manifest.json").write_text(json.dumps(manifest))
        bundle = bundles.load(made)
        folder = made.rename(made.with_name(bundle.id[:12]))
        (folder.parent / "latest").write_text(folder.name)
        path = artifact_of(there, trained)
        rows = pq.read_table(path)
        label = rows["label"].to_numpy()
        noise = np.random.default_rng(1).normal(0, 1, label.size)
        odds = -3 + knowing * (label - label.mean()) + noise
        chance = pa.array(1 / (1 + np.exp(-odds)))
        place = rows.column_names.index("probability")
        beside = there.var / "out_of_time.parquet"
        pq.write_table(rows.set_column(place, "probability", chance), beside)
        prints = trained.prepared.table.fingerprints.table
        entry = Entry(
            name="made",
            parameters={},
            tags={"bundle": bundle.id, "fingerprint.table": prints if table is None else table},
            metrics={"auc": 0.5},
            artifacts={"": beside},
            texts={},
            model=Model(MODEL, folder, bundle.model.encoding.kinds, [{}]),
        )
        log(there.tracking, "made", entry)
        return bundle.id

    return call


def artifact_of(there: Project, trained: Trained) -> Path:
    home = Path(trained.bundle.folder).parents[2] / "mlruns" / trained.run.id
    return home / "artifacts" / "out_of_time.parquet"


def passed(gates: tuple[Any, ...]) -> dict[str, bool | None]:
    return {gate.name: gate.passed for gate in gates}


def test_the_first_champion_is_promoted_and_not_merely_trained(
    there: Project, register: Register
) -> None:
    first = register(0.7, 2.0)
    assert listed(there, NAME).champion is None
    assert choose(there, NAME).role == "latest"
    done = promote(there, NAME, by="ann", reason="the first", progress=silent)
    assert done.change is not None
    assert (done.change.bundle, done.change.before, done.change.by) == (first, None, "ann")
    assert done.alias == ""
    assert done.verdict is not None
    found = passed(done.verdict.gates)
    assert found["better"] is found["segments"] is None
    assert found["accuracy"] is found["skill"] is True
    assert choose(there, NAME).role == "champion"
    assert choose(there, NAME).bundle.id == first
    (version,) = versions(there.tracking, MODEL)
    assert version.aliases == ("challenger", "champion")


def test_a_better_challenger_takes_its_place_and_can_be_taken_back(
    there: Project, register: Register
) -> None:
    first = register(0.7, 1.0)
    promote(there, NAME, progress=silent)
    second = register(0.8, 3.0)
    verdict = judged(there, NAME, progress=silent)
    assert (verdict.champion, verdict.challenger.bundle) == (first, second)
    assert passed(verdict.gates)["better"] is True
    assert choose(there, NAME).bundle.id == first  # asking changes nothing
    done = promote(there, NAME, by="ann", force="calibration is of made-up rows", progress=silent)
    assert done.change is not None
    assert (done.change.bundle, done.change.before) == (second, first)
    assert choose(there, NAME).bundle.id == second
    back = rollback(there, NAME, by="bob", reason="angry calls", progress=silent)
    assert back.change is not None
    assert (back.change.action, back.change.bundle, back.change.before) == (
        "rollback",
        first,
        second,
    )
    assert choose(there, NAME).bundle.id == first
    assert choose(there, NAME, "latest").bundle.id == second
    assert choose(there, NAME, second[:6]).role == choose(there, NAME, second).role == second[:12]
    with pytest.raises(BundleError, match=f"{second[:12]} is {second}"):
        choose(there, NAME, second[:12] + "zzzz")
    changes = read_changes(there.bundles / NAME)
    assert [(item.by, item.action, item.reason) for item in changes[1:]] == [
        ("ann", "promote", None),
        ("bob", "rollback", "angry calls"),
    ]
    champion = {item.bundle: item.aliases for item in versions(there.tracking, MODEL)}
    assert champion == {first: ("champion",), second: ("challenger",)}
    with pytest.raises(BundleError, match="has had one champion"):
        rollback(replace_history(there), NAME, progress=silent)


def replace_history(there: Project) -> Project:
    """Leave only the first line of the journal."""
    path = there.bundles / NAME / "promotions.jsonl"
    path.write_text(path.read_text().splitlines(keepends=True)[0])
    return there


def test_a_failed_gate_keeps_the_champion_unless_it_is_forced(
    there: Project, register: Register
) -> None:
    first = register(0.7, 3.0)
    promote(there, NAME, progress=silent)
    second = register(0.8, 1.0)
    done = promote(there, NAME, progress=silent)
    assert done.change is None
    assert done.verdict is not None
    assert "better" in {gate.name for gate in done.verdict.failed}
    assert choose(there, NAME).bundle.id == first
    with pytest.raises(ConfigError, match="needs a reason"):
        promote(there, NAME, force=" ", progress=silent)
    forced = promote(there, NAME, force="a new price list", progress=silent)
    assert forced.change is not None
    assert (forced.change.bundle, forced.change.forced) == (second, "a new price list")
    kept = read_changes(there.bundles / NAME)[-1]
    assert {gate.name: gate.passed for gate in kept.gates}["better"] is False


def test_the_reason_to_force_is_kept_where_nothing_had_to_be_forced(
    there: Project, register: Register
) -> None:
    register(0.7, 2.0)
    done = promote(there, NAME, force="the first model", reason="agreed on", progress=silent)
    assert done.change is not None
    assert (done.change.forced, done.change.reason) == (None, "agreed on; the first model")


def test_the_champion_is_not_promoted_again(there: Project, register: Register) -> None:
    first = register(0.7, 2.0)
    promote(there, NAME, progress=silent)
    with pytest.raises(BundleError, match="is the champion of 'churn_90d' already"):
        promote(there, NAME, progress=silent)
    itself = judged(there, NAME, first[:8], progress=silent)
    assert itself.champion == first
    assert {gate.said for gate in itself.gates if gate.passed is None} == {
        "it is the champion itself"
    }


def test_a_table_that_is_gone_cannot_be_looked_at(there: Project, register: Register) -> None:
    register(0.7, 2.0, table="another")
    found = passed(judged(there, NAME, progress=silent).gates)
    assert found["leakage"] is False
    shutil.rmtree(there.training)
    assert passed(judged(there, NAME, progress=silent).gates)["leakage"] is False


def test_the_rule_can_be_eased(there: Project, register: Register) -> None:
    register(0.7, 2.0)
    promote(there, NAME, progress=silent)
    register(0.8, 2.0)  # answers all tests as the champion did
    assert passed(judged(there, NAME, progress=silent).gates)["better"] is False
    eased = judged(there, NAME, rule="not_worse", progress=silent)
    assert passed(eased.gates)["better"] is True


def test_a_lost_bundle_is_brought_from_its_run(there: Project, register: Register) -> None:
    first = register(0.7, 2.0)
    folder = there.bundles / NAME / first[:12]
    shutil.rmtree(folder)
    promote(there, NAME, progress=silent)
    assert bundles.load(folder).id == first
    (folder / "model.txt").write_text("harmed")
    with pytest.raises(BundleError):
        champion_bundle(there, NAME)
    shutil.rmtree(folder)
    with pytest.raises(BundleError, match=r"the champion .* is gone\. .*`churnml models rollback"):
        choose(there, NAME)


def test_a_champion_that_was_lost_is_brought_back_to_be_compared(
    there: Project, register: Register
) -> None:
    first = register(0.7, 2.0)
    promote(there, NAME, progress=silent)
    shutil.rmtree(there.bundles / NAME / first[:12])
    register(0.8, 3.0)
    assert "AUC" in {g.name: g.said for g in judged(there, NAME, progress=silent).gates}["better"]
    assert champion_bundle(there, NAME) is not None


def test_the_only_champion_that_was_lost_is_brought_back(
    there: Project, register: Register
) -> None:
    """There is none before it to go back to, and data may have changed since."""
    only = register(0.7, 2.0)
    promote(there, NAME, progress=silent)
    shutil.rmtree(there.bundles / NAME / only[:12])
    with pytest.raises(BundleError, match=rf"promote {NAME} --model {only[:12]}` brings it back"):
        choose(there, NAME)
    with pytest.raises(BundleError, match=r"already, and its bundle is where scorers look\."):
        promote(there, NAME, only[:12], progress=silent)
    assert choose(there, NAME).bundle.id == only
    assert len(read_changes(there.bundles / NAME)) == 1


def test_a_champion_that_is_lost_for_good_gives_way_to_force(
    there: Project, register: Register
) -> None:
    first = register(0.7, 2.0)
    promote(there, NAME, progress=silent)
    (version,) = versions(there.tracking, MODEL)
    shutil.rmtree(there.bundles / NAME / first[:12])
    shutil.rmtree(there.var / "mlruns" / version.run)
    second = register(0.8, 3.0)
    gates = {gate.name: gate for gate in judged(there, NAME, progress=silent).gates}
    assert gates["better"].passed is gates["segments"].passed is False
    assert gates["better"].said.startswith("the champion cannot be asked: ")
    assert promote(there, NAME, progress=silent).change is None
    assert promote(there, NAME, force="it is lost", progress=silent).change is not None
    assert choose(there, NAME).bundle.id == second


def test_rows_that_were_lost_are_said(there: Project, register: Register) -> None:
    register(0.7, 2.0)
    (version,) = versions(there.tracking, MODEL)
    path = artifact(there.tracking, version.run, "out_of_time.parquet")
    assert path is not None
    path.unlink()
    with pytest.raises(BundleError, match=r"has lost out_of_time\.parquet"):
        judged(there, NAME, progress=silent)


@pytest.mark.parametrize(
    ("wanted", "message"),
    [("zzzz", "0 models of 'churn_90d' begin so"), ("a", "or at least 4 digits of an id")],
)
def test_an_unknown_model_is_an_error(
    there: Project, register: Register, wanted: str, message: str
) -> None:
    register(0.7, 2.0)
    with pytest.raises(ConfigError, match=message):
        judged(there, NAME, wanted, progress=silent)
    with pytest.raises(ConfigError, match="no recipe 'churn'"):
        listed(there, "churn")


def test_the_model_before_is_not_taken_for_the_latest(there: Project, register: Register) -> None:
    """A training whose run could not be recorded leaves its bundle, and no version."""
    first = register(0.7, 2.0)
    (there.bundles / NAME / "latest").write_text("beefbeefbeef\n")
    with pytest.raises(BundleError, match="latest names 'beefbeefbeef', which is not in the"):
        judged(there, NAME, progress=silent)
    assert judged(there, NAME, first[:12], progress=silent).challenger.bundle == first


@pytest.mark.parametrize("text", ["", "\n", "..\n"])
def test_a_damaged_pointer_stands_for_no_model(
    there: Project, register: Register, text: str
) -> None:
    register(0.7, 2.0)
    (there.bundles / NAME / "latest").write_text(text)
    assert listed(there, NAME).challenger is None
    with pytest.raises(BundleError, match="which is not in the registry"):
        judged(there, NAME, progress=silent)


def test_a_training_killed_before_its_end_is_no_challenger(
    there: Project, register: Register
) -> None:
    """Its run is on record, and the file that names the latest bundle was not moved yet."""
    first = register(0.7, 2.0)
    second = register(0.8, 3.0)
    (there.bundles / NAME / "latest").write_text(first[:12] + "\n")
    found = listed(there, NAME)
    assert [item.bundle for item in found.versions] == [second, first]
    assert found.challenger is found.versions[1]
    assert judged(there, NAME, progress=silent).challenger.bundle == first
    assert choose(there, NAME).bundle.id == first


def test_where_the_bundles_are_lost_the_one_recorded_last_is_the_challenger(
    there: Project, register: Register
) -> None:
    register(0.7, 2.0)
    second = register(0.8, 3.0)
    (there.bundles / NAME / "latest").unlink()
    found = listed(there, NAME).challenger
    assert found is not None
    assert found.bundle == second


def test_who_decides_has_a_name(there: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    def nameless() -> str:
        raise KeyError("getpwuid(): uid not found: 1234")

    monkeypatch.setattr("getpass.getuser", nameless)
    for act in (promote, rollback):
        with pytest.raises(ConfigError, match=r"the login has no name\. Give one with --by"):
            act(there, NAME, progress=silent)


def test_nothing_trained_is_an_error(there: Project) -> None:
    with pytest.raises(BundleError, match=r"no models in the registry\. `churnml train churn_90d`"):
        judged(there, NAME, progress=silent)
    with pytest.raises(BundleError, match="has had no champion"):
        rollback(there, NAME, progress=silent)
    with pytest.raises(BundleError, match="has no champion: none was promoted yet"):
        choose(there, NAME, "champion")
    with pytest.raises(ConfigError, match="there is no such bundle"):
        choose(there, NAME, "beefbeef")


def test_scoring_does_without_mlflow(
    there: Project, register: Register, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = register(0.7, 2.0)
    promote(there, NAME, progress=silent)
    second = register(0.8, 3.0)
    there.tracking.write_text("damaged")
    shutil.rmtree(there.var / "mlruns")
    assert choose(there, NAME).bundle.id == first
    with pytest.raises(ChurnMLError, match="the registry cannot be read"):
        promote(there, NAME, second, progress=silent)
    assert standing(read_changes(there.bundles / NAME)) == first


def test_an_alias_that_cannot_follow_is_told_and_nothing_is_lost(
    there: Project, register: Register
) -> None:
    first = register(0.7, 2.0)
    promote(there, NAME, progress=silent)
    register(0.8, 3.0)
    promote(there, NAME, force="try", progress=silent)
    there.tracking.write_text("damaged")
    back = rollback(there, NAME, progress=silent)
    assert "the registry cannot be read" in back.alias
    assert choose(there, NAME).bundle.id == first


def test_two_promotions_at_once_take_turns(there: Project, register: Register) -> None:
    first, second = register(0.7, 2.0), register(0.8, 2.0)
    waits = threading.Event()
    told: list[str] = []

    def tell(step: str, _: float) -> None:
        told.append(step)
        if step.startswith("waiting"):
            waits.set()
        elif step == "gates":
            waits.wait(60)  # whoever is first stays until the other has come

    def run(bundle: str) -> None:
        promote(there, NAME, bundle[:12], force="all", progress=tell)

    threads = [threading.Thread(target=run, args=(bundle,)) for bundle in (first, second)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    changes = read_changes(there.bundles / NAME)
    assert changes[0].before is None
    assert changes[1].before == changes[0].bundle
    assert {item.bundle for item in changes} == {first, second}
    assert "waiting: another promotion runs" in told


def test_a_champion_that_had_learned_nothing_later_answers_by_its_bundle(
    there: Project, trained: Trained
) -> None:
    """Its features come of its own catalogue, and are those that the training table has."""
    frame = trained.prepared.table.frame
    rows = frame.slice(frame.num_rows - 40, 40)
    answers = asker(there, trained.bundle, silent)(rows)
    expected = trained.bundle.model.score(rows).probability
    assert answers.tolist() == expected.tolist()
