"""Measure how few churned accounts are too few, and how true the foretold interval is.

    python experiments/sufficiency.py [--accounts 2500] [--months 24] [--seeds 1 2]

One company is simulated for each seed, and parts of its accounts are taken at random, ever fewer.
Each part is parted, trained and tested as the shipped recipe says, with fewer trees. Writes
experiments/sufficiency.md.
"""

from __future__ import annotations

import argparse
import math
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import real_input  # type: ignore[import-not-found]

from churnml.backtest.metrics import evaluate
from churnml.errors import LabelError, TrainingError
from churnml.features.table import TrainingTable
from churnml.project import Project
from churnml.scaffold import from_history
from churnml.simulate import simulate
from churnml.splits import split
from churnml.training.recipes import ModelSpec, Recipe
from churnml.training.shapes import Shape
from churnml.training.sufficiency import assess, effective, half_width
from churnml.training.tables import prepare
from churnml.training.testing import test

HERE = Path(__file__).resolve().parent
SIZES = ((60, 12), (100, 12), (150, 12), (250, 8), (400, 6), (700, 4), (1200, 2))
SHARES, DRAWS = (0.02, 0.04, 0.06, 0.09, 0.13, 0.2, 0.35, 0.6), 25
BANDS = ((0, 5), (5, 10), (10, 15), (15, 20), (20, 30), (30, 50), (50, 100), (100, 10_000))


@dataclass(frozen=True)
class Part:
    """One part of a company, trained and tested; the figures are nan where it was impossible."""

    accounts: int
    churned: int
    taught: int
    tested: int
    foretold: float
    got: float
    auc: float
    low: float


def part(table: TrainingTable, recipe: Recipe, number: int, draw: np.random.Generator) -> Part:
    """Take some accounts, and do with them as training does."""
    names = np.unique(np.asarray(table.frame["account_id"].to_pylist(), dtype=object))
    chosen = pa.array(draw.choice(names, number, replace=False), pa.string())
    frame = table.frame.filter(pc.is_in(table.frame["account_id"], value_set=chosen))
    some = replace(table, frame=frame)
    found = assess(some, split(frame, recipe.splits, recipe.label, recipe.cutoffs))
    nothing = float("nan")
    try:
        rows = test(some, recipe, lambda _what, _share: None).frame
    except (LabelError, TrainingError):
        return Part(number, found.churned, found.taught, found.tested, found.half_width, nothing,
                    nothing, nothing)  # fmt: skip
    account = np.asarray(rows["account_id"].to_pylist(), dtype=object)
    label, score = rows["label"].to_numpy(), rows["probability"].to_numpy()
    auc = evaluate(label, score, account, metrics=["auc"]).metrics["auc"]
    # Told for the AUC that came, so that only the variance is judged and not the guess of .75.
    known = min(max(auc.value, 0.5), 0.97)
    parts = split(frame, recipe.splits, recipe.label, recipe.cutoffs)
    foretold = assess(some, parts, auc=known).half_width
    got = (auc.high - auc.low) / 2
    return Part(number, found.churned, found.taught, found.tested, foretold, got, auc.value,
                auc.low)  # fmt: skip


def few_tested(table: TrainingTable, recipe: Recipe, draw: np.random.Generator) -> Iterator[Part]:
    """Test models of the whole company on ever fewer of its accounts."""
    parts = split(table.frame, recipe.splits, recipe.label, recipe.cutoffs)
    taught = assess(table, parts).taught
    rows = test(table, recipe, lambda _what, _share: None).frame
    account = np.unique(rows["account_id"].to_pylist(), return_inverse=True)[1].astype(np.int64)
    label, score = rows["label"].to_numpy(), rows["probability"].to_numpy()
    names = np.unique(account)
    for share in SHARES:
        for _ in range(DRAWS):
            chosen = draw.choice(names, max(2, round(share * names.size)), replace=False)
            there = np.isin(account, chosen)
            some, whose = label[there], account[there]
            tested = int(np.unique(whose[some == 1]).size)
            if not tested:
                continue
            auc = evaluate(some, score[there], whose, metrics=["auc"]).metrics["auc"]
            foretold = half_width(min(auc.value, 0.97), *effective(some == 1, whose))
            yield Part(chosen.size, tested, taught, tested, foretold, (auc.high - auc.low) / 2,
                       auc.value, auc.low)  # fmt: skip


def company(seed: int, accounts: int, months: int) -> tuple[list[Part], list[Part]]:
    """Simulate a company, take parts of it, and then of its tests alone."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "company"
        from_history(root)
        simulate(root / "data" / "sample", accounts=accounts, months=months, seed=seed)
        project = Project.load(root)
        shipped = project.recipe("churn_90d")
        small = Shape(name="small", learning_rate=0.1, num_leaves=7)
        spec = ModelSpec(shapes=(), own_shapes=(small,), folds=3, max_rounds=150, num_threads=1)
        recipe = shipped.model_copy(update={"model": spec})
        table = prepare(project, recipe, real_input.say).table
    draw = np.random.default_rng(seed)
    parts = [part(table, recipe, number, draw) for number, times in SIZES for _ in range(times)]
    return parts, list(few_tested(table, recipe, draw))


def by_churned(parts: list[Part]) -> list[str]:
    """Tell by tested churned accounts how wide intervals are, and how many hold .5."""
    head = ("churned accounts tested", "parts", "not trained", "median AUC", "intervals with .5",
            "median half-width", "foretold", "ratio, middle half")  # fmt: skip
    lines = [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
    for low, high in BANDS:
        some = [item for item in parts if low <= item.tested < high]
        fine = [item for item in some if math.isfinite(item.got)]
        told = f"{low} to {high - 1}" if high < 10_000 else f"{low} or more"
        if not fine:
            lines.append(f"| {told} | {len(some)} | {len(some)} | – | – | – | – | – |")
            continue
        ratio = [item.got / item.foretold for item in fine if math.isfinite(item.foretold)] or [
            math.nan
        ]
        lines.append(
            f"| {told} | {len(some)} | {len(some) - len(fine)} "
            f"| {np.median([i.auc for i in fine]):.2f} "
            f"| {np.mean([i.low <= 0.5 for i in fine]):.0%} "
            f"| {np.median([i.got for i in fine]):.3f} "
            f"| {np.median([i.foretold for i in fine]):.3f} "
            f"| {np.percentile(ratio, 25):.2f} to {np.percentile(ratio, 75):.2f} |"
        )
    return lines


def by_taught(parts: list[Part]) -> list[str]:
    """Tell by churned accounts learned from what the models are worth."""
    lines = [
        "| churned accounts learned from | parts | mean AUC | middle half |",
        "|---|---|---|---|",
    ]
    for low, high in ((0, 10), (10, 20), (20, 30), (30, 50), (50, 100), (100, 200), (200, 10_000)):
        aucs = [i.auc for i in parts if low <= i.taught < high and math.isfinite(i.auc)]
        told = f"{low} to {high - 1}" if high < 10_000 else f"{low} or more"
        if aucs:
            first, third = np.percentile(aucs, [25, 75])
            lines.append(
                f"| {told} | {len(aucs)} | {np.mean(aucs):.3f} | {first:.2f} to {third:.2f} |"
            )
    return lines


def main() -> None:
    """Run every part and put the results into the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--accounts", type=int, default=2500)
    parser.add_argument("--months", type=int, default=24)
    asked = parser.parse_args()
    parts: list[Part] = []
    tests: list[Part] = []
    for seed in asked.seeds:
        some, few = company(seed, asked.accounts, asked.months)
        parts, tests = parts + some, tests + few
    results = "\n".join(
        [
            "Small companies, trained and tested:",
            "",
            *by_churned(parts),
            "",
            *by_taught(parts),
            "",
            "Models of a whole company, tested on few of its accounts:",
            "",
            *by_churned(tests),
        ]
    )
    page = HERE / "sufficiency.md"
    before, _, rest = page.read_text(encoding="utf-8").partition(real_input.BEGIN)
    after = rest.partition(real_input.END)[2]
    text = f"{before}{real_input.BEGIN}\n{results}\n\n{real_input.END}{after}"
    page.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
