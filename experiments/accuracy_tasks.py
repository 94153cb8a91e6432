"""The tasks of the accuracy study: tables, labels and folds, the same for every contender.

    python experiments/accuracy_tasks.py FOLDER [TASK ...]

Writes ``FOLDER/TASK/frame.parquet`` and ``FOLDER/TASK/task.json``. The flat tables need pandas and
openpyxl; the others need churnml, which makes their training tables.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

HERE = Path(__file__).resolve().parent
DATA = Path(os.environ.get("CHURNML_DATA", HERE.parents[1] / "shared" / "data"))
ACCOUNTS, MONTHS, SEED = 5000, 36, 1


def flat(folder: Path, frame: pd.DataFrame, label: str, positive: Any, drop: list[str]) -> None:
    """Write a flat table: five stratified folds, each tested once."""
    from sklearn.model_selection import StratifiedKFold

    outcome = (frame[label] == positive).astype("int8")
    features = frame.drop(columns=[label, *drop])
    parted = StratifiedKFold(5, shuffle=True, random_state=0).split(features, outcome)
    folds = [{"learn": learn.tolist(), "test": test.tolist()} for learn, test in parted]
    features.insert(0, "_label", outcome)
    features.insert(0, "_account", [str(row) for row in range(len(features))])
    asked = {"label": {"kind": "column", "file": "-", "column": label, "positive": 1}}
    write(folder, features, folds, {}, asked)


def write(
    folder: Path, frame: pd.DataFrame, folds: list[Any], monotone: dict[str, int], asked: Any
) -> None:
    """Write a task."""
    folder.mkdir(parents=True, exist_ok=True)
    frame.to_parquet(folder / "frame.parquet", index=False)
    task = {
        "features": [name for name in frame.columns if not name.startswith("_")],
        "categorical": [
            name
            for name in frame.columns
            if not name.startswith("_") and not pd.api.types.is_numeric_dtype(frame[name])
        ],
        "monotone": monotone,
        "asked": asked,
        "folds": folds,
    }
    (folder / "task.json").write_text(json.dumps(task))


def ibm_telco(folder: Path) -> None:
    """7,043 customers of a made-up telephone company."""
    table = pd.read_csv(
        DATA / "ibm_telco" / "WA_Fn-UseC_-Telco-Customer-Churn.csv", na_values=[" "]
    )
    flat(folder, table, "Churn", "Yes", ["customerID"])


def mlc_churn(folder: Path) -> None:
    """5,000 customers of a telephone company, artificial."""
    table = pd.read_csv(DATA / "mlc_churn" / "mlc_churn.csv")
    flat(folder, table, "churn", "yes", ["rownames"])


def bank_churn_modelling(folder: Path) -> None:
    """10,000 customers of a bank."""
    table = pd.read_csv(DATA / "bank_churn_modelling" / "Churn_Modelling.csv")
    flat(folder, table, "Exited", 1, ["RowNumber", "CustomerId", "Surname"])


def ecommerce_churn(folder: Path) -> None:
    """5,074 customers of a shop, rows that repeat others left out."""
    table = pd.read_excel(DATA / "ecommerce_churn" / "E_Commerce_Dataset.xlsx", sheet_name="E Comm")
    once = table.drop(columns="CustomerID").drop_duplicates().reset_index(drop=True)
    flat(folder, once, "Churn", 1, [])


def _history(folder: Path, prepared: Any, recipe: Any, truth: Any = None) -> None:
    """Write a table made from history: rolling tests, rows whose label was known to learn from."""
    from churnml.splits import split

    table = prepared.table
    days: list[tuple[Any, ...]] = [(day,) for day in recipe.splits.test_at] or [()]
    folds = [
        {"learn": part.learn.tolist(), "test": part.test.tolist()}
        for day in days
        for part in split(table.frame, _tests(recipe, day), recipe.label, recipe.cutoffs)
    ]
    frame = table.frame.select(list(table.features)).to_pandas()
    frame.insert(0, "_label", table.frame["label"].to_numpy())
    frame.insert(0, "_account", table.frame["account_id"].to_pylist())
    frame.insert(0, "_cutoff", table.frame["cutoff"].to_numpy())
    if truth is not None:
        keys = table.frame.select(["account_id", "cutoff"]).to_pandas()
        frame["_truth"] = keys.merge(truth, how="left", on=["account_id", "cutoff"])[
            "p_churn"
        ].to_numpy()
    for name in table.categorical:
        frame[name] = frame[name].astype(object)
    asked = recipe.model_dump(mode="json", include={"label", "cutoffs"})
    write(folder, frame, folds, dict(table.monotone), asked)


def _tests(recipe: Any, day: tuple[Any, ...]) -> Any:
    return recipe.splits.model_copy(update={"test_at": day}) if day else recipe.splits


def _real(name: str, folder: Path) -> None:
    from real_input import assemble  # type: ignore[import-not-found]

    from churnml.history.ingestion import ingest
    from churnml.training.tables import prepare

    with tempfile.TemporaryDirectory() as place:
        project = assemble(name, DATA / name, Path(place) / name)
        (recipe,) = project.recipes.values()
        ingest(
            project.sources,
            base=project.data,
            into=project.history,
            quarantine=project.quarantine,
            progress=_silent,
        )
        _history(folder, prepare(project, recipe, _silent), recipe)


def online_retail(folder: Path) -> None:
    """Customers of a wholesaler: who buys nothing for 90 days."""
    _real("online_retail", folder)


def fightchurn_socialnet7(folder: Path) -> None:
    """Subscribers of a simulated social network."""
    _real("fightchurn_socialnet7", folder)


def simulator(folder: Path) -> None:
    """A company of churnml's own simulator, whose true probabilities are known."""
    import pyarrow.parquet as pq

    from churnml.project import Project
    from churnml.scaffold import from_history
    from churnml.simulate import simulate
    from churnml.training.tables import prepare

    with tempfile.TemporaryDirectory() as place:
        root = Path(place) / "company"
        from_history(root)
        sample = root / "data" / "sample"
        simulate(sample, accounts=ACCOUNTS, months=MONTHS, seed=SEED)
        project = Project.load(root)
        shipped = project.recipe("churn_90d")
        # The truth's probability is that of leaving for whatever reason, want of payment too.
        spec = shipped.label.model_copy(update={"involuntary": "churn"})
        recipe = shipped.model_copy(update={"label": spec})
        truth = pq.read_table(sample / "truth" / "hazard.parquet").to_pandas()
        truth["cutoff"] = truth["cutoff"].astype("datetime64[us]")
        _history(folder, prepare(project, recipe, _silent), recipe, truth)


def _silent(what: str, share: float) -> None:
    """Show nothing."""


FLAT: dict[str, Callable[[Path], None]] = {
    made.__name__: made for made in (ibm_telco, mlc_churn, bank_churn_modelling, ecommerce_churn)
}
HISTORY: dict[str, Callable[[Path], None]] = {
    made.__name__: made for made in (online_retail, fightchurn_socialnet7, simulator)
}
TASKS = {**FLAT, **HISTORY}


def main() -> None:
    """Write the tasks that are asked for."""
    place, names = Path(sys.argv[1]), sys.argv[2:] or list(TASKS)
    for name in names:
        if not (place / name / "task.json").is_file():
            TASKS[name](place / name)
        task = json.loads((place / name / "task.json").read_text())
        rows = np.mean([len(fold["learn"]) for fold in task["folds"]])
        print(f"{name}: {len(task['folds'])} folds, {rows:,.0f} rows to learn from on average")


if __name__ == "__main__":
    main()
