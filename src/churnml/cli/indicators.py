"""``churnml indicators``: the seven signs that an account may leave, as of any date."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from churnml.cli import console
from churnml.cli.options import (
    AsJson,
    AsOf,
    ProjectFolder,
    corrected_until,
    open_as_of,
    open_history_project,
)

if TYPE_CHECKING:
    from churnml.actions.indicators import Seen


def indicators(
    account: Annotated[
        str | None, typer.Argument(metavar="ACCOUNT", help="One account; all when omitted.")
    ] = None,
    *,
    as_of: AsOf = None,
    project: ProjectFolder = Path(),
    as_json: AsJson = False,
) -> None:
    """Show which of the seven signs of leaving each current account gives, and what shows them.

    They need no model. When each holds stands in serving/indicators.toml.
    """
    from churnml.actions.indicators import FILE, TABLES, read_indicators, see
    from churnml.actions.look import Look

    there = open_history_project(project)
    signs = read_indicators(there.serving / FILE)
    history, cutoff = open_as_of(there, as_of, TABLES)
    if account is not None:
        Look(history, cutoff).require_account(account)
    found = see(history, signs, cutoff, corrected_until=corrected_until(as_of))
    chosen = [item for item in found if account in {None, item.account_id}]
    if as_json:
        console.emit([_document(item) for item in chosen])
        return
    for item in chosen:
        typer.echo(f"{item.account_id}  {item.level.value}  {item.indicator.value}: {item.said}")
        if item.evidence:
            latest = item.evidence[0]
            typer.echo(f"    {latest.at:%Y-%m-%d}  {latest.source}{console.quoted(latest.words)}")
    accounts = len({item.account_id for item in chosen})
    typer.echo(f"{len(chosen)} signs at {accounts} accounts as of {cutoff:%Y-%m-%d %H:%M} UTC")


def _document(item: Seen) -> dict[str, Any]:
    return {
        "account_id": item.account_id,
        "indicator": item.indicator.value,
        "level": item.level.value,
        "said": item.said,
        "evidence": [
            {"at": one.at.isoformat(), "source": one.source, "words": one.words}
            for one in item.evidence
        ],
    }
