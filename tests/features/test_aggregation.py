"""The queries of facts, letter by letter."""

from __future__ import annotations

from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pytest

from churnml.features.aggregation import fact_query, segment_table, wanted_table
from churnml.features.measures import Cell, Fact, FactKey, Measure
from churnml.features.segments import SegmentPlan, Window, plan
from churnml.features.values import DAY
from churnml.history.memory import only
from churnml.history.tables import STANDARD, TICKETS, USAGE

JULY = int(np.datetime64("2025-07-01T06:00", "us").astype(np.int64))
ONE = plan([JULY], [Window(7)])
TWO = plan([JULY - DAY, JULY], [Window(7)])
PLAIN = only(USAGE, ["account_id", "occurred_at", "event", "quantity"])
BARE = only(TICKETS, ["ticket_id", "account_id", "opened_at", "priority", "csat_at", "csat"])

USES = Fact(
    FactKey("usage", "occurred_at", ()),
    PLAIN,
    (Measure(Cell.ROWS), Measure(Cell.SUM, ("quantity > 1",), "quantity")),
    by_level=True,
)
RATINGS = Fact(
    FactKey("tickets", "opened_at", ("csat_at",)),
    BARE,
    (Measure(Cell.LAST, (), "priority"), Measure(Cell.DAYS)),
    by_level=False,
)


def day(time: str, cut: SegmentPlan, dialect: str) -> str:
    origin = f"CAST('{np.datetime64(cut.origin, 'us')}' AS TIMESTAMP)".replace("T0", " 0")
    if dialect == "spark":
        return f"GREATEST(TIMESTAMPDIFF(MICROSECOND, {origin}, facts.{time}), 0) DIV 86400000000"
    return f"GREATEST(DATE_DIFF('MICROSECOND', {origin}, facts.{time}), 0) // 86400000000"


END = "CAST('2025-07-01 06:00:00.000000' AS TIMESTAMP)"


@pytest.mark.parametrize("dialect", ["duckdb", "spark"])
def test_events_that_are_never_late(dialect: str) -> None:
    micro = (
        "CAST(FLOOR(CAST((facts.quantity) AS DOUBLE) * CAST(1000000.0 AS DOUBLE) "
        "+ CAST(0.5 AS DOUBLE)) AS BIGINT)"
    )
    assert fact_query(USES, TWO).sql(dialect=dialect) == (
        "SELECT facts.account_id AS account_id, event_day.segment AS segment, "
        "facts.event AS level, COUNT(1) AS m0, "
        f"CAST(SUM(CASE WHEN facts.quantity > CAST(1 AS DOUBLE) THEN {micro} END) AS BIGINT) AS m1 "
        "FROM (SELECT *, occurred_at AS fact_at, occurred_at AS fact_known FROM usage) AS facts "
        f"JOIN segment_of_day AS event_day ON event_day.day = ({day('fact_at', TWO, dialect)}) "
        f"WHERE facts.fact_at < {END} AND facts.fact_known < {END} "
        "GROUP BY facts.account_id, event_day.segment, facts.event"
    )


@pytest.mark.parametrize(
    ("dialect", "pair"),
    [
        ("duckdb", "{'at': facts.fact_at, 'value': facts.priority}"),
        ("spark", "STRUCT(facts.fact_at AS at, facts.priority AS value)"),
    ],
)
def test_values_that_come_late(dialect: str, pair: str) -> None:
    known = "CASE WHEN csat_at IS NULL THEN NULL ELSE GREATEST(opened_at, csat_at) END"
    at, late = day("fact_at", TWO, dialect), day("fact_known", TWO, dialect)
    assert fact_query(RATINGS, TWO).sql(dialect=dialect) == (
        "SELECT facts.account_id AS account_id, event_day.segment AS segment, "
        "known_day.segment AS known, "
        f"MAX(CASE WHEN NOT facts.priority IS NULL THEN {pair} END) AS m0, "
        "BIT_OR(event_day.day_bit) AS m1 "
        f"FROM (SELECT *, opened_at AS fact_at, {known} AS fact_known FROM tickets) AS facts "
        f"JOIN segment_of_day AS event_day ON event_day.day = ({at}) "
        f"JOIN segment_of_day AS known_day ON known_day.day = ({late}) "
        f"WHERE facts.fact_at < {END} AND facts.fact_known < {END} "
        "GROUP BY facts.account_id, event_day.segment, known_day.segment"
    )


def test_one_cutoff_knows_nothing_late() -> None:
    query = fact_query(RATINGS, ONE).sql(dialect="duckdb")
    assert "known_day" not in query
    assert f"facts.fact_known < {END}" in query


def test_rows_in_an_order_of_their_own() -> None:
    ranked = Fact(
        FactKey("tickets", "known", (), None, "(priority = 'high')"),
        BARE,
        (Measure(Cell.RANK, ("priority = 'low'",)),),
        by_level=False,
    )
    assert fact_query(ranked, ONE).sql(dialect="duckdb") == (
        "SELECT facts.account_id AS account_id, event_day.segment AS segment, "
        "MAX(CASE WHEN facts.priority = 'low' THEN facts.fact_rank END) AS m0 "
        "FROM (SELECT *, opened_at AS fact_at, opened_at AS fact_known FROM "
        "(SELECT *, ROW_NUMBER() OVER (PARTITION BY account_id "
        "ORDER BY opened_at, opened_at, ticket_id) AS fact_rank "
        "FROM tickets WHERE (priority = 'high')) AS ranked) AS facts "
        f"JOIN segment_of_day AS event_day ON event_day.day = ({day('fact_at', ONE, 'duckdb')}) "
        f"WHERE facts.fact_at < {END} AND facts.fact_known < {END} "
        "GROUP BY facts.account_id, event_day.segment"
    )


@pytest.mark.parametrize("dialect", ["bigquery", "snowflake", "postgres", "databricks", "trino"])
@pytest.mark.parametrize("fact", [USES, RATINGS])
def test_other_engines_get_a_query(dialect: str, fact: Fact) -> None:
    assert fact_query(fact, TWO).sql(dialect=dialect).startswith("SELECT facts.account_id")


def test_the_query_gives_one_row_a_cell() -> None:
    fact = Fact(
        FactKey("usage", "occurred_at", ()),
        PLAIN,
        (
            Measure(Cell.ROWS, (), "quantity"),
            Measure(Cell.MIN, (), "quantity"),
            Measure(Cell.MAX, (), "quantity > 2"),
            Measure(Cell.FIRST_AT),
            Measure(Cell.LAST_AT, ("quantity > 1",)),
            Measure(Cell.DAYS),
        ),
        by_level=True,
    )
    times = [JULY - DAY, JULY - DAY - 1, JULY - 8 * DAY, JULY]
    rows = pa.table(
        {
            "account_id": ["a"] * 4,
            "occurred_at": pa.array(times, pa.timestamp("us")),
            "event": ["p"] * 4,
            "quantity": [1.0, 3.0, None, 9.0],
        }
    )
    found = answers(fact, TWO, rows)
    at = [np.datetime64(time, "us").astype(object) for time in times]
    assert found == [
        ("a", 1, "p", 0, None, None, at[2], None, 2),
        ("a", 2, "p", 1, 3.0, 1.0, at[1], at[1], 1 << 7),
        ("a", 3, "p", 1, 1.0, 0.0, at[0], None, 1 << 8),
    ]


def answers(fact: Fact, cut: SegmentPlan, rows: pa.Table) -> list[tuple[Any, ...]]:
    with duckdb.connect() as connection:
        connection.register("usage", rows)
        connection.register("segment_of_day", segment_table(cut))
        query = fact_query(fact, cut).sql(dialect="duckdb", identify=True)
        return connection.execute(f"{query} ORDER BY segment, level").fetchall()


def test_values_kept_apart_take_a_bit_a_segment() -> None:
    fact = Fact(
        FactKey("usage", "occurred_at", (), "contact_id"),
        only(USAGE, ["account_id", "occurred_at", "contact_id", "quantity"]),
        (Measure(Cell.SEEN), Measure(Cell.SEEN, ("quantity > 1",))),
        by_level=False,
    )
    # Segments of a day: 0 is all before, 63 and 64 are the first two of the second block.
    cut = plan([JULY], [Window(days) for days in range(1, 65)])
    ago = [70, 64, 63, 3, 2, 2, 1, 1]
    rows = pa.table(
        {
            "account_id": ["a"] * 8,
            "occurred_at": pa.array([JULY - days * DAY for days in ago], pa.timestamp("us")),
            "contact_id": ["p", "p", "q", "p", "p", "q", None, "p"],
            "quantity": [9.0, 1.0, 9.0, 9.0, None, 9.0, 9.0, 9.0],
        }
    )
    assert answers(fact, cut, rows) == [
        ("a", 0, "p", 1 | 1 << 1 | 1 << 62, 1 | 1 << 62),
        ("a", 0, "q", 1 << 2, 1 << 2),
        ("a", 63, "p", 1 | 1 << 1, 1 << 1),
        ("a", 63, "q", 1, 1),
    ]


def test_the_small_tables() -> None:
    assert segment_table(ONE).to_pydict() == {
        "day": [0, 1, 2, 3, 4, 5, 6, 7],
        "day_bit": [1, 2, 4, 8, 16, 32, 64, 128],
        "segment": [0, 1, 1, 1, 1, 1, 1, 1],
        "segment_bit": [1, 2, 2, 2, 2, 2, 2, 2],
        "block": [0] * 8,
    }
    long = segment_table(plan([JULY], [Window(days) for days in range(1, 65)]))
    assert long["segment"].to_pylist()[-3:] == [62, 63, 64]
    assert long["segment_bit"].to_pylist()[-3:] == [1 << 62, 1, 2]
    assert long["day_bit"].to_pylist()[-3:] == [1 << 62, 1, 2]
    assert long["block"].to_pylist()[-3:] == [0, 63, 63]
    accounts = np.array(["b", "it's"], dtype=object)
    assert wanted_table(accounts).to_pydict() == {"account_id": ["b", "it's"], "account": [0, 1]}


def test_every_standard_table_has_rows_to_aggregate() -> None:
    for table in STANDARD.values():
        fact = Fact(
            FactKey(table.name, table.time, ()), table, (Measure(Cell.ROWS),), by_level=False
        )
        assert f"FROM {table.name}) AS facts" in fact_query(fact, TWO).sql(dialect="duckdb")
