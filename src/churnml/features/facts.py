"""Facts and measures: what must be aggregated from each table for the catalogue.

A fact is a kind of row with one event time and one known time; its measures are decomposable
aggregates over one segment. Features that read the same fact share one group-by.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

from sqlglot import exp

from churnml.errors import FeatureError
from churnml.features.catalogue import KNOWN, Aggregate, Catalogue, Feature
from churnml.features.expressions import TYPE_OF_KIND, Expression, Type, parse_expression
from churnml.features.segments import Window
from churnml.history.asof import own_times, row_known_columns
from churnml.history.tables import Table


class Cell(StrEnum):
    """What a measure holds for one account, segment and level."""

    ROWS = "rows"  # rows that match, int64
    SUM = "sum"  # sum in millionths, int64: exact in any order
    MIN = "min"  # float64; times in microseconds
    MAX = "max"
    DAYS = "days"  # one bit a day, int64
    LAST = "last"  # the value with the latest event time
    FIRST_AT = "first_at"  # event time, microseconds
    LAST_AT = "last_at"
    RANK = "rank"  # the highest place in the account's own order, int64


@dataclass(frozen=True)
class Measure:
    """One decomposable aggregate.

    Parameters
    ----------
    cell : Cell
        The aggregate.
    where : tuple of str
        Conditions that must all hold.
    value : str, optional
        The expression that is aggregated; rows where it is null do not count.
    levels : frozenset of str, optional
        Levels of the table's dimension that count; all when omitted.
    """

    cell: Cell
    where: tuple[str, ...] = ()
    value: str | None = None
    levels: frozenset[str] | None = None

    @property
    def over_levels(self) -> Measure:
        """The same over all levels: what the engine aggregates."""
        return self if self.levels is None else replace(self, levels=None)


@dataclass(frozen=True)
class FactKey:
    """What decides which rows a fact has and when they count.

    Parameters
    ----------
    table : str
        The table.
    at : str
        The time column that dates the fact; ``known`` for when the row became known.
    known : tuple of str
        Times of single columns that must have come.
    split : str, optional
        A column whose values are kept apart, to count distinct ones.
    ranked : str, optional
        A condition; rows that meet it are numbered in the order in which they became known.
    """

    table: str
    at: str
    known: tuple[str, ...]
    split: str | None = None
    ranked: str | None = None


@dataclass(frozen=True)
class Fact:
    """A fact with all that is measured of it.

    Parameters
    ----------
    key : FactKey
        Which rows.
    contract : Table
        The table, with the columns that are present.
    measures : tuple of Measure
        What is aggregated, over all levels.
    by_level : bool
        Whether the table's dimension is kept apart.
    """

    key: FactKey
    contract: Table
    measures: tuple[Measure, ...]
    by_level: bool

    @property
    def one_time(self) -> bool:
        """Whether every fact is known at its event time, so that no late one can come."""
        if self.key.at == KNOWN:
            return not self.key.known
        return {*row_known_columns(self.contract), *self.key.known} == {self.key.at}

    def type_of(self, expression: str) -> Type:
        """Infer the type of an expression over the table's columns."""
        types = {column.name: TYPE_OF_KIND[column.kind] for column in self.contract.columns}
        return parse_expression(expression).type_over(types)


@dataclass(frozen=True)
class Term:
    """Where a feature finds one of its measures."""

    fact: FactKey
    measure: Measure


@dataclass(frozen=True)
class Program:
    """The catalogue compiled for a history.

    Parameters
    ----------
    catalogue : Catalogue
        The features to compute; all of them can be.
    facts : mapping of FactKey to Fact
        What to aggregate.
    terms : mapping of str to tuple of Term
        The measures each aggregate feature combines.
    text : frozenset of str
        The features whose values are strings.
    """

    catalogue: Catalogue
    facts: Mapping[FactKey, Fact]
    terms: Mapping[str, tuple[Term, ...]]
    text: frozenset[str]

    @property
    def windows(self) -> frozenset[Window]:
        """Every window that any feature asks for."""
        return frozenset(window_of(feature) for feature in self.catalogue.features)


def window_of(feature: Feature) -> Window:
    """The window a feature looks at."""
    return Window(feature.window, feature.offset)


def compile_catalogue(catalogue: Catalogue, contracts: Mapping[str, Table]) -> Program:
    """Work out what must be aggregated.

    Parameters
    ----------
    catalogue : Catalogue
        Features that are all available; see `Catalogue.available`.
    contracts : mapping of str to Table
        The tables and columns that history has.

    Returns
    -------
    Program
        Facts with their measures, and where each feature finds its own.

    Raises
    ------
    FeatureError
        If a streak is declared over rows that have no order of their own.
    """
    gathered = _Gathered(contracts)
    terms = {
        feature.name: tuple(gathered.terms(feature))
        for feature in catalogue.features
        if feature.entry.aggregate is not None
    }
    facts = {
        key: Fact(key, contracts[key.table], tuple(measures), key in gathered.by_level)
        for key, measures in gathered.measures.items()
    }
    text = frozenset(
        name
        for name, (first, *_) in terms.items()
        if first.measure.cell is Cell.LAST
        and first.measure.value is not None
        and facts[first.fact].type_of(first.measure.value) is Type.STRING
    )
    return Program(catalogue, facts, terms, text)


@dataclass
class _Gathered:
    contracts: Mapping[str, Table]
    measures: dict[FactKey, dict[Measure, None]] = field(default_factory=dict)
    by_level: set[FactKey] = field(default_factory=set)

    def terms(self, feature: Feature) -> Iterable[Term]:
        entry = feature.entry
        where = _texts(feature.expression("where"))
        value = feature.expression("value")
        text = value.text if value is not None else None
        match entry.aggregate:
            case Aggregate.COUNT:
                yield self._term(feature, Measure(Cell.ROWS, where, text))
            case Aggregate.SUM:
                yield self._term(feature, Measure(Cell.SUM, where, text))
            case Aggregate.MEAN:
                yield self._term(feature, Measure(Cell.SUM, where, text))
                yield self._term(feature, Measure(Cell.ROWS, where, text))
            case Aggregate.MIN | Aggregate.MAX | Aggregate.LAST:
                yield self._term(feature, Measure(Cell(entry.aggregate.value), where, text))
            case Aggregate.SHARE:
                hit = _texts(feature.expression("hit"))
                yield self._term(feature, Measure(Cell.ROWS, where + hit))
                yield self._term(feature, Measure(Cell.ROWS, where))
            case Aggregate.DISTINCT:
                yield self._distinct(feature, Measure(Cell.ROWS, where, text))
            case Aggregate.DISTINCT_DAYS:
                yield self._term(feature, Measure(Cell.DAYS, where))
            case Aggregate.DAYS_SINCE_LAST:
                yield self._term(feature, Measure(Cell.LAST_AT, where))
            case Aggregate.DAYS_SINCE_FIRST:
                yield self._term(feature, Measure(Cell.FIRST_AT, where))
            case _:
                yield from self._streak(feature, where)

    def _term(
        self,
        feature: Feature,
        measure: Measure,
        *,
        split: str | None = None,
        ranked: str | None = None,
    ) -> Term:
        table = self.contracts[feature.entry.table or ""]
        texts = (*measure.where, *([measure.value] if measure.value is not None else []))
        read = {name for text in texts for name in parse_expression(text).columns}
        at = KNOWN if ranked is not None else feature.entry.at or table.time
        known = tuple(name for name in own_times(table, read) if name != at)
        key = FactKey(table.name, at, known, split, ranked)
        if split is None:
            measure = _with_levels(measure, table.dimension)
        self.measures.setdefault(key, {})[measure.over_levels] = None
        if measure.levels is not None:
            self.by_level.add(key)
        return Term(key, measure)

    def _distinct(self, feature: Feature, measure: Measure) -> Term:
        """Count values of the dimension, which is kept apart anyway, or scan for another column."""
        if measure.value != self.contracts[feature.entry.table or ""].dimension:
            return self._term(feature, measure, split=measure.value)
        term = self._term(feature, replace(measure, value=None))
        self.by_level.add(term.fact)
        return term

    def _streak(self, feature: Feature, where: tuple[str, ...]) -> Iterable[Term]:
        table = self.contracts[feature.entry.table or ""]
        read = {name for text in where for name in parse_expression(text).columns}
        late = [name for name in sorted(read) if table.column(name).known is not None]
        if late or not table.key:
            why = f"{late[0]!r} is known later than its row" if late else "its rows have no key"
            raise FeatureError(
                f"feature {feature.name!r}: a streak over {table.name!r} cannot be ordered: {why}."
            )
        ranked = " and ".join(f"({text})" for text in where) or "true"
        breaks = _texts(feature.expression("breaks"))
        yield self._term(feature, Measure(Cell.RANK), ranked=ranked)
        yield self._term(feature, Measure(Cell.RANK, breaks), ranked=ranked)


def _texts(condition: Expression | None) -> tuple[str, ...]:
    """Take the parts of a conjunction apart, so that a condition on the dimension stands alone."""
    if condition is None:
        return ()
    return (
        tuple(part.sql(dialect="duckdb") for part in condition.tree.flatten())
        if isinstance(condition.tree, exp.And)
        else (condition.text,)
    )


def _with_levels(measure: Measure, dimension: str | None) -> Measure:
    """Turn conditions on the dimension into levels, which cost nothing once grouped by it."""
    levels: frozenset[str] | None = None
    rest = []
    for text in measure.where:
        found = _levels(parse_expression(text).tree, dimension)
        if found is None:
            rest.append(text)
        else:
            levels = found if levels is None else levels & found
    return replace(measure, where=tuple(rest), levels=levels)


def _levels(tree: exp.Expr, dimension: str | None) -> frozenset[str] | None:
    if not isinstance(tree, exp.EQ | exp.In) or not isinstance(tree.this, exp.Column):
        return None
    items = [tree.expression] if isinstance(tree, exp.EQ) else tree.expressions
    if tree.this.name != dimension or not all(isinstance(item, exp.Literal) for item in items):
        return None
    return frozenset(item.name for item in items)
