"""What `serving.py` serves: a project with a model of one size, and the service as a process."""

from __future__ import annotations

import datetime as dt
import json
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.csv as pc

from churnml.serving.store.scores import ScoreRecord
from churnml.serving.store.store import Store
from churnml.training import bundle as bundles

NUMBERS, CATEGORIES, CODES = 97, 3, 8
FOLDS, ROUNDS, LEAVES = 5, 60, 31
ROWS = 30_000
ACCOUNTS, ANSWERS = 5_000, 2
BODIES = 500
RECIPE = "churn"
CHURNML = str(Path(sys.executable).with_name("churnml"))
_AT_ONCE = 500
_PATIENCE = 120.0  # seconds until something answers
_MODEL = f"""
[model]
shapes = []
folds = {FOLDS}
max_rounds = {ROUNDS}
early_stopping_rounds = {ROUNDS}
seed = %d

[[model.own_shapes]]
name = "measured"
num_leaves = {LEAVES}
learning_rate = 0.03
"""


@dataclass(frozen=True)
class Made:
    """A project that can be served.

    Parameters
    ----------
    folder : Path
        Where it lies.
    key : str
        Opens it.
    bundles : tuple of str
        Two that may take turns.
    """

    folder: Path
    key: str
    bundles: tuple[str, ...]

    @property
    def home(self) -> Path:
        """Where its bundles lie."""
        return self.folder / "var" / "bundles" / RECIPE

    @property
    def bundle(self) -> Path:
        """The one that is measured."""
        return self.home / self.bundles[0]

    def turn(self, number: int) -> None:
        """Let another bundle be the latest, as training does."""
        beside = self.home / ".latest"
        beside.write_text(self.bundles[number % len(self.bundles)] + "\n", encoding="utf-8")
        beside.replace(self.home / "latest")


def made(folder: Path) -> Made:
    """Make the project, or take up one that an earlier run made there."""
    kept = folder / "made.json"
    if not kept.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        pc.write_csv(_table(), folder / "accounts.csv")
        project = folder / "project"
        _churnml(folder, "init", "project", "--table", "accounts.csv", "--label", RECIPE)
        recipe = project / "training" / f"{RECIPE}.toml"
        text = recipe.read_text(encoding="utf-8")
        for seed in (1, 0):
            recipe.write_text(text + _MODEL % seed, encoding="utf-8")
            _churnml(project, "train", RECIPE)
        key = _churnml(project, "keys", "create", "wrk", "--scope", "score", "--rate", "1000000")
        home = project / "var" / "bundles" / RECIPE
        latest = (home / "latest").read_text(encoding="utf-8").strip()
        names = [item.name for item in home.iterdir() if item.is_dir()]
        names.sort(key=lambda name: name != latest)
        kept.write_text(json.dumps({"key": key.strip(), "bundles": names}), encoding="utf-8")
    found = json.loads(kept.read_text(encoding="utf-8"))
    result = Made(folder / "project", found["key"], tuple(found["bundles"]))
    result.turn(0)
    return result


def _churnml(folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        [CHURNML, *arguments], cwd=folder, check=True, stdout=subprocess.PIPE, text=True
    )
    return done.stdout


def _table() -> pa.Table:
    """Make up accounts: a tenth of their numbers missing, three categories, a quarter left."""
    rng = np.random.default_rng(20)
    numbers = rng.normal(size=(ROWS, NUMBERS)).round(3)
    numbers[:, :5] = (numbers[:, :5] * 2).round()
    codes = rng.integers(0, CODES, (ROWS, CATEGORIES))
    weights = rng.normal(size=NUMBERS) * 0.15
    odds = numbers @ weights + numbers[:, 0] * numbers[:, 6] + np.sin(3 * numbers[:, 7])
    odds += codes[:, 0] % 3 - 2.5
    left = rng.random(ROWS) < 1 / (1 + np.exp(-odds))
    blank = rng.random(numbers.shape) < 0.1
    columns = {
        f"number_{place:02d}": pa.array(numbers[:, place], mask=blank[:, place])
        for place in range(NUMBERS)
    }
    columns |= {
        f"category_{place}": pa.array([f"value {code}" for code in codes[:, place]])
        for place in range(CATEGORIES)
    }
    return pa.table({**columns, RECIPE: pa.array(np.where(left, "yes", "no"))})


def rows_of(folder: Path) -> list[dict[str, Any]]:
    """Give rows of features, as they are sent."""
    features = NUMBERS + CATEGORIES
    table = pc.read_csv(folder / "accounts.csv").slice(0, BODIES)
    return list(table.select(table.column_names[:features]).to_pylist())


def size_of(found: Made) -> str:
    """Tell the size of a model, from the bundle itself."""
    model = bundles.load(found.bundle).model
    leaves = [int(line[11:]) for line in model.text.splitlines() if line.startswith("num_leaves=")]
    return f"{len(leaves)} trees of {min(leaves)} to {max(leaves)} leaves"


@dataclass(frozen=True)
class Served:
    """A process that serves.

    Parameters
    ----------
    url : str
        Where it listens.
    pid : int
        Its number.
    first : float
        Seconds from its start to the first answer.
    log : Path
        What it says.
    """

    url: str
    pid: int
    first: float
    log: Path

    def memory(self) -> dict[str, float]:
        """Tell what it takes and took at most, in MB."""
        lines = Path(f"/proc/{self.pid}/status").read_text(encoding="ascii").splitlines()
        found = dict(line.split(":", 1) for line in lines)
        return {name: int(found[name].split()[0]) * 1024 / 1e6 for name in ("VmHWM", "VmRSS")}


@contextmanager
def serving(found: Made, log: Path) -> Iterator[Served]:
    """Serve a project until this ends."""
    row = json.dumps({"features": rows_of(found.folder.parent)[0]}).encode()
    begun = time.perf_counter()
    with (
        log.open("wb") as file,
        running([CHURNML, "serve", RECIPE, "--port", "0"], file, found.folder) as pid,
    ):
        url = _listening(log)
        headers = {"Authorization": f"Bearer {found.key}"}
        answers(f"{url}/v1/scores/features", row, headers)
        yield Served(url, pid, time.perf_counter() - begun, log)


@contextmanager
def running(
    command: list[str], log: BinaryIO, folder: Path, environment: Mapping[str, str] | None = None
) -> Iterator[int]:
    """Run a process until this ends, and give its number."""
    process = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log, env=environment)
    try:
        yield process.pid
    finally:
        process.terminate()
        process.wait(60)


def _listening(log: Path) -> str:
    until = time.monotonic() + _PATIENCE
    while time.monotonic() < until:
        for line in log.read_text(encoding="utf-8").splitlines():
            if '"listening"' in line:
                return str(json.loads(line)["url"])
        time.sleep(0.01)
    raise TimeoutError(f"{log}: the service does not listen")


def answers(url: str, body: bytes | None = None, headers: Mapping[str, str] | None = None) -> bytes:
    """Ask until there is an answer, and give it."""
    until = time.monotonic() + _PATIENCE
    request = urllib.request.Request(  # noqa: S310 - of this machine
        url, body, {"Content-Type": "application/json", **(headers or {})}
    )
    while True:
        try:
            with urllib.request.urlopen(request) as answer:  # noqa: S310
                return bytes(answer.read())
        except urllib.error.HTTPError as error:
            raise ValueError(f"{url}: {error.status}: {error.read()[:500]!r}") from error
        except OSError:
            if time.monotonic() > until:
                raise
            time.sleep(0.01)


def fill(found: Made, served: Served) -> int:
    """Have every account scored by its features, and keep the answers as the service keeps them."""
    rows = rows_of(found.folder.parent)
    store = Store.open(f"sqlite:///{found.folder / 'var' / 'service.db'}")
    with store:
        if store.scores.latest(RECIPE, account(ACCOUNTS - 1)) is None:
            for first in range(0, ACCOUNTS, _AT_ONCE):
                _fill(found, served, store, rows, range(first, first + _AT_ONCE))
    return ACCOUNTS * ANSWERS


def account(place: int) -> str:
    """Name an account."""
    return f"A{place:06d}"


def _fill(
    found: Made, served: Served, store: Store, rows: list[dict[str, Any]], places: range
) -> None:
    asked = [
        {"account_id": account(place), "arr": 12_000.0, "features": rows[place % len(rows)]}
        for place in places
    ]
    headers = {"Authorization": f"Bearer {found.key}"}
    told = json.loads(
        answers(f"{served.url}/v1/scores/batch", json.dumps({"rows": asked}).encode(), headers)
    )
    for number in range(ANSWERS):
        at = dt.datetime(2026, 1, 1 + number)
        store.scores.add(
            [
                ScoreRecord(
                    account_id=document["account_id"],
                    recipe=RECIPE,
                    bundle=document["model"]["bundle"],
                    cutoff=None,
                    scored_at=at,
                    document={**document, "scored_at": f"{at.isoformat()}Z"},
                )
                for document in told["scores"]
            ]
        )
