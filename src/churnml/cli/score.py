"""``churnml score``: who may leave, and why."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from churnml.cli import console
from churnml.cli.options import AsJson, ProjectFolder, open_project, recipe_name

if TYPE_CHECKING:
    from churnml.project import Project
    from churnml.serving.scorer import Scored, ScoreList
    from churnml.training.bundle import Bundle


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
    output: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Where the scores go, .parquet or .csv.")
    ] = None,
    project: ProjectFolder = Path(),
    as_json: AsJson = False,
) -> None:
    """Score every current account and show the riskiest with their reasons."""
    there = open_project(project)
    name = recipe_name(there, recipe)
    with console.progress() as bar:
        bar.start("loading")
        from churnml.training.workflow import latest_bundle

        bundle = latest_bundle(there, name)
        found = _scores(there, bundle, as_of, table, bar)
    path = _write(found, output or _default(there, name, found))
    if as_json:
        console.emit(_document(found, path, top))
        return
    _show(found, path, top)


def _scores(
    project: Project, bundle: Bundle, as_of: datetime | None, table: Path | None, bar: console.Bar
) -> ScoreList:
    from churnml import flat
    from churnml.errors import ConfigError
    from churnml.labels import ColumnLabel
    from churnml.serving.scorer import label_of, score_flat, score_history
    from churnml.training.tables import open_history

    spec = label_of(bundle)
    if isinstance(spec, ColumnLabel):
        if as_of is not None:
            raise ConfigError("--as-of needs history; this recipe scores a flat table.")
        text = [spec.id] if spec.id is not None else []
        rows = flat.read(table if table is not None else project.root / spec.file, text=text)
        return score_flat(bundle, rows, progress=bar.share)
    if table is not None:
        raise ConfigError("--table is for flat tables; this recipe scores the accounts of history.")
    history = open_history(project, bar.share)
    return score_history(history, bundle, cutoff=as_of, progress=bar.share)


def _default(project: Project, name: str, found: ScoreList) -> Path:
    when = f"-{found.cutoff:%Y%m%dT%H%M%S}" if found.cutoff is not None else ""
    return project.scores / f"{name}{when}.parquet"


def _write(found: ScoreList, path: Path) -> Path:
    import pyarrow.csv
    import pyarrow.parquet

    from churnml.errors import ConfigError

    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.part")
    if path.suffix == ".parquet":
        pyarrow.parquet.write_table(found.table(), beside)
    elif path.suffix == ".csv":
        pyarrow.csv.write_csv(found.table(), beside)
    else:
        raise ConfigError(f"--output {path}: expected a name that ends in .parquet or .csv.")
    beside.replace(path)
    return path


def _show(found: ScoreList, path: Path, top: int) -> None:
    from rich.table import Table

    out = console.stdout()
    when = f" as of {found.cutoff:%Y-%m-%d %H:%M} UTC" if found.cutoff is not None else ""
    counts = _by_tier(found)
    out.print(
        f"{len(found.scores):,} accounts scored{when}: "
        + ", ".join(f"{count:,} {tier}" for tier, count in counts.items())
    )
    table = Table(box=None, pad_edge=False)
    table.add_column("account", no_wrap=True)
    table.add_column("churn", justify="right")
    table.add_column("tier")
    table.add_column("ARR", justify="right")
    table.add_column("because")
    for item in found.scores[:top]:
        arr = "" if item.arr is None else f"{item.arr:,.0f}"
        table.add_row(item.account_id, f"{item.probability:.0%}", item.tier, arr, _because(item))
    out.print(table)
    out.print(f"all scores: {path}", style="dim", highlight=False, soft_wrap=True)


def _because(item: Scored) -> str:
    """Tell the three heaviest reasons that raise the risk."""
    raising = [reason for reason in item.reasons if reason.contribution > 0][:3]
    return "\n".join(f"+{reason.contribution:.2f} {reason.sentence}" for reason in raising)


def _by_tier(found: ScoreList) -> dict[str, int]:
    from churnml.actions.tiers import RiskTier

    tiers = [item.tier for item in found.scores]
    return {tier.value: tiers.count(tier) for tier in reversed(RiskTier)}


def _document(found: ScoreList, path: Path, top: int) -> dict[str, Any]:
    from dataclasses import asdict

    return {
        "cutoff": found.cutoff.isoformat() if found.cutoff is not None else None,
        "bundle": found.bundle.id,
        "accounts": len(found.scores),
        "tiers": _by_tier(found),
        "file": str(path),
        "riskiest": [asdict(item) for item in found.scores[:top]],
    }
