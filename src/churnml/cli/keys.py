"""``churnml keys``: who may use the service, and for what."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from churnml.cli import console
from churnml.cli.options import AsJson, ProjectFolder
from churnml.cli.store import StoreUrl, opened

if TYPE_CHECKING:
    from churnml.serving.keys import NewKey, Scope, StoredKey
    from churnml.serving.store.store import Store

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None)

Which = Annotated[str, typer.Argument(metavar="KEY", help="Its id, or its name if one key has it.")]
Days = Annotated[
    float | None, typer.Option("--expires", metavar="DAYS", help="After which it opens nothing.")
]


@app.command("create", short_help="Make a key, and show it this once.")
def create(
    name: Annotated[str, typer.Argument(help="Who or what will use it.")],
    *,
    scope: Annotated[
        list[str],
        typer.Option(
            "--scope", metavar="SCOPE", help="score, ingest, act or admin; may be repeated."
        ),
    ],
    expires: Days = None,
    rate: Annotated[
        float | None,
        typer.Option(metavar="N", help="Requests per second; the service's own limit if omitted."),
    ] = None,
    project: ProjectFolder = Path(),
    url: StoreUrl = None,
    as_json: AsJson = False,
) -> None:
    """Make a key and print it: once, since the store keeps only what tells it from a forged one.

    A project without a store gets one.
    """
    from churnml.errors import ConfigError
    from churnml.serving import keys

    now = _now()
    made = keys.make(name, _scopes(scope), now, lifetime=_days(expires), rate=rate)
    with _store(project, url, make=True) as store:
        for key in _open(store, now):
            if key.name == name and key.revoked_at is None:
                raise ConfigError(
                    f"key {key.id} has the name {name!r}. `churnml keys rotate {key.id}` puts "
                    "another in its place; or choose another name."
                )
        store.keys.add(made.stored)
        store.audit.add(now, None, "keys.create", made.stored.id)
    _show_new(made, as_json=as_json)


@app.command("list", short_help="Show all keys, without their secrets.")
def list_keys(
    *, project: ProjectFolder = Path(), url: StoreUrl = None, as_json: AsJson = False
) -> None:
    """Show every key there ever was, the oldest first, and whether it opens anything."""
    now = _now()
    with _store(project, url) as store:
        found = store.keys.all()
    if as_json:
        console.emit([_document(key, now) for key in found])
        return
    if not found:
        typer.echo("No keys yet. `churnml keys create NAME --scope score` makes one.")
        return
    from rich.table import Table
    from rich.text import Text

    columns = ("id", "name", "scopes", "made", "expires", "rate", "state")  # days, UTC
    table = Table(*columns, box=None, pad_edge=False)
    for key in found:
        shown = _document(key, now)
        table.add_row(
            key.id,
            Text(key.name),
            " ".join(shown["scopes"]),
            f"{key.created_at:%Y-%m-%d}",
            "never" if key.expires_at is None else f"{key.expires_at:%Y-%m-%d}",
            "–" if key.rate is None else f"{key.rate:g}/s",
            shown["state"],
        )
    console.stdout().print(table)


@app.command("revoke", short_help="Take a key back, at once.")
def revoke(
    key: Which, *, project: ProjectFolder = Path(), url: StoreUrl = None, as_json: AsJson = False
) -> None:
    """Take a key back: from now on it opens nothing."""
    now = _now()
    with _store(project, url) as store:
        meant = _meant(key, store.keys.all(), now)
        store.keys.revoke(meant.id, now)
        store.audit.add(now, None, "keys.revoke", meant.id)
        after = store.keys.find(meant.id) or meant
    if as_json:
        console.emit(_document(after, now))
        return
    typer.echo(f"key {after.id} ({after.name!r}) is {after.ended(now)}: it opens nothing any more.")


@app.command("rotate", short_help="Put a new key in the place of one, with an overlap.")
def rotate(
    key: Which,
    *,
    overlap: Annotated[
        float,
        typer.Option(metavar="HOURS", min=0, help="For which the old key goes on beside it."),
    ] = 24.0,
    expires: Days = None,
    project: ProjectFolder = Path(),
    url: StoreUrl = None,
    as_json: AsJson = False,
) -> None:
    """Make a key with the name, scopes and rate of another, which ends after the overlap.

    It lives as long as the other was to live, unless --expires says otherwise.
    """
    from churnml.serving import keys

    now = _now()
    with _store(project, url) as store:
        old = _meant(key, store.keys.all(), now)
        made = keys.successor(old, now, _days(expires))
        until = keys.later(now, _span(hours=overlap))
        store.keys.rotate(old.id, made.stored, until)
        store.audit.add(now, None, "keys.rotate", f"{old.id} {made.stored.id}")
    _show_new(made, as_json=as_json, instead=f"{old.id} goes on until {_minute(until)} UTC. ")


@contextmanager
def _store(project: Path, url: str | None, *, make: bool = False) -> Iterator[Store]:
    from churnml.serving.store.revisions import upgrade
    from churnml.serving.store.store import Store

    with opened(project, url) as database:
        if make and database.revision() is None:
            upgrade(database)
        with Store.open(database.url) as store:
            yield store


def _meant(given: str, found: Sequence[StoredKey], now: dt.datetime) -> StoredKey:
    """Find the key that is meant by its id, or by the name of one that opens something."""
    from churnml.errors import ConfigError, nearest

    by_id = [key for key in found if key.id == given]
    named = [key for key in found if key.name == given and key.ended(now) is None]
    meant = by_id or named
    if len(meant) == 1:
        return meant[0]
    if meant:
        ids = ", ".join(key.id for key in meant)
        raise ConfigError(f"several keys are named {given!r}; give the id of one: {ids}.")
    live = {word for key in found if key.ended(now) is None for word in (key.id, key.name)}
    raise ConfigError(f"no key {given!r} that opens anything.{nearest(given, live)}")


def _open(store: Store, now: dt.datetime) -> list[StoredKey]:
    return [key for key in store.keys.all() if key.ended(now) is None]


def _scopes(given: Sequence[str]) -> list[Scope]:
    from churnml.errors import ConfigError, nearest
    from churnml.serving.keys import Scope

    names = [scope.value for scope in Scope]
    for name in given:
        if name not in names:
            raise ConfigError(f"no scope {name!r}.{nearest(name, names)}")
    return [Scope(name) for name in given]


def _days(given: float | None) -> dt.timedelta | None:
    return None if given is None else _span(days=given)


def _span(*, days: float = 0.0, hours: float = 0.0) -> dt.timedelta:
    from churnml.errors import ConfigError

    try:
        return dt.timedelta(days=days, hours=hours)
    except (OverflowError, ValueError) as error:
        raise ConfigError(f"{days or hours!r} is no span of time; expected a number.") from error


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC).replace(tzinfo=None)


def _minute(at: dt.datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M}"


def _document(key: StoredKey, now: dt.datetime) -> dict[str, Any]:
    ending = "ends " + _minute(key.revoked_at) if key.revoked_at is not None else "open"
    return {
        "id": key.id,
        "name": key.name,
        "scopes": sorted(key.scopes),
        "created_at": key.created_at.isoformat(),
        "expires_at": None if key.expires_at is None else key.expires_at.isoformat(),
        "revoked_at": None if key.revoked_at is None else key.revoked_at.isoformat(),
        "rate": key.rate,
        "state": key.ended(now) or ending,
    }


def _show_new(made: NewKey, *, as_json: bool, instead: str = "") -> None:
    if as_json:
        console.emit({"key": made.text, **_document(made.stored, made.stored.created_at)})
        return
    typer.echo(made.text)
    expires = made.stored.expires_at
    until = "never expires" if expires is None else f"expires {_minute(expires)} UTC"
    typer.echo(
        f"{made.stored.id} ({made.stored.name!r}) opens {', '.join(sorted(made.stored.scopes))} "
        f"and {until}. {instead}It is shown this once: keep it where secrets are kept.",
        err=True,
    )
