"""Whether an expression can say something before all that it reads is known.

A fact counts once everything it reads is known. That is what the as-of view shows only if the
expression says nothing while late columns are still null: ``resolved_at is null`` holds from the
day on which a ticket is opened, and ceases to hold in hindsight.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Collection, Mapping

from sqlglot import exp

from churnml.features.expressions import Expression

# What a node may come to while the late columns are null. A value that is not a condition is `TRUE`
# where it is there at all.
TRUE, FALSE, NULL = "true", "false", "null"
Outcomes = frozenset[str]
_ANY = frozenset({TRUE, FALSE, NULL})


def may_hold_without(expression: Expression, late: Collection[str]) -> bool:
    """Tell whether a condition can be true while some columns are null.

    Parameters
    ----------
    expression : Expression
        The condition.
    late : collection of str
        The columns; all others may hold anything.
    """
    return TRUE in _outcomes(expression.tree, late)


def may_have_value_without(expression: Expression, late: Collection[str]) -> bool:
    """Tell whether a value can be there while some columns are null.

    Parameters
    ----------
    expression : Expression
        The value.
    late : collection of str
        The columns; all others may hold anything.
    """
    return _outcomes(expression.tree, late) != {NULL}


def _outcomes(node: exp.Expr, late: Collection[str]) -> Outcomes:
    if isinstance(node, exp.Column):
        return frozenset({NULL}) if node.name in late else _ANY
    if isinstance(node, exp.Literal | exp.Boolean | exp.Null):
        return _constant(node)
    rule = _RULES.get(type(node), _of_all)
    return rule(node, [_outcomes(part, late) for part in _operands(node)])


def _operands(node: exp.Expr) -> list[exp.Expr]:
    first = [] if isinstance(node, exp.Anonymous) else [node.this]
    second = [node.expression] if node.args.get("expression") is not None else []
    return [*first, *second, *node.expressions]


def _constant(node: exp.Expr) -> Outcomes:
    if isinstance(node, exp.Null):
        return frozenset({NULL})
    false = isinstance(node, exp.Boolean) and not node.this
    return frozenset({FALSE if false else TRUE})


def _of_all(_node: exp.Expr, parts: list[Outcomes]) -> Outcomes:
    """Null where any part is null: comparisons, arithmetic, functions."""
    if any(part == {NULL} for part in parts):
        return frozenset({NULL})
    return _ANY


def _same(_node: exp.Expr, parts: list[Outcomes]) -> Outcomes:
    return parts[0]


def _not(_node: exp.Expr, parts: list[Outcomes]) -> Outcomes:
    swapped = {TRUE: FALSE, FALSE: TRUE, NULL: NULL}
    return frozenset(swapped[outcome] for outcome in parts[0])


def _connective(node: exp.Expr, parts: list[Outcomes]) -> Outcomes:
    settles, other = (TRUE, FALSE) if isinstance(node, exp.Or) else (FALSE, TRUE)
    found = set()
    for pair in itertools.product(*parts):
        found.add(settles if settles in pair else NULL if NULL in pair else other)
    return frozenset(found)


def _is(node: exp.Expr, parts: list[Outcomes]) -> Outcomes:
    if isinstance(node.expression, exp.Null):
        hits = {NULL}
    else:
        hits = {TRUE} if node.expression.this else {FALSE}
    return frozenset(TRUE if outcome in hits else FALSE for outcome in parts[0])


def _coalesce(_node: exp.Expr, parts: list[Outcomes]) -> Outcomes:
    found = frozenset(outcome for part in parts for outcome in part) - {NULL}
    return found | {NULL} if all(NULL in part for part in parts) else found


def _nullif(_node: exp.Expr, parts: list[Outcomes]) -> Outcomes:
    return parts[0] | {NULL}


_RULES: Mapping[type[exp.Expr], Callable[[exp.Expr, list[Outcomes]], Outcomes]] = {
    exp.Paren: _same,
    exp.Not: _not,
    exp.And: _connective,
    exp.Or: _connective,
    exp.Is: _is,
    exp.Coalesce: _coalesce,
    exp.Nullif: _nullif,
}
