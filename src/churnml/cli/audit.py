"""``churnml audit``: look for what a training table could not have known."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from churnml.cli import console
from churnml.cli.options import AsJson, ProjectFolder, begun

if TYPE_CHECKING:
    from churnml.backtest.metrics import Interval
    from churnml.training.audit import Audit, Finding

STYLES = {"leak": "bold red", "suspicious": "yellow", "note": "dim"}


def audit(
    recipe: Annotated[
        str | None, typer.Argument(help="A file of training/; may be omitted if there is one.")
    ] = None,
    *,
    project: ProjectFolder = Path(),
    as_json: AsJson = False,
) -> None:
    """Look for leaks in a recipe's training table; nothing is trained or written but the table.

    Exits with 1 where a leak is found; what is merely suspicious is for a person to judge.
    """
    with begun(project, recipe) as run:
        from churnml.training import audit as audits
        from churnml.training.tables import prepare

        wanted = run.project.recipe(run.recipe)
        prepared = prepare(run.project, wanted, run.bar.share)
        found = audits.audit(prepared.table, wanted, run.bar.share)
    if repeated := prepared.sheet.get("repeated"):
        console.warn(repeated["said"])
    for item in prepared.sheet.get("hindsight", ()):
        console.warn(item["said"])
    if as_json:
        console.emit({"recipe": run.recipe, **found.document()})
    else:
        _show(found, run.recipe)
    raise typer.Exit(0 if found.clean else 1)


def _show(found: Audit, name: str) -> None:
    out = console.stdout()
    out.print(
        f"{name}: {found.rows:,} rows of {found.accounts:,} accounts, {found.churned:,} of which "
        "churned in one",
        soft_wrap=True,
    )
    for looked in found.checks:
        said = looked.said if looked.applied else f"not applicable: {looked.said}"
        style = None if looked.applied else "dim"
        out.print(f"  {looked.check.value}: {said}", style=style, soft_wrap=True, markup=False)
    for item in found.findings:
        _tell(item)
    suspicious = sum(item.level.value == "suspicious" for item in found.findings)
    more = f"; {suspicious} suspicious, for a person to judge" if suspicious else ""
    if found.clean:
        out.print(f"No leak found{more}.", style="bold", soft_wrap=True)
    else:
        leaks = ", ".join(found.leaks)
        out.print(f"Leaks: {leaks}{more}.", style="bold red", soft_wrap=True, markup=False)


def _tell(item: Finding) -> None:
    out = console.stdout()
    out.print()
    style = STYLES[item.level.value]
    out.print(f"{item.level.value}: {item.said}", style=style, soft_wrap=True, markup=False)
    out.print(f"  {item.figure}: {_range(item.interval)}", soft_wrap=True, markup=False)
    if item.level.value != "note":
        out.print(f"  {item.remedy}", soft_wrap=True, markup=False)


def _range(found: Interval) -> str:
    if not math.isfinite(found.value):
        return "–"
    return f"{found.value:.3f} ({found.low:.3f} to {found.high:.3f})"
