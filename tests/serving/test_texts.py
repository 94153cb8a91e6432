"""Texts that are read as they are sent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from churnml.serving.documents import ProblemDocument
from churnml.serving.text_documents import TextReadings

if TYPE_CHECKING:
    import httpx


def refused(answer: httpx.Response) -> ProblemDocument:
    assert answer.status_code == 422, answer.text
    return ProblemDocument.model_validate_json(answer.content)


def test_texts_are_read_with_the_words_that_show_it(ask: Any) -> None:
    text = "Hello. Please cancel our subscription, we switched to Zendesk last week."
    german = "Bitte kündigen Sie unseren Vertrag zum Ende des Monats."
    answer = ask("POST", "/v1/texts/read", json={"texts": [text, german, ""]})

    found = TextReadings.model_validate_json(answer.content)
    first, second, third = found.readings
    assert [item.name for item in first.intents] == ["cancel_request"]
    for place in (first.shown_by, *first.intents, *first.competitors, *first.themes):
        assert place is not None
        assert text[place.start : place.end] == place.text
    assert (second.language, second.sentiment, second.intents) == ("de", None, [])
    assert third.sentiment is None
    assert found.version == ask("POST", "/v1/texts/read", json={"texts": [""]}).json()["version"]


@pytest.mark.parametrize(
    ("body", "at"),
    [
        ({"texts": []}, "texts"),
        ({"texts": [""] * 101}, "texts"),
        ({"texts": ["a", 1]}, "texts.1"),
        ({"texts": ["a" * 20_001]}, "texts.0"),
        ({"text": ["a"], "texts": ["a"]}, "text"),
        ({}, "texts"),
    ],
)
def test_what_is_no_list_of_texts_is_refused(ask: Any, body: Any, at: str) -> None:
    found = refused(ask("POST", "/v1/texts/read", json=body))
    assert [fault.at for fault in found.faults] == [at]
