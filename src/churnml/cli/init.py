"""``churnml init``: make a project."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def init(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Where; made if missing.")],
    table: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="A flat table to learn from, CSV or Parquet."),
    ] = None,
    label: Annotated[
        str | None,
        typer.Option(metavar="COLUMN", help="The table's column that says who left."),
    ] = None,
    positive: Annotated[
        str | None,
        typer.Option(metavar="VALUE", help="The label's value for those who left."),
    ] = None,
    identifier: Annotated[
        str | None,
        typer.Option("--id", metavar="COLUMN", help="The table's column that names the account."),
    ] = None,
) -> None:
    """Make a project in DIR: from history, or from a flat table with --table and --label."""
    from churnml import scaffold

    if table is None:
        for name, value in (("--label", label), ("--positive", positive), ("--id", identifier)):
            if value is not None:
                raise typer.BadParameter("is of use only with --table.", param_hint=name)
        made = scaffold.from_history(folder)
    elif label is None:
        raise typer.BadParameter("say which column tells who left.", param_hint="--label")
    else:
        made = scaffold.from_table(
            folder, table, label=label, positive=positive, identifier=identifier
        )
    typer.echo(f"Made a project in {folder}:")
    for path in made.written:
        typer.echo(f"  {path.relative_to(made.folder).as_posix()}")
    for note in made.notes:
        typer.echo(note)
    typer.echo("\nNext:")
    for command in made.next:
        typer.echo(f"  {command}")
