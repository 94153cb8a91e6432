"""A store in memory, and a service around it as a process: ``in_memory.py PROJECT RECIPE KEY``."""

from __future__ import annotations

import datetime as dt
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from churnml.serving.keys import Scope, StoredKey, make
from churnml.serving.ledger import ScoreRecord

NOW = dt.datetime(2024, 1, 1)


class MemoryKeys:
    def __init__(self) -> None:
        self.kept: dict[str, StoredKey] = {}

    def find(self, key_id: str) -> StoredKey | None:
        return self.kept.get(key_id)

    def all(self) -> list[StoredKey]:
        return list(self.kept.values())


class MemoryScores:
    def __init__(self) -> None:
        self.kept: list[ScoreRecord] = []

    def add(self, records: Sequence[ScoreRecord]) -> None:
        self.kept += [replace(r, number=len(self.kept) + n) for n, r in enumerate(records)]

    def latest(self, recipe: str, account_id: str) -> ScoreRecord | None:
        return next(iter(self.history(recipe, account_id, 1, None, None)), None)

    def history(
        self,
        recipe: str,
        account_id: str,
        limit: int,
        before: dt.datetime | None,
        number: int | None,
    ) -> list[ScoreRecord]:
        found = [r for r in self.kept if (r.recipe, r.account_id) == (recipe, account_id)]
        if before is not None:
            found = [r for r in found if (r.scored_at, r.number) < (before, number)]
        return sorted(found, key=lambda r: (r.scored_at, r.number), reverse=True)[:limit]


class MemoryStore:
    def __init__(self) -> None:
        self.keys = MemoryKeys()
        self.scores = MemoryScores()

    def close(self) -> None:
        pass

    def key(self, *scopes: Scope, rate: float | None = None) -> str:
        """Make a key, and keep it."""
        made = make("test", scopes, NOW, rate=rate)
        self.keys.kept[made.stored.id] = made.stored
        return made.text


def main() -> None:
    from churnml.project import Project
    from churnml.serving.listen import listen
    from churnml.serving.logs import log_to
    from churnml.serving.start import start

    project, recipe, key_file = sys.argv[1:]
    store = MemoryStore()
    Path(key_file).write_text(store.key(Scope.SCORE), encoding="utf-8")
    service = start(Project.load(Path(project)), recipe, store, log_to())
    listen(service, "127.0.0.1", 0)


if __name__ == "__main__":
    main()
