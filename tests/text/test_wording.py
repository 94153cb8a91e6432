from __future__ import annotations

from hypothesis import given

from churnml.text.prose import read_prose
from churnml.text.wording import BREAK, NAMED, OTHER, wording

from .test_prose import MESSAGES


def test_words_are_taken_sentence_by_sentence_with_their_places() -> None:
    found = wording(read_prose("Don't bill us. 1,200 EUR?"))
    assert found.words == (BREAK, "don't", "bill", "us", BREAK, "0", "eur", "?", BREAK)
    assert found.places[1:4] == ((0, 5), (6, 10), (11, 13))
    assert found.places[5:8] == ((15, 20), (21, 24), (24, 25))


def test_names_are_marked_whoever_they_are() -> None:
    prose = read_prose("Acme or Fieldstack?")
    found = wording(prose, named=[(8, 18)], others=[(0, 4)])
    assert found.words == (BREAK, OTHER, "or", NAMED, "?", BREAK)
    assert found.letters == f"{OTHER * 4} or {NAMED * 10}?"
    same = wording(read_prose("Acme or Tandemly?"), named=[(8, 16)], others=[(0, 4)])
    assert same.words == found.words


def test_quoted_words_are_not_taken() -> None:
    assert wording(read_prose("Fine.\n> cancel it")).words == (BREAK, "fine", BREAK)
    assert wording(read_prose("")).words == (BREAK,)


@given(MESSAGES)
def test_every_word_has_its_place(message: str) -> None:
    prose = read_prose(message)
    found = wording(prose)
    assert len(found.words) == len(found.places)
    for word, (start, end) in zip(found.words, found.places, strict=True):
        if word not in {BREAK, "0"}:
            assert prose.plain[start:end] == word
