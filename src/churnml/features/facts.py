"""The facts of a catalogue: what must be aggregated from each table for its features.

Features that read the same fact share one group-by.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from functools import cached_property

from sqlglot import exp

from churnml.errors import FeatureError
from churnml.features.catalogue import Catalogue
from churnml.features.entries import KNOWN, Aggregate, Feature
from churnml.features.expressions import Expression, parse_expression
from churnml.features.lateness import may_have_value_without, may_hold_without
from churnml.features.measures import Cell, Fact, FactKey, Measure, Term
from churnml.features.segments import Window
from churnml.features.values import Type
from churnml.history.asof import own_times
from churnml.history.tables import Table


@dataclass(frozen=True)
class Aggregation:
    """How one feature comes of its measures.

    Parameters
    ----------
    name : str
        The feature.
    how : Aggregate
        What is made of the measures.
    window : Window
        The window it looks at.
    terms : tuple of Term
        Its measures.
    is_time : bool
        Whether its value is a time, told in days from the cutoff.
    """

    name: str
    how: Aggregate
    window: Window
    terms: tuple[Term, ...]
    is_time: bool


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
    formulas : mapping of str to Expression
        The formula of each feature that has one.
    text : frozenset of str
        The features whose values are strings.
    times : frozenset of str
        The features whose values are times, told in days from the cutoff.
    """

    catalogue: Catalogue
    facts: Mapping[FactKey, Fact]
    terms: Mapping[str, tuple[Term, ...]]
    formulas: Mapping[str, Expression]
    text: frozenset[str]
    times: frozenset[str]

    @cached_property
    def aggregates(self) -> tuple[Aggregation, ...]:
        """The features that combine measures, ordered so that those of one measure follow on."""
        facts = {key: place for place, key in enumerate(self.facts)}
        places: dict[Term, int] = {}
        for terms in self.terms.values():
            places.setdefault(terms[0], len(places))

        def order(name: str) -> tuple[int, int]:
            first = self.terms[name][0]
            return facts[first.fact], places[first]

        return tuple(self._aggregation(name) for name in sorted(self.terms, key=order))

    def _aggregation(self, name: str) -> Aggregation:
        feature = self.catalogue.get(name)
        how = feature.entry.aggregate or Aggregate.COUNT
        return Aggregation(name, how, window_of(feature), self.terms[name], name in self.times)

    @cached_property
    def custom(self) -> tuple[Feature, ...]:
        """The features that are functions of the project's own."""
        return tuple(f for f in self.catalogue.features if f.entry.function is not None)

    @cached_property
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
        If a streak is declared over rows that have no order of their own, or if a condition or a
        value would change in hindsight.
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
    types = {name: _told_as(facts[first.fact], first) for name, (first, *_) in terms.items()}
    return Program(
        catalogue=catalogue,
        facts=facts,
        terms=terms,
        formulas={
            feature.name: formula
            for feature in catalogue.features
            if (formula := feature.expression("formula")) is not None
        },
        text=frozenset(name for name, kind in types.items() if kind is Type.STRING),
        times=frozenset(name for name, kind in types.items() if kind is Type.TIME),
    )


def _told_as(fact: Fact, term: Term) -> Type:
    """Tell what a feature's value is; counts and event times are numbers whatever is counted."""
    measure = term.measure
    if measure.cell not in {Cell.MIN, Cell.MAX, Cell.LAST}:
        return Type.NUMBER
    return fact.type_of(measure.expression)


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
        at = KNOWN if ranked is not None else feature.entry.at or table.time
        read = {*measure.columns, *([split] if split is not None else [])}
        if at != KNOWN:
            read.add(at)
        known = tuple(name for name in own_times(table, read) if name != at)
        for time in known:
            late = {column.name for column in table.columns if column.known == time}
            if not late & {at, split}:  # a fact that is not there yet says nothing
                _refuse_hindsight(feature, measure, late)
        key = FactKey(table.name, at, known, split, ranked)
        if split is None:
            measure = _with_levels(measure, table.dimension)
        self.measures.setdefault(key, {})[measure.over_levels] = None
        if measure.levels is not None:
            self.by_level.add(key)
        return Term(key, measure)

    def _distinct(self, feature: Feature, measure: Measure) -> Term:
        """Count values of the dimension, which is kept apart anyway, or scan for another column."""
        column, measure = measure.value or "", replace(measure, value=None)
        table = self.contracts[feature.entry.table or ""]
        if column != table.dimension or own_times(table, [column]):
            return self._term(feature, replace(measure, cell=Cell.SEEN), split=column)
        term = self._term(feature, measure)
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


def _refuse_hindsight(feature: Feature, measure: Measure, late: AbstractSet[str]) -> None:
    """A fact counts once all it reads is known, so it may not count by itself before that."""
    read = late & measure.columns
    holds = not measure.where or may_hold_without(_all(measure.where), late)
    there = measure.value is None or may_have_value_without(measure.expression, late)
    if not (read and holds and there):
        return
    names = ", ".join(sorted(read))
    texts = [*measure.where, *([measure.value] if measure.value is not None else [])]
    raise FeatureError(
        f"feature {feature.name!r}: {' and '.join(texts)!r} says something of rows whose {names} "
        "is not known yet, and would say another thing in hindsight. Read what is there (`is not "
        "null`), and count the rest as a difference: all rows less those."
    )


def _all(conditions: tuple[str, ...]) -> Expression:
    return parse_expression(" and ".join(f"({text})" for text in conditions))


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
