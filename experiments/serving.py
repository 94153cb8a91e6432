"""How many answers one worker gives, how soon, and from how much memory; beside what others give.

    python experiments/serving.py [--soak SECONDS] [--bentoml VENV] [--mlflow VENV]

Makes a project with a model of 300 trees of 31 leaves on 100 features, serves it by `churnml serve`
on this machine, and has `wrk` (Debian's) ask over 16 connections. BentoML and MLflow serve the same
trees from environments of their own, which are not made here:

    python -m venv VENV && VENV/bin/pip install bentoml lightgbm
    python -m venv VENV && VENV/bin/pip install mlflow lightgbm

What was measured before stands until it is measured again. Writes experiments/serving.md.
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from serving_load import CONNECTIONS, Load, Speed, asked  # type: ignore[import-not-found]
from serving_page import page  # type: ignore[import-not-found]
from serving_project import (  # type: ignore[import-not-found]
    ACCOUNTS,
    Made,
    Served,
    account,
    answers,
    fill,
    made,
    rows_of,
    running,
    serving,
    size_of,
)

HERE = Path(__file__).resolve().parent
RUNS, STARTS = 3, 3
TURN = 20  # seconds between two bundles
Found = dict[str, Any]


def measured(given: argparse.Namespace, found: Made, work: Path) -> Found:
    """Measure all of them in turn, three times, so that what disturbs the machine disturbs all."""
    firsts = []
    for _ in range(STARTS - 1):
        with serving(found, work / "log") as served:
            firsts.append(served.first)
    with ExitStack() as open_:
        served = open_.enter_context(serving(found, work / "log"))
        firsts.append(served.first)
        kept = fill(found, served)
    with ExitStack() as open_:
        url = open_.enter_context(floor(found, work))
        cases = {
            "empty": Load(url, ["/empty"]),
            "predict": Load(url, ["/predict"], bodies(found)),
        }
        served = open_.enter_context(serving(found, work / "log"))
        cases["id"], cases["features"] = loads(found, served)
        for name, start, venv in (
            ("bentoml", bentoml, given.bentoml),
            ("mlflow", mlflow, given.mlflow),
        ):
            if venv is not None:
                cases[name] = open_.enter_context(start(found, work, venv.resolve()))
        speeds = in_turn(cases, work, given.seconds)
        peak = served.memory()["VmHWM"]
    versions = {
        name: version(venv, name)
        for name, venv in (("bentoml", given.bentoml), ("mlflow", given.mlflow))
        if venv is not None
    }
    return {
        "speeds": speeds,
        "versions": versions,
        "peak": peak,
        "first": statistics.median(firsts),
        "kept": kept,
        "size": size_of(found),
    }


def in_turn(cases: Mapping[str, Load], work: Path, seconds: int) -> dict[str, Found]:
    """Ask each for some seconds, three times over; give the median of everything."""
    runs: dict[str, list[Speed]] = {name: [] for name in cases}
    loads_of_machine: dict[str, list[float]] = {name: [] for name in cases}
    for load in cases.values():
        asked(load, work / "wrk", 2)  # what is made on the first request is made
    for _ in range(RUNS):
        for name, load in cases.items():
            loads_of_machine[name].append(os.getloadavg()[0])
            runs[name].append(asked(load, work / "wrk", seconds))
            print(name, runs[name][-1], flush=True)
    return {
        name: {
            "rate": statistics.median(run.rate for run in found),
            "p50": statistics.median(run.p50 for run in found),
            "p99": statistics.median(run.p99 for run in found),
            "failed": sum(run.failed for run in found),
            "load": max(loads_of_machine[name]),
        }
        for name, found in runs.items()
    }


def loads(found: Made, served: Served) -> tuple[Load, Load]:
    """Give what is asked of the service: scores from the ledger, and rows of features."""
    headers = {"Authorization": f"Bearer {found.key}"}
    # By a step that is prime to their number, so that neighbours are not asked one after the other.
    paths = [f"/v1/scores/{account(place * 1009 % ACCOUNTS)}" for place in range(ACCOUNTS)]
    return (
        Load(served.url, paths, headers=headers),
        Load(served.url, ["/v1/scores/features"], bodies(found), headers),
    )


def bodies(found: Made) -> list[str]:
    """Give rows as they are sent."""
    return [json.dumps({"features": row}) for row in rows_of(found.folder.parent)]


@contextmanager
def floor(found: Made, work: Path) -> Iterator[str]:
    """Serve nothing, and a prediction without reasons."""
    command = [sys.executable, "-m", "uvicorn", "serving_floor:app", "--no-access-log"]
    with peer([*command, "--port"], found, work / "floor.log") as url:
        answers(f"{url}/empty")
        yield url


@contextmanager
def bentoml(found: Made, work: Path, venv: Path) -> Iterator[Load]:
    """Serve by BentoML."""
    command = [str(venv / "bin" / "bentoml"), "serve", "serving_bento:Scorer", "--port"]
    with peer(command, found, work / "bentoml.log", venv) as url:
        load = Load(url, ["/score"], bodies(found))
        answers(f"{url}/score", load.bodies[0].encode())
        yield load


@contextmanager
def mlflow(found: Made, work: Path, venv: Path) -> Iterator[Load]:
    """Serve by MLflow, which takes the codes of categories in place of their values."""
    with tempfile.TemporaryDirectory() as folder:
        model = str(Path(folder) / "model")
        python = str(venv / "bin" / "python")
        script = [python, str(HERE / "serving_mlflow.py"), str(found.bundle / "model.txt"), model]
        subprocess.run(script, check=True, env=environment(found, venv), capture_output=True)
        command = [str(venv / "bin" / "mlflow"), "models", "serve", "-m", model, "-w", "1"]
        command += ["--env-manager", "local", "-p"]
        with peer(command, found, work / "mlflow.log", venv) as url:
            rows = [
                json.dumps({"dataframe_records": [coded(row)]})
                for row in rows_of(found.folder.parent)
            ]
            answers(f"{url}/invocations", rows[0].encode())
            yield Load(url, ["/invocations"], rows)


def coded(row: Mapping[str, Any]) -> dict[str, Any]:
    """Give a row as the trees see it, by the names that LightGBM gave its columns."""
    values = [float(v.split()[1]) if isinstance(v, str) else v for v in row.values()]
    return {f"f{place}": value for place, value in enumerate(values)}


@contextmanager
def peer(command: list[str], found: Made, log: Path, venv: Path | None = None) -> Iterator[str]:
    """Run what serves on a port of its own until this ends."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with (
        log.open("wb") as said,
        running([*command, str(port)], said, HERE, environment(found, venv)),
    ):
        yield f"http://127.0.0.1:{port}"


def environment(found: Made, venv: Path | None) -> dict[str, str]:
    """Give the environment of what is served beside."""
    own = {"CHURNML_BUNDLE": str(found.bundle), "OMP_NUM_THREADS": "1"}
    if venv is None:
        return {**os.environ, **own}
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    path = f"{venv / 'bin'}{os.pathsep}{kept['PATH']}"
    return {**kept, **own, "PATH": path, "BENTOML_DO_NOT_TRACK": "True"}


def version(venv: Path, package: str) -> str:
    """Tell which version of a package an environment has."""
    code = f"from importlib.metadata import version; print(version({package!r}))"
    command = [str(venv / "bin" / "python"), "-c", code]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def soak(found: Made, work: Path, seconds: int, rate: float) -> Found:
    """Ask at half the rate for long, while bundles take turns."""
    ended = threading.Event()

    def take_turns() -> None:
        number = 0
        while not ended.wait(TURN):
            number += 1
            found.turn(number)

    with serving(found, work / "log") as served:
        start = served.memory()["VmRSS"]
        turning = threading.Thread(target=take_turns)
        turning.start()
        try:
            _, features = loads(found, served)
            pause = round(1000 * CONNECTIONS / (rate / 2))
            result = asked(features, work / "wrk", seconds, pause)
        finally:
            ended.set()
            turning.join()
        memory = served.memory()
    log = (work / "log").read_text(encoding="utf-8").splitlines()
    events = [json.loads(line) for line in log if line.startswith("{")]
    return {
        **asdict(result),
        "seconds": seconds,
        "swaps": sum(event["event"] == "model" for event in events) - 1,
        "bad": sum(event["event"] == "answered" and event["status"] != 200 for event in events),
        "start": start,
        "end": memory["VmRSS"],
        "peak": memory["VmHWM"],
        "load": os.getloadavg()[0],
    }


def main() -> None:
    """Measure and write the page; what is said below its tables is kept."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--soak", type=int, metavar="SECONDS", help="ask at half load for so long")
    parser.add_argument("--bentoml", type=Path, metavar="VENV", help="an environment with BentoML")
    parser.add_argument("--mlflow", type=Path, metavar="VENV", help="an environment with MLflow")
    parser.add_argument("--seconds", type=int, default=10, help="of each of three runs")
    parser.add_argument(
        "--work",
        type=Path,
        metavar="FOLDER",
        default=Path(tempfile.gettempdir()) / "churnml_serving",
        help="where the project and what was measured lie; made if missing",
    )
    given = parser.parse_args()
    work = given.work.resolve()
    found = made(work)
    kept = work / "results.json"
    results: Found = json.loads(kept.read_text(encoding="utf-8")) if kept.is_file() else {}

    def keep(name: str, result: Found) -> None:
        results[name] = result
        print(name, result, flush=True)
        kept.write_text(json.dumps(results), encoding="utf-8")

    began = time.monotonic()
    keep("measured", measured(given, found, work))
    if given.soak:
        keep(
            "soak", soak(found, work, given.soak, results["measured"]["speeds"]["features"]["rate"])
        )
    print(f"{time.monotonic() - began:.0f} s")
    target = HERE / "serving.md"
    old = target.read_text(encoding="utf-8") if target.is_file() else ""
    target.write_text(page(results, old), encoding="utf-8")


if __name__ == "__main__":
    main()
