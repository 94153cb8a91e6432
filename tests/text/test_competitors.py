from __future__ import annotations

import pytest
from hypothesis import given

from churnml.text.competitors import CompetitorFinding, Levels, Names
from churnml.text.moves import CompetitorLevel
from churnml.text.prose import Span, read_prose
from churnml.text.vocabulary import Competitor

from .test_prose import MESSAGES

NAMES = Names(
    [
        Competitor(name="Opsnova", aliases=("ops nova",)),
        Competitor(name="Fieldstack", aliases=("field stack",)),
        Competitor(name="Monday", as_written=True),
    ]
)


LEVELS = Levels()


def find(message: str) -> tuple[CompetitorFinding, ...]:
    prose = read_prose(message)
    return LEVELS.find([prose], [NAMES.find(prose)])[0]


def levels(message: str) -> dict[str | None, str]:
    return {finding.name: finding.level for finding in find(message)}


@pytest.mark.parametrize(
    ("level", "message"),
    [
        ("mentioned", "How do I import data from Opsnova?"),
        ("mentioned", "Does it integrate with Opsnova?"),
        ("mentioned", "We looked at Opsnova and stayed with you."),
        ("mentioned", "A colleague came from Opsnova and says this is far better."),
        ("mentioned", "We switched from Opsnova to you last year."),
        ("mentioned", "Opsnova does this out of the box; why do we still wait for webhooks?"),
        ("mentioned", "We are not switching to Opsnova."),
        ("mentioned", "We used ops nova before."),
        ("mentioned", "We use Opsnova now for invoices, alongside yours."),
        ("mentioned", "We use Opsnova for CRM and you for billing."),
        ("evaluating", "We are evaluating Opsnova alongside you for invoicing."),
        ("evaluating", "OPSNOVA showed our CFO a demo last week and it was well received."),
        ("evaluating", "How do you compare with Opsnova when it comes to price?"),
        ("evaluating", "We are considering switching to Opsnova."),
        ("evaluating", "The sales team has started a trial of Opsnova."),
        ("evaluating", "Opsnova offers better filters for less, so we have to look at it."),
        ("evaluating", "If this is not fixed we will move to Opsnova."),
        ("evaluating", "We got a quote from Opsnova."),
        ("evaluating", "We might switch to Opsnova."),
        ("switching", "We are moving to Opsnova next month."),
        ("switching", "We have decided to switch to Opsnova."),
        ("switching", "We're migrating our data to Opsnova."),
        ("switching", "We will be replacing you with Opsnova."),
        ("switching", "We've chosen Opsnova instead."),
        ("switching", "In the process of moving everything over to Opsnova"),
        ("switching", "We are leaving you for Opsnova."),
        ("switched", "We have moved invoicing to Opsnova already."),
        ("switched", "We switched to Opsnova last month."),
        ("switched", "We're now using Opsnova."),
        ("switched", "We use Opsnova now."),
        ("switched", "We're on Opsnova these days."),
        ("switched", "We have been using Opsnova since March."),
        ("switching", "We've signed with Opsnova."),
        ("switched", "We replaced your tool with Opsnova in May."),
        ("switched", "We moved from Fieldstack to Opsnova."),
    ],
)
def test_levels(level: str, message: str) -> None:
    assert levels(message)["Opsnova"] == level


def test_the_highest_level_wins_and_is_shown() -> None:
    message = "Opsnova called. We have moved invoicing to Opsnova."

    assert find(message) == (
        CompetitorFinding(
            "Opsnova", CompetitorLevel.SWITCHED, Span(24, 50, "moved invoicing to Opsnova")
        ),
    )


def test_competitors_are_told_apart() -> None:
    assert levels("We moved from Fieldstack to Opsnova.") == {
        "Fieldstack": "mentioned",
        "Opsnova": "switched",
    }


def test_a_common_word_counts_only_as_written() -> None:
    assert levels("See you on monday.") == {}
    assert levels("Monday has nicer boards.") == {"Monday": "mentioned"}


def test_one_that_is_not_named_counts_from_evaluation_on() -> None:
    assert levels("We are looking at other vendors.") == {None: "evaluating"}
    assert levels("We have switched to another provider.") == {None: "switched"}
    assert levels("Your competitor has a blue logo.") == {}


def test_nobody_is_found_where_nobody_is_listed() -> None:
    assert Names([]).find(read_prose("Opsnova")) == []


def test_quoted_replies_name_nobody() -> None:
    assert levels("Fine.\n> We are moving to Opsnova.") == {}


@given(MESSAGES)
def test_every_span_quotes_the_message(message: str) -> None:
    for finding in find(message):
        assert finding.span.text == message[finding.span.start : finding.span.end]


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("O\u2019Hara", "O'Hara"),
        ("O'Hara", "O\u2019Hara\u2019s"),
        ("Foo\u2011Bar", "foo-bar"),
        ("\u0130zmir", "\u0130zmir"),
        ("C++ (Pro)", "c++ (pro)"),
        ("E*Mart", "E*MART"),
    ],
)
def test_names_are_found_however_they_are_typed(name: str, written: str) -> None:
    names = Names([Competitor(name=name)])
    assert [who for who, _, _ in names.find(read_prose(f"Look at {written} now"))] == [name]


def test_a_name_as_written_may_be_typed_with_other_marks() -> None:
    names = Names([Competitor(name="Hot\u2019s", as_written=True)])
    assert names.find(read_prose("We saw Hot's.")) == [("Hot\u2019s", 7, 12)]
    assert names.find(read_prose("We saw hot\u2019s.")) == []


def test_a_name_may_hold_what_nobody_sees() -> None:
    names = Names([Competitor(name="Field\u200bstack")])
    assert names.find(read_prose("We saw Fieldstack.")) == [("Fieldstack", 7, 17)]
