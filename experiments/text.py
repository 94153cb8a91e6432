"""How well are tone and intents read? The shipped reader and a retrained one beside others.

    python experiments/text.py --peers PYTHON [--data FOLDER] [--intents FILE]

`--peers` names a Python that has vaderSentiment and textblob. Tone is measured on the airline tweets
of FOLDER: as shipped, and retrained by five stratified folds. Intents are measured on Bitext's
questions, and on FILE (JSON lines of text, intents and competitor), by default the messages that
were written for this by somebody who had not seen the rules. Writes experiments/text.md.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import cohen_kappa_score, f1_score
from sklearn.model_selection import StratifiedKFold
from sklearn.pipeline import make_pipeline

from churnml.text.sentiment import SentimentModel, shipped_model

HERE = Path(__file__).resolve().parent
DATA = Path(os.environ.get("CHURNML_DATA", HERE.parents[1] / "shared" / "data"))
CLASSES = ("negative", "neutral", "positive")
FOLDS, SEED, DRAWS = 5, 0, 500
Ints = npt.NDArray[np.intp]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Row:
    """What a reader was worth on the tweets."""

    name: str
    f1: float
    low: float
    high: float
    kappa: float
    accuracy: float
    rate: float


def measured(name: str, label: Ints, said: Ints, rate: float) -> Row:
    """Measure answers; the interval draws tweets."""
    rng = np.random.default_rng(SEED)
    draws = [rng.integers(0, label.size, label.size) for _ in range(DRAWS)]
    spread = [f1_score(label[rows], said[rows], average="macro") for rows in draws]
    return Row(
        name=name,
        f1=float(f1_score(label, said, average="macro")),
        low=float(np.quantile(spread, 0.025)),
        high=float(np.quantile(spread, 0.975)),
        kappa=float(cohen_kappa_score(label, said, weights="quadratic")),
        accuracy=float((label == said).mean()),
        rate=rate,
    )


def tweets(data: Path) -> tuple[list[str], Ints]:
    """Texts and classes; texts that stand there twice are taken once, lest folds share them."""
    table = pd.read_csv(data / "twitter_airline" / "Tweets.csv").drop_duplicates("text")
    label = table["airline_sentiment"].map({name: n for n, name in enumerate(CLASSES)})
    return table["text"].tolist(), label.to_numpy(dtype=np.intp)


def as_three(probabilities: Floats) -> Ints:
    """Five levels as three classes: concerned, negative and hostile are all negative."""
    unhappy = probabilities[:, 2:].sum(axis=1)
    return np.column_stack([unhappy, probabilities[:, 1], probabilities[:, 0]]).argmax(axis=1)


def shipped(texts: Sequence[str]) -> tuple[Ints, float]:
    """The shipped model, which has seen no tweet."""
    model = shipped_model()
    began = time.process_time()
    found = as_three(model.probabilities(texts))
    return found, len(texts) / (time.process_time() - began)


def retrained(texts: list[str], label: Ints, folds: list[Any]) -> tuple[Ints, float]:
    """The same kind of model, learned anew from four folds of five."""
    said, busy = np.empty(label.size, dtype=np.intp), 0.0
    for learn, test in folds:
        model = SentimentModel.fit([texts[n] for n in learn], [CLASSES[n] for n in label[learn]])
        began = time.process_time()
        said[test] = as_three(model.probabilities([texts[n] for n in test]))
        busy += time.process_time() - began
    return said, label.size / busy


def tfidf(texts: list[str], label: Ints, folds: list[Any]) -> tuple[Ints, float]:
    """Words and pairs of words by TF-IDF, and a logistic regression."""
    said, busy, array = np.empty(label.size, dtype=np.intp), 0.0, np.array(texts, dtype=object)
    for learn, test in folds:
        model = make_pipeline(
            TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, min_df=2),
            LogisticRegression(C=10.0, class_weight="balanced", max_iter=1000),
        ).fit(array[learn], label[learn])
        began = time.process_time()
        said[test] = model.predict(array[test])
        busy += time.process_time() - began
    return said, label.size / busy


def cut(polarity: Floats, label: Ints, folds: list[Any]) -> Ints:
    """Classes by two thresholds on polarity, fitted for macro-F1 on four folds of five."""
    said = np.empty(label.size, dtype=np.intp)
    for learn, test in folds:
        marks = np.unique(np.quantile(polarity[learn], np.linspace(0.02, 0.98, 49)))
        pairs = [(low, high) for low in marks for high in marks if low < high]
        best = max(
            pairs,
            key=lambda pair: f1_score(
                label[learn], np.searchsorted(pair, polarity[learn], side="right"), average="macro"
            ),
        )
        said[test] = np.searchsorted(best, polarity[test], side="right")
    return said


def peers(texts: list[str], python: str) -> dict[str, tuple[Floats, float]]:
    """Polarity by VADER and TextBlob."""
    with tempfile.TemporaryDirectory() as folder:
        asked, told = Path(folder) / "in.json", Path(folder) / "out.json"
        asked.write_text(json.dumps(texts))
        script = [python, str(HERE / "text_peers.py"), str(asked), str(told)]
        subprocess.run(script, check=True)
        found = json.loads(told.read_text())
    return {name: (np.array(item["polarity"]), item["rate"]) for name, item in found.items()}


def tone(data: Path, python: str) -> list[Row]:
    """Measure everybody on the tweets."""
    texts, label = tweets(data)
    parted = StratifiedKFold(FOLDS, shuffle=True, random_state=SEED)
    folds = list(parted.split(np.zeros(label.size), label))
    learned: dict[str, Callable[[], tuple[Ints, float]]] = {
        "churnml, retrained": lambda: retrained(texts, label, folds),
        "TF-IDF and logistic regression, retrained": lambda: tfidf(texts, label, folds),
        "churnml, as shipped": lambda: shipped(texts),
    }
    rows = [measured(name, label, *read()) for name, read in learned.items()]
    for name, (polarity, rate) in peers(texts, python).items():
        rows.append(measured(f"{name}, thresholds fitted", label, cut(polarity, label, folds), rate))
    return rows
