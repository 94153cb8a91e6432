from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings

from churnml.text.intents import LEAST, NAMES, Intent, IntentFinding, Intents, chosen, signs
from churnml.text.prose import Span, read_prose
from churnml.text.wording import wording

from .test_prose import MESSAGES

INTENTS = Intents()


def find(message: str) -> tuple[IntentFinding, ...]:
    prose = read_prose(message)
    return INTENTS.find([prose], [wording(prose)])[0]


@pytest.mark.parametrize(
    ("intent", "message"),
    [
        ("cancel_request", "Please cancel our subscription at the end of the month."),
        ("cancel_request", "We won't be renewing, so please close our account."),
        ("cancel_request", "kindly stop billing us, we no longer need it"),
        ("cancel_question", "How do I cancel our subscription?"),
        ("cancel_question", "What is the notice period if we wanted to leave?"),
        ("cancel_question", "What happens to our data after we close our account?"),
        ("legal_threat", "You will be hearing from our lawyers."),
        ("legal_threat", "This is a breach of contract and we will sue."),
        ("refund", "You charged us twice, please refund one of the payments."),
        ("refund", "I want my money back."),
        ("escalation", "Let me speak to your manager."),
        ("escalation", "Please escalate this to somebody senior."),
        ("renewal_question", "When is our contract up for renewal, and at what price?"),
        ("expansion_interest", "We don't need more storage, but we need more seats."),
        ("expansion_interest", "I do not want more delays, add 10 seats now please."),
        ("expansion_interest", "You don't need more reasons, just quote 50 more licences."),
        ("expansion_interest", "We won't need more than 5 extra seats, please order them."),
        (
            "expansion_interest",
            "No need for further discussion, we'd like to upgrade to Enterprise.",
        ),
        ("expansion_interest", "We'd like to add ten more seats. Can you send a quote?"),
    ],
)
def test_an_intent_is_told_and_no_other(intent: str, message: str) -> None:
    assert [finding.intent.value for finding in find(message)] == [intent]


@pytest.mark.parametrize(
    "message",
    [
        "How do I cancel a job that was already dispatched?",
        "Please don't cancel our account, the payment is on its way.",
        "Our biggest client cancelled their contract with us this morning.",
        "Where do I set the refund policy for our web shop?",
        "My manager loves the new dashboard!",
        "How do I switch the escalation rules off at night?",
        "Is there a report of the renewals of our clients?",
        "Thanks, the refund arrived.",
        "The export is slow today.",
        "We do not need more seats.",
        "We don't need more seats, thank you, we need the ones we have to work.",
        "We do not need more users, so please don't add any.",
        "We do not want to cancel our subscription.",
        "We're not going to cancel our subscription.",
        "We won't be cancelling.",
        "We have decided not to cancel our contract. Thank you!",
        "No need for additional licences.",
        "10",
        "$1,200",
        "Our legal team needs the DPA signed before Friday.",
        "",
    ],
)
def test_what_only_looks_like_it_is_none(message: str) -> None:
    assert find(message) == ()


def test_a_message_may_want_several_things() -> None:
    message = "Cancel our account and refund last month, or our lawyers will be in touch."
    found = find(message)
    assert [item.intent for item in found] == [
        Intent.CANCEL_REQUEST,
        Intent.LEGAL_THREAT,
        Intent.REFUND,
    ]
    assert found[0].span == Span(0, 18, "Cancel our account")
    assert "lawyers" in found[1].span.text
    assert "refund" in found[2].span.text


def test_the_words_that_show_it_are_of_the_sentence_that_says_it() -> None:
    message = "The weather is fine here. Could you put me through to your supervisor? Greetings, Al"
    (found,) = find(message)
    assert found.intent is Intent.ESCALATION
    assert "supervisor" in found.span.text
    assert 26 <= found.span.start < found.span.end <= 70


def test_thresholds_decide_and_of_two_stances_the_likelier_is_taken() -> None:
    none = dict.fromkeys(NAMES, -9.0)

    def said(**odds: float) -> list[Intent]:
        return chosen(np.array([{**none, **odds}[name] for name in NAMES]))

    least = LEAST["cancellation"]
    assert said() == []
    assert said(cancellation=least - 0.01, cancel_request=5.0) == []
    assert said(cancellation=least, cancel_request=-2.0, cancel_question=-1.0) == [
        Intent.CANCEL_QUESTION
    ]
    assert said(cancellation=5.0, cancel_request=1.0, refund=LEAST["refund"]) == [
        Intent.CANCEL_REQUEST,
        Intent.REFUND,
    ]


def test_nothing_is_found_in_nothing() -> None:
    assert INTENTS.find([], []) == []
    assert signs([]).shape == (0, 3)


@settings(deadline=None)
@given(MESSAGES)
def test_every_span_quotes_the_message(message: str) -> None:
    for finding in find(message):
        assert finding.span.text == message[finding.span.start : finding.span.end]
        assert finding.span.text


@settings(deadline=None)
@given(MESSAGES)
def test_line_ends_change_nothing(message: str) -> None:
    unix = message.replace("\r\n", "\n").replace("\r", "\n")
    windows = unix.replace("\n", "\r\n")
    assert [item.intent for item in find(unix)] == [item.intent for item in find(windows)]
