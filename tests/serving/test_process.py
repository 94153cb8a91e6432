"""The service as a process of its own, asked over a socket."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from churnml.client import Client, Forbidden, Refused, Row, Unfit
from churnml.project import Project
from churnml.serving.scores import ScoreList
from churnml.training.workflow import Trained

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def served(company: Project, trained: Trained) -> Iterator[tuple[subprocess.Popen[str], str, str]]:
    churnml = [sys.executable, "-m", "churnml"]
    home = ["--project", str(company.root)]
    scopes = [part for name in ("score", "ingest", "act") for part in ("--scope", name)]
    create = [*churnml, "keys", "create", "tests", *scopes, *home]
    key = subprocess.run(create, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()
    serve = [*churnml, "serve", "churn_90d", "--port", "0", *home]
    with subprocess.Popen(serve, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        told = (json.loads(line) for line in process.stderr if line.startswith("{"))
        url = next(line["url"] for line in told if line["event"] == "listening")
        yield process, url, key
        process.terminate()
        process.communicate(timeout=60)


def test_it_answers_over_a_socket_and_streams_both_ways(
    served: tuple[subprocess.Popen[str], str, str], row: dict[str, Any]
) -> None:
    _, url, key = served
    headers = {"Authorization": f"Bearer {key}"}
    line = json.dumps(row).encode() + b"\n"
    with httpx.Client(base_url=url, headers=headers, timeout=120) as client:
        assert client.get("/readyz").json()["status"] == "ready"
        one = client.post("/v1/scores/features", json=row).json()
        # All of it is sent before any of the answer is read.
        with client.stream("POST", "/v1/scores/bulk", content=(line for _ in range(2000))) as some:
            found = [json.loads(each) for each in some.iter_lines()]
        assert len(found) == 2000
        assert found[-1]["probability"] == pytest.approx(one["probability"], rel=1e-12)
        refused = client.post("/v1/scores/features", content=b" " * (9 * 2**20))
        assert refused.status_code == 413


def test_the_examples_of_the_page_answer(
    served: tuple[subprocess.Popen[str], str, str],
    scores: ScoreList,
    root: Path,
    tmp_path: Path,
) -> None:
    _, url, key = served
    page = (root / "docs" / "service.md").read_text(encoding="utf-8")
    examples = re.findall(r"^```sh\n(.*?)^```$", page, re.DOTALL | re.MULTILINE)
    assert len(examples) == 11
    account = scores.scores[0].account_id
    for example in examples:
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", example],
            env={**os.environ, "URL": url, "KEY": key, "ACCOUNT": account},
            cwd=tmp_path, capture_output=True, text=True, check=True,
        )  # fmt: skip
        for line in done.stdout.replace("}{", "}\n{").splitlines():
            assert "status" not in json.loads(line), example


def test_the_client_asks_as_its_page_shows(
    served: tuple[subprocess.Popen[str], str, str],
    scores: ScoreList,
    root: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    _, url, key = served
    page = (root / "docs" / "client.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"^```python\n(.*?)^```$", page, re.DOTALL | re.MULTILINE)
    account = scores.scores[0].account_id
    for name, value in {"URL": url, "KEY": key, "ACCOUNT": account}.items():
        monkeypatch.setenv(name, value)

    exec(compile(example, "client.md", "exec"), {})  # noqa: S102 - our own page

    told = capsys.readouterr().out.splitlines()
    assert told[0].startswith(f"{account} 0.")
    assert told[1].startswith("nobody it is unknown")
    assert all(float(line) for line in told[-2:])


def test_the_client_streams_more_than_is_held(
    served: tuple[subprocess.Popen[str], str, str], row: dict[str, Any]
) -> None:
    _, url, key = served
    with Client(url, key, timeout=120) as client:
        one = client.score_features(row["features"])
        rows = (Row(row["features"], account_id=str(n)) for n in range(1500))
        found = [answer for answer in client.score_bulk(rows) if not isinstance(answer, Refused)]
        with pytest.raises(Unfit) as raised:
            client.score_features({**row["features"], "seets": 1.0})
        assert list(client.score_batch([Row(row["features"])])) == [one]
        assert client.ready().status == "ready"
    assert [answer.account_id for answer in found] == [str(n) for n in range(1500)]
    assert found[-1].probability == pytest.approx(one.probability, rel=1e-12)
    assert raised.value.faults[0].at == "features.seets"
    with Client(url, "churnml_0_0") as stranger, pytest.raises(Forbidden):
        stranger.latest("a")


def test_it_ends_when_it_is_told_to(served: tuple[subprocess.Popen[str], str, str]) -> None:
    process, _, _ = served
    process.send_signal(signal.SIGHUP)  # looks for a bundle, and goes on
    process.terminate()
    process.communicate(timeout=60)
    assert process.returncode == 0
