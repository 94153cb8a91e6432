from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given

from churnml.text.prose import Span, read_prose
from churnml.text.themes import Theme, ThemeFinding, Themes
from churnml.text.vocabulary import ThemeWords, read_vocabulary

from .test_prose import MESSAGES

WORDS = ThemeWords(
    product=("bug*", "slow"),
    timeline=("roadmap", "late"),
    pricing_billing=("price*", "price match"),
    support=("support", "late reply"),
    competitive=("price match",),
    positive=("great", "happy", "love"),
)
THEMES = Themes(WORDS)


def themes(message: str) -> list[str]:
    return [finding.theme for finding in THEMES.find(read_prose(message))]


def test_each_theme_is_told_once_with_its_first_words() -> None:
    assert THEMES.find(read_prose("Support is slow, and buggy too. SLOW!")) == (
        ThemeFinding(Theme.PRODUCT, Span(11, 15, "slow")),
        ThemeFinding(Theme.SUPPORT, Span(0, 7, "Support")),
    )


def test_the_longest_phrase_wins_and_may_tell_several_themes() -> None:
    assert themes("Do you do a price  match?") == ["pricing_billing", "competitive"]
    assert themes("pricey") == ["pricing_billing"]
    assert themes("A late reply.") == ["support"]


@pytest.mark.parametrize(
    "message",
    [
        "We are not happy.",
        "It would be great to have this.",
        "Great, the app is down again.",
        "I'd be happy if it worked.",
        "Hardly great.",
    ],
)
def test_praise_that_is_denied_wished_for_or_sarcastic_is_none(message: str) -> None:
    assert themes(message) == []


def test_praise_is_told() -> None:
    assert themes("Great work, we love it.") == ["positive"]


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("The export times out every night.", ["product"]),
        ("The rollout is late and nobody gives us a new date.", ["timeline"]),
        ("The invoice is wrong again.", ["pricing_billing"]),
        ("Your support team took a week.", ["support"]),
        ("We are looking at alternatives.", ["competitive"]),
        ("Thank you, well done.", ["positive"]),
    ],
)
def test_the_reference_words_tell_each_theme(root: Path, message: str, expected: list[str]) -> None:
    reference = Themes(read_vocabulary(root / "data" / "text.toml").themes)

    assert [finding.theme for finding in reference.find(read_prose(message))] == expected


def test_mark_up_hides_no_denial(root: Path) -> None:
    reference = Themes(read_vocabulary(root / "data" / "text.toml").themes)
    message = f'It is not <b style="{"margin:0;" * 9}">great</b>.'

    assert reference.find(read_prose(message)) == ()


@given(MESSAGES)
def test_every_span_quotes_the_message(message: str) -> None:
    for finding in THEMES.find(read_prose(message)):
        assert finding.span.text == message[finding.span.start : finding.span.end]
