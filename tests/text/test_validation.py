from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest

from churnml.errors import TrainingError
from churnml.text.sentences import read_corpus, sentences
from churnml.text.sentiment import SentimentModel
from churnml.text.validation import cross_validated


def test_a_model_is_measured_on_messages_that_it_has_not_seen() -> None:
    told: list[float] = []
    messages = list(sentences(read_corpus(), 30, 3))
    found = cross_validated(
        [item.text for item in messages],
        [item.tone for item in messages],
        lambda _, share: told.append(share),
    )
    assert found.messages == 150
    assert found.model.levels == ("positive", "neutral", "concerned", "negative", "hostile")
    assert 0.5 < found.f1 < 1
    assert 0.5 < found.kappa < 1
    assert told == sorted(told)
    assert told[-1] == 1.0
    assert found.model.learned_until is None


def test_a_model_keeps_until_when_it_was_taught(tmp_path: Path) -> None:
    texts, labels = [f"m{n}" for n in range(12)], ["positive", "hostile"] * 6
    until = dt.datetime(2026, 3, 1)
    found = cross_validated(texts, labels, lambda *_: None, labelled_until=until)
    found.model.save(tmp_path / "own.npz")
    assert SentimentModel.load(tmp_path / "own.npz").learned_until == until


def test_what_is_quoted_teaches_nothing() -> None:
    """The label stands in the quotation alone, which is not read."""
    texts = [f"Re: note {n}\n\n> {word} {word}" for n in range(10) for word in ("qx", "zv")]
    found = cross_validated(texts, ["positive", "negative"] * 10, lambda *_: None)
    said = found.model.probabilities(["qx qx", "zv zv"])
    assert said.round(3).tolist() == [[0.5, 0.0, 0.0, 0.5, 0.0]] * 2


def test_messages_of_one_text_stand_on_one_side() -> None:
    """Every text twice: were its twin to teach, it would be known by heart."""
    texts = [f"{word} {n}" for n in range(10) for word in ("qx", "zv")]
    labels = [("positive", "negative")[(n * 7 + k) % 2] for n in range(10) for k in range(2)]
    found = cross_validated(texts * 2, labels * 2, lambda *_: None)
    assert found.f1 < 0.9


def test_too_few_of_a_label_are_refused() -> None:
    texts, labels = [f"m{n}" for n in range(12)], ["positive"] * 8 + ["hostile"] * 4
    with pytest.raises(TrainingError, match=r"4 messages are labelled 'hostile'; 5 of each"):
        cross_validated(texts, labels, lambda *_: None)
