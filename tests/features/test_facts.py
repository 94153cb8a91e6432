"""What a catalogue asks of each table, and what it may not ask."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from churnml.errors import FeatureError
from churnml.features.catalogue import Catalogue, read_catalogue
from churnml.features.entries import Aggregate, Feature, FeatureEntry
from churnml.features.facts import Program, compile_catalogue
from churnml.features.measures import Cell, FactKey, Measure, Term
from churnml.features.segments import Window
from churnml.features.values import Type
from churnml.history.memory import only
from churnml.history.tables import STANDARD, TICKETS, USAGE

Entry = dict[str, Any]
USES = FactKey("usage", "occurred_at", ())


def feature(name: str = "f", window: int | None = None, offset: int = 0, **said: Any) -> Feature:
    content: dict[str, Any] = {
        "name": "f",
        "description": "d",
        "unit": "u",
        "sentence": "s",
        **said,
    }
    return Feature(name, "test", FeatureEntry.model_construct(**content), window, offset, "f.toml")


def compiled(*features: Feature) -> Program:
    return compile_catalogue(Catalogue(features, {"test": "Test"}), STANDARD)


def terms(**said: Any) -> tuple[Term, ...]:
    return compiled(feature(**said)).terms["f"]


def entry(aggregate: str, table: str, **more: str) -> Entry:
    return {"aggregate": Aggregate(aggregate), "table": table, **more}


@pytest.mark.parametrize(
    ("asked", "measures"),
    [
        (entry("count", "usage"), [Measure(Cell.ROWS)]),
        (entry("count", "usage", value="quantity"), [Measure(Cell.ROWS, (), "quantity")]),
        (entry("sum", "usage", value="quantity"), [Measure(Cell.SUM, (), "quantity")]),
        (
            entry("mean", "usage", value="quantity"),
            [Measure(Cell.SUM, (), "quantity"), Measure(Cell.ROWS, (), "quantity")],
        ),
        (entry("min", "usage", value="quantity"), [Measure(Cell.MIN, (), "quantity")]),
        (entry("last", "usage", value="quantity"), [Measure(Cell.LAST, (), "quantity")]),
        (entry("distinct_days", "usage"), [Measure(Cell.DAYS)]),
        (entry("days_since_last", "usage"), [Measure(Cell.LAST_AT)]),
        (entry("days_since_first", "usage"), [Measure(Cell.FIRST_AT)]),
        (
            entry("share", "usage", hit="quantity > 1", where="quantity > 0"),
            [
                Measure(Cell.ROWS, ("quantity > 0", "quantity > 1")),
                Measure(Cell.ROWS, ("quantity > 0",)),
            ],
        ),
        (
            entry("count", "usage", where="event = 'a' and (quantity > 1 or quantity < 0)"),
            [Measure(Cell.ROWS, ("quantity > 1 OR quantity < 0",), None, frozenset("a"))],
        ),
        (
            entry("count", "usage", where="event in ('a', 'b') and event = 'b'"),
            [Measure(Cell.ROWS, (), None, frozenset("b"))],
        ),
        (
            entry("count", "usage", where="event <> 'a'"),
            [Measure(Cell.ROWS, ("event <> 'a'",))],
        ),
        (
            entry("count", "usage", where="event = contact_id"),
            [Measure(Cell.ROWS, ("event = contact_id",))],
        ),
        (entry("distinct", "usage", value="event"), [Measure(Cell.ROWS)]),
    ],
)
def test_the_measures_of_an_aggregate(asked: Entry, measures: list[Measure]) -> None:
    assert terms(**asked) == tuple(Term(USES, measure) for measure in measures)


@pytest.mark.parametrize(
    ("asked", "key"),
    [
        (entry("count", "usage", at="known"), FactKey("usage", "known", ())),
        (
            entry("mean", "tickets", value="csat"),
            FactKey("tickets", "opened_at", ("csat_at",)),
        ),
        (
            entry("mean", "tickets", value="csat", at="csat_at"),
            FactKey("tickets", "csat_at", ()),
        ),
        (
            entry("mean", "tickets", value="csat", at="resolved_at"),
            FactKey("tickets", "resolved_at", ("csat_at",)),
        ),
        (
            entry("max", "tickets", value="hours_between(opened_at, resolved_at)"),
            FactKey("tickets", "opened_at", ("resolved_at",)),
        ),
        (
            entry("distinct", "usage", value="contact_id"),
            FactKey("usage", "occurred_at", (), "contact_id"),
        ),
        (
            entry("streak", "tickets", breaks="resolved_at is not null"),
            FactKey("tickets", "known", (), None, "true"),
        ),
        (
            entry("streak", "surveys", breaks="responded_at is not null", where="kind = 'nps'"),
            FactKey("surveys", "known", (), None, "(kind = 'nps')"),
        ),
    ],
)
def test_the_fact_that_is_read(asked: Entry, key: FactKey) -> None:
    assert terms(**asked)[0].fact == key


def test_values_kept_apart_are_seen_rather_than_counted() -> None:
    (term,) = terms(**entry("distinct", "usage", value="contact_id", where="quantity > 1"))
    assert term.measure == Measure(Cell.SEEN, ("quantity > 1",))


def test_what_breaks_a_streak_waits_until_it_is_known() -> None:
    first, second = terms(**entry("streak", "tickets", breaks="csat > 3"))
    assert first == Term(FactKey("tickets", "known", (), None, "true"), Measure(Cell.RANK))
    assert second == Term(
        FactKey("tickets", "known", ("csat_at",), None, "true"), Measure(Cell.RANK, ("csat > 3",))
    )


def test_features_of_one_fact_share_it_and_its_measures() -> None:
    program = compiled(
        feature("a", 7, **entry("count", "usage", where="event = 'x'")),
        feature("b", 30, **entry("count", "usage", where="event = 'y'")),
        feature("c", 30, 30, **entry("sum", "usage", value="quantity")),
        feature("d", **entry("count", "tickets")),
        feature("e", 7, **entry("count", "usage", where="event = 'x'")),
        feature("g", formula="a / b"),
        feature("h", function="a:b"),
    )
    fact = program.facts[USES]
    assert len(program.facts) == 2
    assert fact.measures == (Measure(Cell.ROWS), Measure(Cell.SUM, (), "quantity"))
    assert (fact.by_level, fact.level) == (True, "event")
    assert [f.name for f in program.aggregates] == ["a", "e", "b", "c", "d"]
    assert [f.name for f in program.custom] == ["h"]
    assert {name: x.text for name, x in program.formulas.items()} == {"g": "a / b"}
    assert program.aggregates[3].window == Window(30, 30)
    assert program.windows == {Window(None), Window(7), Window(30), Window(30, 30)}


def test_what_a_feature_is_told_as() -> None:
    program = compiled(
        feature("a", **entry("last", "tickets", value="priority")),
        feature("b", **entry("max", "subscriptions", value="ends_at")),
        feature("c", **entry("count", "tickets", value="priority")),
        feature("d", **entry("last", "tickets", value="csat")),
    )
    assert program.text == {"a"}
    assert program.times == {"b"}


@pytest.mark.parametrize(
    ("columns", "asked", "one_time"),
    [
        (["account_id", "occurred_at", "quantity"], entry("count", "usage"), True),
        (["account_id", "occurred_at", "recorded_at"], entry("count", "usage"), False),
        (["account_id", "occurred_at", "recorded_at"], entry("count", "usage", at="known"), True),
    ],
)
def test_whether_a_fact_can_be_late(columns: list[str], asked: Entry, one_time: bool) -> None:
    catalogue = Catalogue((feature(**asked),), {"test": "Test"})
    program = compile_catalogue(catalogue, {"usage": only(USAGE, columns)})
    assert [fact.one_time for fact in program.facts.values()] == [one_time]


def test_a_dimension_that_is_known_late_is_scanned_for() -> None:
    late = replace(TICKETS, dimension="category")
    columns = tuple(
        replace(c, known="resolved_at") if c.name == "category" else c for c in late.columns
    )
    late = replace(late, columns=columns)
    catalogue = Catalogue(
        (
            feature("a", **entry("distinct", "tickets", value="category")),
            feature("b", **entry("count", "tickets", where="category = 'x'")),
        ),
        {"test": "Test"},
    )
    program = compile_catalogue(catalogue, {"tickets": late})
    assert [term.fact for (term,) in program.terms.values()] == [
        FactKey("tickets", "opened_at", ("resolved_at",), "category"),
        FactKey("tickets", "opened_at", ("resolved_at",)),
    ]


@pytest.mark.parametrize(
    "asked",
    [
        entry("count", "tickets", where="resolved_at is null"),
        entry("count", "tickets", where="priority = 'high' or csat < 3"),
        entry("share", "tickets", hit="coalesce(csat, 5) > 3"),
        entry("mean", "tickets", value="coalesce(csat, 3)"),
        entry("streak", "tickets", breaks="resolved_at is null"),
        entry("count", "tickets", where="csat is null", at="resolved_at"),
        entry("distinct", "surveys", value="kind", where="score is null"),
    ],
)
def test_what_would_be_said_otherwise_in_hindsight_is_refused(asked: Entry) -> None:
    with pytest.raises(FeatureError, match=r"feature 'f': .* is not known yet, and would say"):
        terms(**asked)


def test_the_refusal_names_what_is_late_and_the_remedy() -> None:
    with pytest.raises(FeatureError) as caught:
        terms(**entry("sum", "tickets", value="1", where="resolved_at is null and priority = 'x'"))
    assert str(caught.value) == (
        "feature 'f': \"resolved_at IS NULL and priority = 'x' and 1\" says something of rows "
        "whose resolved_at is not known yet, and would say another thing in hindsight. Read what "
        "is there (`is not null`), and count the rest as a difference: all rows less those."
    )


@pytest.mark.parametrize(
    "asked",
    [
        entry("count", "tickets", where="csat is null and csat_at is not null"),
        entry("count", "tickets", where="csat is null", at="csat_at"),
        entry("distinct", "surveys", value="sentiment", where="score is null"),
        entry("sum", "tickets", value="csat", where="csat_at is null or priority = 'x'"),
        entry("count", "tickets", where="category is null"),
    ],
)
def test_what_hindsight_does_not_change_is_not_refused(asked: Entry) -> None:
    assert terms(**asked)


@pytest.mark.parametrize(
    ("asked", "why"),
    [
        (
            entry("streak", "tickets", breaks="priority = 'x'", where="csat > 3"),
            r"a streak over 'tickets' cannot be ordered: 'csat' is known later than its row\.",
        ),
        (
            entry("streak", "usage", breaks="quantity > 3"),
            r"a streak over 'usage' cannot be ordered: its rows have no key\.",
        ),
    ],
)
def test_a_streak_needs_an_order(asked: Entry, why: str) -> None:
    with pytest.raises(FeatureError, match=why):
        terms(**asked)


def test_types_of_values() -> None:
    fact = compiled(feature(**entry("count", "tickets"))).facts[FactKey("tickets", "opened_at", ())]
    assert fact.type_of(Measure(Cell.ROWS).expression) is Type.NUMBER
    assert fact.type_of(Measure(Cell.LAST, (), "first_contact").expression) is Type.BOOLEAN


def test_every_shipped_feature_can_be_compiled(root: Path) -> None:
    catalogue = read_catalogue(sorted((root / "features").glob("*.toml")), STANDARD)
    program = compile_catalogue(catalogue, STANDARD)
    names = {f.name for f in program.aggregates} | set(program.formulas)
    assert names | {f.name for f in program.custom} == set(catalogue.by_name)
