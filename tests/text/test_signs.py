from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from churnml.text.lexicon import parse_lexicon, shipped_lexicon
from churnml.text.signs import NAMES, table

from .test_lexicon import SMALL

LEXICON = parse_lexicon(SMALL, "small.toml")
ONE = math.log(2)


def read(text: str) -> dict[str, float]:
    return dict(zip(NAMES, table([text], LEXICON)[0].tolist(), strict=True))


def test_a_word_of_feeling_counts() -> None:
    found = read("a nice day")
    assert found["said_liking"] == pytest.approx(ONE)
    assert found["valence"] == pytest.approx(math.log1p(1.5))
    assert found["valence_mean"] == pytest.approx(1.5 / math.sqrt(3))


def test_a_negation_turns_what_follows_soon() -> None:
    found = read("not a nice day")
    assert found["said_liking"] == 0.0
    assert found["turned_liking"] == pytest.approx(ONE)
    assert found["valence"] == pytest.approx(-math.log1p(1.2))
    # Three tokens on it has lost its force, and a mark ends it at once.
    assert read("not a b c nice")["turned_liking"] == 0.0
    assert read("not! nice")["turned_liking"] == 0.0


def test_a_phrase_counts_in_place_of_its_words() -> None:
    found = read("this is not ok at all")
    assert found["said_anger"] == pytest.approx(ONE)
    assert found["manner_negation"] == pytest.approx(ONE)
    assert read("not ok and nice")["turned_liking"] == 0.0


def test_a_phrase_of_one_word_still_negates() -> None:
    lexicon = parse_lexicon(SMALL.replace('"not ok",', '"not",'), "small.toml")
    found = dict(zip(NAMES, table(["not nice"], lexicon)[0].tolist(), strict=True))
    assert found["said_anger"] == found["turned_liking"] == pytest.approx(ONE)


def test_a_star_alone_stands_for_any_word_and_no_mark() -> None:
    lexicon = parse_lexicon(SMALL.replace("flawless*", "*"), "small.toml")
    found = dict(zip(NAMES, table(["table!"], lexicon)[0].tolist(), strict=True))
    assert found["said_delight"] == found["exclamations"] == pytest.approx(ONE)


def test_messages_are_heard_each_by_itself() -> None:
    texts = ["not", "nice", "", "very", "bad", "not", "ok", "at all"]
    together = table(texts, LEXICON)
    assert np.array_equal(together, np.vstack([table([text], LEXICON) for text in texts]))


def test_a_boost_strengthens_the_next_word_alone() -> None:
    assert read("very bad bad")["said_anger"] == pytest.approx(math.log1p(2.4))
    assert read("very! bad")["said_anger"] == pytest.approx(math.log1p(1.4))
    assert read("very, a bad")["said_anger"] == pytest.approx(ONE)


def test_what_follows_the_last_turn_counts_again() -> None:
    found = read("nice but bad")
    assert found["valence"] == pytest.approx(-math.log1p(0.1))
    assert found["valence_after_turn"] == pytest.approx(-math.log1p(1.6))
    assert found["both"] == pytest.approx(1.0 * math.sqrt(1.0))


def test_marks_capitals_thanks_and_questions() -> None:
    found = read("Thanks, WHY IS IT BAD?!")
    assert found["exclamations"] == pytest.approx(ONE)
    assert found["questions"] == pytest.approx(ONE)
    assert found["shouted"] == pytest.approx(2 / 7)
    assert (found["thanks_first"], found["thanks_last"]) == (1.0, 0.0)
    assert read("is it?")["ends_asking"] == 1.0


def test_nothing_said_is_nothing() -> None:
    assert set(read("").values()) == {0.0}


@given(st.text())
def test_any_text_has_finite_signs(text: str) -> None:
    found = table([text], shipped_lexicon())
    assert found.shape == (1, len(NAMES))
    assert np.isfinite(found).all()


def test_no_messages_have_no_rows() -> None:
    assert table([], LEXICON).shape == (0, len(NAMES))
