"""One small expression language for filters, values and formulas: SQL text with two meanings.

An expression is parsed once by sqlglot and held to a short list of node types. It can then be
rendered as SQL, to run where the data lives, or evaluated over numpy columns, to run on the rows of
one account. Both follow SQL's three-valued logic; a division by zero is null in both, and so is the
logarithm of what is not above zero.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
import sqlglot
from sqlglot import exp

from churnml.errors import FeatureError, nearest
from churnml.features.evaluation import ALLOWED, SPANS, Compute, compile_tree
from churnml.features.values import TYPE_OF_KIND, Type, Values

__all__ = ["TYPE_OF_KIND", "Expression", "Type", "Values", "parse_expression"]

_NUMPY: Mapping[Type, type[np.generic]] = {
    Type.NUMBER: np.float64,
    Type.BOOLEAN: np.bool_,
    Type.STRING: np.int64,
    Type.TIME: np.int64,
}


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
            if not isinstance(node, ALLOWED):
                raise FeatureError(
                    f"expression {self.text!r}: {node.sql()!r} ({type(node).__name__}) is not "
                    "allowed. Expected columns, literals, comparisons, in, is null, and/or/not, "
                    "+ - * /, coalesce, nullif, least, greatest, abs, ln, hours_between, "
                    "days_between."
                )
            if isinstance(node, exp.Anonymous) and node.name.lower() not in SPANS:
                known = nearest(node.name.lower(), SPANS)
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

    @cached_property
    def _compute(self) -> Compute:
        return compile_tree(self.text, self.tree)

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
        # An overflow is infinity, as in the engine, and nothing to warn of.
        with np.errstate(over="ignore", invalid="ignore"):
            return self._compute(columns, size)

    def sql(self) -> exp.Expr:
        """Render for an SQL engine; integers and decimals are computed as doubles."""
        held = exp.Paren(this=self.tree.copy())
        # From the leaves up, so that what is nested is rendered before what holds it.
        for node in reversed(list(held.this.walk())):
            new = _as_sql(node)
            if new is not node:
                node.replace(new)
        rendered: exp.Expr = held.this
        return rendered.copy()


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


def _as_sql(node: exp.Expr) -> exp.Expr:
    """Render one node over children that are rendered."""
    if isinstance(node, exp.Div):
        dividend = exp.cast(node.this.copy(), "double")
        divisor = exp.Nullif(this=node.expression.copy(), expression=exp.Literal.number(0))
        return exp.Div(this=dividend, expression=divisor, typed=False, safe=False)
    if isinstance(node, exp.Ln):
        above = exp.GT(this=exp.paren(node.this.copy()), expression=exp.Literal.number(0))
        return exp.Case().when(above, node.copy())
    if isinstance(node, exp.Least | exp.Greatest):
        return _strict(node)
    if isinstance(node, exp.Anonymous):
        return _span(node)
    if isinstance(node, exp.Literal) and not node.is_string:
        return exp.cast(node.copy(), "double")
    return node


def _strict(node: exp.Least | exp.Greatest) -> exp.Expr:
    """Let one null make the result null, as everywhere in SQL but in some engines' functions."""
    parts = [part.copy() for part in (node.this, *node.expressions)]
    there = exp.and_(*(part.copy().is_(exp.null()).not_() for part in parts))
    rendered = type(node)(this=parts[0], expressions=parts[1:], ignore_nulls=True)
    return exp.Case().when(there, rendered)


def _span(node: exp.Anonymous) -> exp.Expr:
    start, end = (side.copy() for side in node.expressions)
    elapsed = exp.TimestampDiff(this=end, expression=start, unit=exp.var("MICROSECOND"))
    unit = exp.Literal.number(f"{SPANS[node.name.lower()]}.0")
    return exp.paren(exp.Div(this=exp.cast(elapsed, "double"), expression=unit))
