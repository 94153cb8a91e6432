"""``churnml check``: read history, say what is wrong with it, keep what is clean."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from churnml.cli import console
from churnml.cli.options import AsJson, ProjectFolder, open_history_project

if TYPE_CHECKING:
    from churnml.project import Project


def check(*, project: ProjectFolder = Path(), as_json: AsJson = False) -> None:
    """Read every table of data/sources.toml, check every row, and write clean history.

    What was posted to the service is laid over it.

    Rows that would corrupt a score are set aside in var/quarantine with the reason of each. Exits
    with 1, and leaves clean history as it was, where too much of a table is faulty.
    """
    from churnml.history.ingestion import ingest
    from churnml.history.report import exit_code, render, to_json
    from churnml.locks import locked
    from churnml.training.tables import readings

    there = open_history_project(project)
    with (
        console.progress() as bar,
        # The lock of training and scoring, which read history as well where it is not current.
        locked(there.var / ".history.lock", lambda: bar.start("waiting: history is being read")),
    ):
        _lay_out_posted(there)
        report = ingest(
            there.sources,
            base=there.data,
            into=there.history,
            quarantine=there.quarantine,
            progress=bar.share,
            posted=there.posted,
        )
        # They are laid out anew when history is opened next, also where they were damaged.
        readings(there).forget_tables()
    if as_json:
        typer.echo(to_json(report))
    else:
        render(report, console.stdout(), quarantine=there.quarantine)
    raise typer.Exit(exit_code(report))


def _lay_out_posted(project: Project) -> None:
    """Take what was posted to the service from its store, where there is one."""
    from churnml.errors import ConfigError, StoreError
    from churnml.serving.posting import lay_out
    from churnml.serving.store.database import Database
    from churnml.serving.store.location import store_url
    from churnml.serving.store.store import Store

    try:
        database = Database(store_url(project))
        there = database.revision() is not None
        database.close()
    except (ConfigError, StoreError) as error:
        console.warn(f"what was posted to the service since the last time is left out: {error}")
        return
    if there:
        with Store.open(database.url) as store:
            lay_out(store.events, project.sources.tables_declared(), project.posted)
