"""``churnml explain``: why one account has its score, and what changed."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from churnml.cli import console
from churnml.cli.options import (
    AsJson,
    AsOf,
    Begun,
    ModelName,
    ProjectFolder,
    ScoredTable,
    begun,
    warn_of_hindsight,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.table import Table

    from churnml.explain.change import Change
    from churnml.explain.reasons import Reason
    from churnml.explain.reference import Reference
    from churnml.labels import ColumnLabel
    from churnml.project import Project
    from churnml.serving.explanation import Explanation
    from churnml.serving.peers import Beside
    from churnml.serving.scores import Scored
    from churnml.training.bundle import Bundle


def explain(
    account: Annotated[str, typer.Argument(metavar="ACCOUNT", help="The account.")],
    recipe: Annotated[
        str | None,
        typer.Argument(help="The recipe that was trained; may be omitted if there is one."),
    ] = None,
    *,
    as_of: AsOf = None,
    table: ScoredTable = None,
    since: Annotated[
        datetime | None,
        typer.Option(
            formats=["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"],
            help="Tell as well what changed since this time, UTC.",
        ),
    ] = None,
    earlier_model: Annotated[
        str | None,
        typer.Option(
            metavar="MODEL",
            help="The model whose score it was before; with --since of that time, else of the "
            "same. Named as by --model.",
        ),
    ] = None,
    peers: Annotated[
        bool,
        typer.Option(
            "--peers",
            help="Tell as well what sets it apart from accounts of its tier, use and tenure.",
        ),
    ] = False,
    lower: Annotated[
        bool,
        typer.Option(
            "--lower", help="Tell as well the smallest change that goes with a lower tier."
        ),
    ] = False,
    html: Annotated[
        Path | None,
        typer.Option(
            "--html", metavar="FILE", help="Write it as well as a page, one .html file with all."
        ),
    ] = None,
    model: ModelName = None,
    project: ProjectFolder = Path(),
    as_json: AsJson = False,
) -> None:
    """Show all reasons of one account's score, and what changed since an earlier one."""
    from churnml.errors import ConfigError

    if html is not None and html.suffix not in {".html", ".htm"}:
        raise ConfigError(f"--html {html}: expected a name that ends in .html.")
    with begun(project, recipe) as run:
        from churnml.labels import ColumnLabel
        from churnml.training.shelf import choose

        chosen = choose(run.project, run.recipe, model)
        old = None
        if earlier_model is not None:
            old = choose(run.project, run.recipe, earlier_model)
        before = None if old is None else old.bundle
        asked = _Asked(account, as_of, table, since, before, peers=peers, lower=lower)
        spec = chosen.bundle.manifest.label
        found = (
            _of_row(run, chosen.bundle, spec, asked)
            if isinstance(spec, ColumnLabel)
            else _of_account(run, chosen.bundle, asked)
        )
        if html is not None:
            from churnml.serving.explanation_page import Origin, write_page

            earlier = None if old is None else Origin.of(old.bundle, old.role)
            write_page(found, Origin.of(chosen.bundle, chosen.role), html, earlier=earlier)
    _warn(found, chosen.bundle, asked.old)
    if as_json:
        console.emit(_document(found, chosen.bundle.id, asked.old))
        return
    _show(found)
    by = "" if old is None else f", before by {old.bundle.id[:12]}"
    role = chosen.role if chosen.role in {"champion", "latest"} else "model"
    typer.echo(f"by the {role} {chosen.bundle.id[:12]}{by}")
    if html is not None:
        typer.echo(f"page: {html}")


@dataclass(frozen=True, eq=False)
class _Asked:
    """What is to be told."""

    account: str
    as_of: datetime | None
    table: Path | None
    since: datetime | None
    old: Bundle | None
    peers: bool
    lower: bool


def _of_account(run: Begun, bundle: Bundle, asked: _Asked) -> Explanation:
    from churnml.errors import ConfigError
    from churnml.serving.explanation import Earlier, explain_account
    from churnml.training.tables import open_history, require_unchanged

    if asked.table is not None:
        raise ConfigError("--table is for flat tables; this recipe scores the accounts of history.")
    earlier = None
    if asked.since is not None or asked.old is not None:
        earlier = Earlier(asked.since, asked.old)
    history = open_history(run.project, run.bar.share)
    found = explain_account(
        history,
        bundle,
        asked.account,
        cutoff=asked.as_of,
        earlier=earlier,
        peers=asked.peers,
        reference=_reference(run.project, run.recipe, bundle) if asked.lower else None,
        progress=run.bar.share,
    )
    require_unchanged(run.project, history)
    return found


def _of_row(run: Begun, bundle: Bundle, spec: ColumnLabel, asked: _Asked) -> Explanation:
    from churnml.errors import ConfigError
    from churnml.serving.explanation import explain_row
    from churnml.training.suitability import read_flat

    wanted = {
        "--as-of": asked.as_of,
        "--since": asked.since,
        "--peers": asked.peers,
        "--lower": asked.lower,
    }
    for option, given in wanted.items():
        if given:
            raise ConfigError(f"{option} needs history; this recipe scores a flat table.")
    rows = read_flat(bundle, asked.table or run.project.root / spec.file)
    return explain_row(bundle, rows, asked.account, earlier=asked.old, progress=run.bar.share)


def _warn(found: Explanation, bundle: Bundle, old: Bundle | None) -> None:
    """Say what makes the scores worth less than they seem."""
    for item in (*found.stale, *found.unseen):
        console.warn(str(item))
    warn_of_hindsight(bundle, found.score.cutoff)
    if found.earlier is not None:
        warn_of_hindsight(old or bundle, found.earlier.cutoff)


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
    from churnml.explain.reasons import logistic

    out = console.stdout()
    item = found.score
    arr = "" if item.arr is None else f", ARR {item.arr:,.0f}"
    # Names are no markup.
    out.print(f"{item.account_id}: {_scored(item)}{arr}", markup=False, soft_wrap=True)
    if item.thin is not None:
        out.print(f"drawn to the rate of its segment: {item.thin}", markup=False, soft_wrap=True)
    nothing = logistic(item.base)
    out.print(f"{nothing:.1%} if nothing were known of it; of what is known", soft_wrap=True)
    out.print(_reasons(item.reasons, item.base))
    if found.earlier is not None and found.change is not None:
        _show_change(found.earlier, found.change)
    if found.beside is not None:
        _show_beside(found.beside)
    if found.lower is not None:
        out.print(f"\n{found.lower.sentence}", markup=False)


def _show_change(earlier: Scored, change: Change) -> None:
    out = console.stdout()
    out.print(f"\nIt was {_scored(earlier)}; since then", markup=False, soft_wrap=True)
    out.print(_reasons(change.told, change.earlier))


def _show_beside(beside: Beside) -> None:
    from churnml.explain.reasons import logistic

    out = console.stdout()
    out.print(
        f"\n{beside.peers:,} peers ({beside.of}): {logistic(beside.base):.1%}; what sets it apart",
        markup=False,
        soft_wrap=True,
    )
    out.print(_reasons(beside.told, beside.base))


def _reasons(told: Sequence[Reason], base: float) -> Table:
    """Lay out reasons: those that raise the risk first, each kind in the order given."""
    from rich.table import Table
    from rich.text import Text

    from churnml.explain.reasons import LEAST_TOLD, probability_shares

    table = Table(box=None, pad_edge=False)
    table.add_column("log-odds", justify="right")
    table.add_column("points", justify="right")
    table.add_column("because")
    table.add_column("actionable")
    shares = probability_shares([reason.contribution for reason in told], base)
    pairs = list(zip(told, shares, strict=True))
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


def _document(found: Explanation, bundle: str, old: Bundle | None) -> dict[str, Any]:
    def scored(item: Scored) -> dict[str, Any]:
        return {**asdict(item), "cutoff": item.cutoff and item.cutoff.isoformat()}

    return {
        "bundle": bundle,
        "score": scored(found.score),
        "earlier_bundle": None if found.earlier is None else bundle if old is None else old.id,
        "earlier": None if found.earlier is None else scored(found.earlier),
        "change": None if found.change is None else asdict(found.change),
        "peers": None if found.beside is None else asdict(found.beside),
        "lower": None if found.lower is None else asdict(found.lower),
        "stale": [item.document() for item in found.stale],
        "unseen": [asdict(item) for item in found.unseen],
    }
