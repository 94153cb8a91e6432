"""The service: what its routes share."""

from __future__ import annotations

import asyncio
import datetime as dt
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from churnml.serving.access import Access
from churnml.serving.accounts import Accounts
from churnml.serving.answers import answer
from churnml.serving.bundles import InCharge, Loaded
from churnml.serving.histories import Histories
from churnml.serving.inbox import Inbox
from churnml.serving.live import Live
from churnml.serving.logs import Log
from churnml.serving.metrics import Metrics
from churnml.serving.names import NamesInCharge
from churnml.serving.scorer import score_bare, score_matrix
from churnml.serving.sent import SentHistories
from churnml.serving.settings import Settings
from churnml.serving.store.scores import ScoreRecord
from churnml.serving.store.store import Store
from churnml.serving.texts import Texts
from churnml.serving.versions import Versions

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from churnml.project import Project
    from churnml.serving.rows import Read
    from churnml.serving.scores import Scored

Result = TypeVar("Result")
_THREADS = 2  # more would only wait for one another


@dataclass(eq=False)
class Service:
    """What routes share.

    Parameters
    ----------
    project : Project
        Whose accounts.
    settings : Settings
        The bounds.
    store : Store
        Keys and the ledger.
    bundles : InCharge
        Which bundle answers.
    histories : Histories or None
        Where accounts' history comes from; none for a recipe of a flat table.
    accounts : Accounts or None
        Scores accounts by id, where there is history.
    inbox : Inbox or None
        Takes events, where there is history.
    sent : SentHistories or None
        Reads history that is sent along.
    live : Live or None
        Adds to history what was posted since.
    metrics : Metrics
        What is measured.
    log : logger
        The log.
    """

    project: Project
    settings: Settings
    store: Store
    bundles: InCharge
    histories: Histories | None
    accounts: Accounts | None
    inbox: Inbox | None
    sent: SentHistories | None
    live: Live | None
    metrics: Metrics
    log: Log
    access: Access = field(init=False)

    def __post_init__(self) -> None:
        self.access = Access(self.store, self.settings)
        self.names = NamesInCharge(self.histories)
        self.texts = Texts(self.project)
        self.versions = Versions(self.project, self.bundles.now.bundle.manifest.name)
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="scores")
        self._last = dt.datetime(1970, 1, 1)
        self._drift_due = 0.0

    async def aside(self, work: Callable[..., Result], *arguments: Any, **named: Any) -> Result:
        """Do what takes long in a thread, so that others are answered meanwhile."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, partial(work, *arguments, **named))

    def answers(self, read: Read, loaded: Loaded) -> list[dict[str, Any]]:
        """Score rows of features, and tell the scores."""
        found = score_matrix(loaded.bundle, read.of, read.matrix, read.values, loaded.telling)
        self.observe(found, read.matrix, loaded)
        return [
            answer(item, loaded, unseen=loaded.unseen(row))
            for item, row in zip(found, read.values, strict=True)
        ]

    def answer(self, read: Read, loaded: Loaded) -> bytes:
        """Score one row of features, and write its score; as `answers`, in less time."""
        (item,), shares = score_bare(loaded.bundle, read.of, read.matrix)
        self.observe((item,), read.matrix, loaded)
        row = read.values[0]
        told = answer(item, loaded, unseen=loaded.unseen(row))
        return loaded.writer.written(told, shares[0], row)

    def observe(
        self,
        found: Sequence[Scored],
        matrix: npt.NDArray[np.float64],
        loaded: Loaded,
        *,
        today: bool = True,
    ) -> None:
        """Count scores, and remember their rows for the drift if they stand so today."""
        self.metrics.scored(item.tier for item in found)
        if today and loaded.drift is not None:
            self.metrics.binned(loaded.drift.add(matrix, [item.probability for item in found]))

    def look_for_drift(self) -> None:
        """Tell how far lies from training what was scored lately, if it is time to."""
        drift = self.bundles.now.drift
        if drift is None or time.monotonic() < self._drift_due:
            return
        self._drift_due = time.monotonic() + self.settings.drift_seconds
        found = drift.measure()
        if found is not None:
            self.metrics.drifted(found)

    def moment(self) -> dt.datetime:
        """Tell the time, UTC and naive: each time a later one, so that answers have an order."""
        now = dt.datetime.now(dt.UTC).replace(tzinfo=None)
        self._last = max(now, self._last + dt.timedelta(microseconds=1))
        return self._last

    def keep(
        self, scored: Sequence[Scored], told: Sequence[dict[str, Any]], at: dt.datetime
    ) -> None:
        """Write answers to the ledger."""
        self.store.scores.add(
            [
                ScoreRecord(
                    account_id=item.account_id,
                    recipe=document["model"]["recipe"],
                    bundle=document["model"]["bundle"],
                    cutoff=item.cutoff,
                    scored_at=at,
                    document=document,
                )
                for item, document in zip(scored, told, strict=True)
            ]
        )

    def close(self) -> None:
        """Let go of threads."""
        self.texts.close()
        self._threads.shutdown(wait=False, cancel_futures=True)
