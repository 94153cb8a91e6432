"""The start of the service: what it needs, opened and put together."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

from churnml.labels import ColumnLabel
from churnml.serving.accounts import Accounts
from churnml.serving.bundles import InCharge, Loaded
from churnml.serving.histories import Histories
from churnml.serving.inbox import Inbox
from churnml.serving.live import Live
from churnml.serving.metrics import Metrics
from churnml.serving.sent import SentHistories
from churnml.serving.service import Service
from churnml.serving.settings import Settings

if TYPE_CHECKING:
    from churnml.errors import ChurnMLError
    from churnml.history.asof import History
    from churnml.project import Project
    from churnml.serving.logs import Log
    from churnml.serving.store.store import Store


def start(
    project: Project,
    recipe: str,
    store: Store,
    log: Log,
    *,
    model: str | None = None,
    settings: Settings | None = None,
) -> Service:
    """Open what a service needs.

    Parameters
    ----------
    project : Project
        Whose accounts.
    recipe : str
        By which recipe they are scored.
    store : Store
        Keys and the ledger.
    log : logger
        Told what happens from now on.
    model : str, optional
        As for `churnml.training.shelf.choose`.
    settings : Settings, optional
        The bounds.

    Raises
    ------
    ChurnMLError
        If there is no bundle, or no history that it could score.
    """
    metrics = Metrics()

    def swapped(loaded: Loaded) -> None:
        metrics.model(recipe, loaded.bundle.id, loaded.role)
        metrics.expected(loaded.drift.expected if loaded.drift is not None else ())
        log.info("model", recipe=recipe, bundle=loaded.bundle.id, role=loaded.role)

    def opened(history: History) -> None:
        until = history.observed_until.replace(tzinfo=dt.UTC)
        metrics.observed(until.timestamp())
        log.info("history", observed_until=until.isoformat())

    def bundle_refused(error: ChurnMLError) -> None:
        metrics.refused()
        log.error("model refused", recipe=recipe, why=str(error))

    def history_refused(error: ChurnMLError) -> None:
        log.error("history refused", why=str(error))

    bundles = InCharge(project, recipe, model, swapped=swapped, refused=bundle_refused)
    histories = accounts = inbox = sent = live = None
    if not isinstance(bundles.now.bundle.manifest.label, ColumnLabel):
        histories = Histories(project, opened=opened, refused=history_refused)
        live = Live(project, store.events)
        accounts = Accounts(project, histories, live)
        inbox = Inbox(project.sources, store.events)
        sent = SentHistories(histories, live)
    bounds = settings or Settings()
    return Service(
        project, bounds, store, bundles, histories, accounts, inbox, sent, live, metrics, log
    )
