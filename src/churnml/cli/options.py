"""Options that several commands share, and the project they name."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from churnml.project import Project

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
