"""The seven indicators: plain signs that an account may leave, each with what shows it.

They need no model, and hold as of any date: what is asked is asked of history as it was known then.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from itertools import groupby
from pathlib import Path
from types import MappingProxyType
from typing import Any

from pydantic import Field

from churnml.actions.look import Look
from churnml.actions.tiers import RiskTier
from churnml.config import FrozenModel, read_model
from churnml.history.asof import History
from churnml.history.dialect import literal
from churnml.history.tables import ACCOUNT_ID
from churnml.text.evidence import read_evidence

FILE = "indicators.toml"  # in a project's serving folder
TABLES = ("readings", "notes", "usage", "messages")  # what is looked at


class Indicator(StrEnum):
    """What may be seen of an account, the gravest first."""

    CANCEL_REQUEST = "cancel_request"
    CANCEL_QUESTION = "cancel_question"
    COMPETITOR = "competitor"
    NEGATIVE_TEXTS = "negative_texts"
    MANAGER_CONCERN = "manager_concern"
    USAGE_FALL = "usage_fall"
    UNRESPONSIVE = "unresponsive"


class Sign(FrozenModel):
    """When an indicator holds.

    Parameters
    ----------
    level : RiskTier
        How grave it is.
    days : float
        How far back it looks.
    at_least : int
        So many texts or notes make it hold.
    """

    level: RiskTier
    days: float = Field(gt=0)
    at_least: int = Field(default=1, ge=1)


class UsageFall(FrozenModel):
    """When use of the product has fallen.

    Parameters
    ----------
    level : RiskTier
        How grave it is.
    days : float
        The days that are judged.
    baseline_days : float
        The days before them; the account's own use then is the baseline.
    fall : float
        The share of the baseline that must be gone.
    usual_at_least : float
        What the baseline must come to in so many days as are judged; a fall of less says nothing.
    """

    level: RiskTier
    days: float = Field(gt=0)
    baseline_days: float = Field(gt=0)
    fall: float = Field(gt=0, le=1)
    usual_at_least: float = Field(default=4.0, ge=0)


class Unresponsive(FrozenModel):
    """When an account answers no more.

    Parameters
    ----------
    level : RiskTier
        How grave it is.
    at_least : int
        Messages in a row without an answer, or a word of their own since.
    patience_days : float
        How old a message must be to count.
    no_answer_wanted : tuple of str
        Templates of messages that ask for no answer, so that none is missed.
    """

    level: RiskTier
    at_least: int = Field(ge=1)
    patience_days: float = Field(ge=0)
    no_answer_wanted: tuple[str, ...] = ()


class Indicators(FrozenModel):
    """When each of the seven holds; ``serving/indicators.toml``.

    Parameters
    ----------
    negative_texts, manager_concern, competitor, cancel_question, cancel_request : Sign
        Those that texts and notes show.
    usage_fall : UsageFall
        Use of the product against the account's own.
    unresponsive : Unresponsive
        Messages without an answer.
    """

    negative_texts: Sign
    manager_concern: Sign
    usage_fall: UsageFall
    unresponsive: Unresponsive
    competitor: Sign
    cancel_question: Sign
    cancel_request: Sign


@dataclass(frozen=True)
class Evidence:
    """One thing that shows an indicator.

    Parameters
    ----------
    at : datetime
        When it happened, UTC and naive.
    source : str
        What it is: table and key of a text, a note or a message.
    words : str
        What it says.
    """

    at: dt.datetime
    source: str
    words: str


@dataclass(frozen=True)
class Seen:
    """An indicator that holds for an account.

    Parameters
    ----------
    account_id : str
        The account.
    indicator : Indicator
        What was seen.
    level : RiskTier
        How grave it is.
    said : str
        What was seen, in words and numbers.
    evidence : tuple of Evidence
        What shows it, the latest first; nothing for a fall of use, which is in `said`.
    """

    account_id: str
    indicator: Indicator
    level: RiskTier
    said: str
    evidence: tuple[Evidence, ...] = ()


def read_indicators(path: Path) -> Indicators:
    """Read ``serving/indicators.toml``.

    Raises
    ------
    ConfigError
        If it is missing or malformed, naming the key.
    """
    return read_model(Indicators, path)


def see(
    history: History,
    indicators: Indicators,
    cutoff: dt.datetime,
    *,
    corrected_until: dt.datetime | None = None,
) -> tuple[Seen, ...]:
    """Look for the seven indicators at all current accounts.

    Parameters
    ----------
    history : History
        Clean history with readings. An indicator whose table or columns it has not is never seen.
    indicators : Indicators
        When each holds.
    cutoff : datetime
        UTC, naive; only what was known strictly before is looked at.
    corrected_until : datetime, optional
        Until when corrections of readings count; until the cutoff if omitted.

    Returns
    -------
    tuple of Seen
        By account, the gravest first. Where history has subscriptions, accounts without a running
        term are left out.
    """
    look = Look(history, cutoff, corrected_until)
    found = [
        seen
        for indicator in Indicator
        for seen in _FINDERS[indicator](look, indicator, getattr(indicators, indicator.value))
    ]
    current = look.current()
    levels, order = tuple(RiskTier), tuple(Indicator)
    kept = [item for item in found if current is None or item.account_id in current]
    return tuple(
        sorted(
            kept,
            key=lambda item: (
                item.account_id,
                -levels.index(item.level),
                order.index(item.indicator),
            ),
        )
    )


_OF_READINGS: Mapping[Indicator, tuple[str, str, str]] = MappingProxyType(
    {  # the condition, the column whose evidence shows it, and what is said
        Indicator.CANCEL_REQUEST: ("cancel_request", "cancel_request", "asked to cancel"),
        Indicator.CANCEL_QUESTION: (
            "cancel_question",
            "cancel_question",
            "asked about cancelling",
        ),
        Indicator.COMPETITOR: (
            "competitor_level IS NOT NULL",
            "competitor_level",
            "named a competitor",
        ),
        Indicator.NEGATIVE_TEXTS: (
            "sentiment IN ('negative', 'hostile')",
            "sentiment",
            "wrote negative or hostile words",
        ),
    }
)


def _of_readings(look: Look, indicator: Indicator, sign: Sign) -> Iterator[Seen]:
    condition, part, said = _OF_READINGS[indicator]
    if not look.has("readings", part):
        return
    shown = look.has("readings", "evidence")
    rows = look.rows(
        f"SELECT {ACCOUNT_ID}, said_at AS moment, text_id AS source, "
        f"{'evidence' if shown else 'NULL'} AS words FROM {look.view('readings')} "
        f"WHERE {condition} AND said_at >= {look.since(sign.days)} "
        f"ORDER BY {ACCOUNT_ID}, moment DESC, source"
    )
    for row in rows:
        row["words"] = read_evidence(row["words"]).get(part, "")
    yield from _counted(rows, indicator, sign, said)


def _of_notes(look: Look, indicator: Indicator, sign: Sign) -> Iterator[Seen]:
    if not look.has("notes", "concern"):
        return
    words = "text" if look.has("notes", "text") else "NULL"
    rows = look.rows(
        f"SELECT {ACCOUNT_ID}, noted_at AS moment, 'notes/' || note_id AS source, "
        f"coalesce({words}, '') AS words FROM {look.view('notes')} "
        f"WHERE concern AND noted_at >= {look.since(sign.days)} "
        f"ORDER BY {ACCOUNT_ID}, moment DESC, source"
    )
    yield from _counted(rows, indicator, sign, "worried whoever looks after it")


def _counted(
    rows: list[dict[str, Any]], indicator: Indicator, sign: Sign, said: str
) -> Iterator[Seen]:
    for account, evidence in _by_account(rows):
        if len(evidence) >= sign.at_least:
            times = "once" if len(evidence) == 1 else f"{len(evidence)} times"
            told = f"{said} {times} in {sign.days:g} days"
            yield Seen(account, indicator, sign.level, told, evidence)


def _by_account(rows: list[dict[str, Any]]) -> Iterator[tuple[str, tuple[Evidence, ...]]]:
    """Gather evidence by account; rows come by account, the latest first."""
    for account, own in groupby(rows, key=lambda row: str(row[ACCOUNT_ID])):
        yield account, tuple(Evidence(row["moment"], row["source"], row["words"]) for row in own)


def _of_usage(look: Look, indicator: Indicator, sign: UsageFall) -> Iterator[Seen]:
    if not look.has("usage"):
        return
    amount = "coalesce(quantity, 1)" if look.has("usage", "quantity") else "1"
    middle, begin = look.since(sign.days), look.since(sign.days + sign.baseline_days)
    rows = look.rows(
        f"SELECT {ACCOUNT_ID}, sum(CASE WHEN occurred_at >= {middle} THEN {amount} ELSE 0 END) "
        f"AS recent, sum(CASE WHEN occurred_at < {middle} THEN {amount} ELSE 0 END) "
        f"* {sign.days / sign.baseline_days!r} AS usual FROM {look.view('usage')} "
        f"WHERE occurred_at >= {begin} GROUP BY {ACCOUNT_ID}"
    )
    for row in rows:
        usual, recent = float(row["usual"]), float(row["recent"])
        if usual > 0 and usual >= sign.usual_at_least and recent <= (1 - sign.fall) * usual:
            said = (
                f"used {_amount(recent)} in {sign.days:g} days, {1 - recent / usual:.0%} less than "
                f"the {_amount(usual)} of the {sign.baseline_days:g} days before"
            )
            yield Seen(row[ACCOUNT_ID], indicator, sign.level, said)


def _amount(value: float) -> str:
    return f"{value:,.0f}" if value >= 10 or value.is_integer() else f"{value:.1f}"


def _of_answers(look: Look, indicator: Indicator, sign: Unresponsive) -> Iterator[Seen]:
    if not look.has("messages", "replied_at"):
        return
    messages = look.view("messages")
    words = "template" if look.has("messages", "template") else "NULL"
    unasked = ", ".join(map(literal, sign.no_answer_wanted)) or "NULL"
    rows = look.rows(
        f"WITH heard AS (SELECT {ACCOUNT_ID}, max(moment) AS latest FROM ({_heard(look)}) "
        "GROUP BY 1) "
        f"SELECT sent.{ACCOUNT_ID}, sent_at AS moment, 'messages/' || message_id AS source, "
        f"coalesce({words}, '') AS words FROM {messages} AS sent JOIN heard USING ({ACCOUNT_ID}) "
        f"WHERE direction = 'outbound' AND sent_at < {look.since(sign.patience_days)} "
        f"AND ({words} IN ({unasked})) IS NOT TRUE "
        f"AND (latest IS NULL OR sent_at > latest) ORDER BY 1, moment DESC, source"
    )
    for account, evidence in _by_account(rows):
        if len(evidence) >= sign.at_least:
            said = f"left {len(evidence)} messages in a row without an answer"
            yield Seen(account, indicator, sign.level, said, evidence)


def _heard(look: Look) -> str:
    """Write the query of every word from an account: messages, answers, tickets, surveys."""
    written = "CASE WHEN direction = 'inbound' THEN sent_at ELSE replied_at END AS moment"
    said = [f"SELECT {ACCOUNT_ID}, {written} FROM {look.view('messages')}"]
    said += [
        f"SELECT {ACCOUNT_ID}, {column} FROM {look.view(table)}"
        for table, column in (("tickets", "opened_at"), ("surveys", "responded_at"))
        if look.has(table, column)
    ]
    return " UNION ALL ".join(said)


_FINDERS: Mapping[Indicator, Callable[[Look, Indicator, Any], Iterator[Seen]]] = MappingProxyType(
    {
        **dict.fromkeys(_OF_READINGS, _of_readings),
        Indicator.MANAGER_CONCERN: _of_notes,
        Indicator.USAGE_FALL: _of_usage,
        Indicator.UNRESPONSIVE: _of_answers,
    }
)
