from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from churnml.text.tokens import tokenize


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("Don't panic!!!", ["dont", "panic", "!!!"]),
        ("We can’t log in...", ["we", "cant", "log", "in", "..."]),  # noqa: RUF001
        ("10/10, top-notch :)", ["10/10", "top-notch", ":)"]),
        ("WHY?? 👍👍", ["why", "??", "👍", "👍"]),
        ("a 3.5 % rise", ["a", "3.5", "rise"]),
        ("", []),
        (" \n\t", []),
    ],
)
def test_words_marks_and_emoji(text: str, tokens: list[str]) -> None:
    assert tokenize(text) == tokens


@given(st.text())
def test_any_text_has_tokens_without_blanks(text: str) -> None:
    tokens = tokenize(text)
    assert all(token and not token.isspace() for token in tokens)
