"""One small expression language for filters, values and formulas: SQL text with two meanings.

An expression is parsed once by sqlglot and held to a short list of node types. It can then be
rendered as SQL, to run where the data lives, or evaluated over numpy columns, to run on the rows of
one account. Both follow SQL's three-valued logic, and a division by zero is null in both.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property, lru_cache

import numpy as np
import sqlglot
from sqlglot import exp

from churnml.errors import FeatureError, nearest
from churnml.history.tables import Kind
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from numpy.typing import NDArray

HOUR = 3_600_000_000  # microseconds
DAY = 24 * HOUR


class Type(StrEnum):
    """The types that values take in an expression."""

    NUMBER = "number"
    BOOLEAN = "boolean"
    STRING = "string"
    TIME = "time"


TYPE_OF_KIND: Mapping[Kind, Type] = {
    Kind.ID: Type.STRING,
    Kind.STRING: Type.STRING,
    Kind.NUMBER: Type.NUMBER,
    Kind.INTEGER: Type.NUMBER,
    Kind.BOOLEAN: Type.BOOLEAN,
    Kind.TIME: Type.TIME,
}


@dataclass(frozen=True, eq=False)
class Values:
    """A nullable column.

    Parameters
    ----------
    type : Type
        What `data` holds.
    data : ndarray (n,)
        float64 for numbers, bool, int64 microseconds for times, codes into `levels` for strings.
    valid : ndarray of bool (n,)
        False where the value is null; `data` there is arbitrary.
    levels : tuple of str
        The strings that codes stand for.
    """

    type: Type
    data: NDArray[np.generic]
    valid: NDArray[np.bool_]
    levels: tuple[str, ...] = ()

    @property
    def true(self) -> NDArray[np.bool_]:
        """Where a condition holds: null is not true."""
        return np.asarray(self.valid & self.data.astype(bool))

    def numbers(self) -> NDArray[np.float64]:
        """The values as float64, null as NaN."""
        return np.where(self.valid, self.data.astype(np.float64), np.nan)


_COMPARE: Mapping[type[exp.Expr], Callable[..., NDArray[np.bool_]]] = {
    exp.EQ: np.equal,
    exp.NEQ: np.not_equal,
    exp.LT: np.less,
    exp.LTE: np.less_equal,
    exp.GT: np.greater,
    exp.GTE: np.greater_equal,
}
_ARITHMETIC: Mapping[type[exp.Expr], Callable[..., NDArray[np.float64]]] = {
    exp.Add: np.add,
    exp.Sub: np.subtract,
    exp.Mul: np.multiply,
}
_SPANS = {"hours_between": HOUR, "days_between": DAY}
_PLAIN = (exp.Column, exp.Identifier, exp.Literal, exp.Boolean, exp.Null, exp.Paren)
_LOGIC = (exp.And, exp.Or, exp.Not, exp.Is, exp.In, exp.Neg, exp.Div)
_FUNCTIONS = (exp.Coalesce, exp.Nullif, exp.Least, exp.Greatest, exp.Abs, exp.Ln, exp.Anonymous)
_ALLOWED = (*_PLAIN, *_LOGIC, *_FUNCTIONS, *_COMPARE, *_ARITHMETIC)


@dataclass(frozen=True)
class Expression:
    """A parsed expression.

    Parameters
    ----------
    text : str
        What was written, such as ``priority in ('high', 'critical')``.
    """

    text: str

    def __post_init__(self) -> None:
        for node in self.tree.walk():
            if not isinstance(node, _ALLOWED):
                raise FeatureError(
                    f"expression {self.text!r}: {node.sql()!r} ({type(node).__name__}) is not "
                    "allowed. Expected columns, literals, comparisons, in, is null, and/or/not, "
                    "+ - * /, coalesce, nullif, least, greatest, abs, ln, hours_between, "
                    "days_between."
                )
            if isinstance(node, exp.Anonymous) and node.name.lower() not in _SPANS:
                known = nearest(node.name.lower(), _SPANS)
                raise FeatureError(f"expression {self.text!r}: no function {node.name!r}.{known}")

    @cached_property
    def tree(self) -> exp.Expr:
        """The parsed tree."""
        try:
            return sqlglot.parse_one(self.text, dialect="duckdb")
        except sqlglot.errors.SqlglotError as error:
            first = str(error).splitlines()[0]
            raise FeatureError(f"expression {self.text!r} cannot be parsed: {first}") from error

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """The names it reads, sorted."""
        return tuple(sorted({node.name for node in self.tree.find_all(exp.Column)}))

    def type_over(self, types: Mapping[str, Type]) -> Type:
        """Infer the type of the result, which checks the expression.

        Parameters
        ----------
        types : mapping of str to Type
            The columns there are.

        Raises
        ------
        FeatureError
            If a column does not exist or types do not go together.
        """
        none = np.zeros(0)
        empty = {k: Values(t, none.astype(_NUMPY[t]), none.astype(bool)) for k, t in types.items()}
        return self.evaluate(empty, 0).type

    def evaluate(self, columns: Mapping[str, Values], size: int) -> Values:
        """Evaluate over columns.

        Parameters
        ----------
        columns : mapping of str to Values
            Columns of length `size`.
        size : int
            The number of rows.

        Raises
        ------
        FeatureError
            If a column does not exist or types do not go together.
        """
        return _Evaluation(self.text, columns, size).value(self.tree)

    def sql(self) -> exp.Expr:
        """Render for an SQL engine; integers and decimals are computed as doubles."""
        return self.tree.copy().transform(_as_sql)


@lru_cache(maxsize=4096)
def parse_expression(text: str) -> Expression:
    """Parse an expression; the same text is parsed once.

    Parameters
    ----------
    text : str
        What is written.

    Raises
    ------
    FeatureError
        If it cannot be parsed or uses what is not allowed.
    """
    return Expression(text)


_NUMPY: Mapping[Type, type[np.generic]] = {
    Type.NUMBER: np.float64,
    Type.BOOLEAN: np.bool_,
    Type.STRING: np.int32,
    Type.TIME: np.int64,
}


def _as_sql(node: exp.Expr) -> exp.Expr:
    if isinstance(node, exp.Div):
        divisor = exp.Nullif(this=node.expression, expression=exp.Literal.number(0))
        return exp.Div(
            this=exp.cast(node.this, "double"), expression=divisor, typed=False, safe=False
        )
    if isinstance(node, exp.Least | exp.Greatest):
        node.set("ignore_nulls", False)  # one null makes the result null, as everywhere in SQL
        return node
    if isinstance(node, exp.Anonymous):
        start, end = node.expressions
        unit = exp.var("MICROSECOND")
        span = exp.cast(exp.TimestampDiff(this=end, expression=start, unit=unit), "double")
        return exp.paren(
            exp.Div(this=span, expression=exp.Literal.number(f"{_SPANS[node.name.lower()]}.0"))
        )
    if isinstance(node, exp.Literal) and not node.is_string:
        return exp.cast(node.copy(), "double") if not isinstance(node.parent, exp.Cast) else node
    return node


@dataclass(frozen=True, eq=False)
class _Evaluation:
    text: str
    columns: Mapping[str, Values]
    size: int

    def value(self, node: exp.Expr) -> Values:
        if isinstance(node, exp.Paren):
            return self.value(node.this)
        if isinstance(node, exp.Column):
            return self._column(node.name)
        if isinstance(node, exp.Literal | exp.Boolean | exp.Null):
            return self._constant(node)
        if isinstance(node, exp.And | exp.Or):
            return self._connective(node)
        if isinstance(node, exp.Not):
            inner = self._typed(node.this, Type.BOOLEAN)
            return Values(Type.BOOLEAN, ~inner.data.astype(bool), inner.valid)
        if isinstance(node, exp.Is):
            return self._is(node)
        if isinstance(node, exp.In):
            return self._in(node)
        if type(node) in _COMPARE:
            return self._compare(node)
        return self._number(node)

    def _fail(self, why: str) -> FeatureError:
        return FeatureError(f"expression {self.text!r}: {why}")

    def _column(self, name: str) -> Values:
        if name not in self.columns:
            raise self._fail(f"no column {name!r}.{nearest(name, self.columns)}")
        return self.columns[name]

    def _constant(self, node: exp.Expr) -> Values:
        everywhere = np.ones(self.size, dtype=bool)
        if isinstance(node, exp.Null):
            return Values(Type.NUMBER, np.full(self.size, np.nan), ~everywhere)
        if isinstance(node, exp.Boolean):
            return Values(Type.BOOLEAN, np.full(self.size, bool(node.this)), everywhere)
        if node.is_string:
            zero = np.zeros(self.size, dtype=np.int32)
            return Values(Type.STRING, zero, everywhere, (node.name,))
        return Values(Type.NUMBER, np.full(self.size, float(node.name)), everywhere)

    def _typed(self, node: exp.Expr, *wanted: Type) -> Values:
        found = self.value(node)
        if found.type not in wanted:
            raise self._fail(
                f"{node.sql()!r} is a {found.type}; expected a {' or a '.join(wanted)}."
            )
        return found

    def _connective(self, node: exp.Expr) -> Values:
        left = self._typed(node.this, Type.BOOLEAN)
        right = self._typed(node.expression, Type.BOOLEAN)
        # The value that settles the result alone: false for and, true for or.
        settles = not isinstance(node, exp.And)
        decided = np.zeros(self.size, dtype=bool)
        for side in (left, right):
            decided |= side.valid & (side.data.astype(bool) == settles)
        data = decided if settles else ~decided
        return Values(Type.BOOLEAN, data, decided | (left.valid & right.valid))

    def _is(self, node: exp.Expr) -> Values:
        everywhere = np.ones(self.size, dtype=bool)
        if isinstance(node.expression, exp.Null):
            return Values(Type.BOOLEAN, ~self.value(node.this).valid, everywhere)
        if isinstance(node.expression, exp.Boolean):
            inner = self._typed(node.this, Type.BOOLEAN)
            same = inner.data.astype(bool) == bool(node.expression.this)
            return Values(Type.BOOLEAN, inner.valid & same, everywhere)
        raise self._fail(f"{node.sql()!r}: `is` takes null, true or false.")

    def _in(self, node: exp.Expr) -> Values:
        items = node.expressions
        if not items or not all(isinstance(item, exp.Literal) for item in items):
            raise self._fail(f"{node.sql()!r}: `in` takes a list of literals.")
        inner = self._typed(node.this, Type.STRING, Type.NUMBER)
        if inner.type is Type.NUMBER:
            hit = np.isin(inner.data, [float(item.name) for item in items])
        else:
            wanted = {item.name for item in items}
            hit = _level_mask(inner, wanted)
        return Values(Type.BOOLEAN, hit, inner.valid)

    def _compare(self, node: exp.Expr) -> Values:
        left, right = self.value(node.this), self.value(node.expression)
        if left.type is not right.type:
            raise self._fail(f"{node.sql()!r} compares a {left.type} with a {right.type}.")
        valid = left.valid & right.valid
        if left.type is not Type.STRING:
            return Values(Type.BOOLEAN, _COMPARE[type(node)](left.data, right.data), valid)
        if not isinstance(node, exp.EQ | exp.NEQ):
            raise self._fail(f"{node.sql()!r} orders strings; expected =, <> or in.")
        if isinstance(node.expression, exp.Literal):
            same = _level_mask(left, {node.expression.name})
        else:
            codes = {level: code for code, level in enumerate(left.levels)}
            recoded = np.array([codes.get(level, -1) for level in right.levels], dtype=np.int32)
            there = recoded[right.data.astype(np.intp)] if recoded.size else right.data
            same = left.data == there
        return Values(Type.BOOLEAN, same if isinstance(node, exp.EQ) else ~same, valid)

    def _number(self, node: exp.Expr) -> Values:
        if isinstance(node, exp.Anonymous):
            return self._span(node)
        if isinstance(node, exp.Neg | exp.Abs | exp.Ln):
            inner = self._typed(node.this, Type.NUMBER)
            if isinstance(node, exp.Ln):
                valid = inner.valid & (inner.data > 0)
                safe = np.where(valid, inner.data, 1.0)
                return Values(Type.NUMBER, np.log(safe), valid)
            data = -inner.data if isinstance(node, exp.Neg) else np.abs(inner.data)
            return Values(Type.NUMBER, data, inner.valid)
        if isinstance(node, exp.Coalesce | exp.Least | exp.Greatest):
            return self._several(node)
        left = self._typed(node.this, Type.NUMBER)
        right = self._typed(node.expression, Type.NUMBER)
        if isinstance(node, exp.Nullif):
            same = right.valid & (left.data == right.data)
            return Values(Type.NUMBER, left.data, left.valid & ~same)
        valid = left.valid & right.valid
        if isinstance(node, exp.Div):
            valid = valid & (right.data != 0)
            return Values(Type.NUMBER, left.data / np.where(valid, right.data, 1.0), valid)
        return Values(Type.NUMBER, _ARITHMETIC[type(node)](left.data, right.data), valid)

    def _several(self, node: exp.Expr) -> Values:
        parts = [self._typed(part, Type.NUMBER) for part in (node.this, *node.expressions)]
        first, *rest = parts
        data, valid = first.data, first.valid
        for part in rest:
            if isinstance(node, exp.Coalesce):
                data, valid = np.where(valid, data, part.data), valid | part.valid
            else:
                choose = np.minimum if isinstance(node, exp.Least) else np.maximum
                data, valid = choose(data, part.data), valid & part.valid
        return Values(Type.NUMBER, data, valid)

    def _span(self, node: exp.Anonymous) -> Values:
        if len(node.expressions) != 2:
            raise self._fail(f"{node.sql()!r} takes two times.")
        start, end = (self._typed(part, Type.TIME) for part in node.expressions)
        length = (end.data - start.data).astype(np.float64) / float(_SPANS[node.name.lower()])
        return Values(Type.NUMBER, length, start.valid & end.valid)


def _level_mask(values: Values, wanted: set[str]) -> NDArray[np.bool_]:
    if not values.levels:
        return np.zeros(len(values.data), dtype=bool)
    hit = np.array([level in wanted for level in values.levels])
    return np.asarray(hit[np.where(values.valid, values.data, 0).astype(np.intp)])
