"""``churnml serve``: answer over HTTP who may leave, and why."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from churnml.cli import console
from churnml.cli.options import ModelName, ProjectFolder, begun

if TYPE_CHECKING:
    from churnml.project import Project
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
    project: ProjectFolder = Path(),
) -> None:
    """Serve scores over HTTP, to whoever shows a key."""
    # Read when LightGBM is loaded: threads beside an event loop only wait for one another.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    with begun(project, recipe) as run:
        from churnml.serving.listen import listen
        from churnml.serving.logs import log_to
        from churnml.serving.start import start

        store = _open_store(run.project)
        if not any(key.revoked_at is None for key in store.keys.all()):
            console.warn("there is no key yet, so nobody can ask. `churnml keys create` makes one.")
        service = start(run.project, run.recipe, store, log_to(), model=model)
    try:
        listen(service, host, port)
    finally:
        store.close()


def _open_store(project: Project) -> Store:
    from churnml.serving.store.location import store_url
    from churnml.serving.store.store import Store

    return Store.open(store_url(project))
