"""From a public data set to out-of-time figures, by churnml alone: what the studies share.

A study is a folder of churnml configuration beside its script, and the data set that it reads. Its
project is put together in a temporary folder, so that no data enter the repository.
"""

from __future__ import annotations

import math
import os
import shutil
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from churnml.backtest.metrics import Comparison, Evaluation, Interval, evaluate
from churnml.history.ingestion import ingest
from churnml.history.report import Report
from churnml.project import Project
from churnml.training.tables import Prepared, prepare
from churnml.training.testing import Tested, test

HERE = Path(__file__).resolve().parent
DATA = Path(os.environ.get("CHURNML_DATA", HERE.parents[1] / "shared" / "data"))
METRICS = {
    "auc": "AUC",
    "average_precision": "average precision",
    "recall_at_10": "recall in the riskiest 10 %",
    "brier": "Brier score",
    "log_loss": "log loss",
    "ece": "calibration error",
    "calibration_slope": "calibration slope",
    "calibration_intercept": "calibration intercept",
}
BEGIN, END = "<!-- results -->\n", "<!-- end of results -->\n"


@dataclass(frozen=True)
class Result:
    """What one run gave.

    Parameters
    ----------
    report : Report
        What reading the sources found.
    prepared : Prepared
        The training table.
    tests : tuple of Tested
        One for each cutoff that was tested.
    seconds : tuple of float
        For reading, for labels and features, for the tests.
    """

    report: Report
    prepared: Prepared
    tests: tuple[Tested, ...]
    seconds: tuple[float, float, float]


def assemble(name: str, data: Path, root: Path) -> Project:
    """Put a project together: the study's configuration, and a link to the data beside it.

    Parameters
    ----------
    name : str
        The study's folder of configuration.
    data : Path
        The data set's folder.
    root : Path
        Where the project shall be.
    """
    shutil.copytree(HERE / name, root, ignore=shutil.ignore_patterns("var"))
    (root / "data" / name).symlink_to(data.resolve(), target_is_directory=True)
    return Project.load(root)


def run(project: Project) -> Result:
    """Read, check, label, compute features and test; the only recipe says at which cutoffs."""
    (recipe,) = project.recipes.values()
    began = time.perf_counter()
    report = ingest(
        project.sources,
        base=project.data,
        into=project.history,
        quarantine=project.quarantine,
        progress=say,
    )
    read = time.perf_counter()
    prepared = prepare(project, recipe, say)
    built = time.perf_counter()
    tests = []
    for day in recipe.splits.test_at:
        alone = recipe.splits.model_copy(update={"test_at": (day,)})
        tests.append(test(prepared.table, recipe.model_copy(update={"splits": alone}), say))
    done = time.perf_counter()
    return Result(report, prepared, tuple(tests), (read - began, built - read, done - built))


def say(what: str, share: float) -> None:
    """Show what is being done."""
    print(f"\r{what} {share:.0%}      ", end="", flush=True, file=sys.stderr)


def shown(result: Result) -> str:
    """Write the results down in Markdown, as they came out."""
    read, built, tested = result.seconds
    lines = [
        *_read(result.report),
        "",
        _made(result.prepared),
        f"Seconds: read and check {read:.0f}, labels and features {built:.0f}, tests {tested:.0f}.",
        "",
        *_tests(result.tests),
        "",
        f"Over all tests together: AUC {_interval(_pooled(result.tests))}.",
    ]
    return "\n".join(lines) + "\n"


def _made(prepared: Prepared) -> str:
    table, dropped = prepared.table, prepared.sheet["dropped"]
    left_out = "; ".join(f"{why} {n:,}" for why, n in dropped.items() if n)
    return (
        f"Training table: {table.frame.num_rows:,} rows (account × cutoff), "
        f"{len(table.features)} features. Left out: {left_out or 'nothing'}."
    )


def _read(report: Report) -> list[str]:
    lines = [
        f"History is observed until {report.observed_until} UTC.",
        "",
        "| table | rows read | kept | set aside | left out by `where` | why |",
        "|---|---|---|---|---|---|",
    ]
    for table in report.tables:
        why = "; ".join(
            f"`{item.fault}`{f' of `{item.column}`' if item.column else ''} {item.rows:,}"
            for item in table.findings
        )
        lines.append(
            f"| {table.name} | {table.read:,} | {table.clean:,} | {table.quarantined:,} "
            f"| {table.left_out:,} | {why} |"
        )
    return lines


def _tests(tests: tuple[Tested, ...]) -> list[str]:
    days = [part.test_from for tested in tests for part in tested.splits]
    found = [tested.evaluation for tested in tests]
    lines = [
        f"| tested at | {' | '.join(f'{day:%Y-%m-%d}' for day in days if day)} |",
        f"|---|{'---|' * len(tests)}",
        _row("rows to learn from", [_taught(tested) for tested in tests]),
        _row("rows tested", [f"{item.rows:,}" for item in found]),
        _row("of them churned", [_churned(item) for item in found]),
        _row("mean probability given", [_mean_probability(tested) for tested in tests]),
    ]
    lines += [
        _row(words, [_interval(item.metrics[key]) for item in found])
        for key, words in METRICS.items()
    ]
    lines += [
        _row("**AUC of recency alone**", [_recency(tested.baseline) for tested in tests]),
        _row("**AUC gained over it**", [_gained(tested.baseline) for tested in tests]),
        _row("accounts never trained on", [_unseen(tested, "rows") for tested in tests]),
        _row("AUC of these", [_unseen(tested, "auc") for tested in tests]),
        _row("Brier score of these", [_unseen(tested, "brier") for tested in tests]),
    ]
    return lines


def _pooled(tests: tuple[Tested, ...]) -> Interval:
    rows = pa.concat_tables([tested.frame for tested in tests])
    accounts = np.asarray(rows["account_id"].to_pylist(), dtype=object)
    label, score = rows["label"].to_numpy(), rows["probability"].to_numpy()
    return evaluate(label, score, accounts, metrics=["auc"]).metrics["auc"]


def _row(words: str, values: list[str]) -> str:
    return f"| {words} | {' | '.join(values)} |"


def _taught(tested: Tested) -> str:
    (part,) = tested.splits
    return f"{part.learn.size:,}"


def _churned(found: Evaluation) -> str:
    return f"{found.positives:,} ({found.positives / found.rows:.1%})"


def _mean_probability(tested: Tested) -> str:
    return f"{tested.frame['probability'].to_numpy().mean():.1%}"


def _interval(found: Interval) -> str:
    if not math.isfinite(found.low):
        return f"{found.value:.3f}"
    return f"{found.value:.3f} ({found.low:.3f} to {found.high:.3f})"


def _recency(found: Comparison | None) -> str:
    return f"{found.second:.3f}" if found else "—"


def _gained(found: Comparison | None) -> str:
    return _interval(found.difference) if found else "—"


def _unseen(tested: Tested, what: str) -> str:
    found = tested.unseen_evaluation
    if found is None:
        return "—"
    if what == "rows":
        return f"{found.rows:,}, {_churned(found)} churned"
    return _interval(found.metrics[what])


def study(name: str) -> None:
    """Run a study, print its results and put them into its page."""
    data = Path(sys.argv[1]) if len(sys.argv) > 1 else DATA / name
    if not data.is_dir():
        raise SystemExit(f"{data}: no such folder. Name the folder of the data set.")
    with tempfile.TemporaryDirectory() as folder:
        results = shown(run(assemble(name, data, Path(folder) / name)))
    print(f"\n{results}")
    page = HERE / f"{name}.md"
    before, _, rest = page.read_text(encoding="utf-8").partition(BEGIN)
    _, _, after = rest.partition(END)
    page.write_text(f"{before}{BEGIN}\n{results}\n{END}{after}", encoding="utf-8")
