"""Measure the simulated world: how hard it is, whether its truth is true, and what it costs.

    python experiments/simulator.py

Simulates 2,000, 5,000 and 20,000 accounts over 24 months, each in a process of its own, so that
peak memory belongs to that size alone. Then, on the largest world: churn by tier; the oracle (the
true probability) against what happened; and a logistic regression on ten features anyone would
think of, fitted on the past and tested on the last cutoffs that can be judged. Prints the tables
of experiments/simulator.md.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from churnml.backtest.metrics import Interval, compare, evaluate
from churnml.simulate import simulate
from churnml.simulate.world import TIERS

SIZES = (2_000, 5_000, 20_000)
MONTHS = 24
SEED = 7
HORIZON = pd.Timedelta(days=90)
ENTERED = pd.Timedelta(days=5)  # outcomes are on record within five days
TESTS = 3  # the last cutoffs

CONTRACT = ["monthly", "days_to_end", "mrr", "tenure"]
SIGNALS = ["usage_trend", "idle_days", "negative_share", "nps", "tickets", "bad_bills"]

# Every condition on recorded_at, responded_at, … keeps out what was not known at the cutoff.
FEATURES = """
with term as (
    select account_id, arg_max(ends_at, started_at) ends_at, arg_max(mrr, started_at) mrr,
           arg_max(started_at, started_at) started_at
    from '{folder}/subscriptions.parquet'
    where started_at < $cutoff and recorded_at < $cutoff group by 1),
account as (
    select account_id, min(created_at) created_at from '{folder}/accounts.parquet'
    where recorded_at < $cutoff group by 1),
used as (
    select account_id, max(occurred_at) latest,
           coalesce(sum(quantity) filter (occurred_at >= $cutoff - interval 28 day), 0) recent,
           sum(quantity) / 4 usual
    from '{folder}/usage.parquet'
    where occurred_at < $cutoff and occurred_at >= $cutoff - interval 112 day group by 1),
tone as (
    select account_id, avg((sentiment in ('negative', 'hostile'))::int) negative_share
    from '{folder}/messages.parquet'
    where sentiment is not null and recorded_at < $cutoff
      and sent_at >= $cutoff - interval 90 day group by 1),
survey as (
    select account_id, arg_max(score, responded_at) nps from '{folder}/surveys.parquet'
    where kind = 'nps' and recorded_at < $cutoff and responded_at < $cutoff
      and sent_at >= $cutoff - interval 365 day group by 1),
ticket as (
    select account_id, count(*) tickets from '{folder}/tickets.parquet'
    where recorded_at < $cutoff and opened_at >= $cutoff - interval 90 day group by 1),
bills as (
    select account_id,
           count(*) filter (failed_at < $cutoff or disputed_at < $cutoff
                            or (due_at < $cutoff and coalesce(paid_at, $cutoff) > due_at)) bad_bills
    from '{folder}/invoices.parquet'
    where recorded_at < $cutoff and issued_at >= $cutoff - interval 120 day group by 1)
select account_id, $cutoff::timestamp cutoff,
       (ends_at - started_at < interval 40 day)::int monthly,
       ln(1 + greatest(epoch(ends_at - $cutoff), 0) / 86400) days_to_end,
       ln(1 + mrr) mrr,
       ln(1 + epoch($cutoff - created_at) / 86400) tenure,
       ln((recent + 1) / (usual + 1)) usage_trend,
       ln(1 + coalesce(epoch($cutoff - latest) / 86400, 200)) idle_days,
       negative_share, nps,
       ln(1 + coalesce(tickets, 0)) tickets,
       ln(1 + coalesce(bad_bills, 0)) bad_bills
from account join term using (account_id) left join used using (account_id)
left join tone using (account_id) left join survey using (account_id)
left join ticket using (account_id) left join bills using (account_id)
"""


@dataclass(frozen=True)
class Judged:
    """Rows of accounts with service and without notice, whose 90 days are on record."""

    rows: pd.DataFrame
    feature_seconds: float


def measure(accounts: int, folder: Path) -> dict[str, Any]:
    """Simulate in a process of its own; rows, seconds, peak memory and bytes on disk."""
    command = [sys.executable, __file__, "--accounts", str(accounts), "--folder", str(folder)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def simulate_and_report(accounts: int, folder: Path) -> None:
    """Do the work of `measure` and print it as JSON."""
    began = time.perf_counter()
    made = simulate(folder, accounts=accounts, months=MONTHS, seed=SEED)
    seconds = time.perf_counter() - began
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    size = sum(path.stat().st_size for path in folder.rglob("*.parquet")) / 2**20
    report = {"accounts": accounts, "seconds": seconds, "peak": peak, "size": size}
    print(json.dumps(report | {"rows": dict(made.rows), "churned": dict(made.churned)}))


def judged(folder: Path) -> Judged:
    """Put truth, outcome, tier and features side by side."""
    connection = duckdb.connect()
    truth = connection.sql(f"from '{folder}/truth/hazard.parquet'").df()
    outcomes = connection.sql(f"from '{folder}/outcomes.parquet' where kind = 'churned'").df()
    end = truth.cutoff.max()
    rows = truth[~truth.under_notice & (truth.cutoff <= end - HORIZON - ENTERED)]
    gone = rows.account_id.map(outcomes.set_index("account_id").occurred_at)
    rows = rows.assign(left=((gone >= rows.cutoff) & (gone < rows.cutoff + HORIZON)).astype(int))
    began = time.perf_counter()
    parts = [
        connection.execute(FEATURES.format(folder=folder), {"cutoff": cutoff.to_pydatetime()}).df()
        for cutoff in sorted(rows.cutoff.unique())
        if cutoff >= truth.cutoff.min() + pd.Timedelta(days=85)  # with features of their full span
    ]
    seconds = time.perf_counter() - began
    rows = rows.merge(pd.concat(parts), on=["account_id", "cutoff"], how="left")
    edges = [0.0, *(tier.arr[0] // 10 * 10 for tier in TIERS[1:]), np.inf]
    arr = 12 * np.expm1(rows.mrr)
    rows["tier"] = pd.cut(arr, edges, labels=[tier.name for tier in TIERS], right=False)
    return Judged(rows, seconds)


def logistic(rows: pd.DataFrame, names: list[str]) -> tuple[pd.DataFrame, np.ndarray]:
    """Fit on cutoffs whose labels were known at the first test cutoff; score the test rows."""
    cutoffs = sorted(rows.cutoff.unique())
    first_test = cutoffs[-TESTS]
    fit = rows[rows.cutoff + HORIZON <= first_test]
    test = rows[rows.cutoff >= first_test]
    model = make_pipeline(
        SimpleImputer(strategy="median", add_indicator=True),
        StandardScaler(),
        LogisticRegression(C=1.0, max_iter=500),
    )
    model.fit(fit[names], fit.left)
    return test, model.predict_proba(test[names])[:, 1]


def shown(interval: Interval) -> str:
    """Write a figure with its interval."""
    return f"{interval.value:.3f} ({interval.low:.3f}–{interval.high:.3f})"


def auc(rows: pd.DataFrame, score: Any) -> str:
    """Write the AUC of a score."""
    return shown(evaluate(rows.left, score, rows.account_id, metrics=["auc"]).metrics["auc"])


def cost_table(runs: list[dict[str, Any]]) -> str:
    """Rows by table, seconds, memory and disk of every size."""
    names = list(runs[0]["rows"])
    lines = [
        "| | " + " | ".join(f"{run['accounts']:,} × {MONTHS}" for run in runs) + " |",
        "|---|" + "---:|" * len(runs),
    ]
    lines += [
        f"| {name} | " + " | ".join(f"{run['rows'][name]:,}" for run in runs) + " |"
        for name in names
    ]
    for label, key, form in (
        ("**seconds**", "seconds", "{:.1f}"),
        ("**peak memory, MB**", "peak", "{:.0f}"),
        ("**on disk, MB**", "size", "{:.0f}"),
    ):
        lines.append(f"| {label} | " + " | ".join(form.format(run[key]) for run in runs) + " |")
    return "\n".join(lines)


def tier_table(rows: pd.DataFrame) -> str:
    """Churn and the oracle by account tier at the cutoff."""
    lines = [
        "| tier | rows | leave in 90 d | a year | true mean, 90 d | oracle AUC |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    groups = [("all", rows), *((str(n), group) for n, group in rows.groupby("tier", observed=True))]
    for name, group in groups:
        rate = group.left.mean()
        lines.append(
            f"| {name} | {len(group):,} | {rate:.2%} | {1 - (1 - rate) ** (365.25 / 90):.1%} "
            f"| {group.p_churn.mean():.2%} | {auc(group, group.p_churn)} |"
        )
    return "\n".join(lines)


def calibration_table(rows: pd.DataFrame) -> str:
    """Truth and outcome by tenth of the true probability."""
    tenth = pd.qcut(rows.p_churn.rank(method="first"), 10, labels=False)
    lines = ["| tenth | true probability | left |", "|---:|---:|---:|"]
    for n, group in rows.groupby(tenth):
        lines.append(f"| {n + 1} | {group.p_churn.mean():.2%} | {group.left.mean():.2%} |")
    return "\n".join(lines)


def model_table(rows: pd.DataFrame) -> str:
    """Put the oracle and the logistic regressions on the same test rows."""
    test, ten = logistic(rows, CONTRACT + SIGNALS)
    _, contract = logistic(rows, CONTRACT)
    _, signals = logistic(rows, SIGNALS)
    scores = (
        ("oracle", test.p_churn.to_numpy()),
        ("logistic, ten features", ten),
        ("logistic, contract only (4)", contract),
        ("logistic, signals only (6)", signals),
    )
    monthly = (test.monthly == 1).to_numpy()
    lines = ["| score | AUC, all | monthly terms | annual terms |", "|---|---:|---:|---:|"]
    for name, score in scores:
        lines.append(
            f"| {name} | {auc(test, score)} | {auc(test[monthly], score[monthly])} "
            f"| {auc(test[~monthly], score[~monthly])} |"
        )
    gap = compare(test.left, test.p_churn, ten, test.account_id).difference
    lines += [
        "",
        f"{len(test):,} rows of {test.account_id.nunique():,} accounts, {test.left.sum():,} left.",
        f"Cutoffs: {', '.join(f'{cutoff:%Y-%m-%d}' for cutoff in sorted(test.cutoff.unique()))}.",
        f"The oracle is ahead of the ten features by {shown(gap)}.",
    ]
    return "\n".join(lines)


def sections(runs: list[dict[str, Any]], found: Judged) -> str:
    """Every table and figure of the page, as Markdown."""
    rows = found.rows
    featured = rows[rows.monthly.notna()]
    metrics = evaluate(rows.left, rows.p_churn, rows.account_id).metrics
    figures = "\n".join(f"- {name}: {shown(interval)}" for name, interval in metrics.items())
    churned = runs[-1]["churned"]
    return "\n\n".join(
        (
            cost_table(runs),
            f"Churned: {churned['voluntary']:,} voluntary, {churned['involuntary']:,} involuntary.",
            f"Oracle on {len(rows):,} rows at {rows.cutoff.nunique()} cutoffs:\n\n{figures}",
            calibration_table(rows),
            tier_table(featured),
            model_table(featured),
            f"Features of {len(featured):,} rows: {found.feature_seconds:.1f} s.",
        )
    )


def main() -> None:
    """Run the study, or one simulation of it."""
    if "--folder" in sys.argv:
        simulate_and_report(int(sys.argv[2]), Path(sys.argv[4]))
        return
    with tempfile.TemporaryDirectory() as home:
        folders = [Path(home) / str(size) for size in SIZES]
        runs = [measure(size, folder) for size, folder in zip(SIZES, folders, strict=True)]
        found = judged(folders[-1])
    print(sections(runs, found))


if __name__ == "__main__":
    main()
