"""What commands write to: results on stdout, progress on stderr."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress, TaskID


def stdout() -> Console:
    """Give the console for results; where stdout is no terminal, plain and wide enough to read."""
    from rich.console import Console

    console = Console()
    if not console.is_terminal and "COLUMNS" not in os.environ:
        console.width = LOG_WIDTH
    return console


def warn(message: str) -> None:
    """Say on stderr what a result is to be taken with."""
    typer.echo(f"warning: {message}", err=True)


LOG_WIDTH = 120  # columns
_QUOTED = 90  # characters of a quotation on a line
_JOINERS = "\u200c\u200d"  # within words of some scripts, and within emoji


class Bar:
    """Progress of one command on stderr: a bar in a terminal, a line a step in a log.

    Parameters
    ----------
    bar : Progress, optional
        The terminal's bar.
    """

    def __init__(self, bar: Progress | None) -> None:
        self._bar = bar
        self._task: TaskID | None = None
        self._step = ""

    def start(self, step: str) -> None:
        """Say what is being done from now on."""
        if step == self._step:
            return
        self._step = step
        if self._bar is None:
            typer.echo(f"{step} …", err=True)
            return
        if self._task is not None:
            self._bar.remove_task(self._task)
        self._task = self._bar.add_task(step, total=None)

    def count(self, done: int, total: int) -> None:
        """Say how much of the step is done."""
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, completed=done, total=total)

    def share(self, step: str, done: float) -> None:
        """Say what is being done, and which share of all steps is behind."""
        if done < 1:  # the end is no step
            self.start(step)
        self.count(round(done * 1000), 1000)


@contextmanager
def progress() -> Iterator[Bar]:
    """Show on stderr what a command is doing, gone when it is done."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

    console = Console(stderr=True)
    if not console.is_terminal:
        yield Bar(None)
        return
    columns = TextColumn("{task.description}"), BarColumn(), TaskProgressColumn()
    with Progress(*columns, TimeElapsedColumn(), console=console, transient=True) as bar:
        yield Bar(bar)


def emit(document: Any) -> None:
    """Print one JSON document."""
    typer.echo(json.dumps(document, ensure_ascii=False, indent=2, allow_nan=False))


def one_line(words: str, most: int = _QUOTED) -> str:
    """Show a customer's words on a line that is not too long, without what steers a terminal."""
    shown = "".join(char if char.isprintable() or char in _JOINERS else " " for char in words)
    line = " ".join(shown.split())
    return line if len(line) <= most else line[: most - 1] + "…"


def quoted(words: str) -> str:
    """Quote a customer's words behind a colon, as `one_line` shows them; nothing of nothing."""
    line = one_line(words)
    return f": “{line}”" if line else ""
