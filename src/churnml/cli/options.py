"""Options that several commands share, and the project they name."""

from __future__ import annotations

import datetime as dt
import sys
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from churnml.cli import console

if TYPE_CHECKING:
    from churnml.history.asof import History
    from churnml.project import Project
    from churnml.training.bundle import Bundle

ProjectFolder = Annotated[
    Path,
    typer.Option(
        "--project",
        "-C",
        metavar="DIR",
        help="A folder of the project; its root is found upward.",
    ),
]
AsJson = Annotated[
    bool,
    typer.Option("--json", help="Print one JSON document instead, for a machine to read."),
]


AsOf = Annotated[
    dt.datetime | None,
    typer.Option(
        formats=["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"],
        help="What was known strictly before then, UTC; all that is known if omitted.",
    ),
]

ScoredTable = Annotated[
    Path | None,
    typer.Option("--table", metavar="FILE", help="A flat table; that of training if omitted."),
]

ModelName = Annotated[
    str | None,
    typer.Option(
        "--model",
        metavar="MODEL",
        help="'champion', 'latest', or the first digits of an id; the champion where there is "
        "one, else the latest.",
    ),
]


@dataclass(frozen=True, eq=False)
class Begun:
    """A command about a recipe, on its way.

    Parameters
    ----------
    project : Project
        The project that was named.
    recipe : str
        The recipe that is meant.
    bar : Bar
        Tells on stderr what is being done.
    """

    project: Project
    recipe: str
    bar: console.Bar


@contextmanager
def begun(folder: Path, recipe: str | None) -> Iterator[Begun]:
    """Open the project, name the recipe, and show progress as long as the command takes.

    What takes long to import is imported within, so that the wait is told.

    Parameters
    ----------
    folder : Path
        Of the project.
    recipe : str, optional
        As it was given.

    Raises
    ------
    ConfigError
        If the project is at fault, or no recipe is plainly meant.
    """
    project = open_project(folder)
    name = recipe_name(project, recipe)
    with console.progress() as bar:
        bar.start("loading")
        yield Begun(project, name, bar)


def open_project(folder: Path) -> Project:
    """Read the project, and let it import its own modules.

    Raises
    ------
    ConfigError
        If there is none, or it is at fault.
    """
    from churnml.project import Project

    project = Project.load(folder)
    # A custom feature is named "package.module:function" as it stands under the project's root.
    root = str(project.root)
    if root not in sys.path:
        sys.path.insert(0, root)
    return project


def open_history_project(folder: Path) -> Project:
    """Read a project that has history.

    Raises
    ------
    ConfigError
        If there is none, it is at fault, or it has flat tables alone.
    """
    from churnml.errors import ConfigError

    project = open_project(folder)
    if not project.sources.tables:
        raise ConfigError(
            f"{project.root}: every recipe learns from a flat table; there is no history."
        )
    return project


def open_as_of(
    project: Project, as_of: dt.datetime | None, tables: Collection[str]
) -> tuple[History, dt.datetime]:
    """Open history at a date; warn of tables that had gone quiet by then.

    Parameters
    ----------
    project : Project
        Whose history.
    as_of : datetime or None
        The date, UTC; where observation ends if None.
    tables : collection of str
        What will be looked at.

    Raises
    ------
    DataError
        If the date lies beyond what was observed.
    """
    from churnml.errors import DataError
    from churnml.history.freshness import stale
    from churnml.training.tables import open_history, told_by

    with console.progress() as bar:
        bar.start("reading history")
        history = open_history(project, bar.share)
        cutoff = as_of or history.observed_until
        if cutoff > history.observed_until:
            raise DataError(
                f"--as-of {cutoff.isoformat()} lies beyond what was observed, which ends "
                f"{history.observed_until.isoformat()}."
            )
        quiet = stale(history, told_by(tables), cutoff)
    for table in quiet:
        console.warn(str(table))
    return history, cutoff


def corrected_until(as_of: dt.datetime | None) -> dt.datetime | None:
    """Say until when corrections count: all that there are, unless a date is asked for."""
    return dt.datetime.now(dt.UTC).replace(tzinfo=None) if as_of is None else None


def warn_of_hindsight(bundle: Bundle, cutoff: dt.datetime | None) -> None:
    """Say so where a bundle learned what came after the cutoff that it is asked about."""
    if bundle.manifest.learned_after(cutoff):
        console.warn(
            f"the bundle learned what was known by {bundle.manifest.learned_until:%Y-%m-%d}, after "
            f"the cutoff {cutoff:%Y-%m-%d}: what it says of then is better than any that could "
            "have been had. What a model of that time was worth is measured by `churnml train`."
        )


def recipe_name(project: Project, given: str | None) -> str:
    """Name the recipe that is meant: the one given, or the only one there is.

    Raises
    ------
    ConfigError
        If there is none of that name, or several to choose from.
    """
    from churnml.errors import ConfigError

    if given is not None:
        return project.recipe(given).name
    if len(project.recipes) != 1:
        names = ", ".join(project.recipes)
        raise ConfigError(f"{project.root}: several recipes; name one of them: {names}.")
    return next(iter(project.recipes))
