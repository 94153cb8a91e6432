from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import cast

import mlflow
import numpy as np
import pandas as pd
import pytest

from churnml.errors import BundleError
from churnml.project import Project
from churnml.serving.pyfunc import ServedBundle
from churnml.training.tracking import artifact
from churnml.training.workflow import Trained


@pytest.fixture(scope="module")
def features(trained: Trained) -> pd.DataFrame:
    frame = trained.prepared.table.frame
    rows = frame.select(list(trained.bundle.features)).slice(frame.num_rows - 30)
    return cast("pd.DataFrame", rows.to_pandas())


@pytest.fixture(scope="module")
def expected(trained: Trained) -> list[float]:
    frame = trained.prepared.table.frame
    return list(trained.bundle.score(frame.slice(frame.num_rows - 30)).probability)


def test_plain_mlflow_loads_the_challenger_and_answers_as_the_bundle(
    trained: Trained,
    company: Project,
    features: pd.DataFrame,
    expected: list[float],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{company.tracking}")
    model = mlflow.pyfunc.load_model("models:/acme.churn_90d@challenger")
    found = model.predict(features)
    assert list(found.columns) == ["probability", "tier", "log_odds"]
    assert found["probability"].tolist() == expected
    tiers = trained.bundle.manifest.tiers.tiers(np.array(expected))
    assert found["tier"].tolist() == [str(tier) for tier in tiers]
    assert [column.name for column in model.metadata.get_input_schema()] == list(
        trained.bundle.features
    )


def test_its_own_example_can_be_scored(trained: Trained, company: Project) -> None:
    path = artifact(company.tracking, trained.run.id, "model")
    assert path is not None
    model = mlflow.pyfunc.load_model(str(path))
    example = model.input_example
    assert isinstance(example, pd.DataFrame)
    assert len(model.predict(example)) == 3


def test_what_does_not_fit_is_refused(trained: Trained, features: pd.DataFrame) -> None:
    served = ServedBundle(trained.bundle)
    assert served.predict(features.set_index(features.index + 7), {}).index[0] == 7
    with pytest.raises(BundleError, match="1 of 195 features are missing"):
        served.predict(features.drop(columns="tenure_days"))
    with pytest.raises(BundleError, match="no features of this model"):
        served.predict(features.assign(account="x"))


@pytest.mark.slow
def test_mlflow_serves_it(
    trained: Trained, company: Project, features: pd.DataFrame, expected: list[float]
) -> None:
    path = artifact(company.tracking, trained.run.id, "model")
    assert path is not None
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = ["mlflow", "models", "serve", "--model-uri", str(path), "--env-manager", "local"]
    with subprocess.Popen(
        [sys.executable, "-m", *command, "--host", "127.0.0.1", "--port", str(port)],
        env={**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true", "PYTHONWARNINGS": "ignore"}
        | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    ) as server:
        try:
            answer = asked(f"http://127.0.0.1:{port}", features)
        finally:
            os.killpg(server.pid, 15)
    assert [row["probability"] for row in answer["predictions"]] == pytest.approx(expected)


def asked(server: str, features: pd.DataFrame) -> dict[str, list[dict[str, float]]]:
    # Whole: `to_json` keeps ten decimals, and a value beside a threshold would go the other way.
    whole = features.astype(object).where(features.notna(), None).to_dict(orient="split")
    body = json.dumps({"dataframe_split": whole})
    request = urllib.request.Request(  # noqa: S310 - of this machine
        f"{server}/invocations",
        data=body.encode(),
        headers={"Content-Type": "application/json"},
    )
    until = time.monotonic() + 120
    while True:
        try:
            with urllib.request.urlopen(request, timeout=60) as response:  # noqa: S310 - see above
                return dict(json.loads(response.read()))
        except urllib.error.HTTPError as error:
            pytest.fail(error.read().decode())
        except OSError:
            if time.monotonic() > until:
                raise
            time.sleep(0.2)  # until it listens
