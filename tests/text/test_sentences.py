from __future__ import annotations

import re
from collections import Counter

import numpy as np
import pytest

from churnml.history.tables import SENTIMENTS
from churnml.text import shipping
from churnml.text.sentences import Sentence, read_corpus, sentences
from churnml.text.sentiment import shipped_model


def test_as_many_of_each_tone_and_the_same_for_a_seed() -> None:
    corpus = read_corpus()
    found = list(sentences(corpus, 30, 4))
    assert Counter(item.tone for item in found) == dict.fromkeys(SENTIMENTS, 30)
    assert found == list(sentences(corpus, 30, 4))
    assert found != list(sentences(corpus, 30, 5))


def test_every_slot_is_filled_and_known() -> None:
    corpus = read_corpus()
    parts = [*corpus.openings.values(), *corpus.closings.values(), *corpus.matters.values()]
    named = {slot for part in parts for text in part for slot in re.findall(r"\{(\w+)\}", text)}
    assert named == set(corpus.slots)
    assert not any("{" in item.text for item in sentences(corpus, 50, 1))


def test_no_matter_is_of_two_tones() -> None:
    matters = [matter for part in read_corpus().matters.values() for matter in part]
    assert [matter for matter, count in Counter(matters).items() if count > 1] == []


def test_a_held_back_matter_teaches_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    taught: list[set[str]] = []
    messages = list(sentences(read_corpus(), 40, 2))

    class Mute:
        def logits(self, texts: list[str]) -> np.ndarray:
            return np.zeros((len(texts), 5))

    def spy(inside: list[Sentence]) -> Mute:
        taught.append({matter for item in inside for matter in item.matters})
        return Mute()

    monkeypatch.setattr(shipping, "learn", spy)
    place, logits = shipping.held_out(messages)
    assert len(taught) == shipping.PARTS
    assert logits.shape == (place.size, 5)
    assert len(set(place.tolist())) == place.size > 80
    for number in place:
        judged = set(messages[number].matters)
        assert any(not judged & known for known in taught)


def test_the_temperature_is_found() -> None:
    """Twice as sure as right: of logits ±2 at even odds of e² the best is divided by two."""
    tone = np.repeat([0, 1], 1000)
    true = np.where(tone == 0, 1.0, -1.0) * np.where(np.arange(2000) % 1000 < 881, 1, -1)
    logits = np.column_stack([2 * true, -2 * true])
    assert shipping.temperature(logits, tone) == pytest.approx(2.0, abs=0.06)


@pytest.mark.slow
def test_the_shipped_file_is_what_the_corpus_teaches() -> None:
    messages = shipping.corpus_messages()
    assert len(messages) > 7000
    anew, texts = shipping.learn(messages), [item.text for item in messages[::37]]
    shipped = shipped_model()
    same = anew.probabilities(texts).argmax(axis=1) == shipped.probabilities(texts).argmax(axis=1)
    assert same.mean() > 0.99
