"""Aggregation where the data lives: one short group-by a fact, as SQL for any engine."""

from __future__ import annotations

from collections.abc import Mapping

import duckdb
import numpy as np
import pyarrow as pa
from sqlglot import exp

from churnml.errors import FeatureError
from churnml.features.catalogue import KNOWN
from churnml.features.cells import MICRO, NEVER, NULL_LEVEL, Cells, Last
from churnml.features.expressions import DAY, Type, Values, parse_expression
from churnml.features.facts import Cell, Fact, Measure
from churnml.features.segments import MASK_DAYS, SegmentPlan
from churnml.history.asof import known_at
from churnml.history.tables import ACCOUNT_ID, Kind, Table
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Names of the two small tables a query joins: the segment of each day, the accounts asked for.
SEGMENTS = "segment_of_day"
WANTED = "wanted_account"
_AT, _KNOWN, _LEVEL, _RANK = "fact_at", "fact_known", "fact_level", "fact_rank"


def fact_query(fact: Fact, plan: SegmentPlan) -> exp.Select:
    """Write the group-by of one fact.

    Parameters
    ----------
    fact : Fact
        What to aggregate.
    plan : SegmentPlan
        How time is cut.

    Returns
    -------
    sqlglot.exp.Select
        Columns ``account_id, segment, known, level, m0, m1, …``; render it with
        ``.sql(dialect=…)``. It joins ``segment_of_day(day, segment)``.
    """
    end = _instant(int(plan.cutoffs[-1]))
    facts = _fact_rows(fact).subquery("facts")
    event = exp.to_table(SEGMENTS).as_("event_day")
    known = exp.to_table(SEGMENTS).as_("known_day")
    query = exp.select(
        exp.column(ACCOUNT_ID),
        exp.column("segment", "event_day").as_("segment"),
    ).from_(facts)
    query = query.join(event, on=exp.column("day", "event_day").eq(_day(_AT, plan)))
    groups = [exp.column(ACCOUNT_ID), exp.column("segment", "event_day")]
    if not fact.one_time:
        query = query.join(known, on=exp.column("day", "known_day").eq(_day(_KNOWN, plan)))
        query = query.select(exp.column("segment", "known_day").as_("known"))
        groups.append(exp.column("segment", "known_day"))
    level = fact.key.split or (fact.contract.dimension if fact.by_level else None)
    if level is not None:
        query = query.select(exp.column(level).as_("level"))
        groups.append(exp.column(level))
    for position, measure in enumerate(fact.measures):
        query = query.select(_aggregate(measure, fact, plan).as_(f"m{position}"))
    query = query.where(exp.column(_AT) < end).where(exp.column(_KNOWN) < end)
    if fact.key.split is not None:
        query = query.where(exp.column(fact.key.split).is_(exp.null()).not_())
    return query.group_by(*groups)


def _fact_rows(fact: Fact) -> exp.Select:
    """Select a fact's rows with their event time and known time."""
    table, key = fact.contract, fact.key
    at = known_at(table) if key.at == KNOWN else exp.column(key.at)
    known = known_at(table, key.known if key.at == KNOWN else (key.at, *key.known))
    if key.ranked is None:
        rows = exp.to_table(table.name)
    else:
        rows = _ranked(table, key.ranked).subquery("ranked")
    return exp.select("*", at.as_(_AT), known.as_(_KNOWN)).from_(rows)


def _ranked(table: Table, where: str) -> exp.Select:
    order = [known_at(table), exp.column(table.time), *(exp.column(name) for name in table.key)]
    place = exp.Window(
        this=exp.RowNumber(),
        partition_by=[exp.column(ACCOUNT_ID)],
        order=exp.Order(expressions=[exp.Ordered(this=term) for term in order]),
    )
    query = exp.select("*", place.as_(_RANK)).from_(exp.to_table(table.name))
    return query if where == "true" else query.where(parse_expression(where).sql())


def _aggregate(measure: Measure, fact: Fact, plan: SegmentPlan) -> exp.Expr:
    conditions = [parse_expression(text).sql() for text in measure.where]
    value = _value(measure, fact)
    if value is not None and measure.cell is Cell.ROWS:
        conditions.append(value.copy().is_(exp.null()).not_())
    match measure.cell:
        case Cell.ROWS:
            return _when(exp.Count, exp.Literal.number(1), conditions)
        case Cell.SUM:
            micro = exp.Floor(this=_plus_half(value))
            return exp.cast(_when(exp.Sum, exp.cast(micro, "bigint"), conditions), "bigint")
        case Cell.MIN | Cell.MAX:
            return _when(exp.Min if measure.cell is Cell.MIN else exp.Max, value, conditions)
        case Cell.DAYS:
            bit = exp.cast(exp.Literal.number(1), "bigint")
            mod = exp.Mod(this=_day(_AT, plan), expression=exp.Literal.number(MASK_DAYS))
            shifted = exp.BitwiseLeftShift(this=bit, expression=exp.cast(exp.paren(mod), "int"))
            return _when(exp.BitwiseOrAgg, exp.paren(shifted), conditions)
        case Cell.LAST:
            conditions.append(value.copy().is_(exp.null()).not_())
            pair = exp.Struct(
                expressions=[
                    exp.PropertyEQ(this=exp.to_identifier("at"), expression=exp.column(_AT)),
                    exp.PropertyEQ(this=exp.to_identifier("value"), expression=value),
                ]
            )
            return _when(exp.Max, pair, conditions)
        case Cell.FIRST_AT | Cell.LAST_AT:
            how = exp.Min if measure.cell is Cell.FIRST_AT else exp.Max
            return _when(how, exp.column(_AT), conditions)
        case Cell.RANK:
            return _when(exp.Max, exp.column(_RANK), conditions)


def _value(measure: Measure, fact: Fact) -> exp.Expr | None:
    if measure.value is None:
        return None
    rendered = parse_expression(measure.value).sql()
    numeric = fact.type_of(measure.value) in {Type.NUMBER, Type.BOOLEAN}
    return exp.cast(exp.paren(rendered), "double") if numeric else rendered


def _plus_half(value: exp.Expr | None) -> exp.Expr:
    scaled = exp.Mul(this=value, expression=_double(MICRO))
    return exp.Add(this=scaled, expression=_double(0.5))


def _double(number: float) -> exp.Expr:
    return exp.cast(exp.Literal.number(number), "double")


def _when(
    function: type[exp.AggFunc], value: exp.Expr | None, conditions: list[exp.Expr]
) -> exp.Expr:
    """Aggregate over matching rows; a CASE, since FILTER costs two to three times as much."""
    if not conditions:
        return function(this=value)
    return function(this=exp.Case().when(exp.and_(*conditions), value))


def _day(name: str, plan: SegmentPlan) -> exp.Expr:
    elapsed = exp.TimestampDiff(
        this=exp.column(name), expression=_instant(plan.origin), unit=exp.var("MICROSECOND")
    )
    since = exp.Greatest(this=elapsed, expressions=[exp.Literal.number(0)], ignore_nulls=True)
    return exp.IntDiv(this=since, expression=exp.Literal.number(DAY))


def _instant(microseconds: int) -> exp.Expr:
    text = str(np.datetime64(microseconds, "us")).replace("T", " ")
    return exp.cast(exp.Literal.string(text), "timestamp")


def aggregate(
    connection: duckdb.DuckDBPyConnection, fact: Fact, plan: SegmentPlan, *, into: str | None = None
) -> str:
    """Render a fact's query for DuckDB over ``wanted_account(account_id, account)``.

    Parameters
    ----------
    connection : DuckDBPyConnection
        With the history's views and the two small tables.
    fact : Fact
        What to aggregate.
    plan : SegmentPlan
        How time is cut.
    into : str, optional
        Keep the cells in a temporary table of this name, which may spill to disk, so that they can
        be read in parts; without it the query itself is returned.

    Returns
    -------
    str
        What to select from: a table name, or a query in parentheses.

    Raises
    ------
    FeatureError
        If a sum is too large to be exact.
    """
    grouped = fact_query(fact, plan).sql(dialect="duckdb")
    query = (
        f"SELECT account, cell.* EXCLUDE ({ACCOUNT_ID}) FROM ({grouped}) AS cell "
        f"JOIN {WANTED} USING ({ACCOUNT_ID})"
    )
    if into is None:
        return f"({query})"
    _run(connection, fact, f"CREATE TEMP TABLE {into} AS {query}")
    return into


def fetch(
    connection: duckdb.DuckDBPyConnection, fact: Fact, relation: str, first: int, stop: int
) -> Cells:
    """Read the cells of the accounts at positions ``[first, stop)``, renumbered from 0."""
    bounds = f"WHERE account >= {first} AND account < {stop}"
    rows = _run(connection, fact, f"SELECT * FROM {relation} {bounds}").to_arrow_table()
    return cells_of(fact, rows, first)


def _run(
    connection: duckdb.DuckDBPyConnection, fact: Fact, query: str
) -> duckdb.DuckDBPyConnection:
    try:
        return connection.execute(query)
    except (duckdb.ConversionException, duckdb.OutOfRangeException) as error:
        raise FeatureError(
            f"table {fact.key.table!r}: a sum is out of range: {error}. Sums are exact up to 9.2e12 "
            "in the column's unit; check the column for impossible values, or use a larger unit."
        ) from error


def cells_of(fact: Fact, rows: pa.Table, first: int) -> Cells:
    """Turn the result of a fact's query into cells."""
    account = _integers(rows["account"]) - first
    segment = _integers(rows["segment"])
    known = _integers(rows["known"]) if not fact.one_time else segment
    level, levels = _codes(rows["level"]) if "level" in rows.column_names else (segment, ())
    columns: dict[Measure, NDArray[np.generic] | Last] = {
        measure: _column(measure, fact, rows[f"m{position}"])
        for position, measure in enumerate(fact.measures)
    }
    return Cells(fact, account, segment, known, level, levels, columns)


def _integers(column: pa.ChunkedArray) -> NDArray[np.int64]:
    return column.to_numpy().astype(np.int64, copy=False)


def _codes(column: pa.ChunkedArray) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    coded = column.combine_chunks().dictionary_encode()
    if isinstance(coded, pa.ChunkedArray):
        coded = coded.combine_chunks()
    levels = tuple(coded.dictionary.to_pylist())
    codes = coded.indices
    if codes.null_count:  # a code of its own, which no level that can be written down matches
        codes, levels = codes.fill_null(len(levels)), (*levels, NULL_LEVEL)
    return np.asarray(codes).astype(np.int64), levels


def _column(measure: Measure, fact: Fact, column: pa.ChunkedArray) -> NDArray[np.generic] | Last:
    match measure.cell:
        case Cell.ROWS | Cell.SUM | Cell.DAYS | Cell.RANK:
            return _filled(column, 0)
        case Cell.FIRST_AT | Cell.LAST_AT:
            return _filled(column.cast(pa.timestamp("us")).cast(pa.int64()), NEVER)
        case Cell.LAST:
            return _last(column.combine_chunks())
        case _:
            if pa.types.is_timestamp(column.type):
                column = column.cast(pa.timestamp("us")).cast(pa.int64())
            return column.cast(pa.float64(), safe=False).to_numpy()


def _filled(column: pa.ChunkedArray, missing: int) -> NDArray[np.int64]:
    numbers = column.cast(pa.int64())
    return (numbers.fill_null(missing) if numbers.null_count else numbers).to_numpy()


def _last(pairs: pa.StructArray) -> Last:
    if isinstance(pairs, pa.ChunkedArray):
        pairs = pairs.combine_chunks()
    at, value = pairs.flatten()
    times = at.cast(pa.timestamp("us")).cast(pa.int64()).fill_null(NEVER).to_numpy()
    return Last(times, values_of(value, Kind.STRING if pa.types.is_string(value.type) else None))


def values_of(column: pa.Array | pa.ChunkedArray, kind: Kind | None = None) -> Values:
    """Turn an Arrow column into nullable numpy values.

    Parameters
    ----------
    column : pyarrow array
        Of one of the types that clean history stores.
    kind : Kind, optional
        The contract's kind; inferred from the type when omitted.
    """
    valid = np.asarray(column.is_valid()) if column.null_count else np.ones(len(column), dtype=bool)
    if kind in {Kind.STRING, Kind.ID} or pa.types.is_string(column.type):
        codes, levels = _codes(
            pa.chunked_array([column]) if isinstance(column, pa.Array) else column
        )
        return Values(Type.STRING, codes, valid, levels)
    if pa.types.is_timestamp(column.type):
        times = column.cast(pa.timestamp("us")).cast(pa.int64()).fill_null(0)
        return Values(Type.TIME, np.asarray(times), valid)
    if pa.types.is_boolean(column.type):
        return Values(Type.BOOLEAN, np.asarray(column.fill_null(False)), valid)
    numbers = np.asarray(column.cast(pa.float64()).fill_null(0.0))
    return Values(Type.NUMBER, numbers, valid)


def segment_table(plan: SegmentPlan) -> pa.Table:
    """Build ``segment_of_day(day, segment)`` for a plan."""
    segments = plan.segment_of_day
    return pa.table({"day": pa.array(np.arange(len(segments))), "segment": pa.array(segments)})


def wanted_table(accounts: Mapping[str, int]) -> pa.Table:
    """Build ``wanted_account(account_id, account)`` from positions by account."""
    return pa.table(
        {
            ACCOUNT_ID: pa.array(list(accounts), pa.string()),
            "account": pa.array(list(accounts.values()), pa.int32()),
        }
    )
