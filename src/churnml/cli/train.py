"""``churnml train``: learn from the past, measure out of time, write a bundle."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from churnml.cli import console
from churnml.cli.options import AsJson, ProjectFolder, open_project, recipe_name

if TYPE_CHECKING:
    from churnml.backtest.metrics import Evaluation, Interval
    from churnml.training.workflow import Trained

SHOWN = {
    "auc": "AUC",
    "average_precision": "average precision",
    "recall_at_10": "recall in the riskiest 10 %",
    "lift_at_10": "lift in the riskiest 10 %",
    "log_loss": "log loss",
    "brier": "Brier score",
    "ece": "calibration error",
    "calibration_slope": "calibration slope",
    "calibration_intercept": "calibration intercept",
}


def train(
    recipe: Annotated[
        str | None, typer.Argument(help="A file of training/; may be omitted if there is one.")
    ] = None,
    *,
    project: ProjectFolder = Path(),
    as_json: AsJson = False,
) -> None:
    """Build the training table, test on the latest cutoffs, fit the final model, write a bundle."""
    there = open_project(project)
    name = recipe_name(there, recipe)
    with console.progress() as bar:
        bar.start("loading")
        from churnml.training.workflow import train as run

        trained = run(there, name, bar.share)
    if as_json:
        console.emit(_document(trained))
        return
    _show(trained, name)


def _show(trained: Trained, name: str) -> None:
    from rich.table import Table

    out, tested, sheet = console.stdout(), trained.tested, trained.prepared.sheet
    evaluation = tested.evaluation
    left_out = sum(sheet["dropped"].values())
    out.print(
        f"{name}: {sheet['rows']:,} rows of {evaluation.accounts:,} tested accounts, "
        f"{len(trained.prepared.table.features)} features; {left_out:,} candidates left out"
    )
    how = "out of time" if tested.out_of_time else "on held-out accounts, not out of time"
    title = f"Tested {how}: {evaluation.rows:,} rows, {evaluation.positives:,} churned"
    table = Table(title=title, title_justify="left", box=None, pad_edge=False)
    table.add_column("")
    table.add_column("value", justify="right")
    table.add_column(f"{evaluation.level:.0%} interval", justify="right")
    for key, words in SHOWN.items():
        found = evaluation.metrics[key]
        table.add_row(words, f"{found.value:.3f}", _range(found))
    if tested.unseen_evaluation is not None:
        unseen = tested.unseen_evaluation.metrics["auc"]
        table.add_row(
            f"AUC, {tested.unseen_evaluation.accounts:,} accounts never trained on",
            f"{unseen.value:.3f}",
            _range(unseen),
        )
    if tested.recency is not None:
        gain = tested.recency.difference
        table.add_row("AUC of recency alone", f"{tested.recency.second:.3f}", "")
        table.add_row("AUC gained over it", f"{gain.value:+.3f}", _range(gain))
    out.print(table)
    out.print("Intervals resample accounts, not rows.", style="dim")
    out.print(f"bundle {trained.bundle.id[:12]}  run {trained.run.id}")


def _range(found: Interval) -> str:
    return f"{found.low:.3f} to {found.high:.3f}"


def _document(trained: Trained) -> dict[str, Any]:
    tested = trained.tested
    document: dict[str, Any] = {
        "bundle": trained.bundle.id,
        "folder": str(trained.bundle.folder),
        "run": trained.run.id,
        "out_of_time": tested.out_of_time,
        "tested": _evaluation(tested.evaluation),
        "unseen": _evaluation(tested.unseen_evaluation) if tested.unseen_evaluation else None,
        "recency": None,
        "sheet": dict(trained.prepared.sheet),
    }
    if tested.recency is not None:
        gain = tested.recency.difference
        document["recency"] = {
            "auc": tested.recency.second,
            "gained": {"value": gain.value, "low": gain.low, "high": gain.high},
        }
    return document


def _evaluation(evaluation: Evaluation) -> dict[str, Any]:
    return {
        "rows": evaluation.rows,
        "accounts": evaluation.accounts,
        "churned": evaluation.positives,
        "metrics": {
            name: {"value": found.value, "low": found.low, "high": found.high}
            for name, found in evaluation.metrics.items()
        },
    }
