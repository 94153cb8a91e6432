"""A client that openapi-python-client makes of the OpenAPI document, and that works."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest

from churnml.serving.scores import ScoreList

PACKAGE = "generated_churnml"
# Bulk streams, for which the generator knows no type; `churnml.client` does.
NOT_MADE = "POST /v1/scores/bulk"


@pytest.fixture
def generated(ask: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Make the client, and give the name of its package."""
    document = tmp_path / "openapi.json"
    document.write_bytes(ask("GET", "/v1/openapi.json").content)
    config = tmp_path / "config.json"
    config.write_text(json.dumps({"post_hooks": []}), encoding="utf-8")
    done = subprocess.run(
        [
            sys.executable, "-m", "openapi_python_client", "generate", "--meta", "none",
            "--path", document, "--config", config, "--output-path", tmp_path / PACKAGE,
        ],
        capture_output=True, text=True, check=True, env={"NO_COLOR": "1", "COLUMNS": "200"},
    )  # fmt: skip
    told = done.stdout + done.stderr
    assert [line for line in told.splitlines() if line.startswith("WARNING")] == [
        f"WARNING parsing {NOT_MADE} within scores. Endpoint will not be generated."
    ]
    monkeypatch.syspath_prepend(tmp_path)
    return PACKAGE


@pytest.mark.slow
def test_it_asks_and_is_answered(
    ask: Any, generated: str, row: dict[str, Any], scores: ScoreList
) -> None:
    def part(name: str) -> Any:
        return importlib.import_module(f"{generated}.{name}")

    def answer(request: httpx.Request) -> httpx.Response:
        how = {"content": request.read(), "headers": dict(request.headers)}
        found: httpx.Response = ask(request.method, request.url.raw_path.decode(), **how)
        return httpx.Response(found.status_code, headers=found.headers, content=found.content)

    models = part("models")
    client = part("client").AuthenticatedClient(
        base_url="http://test", token=ask.key, httpx_args={"transport": httpx.MockTransport(answer)}
    )
    account = scores.scores[0].account_id

    found = part("api.scores.by_accounts").sync(
        client=client, body=models.AccountsToScore(account_ids=[account, "nobody"])
    )
    one = part("api.scores.by_features").sync(client=client, body=models.FeatureRow.from_dict(row))
    many = part("api.scores.batch").sync(
        client=client, body=models.FeatureRows.from_dict({"rows": [row, row]})
    )
    last = part("api.scores.latest").sync(account, client=client)
    past = part("api.scores.history").sync(account, client=client, limit=1)
    never = part("api.scores.latest").sync_detailed("nobody", client=client)
    card = part("api.model.model").sync(client=client)

    assert found.scores[0].account_id == account
    assert found.scores[0].reasons[0].sentence
    assert found.not_scored[0].account_id == "nobody"
    assert [score.probability for score in many.scores] == pytest.approx([one.probability] * 2)
    assert last == found.scores[0] == past.scores[0]
    assert never.status_code == 404
    assert never.parsed.type_ == "urn:churnml:problem:not-scored"
    assert card.bundle == one.model.bundle
