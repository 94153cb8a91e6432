from __future__ import annotations

from collections import Counter

from churnml.history.tables import SENTIMENTS
from churnml.text.intents import Intent
from churnml.text.messages import read_messages
from churnml.text.moves import CompetitorLevel


def test_the_corpus_is_sound() -> None:
    messages = read_messages()
    assert len(messages) > 10_000
    assert len({" ".join(item.text.lower().split()) for item in messages}) == len(messages)
    for item in messages:
        assert item.text.strip()
        assert item.intents <= {intent.value for intent in Intent}
        assert (item.competitor is None) == (item.level is None)
        assert item.tone is None or item.tone in SENTIMENTS
        if item.competitor is not None:
            assert item.competitor.lower() in item.text.lower()
            assert item.level in {level.value for level in CompetitorLevel}


def test_every_intent_and_level_is_there_often_and_many_messages_have_none() -> None:
    messages = read_messages()
    counts = Counter(intent for item in messages for intent in item.intents)
    levels = Counter(item.level for item in messages if item.level)
    assert min(counts[intent.value] for intent in Intent) >= 400
    assert min(levels[level.value] for level in CompetitorLevel) >= 300
    tones = Counter(item.tone for item in messages if item.tone)
    assert sum(not item.intents for item in messages) > len(messages) / 3
    assert tones["negative"] + tones["hostile"] > tones["neutral"] > 100
