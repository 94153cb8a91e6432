"""A key that ends with the service, and the line that asks with it."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from churnml.project import Project
from churnml.serving.documents import ModelCard
from churnml.serving.keys import KeyRefused, Scope, check
from churnml.serving.store.store import Store
from churnml.serving.trial import question, trial_key
from churnml.training.workflow import Trained


def scored(project: Project, name: str, at: int, **probabilities: float) -> None:
    project.scores.mkdir(parents=True, exist_ok=True)
    columns = {"account_id": list(probabilities), "probability": list(probabilities.values())}
    path = project.scores / f"{name}.parquet"
    pq.write_table(pa.table(columns), path)
    os.utime(path, ns=(at, at))


def test_the_key_opens_scores_until_the_end(empty_store: Store) -> None:
    with trial_key(empty_store) as key:
        assert check(key, empty_store.keys.find).scopes == {Scope.SCORE}
    with pytest.raises(KeyRefused, match="revoked"):
        check(key, empty_store.keys.find)


def test_the_key_ends_when_the_service_fails(empty_store: Store) -> None:
    def fail() -> None:
        with trial_key(empty_store) as key:
            made.append(key)
            raise KeyboardInterrupt

    made: list[str] = []
    with pytest.raises(KeyboardInterrupt):
        fail()
    with pytest.raises(KeyRefused, match="revoked"):
        check(made[0], empty_store.keys.find)


def test_it_asks_about_the_riskiest_of_the_last_scores(small_project: Path) -> None:
    project = Project.load(small_project)
    scored(project, "quiet-20250101T000000", 2, a=0.9, b=0.1)
    scored(project, "quiet-20240101T000000", 3, a=0.2, **{"it's": 0.3})
    scored(project, "quiet-other-20260101T000000", 4, c=0.5)
    scored(project, "quiet-table-0123abcd", 5, d=0.5)

    line = question(project, "quiet", "http://127.0.0.1:1", "churnml_1_2")

    assert shlex.split(line) == [
        "curl", "-s", "http://127.0.0.1:1/v1/scores/accounts",
        "-H", "Authorization: Bearer churnml_1_2",
        "-d", '{"account_ids": ["it\'s"]}',
    ]  # fmt: skip
    assert "\n" not in line


def test_it_asks_for_the_model_where_nothing_was_scored(small_project: Path) -> None:
    project = Project.load(small_project)
    asked = ["curl", "-s", "u/v1/model", "-H", "Authorization: Bearer k"]

    assert shlex.split(question(project, "quiet", "u", "k")) == asked
    scored(project, "quiet-20250101T000000", 1)
    assert shlex.split(question(project, "quiet", "u", "k")) == asked


@pytest.mark.slow
def test_a_service_on_trial_is_asked_by_the_line_it_shows(
    company: Project, trained: Trained
) -> None:
    serve = [sys.executable, "-m", "churnml", "serve", "--port", "0", "--trial"]
    command = [*serve, "--project", str(company.root)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        line = next(line.strip() for line in process.stdout if line.startswith("    curl "))
        answer = subprocess.run(["bash", "-c", line], capture_output=True, check=True, timeout=60)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)

    assert process.returncode == 0
    assert ModelCard.model_validate_json(answer.stdout).bundle == trained.bundle.id
