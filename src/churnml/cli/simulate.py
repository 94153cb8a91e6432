"""``churnml simulate``: make up a company with a history."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from churnml.cli.options import AsJson


def simulate(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Where the tables are written.")],
    *,
    accounts: Annotated[int, typer.Option(min=1, help="How many accounts.")] = 2000,
    months: Annotated[int, typer.Option(min=1, help="How many months of history.")] = 30,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same bytes.")] = 7,
    start: Annotated[
        datetime | None,
        typer.Option(
            formats=["%Y-%m-%d"], help="The first day, UTC; by default history ends with June 2026."
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Write every table of a made-up company to DIR, and its true hazard to DIR/truth."""
    from churnml.cli import console
    from churnml.simulate import simulate as run

    with console.progress() as bar:
        bar.start(f"Simulating {accounts:,} accounts")
        made = run(
            folder,
            accounts=accounts,
            months=months,
            seed=seed,
            start=start,
            progress=bar.count,
        )
    document = {
        "folder": str(made.folder),
        "accounts": made.accounts,
        "months": made.months,
        "seed": made.seed,
        "observed_from": made.observed_from.isoformat(),
        "observed_until": made.observed_until.isoformat(),
        "rows": dict(made.rows),
        "churned": dict(made.churned),
    }
    if as_json:
        console.emit(document)
        return
    span = f"{made.observed_from:%Y-%m-%d} to {made.observed_until:%Y-%m-%d}"
    typer.echo(f"Made up {made.accounts:,} accounts in {made.folder}, {span}, seed {made.seed}.")
    width = max(map(len, made.rows))
    for table, rows in made.rows.items():
        typer.echo(f"  {table:<{width}}  {rows:>11,} rows")
    left = ", ".join(f"{count:,} {kind}" for kind, count in made.churned.items())
    typer.echo(f"Left: {left}.")
