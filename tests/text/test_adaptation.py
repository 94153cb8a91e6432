"""Corrections that teach: which texts, and until when people had said what is learned."""

from __future__ import annotations

import datetime as dt

import pyarrow as pa
import pytest

from churnml.errors import TrainingError
from churnml.history.asof import History
from churnml.text.adaptation import corrected_intents, corrected_texts
from churnml.text.corrections import Correction

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
    assert found.gone == 1


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
    assert (found.learned_until, found.gone) == (SAID + 3 * DAY, 0)


def test_nothing_to_learn_is_refused() -> None:
    with pytest.raises(TrainingError, match="nobody has corrected the tone"):
        corrected_texts(history("One."), [correction("gone", "sentiment", "hostile", 1)])
