from __future__ import annotations

from churnml.text.terms import terms_pattern


def found(terms: list[str], text: str) -> list[str]:
    return terms_pattern(terms).findall(text)


def test_whole_words_the_longest_first() -> None:
    assert found(["price", "price rise", "bug*"], "a price  rise, prices, buggy, debug") == [
        "price  rise",
        "buggy",
    ]


def test_a_word_that_begins_another_is_found_by_itself() -> None:
    assert found(["app", "apps", "api"], "app apps api apis") == ["app", "apps", "api"]


def test_signs_are_letters_like_others() -> None:
    assert found(["C3.ai", "AT&T"], "c3.ai c3xai at&t") == ["c3.ai", "at&t"]


def test_nothing_is_found_where_nothing_is_looked_for() -> None:
    assert found([], "anything") == []
