"""``churnml train``: learn from the past, measure out of time, write a bundle."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from churnml.cli import calibration, console
from churnml.cli.options import AsJson, ProjectFolder, begun

if TYPE_CHECKING:
    from rich.table import Table

    from churnml.backtest.metrics import Evaluation, Interval
    from churnml.splits import Span, Split
    from churnml.training.sufficiency import Sufficiency
    from churnml.training.testing import AtCutoff, Tested
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

INTERRUPTED = "interrupted: trials that had ended are kept; the same command goes on with them."


def train(
    recipe: Annotated[
        str | None, typer.Argument(help="A file of training/; may be omitted if there is one.")
    ] = None,
    *,
    trials: Annotated[
        int,
        typer.Option(
            min=0,
            help="Kinds of trees to try first: those shipped, then what a search draws; those of "
            "an earlier run on the same data count.",
        ),
    ] = 0,
    project: ProjectFolder = Path(),
    as_json: AsJson = False,
) -> None:
    """Build the training table, test on the latest cutoffs, fit the final model, write a bundle."""
    try:
        with begun(project, recipe) as run:
            from churnml.training import workflow

            told = None if as_json else _foretell
            trained = workflow.train(
                run.project, run.recipe, run.bar.share, told=told, trials=trials
            )
    except KeyboardInterrupt:
        if trials:
            typer.echo(INTERRUPTED, err=True)
        raise
    for item in trained.prepared.sheet.get("stale", ()):
        console.warn(item["said"])
    for item in trained.prepared.sheet.get("hindsight", ()):
        console.warn(item["said"])
    for column, why in trained.prepared.sheet.get("left_out", {}).items():
        console.warn(
            f"column {column!r} is left out: it {why}. Name it under include in [features], with "
            "all others, to learn from it all the same."
        )
    for column, why in trained.prepared.sheet.get("doubted", {}).items():
        console.warn(f"column {column!r} is learnt as a category: it {why}.")
    if repeated := trained.prepared.sheet.get("repeated"):
        console.warn(repeated["said"])
    if as_json:
        console.emit(_document(trained))
        return
    _show(trained, run.recipe)


def _foretell(found: Sufficiency) -> None:
    """Tell on stderr, before anything is trained, what the data can support."""
    for line in found.lines:
        typer.echo(line, err=True)


def _show(trained: Trained, name: str) -> None:
    out, tested = console.stdout(), trained.tested
    for line in _rows(trained, name):
        out.print(line, soft_wrap=True)
    out.print(_figures(trained))
    segments = trained.bundle.manifest.judgement.segments
    if len(tested.by_cutoff) > 1:
        out.print()
        out.print(_by_cutoff(tested))
    calibration.show(segments, out)
    if segments or len(tested.by_cutoff) > 1:
        out.print()
    if any(parted.purged for parted in tested.splits):
        purged = ", ".join(f"{parted.purged:,}" for parted in tested.splits)
        out.print(
            f"Rows purged before each test, their label not yet known: {purged}.",
            style="dim",
            soft_wrap=True,
        )
    out.print("Intervals resample accounts, not rows.", style="dim")
    out.print(_taught(trained), soft_wrap=True)
    out.print(f"bundle {trained.bundle.id[:12]}  run {trained.run.id}", soft_wrap=True)


def _rows(trained: Trained, name: str) -> Iterator[str]:
    """Tell what was learned from and tested on, and what was not."""
    sheet, tested = trained.prepared.sheet, trained.tested
    yield (
        f"{name}: {sheet['rows']:,} rows to learn from, {sheet['churned']:,} churned; "
        f"{sheet['accounts']:,} accounts, {len(sheet['features'])} features"
    )
    for reason, count in sheet["dropped"].items():
        if count:
            yield f"  {count:,} left out: {reason}"
    for condition in sheet.get("given", ()):
        yield f"  probabilities are given that {condition}"
    if omitted := sheet.get("omitted"):
        first, more = omitted[0], "; …" if len(omitted) > 1 else ""
        yield f"  {len(omitted)} features left out: {first['feature']} ({first['why']}){more}"
    late = sheet.get("arrival")
    if late is not None and late["too_late"]:
        yield (
            f"  1 % of the rows of {late['table']} are recorded more than {late['most_days']:g} "
            f"days late; the label's settle_days = {late['settle_days']} is too few for them"
        )
    tuning = sheet.get("tuning")
    if tuning and not tuning["drawn"]:
        yield (
            f"  not tuned: all {tuning['trials']} trials went to shipped shapes, which come first; "
            "give --trials more than there are shipped shapes to search beyond them"
        )
    elif tuning:
        best, shipped = min(tuning["losses"], default=math.nan), tuning["shipped_loss"]
        yield (
            f"  tuned by {tuning['trials']} trials on {tuning['judged_by']}: log loss "
            f"{_figure(best)}, of the best shipped shape "
            f"{_figure(math.nan if shipped is None else shipped)}"
        )
    how = "out of time" if tested.out_of_time else "on held-out accounts, not out of time"
    evaluation = tested.evaluation
    yield (
        f"Tested {how}: {evaluation.rows:,} rows of {evaluation.accounts:,} accounts, "
        f"{evaluation.positives:,} churned"
    )


def _taught(trained: Trained) -> str:
    """Tell which rows the final model learned from, and what it is made of."""
    taught = trained.bundle.manifest.training
    mix = ", ".join(f"{name} {weight:.0%}" for name, weight in taught.mix.items())
    return (
        f"The bundle learned from {taught.rows:,} rows of {taught.accounts:,} accounts"
        f"{_when(taught.cutoffs)}. Its {sum(trained.bundle.manifest.fold_trees):,} trees: {mix}."
    )


def _when(span: Span | None) -> str:
    return f" of {span.first:%Y-%m-%d} to {span.last:%Y-%m-%d}" if span is not None else ""


def _by_cutoff(tested: Tested) -> Table:
    """Show each test by itself: a model that is good on the whole may fail of late."""
    from rich.table import Table

    shown = Table(box=None, pad_edge=False)
    shown.add_column("tested at")
    for words in ("rows", "churned", "expected", "AUC", f"{tested.evaluation.level:.0%} interval"):
        shown.add_column(words, justify="right")
    for item in tested.by_cutoff:
        auc = item.evaluation.metrics["auc"] if item.evaluation is not None else None
        told = ("–", "–") if auc is None else (_figure(auc.value), _range(auc))
        counts = f"{item.rows:,}", f"{item.churned:,}", f"{item.expected:,.1f}"
        shown.add_row(f"{item.cutoff:%Y-%m-%d}", *counts, *told)
    return shown


def _figures(trained: Trained) -> Table:
    from rich.table import Table

    from churnml.training.recipes import BASELINE

    tested = trained.tested
    shown = Table(box=None, pad_edge=False)
    shown.add_column("")
    shown.add_column("value", justify="right")
    shown.add_column(f"{tested.evaluation.level:.0%} interval", justify="right")
    for key, words in SHOWN.items():
        found = tested.evaluation.metrics[key]
        shown.add_row(words, _figure(found.value), _range(found))
    if tested.unseen_evaluation is not None and not tested.unseen.all():
        unseen = tested.unseen_evaluation.metrics["auc"]
        accounts = f"{tested.unseen_evaluation.accounts:,} accounts never trained on"
        shown.add_row(f"AUC, {accounts}", _figure(unseen.value), _range(unseen))
    if tested.baseline is not None:
        gain = tested.baseline.difference
        name = "recency" if trained.baseline == BASELINE else trained.baseline
        shown.add_row(f"AUC of {name} alone", _figure(tested.baseline.second), "")
        shown.add_row("AUC gained over it", _figure(gain.value, "+"), _range(gain))
    return shown


def _figure(value: float, sign: str = "") -> str:
    return f"{value:{sign}.3f}" if math.isfinite(value) else "–"


def _range(found: Interval) -> str:
    if not math.isfinite(found.low):
        return "" if math.isfinite(found.value) else "–"
    return f"{found.low:.3f} to {found.high:.3f}"


def _document(trained: Trained) -> dict[str, Any]:
    tested = trained.tested
    document: dict[str, Any] = {
        "bundle": trained.bundle.id,
        "folder": str(trained.bundle.folder),
        "run": trained.run.id,
        "out_of_time": tested.out_of_time,
        "taught": trained.bundle.manifest.training.model_dump(
            mode="json",
            include={"rows", "accounts", "churned", "cutoffs", "mix", "losses"},
        ),
        "splits": [_split(parted) for parted in tested.splits],
        "tested": _evaluation(tested.evaluation),
        "unseen": _evaluation(tested.unseen_evaluation) if tested.unseen_evaluation else None,
        "by_cutoff": [_at(item) for item in tested.by_cutoff],
        "baseline": None,
        "segments": [
            part.model_dump(mode="json") for part in trained.bundle.manifest.judgement.segments
        ],
        "sheet": dict(trained.prepared.sheet),
    }
    if tested.baseline is not None:
        document["baseline"] = {
            "feature": trained.baseline,
            "auc": _number(tested.baseline.second),
            "gained": _interval(tested.baseline.difference),
        }
    return document


def _at(item: AtCutoff) -> dict[str, Any]:
    return {
        "cutoff": item.cutoff.isoformat(),
        "rows": item.rows,
        "churned": item.churned,
        "expected": item.expected,
        "evaluation": _evaluation(item.evaluation) if item.evaluation is not None else None,
    }


def _evaluation(evaluation: Evaluation) -> dict[str, Any]:
    return {
        "rows": evaluation.rows,
        "accounts": evaluation.accounts,
        "churned": evaluation.positives,
        "metrics": {name: _interval(found) for name, found in evaluation.metrics.items()},
    }


def _interval(found: Interval) -> dict[str, float | None]:
    return {"value": _number(found.value), "low": _number(found.low), "high": _number(found.high)}


def _number(value: float) -> float | None:
    """Give a figure that JSON knows; none where it does not exist."""
    return value if math.isfinite(value) else None


def _split(parted: Split) -> dict[str, Any]:
    return {
        "test_from": parted.test_from.isoformat() if parted.test_from is not None else None,
        "learn": len(parted.learn),
        "test": len(parted.test),
        "purged": parted.purged,
    }
