"""``churnml store``: what the service keeps is made, upgraded, copied and put back."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from churnml.cli import console
from churnml.cli.options import AsJson, ProjectFolder, open_project

if TYPE_CHECKING:
    from churnml.serving.store.audit import AuditRecord
    from churnml.serving.store.backups import Copied
    from churnml.serving.store.database import Database
    from churnml.serving.store.revisions import Moved

_WIDE = 600  # characters that are shown of an id

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None)

StoreUrl = Annotated[
    str | None,
    typer.Option(
        "--url",
        metavar="URL",
        help="Where the store lies, such as sqlite:///service.db; as the project says if omitted.",
    ),
]


@contextmanager
def opened(folder: Path, url: str | None) -> Iterator[Database]:
    """Give the database of the store that is meant, whatever its schema is.

    Parameters
    ----------
    folder : Path
        Of the project, which is not looked at where a URL is given.
    url : str, optional
        As it was given.

    Raises
    ------
    ConfigError, StoreError
        If it cannot be told or reached.
    """
    from churnml.serving.store.database import Database
    from churnml.serving.store.location import store_url

    database = Database(store_url(open_project(folder)) if url is None else url)
    try:
        yield database
    finally:
        database.close()


@app.command("upgrade", short_help="Make a store, or bring it up to this version.")
def upgrade(
    *, project: ProjectFolder = Path(), url: StoreUrl = None, as_json: AsJson = False
) -> None:
    """Make a store where there is none, or bring its schema up to this version of churnml."""
    from churnml.serving.store import revisions

    with opened(project, url) as database:
        moved = revisions.upgrade(database)
        _show_move(database, moved, as_json=as_json)


@app.command("downgrade", short_help="Bring a store back to an earlier version's schema.")
def downgrade(
    revision: Annotated[
        str | None,
        typer.Argument(help="The schema, or 'base' for none at all; the one before if omitted."),
    ] = None,
    *,
    lose: Annotated[
        bool, typer.Option("--lose", help="Let go of the rows that it has no place for.")
    ] = False,
    project: ProjectFolder = Path(),
    url: StoreUrl = None,
    as_json: AsJson = False,
) -> None:
    """Bring a store back to an earlier schema; refused, and told, where rows would be lost."""
    from churnml.serving.store import revisions

    with opened(project, url) as database:
        moved = revisions.downgrade(database, revision, lose=lose)
        _show_move(database, moved, as_json=as_json)


@app.command("backup", short_help="Copy a store to a file, while it is in use.")
def backup(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="What to write; must not be there.")],
    *,
    project: ProjectFolder = Path(),
    url: StoreUrl = None,
    as_json: AsJson = False,
) -> None:
    """Copy a store to a file as it is at one instant, and read the copy to see that it is whole."""
    from churnml.serving.store import backups

    with opened(project, url) as database:
        copied = backups.backup(database, file)
        label = database.label
    _show_copy(f"{label} is in {file}", copied, as_json=as_json)


@app.command("restore", short_help="Put a store back from a file.")
def restore(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="What `store backup` wrote.")],
    *,
    replace: Annotated[
        bool, typer.Option("--replace", help="Let go of the rows that are there.")
    ] = False,
    project: ProjectFolder = Path(),
    url: StoreUrl = None,
    as_json: AsJson = False,
) -> None:
    """Check a file and put the store back from it, whole or not at all, also while it is in use."""
    from churnml.serving.store import backups

    with opened(project, url) as database:
        copied = backups.restore(database, file, replace=replace)
        label = database.label
    _show_copy(f"{label} is as {file} has it", copied, as_json=as_json)


@app.command("status", short_help="Tell what a store has.")
def status(
    *, project: ProjectFolder = Path(), url: StoreUrl = None, as_json: AsJson = False
) -> None:
    """Tell where the store is, its schema and its rows; exits with 1 where it is to be upgraded."""
    from churnml.serving.store.backups import count
    from churnml.serving.store.schema import HEAD

    with opened(project, url) as database:
        revision = database.revision()
        rows = {}
        if revision is not None:
            with database.reading() as connection:
                rows = count(connection)
        label = database.label
    if as_json:
        console.emit({"store": label, "schema": revision, "expected": HEAD, "rows": rows})
    else:
        typer.echo(f"store     {label}")
        typer.echo(f"schema    {revision or 'none yet'}, expected {HEAD}")
        for name, number in rows.items():
            typer.echo(f"{name:9} {number:,}")
        if revision != HEAD:
            typer.echo("`churnml store upgrade` makes it as it has to be.")
    raise typer.Exit(0 if revision == HEAD else 1)


@app.command("audit", short_help="Show who did what, and who read whose data.")
def audit(
    *,
    since: Annotated[
        dt.datetime | None,
        typer.Option(
            formats=["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"],
            help="From then on, UTC; from the beginning if omitted.",
        ),
    ] = None,
    account: Annotated[
        str | None,
        typer.Option(
            "--account", metavar="ACCOUNT", help="About this account and its texts alone."
        ),
    ] = None,
    project: ProjectFolder = Path(),
    url: StoreUrl = None,
    as_json: AsJson = False,
) -> None:
    """Show every write and every reading of personal data, the earliest first.

    A line tells when (UTC), by whose key, what was done, to what or whom, and in which request.
    """
    from churnml.serving.store.store import Store

    with opened(project, url) as database, Store.open(database.url) as store:
        names = {key.id: key.name for key in store.keys.all()}
        found = (_entry(record, names) for record in store.audit.records(since, account))
        if as_json:
            console.emit(list(found))
            return
        for entry in found:
            key = f"{entry['key_id']} ({entry['key_name']})" if entry["key_id"] else "command line"
            words = (entry["at"][:19], key, entry["action"], entry["subject"], entry["request_id"])
            typer.echo("  ".join(console.one_line(word or "–", _WIDE) for word in words))


def _entry(record: AuditRecord, names: Mapping[str, str]) -> dict[str, Any]:
    return {
        "at": f"{record.at.isoformat()}Z",
        "key_id": record.key_id,
        "key_name": names.get(record.key_id or ""),
        "action": record.action,
        "subject": record.subject,
        "request_id": record.request_id,
    }


def _show_move(database: Database, moved: Moved, *, as_json: bool) -> None:
    if as_json:
        console.emit(
            {
                "store": database.label,
                "before": moved.before,
                "after": moved.after,
                "lost": moved.lost,
            }
        )
        return
    after = moved.after or "none at all"
    if moved.before == moved.after:
        typer.echo(f"{database.label}: its schema is {after}, as it was.")
    else:
        typer.echo(
            f"{database.label}: its schema is {after}; it was {moved.before or 'not there'}."
        )
    for table, number in moved.lost.items():
        typer.echo(f"lost: {number:,} of {table}")


def _show_copy(done: str, copied: Copied, *, as_json: bool) -> None:
    if as_json:
        console.emit({"schema": copied.revision, "rows": copied.rows})
        return
    rows = ", ".join(f"{number:,} of {name}" for name, number in copied.rows.items())
    typer.echo(f"{done}: schema {copied.revision}; {rows}.")
