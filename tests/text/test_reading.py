from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from churnml.scaffold import template
from churnml.text.reading import Reader
from churnml.text.vocabulary import FILE, Competitor, read_vocabulary


@pytest.fixture(scope="module")
def reader() -> Reader:
    words = read_vocabulary(template() / "data" / FILE)
    return Reader(words.model_copy(update={"competitor": (Competitor(name="Fieldstack"),)}))


def test_half_a_character_is_read_over(reader: Reader) -> None:
    text = "\ud83d Please cancel our subscription."
    (reading,) = reader.read([text])
    assert [item.span.text for item in reading.intents] == ["cancel our subscription"]
    assert reader.read(["\ud800"])[0].tone is not None


def test_characters_that_nobody_sees_hide_nothing(reader: Reader) -> None:
    text = "Please can\u200bcel our sub\u00adscription, we have moved to Field\u2060stack."
    (reading,) = reader.read([text])
    assert [item.span.text for item in reading.intents] == ["can\u200bcel our sub\u00adscription"]
    assert [(item.name, item.level.value) for item in reading.competitors] == [
        ("Fieldstack", "switched")
    ]
    (plain,) = reader.read(["Please cancel our subscription, we have moved to Fieldstack."])
    assert reading.tone is not None
    assert plain.tone is not None
    assert reading.tone.probabilities == plain.tone.probabilities


def test_a_message_is_read_whole(reader: Reader) -> None:
    text = (
        "Hello,\nthe export has been broken for two weeks and nobody answers. Please cancel our "
        "subscription, we are moving to Fieldstack.\n\nOn Mon, 3 Mar 2026 Ana wrote:\n> Great work!"
    )
    reading = reader.read([text])[0]
    assert reading.language == "en"
    assert reading.tone is not None
    assert reading.tone.level == "negative"
    assert [item.intent.value for item in reading.intents] == ["cancel_request"]
    assert [(item.name, item.level.value) for item in reading.competitors] == [
        ("Fieldstack", "switching")
    ]
    spans = [reading.tone.span, reading.intents[0].span, reading.competitors[0].span]
    assert all(text[span.start : span.end] == span.text for span in spans)
    assert "Great work" not in reading.tone.span.text
    assert json.loads(json.dumps(reading.document()))["sentiment"] == "negative"


def test_the_sentence_that_sounds_like_it_is_shown(reader: Reader) -> None:
    text = "We have 40 people on the team plan. Your support is useless and rude!"
    reading = reader.read([text])[0]
    assert reading.tone is not None
    assert reading.tone.span.text == "Your support is useless and rude!"


def test_another_language_is_said_and_not_guessed(reader: Reader) -> None:
    reading = reader.read(["Bitte kündigen Sie unseren Vertrag zum Ende des Monats, danke."])[0]
    assert (reading.language, reading.tone, reading.intents) == ("de", None, ())
    assert reading.document()["sentiment"] is None


def test_where_nobody_wrote_anything_there_is_no_tone(reader: Reader) -> None:
    assert [item.tone for item in reader.read(["", "  \n", "> quoted\n> only"])] == [None] * 3
    assert reader.read([]) == []


@settings(max_examples=40, deadline=None)
@given(texts=st.lists(st.text(max_size=120), max_size=4))
def test_any_text_can_be_read_and_spans_point_into_it(reader: Reader, texts: list[str]) -> None:
    for text, reading in zip(texts, reader.read(texts), strict=True):
        spans = [item.span for item in reading.intents]
        spans += [item.span for item in reading.competitors]
        spans += [item.span for item in reading.themes]
        spans += [reading.tone.span] if reading.tone else []
        assert all(text[span.start : span.end] == span.text for span in spans)


@pytest.mark.parametrize(
    "words", ["give you notice ", "cancellation fee ", "not great. ", "don't need more ", "<p "]
)
def test_a_message_without_end_takes_no_time_without_end(reader: Reader, words: str) -> None:
    """So long that to look through all of it for each of its words would take minutes."""
    assert reader.read(["We would like more seats. " + words * (150_000 // len(words))])


def test_long_messages_are_read_a_few_at_a_time(reader: Reader) -> None:
    """Five hundred of them at once would take gigabytes."""
    taken: list[str] = []

    def messages() -> Iterator[str]:
        for _ in range(500):
            taken.append("It is what it is. " * 20_000)
            yield taken[-1]

    assert next(reader.stream(messages())).language == "en"
    assert len(taken) == 3


def test_a_stream_is_read_as_it_comes(reader: Reader) -> None:
    taken = 0

    def endless() -> Iterator[str]:
        nonlocal taken
        while True:
            taken += 1
            yield "thank you, great work"

    found = reader.stream(endless())
    first = next(found)
    assert first.tone is not None
    assert first.tone.level == "positive"
    assert taken <= 512
