"""Whose probabilities are best? churnml against what a data scientist would take instead.

    python experiments/accuracy.py --peers PYTHON [--work FOLDER] [--contenders NAME ...]
        [--tasks NAME ...] [--trials 30]

`--peers` names a Python that has pandas, openpyxl, scikit-learn, lightgbm, catboost and
autogluon.tabular; everything but churnml runs in it. What was learned before is kept in FOLDER and
not learned again, so that the study, which takes hours, may be stopped. All answers are kept in
accuracy_answers.parquet as well, and taken up again as long as the tasks are what they were, and,
of churnml's own, the code that trains is too. Writes accuracy.md from whatever is there.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from accuracy_tasks import FLAT, HISTORY, TASKS  # type: ignore[import-not-found]

from churnml import ChurnClassifier
from churnml.backtest.metrics import Evaluation, Interval, evaluate
from churnml.features.table import Fingerprints, TrainingTable
from churnml.training.columns import Columns
from churnml.training.estimator import fit
from churnml.training.recipes import CalibrationSpec, Recipe
from churnml.training.tuning import tune

HERE = Path(__file__).resolve().parent
KEPT = HERE / "accuracy_answers.parquet"
TRAINING = HERE.parent / "src" / "churnml" / "training"
LEARNING = (  # the modules that make a model, and what it says, out of rows
    "calibration",
    "calibrators",
    "classifier",
    "columns",
    "encoding",
    "ensemble",
    "estimator",
    "folds",
    "frames",
    "intervals",
    "judgement",
    "merging",
    "pooling",
    "recipes",
    "segments",
    "shapes",
    "thin",
)
PEERS = ("lightgbm", "catboost", "logistic", "autogluon")
METRICS = {
    "auc": "AUC",
    "average_precision": "average precision",
    "log_loss": "log loss",
    "brier": "Brier score",
    "ece": "calibration error",
}
FOLDS = 8
BEGIN = "# Whose probabilities are best?"
REMARKS = "## What is to be believed"
Floats = np.ndarray[Any, np.dtype[np.float64]]
Rows = np.ndarray[Any, np.dtype[np.intp]]


@dataclass(frozen=True)
class Task:
    """A task of accuracy_tasks.py."""

    folder: Path
    frame: pd.DataFrame
    content: dict[str, Any]

    @classmethod
    def read(cls, folder: Path) -> Task:
        """Read one."""
        content = json.loads((folder / "task.json").read_text())
        return cls(folder, pd.read_parquet(folder / "frame.parquet"), content)

    @property
    def fingerprint(self) -> str:
        """SHA-256 of rows and folds: answers to another task are no answers to this one."""
        digest = hashlib.sha256(json.dumps(self.content["folds"]).encode())
        digest.update(pd.util.hash_pandas_object(self.frame, index=False).to_numpy().tobytes())
        return digest.hexdigest()


def default(task: Task, learn: Rows, test: Rows, _: int) -> Floats:
    """The estimator as it comes, told which rows share an account and which directions bind."""
    features, rows = task.content["features"], task.frame.iloc[learn]
    monotone = task.content["monotone"] or None
    model = ChurnClassifier(n_jobs=-1, monotone=monotone)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.fit(rows[features], rows["_label"], groups=rows["_account"])
        return np.asarray(model.predict_proba(task.frame.iloc[test][features])[:, 1])


def tuned(task: Task, learn: Rows, test: Rows, trials: int) -> Floats:
    """The same after a search, on the rows to learn from alone."""
    table, recipe = _table(task), _recipe(task)
    with tempfile.TemporaryDirectory() as place:
        found = tune(
            table,
            learn,
            recipe,
            trials=trials,
            storage=Path(place) / "trials.db",
            told=lambda _: None,
        )
    spec = recipe.model.model_copy(
        update={"own_shapes": found.shapes, "most_shapes": recipe.model.most_shapes + 3}
    )
    model = fit(table, learn, spec, CalibrationSpec()).model
    return model.score(table.frame.take(pa.array(test))).probability


DEFAULT, TUNED = "churnml", "churnml tuned"
OURS: dict[str, Callable[[Task, Rows, Rows, int], Floats]] = {
    DEFAULT: default,
    TUNED: tuned,
}


def _recipe(task: Task) -> Recipe:
    asked = task.content["asked"]
    given = {"name": task.folder.name, "model": {"folds": FOLDS}, **asked}
    return Recipe.model_validate_json(json.dumps(given))


def _table(task: Task) -> TrainingTable:
    named = {"_label": "label", "_account": "account_id", "_cutoff": "cutoff"}
    frame = pa.Table.from_pandas(task.frame.rename(columns=named), preserve_index=False)
    columns = Columns.choose(frame, task.content["features"])
    return TrainingTable(
        frame=frame,
        features=columns.features,
        categorical=columns.categorical,
        monotone=MappingProxyType(task.content["monotone"]),
        families=MappingProxyType(dict.fromkeys(columns.features, "")),
        fingerprints=Fingerprints(data="", catalogue="", recipe=""),
    )


def learn_all(work: Path, tasks: list[str], contenders: list[str], given: Any) -> None:
    """Learn every fold that was not learned before."""
    for name in tasks:
        folder = work / "tasks" / name
        if not (folder / "task.json").is_file():
            python = given.peers if name in FLAT else sys.executable
            script = [python, str(HERE / "accuracy_tasks.py"), str(work / "tasks"), name]
            subprocess.run(script, check=True)
        task = Task.read(folder)
        restore(work, task, given.trials)
        for contender in contenders:
            for fold, part in enumerate(task.content["folds"]):
                out = work / "said" / contender / f"{name}.{fold}.npy"
                if out.with_suffix(".json").is_file():
                    continue
                print(f"{name}: {contender}, fold {fold}", flush=True)
                if contender in PEERS:
                    peer = [given.peers, str(HERE / "accuracy_peers.py"), contender]
                    subprocess.run([*peer, str(folder), str(fold), str(out)], check=True)
                else:
                    _ours(contender, task, part, out, given.trials)


def made_by(contender: str, trials: int) -> str:
    """Digest what makes churnml's answers; peers' are theirs."""
    if contender in PEERS:
        return ""
    digest = hashlib.sha256(version("lightgbm").encode())
    for module in LEARNING:
        digest.update((TRAINING / f"{module}.py").read_bytes())
    if contender == TUNED:
        digest.update((TRAINING / "tuning.py").read_bytes() + str(trials).encode())
    return digest.hexdigest()


def kept(trials: int) -> list[dict[str, Any]]:
    """Read the answers that were kept and that today's code would give."""
    if not KEPT.is_file():
        return []
    rows = pq.read_table(KEPT).to_pylist()
    return [row for row in rows if row["made_by"] == made_by(row["contender"], trials)]


def restore(work: Path, task: Task, trials: int) -> None:
    """Lay out the answers that were kept for this very task."""
    for row in kept(trials):
        if row["task"] != task.folder.name or row["fingerprint"] != task.fingerprint:
            continue
        out = work / "said" / row["contender"] / f"{row['task']}.{row['fold']}.npy"
        if not out.with_suffix(".json").is_file():
            out.parent.mkdir(parents=True, exist_ok=True)
            np.save(out, np.array(row["said"], dtype=np.float32))
            told = {"seconds": row["seconds"], "cpu_share": row["cpu_share"]}
            out.with_suffix(".json").write_text(json.dumps(told))


def keep(work: Path, tasks: list[str], trials: int) -> None:
    """Keep the answers, which took hours, beside those of tasks that are not at hand."""
    rows = [row for row in kept(trials) if row["task"] not in tasks]
    for task in (Task.read(work / "tasks" / name) for name in tasks):
        for contender in (*OURS, *PEERS):
            for fold in range(len(task.content["folds"])):
                said = work / "said" / contender / f"{task.folder.name}.{fold}.npy"
                if said.with_suffix(".json").is_file():
                    rows.append(
                        {
                            "task": task.folder.name,
                            "fingerprint": task.fingerprint,
                            "contender": contender,
                            "made_by": made_by(contender, trials),
                            "fold": fold,
                            **json.loads(said.with_suffix(".json").read_text()),
                            "said": np.load(said),
                        }
                    )
    pq.write_table(pa.Table.from_pylist(rows), KEPT, compression="zstd")


def _ours(contender: str, task: Task, part: dict[str, Any], out: Path, trials: int) -> None:
    learn, test = np.array(part["learn"]), np.array(part["test"])
    began, busy = time.perf_counter(), time.process_time()
    said = OURS[contender](task, learn, test, trials)
    seconds = time.perf_counter() - began
    out.parent.mkdir(parents=True, exist_ok=True)
    np.save(out, said.astype(np.float32))
    share = (time.process_time() - busy) / seconds / 2
    out.with_suffix(".json").write_text(json.dumps({"seconds": seconds, "cpu_share": share}))


@dataclass(frozen=True)
class Result:
    """What a contender was worth on a task."""

    evaluation: Evaluation
    folds: str
    seconds: float
    cpu_share: float | None
    oracle: Interval | None


def results(work: Path, tasks: list[str], contenders: list[str]) -> dict[str, dict[str, Result]]:
    """Measure by task, then by contender, on the folds that all of a task's contenders learned."""
    found: dict[str, dict[str, Result]] = {}
    for name in tasks:
        if not (work / "tasks" / name / "task.json").is_file():
            continue
        task = Task.read(work / "tasks" / name)
        files = {
            contender: {
                fold: file
                for fold in range(len(task.content["folds"]))
                if (file := work / "said" / contender / f"{name}.{fold}.npy")
                .with_suffix(".json")
                .is_file()
            }
            for contender in contenders
        }
        there = {contender: answers for contender, answers in files.items() if answers}
        folds = sorted(set.intersection(*map(set, there.values()))) if there else []
        if folds:
            found[name] = {
                contender: _measured(task, folds, [answers[fold] for fold in folds])
                for contender, answers in there.items()
            }
    return found


def _measured(task: Task, folds: list[int], files: list[Path]) -> Result:
    rows = np.concatenate([task.content["folds"][fold]["test"] for fold in folds])
    said = np.concatenate([np.load(file) for file in files]).astype(np.float64)
    frame = task.frame.iloc[rows]
    label = frame["_label"].to_numpy()
    accounts = frame["_account"].to_numpy(dtype=object)
    told = [json.loads(file.with_suffix(".json").read_text()) for file in files]
    shares = [item["cpu_share"] for item in told if item["cpu_share"] is not None]
    oracle = None
    if "_truth" in frame.columns:
        truth = frame["_truth"].to_numpy()
        oracle = evaluate(label, truth, accounts, metrics=["auc"]).metrics["auc"]
    return Result(
        evaluation=evaluate(label, said, accounts, metrics=list(METRICS)),
        folds=f"{len(folds)} of {len(task.content['folds'])}",
        seconds=float(np.mean([item["seconds"] for item in told])),
        cpu_share=float(np.mean(shares)) if shares else None,
        oracle=oracle,
    )


def page(
    found: dict[str, dict[str, Result]], searched: dict[str, dict[str, Result]], command: str
) -> str:
    """Write down what came out: everybody beside everybody, then what a search gains."""
    lines = [
        BEGIN,
        "",
        "Question: how good are churnml's probabilities, as it comes and tuned, beside LightGBM",
        "and CatBoost with their defaults, a logistic regression, and AutoGluon (`best_quality`,",
        "300 s a fold)? Every contender learns the same rows: five stratified folds of flat",
        "tables; of histories, the rows whose labels were known at the test's cutoff. Figures are",
        "over all test rows together; intervals (95 %) resample accounts. Seconds are a fold's, on",
        "two cores; `cpu` is the share of them that the contender used (of AutoGluon's, whose",
        "workers are no children of its process, it is not known).",
        "",
        f"Command: `{command}`",
        "",
        *_ranks(found),
    ]
    for name, by_contender in found.items():
        lines += ["", f"## {name}", "", *_shown(by_contender)]
    lines += ["", *_searched(searched)]
    return "\n".join(lines) + "\n"


def _searched(found: dict[str, dict[str, Result]]) -> list[str]:
    """Show what a search is worth, on the tests that it was made for."""
    lines = [
        "## What a search gains",
        "",
        "churnml as it comes and after a search (Optuna; judged by later cutoffs, or in a flat",
        "table by accounts held out; the shipped shapes are among the trials), on the same tests.",
        "",
        "| task | tests | log loss, default | tuned | AUC, default | tuned | seconds |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, both in found.items():
        if TUNED not in both:
            continue
        plain, searched = both[DEFAULT], both[TUNED]
        figures = [
            _interval(item.evaluation.metrics[metric])
            for metric in ("log_loss", "auc")
            for item in (plain, searched)
        ]
        shown = " | ".join(figures)
        lines.append(f"| {name} | {searched.folds} | {shown} | {searched.seconds:.0f} |")
    return lines


def _shown(by_contender: dict[str, Result]) -> list[str]:
    first = next(iter(by_contender.values()))
    head = " | ".join(METRICS.values())
    positives, rows = first.evaluation.positives, first.evaluation.rows
    lines = [
        f"Tests: {first.folds}. Churned: {positives:,} of {rows:,} rows.",
        "",
        f"| contender | {head} | seconds | cpu |",
        "|---|" + "---|" * (len(METRICS) + 2),
    ]
    for contender, item in by_contender.items():
        figures = " | ".join(_interval(item.evaluation.metrics[name]) for name in METRICS)
        share = "–" if item.cpu_share is None else f"{item.cpu_share:.0%}"
        lines.append(f"| {contender} | {figures} | {item.seconds:.1f} | {share} |")
    if first.oracle is not None:
        lines += ["", f"The oracle's own AUC on these rows: {_interval(first.oracle)}."]
    return lines


def _interval(found: Interval) -> str:
    if not np.isfinite(found.low):
        return f"{found.value:.4f}"
    return f"{found.value:.4f} ({found.low:.4f}–{found.high:.4f})"


def _ranks(found: dict[str, dict[str, Result]]) -> list[str]:
    """Rank those contenders that were there everywhere."""
    if not found:
        return ["Nothing was learned yet."]
    everywhere = [
        name
        for name in next(iter(found.values()))
        if all(name in by_contender for by_contender in found.values())
    ]
    lines = [
        f"Mean rank over {len(found)} tasks, of the contenders that learned all of them, and how",
        "far below the best of them each one's AUC is at worst:",
        "",
        "| contender | rank by log loss | rank by AUC | AUC below the best, at worst | on |",
        "|---|---|---|---|---|",
    ]
    values = {
        metric: pd.DataFrame(
            {
                task: {
                    name: by_contender[name].evaluation.metrics[metric].value for name in everywhere
                }
                for task, by_contender in found.items()
            }
        )
        for metric in ("log_loss", "auc")
    }
    by_loss = values["log_loss"].rank().mean(axis=1)
    by_auc = values["auc"].rank(ascending=False).mean(axis=1)
    below = values["auc"].max() - values["auc"]
    for name in by_loss.sort_values().index:
        worst = below.loc[name]
        lines.append(
            f"| {name} | {by_loss[name]:.2f} | {by_auc[name]:.2f} | {worst.max():.4f} "
            f"| {worst.idxmax() if worst.max() > 0 else '–'} |"
        )
    return lines


def main() -> None:
    """Learn what was not learned yet, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peers", default="python")
    parser.add_argument("--work", type=Path, default=HERE / "var" / "accuracy")
    parser.add_argument("--contenders", nargs="+", default=[*OURS, *PEERS])
    parser.add_argument("--tasks", nargs="+", default=list(TASKS), choices=list(TASKS))
    parser.add_argument("--trials", type=int, default=30)
    given = parser.parse_args()
    learn_all(given.work, given.tasks, given.contenders, given)
    there = [name for name in TASKS if (given.work / "tasks" / name / "task.json").is_file()]
    keep(given.work, there, given.trials)
    found = results(given.work, list(TASKS), [DEFAULT, *PEERS])
    searched = results(given.work, list(TASKS), [DEFAULT, TUNED])
    target = HERE / "accuracy.md"
    old = target.read_text() if target.is_file() else ""
    kept = old[old.index(REMARKS) :] if REMARKS in old else f"{REMARKS}\n"
    command = f"python experiments/accuracy.py --peers PYTHON --trials {given.trials}"
    target.write_text(page(found, searched, command) + "\n" + kept)
    print(f"{len(HISTORY) + len(FLAT)} tasks, {len(found)} of them learned by someone")


if __name__ == "__main__":
    main()
