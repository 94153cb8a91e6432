"""The peers of the accuracy study, each as its makers ship it; run in an environment of their own.

    python experiments/accuracy_peers.py CONTENDER TASK FOLD OUT

Learns one fold of a task that accuracy_tasks.py wrote, and writes the probabilities of its test
rows to OUT. Needs pandas, scikit-learn, lightgbm, catboost and autogluon.tabular.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

SECONDS = 300  # that AutoGluon may take for a fold
UNCOUNTED = ("autogluon",)  # Ray's workers are no children of the process that asks for them


def lightgbm(learn: pd.DataFrame, label: pd.Series, test: pd.DataFrame, task: Any) -> Any:
    """LightGBM's defaults, categories as it wants them."""
    from lightgbm import LGBMClassifier

    learn, test = _categories(learn, test, task["categorical"])
    model = LGBMClassifier(verbosity=-1, n_jobs=os.cpu_count()).fit(learn, label)
    return np.asarray(model.predict_proba(test))[:, 1]


def catboost(learn: pd.DataFrame, label: pd.Series, test: pd.DataFrame, task: Any) -> Any:
    """CatBoost's defaults, missing categories as a category of their own."""
    from catboost import CatBoostClassifier  # type: ignore[import-not-found]

    chosen = task["categorical"]
    learn, test = learn.copy(), test.copy()
    for name in chosen:
        learn[name] = learn[name].fillna("").astype(str)
        test[name] = test[name].fillna("").astype(str)
    model = CatBoostClassifier(verbose=False, allow_writing_files=False, cat_features=chosen)
    return model.fit(learn, label).predict_proba(test)[:, 1]


def logistic(learn: pd.DataFrame, label: pd.Series, test: pd.DataFrame, task: Any) -> Any:
    """Logistic regression on scaled numbers, medians for missing ones, and indicator columns."""
    from sklearn.compose import make_column_transformer
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    chosen = task["categorical"]
    numbers = [name for name in learn.columns if name not in chosen]
    indicators = OneHotEncoder(handle_unknown="ignore", min_frequency=5)
    words = make_pipeline(SimpleImputer(strategy="constant", fill_value="missing"), indicators)
    figures = make_pipeline(
        SimpleImputer(strategy="median", add_indicator=True, keep_empty_features=True),
        StandardScaler(),
    )
    columns = make_column_transformer((figures, numbers), (words, chosen))
    model = make_pipeline(columns, LogisticRegression(max_iter=2000))
    for name in chosen:
        learn[name], test[name] = learn[name].astype(object), test[name].astype(object)
    for name in numbers:
        learn[name], test[name] = learn[name].astype(float), test[name].astype(float)
    return model.fit(learn, label).predict_proba(test)[:, 1]


def autogluon(learn: pd.DataFrame, label: pd.Series, test: pd.DataFrame, task: Any) -> Any:
    """AutoGluon, ``best_quality``, for `SECONDS`, told which rows share an account."""
    from autogluon.tabular import TabularPredictor  # type: ignore[import-not-found]

    grouped = task["groups"].nunique() < len(learn)
    given = learn.assign(_label=label.to_numpy())
    options: dict[str, Any] = {}
    if grouped:
        given["_fold"] = _fold(task["groups"])
        options["groups"] = "_fold"
    with tempfile.TemporaryDirectory() as place:
        predictor = TabularPredictor(
            label="_label", eval_metric="log_loss", path=place, verbosity=1, **options
        ).fit(given, presets="best_quality", time_limit=SECONDS)
        return predictor.predict_proba(test)[1].to_numpy()


def _fold(groups: pd.Series) -> np.ndarray:
    """Eight folds of accounts, for AutoGluon's own bagging."""
    codes = pd.factorize(groups)[0]
    return np.asarray(np.random.default_rng(0).integers(0, 8, codes.max() + 1)[codes])


def _categories(
    learn: pd.DataFrame, test: pd.DataFrame, chosen: list[str]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    learn, test = learn.copy(), test.copy()
    for name in chosen:
        learn[name] = learn[name].astype("category")
        test[name] = pd.Categorical(test[name], categories=learn[name].cat.categories)
    for frame in (learn, test):
        # LightGBM refuses [ ] : , in names.
        frame.columns = [f"f{place}" for place in range(frame.shape[1])]
    return learn, test


CONTENDERS: dict[str, Callable[..., Any]] = {
    made.__name__: made for made in (lightgbm, catboost, logistic, autogluon)
}


def main() -> None:
    """Learn one fold."""
    name, folder, fold, out = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4])
    task = json.loads((folder / "task.json").read_text())
    frame = pd.read_parquet(folder / "frame.parquet")
    part = task["folds"][fold]
    learn, test = frame.iloc[part["learn"]], frame.iloc[part["test"]]
    task["groups"] = learn["_account"]
    features = task["features"]
    began = time.perf_counter()
    found = CONTENDERS[name](learn[features].copy(), learn["_label"], test[features].copy(), task)
    seconds = time.perf_counter() - began
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    busy = sum(item.ru_utime + item.ru_stime for item in used)
    out.parent.mkdir(parents=True, exist_ok=True)
    np.save(out, np.asarray(found, dtype=np.float32))
    share = busy / seconds / (os.cpu_count() or 1)
    told = {"seconds": seconds, "cpu_share": None if name in UNCOUNTED else share}
    out.with_suffix(".json").write_text(json.dumps(told))


if __name__ == "__main__":
    main()
