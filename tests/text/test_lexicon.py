from __future__ import annotations

import math
from pathlib import Path

import pytest

from churnml.errors import ConfigError
from churnml.text.lexicon import (
    FEELINGS,
    MANNERS,
    NO_FEELING,
    parse_lexicon,
    read_lexicon,
    shipped_lexicon,
)
from churnml.text.signs import NAMES, table

SMALL = """
[words]
liking = "nice fine"
anger = "bad flawed fine"
delight = "flawless*"
negation = "not"
boost = "very"
turn = "but"
thanks = "thanks"

[phrases]
anger = ["not ok", "not ok at all"]

[emoji]
delight = "👏"
"""


def test_words_have_feelings_and_manners() -> None:
    lexicon = parse_lexicon(SMALL, "small.toml")
    assert lexicon.feeling("nice") == FEELINGS.index("liking")
    assert lexicon.feeling("👏") == FEELINGS.index("delight")
    assert lexicon.feeling("table") is None
    assert lexicon.manners["not"] == (MANNERS.index("negation"),)


def test_the_strongest_feeling_of_a_word_counts() -> None:
    assert parse_lexicon(SMALL, "small.toml").feeling("fine") == FEELINGS.index("anger")


def test_a_star_stands_for_any_ending() -> None:
    lexicon = parse_lexicon(SMALL, "small.toml")
    assert lexicon.feeling("flawlessly") == FEELINGS.index("delight")
    assert lexicon.feeling("flawed") == FEELINGS.index("anger")


def test_longer_phrases_come_first() -> None:
    lexicon = parse_lexicon(SMALL, "small.toml")
    assert [rest for rest, _ in lexicon.phrases["not"]] == [("ok", "at", "all"), ("ok",)]


def test_a_phrase_may_say_nothing_of_feeling() -> None:
    lexicon = parse_lexicon(SMALL, "small.toml")
    silent = parse_lexicon(
        SMALL.replace("[phrases]", '[phrases]\nnothing = ["bad debt"]'), "small.toml"
    )
    place = NAMES.index("said_anger")
    assert table(["bad debt is bad"], lexicon)[0, place] == pytest.approx(math.log1p(2))
    assert table(["bad debt is bad"], silent)[0, place] == pytest.approx(math.log1p(1))


def test_an_unknown_group_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "own.toml"
    path.write_text('[words]\nrage = "grr"\n[phrases]\n[emoji]\n')
    with pytest.raises(ConfigError, match=r"own\.toml.*no group 'rage'"):
        read_lexicon(path)
    path.write_text("[words\n")
    with pytest.raises(ConfigError, match=r"own\.toml: is not TOML"):
        read_lexicon(path)
    with pytest.raises(ConfigError, match=r"none\.toml: cannot be read"):
        read_lexicon(tmp_path / "none.toml")


def test_every_group_of_the_shipped_words_is_filled() -> None:
    lexicon = shipped_lexicon()
    felt = set(lexicon.feelings.values()) | {
        feeling for group in lexicon.phrases.values() for _, feeling in group
    }
    assert felt == {NO_FEELING, *range(len(FEELINGS))}
    held = {kind for kinds in lexicon.manners.values() for kind in kinds}
    assert held == set(range(len(MANNERS)))
