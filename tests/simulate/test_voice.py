from __future__ import annotations

import numpy as np
import pytest

from churnml.history.tables import SENTIMENTS
from churnml.simulate.phrases import CLOSINGS, MATTERS, OPENINGS, SLOTS
from churnml.simulate.voice import TOPICS, Voice


def test_the_same_seed_says_the_same() -> None:
    topics = list(TOPICS) * 5
    tones = np.repeat(np.arange(5), len(TOPICS))

    assert Voice(3).write(topics, tones) == Voice(3).write(topics, tones)
    assert Voice(3).write(topics, tones) != Voice(4).write(topics, tones)


@pytest.mark.parametrize("topic", TOPICS)
def test_every_topic_has_words_for_every_tone(topic: str) -> None:
    voice = Voice(1)

    for tone in range(len(SENTIMENTS)):
        text = voice.say(topic, tone)
        assert "{" not in text
        assert not text[0].islower()
        assert text[-1] in ".!?,"


def test_the_phrase_book_is_complete() -> None:
    assert all(set(tones) == set(SENTIMENTS) for tones in MATTERS.values())
    assert set(OPENINGS) == set(CLOSINGS) == set(SENTIMENTS)
    assert not any("{" + name + "}" in text for name, texts in SLOTS.items() for text in texts)


def test_texts_seldom_repeat() -> None:
    voice = Voice(5)

    texts = [voice.say("product", 2) for _ in range(500)]

    assert len(set(texts)) > 350


def test_some_texts_borrow_the_neighbouring_tone() -> None:
    voice = Voice(5)
    hostile = MATTERS["praise"]["hostile"][0]

    said = [hostile in voice.say("praise", 3) for _ in range(2000)]

    assert 0.04 < np.mean(said) < 0.11  # half of 14 %
