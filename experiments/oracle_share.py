"""How much of what can be known does the model find? Its AUC as a share of the oracle's.

    python experiments/oracle_share.py [--accounts 5000] [--months 36] [--seeds 1 2 3]

The oracle is the simulator's own probability of churn, which knows each account's hidden state.
Model and oracle are compared on the same out-of-time rows. Writes experiments/oracle_share.md.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from churnml.backtest.metrics import Comparison, Interval, compare, evaluate
from churnml.project import Project
from churnml.scaffold import from_history
from churnml.simulate import simulate
from churnml.training.tables import prepare
from churnml.training.testing import test

HERE = Path(__file__).resolve().parent
RECIPE = "churn_90d"


@dataclass(frozen=True)
class Result:
    """One simulated company."""

    seed: int
    rows: int
    churned: int
    features: int
    model: Interval
    oracle: Interval
    behind: Comparison
    seconds: float


def run(accounts: int, months: int, seed: int) -> Result:
    """Simulate, learn, test out of time, and set the oracle beside it."""
    began = time.perf_counter()
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
        prepared = prepare(project, recipe, say)
        tested = test(prepared.table, recipe, say)
        truth = pq.read_table(sample / "truth" / "hazard.parquet")
    truth = truth.select(["account_id", "cutoff", "p_churn"])
    both = tested.frame.join(truth, ["account_id", "cutoff"], join_type="inner")
    if both.num_rows != tested.frame.num_rows:
        raise SystemExit(f"{tested.frame.num_rows - both.num_rows} test rows have no true hazard")
    label, account = both["label"].to_numpy(), np.asarray(both["account_id"].to_pylist(), object)
    model, oracle = both["probability"].to_numpy(), both["p_churn"].to_numpy()
    return Result(
        seed=seed,
        rows=both.num_rows,
        churned=int(label.sum()),
        features=len(prepared.table.features),
        model=evaluate(label, model, account, metrics=["auc"]).metrics["auc"],
        oracle=evaluate(label, oracle, account, metrics=["auc"]).metrics["auc"],
        behind=compare(label, model, oracle, account),
        seconds=time.perf_counter() - began,
    )


def say(what: str, share: float) -> None:
    """Show what is being done."""
    print(f"\r{what} {share:.0%}   ", end="", flush=True)


def page(results: list[Result], command: str) -> str:
    """Write the results down as they came out."""
    lines = [
        "# How much of what can be known does the model find?",
        "",
        "Question: on simulated companies, whose true probability of churn is known, what is the",
        f"AUC of the shipped recipe `{RECIPE}` as a share of the oracle's own, on the same",
        "out-of-time rows? Churn for want of payment counts here, as it does in the truth.",
        "Intervals (95 %) resample accounts.",
        "",
        f"Command: `{command}`",
        "",
        "| seed | rows | churned | features | model AUC | oracle AUC | share | difference | s |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for item in results:
        gap = item.behind.difference
        lines.append(
            f"| {item.seed} | {item.rows:,} | {item.churned} | {item.features} "
            f"| {_shown(item.model)} | {_shown(item.oracle)} "
            f"| {item.model.value / item.oracle.value:.1%} | {_shown(gap)} | {item.seconds:.0f} |"
        )
    share = np.mean([item.model.value / item.oracle.value for item in results])
    above = np.mean([(item.model.value - 0.5) / (item.oracle.value - 0.5) for item in results])
    lines += [
        "",
        f"Mean share of the oracle's AUC: {share:.1%}. Counted above chance,",
        f"(AUC − 0.5) / (oracle − 0.5), it is {above:.1%}: the stricter way to say the same.",
    ]
    return "\n".join(lines) + "\n"


def _shown(found: Interval) -> str:
    return f"{found.value:.3f} ({found.low:.3f} to {found.high:.3f})"


def main() -> None:
    """Measure and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--accounts", type=int, default=5000)
    parser.add_argument("--months", type=int, default=36)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    given = parser.parse_args()
    results = []
    for seed in given.seeds:
        results.append(run(given.accounts, given.months, seed))
        print(f"\n{results[-1]}")
    seeds = " ".join(map(str, given.seeds))
    command = (
        f"python experiments/oracle_share.py --accounts {given.accounts} "
        f"--months {given.months} --seeds {seeds}"
    )
    (HERE / "oracle_share.md").write_text(page(results, command))


if __name__ == "__main__":
    main()
