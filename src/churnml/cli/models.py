"""``churnml models``: which models there are, which is in charge, and who takes its place."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from churnml.cli import console
from churnml.cli.options import AsJson, ProjectFolder, begun

if TYPE_CHECKING:
    from rich.console import Console

    from churnml.training.promotion import Models, Promotion, Verdict
    from churnml.training.tracking import Version

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None)

RecipeName = Annotated[
    str | None, typer.Argument(help="The recipe; may be omitted if there is one.")
]
Wanted = Annotated[
    str,
    typer.Option("--model", metavar="MODEL", help="'challenger', or the first digits of an id."),
]
NotWorse = Annotated[
    bool,
    typer.Option(
        "--not-worse",
        help="Ask only that it is not worse: for a champion that is learnt anew from newer data.",
    ),
]
By = Annotated[str | None, typer.Option(metavar="NAME", help="Who does it; the login if omitted.")]
Reason = Annotated[str | None, typer.Option(metavar="TEXT", help="What is to be remembered of it.")]
MARKS = {True: "passed", False: "FAILED", None: "–"}
DIGITS = 12


@app.command("list", short_help="Show all models of a recipe.")
def list_models(
    recipe: RecipeName = None, *, project: ProjectFolder = Path(), as_json: AsJson = False
) -> None:
    """Show every model of a recipe, the latest first, and which one is in charge."""
    with begun(project, recipe) as run:
        from churnml.training.promotion import listed

        found = listed(run.project, run.recipe)
    name = run.recipe
    if as_json:
        models = [_listed(item, found) for item in found.versions]
        console.emit({"recipe": name, "champion": found.champion, "models": models})
        return
    out = console.stdout()
    if not found.versions:
        out.print(f"{name}: no models yet. `churnml train {name}` makes one.", soft_wrap=True)
        return
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for words in ("model", "trained (UTC)", "role"):
        table.add_column(words, no_wrap=True)
    for words in ("AUC", "95% interval", "accuracy", "majority", "no."):
        table.add_column(words, justify="right")
    for item in found.versions:
        row = _listed(item, found)
        metrics = item.metrics
        table.add_row(
            item.bundle[:DIGITS],
            f"{item.at:%Y-%m-%d %H:%M}",
            ", ".join(row["roles"]),
            _figure(metrics.get("auc")),
            f"{_figure(metrics.get('auc.low'))} to {_figure(metrics.get('auc.high'))}",
            _share(metrics.get("accuracy")),
            _share(metrics.get("accuracy.majority")),
            str(item.number),
        )
    out.print(table)
    if found.champion is None:
        out.print(
            "None is in charge yet: scores are by the latest. "
            f"`churnml models promote {name}` puts it in charge.",
            soft_wrap=True,
        )


@app.command("compare", short_help="Ask the gates about a challenger.")
def compare(
    recipe: RecipeName = None,
    *,
    model: Wanted = "challenger",
    not_worse: NotWorse = False,
    project: ProjectFolder = Path(),
    as_json: AsJson = False,
) -> None:
    """Compare a challenger with the champion on the same rows; exits with 1 where a gate fails."""
    with begun(project, recipe) as run:
        from churnml.training.promotion import judged

        verdict = judged(
            run.project, run.recipe, model, rule=_rule(not_worse), progress=run.bar.share
        )
    if as_json:
        console.emit(_judged(verdict))
    else:
        _show(verdict, console.stdout())
    raise typer.Exit(0 if verdict.passed else 1)


@app.command("promote", short_help="Put a model in charge, through the gates.")
def promote(
    recipe: RecipeName = None,
    *,
    model: Wanted = "challenger",
    not_worse: NotWorse = False,
    force: Annotated[
        str | None,
        typer.Option(metavar="REASON", help="Promote although a gate fails, and keep why."),
    ] = None,
    reason: Reason = None,
    by: By = None,
    project: ProjectFolder = Path(),
    as_json: AsJson = False,
) -> None:
    """Put a model in charge if every gate lets it through; exits with 1 where one does not."""
    with begun(project, recipe) as run:
        from churnml.training import promotion

        done = promotion.promote(
            run.project,
            run.recipe,
            model,
            by=by,
            force=force,
            reason=reason,
            rule=_rule(not_worse),
            progress=run.bar.share,
        )
    _told(done, run.recipe, as_json=as_json)
    raise typer.Exit(0 if done.change is not None else 1)


@app.command("rollback", short_help="Put the champion before this one in charge again.")
def rollback(
    recipe: RecipeName = None,
    *,
    reason: Reason = None,
    by: By = None,
    project: ProjectFolder = Path(),
    as_json: AsJson = False,
) -> None:
    """Put the champion before this one in charge again; no gate is asked."""
    with begun(project, recipe) as run:
        from churnml.training import promotion

        done = promotion.rollback(
            run.project, run.recipe, by=by, reason=reason, progress=run.bar.share
        )
    _told(done, run.recipe, as_json=as_json)


def _rule(not_worse: bool) -> Literal["not_worse"] | None:
    return "not_worse" if not_worse else None


def _told(done: Promotion, name: str, *, as_json: bool) -> None:
    if done.alias:
        console.warn(f"MLflow's alias 'champion' does not follow: {done.alias}")
    if as_json:
        console.emit(
            {
                "change": done.change.model_dump(mode="json") if done.change is not None else None,
                "verdict": _judged(done.verdict) if done.verdict is not None else None,
                "alias": done.alias or None,
            }
        )
        return
    out = console.stdout()
    if done.verdict is not None:
        _show(done.verdict, out)
    if done.change is None:
        out.print(
            "Not promoted. --force REASON promotes it all the same, and keeps the reason.",
            soft_wrap=True,
        )
        return
    change = done.change
    instead = f" instead of {change.before[:DIGITS]}" if change.before is not None else ""
    out.print(
        f"{change.bundle[:DIGITS]} is in charge of {name}{instead}; `churnml score {name}` uses it "
        "from now on.",
        soft_wrap=True,
    )


def _show(verdict: Verdict, out: Console) -> None:
    from rich.table import Table
    from rich.text import Text

    against = "no champion yet" if verdict.champion is None else verdict.champion[:DIGITS]
    out.print(f"{verdict.recipe}: {verdict.challenger.bundle[:DIGITS]} against {against}")
    table = Table(box=None, pad_edge=False)
    table.add_column("gate", no_wrap=True)
    table.add_column("")
    table.add_column("because")
    for gate in verdict.gates:
        table.add_row(Text(gate.name), MARKS[gate.passed], Text(gate.said))
    out.print(table)


def _judged(verdict: Verdict) -> dict[str, Any]:
    return {
        "recipe": verdict.recipe,
        "challenger": verdict.challenger.bundle,
        "champion": verdict.champion,
        "passed": verdict.passed,
        "gates": [gate.document() for gate in verdict.gates],
    }


def _listed(item: Version, among: Models) -> dict[str, Any]:
    roles = ["champion"] if item.bundle == among.champion else []
    if item is among.challenger and item.bundle != among.champion:
        roles.append("challenger")
    told = {key: item.metrics.get(key) for key in ("auc", "auc.low", "auc.high", "accuracy")}
    return {
        "bundle": item.bundle,
        "roles": roles,
        "trained": item.at.isoformat(),
        "run": item.run,
        "version": item.number,
        "aliases": list(item.aliases),
        "metrics": {**told, "accuracy.majority": item.metrics.get("accuracy.majority")},
    }


def _figure(value: float | None) -> str:
    return "–" if value is None or not math.isfinite(value) else f"{value:.3f}"


def _share(value: float | None) -> str:
    return "–" if value is None else f"{value:.1%}"
