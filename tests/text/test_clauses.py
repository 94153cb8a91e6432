from __future__ import annotations

import pytest

from churnml.text import clauses


@pytest.mark.parametrize(
    ("sentence", "word", "before"),
    [
        ("it is slow, so we want to cancel", "cancel", "we want to "),
        ("we are not happy and want to cancel", "cancel", "we are not happy and want to "),
        ("it works; cancel", "cancel", ""),
        ("we like it but our cfo wants to cancel", "cancel", "our cfo wants to "),
    ],
)
def test_a_lead_begins_with_its_clause(sentence: str, word: str, before: str) -> None:
    assert clauses.lead(sentence, sentence.index(word)).lstrip() == before


def test_a_lead_is_bounded() -> None:
    assert len(clauses.lead("very " * 100 + "late", 500)) == clauses.LEAD


def test_gaps_are_not_counted() -> None:
    sentence = f"they ask how to{' ' * 300}cancel it"
    assert clauses.lead(sentence, sentence.index("cancel")) == "they ask how to "


@pytest.mark.parametrize(
    ("before", "others"),
    [
        ("we want to ", False),
        ("our customers want to ", True),
        ("our customers complain, and we want to ", False),
        ("as a paying customer i want to ", False),
        ("they want to ", True),
    ],
)
def test_others_are_told_from_the_writers_side(before: str, *, others: bool) -> None:
    assert clauses.of_others(before) is others


def test_a_pronoun_may_stand_for_a_colleague_where_the_thing_is_the_writers() -> None:
    assert not clauses.of_others("he wants to ", own=True)
    assert clauses.of_others("the customer wants to ", own=True)


@pytest.mark.parametrize(
    ("before", "reading"),
    [
        ("you have ", "of_reader"),
        ("we do not want to ", "denied"),
        ("we have no plans to ", "denied"),
        ("we were about to ", "denied"),
        ("i was going to ", "once"),
        ("i don't know how to ", "unable"),
        ("how do we ", "asked"),
        ("if we ", "asked"),
        ("we are considering to ", "pondered"),
        ("hi team, please ", "commanded"),
        ("we would like to ", "wished"),
        ("can you ", "wished"),
        ("we hereby ", "exercised"),
        ("we came to the conclusion to ", "settled"),
    ],
)
def test_readings_of_a_lead(before: str, reading: str) -> None:
    assert getattr(clauses, reading)(before)
    assert not getattr(clauses, reading)("the weather ")


def test_a_condition_is_none_where_it_is_mere_politeness() -> None:
    assert clauses.conditional("if nothing changes we will cancel", "we will ")
    assert not clauses.conditional("if possible we will cancel", "we will ")
    assert not clauses.conditional("if nothing changes we cancel", "please ")
