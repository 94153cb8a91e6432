"""What the service asks of its store: keys, and the ledger of scores."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Protocol

from churnml.serving.keys import StoredKey
from churnml.serving.store.scores import ScoreRecord


class Keys(Protocol):
    """The keys that are kept."""

    def find(self, key_id: str) -> StoredKey | None:
        """Find a key by its id."""

    def all(self) -> list[StoredKey]:
        """List every key there ever was."""


class Scores(Protocol):
    """The ledger of scores; it is only ever added to."""

    def add(self, records: Sequence[ScoreRecord]) -> None:
        """Keep answers, all or none, before they are given."""

    def latest(self, recipe: str, account_id: str) -> ScoreRecord | None:
        """Give the answer that was given last."""

    def history(
        self,
        recipe: str,
        account_id: str,
        limit: int,
        before: dt.datetime | None,
        number: int | None,
    ) -> list[ScoreRecord]:
        """Give the answers after one in the ledger's order, the last first; all if None."""


class Store(Protocol):
    """All that is kept."""

    @property
    def keys(self) -> Keys:
        """The keys."""

    @property
    def scores(self) -> Scores:
        """The ledger."""

    def close(self) -> None:
        """Let go of the database."""
