from __future__ import annotations

import pytest
from hypothesis import given

from churnml.text.intents import Intent, IntentFinding, find_intents
from churnml.text.prose import Span, read_prose

from .asking import MESSAGES as ASKING
from .test_prose import MESSAGES

CASES = [(intent, message) for intent, messages in ASKING.items() for message in messages]


@pytest.mark.parametrize(("intent", "message"), CASES)
def test_an_intent_is_told_and_no_other(intent: str, message: str) -> None:
    found = [finding.intent for finding in find_intents(read_prose(message))]

    assert found == ([] if intent == "none" else [intent])


def test_a_message_may_want_several_things() -> None:
    message = "Cancel our account and refund last month, or our lawyers will be in touch."

    assert find_intents(read_prose(message)) == (
        IntentFinding(Intent.CANCEL_REQUEST, Span(0, 18, "Cancel our account")),
        IntentFinding(Intent.LEGAL_THREAT, Span(45, 61, "our lawyers will")),
        IntentFinding(Intent.REFUND, Span(23, 29, "refund")),
    )


@given(MESSAGES)
def test_every_span_quotes_the_message(message: str) -> None:
    for finding in find_intents(read_prose(message)):
        assert finding.span.text == message[finding.span.start : finding.span.end]


@given(MESSAGES)
def test_line_ends_change_nothing(message: str) -> None:
    unix = message.replace("\r\n", "\n").replace("\r", "\n")
    windows = unix.replace("\n", "\r\n")

    assert [finding.intent for finding in find_intents(read_prose(unix))] == [
        finding.intent for finding in find_intents(read_prose(windows))
    ]
