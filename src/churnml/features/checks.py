"""Whether a feature can be computed over the tables, and told: what TOML alone cannot say."""

from __future__ import annotations

import re
import string
from collections.abc import Collection, Mapping

from churnml.errors import FeatureError, nearest
from churnml.features.entries import CUTOFF_MONTH, KNOWN, RESERVED, Aggregate, Feature
from churnml.features.expressions import TYPE_OF_KIND, Expression, Type
from churnml.history.tables import Table


def check(
    feature: Feature,
    seen: Mapping[str, Feature],
    contracts: Mapping[str, Table],
    names: Collection[str] = (),
) -> None:
    """Check one feature.

    Parameters
    ----------
    feature : Feature
        What to check.
    seen : mapping of str to Feature
        The features declared before it.
    contracts : mapping of str to Table
        Every table a project may have.
    names : collection of str
        All features of the project, to tell one that is declared later from one that is not there.

    Raises
    ------
    FeatureError
        Saying what cannot be computed or told.
    ConfigError
        If a table has no such column.
    """
    entry = feature.entry
    if feature.name in RESERVED:
        raise FeatureError(
            f"the name is taken; {', '.join(RESERVED)} stand for other things. Choose another."
        )
    formula = feature.expression("formula")
    if formula is not None:
        _check_formula(formula, seen, names, contracts)
    if entry.table is not None:
        if entry.table not in contracts:
            raise FeatureError(f"no table {entry.table!r}.{nearest(entry.table, contracts)}")
        _check_aggregate(feature, contracts[entry.table])
    if _type(feature, contracts) is Type.STRING:
        said = {
            "monotone": entry.monotone or None,
            "minimum": entry.minimum,
            "maximum": entry.maximum,
        }
        for key in (key for key, value in said.items() if value is not None):
            raise FeatureError(f"{key} of a string; only numbers have an order. Take it away.")
    _check_sentence(feature, seen)


def _check_formula(
    formula: Expression,
    seen: Mapping[str, Feature],
    names: Collection[str],
    contracts: Mapping[str, Table],
) -> None:
    types = {CUTOFF_MONTH: Type.NUMBER}
    for name in formula.columns:
        if name == CUTOFF_MONTH:
            continue
        if name in seen:
            types[name] = _type(seen[name], contracts)
        elif name in names:
            raise FeatureError(
                f"formula {formula.text!r} reads {name!r}, which is not declared before it; files "
                "are read in the order of their names, each from its top. Declare it earlier."
            )
        else:
            known = nearest(name, [CUTOFF_MONTH, *seen])
            raise FeatureError(f"formula {formula.text!r} reads {name!r}: no such feature.{known}")
    if formula.type_over(types) is not Type.NUMBER:
        raise FeatureError(f"formula {formula.text!r} is not a number.")


def _type(feature: Feature, contracts: Mapping[str, Table]) -> Type:
    """Tell whether a column holds numbers or strings; only the last value of a string is one."""
    value, table = feature.expression("value"), contracts.get(feature.entry.table or "")
    if feature.entry.aggregate is not Aggregate.LAST or value is None or table is None:
        return Type.NUMBER
    kind = value.type_over(_types(table))
    return Type.STRING if kind is Type.STRING else Type.NUMBER


def _types(table: Table) -> dict[str, Type]:
    return {column.name: TYPE_OF_KIND[column.kind] for column in table.columns}


def _check_sentence(feature: Feature, seen: Mapping[str, Feature]) -> None:
    """A sentence names columns of the table, since nothing else is there when it is told."""
    told = {name for name, other in seen.items() if not other.entry.internal}
    allowed = {"value", feature.name, *told}
    for name in _fields("sentence", feature.fill(feature.entry.sentence)):
        if name in seen and name not in allowed:
            raise FeatureError(
                f"sentence reads {name!r}, which is internal and so in no table. "
                "Take `internal` away, or leave it out of the sentence."
            )
        if name not in allowed:
            raise FeatureError(f"sentence reads {name!r}.{nearest(name, allowed)}")
    for name in _fields("missing", feature.fill(feature.entry.missing)):
        raise FeatureError(f"missing reads {name!r}; it is told where there is no value.")


def _fields(key: str, text: str) -> tuple[str, ...]:
    try:
        parts = list(string.Formatter().parse(text))
    except ValueError as error:
        raise FeatureError(f"{key} = {text!r}: {error}. Write {{{{ for a brace.") from error
    names = []
    for _, name, form, conversion in parts:
        if name is None:
            continue
        if form or conversion or not re.fullmatch(r"[a-z][a-z0-9_]*", name):
            raise FeatureError(
                f"{key} = {text!r}: a field is {{value}} or the bare name of a feature; "
                "numbers are written by their unit."
            )
        names.append(name)
    return tuple(names)


def _check_aggregate(feature: Feature, table: Table) -> None:
    at = feature.entry.at
    if table.label_only:
        raise FeatureError(
            f"table {table.name!r} is read by labels alone; a feature may not use it."
        )
    if at not in {None, KNOWN} and TYPE_OF_KIND[table.column(at or "").kind] is not Type.TIME:
        raise FeatureError(f"at = {at!r} is not a time of table {table.name!r}.")
    for key in ("where", "hit", "breaks"):
        condition = feature.expression(key)
        if condition is not None and condition.type_over(_types(table)) is not Type.BOOLEAN:
            raise FeatureError(f"{key} = {condition.text!r} is not a condition.")
    value = feature.expression("value")
    if value is not None and feature.entry.aggregate is not None:
        _check_value(feature.entry.aggregate, value, value.type_over(_types(table)))


def _check_value(how: Aggregate, value: Expression, kind: Type) -> None:
    if how in {Aggregate.SUM, Aggregate.MEAN} and kind not in {Type.NUMBER, Type.BOOLEAN}:
        raise FeatureError(f"{how} of {value.text!r}, a {kind}; expected a number.")
    if how in {Aggregate.MIN, Aggregate.MAX} and kind is Type.STRING:
        raise FeatureError(f"{how} of {value.text!r}, a string; expected a number or a time.")
    if how is Aggregate.DISTINCT and not re.fullmatch(r"\w+", value.text):
        raise FeatureError(f"distinct of {value.text!r}; expected the name of one column.")
    if how is Aggregate.DISTINCT and kind is not Type.STRING:
        raise FeatureError(f"distinct of {value.text!r}, a {kind}; expected a string or an id.")
