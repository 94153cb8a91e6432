"""Several workers: one is killed under load, and all of them end."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from churnml.errors import BundleError
from churnml.project import Project
from churnml.serving.logs import log_to
from churnml.serving.sockets import bound, url_of
from churnml.serving.worker import Plan
from churnml.serving.workers import Workers, _Place
from churnml.training.workflow import Trained

CLIENTS = 4


class Served:
    """A service of two workers, and what it says."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        assert process.stderr is not None
        self.process = process
        self.told: list[dict[str, Any]] = []
        self.broken: list[str] = []
        self._stderr = process.stderr
        self._more = threading.Condition()
        threading.Thread(target=self._read, daemon=True).start()
        line = next(line for line in process.stdout if line.startswith("    curl "))
        self.url = line.split()[2].removesuffix("/v1/model")
        self.key = line.split("Bearer ")[1].split("'")[0]

    def _read(self) -> None:
        for line in self._stderr:
            if not line.startswith("{"):
                continue
            try:
                said = json.loads(line)
            except ValueError:
                self.broken.append(line)
                continue
            if said["event"] != "answered":
                with self._more:
                    self.told.append(said)
                    self._more.notify_all()

    def events(self, name: str) -> list[dict[str, Any]]:
        return [line for line in self.told if line["event"] == name]

    def wait_for(self, name: str, count: int) -> list[dict[str, Any]]:
        with self._more:
            assert self._more.wait_for(lambda: len(self.events(name)) >= count, timeout=120)
        return self.events(name)


@pytest.fixture
def served(company: Project, trained: Trained) -> Iterator[Served]:
    command = [sys.executable, "-m", "churnml", "serve", "--port", "0", "--workers", "2", "--trial"]
    with subprocess.Popen(
        [*command, "--project", str(company.root)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        try:
            yield Served(process)
        finally:
            process.kill()


@pytest.mark.slow
def test_one_may_be_killed_and_all_may_be_ended_under_load(
    served: Served, row: dict[str, Any]
) -> None:
    answered: list[int] = []
    failed: list[str] = []

    def asking() -> None:
        headers = {"Authorization": f"Bearer {served.key}"}
        with httpx.Client(base_url=served.url, headers=headers, timeout=60) as client:
            while True:
                try:
                    answered.append(client.post("/v1/scores/features", json=row).status_code)
                except httpx.ConnectError:  # nobody listens any more
                    return
                except httpx.TransportError as error:
                    failed.append(repr(error))

    def ordeal() -> str:
        first, second = (line["pid"] for line in served.wait_for("worker ready", 2))

        os.kill(first, signal.SIGKILL)
        (death,) = served.wait_for("worker died", 1)
        assert death["pid"] == first
        assert "killed by SIGKILL" in death["why"]
        since = len(answered)
        third = served.wait_for("worker ready", 3)[2]["pid"]
        assert third not in {first, second}
        assert len(answered) > since
        # Only who was being answered by the one that was killed was left without an answer.
        assert len(failed) <= CLIENTS
        failed.clear()
        told = httpx.get(f"{served.url}/metrics").text
        assert measured(told, "churnml_request_seconds_count{") >= since

        served.process.send_signal(signal.SIGHUP)
        time.sleep(0.5)
        assert served.process.poll() is None
        return told

    with ThreadPoolExecutor(CLIENTS) as pool:
        asked = [pool.submit(asking) for _ in range(CLIENTS)]
        try:
            told = ordeal()
        finally:
            served.process.terminate()
        for each in asked:
            each.result(timeout=60)
    served.process.wait(timeout=60)

    assert failed == []
    assert set(answered) == {200}
    assert served.process.returncode == 0
    assert served.broken == []
    assert measured(told, "churnml_model{") == 2


def measured(told: str, begins: str) -> float:
    (line,) = (line for line in told.splitlines() if line.startswith(begins))
    return float(line.rpartition(" ")[2])


@pytest.mark.slow
def test_what_keeps_workers_from_their_start_is_told_by_the_parent(small_project: Path) -> None:
    Project.load(small_project).var.mkdir()
    subprocess.run(
        [sys.executable, "-m", "churnml", "store", "upgrade", "-C", str(small_project)], check=True
    )
    with bound("127.0.0.1", 0) as there:
        plan = Plan(small_project, "quiet", None)
        with pytest.raises(BundleError, match="recipe 'quiet' has no bundle"):
            Workers(plan, there, 2, log_to(), lambda: None).run()
    assert "PROMETHEUS_MULTIPROC_DIR" not in os.environ


def test_who_dies_soon_and_again_is_replaced_later_and_later() -> None:
    place = _Place(0)
    pauses = [place.free(age) for age in (100.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 59.9, 60.0, 1.0)]
    assert pauses == [0.0, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0, 0.0, 1.0]


def test_a_place_to_listen_is_told_as_a_url() -> None:
    with bound("127.0.0.1", 0) as there:
        assert url_of(there) == f"http://127.0.0.1:{there.getsockname()[1]}"
