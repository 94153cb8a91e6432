"""``churnml explain``: why one account has its score, and what changed."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from churnml.cli import console
from churnml.cli.options import AsJson, AsOf, ModelName, ProjectFolder, begun, warn_of_hindsight

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.table import Table

    from churnml.explain.change import Change
    from churnml.explain.reasons import Reason
    from churnml.explain.reference import Reference
    from churnml.project import Project
    from churnml.serving.explanation import Explanation
    from churnml.serving.scores import Scored
    from churnml.training.bundle import Bundle

LEAST_TOLD = 0.005  # log-odds; less would be shown as 0.00


def explain(
    account: Annotated[str, typer.Argument(metavar="ACCOUNT", help="The account.")],
    recipe: Annotated[
        str | None,
        typer.Argument(help="The recipe that was trained; may be omitted if there is one."),
    ] = None,
    *,
    as_of: AsOf = None,
    since: Annotated[
        datetime | None,
        typer.Option(
            formats=["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"],
            help="Tell as well what changed since this time, UTC.",
        ),
    ] = None,
    lower: Annotated[
        bool,
        typer.Option(
            "--lower", help="Tell as well the smallest change that goes with a lower tier."
        ),
    ] = False,
    model: ModelName = None,
    project: ProjectFolder = Path(),
    as_json: AsJson = False,
) -> None:
    """Show all reasons of one account's score, and what changed since an earlier time."""
    with begun(project, recipe) as run:
        from churnml.serving.explanation import explain_account
        from churnml.training.shelf import choose
        from churnml.training.tables import open_history, require_unchanged

        chosen = choose(run.project, run.recipe, model)
        history = open_history(run.project, run.bar.share)
        found = explain_account(
            history,
            chosen.bundle,
            account,
            cutoff=as_of,
            since=since,
            reference=_reference(run.project, run.recipe, chosen.bundle) if lower else None,
            progress=run.bar.share,
        )
        require_unchanged(run.project, history)
    for item in filter(None, (found.earlier, found.score)):
        warn_of_hindsight(chosen.bundle, item.cutoff)
    if as_json:
        console.emit(_document(found, chosen.bundle.id))
        return
    _show(found)
    typer.echo(f"by the {chosen.role} {chosen.bundle.id[:12]}")


def _reference(project: Project, recipe: str, bundle: Bundle) -> Reference:
    """Read what was learned from; a table of another training may lack what the bundle knows."""
    from churnml.errors import BundleError
    from churnml.explain.reference import Reference
    from churnml.features.table import read_table

    file = project.training / f"{recipe}.parquet"
    if bundle.catalogue is None or not file.is_file():
        raise BundleError(
            f"{file}: is not there, and what would help is told by what was learned from. "
            f"`churnml train {recipe}` makes it."
        )
    frame = read_table(file).frame
    if lost := [name for name in bundle.features if name not in frame.column_names]:
        raise BundleError(
            f"{file}: has no column {lost[0]!r}, which bundle {bundle.id[:12]} knows: another "
            f"training made it. `churnml train {recipe}`, or name its model with --model."
        )
    return Reference.of(frame, bundle.features, bundle.catalogue)


def _show(found: Explanation) -> None:
    from churnml.explain.reasons import probability_shares

    out = console.stdout()
    item = found.score
    arr = "" if item.arr is None else f", ARR {item.arr:,.0f}"
    # Names are no markup.
    out.print(f"{item.account_id}: {_scored(item)}{arr}", markup=False, soft_wrap=True)
    if item.thin is not None:
        out.print(f"drawn to the rate of its segment: {item.thin}", markup=False, soft_wrap=True)
    shares = probability_shares([reason.contribution for reason in item.reasons], item.base)
    nothing = _probability(item.base)
    out.print(f"{nothing:.1%} if nothing were known of it; of what is known", soft_wrap=True)
    out.print(_reasons(item.reasons, shares))
    if found.earlier is not None and found.change is not None:
        _show_change(found.earlier, found.change)
    if found.lower is not None:
        out.print(f"\n{found.lower.sentence}", markup=False)


def _show_change(earlier: Scored, change: Change) -> None:
    from churnml.explain.reasons import probability_shares

    out = console.stdout()
    out.print(f"\nIt was {_scored(earlier)}; since then", markup=False, soft_wrap=True)
    parts = [reason.contribution for reason in change.behaviour]
    rest = (change.thinness, change.model, change.calibration)
    shares = probability_shares([*parts, *rest], change.earlier)
    out.print(_reasons(change.behaviour, shares))


def _reasons(told: Sequence[Reason], shares: Sequence[float]) -> Table:
    """Lay out reasons: those that raise the risk first, each kind the heaviest first."""
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False)
    table.add_column("log-odds", justify="right")
    table.add_column("points", justify="right")
    table.add_column("because")
    table.add_column("actionable")
    pairs = list(zip(told, shares, strict=False))
    for raises in (True, False):
        for reason, share in pairs:
            if (reason.contribution > 0) is raises and abs(reason.contribution) >= LEAST_TOLD:
                table.add_row(
                    f"{reason.contribution:+.2f}",
                    f"{share * 100:+.1f}",
                    Text(f"{reason.title}: {reason.sentence}"),
                    "yes" if reason.actionable else "",
                )
    return table


def _scored(item: Scored) -> str:
    when = f" as of {item.cutoff:%Y-%m-%d %H:%M} UTC" if item.cutoff is not None else ""
    within = f"{item.low:.0%}–{item.high:.0%}"
    return f"{item.probability:.0%} ({item.level:.0%} within {within}), {item.tier.value}{when}"


def _probability(log_odds: float) -> float:
    import math

    return 1 / (1 + math.exp(-log_odds))


def _document(found: Explanation, bundle: str) -> dict[str, Any]:
    def scored(item: Scored) -> dict[str, Any]:
        return {**asdict(item), "cutoff": item.cutoff and item.cutoff.isoformat()}

    return {
        "bundle": bundle,
        "score": scored(found.score),
        "earlier": None if found.earlier is None else scored(found.earlier),
        "change": None if found.change is None else asdict(found.change),
        "lower": None if found.lower is None else asdict(found.lower),
    }
