"""``churnml score``: who may leave, and why."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from churnml.cli import console
from churnml.cli.options import AsJson, ModelName, ProjectFolder, begun, warn_of_hindsight

if TYPE_CHECKING:
    from rich.table import Table

    from churnml.project import Project
    from churnml.serving.scores import Scored, ScoreList
    from churnml.training.bundle import Bundle

LEAST_TOLD = 0.005  # log-odds; less would be shown as +0.00
_PLACE_DIGITS = 8


def score(
    recipe: Annotated[
        str | None,
        typer.Argument(help="The recipe that was trained; may be omitted if there is one."),
    ] = None,
    *,
    top: Annotated[int, typer.Option(min=0, help="How many of the riskiest to show.")] = 10,
    as_of: Annotated[
        datetime | None,
        typer.Option(
            formats=["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"],
            help="Score as of this time, UTC, with what was known before it.",
        ),
    ] = None,
    table: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Score the rows of this flat table.")
    ] = None,
    model: ModelName = None,
    output: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Where the scores go, .parquet or .csv; a file of var/scores named after what is "
            "scored if omitted.",
        ),
    ] = None,
    project: ProjectFolder = Path(),
    as_json: AsJson = False,
) -> None:
    """Score every current account and show the riskiest with their reasons."""
    from churnml.errors import ConfigError

    if output is not None and output.suffix not in {".parquet", ".csv"}:
        raise ConfigError(f"--output {output}: expected a name that ends in .parquet or .csv.")
    with begun(project, recipe) as run:
        from churnml.training.shelf import choose

        chosen = choose(run.project, run.recipe, model)
        bundle = chosen.bundle
        found = _scores(run.project, bundle, as_of, table, run.bar)
    for item in (*found.stale, *found.unseen):
        console.warn(str(item))
    if found.blank and len(found.scores) > 1:
        console.warn(
            f"no row has a value in {', '.join(map(repr, found.blank))}, which training had: taken "
            "as unknown for all. Was the table exported whole?"
        )
    warn_of_hindsight(bundle, found.cutoff)
    path = _write(found, output or _default(run.project, run.recipe, found, table))
    if as_json:
        console.emit({**_document(found, path, top), "model": chosen.role})
        return
    _show(found, path, top, chosen.role)


def _scores(
    project: Project, bundle: Bundle, as_of: datetime | None, table: Path | None, bar: console.Bar
) -> ScoreList:
    from churnml.errors import ConfigError
    from churnml.labels import ColumnLabel
    from churnml.serving.scorer import score_flat, score_history
    from churnml.training.suitability import read_flat
    from churnml.training.tables import open_history, require_unchanged

    spec = bundle.manifest.label
    if isinstance(spec, ColumnLabel):
        if as_of is not None:
            raise ConfigError("--as-of needs history; this recipe scores a flat table.")
        rows = read_flat(bundle, table if table is not None else project.root / spec.file)
        return score_flat(bundle, rows, progress=bar.share)
    if table is not None:
        raise ConfigError("--table is for flat tables; this recipe scores the accounts of history.")
    history = open_history(project, bar.share)
    found = score_history(history, bundle, cutoff=as_of, progress=bar.share)
    require_unchanged(project, history)
    return found


def _default(project: Project, name: str, found: ScoreList, table: Path | None) -> Path:
    """Name a file after what was scored, so that no scores replace those of others."""
    of = f"-{found.cutoff:%Y%m%dT%H%M%S}" if found.cutoff is not None else ""
    if table is not None:
        # Tables of one name may lie in several folders, or be of several kinds.
        place = hashlib.sha256(str(table.resolve()).encode()).hexdigest()
        of = f"-{Path(table.name.removesuffix('.gz')).stem}-{place[:_PLACE_DIGITS]}"
    return project.scores / f"{name}{of}.parquet"


def _write(found: ScoreList, path: Path) -> Path:
    import pyarrow.csv
    import pyarrow.parquet

    from churnml.errors import ConfigError
    from churnml.history.store import workplace

    write = pyarrow.csv.write_csv if path.suffix == ".csv" else pyarrow.parquet.write_table
    try:
        with workplace(path) as work:
            write(found.table(), work / path.name)
            (work / path.name).replace(path)
    except OSError as error:
        raise ConfigError(
            f"{path}: cannot be written: {error.strerror or error}. Name another file with "
            "--output, or grant access."
        ) from error
    return path


def _show(found: ScoreList, path: Path, top: int, role: str) -> None:
    out = console.stdout()
    when = f" as of {found.cutoff:%Y-%m-%d %H:%M} UTC" if found.cutoff is not None else ""
    counts = _by_tier(found)
    accounts = len({item.account_id for item in found.scores})
    whom = (
        f"{accounts:,} accounts"
        if accounts == len(found.scores)
        else f"{len(found.scores):,} rows of {accounts:,} accounts"
    )
    tiers = ", ".join(f"{count:,} {tier}" for tier, count in counts.items())
    out.print(f"{whom} scored{when}: {tiers}", soft_wrap=True)
    if found.not_asked:
        out.print(
            f"{found.not_asked:,} more not asked about: their renewal is not near, as all were "
            "that the model learned from.",
            soft_wrap=True,
        )
    if found.scores:
        shown = found.scores[:top]
        out.print(_riskiest(shown))
        if any(item.thin is not None for item in shown):
            out.print("* too little history to go by: drawn to the rate of its segment")
    elif not found.not_asked:
        out.print("Nobody is in the population that the label is about.")
    by = role if role in {"champion", "latest"} else "model"
    out.print(f"scored by the {by} {found.bundle.id[:12]}", style="dim", soft_wrap=True)
    out.print(f"all scores: {path}", style="dim", highlight=False, soft_wrap=True)


def _riskiest(scores: Sequence[Scored]) -> Table:
    from rich.table import Table
    from rich.text import Text

    dated = len({item.cutoff for item in scores}) > 1
    table = Table(box=None, pad_edge=False)
    table.add_column("account", no_wrap=True)
    if dated:
        table.add_column("as of")
    table.add_column("churn", justify="right")
    table.add_column(f"{scores[0].level:.0%} within" if scores else "within", justify="right")
    table.add_column("tier")
    table.add_column("ARR", justify="right")
    table.add_column("because")
    for item in scores:
        when = [f"{item.cutoff:%Y-%m-%d}" if item.cutoff is not None else ""] if dated else []
        arr = "" if item.arr is None else f"{item.arr:,.0f}"
        # An account's name and its values are no markup.
        named, because = Text(item.account_id), Text(_because(item))
        table.add_row(
            named, *when, f"{item.probability:.0%}", _within(item), item.tier, arr, because
        )
    return table


def _within(item: Scored) -> str:
    """Tell the interval, and mark it where it says little for want of history."""
    mark = "*" if item.thin is not None else ""
    return f"{item.low:.0%}–{item.high:.0%}{mark}"


def _because(item: Scored) -> str:
    """Tell the three heaviest reasons that raise the risk."""
    from churnml.explain.reasons import LEAST_TOLD

    told = [reason for reason in item.raising[:3] if reason.contribution >= LEAST_TOLD]
    return "\n".join(f"+{reason.contribution:.2f} {reason.sentence}" for reason in told)


def _by_tier(found: ScoreList) -> dict[str, int]:
    from churnml.actions.tiers import RiskTier

    tiers = [item.tier for item in found.scores]
    return {tier.value: tiers.count(tier) for tier in reversed(RiskTier)}


def _given(found: ScoreList) -> list[str]:
    """Tell what the probabilities take for granted; of a flat table's labels nothing is known."""
    from churnml.labels import ColumnLabel

    spec = found.bundle.manifest.label
    return [] if isinstance(spec, ColumnLabel) else list(spec.given)


def _document(found: ScoreList, path: Path, top: int) -> dict[str, Any]:
    from dataclasses import asdict

    return {
        "cutoff": found.cutoff.isoformat() if found.cutoff is not None else None,
        "bundle": found.bundle.id,
        "rows": len(found.scores),
        "accounts": len({item.account_id for item in found.scores}),
        "given": _given(found),
        "in_hindsight": found.in_hindsight,
        "not_asked": found.not_asked,
        "stale": [item.document() for item in found.stale],
        "blank": list(found.blank),
        "unseen": [asdict(item) for item in found.unseen],
        "tiers": _by_tier(found),
        "thin": sum(item.thin is not None for item in found.scores),
        "file": str(path),
        "riskiest": [
            {**asdict(item), "cutoff": item.cutoff and item.cutoff.isoformat()}
            for item in found.scores[:top]
        ],
    }
