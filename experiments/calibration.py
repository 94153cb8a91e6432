"""Do intervals hold the accounts' own probabilities? Simulated companies know them.

    python experiments/calibration.py [--accounts 500 2000 5000] [--months 36] [--seeds 11 12]

For each company a model learns from all but the last test's rows, and scores those. Their own
probability of churn, which the simulator knows and no model sees, is then looked for in their
intervals. Writes experiments/calibration.md.
"""

from __future__ import annotations

import argparse
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from churnml.project import Project
from churnml.scaffold import from_history
from churnml.simulate import simulate
from churnml.splits import split
from churnml.training.estimator import FittedModel, Scores, fit
from churnml.training.tables import prepare

HERE = Path(__file__).resolve().parent
RECIPE = "churn_90d"
LEVELS = (0.5, 0.8, 0.9, 0.95)
REMARKS = "## What is to be believed"
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Result:
    """One simulated company; shares of test rows whose own probability lies in the interval."""

    accounts: int
    seed: int
    rows: int
    method: str
    mean_score: float
    mean_truth: float
    width: float
    covered: tuple[float, ...]
    by_tenth: tuple[float, ...]
    thin: int
    thin_covered: float


def run(accounts: int, months: int, seed: int, shapes: tuple[str, ...]) -> Result:
    """Simulate, learn, score out of time, and look for the truth."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "company"
        from_history(root)
        sample = root / "data" / "sample"
        simulate(sample, accounts=accounts, months=months, seed=seed)
        project = Project.load(root)
        # The truth's probability is that of leaving for whatever reason, want of payment too.
        shipped = project.recipe(RECIPE)
        spec = shipped.label.model_copy(update={"involuntary": "churn"})
        recipe = shipped.model_copy(update={"label": spec})
        table = prepare(project, recipe, say).table
        truth = pq.read_table(sample / "truth" / "hazard.parquet")
    last = split(table.frame, recipe.splits, recipe.label, recipe.cutoffs)[-1]
    model = recipe.model.model_copy(update={"shapes": shapes, "num_threads": 1})
    fitted = fit(table, last.learn, model, recipe.calibration)
    rows = table.frame.take(pa.array(last.test))
    return judged(accounts, seed, fitted, rows, _own(rows, truth))


def _own(rows: pa.Table, truth: pa.Table) -> Floats:
    """The own probability of each row."""
    keys = rows.select(["account_id", "cutoff"])
    keys = keys.append_column("place", pa.array(np.arange(rows.num_rows)))
    both = keys.join(
        truth.select(["account_id", "cutoff", "p_churn"]),
        ["account_id", "cutoff"],
        join_type="inner",
    )
    if both.num_rows != rows.num_rows:
        raise SystemExit(f"{rows.num_rows - both.num_rows} test rows have no true probability")
    return np.asarray(both.sort_by("place")["p_churn"].to_numpy())


def judged(accounts: int, seed: int, fitted: FittedModel, rows: pa.Table, own: Floats) -> Result:
    """Count whose own probability lies within."""
    found = {level: fitted.model.score(rows, level=level) for level in LEVELS}
    held = {level: _within(scores, own) for level, scores in found.items()}
    scores, eighty = found[0.8], held[0.8]
    tenth = np.argsort(np.argsort(scores.probability, kind="stable")) * 10 // own.size
    thin = np.array([bool(why) for why in scores.thin])
    return Result(
        accounts=accounts,
        seed=seed,
        rows=own.size,
        method=fitted.calibration,
        mean_score=float(scores.probability.mean()),
        mean_truth=float(own.mean()),
        width=float(np.median(scores.high - scores.low)),
        covered=tuple(float(held[level].mean()) for level in LEVELS),
        by_tenth=tuple(float(eighty[tenth == place].mean()) for place in range(10)),
        thin=int(thin.sum()),
        thin_covered=float(eighty[thin].mean()) if thin.any() else float("nan"),
    )


def _within(scores: Scores, own: Floats) -> npt.NDArray[np.bool_]:
    # The simulator's sums leave rounding errors about 0 and 1.
    return np.asarray((scores.low <= own + 1e-12) & (own - 1e-12 <= scores.high))


def say(what: str, share: float) -> None:
    """Show what is being done."""
    print(f"\r{what} {share:.0%}   ", end="", flush=True)


def page(results: list[Result], command: str) -> str:
    """Write the results down as they came out."""
    told = " | ".join(f"{level:.0%}" for level in LEVELS)
    lines = [
        "# Do intervals hold the accounts' own probabilities?",
        "",
        "Question: in simulated companies, what share of accounts has its own probability of churn",
        f"within its interval? The recipe is `{RECIPE}`, with fewer kinds of trees. Rows are those",
        "of the last test, of which the model learnt nothing. The width of what history does not",
        "show was fitted to other companies (seeds 1 to 4), so these are unseen ones.",
        "",
        f"Command: `{command}`",
        "",
        f"| accounts | seed | rows | curve | mean score | mean truth | width at 80% | {told} |",
        "|---|---|---|---|---|---|---|" + "---|" * len(LEVELS),
    ]
    lines += [
        f"| {item.accounts:,} | {item.seed} | {item.rows:,} | {item.method} "
        f"| {item.mean_score:.2%} | {item.mean_truth:.2%} | {item.width:.3f} | "
        + " | ".join(f"{share:.1%}" for share in item.covered)
        + " |"
        for item in results
    ]
    for accounts in sorted({item.accounts for item in results}):
        alike = [item for item in results if item.accounts == accounts]
        lines.append(_mean(f"mean of {accounts:,}", alike))
    lines += [
        _mean("mean of all", results),
        "",
        "At 80%, by tenth of the score (the safest first), and of accounts of thin history:",
        "",
        "| accounts | seed | " + " | ".join(map(str, range(1, 11))) + " | thin rows | thin |",
        "|---|---|" + "---|" * 12,
    ]
    lines += [
        f"| {item.accounts:,} | {item.seed} | "
        + " | ".join(f"{share:.0%}" for share in item.by_tenth)
        + f" | {item.thin} | {item.thin_covered:.0%} |"
        for item in results
    ]
    return "\n".join(lines) + "\n"


def _mean(name: str, results: list[Result]) -> str:
    means = np.mean([item.covered for item in results], axis=0)
    return f"| {name} | | | | | | | " + " | ".join(f"{share:.1%}" for share in means) + " |"


def main() -> None:
    """Measure and write the page; what is said below its tables is kept."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--accounts", type=int, nargs="+", default=[500, 2000, 5000])
    parser.add_argument("--months", type=int, default=36)
    parser.add_argument("--seeds", type=int, nargs="+", default=[11, 12])
    parser.add_argument("--shapes", nargs="+", default=["small", "medium"])
    given = parser.parse_args()
    results = []
    for accounts in given.accounts:
        for seed in given.seeds:
            results.append(run(accounts, given.months, seed, tuple(given.shapes)))
            print(f"\n{results[-1]}", flush=True)
    command = (
        f"python experiments/calibration.py --accounts {' '.join(map(str, given.accounts))} "
        f"--months {given.months} --seeds {' '.join(map(str, given.seeds))} "
        f"--shapes {' '.join(given.shapes)}"
    )
    target = HERE / "calibration.md"
    old = target.read_text() if target.is_file() else ""
    kept = old[old.index(REMARKS) :] if REMARKS in old else f"{REMARKS}\n"
    target.write_text(page(results, command) + "\n" + kept)


if __name__ == "__main__":
    main()
