"""The rules by which what features read becomes known, kept so that no bundle is asked by others.

A table that lost its ``recorded_at`` counts rows before anybody knew them; the values look sound,
and are other ones than the model learnt from.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from churnml.config import FrozenModel
from churnml.features.catalogue import Catalogue, columns_read
from churnml.history.asof import row_known_columns
from churnml.history.tables import Table

NOBODY: Mapping[str, str] = MappingProxyType({})


class KnownRule(FrozenModel):
    """When what features read of a table counts as known.

    Parameters
    ----------
    row : tuple of str
        The times whose latest makes a row known.
    columns : dict of str to str
        The columns that are known later than their row, and by which time.
    replaced : str, optional
        The time at which a later version takes a row's place.
    made_by : str, optional
        The version of what made the table, where it was worked out.
    """

    row: tuple[str, ...]
    columns: dict[str, str]
    replaced: str | None = None
    made_by: str | None = None


def known_rules(
    catalogue: Catalogue, contracts: Mapping[str, Table], made_by: Mapping[str, str] = NOBODY
) -> dict[str, KnownRule]:
    """Collect the rules of the tables and columns that features read.

    Parameters
    ----------
    catalogue : Catalogue
        The features. What a custom one reads nobody knows, so that where there is one, the rules
        of every table and column count.
    contracts : mapping of str to Table
        The tables and columns that history has.
    made_by : mapping of str to str
        The version of what made a table, where one was worked out.

    Returns
    -------
    dict of str to KnownRule
        By table, sorted.
    """
    read: dict[str, set[str]] = {}
    for feature in catalogue.features:
        if feature.entry.table is not None:
            read.setdefault(feature.entry.table, set()).update(columns_read(feature))
    if any(feature.entry.function is not None for feature in catalogue.features):
        read = {name: set(table.names) for name, table in contracts.items() if not table.label_only}
    return {name: _rule(contracts[name], read[name], made_by.get(name)) for name in sorted(read)}


def _rule(table: Table, read: set[str], made_by: str | None) -> KnownRule:
    later = {column.name: column.known for column in table.columns if column.name in read}
    known = {name: time for name, time in sorted(later.items()) if time is not None}
    return KnownRule(
        row=row_known_columns(table), columns=known, replaced=table.replaced, made_by=made_by
    )


def made_otherwise(then: Mapping[str, KnownRule], now: Mapping[str, KnownRule]) -> str:
    """Say which table was made by another version; nothing where none was.

    Parameters
    ----------
    then, now : mapping of str to KnownRule
        By table, of the same features.
    """
    for table in sorted({*then} & {*now}):
        was, is_now = then[table].made_by, now[table].made_by
        if was != is_now:
            return f"{table!r} were made by {was or 'a source'}, and are by {is_now or 'one'} now"
    return ""


def changed(then: Mapping[str, KnownRule], now: Mapping[str, KnownRule]) -> str:
    """Say which rule is not what it was; nothing where all are.

    Parameters
    ----------
    then, now : mapping of str to KnownRule
        By table, of the same features.
    """
    nothing = KnownRule(row=(), columns={})
    for table in sorted({*then, *now}):
        old, new = then.get(table, nothing), now.get(table, nothing)
        if old.row != new.row:
            return f"rows of {table!r} were known by {_by(old.row)}, and are by {_by(new.row)} now"
        if old.replaced != new.replaced:
            was, is_now = (_by(tuple(filter(None, [rule.replaced]))) for rule in (old, new))
            return f"rows of {table!r} were replaced by {was}, and are by {is_now} now"
        for column in sorted({*old.columns, *new.columns}):
            was, is_now = (_column_by(rule, column) for rule in (old, new))
            if was != is_now:
                return f"{table}.{column} was known {was}, and is {is_now} now"
    return ""


def _by(times: tuple[str, ...]) -> str:
    return " and ".join(times) or "nothing"


def _column_by(rule: KnownRule, column: str) -> str:
    return f"at {rule.columns[column]}" if column in rule.columns else "with its row"
