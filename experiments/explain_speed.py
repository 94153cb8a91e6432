"""What exact reasons cost, beside a prediction and beside what one would take instead.

    python experiments/explain_speed.py [--bundle FOLDER --table FILE]

Models of several sizes are learned from made-up rows with missing values and categories; with
`--bundle` and `--table`, a project's own model and training table stand beside them. All are asked
in turn within one run. Writes experiments/explain_speed.md.
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import lightgbm as lgb
import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq

from churnml.explain.treeshap import TreeShap
from churnml.training import bundle as bundles

HERE = Path(__file__).resolve().parent
REMARKS = "## What is to be believed"
# Trees, leaves, depth (no bound: −1), features.
SHAPES = (
    (100, 15, -1, 30),
    (200, 15, 5, 60),
    (300, 31, -1, 60),
    (500, 31, -1, 60),
    (500, 63, -1, 60),
    (500, 63, -1, 100),
)
ROWS = (1, 1_000, 100_000)
ASKED_SLOWLY = 400  # rows that LightGBM's own reasons are timed on; their cost is even by row
Floats = npt.NDArray[np.float64]
Ask = Callable[[Floats, int], object]  # rows and threads
Costs = dict[tuple[int, int], float]  # by rows at a time and threads


@dataclass(frozen=True)
class Result:
    """What a model's reasons cost; seconds a row, by rows at a time where there are several."""

    name: str
    load: float
    megabytes: float
    gap: float
    ours: Costs
    contrib: Costs
    shap: float
    predict: Costs


def made(n_rows: int, n_features: int, seed: int) -> tuple[Floats, npt.NDArray[np.bool_]]:
    """Make up rows: a tenth missing, five columns of whole numbers, three of codes."""
    rng = np.random.default_rng(seed)
    rows = rng.normal(size=(n_rows, n_features))
    rows[:, :5] = np.round(rows[:, :5] * 2)
    rows[rng.random(rows.shape) < 0.1] = np.nan
    rows[:, -3:] = rng.integers(0, 12, (n_rows, 3))
    known = np.nan_to_num(rows)
    odds = known[:, 0] + known[:, 1] * known[:, 6] + np.sin(3 * known[:, 7]) + rows[:, -1] % 3 - 2
    return rows, rng.random(n_rows) < 1 / (1 + np.exp(-odds))


def learned(trees: int, leaves: int, depth: int, n_features: int) -> lgb.Booster:
    """Learn a bagged model of that size."""
    rows, label = made(30_000, n_features, 0)
    parameters = {
        "objective": "binary",
        "num_leaves": leaves,
        "max_depth": depth,
        "learning_rate": 0.05,
        "feature_fraction": 0.7,
        "bagging_fraction": 0.7,
        "bagging_freq": 1,
        "num_threads": 2,
        "seed": 0,
        "verbose": -1,
    }
    codes = [n_features - 3, n_features - 2, n_features - 1]
    return lgb.train(parameters, lgb.Dataset(rows, label, categorical_feature=codes), trees)


def a_row(ask: Ask, rows: Floats, threads: int, times: int) -> float:
    """Time a question, in seconds a row: the median of so many, after one that is not counted."""
    ask(rows, threads)
    found = []
    for _ in range(times):
        began = time.perf_counter()
        ask(rows, threads)
        found.append(time.perf_counter() - began)
    return float(np.median(found)) / len(rows)


def measured(name: str, text: str, rows: Floats, parts: tuple[int, ...] | None) -> Result:
    """Ask a model's reasons in every way."""
    booster = lgb.Booster(model_str=text)
    began = time.perf_counter()
    made_ready = TreeShap.of(text, parts)
    load = time.perf_counter() - began

    def ours(asked: Floats, threads: int) -> Floats:
        return made_ready.explain(asked, threads=threads)[1]

    def contrib(asked: Floats, threads: int) -> Floats:
        return np.asarray(booster.predict(asked, pred_contrib=True, num_threads=threads))

    def predict(asked: Floats, threads: int) -> Floats:
        return np.asarray(booster.predict(asked, raw_score=True, num_threads=threads))

    few = rows[:ASKED_SLOWLY]
    cost: dict[str, Costs] = {"ours": {}, "contrib": {}, "predict": {}}
    for count in ROWS:
        times = {1: 200, 1_000: 9}.get(count, 3)
        for at in ((count, 1), (count, 2)):
            cost["ours"][at] = a_row(ours, rows[:count], at[1], times)
            cost["predict"][at] = a_row(predict, rows[:count], at[1], times)
            cost["contrib"][at] = a_row(contrib, few[:count], at[1], 20 if count == 1 else 2)
    return Result(
        name=name,
        load=load,
        megabytes=made_ready.nbytes / 1e6,
        gap=float(np.abs(ours(few, 1) - contrib(few, 1)[:, :-1]).max()),
        shap=_by_shap(booster, few[:100]),
        **cost,
    )


def _by_shap(booster: lgb.Booster, rows: Floats) -> float:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import shap

        explainer = shap.TreeExplainer(booster)
        return a_row(lambda asked, _: explainer.shap_values(asked), rows, 1, 2)


def page(results: list[Result], million: float, command: str) -> str:
    """Write down what came out."""
    lines = [
        "# What do exact reasons cost?",
        "",
        "Question: what does it cost to explain a score exactly, beside LightGBM's `pred_contrib`,",
        "`shap.TreeExplainer` (which asks the same of LightGBM), and beside a prediction alone?",
        "",
        f"Command: `{command}`",
        "",
        "Rows are made up: a tenth of their values missing, three categories. Medians within one",
        f"run; `on 2` is with two threads. `pred_contrib` is timed on {ASKED_SLOWLY} rows where",
        "more are asked: its cost is even by row. Microseconds a row; `ratio` is that of",
        "`pred_contrib` to ours, `gain` what a second thread gives, `share` ours of a prediction.",
        "",
        "## Many at a time (100,000 rows)",
        "",
        "| model | ours | on 2 | pred_contrib | on 2 | shap | predict | ratio | gain | share |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    many = ROWS[-1]
    for item in results:
        ours, both = item.ours[many, 1], item.ours[many, 2]
        lines.append(
            f"| {item.name} | {ours * 1e6:.1f} | {both * 1e6:.1f} "
            f"| {item.contrib[many, 1] * 1e6:,.0f} | {item.contrib[many, 2] * 1e6:,.0f} "
            f"| {item.shap * 1e6:,.0f} | {item.predict[many, 1] * 1e6:.1f} "
            f"| {item.contrib[many, 1] / ours:.0f} × | {ours / both:.2f} × "
            f"| {ours / item.predict[many, 1]:.2f} |"
        )
    for count in ROWS[:-1]:
        lines += [
            "",
            f"## {count:,} row{'s' if count > 1 else ''} at a time",
            "",
            "| model | ours | pred_contrib | predict | ratio to pred_contrib |",
            "|---|---|---|---|---|",
        ]
        lines += [
            f"| {item.name} | {item.ours[count, 1] * 1e6:,.1f} "
            f"| {item.contrib[count, 1] * 1e6:,.0f} | {item.predict[count, 1] * 1e6:,.1f} "
            f"| {item.contrib[count, 1] / item.ours[count, 1]:.1f} × |"
            for item in results
        ]
    lines += [
        "",
        "## What it takes",
        "",
        "| model | tables, MB | seconds to make ready | largest difference to pred_contrib |",
        "|---|---|---|---|",
    ]
    lines += [
        f"| {item.name} | {item.megabytes:.1f} | {item.load:.1f} | {item.gap:.1e} |"
        for item in results
    ]
    lines += [
        "",
        f"A million accounts, by the model of 300 × 31 on two threads: {million:.1f} s.",
        "",
    ]
    return "\n".join(lines)


def main() -> None:
    """Measure and write the page; what is said below its tables is kept."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bundle", type=Path)
    parser.add_argument("--table", type=Path)
    given = parser.parse_args()
    # The loops are compiled once, and kept; no time below holds that.
    TreeShap.of(learned(2, 4, -1, 10).model_to_string()).explain(made(10, 10, 1)[0])
    results = []
    if given.bundle is not None:
        model = bundles.load(given.bundle).model
        rows = model.encoding.matrix(pq.read_table(given.table), beside=None)
        rows = np.resize(rows, (ROWS[-1], rows.shape[1]))
        results.append(measured("shipped default", model.text, rows, model.fold_trees))
    million = float("nan")
    for trees, leaves, depth, n_features in SHAPES:
        text = learned(trees, leaves, depth, n_features).model_to_string()
        name = f"{trees} × {leaves}{f', depth {depth}' if depth > 0 else ''}, {n_features} features"
        results.append(measured(name, text, made(ROWS[-1], n_features, 1)[0], None))
        print(results[-1], flush=True)
        if (trees, leaves) == (300, 31):
            many, ours = made(1_000_000, n_features, 2)[0], TreeShap.of(text)
            began = time.perf_counter()
            ours.explain(many, threads=2)
            million = time.perf_counter() - began
    command = "python experiments/explain_speed.py"
    if given.bundle is not None:
        command += " --bundle BUNDLE --table TABLE"
    target = HERE / "explain_speed.md"
    old = target.read_text(encoding="utf-8") if target.is_file() else ""
    kept = old[old.index(REMARKS) :] if REMARKS in old else f"{REMARKS}\n"
    target.write_text(page(results, million, command) + "\n" + kept, encoding="utf-8")


if __name__ == "__main__":
    main()
