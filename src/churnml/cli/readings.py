"""``churnml text show|correct|reread|adapt``: the readings of a project's history."""

from __future__ import annotations

import datetime as dt
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from churnml.cli import console
from churnml.cli.options import AsJson, AsOf, ProjectFolder, open_history_project

if TYPE_CHECKING:
    from collections.abc import Sequence

    from churnml.history.asof import History
    from churnml.project import Project
    from churnml.text.adaptation import Corrected
    from churnml.text.corrections import Correction
    from churnml.text.phrases import PhraseModel
    from churnml.text.sentiment import SentimentModel

_SHOWN = ("text_id", "said_at", "reader", "version", "sentiment")


class Taught(StrEnum):
    """What corrections can teach."""

    TONE = "tone"
    INTENTS = "intents"
    LEVELS = "levels"


def show(
    account: Annotated[str, typer.Argument(metavar="ACCOUNT", help="The account's id.")],
    *,
    as_of: AsOf = None,
    project: ProjectFolder = Path(),
    as_json: AsJson = False,
) -> None:
    """Show what an account said, the latest last: each text with its id and what it says.

    The ids are what `churnml text correct` takes.
    """
    from churnml.errors import DataError
    from churnml.history.asof import as_of_select

    with console.progress() as bar:
        bar.start("reading history")
        history = _history(open_history_project(project), bar)
        # Corrections are younger than the newest export, and are to be seen all the same.
        cutoff = as_of or dt.datetime.now(dt.UTC).replace(tzinfo=None)
        known = as_of_select(history.contract("readings"), cutoff)
        view = known.sql(dialect="duckdb", identify=True)
        rows = history.query(
            f"SELECT * FROM ({view}) WHERE account_id = $account ORDER BY said_at, text_id",
            {"account": account},
        ).to_pylist()
    if not rows:
        raise DataError(f"account {account!r} has said nothing that history knows of by then.")
    documents = [_document(row) for row in rows]
    if as_json:
        console.emit(documents)
        return
    for document in documents:
        line = f"{document['said_at'][:10]}  {document['text_id']}  {document['sentiment'] or '–'}"
        typer.echo(", ".join([line, *document["found"]]) + f"  ({document['reader']})")
        for name, words in document["evidence"].items():
            typer.echo(f"    {name}{console.quoted(words)}")


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

    It is a line of data/corrections.csv. Signs, responses and the mix show it at once, features
    count it at every cutoff from now on, and `churnml text adapt` learns from it.
    """
    from churnml.errors import ConfigError
    from churnml.text.correcting import keep, require_own, speaker
    from churnml.text.corrections import Correction

    there = open_history_project(project)
    pairs = [part.partition("=") for part in parts]
    if broken := [name for name, sign, _ in pairs if not sign]:
        raise ConfigError(f"{broken[0]!r} has no value; expected PART=VALUE.")
    require_own(there.sources)
    now = dt.datetime.now(dt.UTC).replace(tzinfo=None)
    made = [Correction(text_id, name, value, by, now) for name, _, value in pairs]
    with console.progress() as bar:
        bar.start("reading history")
        speaker(_history(there, bar), text_id)
    keep(there.data, there.var, made)
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
            readings(there).forget_tables()
        history = _history(there, bar)
        count = history.query("SELECT count(DISTINCT text_id) AS n FROM readings")["n"][0].as_py()
    typer.echo(f"{count:,} texts read by version {version}. Train again before you score.")


def adapt(
    out: Annotated[Path, typer.Argument(metavar="MODEL", help="Where the model is written.")],
    *,
    of: Annotated[Taught, typer.Option("--of", help="What the model reads.")] = Taught.TONE,
    project: ProjectFolder = Path(),
) -> None:
    """Teach a shipped model what people corrected in this project.

    Name it in data/text.toml (model = "tone.npz", intents = "intents.npz" or levels =
    "levels.npz"), and read history anew.
    """
    from churnml.text.corrections import FILE, read_corrections

    there = open_history_project(project)
    with console.progress() as bar:
        bar.start(f"learning {of.value}")
        history = _history(there, bar)
        model, told = _taught(there, history, read_corrections(there.data / FILE), of)
        model.save(out)
    if told.passed_over:
        console.warn(
            f"{told.passed_over:,} more texts were corrected that teach nothing: they are no "
            "longer in history, or do not name the competitor that is meant."
        )
    typer.echo(f"Learned {len(told.texts):,} corrected texts beside the shipped ones.")
    typer.echo(f"{out}  {model.version[:12]}")


def _taught(
    project: Project, history: History, corrections: Sequence[Correction], of: Taught
) -> tuple[SentimentModel | PhraseModel, Corrected[Any]]:
    from churnml.text import adaptation, vocabulary
    from churnml.text.competitors import Names

    if of is Taught.TONE:
        tones = adaptation.corrected_texts(history, corrections)
        return adaptation.adapted(tones.texts, learned_until=tones.learned_until), tones
    names = Names(vocabulary.read_vocabulary(project.data / vocabulary.FILE).competitor)
    if of is Taught.INTENTS:
        told = adaptation.corrected_intents(history, corrections)
        until = told.learned_until
        return adaptation.adapted_intents(told.texts, names, learned_until=until), told
    levels = adaptation.corrected_levels(history, corrections, names)
    until = levels.learned_until
    return adaptation.adapted_levels(levels.texts, names, learned_until=until), levels


def _history(project: Project, bar: console.Bar) -> History:
    from churnml.errors import DataError
    from churnml.training.tables import open_history

    history = open_history(project, bar.share)
    if "readings" not in history.contracts:
        raise DataError("history has no words of customers: no message, ticket or comment.")
    return history


def _document(row: dict[str, Any]) -> dict[str, Any]:
    from churnml.history.tables import INTENTS, THEMES, about
    from churnml.text.evidence import read_evidence

    # A source that gives readings need not give every column.
    found = [name for name in INTENTS if row.get(name)]
    if row.get("competitor_level"):
        found.append(f"{row.get('competitor') or 'another vendor'} {row['competitor_level']}")
    found += [f"about {name}" for name in THEMES if row.get(about(name))]
    return {
        **{name: row.get(name) for name in _SHOWN},
        "said_at": row["said_at"].isoformat(),
        "found": found,
        "evidence": read_evidence(row.get("evidence")),
    }
