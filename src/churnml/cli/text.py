"""``churnml text``: read what customers say, and learn to read it better."""

from __future__ import annotations

import datetime as dt
import json
import math
import sys
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TextIO

import typer

from churnml.cli import console, readings

if TYPE_CHECKING:
    from churnml.text.files import Row
    from churnml.text.reading import Reader, Reading

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None)
app.command("show", short_help="Show what an account said.")(readings.show)
app.command("correct", short_help="Correct the reading of a text.")(readings.correct)
app.command("reread", short_help="Read all of history anew.")(readings.reread)
app.command("adapt", short_help="Learn from corrections.")(readings.adapt)

Column = Annotated[str, typer.Option(metavar="NAME", help="The column of the messages.")]
File = Annotated[
    Path,
    typer.Argument(
        metavar="FILE|-", help="Messages: .txt (one a line), .jsonl, .csv or .parquet; - is stdin."
    ),
]
_EVERY = 20_000  # messages between two signs of progress
_SHOWN = 100  # characters of a message


@app.command("read", short_help="Tell the tone, intents, competitors and themes of messages.")
def read(
    file: File,
    *,
    column: Column = "text",
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write JSON lines there, and sum up.")
    ] = None,
    model: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="A model of tone that `churnml text train` made."),
    ] = None,
    project: Annotated[
        Path | None,
        typer.Option(
            "--project", "-C", metavar="DIR", help="A project, for its competitors and themes."
        ),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print a JSON document a message, a line each.")
    ] = False,
) -> None:
    """Read messages, offline: each with the words that show what it says.

    Quoted replies, signatures and footers are not read. Competitors and the words of each theme are
    those of the project's data/text.toml; outside a project, the shipped ones.
    """
    _require_apart(file, out)
    with console.progress() as bar:
        bar.start("Reading messages")
        from churnml.text.files import texts
        from churnml.text.reading import read_reader

        reader = read_reader(_words(project), model)
        found = _counted(_read(reader, texts(file, column)), bar)
        if out is not None:
            _keep(found, out)
        elif as_json:
            _write(found, sys.stdout)
        else:
            for row, reading in found:
                _show(str(row[column] or ""), reading)


@app.command("train", short_help="Learn tone from labelled messages.")
def train(
    file: File,
    out: Annotated[Path, typer.Argument(metavar="MODEL", help="Where the model is written.")],
    *,
    column: Column = "text",
    label: Annotated[
        str, typer.Option(metavar="NAME", help="The column of their tones.")
    ] = "sentiment",
    labelled_until: Annotated[
        dt.datetime | None,
        typer.Option(formats=["%Y-%m-%d"], help="When the latest label was given; now if omitted."),
    ] = None,
) -> None:
    """Learn tone from messages that people labelled.

    Labels are positive, neutral, concerned, negative or hostile; some of these will do. What the
    model is worth on messages that it has not seen is told by five folds.
    """
    _require_apart(file, out)
    until = labelled_until or dt.datetime.now(dt.UTC).replace(microsecond=0, tzinfo=None)
    with console.progress() as bar:
        bar.start("Learning tone")
        from churnml.text.files import labelled
        from churnml.text.validation import cross_validated

        rows = list(labelled(file, column, label))
        found = cross_validated(
            [text for text, _ in rows],
            [tone for _, tone in rows],
            bar.share,
            labelled_until=until,
        )
        found.model.save(out)
    typer.echo(
        f"Learned {found.messages:,} messages, {', '.join(found.model.levels)}. On messages it had "
        f"not seen: macro-F1 {found.f1:.3f}, quadratic kappa {found.kappa:.3f}."
    )
    typer.echo(f"{out}  {found.model.version[:12]}")


def _require_apart(file: Path, out: Path | None) -> None:
    """Refuse to write over what is read."""
    from churnml.errors import ConfigError

    with suppress(OSError):  # where one of them is not there
        if out is not None and out.samefile(file):
            raise ConfigError(f"{out}: would take the place of the messages. Name another file.")


def _words(project: Path | None) -> Path:
    """Find the words of the project that is named or lies around, else the shipped ones."""
    from churnml.errors import ConfigError
    from churnml.project import Project, find_root
    from churnml.scaffold import template
    from churnml.text.vocabulary import FILE

    try:
        root = find_root(project or Path())
    except ConfigError:
        if project is not None:
            raise
        return template() / "data" / FILE
    return Project.load(root).data / FILE


def _read(reader: Reader, found: Iterator[tuple[Row, str]]) -> Iterator[tuple[Row, Reading]]:
    """Read rows as they come; each goes with its reading."""
    waiting: deque[Row] = deque()

    def told() -> Iterator[str]:
        for row, text in found:
            waiting.append(row)
            yield text

    for reading in reader.stream(told()):
        yield waiting.popleft(), reading


def _counted(
    found: Iterator[tuple[Row, Reading]], bar: console.Bar
) -> Iterator[tuple[Row, Reading]]:
    for number, pair in enumerate(found, start=1):
        if number % _EVERY == 0:
            bar.start(f"Read {number:,} messages")
        yield pair


def _write(found: Iterable[tuple[Row, Reading]], file: TextIO) -> Counter[str]:
    """Write rows with their readings, a JSON document a line; count tones and intents."""
    counts: Counter[str] = Counter()
    for row, reading in found:
        said = {**row, "reading": reading.document()}
        try:
            line = json.dumps(said, ensure_ascii=False, default=str, allow_nan=False) + "\n"
        except ValueError:  # JSON has no NaN, which files of columns write for nothing
            line = json.dumps(_finite(said), ensure_ascii=False, default=str) + "\n"
        # Half a character cannot be written but as JSON escapes it.
        file.write(line.encode("utf-8", "backslashreplace").decode())
        counts["messages"] += 1
        counts[reading.tone.level if reading.tone else "not read"] += 1
        counts.update({item.intent.value for item in reading.intents})
    return counts


def _finite(value: Any) -> Any:
    """Write nothing for numbers that are none."""
    if isinstance(value, dict):
        return {name: _finite(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _keep(found: Iterable[tuple[Row, Reading]], out: Path) -> None:
    from churnml.errors import ConfigError

    unfinished = out.with_name(f".{out.name}.unfinished")
    try:
        with unfinished.open("w", encoding="utf-8") as file:
            counts = _write(found, file)
        unfinished.replace(out)
    except OSError as error:
        raise ConfigError(f"{out}: cannot be written: {error.strerror or error}.") from error
    finally:
        with suppress(OSError):  # where it could not be made, it cannot be removed either
            unfinished.unlink()
    typer.echo(f"{counts.pop('messages', 0):,} messages read into {out}")
    for name, count in counts.most_common():
        typer.echo(f"  {name:<20} {count:>11,}")


def _show(text: str, reading: Reading) -> None:
    typer.echo(console.one_line(text, _SHOWN))
    if reading.tone is None:
        typer.echo(
            f"  not read: language {reading.language}" if reading.language != "en" else "  –"
        )
    else:
        share = max(reading.tone.probabilities)
        typer.echo(f"  {reading.tone.level} {share:.0%}{console.quoted(reading.tone.span.text)}")
    for intent in reading.intents:
        typer.echo(f"  {intent.intent.value}{console.quoted(intent.span.text)}")
    for rival in reading.competitors:
        name = rival.name or "another vendor"
        typer.echo(f"  {name}, {rival.level.value}{console.quoted(rival.span.text)}")
    if reading.themes:
        typer.echo("  about " + ", ".join(item.theme.value for item in reading.themes))
