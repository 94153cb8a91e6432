"""``churnml serve``: answer over HTTP who may leave, and why."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from churnml.cli import console
from churnml.cli.options import ModelName, ProjectFolder, begun

if TYPE_CHECKING:
    from churnml.project import Project
    from churnml.serving.logs import Log
    from churnml.serving.store.store import Store


def serve(
    recipe: Annotated[
        str | None,
        typer.Argument(help="The recipe that was trained; may be omitted if there is one."),
    ] = None,
    *,
    model: ModelName = None,
    host: Annotated[
        str, typer.Option(help="Where to listen; this machine alone if omitted.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 for any that is free.")] = 8000,
    workers: Annotated[
        int, typer.Option(min=1, max=64, metavar="N", help="Processes that answer.")
    ] = 1,
    trial: Annotated[
        bool,
        typer.Option("--trial", help="Make a key that ends with the service; show a line to ask."),
    ] = False,
    project: ProjectFolder = Path(),
) -> None:
    """Serve scores over HTTP, to whoever shows a key.

    Exits with 0 where it was told to stop and what was begun had been answered.
    """
    # Read when LightGBM is loaded: threads beside an event loop only wait for one another.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    with ExitStack() as ending:
        with begun(project, recipe) as run:
            if workers == 1:
                from churnml.serving.lean import be_lean

                be_lean(run.project, run.recipe)
            from churnml.serving.logs import log_to
            from churnml.serving.sockets import bound, url_of
            from churnml.serving.trial import trial_key

            there = ending.enter_context(bound(host, port))
            store = ending.enter_context(_open_store(run.project, make=trial))
            key = ending.enter_context(trial_key(store)) if trial else None
            _warn_without_key(store)
            log = log_to()
            ready = _telling(run.project, run.recipe, log, url_of(there), key)
            serving: Callable[[], bool]
            if workers == 1:
                from churnml.serving.listen import listen
                from churnml.serving.start import start

                service = start(run.project, run.recipe, store, log, model=model)
                serving = partial(listen, service, there, ready)
            else:
                from churnml.serving.worker import Plan
                from churnml.serving.workers import Workers

                plan = Plan(run.project.root, run.recipe, model)
                serving = Workers(plan, there, workers, log, ready).run
        if not serving():
            raise typer.Exit(1)


def _warn_without_key(store: Store) -> None:
    if not any(key.revoked_at is None for key in store.keys.all()):
        console.warn("there is no key yet, so nobody can ask. `churnml keys create` makes one.")


def _telling(
    project: Project, recipe: str, log: Log, url: str, key: str | None
) -> Callable[[], None]:
    """Tell that the service listens, and where it is on trial how it is asked."""
    from churnml.serving.notify import notify
    from churnml.serving.trial import question

    line = None if key is None else question(project, recipe, url, key)

    def tell() -> None:
        log.info("listening", url=url)
        notify("READY=1")
        if line is not None:
            typer.echo(f"\n{url} answers until Ctrl-C. Ask, in another terminal:\n\n    {line}\n")

    return tell


def _open_store(project: Project, *, make: bool) -> Store:
    from churnml.serving.store.database import Database
    from churnml.serving.store.location import store_url
    from churnml.serving.store.revisions import upgrade
    from churnml.serving.store.store import Store

    url = store_url(project)
    if make:
        database = Database(url)
        try:
            if database.revision() is None:
                upgrade(database)
        finally:
            database.close()
    return Store.open(url)
