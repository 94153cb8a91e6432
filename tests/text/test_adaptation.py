"""Corrections that teach: which texts, and until when people had said what is learned."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pyarrow as pa
import pytest

from churnml.errors import BundleError, TrainingError
from churnml.history.asof import History
from churnml.text.adaptation import (
    Rival,
    adapted_levels,
    corrected_intents,
    corrected_levels,
    corrected_texts,
)
from churnml.text.competitors import Levels, Names, load_levels
from churnml.text.corrections import Correction
from churnml.text.phrases import PhraseModel
from churnml.text.prose import read_prose
from churnml.text.vocabulary import Competitor

SAID = dt.datetime(2025, 6, 1)
DAY = dt.timedelta(days=1)


def history(*texts: str) -> History:
    rows = [
        {
            "message_id": f"m{number}",
            "account_id": "a",
            "sent_at": SAID,
            "direction": "inbound",
            "text": text,
        }
        for number, text in enumerate(texts, start=1)
    ]
    return History.from_tables(
        {"messages": pa.Table.from_pylist(rows)}, observed_until=SAID + 9 * DAY
    )


def correction(text: str, part: str, value: str, day: int) -> Correction:
    return Correction(f"messages/{text}", part, value, "ann", SAID + day * DAY)


def test_the_latest_word_counts_and_what_is_gone_is_counted() -> None:
    found = corrected_texts(
        history("One.", "Two."),
        [
            correction("m1", "sentiment", "hostile", 1),
            correction("m1", "sentiment", "negative", 2),
            correction("gone", "sentiment", "hostile", 5),
            correction("m2", "refund", "yes", 7),
        ],
    )
    assert found.texts == (("One.", "negative"),)
    assert found.learned_until == SAID + 2 * DAY
    assert found.passed_over == 1


def test_intents_are_gathered_by_text() -> None:
    found = corrected_intents(
        history("One.", "Two."),
        [
            correction("m1", "refund", "yes", 1),
            correction("m2", "escalation", "yes", 2),
            correction("m1", "legal_threat", "no", 3),
            correction("m1", "sentiment", "hostile", 9),
        ],
    )
    assert found.texts == (
        ("One.", {"refund": True, "legal_threat": False}),
        ("Two.", {"escalation": True}),
    )
    assert (found.learned_until, found.passed_over) == (SAID + 3 * DAY, 0)


NAMES = Names([Competitor(name="Opsnova"), Competitor(name="Fieldstack")])


def test_a_level_is_about_the_competitor_that_is_meant() -> None:
    found = corrected_levels(
        history(
            "Opsnova is fine.",
            "Opsnova or Fieldstack?",
            "Opsnova or Fieldstack!",
            "Hello.",
            "Opsnova",
            "We may take another vendor.",
        ),
        [
            correction("m1", "competitor_level", "evaluating", 1),
            correction("m2", "competitor", "Fieldstack", 1),
            correction("m2", "competitor_level", "switching", 2),
            correction("m3", "competitor_level", "switched", 2),  # of which of them is not said
            correction("m4", "competitor", "Opsnova", 2),
            correction("m4", "competitor_level", "switched", 2),  # is not named
            correction("m5", "competitor_level", "evaluating", 3),
            correction("m5", "competitor_level", "", 4),  # is none after all
            correction("m6", "competitor_level", "evaluating", 5),
        ],
        NAMES,
    )
    assert found.texts == (
        ("Opsnova is fine.", Rival("Opsnova", "evaluating")),
        ("Opsnova or Fieldstack?", Rival("Fieldstack", "switching")),
        ("We may take another vendor.", Rival(None, "evaluating")),
    )
    assert found.passed_over == 2
    with pytest.raises(TrainingError, match=r"names the competitor that is meant\. Say whom"):
        corrected_levels(
            history("Hi."), [correction("m1", "competitor_level", "switched", 1)], NAMES
        )


def test_a_corrected_level_is_learned(tmp_path: Path) -> None:
    text = "We saw Opsnova at a trade fair."
    prose = [read_prose(text)]
    mentions = [NAMES.find(item) for item in prose]
    until = SAID + DAY
    taught = adapted_levels([(text, Rival("Opsnova", "switched"))], NAMES, 20, learned_until=until)
    taught.save(tmp_path / "own.npz")
    model = load_levels(tmp_path / "own.npz")
    assert model.learned_until == until

    def level(levels: Levels) -> str:
        ((finding,),) = levels.find(prose, mentions)
        return finding.level.value

    assert (level(Levels()), level(Levels(model))) == ("mentioned", "switched")


def test_a_model_of_something_else_is_refused(tmp_path: Path) -> None:
    PhraseModel.shipped("intents.npz").save(tmp_path / "own.npz")
    with pytest.raises(BundleError, match="expected a model of competitors' levels"):
        load_levels(tmp_path / "own.npz")


def test_nothing_to_learn_is_refused() -> None:
    with pytest.raises(TrainingError, match="nobody has corrected the tone"):
        corrected_texts(history("One."), [correction("gone", "sentiment", "hostile", 1)])
