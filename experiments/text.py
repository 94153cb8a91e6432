"""How well are tone and intents read? The shipped reader and a retrained one beside others.

    python experiments/text.py --peers PYTHON [--data FOLDER] [--intents FILE ...]

`--peers` names a Python that has vaderSentiment and textblob. Tone is measured on the airline
tweets of FOLDER: as shipped, and retrained by five stratified folds. Intents are measured on
Bitext's questions, and on FILEs (JSON lines of text, intents and competitor), by default the
messages that were written for this by somebody who had not seen the rules: the half that nobody
looked at first, then that by which the thresholds were chosen. Writes experiments/text.md.
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

from churnml.text.adaptation import adapted
from churnml.text.intents import Intent
from churnml.text.moves import CompetitorLevel
from churnml.text.reading import Reader
from churnml.text.sentiment import SentimentModel, shipped_model
from churnml.text.vocabulary import Competitor, read_vocabulary

HERE = Path(__file__).resolve().parent
DATA = Path(os.environ.get("CHURNML_DATA", HERE.parents[1] / "shared" / "data"))
INTENTS = tuple(
    HERE.parent / "tests" / "text" / name for name in ("intents_unseen.jsonl", "intents_seen.jsonl")
)
REMARKS = "## What is to be believed"
CLASSES = ("negative", "neutral", "positive")
FOLDS, SEED, DRAWS = 5, 0, 500
CORRECTIONS, WEIGHTS, JUDGING = (0, 50, 200, 1000), (1.0, 5.0, 20.0), 4000
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
    return list(map(str, table["text"])), np.asarray(label, dtype=np.intp)


def as_three(probabilities: Floats) -> Ints:
    """Five levels as three classes: concerned, negative and hostile are all negative."""
    unhappy = probabilities[:, 2:].sum(axis=1)
    three = np.column_stack([unhappy, probabilities[:, 1], probabilities[:, 0]])
    return np.asarray(three.argmax(axis=1))


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
        rows.append(
            measured(f"{name}, thresholds fitted", label, cut(polarity, label, folds), rate)
        )
    return rows


def corrected(texts: list[str], label: Ints) -> list[tuple[int, float, float]]:
    """Tweets taken as corrections of the shipped model: how many, each one's weight, macro-F1."""
    drawn = np.random.default_rng(SEED).permutation(label.size)
    test, pool = drawn[:JUDGING], drawn[JUDGING:]
    judged = [texts[n] for n in test]
    rows = []
    for count in CORRECTIONS:
        given = [(texts[n], CLASSES[label[n]]) for n in pool[:count]]
        for weight in WEIGHTS if count else WEIGHTS[:1]:
            model = adapted(given, weight) if given else shipped_model()
            said = as_three(model.probabilities(judged))
            rows.append((count, weight, float(f1_score(label[test], said, average="macro"))))
    return rows


# Bitext's intents that mean the same as ours, and what the others are to us: nothing. Cancelling an
# order is no churn; deleting one's account is; asking for the fee is asking about cancelling.
BITEXT = {
    "delete_account": "cancel_request",
    "check_cancellation_fee": "cancel_question",
    "get_refund": "refund",
    "contact_human_agent": "escalation",
}


@dataclass(frozen=True)
class Found:
    """How an intent was found."""

    name: str
    there: int
    found: int
    right: int

    @property
    def precision(self) -> float:
        """Share of what was found that is there."""
        return self.right / self.found if self.found else float("nan")

    @property
    def recall(self) -> float:
        """Share of what is there that was found."""
        return self.right / self.there if self.there else float("nan")


def counted(names: Sequence[str], true: list[set[str]], said: list[set[str]]) -> list[Found]:
    """Count by intent."""
    return [
        Found(
            name=name,
            there=sum(name in item for item in true),
            found=sum(name in item for item in said),
            right=sum(name in a and name in b for a, b in zip(true, said, strict=True)),
        )
        for name in names
    ]


def intents_of(reader: Reader, texts: list[str]) -> list[set[str]]:
    """What is found."""
    return [{item.intent.value for item in reading.intents} for reading in reader.read(texts)]


def either(items: list[set[str]]) -> list[set[str]]:
    """Call asking about a cancellation and asking for one the same."""
    return [
        item | ({"any cancellation"} if item & {"cancel_question", "cancel_request"} else set())
        for item in items
    ]


def bitext(data: Path, reader: Reader) -> list[Found]:
    """Bitext's questions."""
    file = data / "bitext_customer_service" / "Bitext_Sample_Customer_Service_Training_Dataset.csv"
    table = pd.read_csv(file, encoding="utf-8-sig").drop_duplicates("utterance")
    true = [{BITEXT[name]} if name in BITEXT else set() for name in table["intent"]]
    said = intents_of(reader, table["utterance"].tolist())
    return counted(["any cancellation", *BITEXT.values()], either(true), either(said))


def intent_lines(files: Sequence[Path], reader: Reader) -> list[str]:
    """Measure intents and competitors on each file, and write it down."""
    lines = [
        "## Intents",
        "",
        "Messages that were written for this by somebody who had not seen the rules, nor the",
        "messages that the models learned from; half of those without an intent hold a word such",
        "as cancel, terminate, refund or court.",
        "",
    ]
    for file in files:
        found, levels, count = blind(file, reader)
        lines += [f"`{file.name}`, {count:,} messages:", "", *_counts(found), ""]
        lines += ["How far it has gone with a competitor:", "", *_counts(levels), ""]
    return lines


def blind(file: Path, reader: Reader) -> tuple[list[Found], list[Found], int]:
    """The messages that were written for this: intents, then levels of competitors."""
    rows = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    texts = [row["text"] for row in rows]
    readings = reader.read(texts)
    true = [set(row["intents"]) for row in rows]
    said = [{item.intent.value for item in reading.intents} for reading in readings]
    names = ["any cancellation", *(intent.value for intent in Intent)]
    rivals = [
        {f"{row['competitor']['name']}: {row['competitor']['level']}"}
        if row["competitor"]
        else set()
        for row in rows
    ]
    named = [
        {f"{item.name}: {item.level.value}" for item in reading.competitors if item.name}
        for reading in readings
    ]
    levels = [level.value for level in CompetitorLevel]
    by_level = counted(
        levels,
        [{pair.split(": ")[1] for pair in item} for item in rivals],
        [{pair.split(": ")[1] for pair in item} for item in named],
    )
    return counted(names, either(true), either(said)), by_level, len(rows)


def speed(texts: list[str], reader: Reader) -> float:
    """Messages a second, everything read, on one core."""
    began = time.process_time()
    reader.read(texts)
    return len(texts) / (time.process_time() - began)


def page(data: Path, python: str, files: Sequence[Path]) -> str:
    """Measure everything and write it down."""
    names = [Competitor(name=name) for name in ("Fieldstack", "Quillbase", "Tandemly", "Northbeam")]
    names.append(Competitor(name="Opsnova", aliases=("ops nova", "opsnova.io")))
    words = read_vocabulary(HERE.parent / "data" / "text.toml")
    reader = Reader(words.model_copy(update={"competitor": tuple(names)}))
    texts, label = tweets(data)
    lines = [
        "# How well is what customers say read?",
        "",
        "Questions: how well are the tone and the intents of messages read, as shipped and after",
        "learning from labelled messages, beside what one would take instead, and how fast?",
        "",
        "Command: `python experiments/text.py --peers PYTHON`, where PYTHON has vaderSentiment and",
        "textblob.",
        "",
        "## Tone",
        "",
        f"{label.size:,} tweets to airlines, of three classes ({_shares(label)}); texts that",
        "repeat are taken once. Of five levels concerned, negative and hostile are taken for",
        "negative. What is retrained learns from four folds of five; so do the thresholds that",
        "part the polarity of VADER and TextBlob. The shipped model has seen no tweet. Intervals",
        "(95 %) draw tweets.",
        "",
        "| reader | macro-F1 | quadratic kappa | accuracy | texts a second, one core |",
        "|---|---|---|---|---|",
    ]
    lines += [
        f"| {row.name} | {row.f1:.3f} ({row.low:.3f}–{row.high:.3f}) | {row.kappa:.3f} "
        f"| {row.accuracy:.3f} | {row.rate:,.0f} |"
        for row in tone(data, python)
    ]
    lines += [
        "",
        f"Everything read (tone, intents, competitors, themes): {speed(texts, reader):,.0f} tweets",
        "a second on one core.",
        "",
        "Corrections: tweets taken for texts whose tone somebody corrected, learned beside the",
        f"shipped sentences, each with a weight; judged by {JUDGING:,} other tweets.",
        "",
        "| corrected | weight | macro-F1 |",
        "|---|---|---|",
        *(f"| {n:,} | {w:g} | {f1:.3f} |" for n, w, f1 in corrected(texts, label)),
        "",
        *intent_lines(files, reader),
        "Bitext's questions to a shop (made from templates); "
        + ", ".join(f"`{theirs}` is {ours}" for theirs, ours in BITEXT.items())
        + ", and all others are none:",
        "",
        *_counts(bitext(data, reader)),
    ]
    return "\n".join(lines) + "\n"


def _shares(label: Ints) -> str:
    counts = np.bincount(label)
    return ", ".join(f"{count:,} {name}" for name, count in zip(CLASSES, counts, strict=True))


def _counts(rows: list[Found]) -> list[str]:
    return [
        "| intent | there | found | precision | recall |",
        "|---|---|---|---|---|",
        *(
            f"| {row.name} | {row.there:,} | {row.found:,} | {row.precision:.3f} "
            f"| {row.recall:.3f} |"
            for row in rows
        ),
    ]


def main() -> None:
    """Write the page; what is said below its tables is kept."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peers", required=True)
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--intents", type=Path, nargs="+", default=INTENTS)
    given = parser.parse_args()
    target = HERE / "text.md"
    old = target.read_text(encoding="utf-8") if target.is_file() else ""
    kept = old[old.index(REMARKS) :] if REMARKS in old else f"{REMARKS}\n"
    target.write_text(page(given.data, given.peers, given.intents) + "\n" + kept, encoding="utf-8")


if __name__ == "__main__":
    main()
