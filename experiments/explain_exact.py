"""Whether reasons are exact on every data set.

    python experiments/explain_exact.py [--work FOLDER] [--tasks TASK ...]

The shipped default is learned from the first fold of every task of the accuracy study, whose
`accuracy_tasks.py FOLDER/tasks` must have been run. Its reasons of the rows of the test are held
against LightGBM's `pred_contrib`. Writes experiments/explain_exact.md.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pyarrow as pa
from accuracy import TASKS, Task, _recipe, _table  # type: ignore[import-not-found]

from churnml.training.estimator import fit

HERE = Path(__file__).resolve().parent
MOST = 2_000  # rows


def compared(task: Task) -> tuple[int, int, int, float, float]:
    """Give trees, features, rows, the largest difference and the largest contribution."""
    table, recipe, part = _table(task), _recipe(task), task.content["folds"][0]
    model = fit(table, np.array(part["learn"]), recipe.model, recipe.calibration).model
    frame = table.frame.take(pa.array(part["test"][:MOST])).select(list(table.features))
    matrix = model.encoding.matrix(frame)
    parts, ours = model.explainer.explain(matrix)
    theirs = np.asarray(model.booster.predict(matrix, pred_contrib=True))
    apart = [
        np.abs(ours - theirs[:, :-1]).max(),
        np.abs(parts.sum(axis=0) - theirs.sum(axis=1)).max(),
    ]
    return (
        model.booster.num_trees(),
        *ours.shape[::-1],
        float(max(apart)),
        float(np.abs(ours).max()),
    )


def main() -> None:
    """Compare all, and write down what came out."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, default=HERE / "var" / "accuracy")
    parser.add_argument("--tasks", nargs="+", default=list(TASKS), choices=list(TASKS))
    given = parser.parse_args()
    lines = [
        "# Are reasons exact on every data set?",
        "",
        "Question: do churnml's reasons equal LightGBM's `pred_contrib` where they are used, not",
        "only for models made up at random (`tests/explain/test_treeshap.py`)? 1e-9 was the goal.",
        "",
        "Command: `python experiments/explain_exact.py`",
        "",
        "The shipped default, learned from the first fold of each task of the accuracy study; rows",
        f"of its test, {MOST:,} at most. Differences of contributions, and of their sums with the",
        "base, in log-odds before calibration.",
        "",
        "| data set | trees | features | rows | largest difference | largest contribution |",
        "|---|---|---|---|---|---|",
    ]
    for name in given.tasks:
        trees, features, rows, apart, most = compared(Task.read(given.work / "tasks" / name))
        lines.append(f"| {name} | {trees:,} | {features} | {rows:,} | {apart:.1e} | {most:.2f} |")
        print(lines[-1], flush=True)
    (HERE / "explain_exact.md").write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
