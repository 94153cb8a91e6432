"""Kill the service while events are posted, and see whether anything acknowledged is lost.

    python experiments/kills.py [--kills 200] [--senders 4] [--project FOLDER] [--json]

Senders post batches of events to `churnml serve`, each event under an id of its own, and note what
was acknowledged. At a random moment the process is killed (SIGKILL), and the store is read: every
acknowledged event must be there as it was sent, and of every batch all or nothing. Without
`--project` a small company is made and trained first. Writes experiments/kills.md, unless --json is
given; each kill takes as long as the service takes to start.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pyarrow.parquet as pq

from churnml import scaffold
from churnml.project import Project
from churnml.serving.store.database import Database
from churnml.serving.store.location import store_url
from churnml.serving.store.store import Store
from churnml.simulate import simulate
from churnml.training.workflow import train

HERE = Path(__file__).resolve().parent
CHURNML = [sys.executable, "-m", "churnml"]
LATEST = 1.0  # seconds after the first answer at which the process is killed at the latest


@dataclass
class Tally:
    """What came of all kills."""

    kills: int = 0
    batches: int = 0
    acknowledged: int = 0
    lost: int = 0
    altered: int = 0
    halves: int = 0
    kept_unanswered: int = 0


@dataclass
class Sender:
    """Posts batches until nobody answers."""

    url: str
    key: str
    accounts: list[str]
    at: dt.datetime
    name: str
    dice: random.Random
    sent: dict[str, dict[str, Any]] = field(default_factory=dict)
    batches: list[list[str]] = field(default_factory=list)
    acknowledged: set[str] = field(default_factory=set)
    first: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        """Post until the connection breaks."""
        headers = {"Authorization": f"Bearer {self.key}"}
        with httpx.Client(base_url=self.url, headers=headers, timeout=30) as client:
            while True:
                events = [self._event() for _ in range(self.dice.randint(1, 20))]
                self.batches.append([event["id"] for event in events])
                try:
                    body = {"source": "kills", "events": events}
                    answer = client.post("/v1/events", json=body)
                except httpx.TransportError:
                    return
                answer.raise_for_status()
                self.acknowledged |= {event["id"] for event in events}
                self.first.set()

    def _event(self) -> dict[str, Any]:
        event_id = f"{self.name}-{len(self.sent)}"
        row = {
            "account_id": self.dice.choice(self.accounts),
            "occurred_at": self.at.isoformat(),
            "event": "login",
            "quantity": float(self.dice.randint(1, 9)),
        }
        self.sent[event_id] = row
        return {"id": event_id, "table": "usage", "row": row}


@contextmanager
def served(root: Path, recipe: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Start the service; give its process and where it listens."""
    command = [*CHURNML, "serve", recipe, "--port", "0", "--project", str(root)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        told = (json.loads(line) for line in process.stderr if line.startswith("{"))
        url = next(line["url"] for line in told if line["event"] == "listening")
        # Nobody reads what it says from now on but this, or a full pipe would halt it.
        threading.Thread(target=lambda: list(told), daemon=True).start()
        yield process, url
        process.kill()


def kill_once(
    project: Project, recipe: str, key: str, number: int, senders: int, dice: random.Random
) -> list[Sender]:
    """Post to the service until it is killed."""
    accounts = pq.read_table(project.history / "accounts.parquet")["account_id"].to_pylist()
    at = json.loads((project.history / "manifest.json").read_text())["observed_until"]
    with served(project.root, recipe) as (process, url):
        posting = [
            Sender(url, key, accounts, dt.datetime.fromisoformat(at), f"{number}-{place}",
                   random.Random(dice.random()))
            for place in range(senders)
        ]  # fmt: skip
        threads = [threading.Thread(target=sender.run) for sender in posting]
        for thread in threads:
            thread.start()
        posting[0].first.wait(60)
        time.sleep(dice.uniform(0, LATEST))
        process.kill()
        for thread in threads:
            thread.join()
    return posting


def judge(store: Store, posting: list[Sender], tally: Tally) -> None:
    """Compare what was acknowledged with what is there."""
    whose = {row["account_id"] for sender in posting for row in sender.sent.values()}
    there = {item.event_id: item.row for item in store.events.of_accounts(whose, 0)}
    tally.kills += 1
    for sender in posting:
        tally.batches += len(sender.batches)
        tally.acknowledged += len(sender.acknowledged)
        for event_id in sender.acknowledged:
            tally.lost += event_id not in there
        for event_id, row in sender.sent.items():
            tally.altered += event_id in there and there[event_id] != row
        for batch in sender.batches:
            found = sum(event_id in there for event_id in batch)
            tally.halves += found not in {0, len(batch)}
            tally.kept_unanswered += found if batch[0] not in sender.acknowledged else 0


def company(folder: Path) -> Project:
    """Make a small company, and train a small model of it."""
    scaffold.from_history(folder)
    simulate(folder / "data" / "sample", accounts=300, months=21, seed=3)
    project = Project.load(folder)
    train(project, "churn_90d", lambda _step, _share: None)
    return project


def make_key(root: Path) -> str:
    """Make a key that may post."""
    name = f"kills-{time.time_ns()}"
    command = [*CHURNML, "keys", "create", name, "--scope", "ingest", "--project", str(root)]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def main() -> None:
    """Kill, count and write down."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--senders", type=int, default=4)
    parser.add_argument("--project", type=Path)
    parser.add_argument("--recipe", default="churn_90d")
    parser.add_argument("--json", action="store_true", help="write no page, but one line of JSON")
    given = parser.parse_args()
    dice, tally = random.Random(1), Tally()
    with tempfile.TemporaryDirectory() as place:
        project = Project.load(given.project) if given.project else company(Path(place) / "acme")
        key = make_key(project.root)
        for number in range(given.kills):
            posting = kill_once(project, given.recipe, key, number, given.senders, dice)
            with Store.open(Database(store_url(project)).url) as store:
                judge(store, posting, tally)
            print(f"\r{number + 1} of {given.kills}", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    if given.json:
        print(json.dumps(asdict(tally)))
    else:
        (HERE / "kills.md").write_text(page(tally, given.senders), encoding="utf-8")
    sys.exit(1 if tally.lost or tally.altered or tally.halves else 0)


def page(tally: Tally, senders: int) -> str:
    """Write down what came out."""
    return f"""# Is anything lost that was acknowledged?

Question: {senders} senders post batches of 1 to 20 events to `churnml serve`, which is killed
(SIGKILL) within {LATEST:g} s of its first answer, {tally.kills} times over one store (SQLite). What
is there afterwards?

Command: `python experiments/kills.py --kills {tally.kills} --senders {senders}`

| | |
|---|---|
| kills | {tally.kills:,} |
| batches sent | {tally.batches:,} |
| events acknowledged | {tally.acknowledged:,} |
| of them lost | {tally.lost:,} |
| events that are there otherwise than sent | {tally.altered:,} |
| batches of which a part is there | {tally.halves:,} |
| events kept whose answer the kill cut off | {tally.kept_unanswered:,} |

What was kept and not answered for is posted again by whoever got no answer, and is then told to be
repeated.
"""


if __name__ == "__main__":
    main()
