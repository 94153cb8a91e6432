"""Measures and facts: what is aggregated of a table, and which rows that counts.

A fact is a kind of row with one event time and one known time; its measures are decomposable
aggregates over one segment.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cached_property

from churnml.features.entries import KNOWN
from churnml.features.expressions import Expression, parse_expression
from churnml.features.values import TYPE_OF_KIND, Type
from churnml.history.asof import row_known_columns
from churnml.history.tables import Table


class Cell(StrEnum):
    """What a measure holds for one account, segment and level."""

    ROWS = "rows"  # rows that match, int64
    SUM = "sum"  # sum in millionths, int64: exact in any order
    MIN = "min"  # float64; times in microseconds
    MAX = "max"
    DAYS = "days"  # one bit a day, int64
    SEEN = "seen"  # one bit a segment of a block of them, int64
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

    @cached_property
    def _hash(self) -> int:
        return hash((self.cell.value, self.where, self.value, self.levels))

    def __hash__(self) -> int:  # many times for every account scored, so worked out once
        return self._hash

    @cached_property
    def over_levels(self) -> Measure:
        """The same over all levels: what the engine aggregates."""
        return self if self.levels is None else replace(self, levels=None)

    @property
    def expression(self) -> Expression:
        """What is aggregated; null where it is rows that are counted."""
        return parse_expression(self.value or "null")

    @property
    def columns(self) -> frozenset[str]:
        """The columns it reads."""
        conditions = (parse_expression(text) for text in self.where)
        return frozenset(name for x in (*conditions, self.expression) for name in x.columns)


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
    def level(self) -> str | None:
        """The column whose values are kept apart, if any."""
        return self.key.split or (self.contract.dimension if self.by_level else None)

    @property
    def one_time(self) -> bool:
        """Whether every fact is known at its event time, so that no late one can come."""
        if self.key.at == KNOWN:
            return not self.key.known
        return {*row_known_columns(self.contract), *self.key.known} == {self.key.at}

    def type_of(self, expression: Expression) -> Type:
        """Infer the type of an expression over the table's columns."""
        types = {column.name: TYPE_OF_KIND[column.kind] for column in self.contract.columns}
        return expression.type_over(types)


@dataclass(frozen=True)
class Term:
    """Where a feature finds one of its measures."""

    fact: FactKey
    measure: Measure
