"""A new bundle takes over while requests go on; a damaged one does not."""

from __future__ import annotations

import asyncio
import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from churnml.project import Project
from churnml.serving.live import Live
from churnml.serving.scores import ScoreList
from churnml.training.workflow import Trained


@pytest.fixture
def own(elsewhere: Project, company: Project, trained: Trained) -> Project:
    """Give the company with bundles of its own."""
    shutil.copytree(company.bundles, elsewhere.bundles)
    return elsewhere


def another(project: Project, bundle: Path, medium: float) -> str:
    """Write a bundle with another bound of a tier, and name it as the latest."""
    manifest = json.loads((bundle / "manifest.json").read_text(encoding="utf-8"))
    manifest["tiers"]["medium"] = medium
    text = json.dumps(manifest).encode()
    bundle_id = hashlib.sha256(text).hexdigest()
    home = project.bundles / "churn_90d"
    folder = home / bundle_id[:12]
    shutil.copytree(bundle, folder)
    (folder / "manifest.json").write_bytes(text)
    (home / "latest").write_text(folder.name, encoding="utf-8")
    return bundle_id


def test_the_latest_takes_over_under_load_without_a_failed_request(
    serving: Any, own: Project, trained: Trained, row: dict[str, Any]
) -> None:
    ask = serving(own)

    async def asking(until: asyncio.Event) -> list[tuple[int, str]]:
        found = []
        while not until.is_set():
            answer = await ask.ask("POST", "/v1/scores/features", json=row)
            found.append((answer.status_code, answer.json()["model"]["bundle"]))
        return found

    async def swapped() -> list[list[tuple[int, str]]]:
        until = asyncio.Event()
        asked = [asyncio.create_task(asking(until)) for _ in range(4)]
        await asyncio.to_thread(ask.service.bundles.look)
        until.set()
        return await asyncio.gather(*asked)

    new = another(own, trained.bundle.folder, 0.05)
    answers = [answer for some in asyncio.run(swapped()) for answer in some]
    after = ask("POST", "/v1/scores/features", json=row).json()["model"]

    assert {status for status, _ in answers} == {200}
    assert {bundle for _, bundle in answers} <= {trained.bundle.id, new}
    assert (after["bundle"], after["role"]) == (new, "latest")
    told = ask("GET", "/metrics").text
    assert f'churnml_model{{bundle="{new}"' in told
    assert trained.bundle.id not in told


def test_a_damaged_bundle_is_refused_once_and_the_old_one_goes_on(
    serving: Any, own: Project, trained: Trained, row: dict[str, Any]
) -> None:
    ask = serving(own)
    damaged = another(own, trained.bundle.folder, 0.05)
    with (own.bundles / "churn_90d" / damaged[:12] / "model.txt").open("ab") as file:
        file.write(b"\n")

    ask.service.bundles.look()
    ask.service.bundles.look()

    answer = ask("POST", "/v1/scores/features", json=row)
    assert answer.json()["model"]["bundle"] == trained.bundle.id
    refused = [line for line in ask.logged() if line["event"] == "model refused"]
    assert len(refused) == 1
    assert "altered" in refused[0]["why"]
    assert "churnml_bundles_refused_total 1.0" in ask("GET", "/metrics").text
    assert ask("GET", "/readyz").status_code == 200


def test_the_same_bundle_is_not_taken_again(serving: Any, own: Project) -> None:
    ask = serving(own)
    before = ask.service.bundles.now
    ask.service.bundles.look(again=True)
    assert ask.service.bundles.now is before


def test_history_is_read_again_when_it_was_replaced(serving: Any, own: Project) -> None:
    ask = serving(own)
    before = ask.service.histories.now
    ask.service.histories.look()
    assert ask.service.histories.now is before

    manifest = own.history / "manifest.json"
    manifest.with_name("new").write_bytes(manifest.read_bytes())
    manifest.with_name("new").replace(manifest)
    ask.service.histories.look()
    assert ask.service.histories.now is not before
    assert ask.service.histories.now.observed_until == before.observed_until


def test_accounts_are_scored_while_history_is_replaced(
    serving: Any, own: Project, scores: ScoreList, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between two names there is for an instant no folder of history at all."""
    ask = serving(own)
    aside, read = own.history.with_name("aside"), Live.of

    def gone(*given: Any) -> Any:
        own.history.rename(aside)
        monkeypatch.setattr(Live, "of", read)
        try:
            return read(*given)
        finally:
            aside.rename(own.history)

    monkeypatch.setattr(Live, "of", gone)
    account = scores.scores[0].account_id
    answer = ask("POST", "/v1/scores/accounts", json={"account_ids": [account]})

    assert (answer.status_code, answer.json()["not_scored"]) == (200, [])


def test_history_that_cannot_be_read_leaves_the_old_one(serving: Any, own: Project) -> None:
    ask = serving(own)
    before = ask.service.histories.now
    (own.history / "manifest.json").write_text("{", encoding="utf-8")
    ask.service.histories.look()
    assert ask.service.histories.now is before
    assert any(line["event"] == "history refused" for line in ask.logged())
