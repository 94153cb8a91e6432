"""Aggregation where the data lives: one short group-by a fact, as SQL for any engine."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
from sqlglot import exp

from churnml.features.cells import MICRO
from churnml.features.entries import KNOWN
from churnml.features.expressions import Expression, parse_expression
from churnml.features.measures import Cell, Fact, Measure
from churnml.features.segments import MASK_BITS, SegmentPlan
from churnml.features.values import DAY, Type
from churnml.history.asof import known_at
from churnml.history.tables import ACCOUNT_ID, Table

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Names of the two small tables a query joins: the segment of each day, the accounts asked for.
SEGMENTS = "segment_of_day"
WANTED = "wanted_account"
_FACTS, _EVENT_DAY, _KNOWN_DAY = "facts", "event_day", "known_day"
_AT, _KNOWN, _RANK = "fact_at", "fact_known", "fact_rank"


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
        Columns ``account_id, segment, known, level, m0, m1, …``, of which `known` is left out where
        no fact can be late and `level` where none is kept apart; render it with
        ``.sql(dialect=…)``. It joins `segment_table`. Where values are kept apart, `segment` is
        the first of a block of them, since there are far fewer such groups.
    """
    end = _instant(int(plan.cutoffs[-1]))
    span = "segment" if fact.key.split is None else "block"
    groups = {ACCOUNT_ID: _fact(ACCOUNT_ID), "segment": exp.column(span, _EVENT_DAY)}
    query = exp.select().from_(_fact_rows(fact).subquery(_FACTS))
    query = _join_day(query, _EVENT_DAY, _AT, plan)
    if not fact.one_time and len(plan.cutoffs) > 1:
        query = _join_day(query, _KNOWN_DAY, _KNOWN, plan)
        groups["known"] = exp.column("segment", _KNOWN_DAY)
    if fact.level is not None:
        groups["level"] = _fact(fact.level)
    query = query.select(*(column.as_(name) for name, column in groups.items()))
    for position, measure in enumerate(fact.measures):
        query = query.select(_AGGREGATES[measure.cell](measure, fact).as_(f"m{position}"))
    query = query.where(_fact(_AT) < end).where(_fact(_KNOWN) < end)
    if fact.key.split is not None:
        query = query.where(_there(_fact(fact.key.split)))
    return query.group_by(*groups.values())


def _join_day(query: exp.Select, day: str, time: str, plan: SegmentPlan) -> exp.Select:
    same = exp.column("day", day).eq(_day(time, plan))
    return query.join(exp.to_table(SEGMENTS).as_(day), on=same)


def _fact_rows(fact: Fact) -> exp.Select:
    """Select a fact's rows with their event time and known time."""
    table, key = fact.contract, fact.key
    at = known_at(table) if key.at == KNOWN else exp.column(key.at)
    known = known_at(table, key.known if key.at == KNOWN else (key.at, *key.known))
    query = exp.select("*", at.as_(_AT), known.as_(_KNOWN))
    if key.ranked is None:
        return query.from_(exp.to_table(table.name))
    return query.from_(_ranked(table, key.ranked).subquery("ranked"))


def _ranked(table: Table, where: str) -> exp.Select:
    """Number the rows of each account in the order in which they became known."""
    order = [known_at(table), exp.column(table.time), *(exp.column(name) for name in table.key)]
    place = exp.Window(
        this=exp.RowNumber(),
        partition_by=[exp.column(ACCOUNT_ID)],
        order=exp.Order(expressions=[exp.Ordered(this=term) for term in order]),
    )
    query = exp.select("*", place.as_(_RANK)).from_(exp.to_table(table.name))
    return query if where == "true" else query.where(parse_expression(where).sql())


def _count(measure: Measure, fact: Fact) -> exp.Expr:
    conditions = _conditions(measure)
    if measure.value is not None:
        conditions.append(_there(_value(measure, fact)))
    return _over(exp.Count, exp.Literal.number(1), conditions)


def _sum(measure: Measure, fact: Fact) -> exp.Expr:
    scaled = exp.Mul(this=_value(measure, fact), expression=_double(MICRO))
    micro = exp.Floor(this=exp.Add(this=scaled, expression=_double(0.5)))
    total = _over(exp.Sum, exp.cast(micro, "bigint"), _conditions(measure))
    return exp.cast(total, "bigint")


def _extreme(measure: Measure, fact: Fact) -> exp.Expr:
    how = exp.Min if measure.cell is Cell.MIN else exp.Max
    return _over(how, _value(measure, fact), _conditions(measure))


def _bits(measure: Measure, _of: Fact) -> exp.Expr:
    bit = "day_bit" if measure.cell is Cell.DAYS else "segment_bit"
    return _over(exp.BitwiseOrAgg, exp.column(bit, _EVENT_DAY), _conditions(measure))


def _last(measure: Measure, fact: Fact) -> exp.Expr:
    value = _value(measure, fact)
    pair = exp.Struct(
        expressions=[
            exp.PropertyEQ(this=exp.to_identifier("at"), expression=_fact_time()),
            exp.PropertyEQ(this=exp.to_identifier("value"), expression=value),
        ]
    )
    return _over(exp.Max, pair, [*_conditions(measure), _there(value)])


def _event(measure: Measure, _fact: Fact) -> exp.Expr:
    how = exp.Min if measure.cell is Cell.FIRST_AT else exp.Max
    return _over(how, _fact_time(), _conditions(measure))


def _rank(measure: Measure, _of: Fact) -> exp.Expr:
    return _over(exp.Max, _fact(_RANK), _conditions(measure))


_AGGREGATES: Mapping[Cell, Callable[[Measure, Fact], exp.Expr]] = {
    Cell.ROWS: _count,
    Cell.SUM: _sum,
    Cell.MIN: _extreme,
    Cell.MAX: _extreme,
    Cell.DAYS: _bits,
    Cell.SEEN: _bits,
    Cell.LAST: _last,
    Cell.FIRST_AT: _event,
    Cell.LAST_AT: _event,
    Cell.RANK: _rank,
}


def _conditions(measure: Measure) -> list[exp.Expr]:
    return [_of_facts(parse_expression(text)) for text in measure.where]


def _value(measure: Measure, fact: Fact) -> exp.Expr:
    """Render what is aggregated; numbers and conditions as doubles."""
    rendered = _of_facts(measure.expression)
    numeric = fact.type_of(measure.expression) in {Type.NUMBER, Type.BOOLEAN}
    return exp.cast(exp.paren(rendered), "double") if numeric else rendered


def _of_facts(expression: Expression) -> exp.Expr:
    """Render an expression over a fact's rows; the small tables may have columns of their names."""
    rendered = expression.sql()
    for column in list(rendered.find_all(exp.Column)):
        column.set("table", exp.to_identifier(_FACTS))
    return rendered


def _fact(name: str) -> exp.Column:
    return exp.column(name, _FACTS)


def _fact_time() -> exp.Column:
    return _fact(_AT)


def _there(value: exp.Expr) -> exp.Expr:
    return value.copy().is_(exp.null()).not_()


def _double(number: float) -> exp.Expr:
    return exp.cast(exp.Literal.number(number), "double")


def _over(function: type[exp.AggFunc], value: exp.Expr, conditions: list[exp.Expr]) -> exp.Expr:
    """Aggregate over matching rows; a CASE, since FILTER costs two to three times as much."""
    if not conditions:
        return function(this=value)
    return function(this=exp.Case().when(exp.and_(*conditions), value))


def _day(name: str, plan: SegmentPlan) -> exp.Expr:
    elapsed = exp.TimestampDiff(
        this=_fact(name), expression=_instant(plan.origin), unit=exp.var("MICROSECOND")
    )
    since = exp.Greatest(this=elapsed, expressions=[exp.Literal.number(0)], ignore_nulls=True)
    return exp.IntDiv(this=since, expression=exp.Literal.number(DAY))


def _instant(microseconds: int) -> exp.Expr:
    text = str(np.datetime64(microseconds, "us")).replace("T", " ")
    return exp.cast(exp.Literal.string(text), "timestamp")


def segment_table(plan: SegmentPlan) -> pa.Table:
    """Build ``segment_of_day(day, day_bit, segment, segment_bit, block)`` for a plan.

    A bit tells apart the days of a segment, or the segments of a block; a block is named by its
    first segment.
    """
    segments = plan.segment_of_day
    days, place = np.arange(len(segments)), segments % MASK_BITS
    return pa.table(
        {
            "day": pa.array(days),
            "day_bit": pa.array(np.int64(1) << (days % MASK_BITS)),
            "segment": pa.array(segments),
            "segment_bit": pa.array(np.int64(1) << place.astype(np.int64)),
            "block": pa.array(segments - place),
        }
    )


def wanted_table(accounts: NDArray[np.object_]) -> pa.Table:
    """Build ``wanted_account(account_id, account)``, which numbers accounts by their place."""
    places = np.arange(len(accounts), dtype=np.int32)
    return pa.table({ACCOUNT_ID: pa.array(accounts, pa.string()), "account": pa.array(places)})
