from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from churnml.text.cancellation import Stance, find_cancellation
from churnml.text.prose import read_prose

from .cancelling import NEITHER, QUESTIONS, REQUESTS
from .test_prose import MESSAGES


def stance(message: str) -> Stance | None:
    found = find_cancellation(read_prose(message))
    return None if found is None else found.stance


@pytest.mark.parametrize("message", REQUESTS)
def test_a_request_is_told(message: str) -> None:
    assert stance(message) is Stance.REQUEST


@pytest.mark.parametrize("message", QUESTIONS)
def test_a_question_is_told(message: str) -> None:
    assert stance(message) is Stance.QUESTION


def test_mark_up_hides_nothing_of_what_stands_before_it() -> None:
    style = f'<span style="{"font-family:Calibri;" * 20}">'
    assert stance(f"Our customers ask how to {style}cancel our subscription</span>.") is None
    wish = f"We do not want to {style}cancel our subscription</span>."
    assert stance(wish) is Stance.DENIAL


@pytest.mark.parametrize("message", NEITHER)
def test_what_only_looks_like_it_is_none(message: str) -> None:
    assert stance(message) in {None, Stance.DENIAL}


@pytest.mark.parametrize(
    "message",
    [
        "We decided not to cancel after all.",
        "I withdraw my cancellation from Tuesday. Please leave the account as it is.",
        "We won't be cancelling our subscription, so what will the new price be?",
    ],
)
def test_what_is_denied_or_taken_back_is_told(message: str) -> None:
    assert stance(message) is Stance.DENIAL


@pytest.mark.parametrize(
    ("message", "shown"),
    [
        ("Hi Ann,\nPlease cancel our  Pro subscription.", "cancel our  Pro subscription"),
        ("We won\u2019t be renewing.", "n\u2019t be renewing"),
        ("All fine. What is the NOTICE PERIOD?", "NOTICE PERIOD"),
    ],
)
def test_the_words_that_show_it_are_those_of_the_message(message: str, shown: str) -> None:
    found = find_cancellation(read_prose(message))

    assert found is not None
    assert message[found.start : found.end] == shown


def test_a_request_goes_before_a_question_and_is_taken_back_by_a_later_word() -> None:
    assert stance("How do I cancel? Please cancel our subscription.") is Stance.REQUEST
    assert stance("I asked to cancel our plan. We have changed our minds.") is Stance.DENIAL


@given(st.sampled_from([*REQUESTS, *QUESTIONS, *NEITHER]))
def test_capitals_spaces_and_line_ends_change_nothing(message: str) -> None:
    expected = stance(message)

    assert stance(message.upper()) is expected
    assert stance(message.replace("'", "\u2019")) is expected
    assert stance(message.replace("\n", "\r\n")) is expected
    assert stance(message.replace(" ", "  ")) is expected


@given(MESSAGES)
def test_whatever_is_written_is_read(message: str) -> None:
    found = find_cancellation(read_prose(message))

    assert found is None or 0 <= found.start < found.end <= len(message)
