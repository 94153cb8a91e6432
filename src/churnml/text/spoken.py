"""What customers wrote, wherever history keeps it: messages, tickets, comments of surveys."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sqlglot import exp

from churnml.history.asof import History, known_at
from churnml.history.tables import ACCOUNT_ID, Table


@dataclass(frozen=True)
class _Words:
    """Where a table keeps the words of customers."""

    key: str
    text: str
    at: str
    sentiment: str | None = None
    inbound: str | None = None


# Nobody's words are taken for a customer's where no column tells whose they are.
_TABLES: Mapping[str, _Words] = {
    "messages": _Words("message_id", "text", "sent_at", "sentiment", "direction"),
    "tickets": _Words("ticket_id", "text", "opened_at"),
    "surveys": _Words("survey_id", "comment", "responded_at", "sentiment"),
}


ORIGINS = tuple(_TABLES)


def spoken(history: History) -> str | None:
    """Write the query of all that customers wrote.

    Parameters
    ----------
    history : History
        Clean history.

    Returns
    -------
    str or None
        DuckDB's SQL over the tables of history, whenever known. A row a text: `text_id`,
        ``account_id``, `said_at`, `recorded_at` (when it became known), `origin`, `contact_id`,
        `text` and `given`, the tone that a source told; one of these two is there. None where
        history has no words.
    """
    parts = [
        _select(history.contracts[name], words)
        for name, words in _TABLES.items()
        if name in history.contracts
        and {words.text, words.sentiment} & set(history.contracts[name].names)
        and (words.inbound is None or history.contracts[name].has(words.inbound))
    ]
    return " UNION ALL ".join(parts) if parts else None


def _select(table: Table, words: _Words) -> str:
    # What is read of a row is known with its latest part: a comment when it was given.
    times = () if words.at == table.time else (words.at,)
    said = [_column(table, words.text), _column(table, words.sentiment)]
    query = exp.select(
        exp.func("concat", exp.Literal.string(f"{table.name}/"), exp.column(words.key)).as_(
            "text_id"
        ),
        exp.column(ACCOUNT_ID),
        exp.column(words.at).as_("said_at"),
        known_at(table, times).as_("recorded_at"),
        exp.Literal.string(table.name).as_("origin"),
        _column(table, "contact_id").as_("contact_id"),
        said[0].as_("text"),
        said[1].as_("given"),
    ).from_(exp.to_table(table.name))
    query = query.where(exp.or_(*(column.copy().is_(exp.null()).not_() for column in said)))
    query = query.where(exp.column(words.at).is_(exp.null()).not_())
    if words.inbound is not None:
        query = query.where(exp.column(words.inbound).eq(exp.Literal.string("inbound")))
    return query.sql(dialect="duckdb", identify=True)


def _column(table: Table, name: str | None) -> exp.Expr:
    if name is not None and table.has(name):
        return exp.column(name)
    return exp.cast(exp.null(), "text")
