"""Evaluation of expressions over numpy columns, with the meaning that SQL gives them.

A tree is turned once into nested functions, so that what is left for each evaluation is numpy.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from sqlglot import exp

from churnml.errors import FeatureError, nearest
from churnml.features.values import DAY, HOUR, Type, Values, everywhere

if TYPE_CHECKING:
    from numpy.typing import NDArray

Compute = Callable[[Mapping[str, Values], int], Values]
SPANS: Mapping[str, int] = {"hours_between": HOUR, "days_between": DAY}

_COMPARE: Mapping[type[exp.Expr], Callable[..., Any]] = {
    exp.EQ: np.equal,
    exp.NEQ: np.not_equal,
    exp.LT: np.less,
    exp.LTE: np.less_equal,
    exp.GT: np.greater,
    exp.GTE: np.greater_equal,
}
_ARITHMETIC: Mapping[type[exp.Expr], Callable[..., Any]] = {
    exp.Add: np.add,
    exp.Sub: np.subtract,
    exp.Mul: np.multiply,
}


def compile_tree(text: str, tree: exp.Expr) -> Compute:
    """Turn a parsed expression into a function of columns and their length.

    Parameters
    ----------
    text : str
        What was written, for errors.
    tree : sqlglot.exp.Expr
        Its tree, of allowed nodes alone.

    Returns
    -------
    callable
        Raises `FeatureError` if a column does not exist or types do not go together.
    """
    return _Compilation(text).value(tree)


@dataclass(frozen=True)
class _Compilation:
    text: str

    def value(self, node: exp.Expr) -> Compute:
        return _RULES[type(node)](self, node)

    def fail(self, node: exp.Expr, why: str) -> FeatureError:
        return FeatureError(f"expression {self.text!r}: {node.sql()!r} {why}")

    def typed(self, node: exp.Expr, *wanted: Type) -> Compute:
        inner = self.value(node)

        def compute(columns: Mapping[str, Values], size: int) -> Values:
            found = inner(columns, size)
            if found.type not in wanted:
                expected = " or a ".join(wanted)
                raise self.fail(node, f"is a {found.type}; expected a {expected}.")
            return found

        return compute

    def paren(self, node: exp.Expr) -> Compute:
        return self.value(node.this)

    def column(self, node: exp.Expr) -> Compute:
        name = node.name

        def compute(columns: Mapping[str, Values], _size: int) -> Values:
            if name not in columns:
                known = nearest(name, columns)
                raise FeatureError(f"expression {self.text!r}: no column {name!r}.{known}")
            return columns[name]

        return compute

    def null(self, _node: exp.Expr) -> Compute:
        return lambda _columns, size: Values(
            Type.NUMBER, np.full(size, np.nan), np.zeros(size, dtype=bool)
        )

    def boolean(self, node: exp.Expr) -> Compute:
        fixed = bool(node.this)
        return lambda _columns, size: Values(Type.BOOLEAN, np.full(size, fixed), everywhere(size))

    def literal(self, node: exp.Expr) -> Compute:
        if node.is_string:
            levels = (node.name,)
            return lambda _columns, size: Values(
                Type.STRING, np.zeros(size, dtype=np.int64), everywhere(size), levels
            )
        number = float(node.name)
        return lambda _columns, size: Values(Type.NUMBER, np.full(size, number), everywhere(size))

    def negation(self, node: exp.Expr) -> Compute:
        inner = self.typed(node.this, Type.BOOLEAN)

        def compute(columns: Mapping[str, Values], size: int) -> Values:
            found = inner(columns, size)
            return Values(Type.BOOLEAN, ~found.data, found.valid)

        return compute

    def connective(self, node: exp.Expr) -> Compute:
        sides = [self.typed(side, Type.BOOLEAN) for side in (node.this, node.expression)]
        # The value that settles the result alone: false for and, true for or.
        settles = isinstance(node, exp.Or)

        def compute(columns: Mapping[str, Values], size: int) -> Values:
            left, right = (side(columns, size) for side in sides)
            decided = (left.valid & (left.data == settles)) | (
                right.valid & (right.data == settles)
            )
            data = decided if settles else ~decided
            return Values(Type.BOOLEAN, data, decided | (left.valid & right.valid))

        return compute

    def identity(self, node: exp.Expr) -> Compute:
        if isinstance(node.expression, exp.Null):
            any_type = self.value(node.this)

            def missing(columns: Mapping[str, Values], size: int) -> Values:
                there = any_type(columns, size).valid
                return Values(Type.BOOLEAN, ~there, everywhere(size))

            return missing
        if not isinstance(node.expression, exp.Boolean):
            raise self.fail(node, "is not understood: `is` takes null, true or false.")
        inner, wanted = self.typed(node.this, Type.BOOLEAN), bool(node.expression.this)

        def compute(columns: Mapping[str, Values], size: int) -> Values:
            found = inner(columns, size)
            same = found.valid & (found.data == wanted)
            return Values(Type.BOOLEAN, same, everywhere(size))

        return compute

    def membership(self, node: exp.Expr) -> Compute:
        items = node.expressions
        strings = {item.is_string for item in items if isinstance(item, exp.Literal)}
        if len(strings) != 1 or not all(isinstance(item, exp.Literal) for item in items):
            raise self.fail(node, "is not understood: `in` takes a list of strings or of numbers.")
        kind = Type.STRING if strings == {True} else Type.NUMBER
        inner = self.typed(node.this, kind)
        levels = frozenset(item.name for item in items)
        numbers = [] if kind is Type.STRING else [float(level) for level in levels]

        def compute(columns: Mapping[str, Values], size: int) -> Values:
            found = inner(columns, size)
            hit = np.isin(found.data, numbers) if numbers else _of_levels(found, levels)
            return Values(Type.BOOLEAN, hit, found.valid)

        return compute

    def comparison(self, node: exp.Expr) -> Compute:
        sides = self.value(node.this), self.value(node.expression)
        how = _COMPARE[type(node)]

        def compute(columns: Mapping[str, Values], size: int) -> Values:
            left, right = (side(columns, size) for side in sides)
            if left.type is not right.type:
                raise self.fail(node, f"compares a {left.type} with a {right.type}.")
            valid = left.valid & right.valid
            if left.type is not Type.STRING:
                return Values(Type.BOOLEAN, how(left.data, right.data), valid)
            if how not in {np.equal, np.not_equal}:
                raise self.fail(node, "orders strings; expected =, <> or in.")
            same = _same_strings(left, right)
            return Values(Type.BOOLEAN, same if how is np.equal else ~same, valid)

        return compute

    def magnitude(self, node: exp.Expr) -> Compute:
        inner = self.typed(node.this, Type.NUMBER)
        how = np.negative if isinstance(node, exp.Neg) else np.abs

        def compute(columns: Mapping[str, Values], size: int) -> Values:
            found = inner(columns, size)
            return Values(Type.NUMBER, how(found.data), found.valid)

        return compute

    def logarithm(self, node: exp.Expr) -> Compute:
        inner = self.typed(node.this, Type.NUMBER)

        def compute(columns: Mapping[str, Values], size: int) -> Values:
            found = inner(columns, size)
            valid = found.valid & (found.data > 0)
            return Values(Type.NUMBER, np.log(np.where(valid, found.data, 1.0)), valid)

        return compute

    def _pair(self, node: exp.Expr, how: Callable[[Values, Values], Values]) -> Compute:
        sides = [self.typed(side, Type.NUMBER) for side in (node.this, node.expression)]
        return lambda columns, size: how(*(side(columns, size) for side in sides))

    def arithmetic(self, node: exp.Expr) -> Compute:
        function = _ARITHMETIC[type(node)]
        return self._pair(
            node,
            lambda left, right: Values(
                Type.NUMBER, function(left.data, right.data), left.valid & right.valid
            ),
        )

    def division(self, node: exp.Expr) -> Compute:
        def how(left: Values, right: Values) -> Values:
            valid = left.valid & right.valid & (right.data != 0)
            return Values(Type.NUMBER, left.data / np.where(valid, right.data, 1.0), valid)

        return self._pair(node, how)

    def nullif(self, node: exp.Expr) -> Compute:
        def how(left: Values, right: Values) -> Values:
            same = right.valid & (left.data == right.data)
            return Values(Type.NUMBER, left.data, left.valid & ~same)

        return self._pair(node, how)

    def several(self, node: exp.Expr) -> Compute:
        parts = [self.typed(part, Type.NUMBER) for part in (node.this, *node.expressions)]
        how = _SEVERAL[type(node)]

        def compute(columns: Mapping[str, Values], size: int) -> Values:
            first, *rest = (part(columns, size) for part in parts)
            data, valid = first.data, first.valid
            for part in rest:
                data, valid = how(data, valid, part)
            return Values(Type.NUMBER, data, valid)

        return compute

    def span(self, node: exp.Expr) -> Compute:
        if len(node.expressions) != 2:
            raise self.fail(node, "is not understood: it takes two times.")
        sides = [self.typed(side, Type.TIME) for side in node.expressions]
        unit = float(SPANS[node.name.lower()])

        def compute(columns: Mapping[str, Values], size: int) -> Values:
            start, end = (side(columns, size) for side in sides)
            length = (end.data - start.data).astype(np.float64) / unit
            return Values(Type.NUMBER, length, start.valid & end.valid)

        return compute


def _of_levels(values: Values, wanted: frozenset[str]) -> NDArray[np.bool_]:
    hit = np.array([level in wanted for level in values.levels], dtype=bool)
    return np.asarray(hit[values.data]) if len(hit) else np.zeros(len(values.data), dtype=bool)


def _same_strings(left: Values, right: Values) -> NDArray[np.bool_]:
    if len(right.levels) == 1:
        return _of_levels(left, frozenset(right.levels))
    codes = {level: code for code, level in enumerate(left.levels)}
    recoded = np.array([codes.get(level, -1) for level in right.levels], dtype=np.int64)
    if not len(recoded):
        return np.zeros(len(left.data), dtype=bool)
    return np.asarray(left.data == recoded[right.data])


Combined = tuple["NDArray[Any]", "NDArray[np.bool_]"]


def _first_there(data: NDArray[Any], valid: NDArray[np.bool_], part: Values) -> Combined:
    return np.where(valid, data, part.data), valid | part.valid


def _least(data: NDArray[Any], valid: NDArray[np.bool_], part: Values) -> Combined:
    return np.minimum(data, part.data), valid & part.valid


def _greatest(data: NDArray[Any], valid: NDArray[np.bool_], part: Values) -> Combined:
    return np.maximum(data, part.data), valid & part.valid


_SEVERAL: Mapping[type[exp.Expr], Callable[..., Combined]] = {
    exp.Coalesce: _first_there,
    exp.Least: _least,
    exp.Greatest: _greatest,
}
_RULES: Mapping[type[exp.Expr], Callable[[_Compilation, exp.Expr], Compute]] = {
    exp.Paren: _Compilation.paren,
    exp.Column: _Compilation.column,
    exp.Null: _Compilation.null,
    exp.Boolean: _Compilation.boolean,
    exp.Literal: _Compilation.literal,
    exp.Not: _Compilation.negation,
    exp.And: _Compilation.connective,
    exp.Or: _Compilation.connective,
    exp.Is: _Compilation.identity,
    exp.In: _Compilation.membership,
    **dict.fromkeys(_COMPARE, _Compilation.comparison),
    exp.Neg: _Compilation.magnitude,
    exp.Abs: _Compilation.magnitude,
    exp.Ln: _Compilation.logarithm,
    **dict.fromkeys(_ARITHMETIC, _Compilation.arithmetic),
    exp.Div: _Compilation.division,
    exp.Nullif: _Compilation.nullif,
    **dict.fromkeys(_SEVERAL, _Compilation.several),
    exp.Anonymous: _Compilation.span,
}
# What an expression may be made of.
ALLOWED = (*_RULES, exp.Identifier)
