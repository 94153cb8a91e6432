"""``churnml text show|correct|reread|adapt``: the readings of a project's history."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from churnml.cli import console
from churnml.cli.options import AsJson, ProjectFolder, open_history_project

if TYPE_CHECKING:
    from churnml.history.asof import History
    from churnml.project import Project

_SHOWN = ("text_id", "said_at", "reader", "version", "sentiment")


def show(
    account: Annotated[str, typer.Argument(metavar="ACCOUNT", help="The account's id.")],
    *,
    as_of: Annotated[
        dt.datetime | None,
        typer.Option(
            formats=["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"],
            help="What was known strictly before, UTC; the end of history if omitted.",
        ),
    ] = None,
    project: ProjectFolder = Path(),
    as_json: AsJson = False,
) -> None:
    """Show what an account said, the latest last: each text with its id and what it says.

    The ids are what `churnml text correct` takes.
    """
    from churnml.errors import DataError

    with console.progress() as bar:
        bar.start("reading history")
        history = _history(open_history_project(project), bar)
        view = history.as_of(as_of or history.observed_until).table("readings")
    rows = [row for row in view.to_pylist() if row["account_id"] == account]
    if not rows:
        raise DataError(f"account {account!r} has said nothing that history knows of by then.")
    documents = [_document(row) for row in sorted(rows, key=lambda row: row["said_at"])]
    if as_json:
        console.emit(documents)
        return
    for document in documents:
        line = f"{document['said_at'][:10]}  {document['text_id']}  {document['sentiment'] or '–'}"
        typer.echo(", ".join([line, *document["found"]]) + f"  ({document['reader']})")
        for name, words in document["evidence"].items():
            typer.echo(f"    {name}: “{words}”")


def correct(
    text_id: Annotated[
        str, typer.Argument(metavar="TEXT", help="The text's id, such as messages/m-7.")
    ],
    parts: Annotated[
        list[str],
        typer.Argument(
            metavar="PART=VALUE...",
            help="sentiment=hostile, cancel_request=no, about_support=yes, competitor=Acme, …",
        ),
    ],
    *,
    by: Annotated[str, typer.Option(metavar="NAME", help="Who says so.")],
    project: ProjectFolder = Path(),
) -> None:
    """Correct the reading of a text; what a person says wins from now on, and not before.

    It is a line of data/corrections.csv. Features count it at every cutoff from now on, and
    `churnml text adapt` learns from it.
    """
    from churnml.errors import ConfigError, DataError, nearest
    from churnml.locks import locked
    from churnml.text.corrections import FILE, Correction, add_corrections

    there = open_history_project(project)
    pairs = [part.partition("=") for part in parts]
    if broken := [name for name, sign, _ in pairs if not sign]:
        raise ConfigError(f"{broken[0]!r} has no value; expected PART=VALUE.")
    now = dt.datetime.now(dt.UTC).replace(tzinfo=None, microsecond=0)
    made = [Correction(text_id, name, value, by, now) for name, _, value in pairs]
    with console.progress() as bar:
        bar.start("reading history")
        ids = _history(there, bar).query("SELECT DISTINCT text_id FROM readings")["text_id"]
    known = set(ids.to_pylist())
    if text_id not in known:
        raise DataError(f"no text {text_id!r} in history.{nearest(text_id, known)}")
    with locked(there.var / ".corrections.lock"):
        add_corrections(there.data / FILE, made)
    for item in made:
        typer.echo(f"{text_id}: {item.part} is {item.value or 'none'}, says {by}")


def reread(*, project: ProjectFolder = Path()) -> None:
    """Read all of history anew, by the reader of today.

    What models learnt was read by the reader before it: train again afterwards.
    """
    from churnml.locks import locked
    from churnml.text.archive import Archive
    from churnml.training.tables import readings

    there = open_history_project(project)
    with console.progress() as bar:
        bar.start("reading history")
        version = readings(there).reader().version
        with locked(there.var / ".history.lock"):
            Archive(there.readings).forget()
        history = _history(there, bar)
        count = history.query("SELECT count(DISTINCT text_id) AS n FROM readings")["n"][0].as_py()
    typer.echo(f"{count:,} texts read by version {version}. Train again before you score.")


def adapt(
    out: Annotated[Path, typer.Argument(metavar="MODEL", help="Where the model is written.")],
    *,
    project: ProjectFolder = Path(),
) -> None:
    """Teach the shipped model of tone what people corrected in this project.

    Name the model in data/text.toml (model = "tone.npz"), and read history anew.
    """
    from churnml.text.adaptation import adapted, corrected_texts
    from churnml.text.corrections import FILE, read_corrections

    there = open_history_project(project)
    with console.progress() as bar:
        bar.start("learning tone")
        texts = corrected_texts(_history(there, bar), read_corrections(there.data / FILE))
        model = adapted(texts)
        model.save(out)
    typer.echo(f"Learned {len(texts):,} corrected texts beside the shipped ones.")
    typer.echo(f"{out}  {model.version[:12]}")


def _history(project: Project, bar: console.Bar) -> History:
    from churnml.errors import DataError
    from churnml.training.tables import open_history

    history = open_history(project, bar.share)
    if "readings" not in history.contracts:
        raise DataError("history has no words of customers: no message, ticket or comment.")
    return history


def _document(row: dict[str, Any]) -> dict[str, Any]:
    from churnml.history.tables import INTENTS, THEMES, about

    found = [name for name in INTENTS if row[name]]
    if row["competitor_level"]:
        found.append(f"{row['competitor'] or 'another vendor'} {row['competitor_level']}")
    found += [f"about {name}" for name in THEMES if row[about(name)]]
    return {
        **{name: row[name] for name in _SHOWN},
        "said_at": row["said_at"].isoformat(),
        "found": found,
        "evidence": json.loads(row["evidence"] or "{}"),
    }
