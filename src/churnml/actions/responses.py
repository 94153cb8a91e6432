"""Responses: how gravely a customer's words are to be answered, by whom, and until when.

A text is of one of four levels by its tone and its intents, as they were read or corrected. Its
clock runs from when it was written until somebody wrote back, or support first answered a ticket; a
mailing to many is no answer.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Self

from pydantic import Field, ValidationInfo, field_validator, model_validator

from churnml.actions.look import Look
from churnml.config import FrozenModel, read_model
from churnml.errors import nearest
from churnml.history.asof import History
from churnml.history.tables import ACCOUNT_ID, INTENTS, SENTIMENTS
from churnml.text.evidence import read_evidence

FILE = "responses.toml"  # in a project's serving folder
TABLES = ("readings", "messages", "tickets")  # what is looked at


class State(StrEnum):
    """How it stands with an answer."""

    OVERDUE = "overdue"
    OPEN = "open"
    LATE = "answered late"
    IN_TIME = "answered in time"


class ResponseLevel(FrozenModel):
    """One level of response.

    Parameters
    ----------
    sentiments, intents : tuple of str
        Any of which makes a text be of this level.
    hours : float, optional
        How long an answer may take; no clock runs if omitted.
    owner : str
        Who answers.
    action, follow_up : str
        What is done, and what afterwards.
    """

    sentiments: tuple[str, ...] = ()
    intents: tuple[str, ...] = ()
    hours: float | None = Field(default=None, ge=0)
    owner: str
    action: str
    follow_up: str

    @field_validator("sentiments", "intents")
    @classmethod
    def _known(cls, names: tuple[str, ...], field: ValidationInfo) -> tuple[str, ...]:
        choices = SENTIMENTS if field.field_name == "sentiments" else tuple(INTENTS)
        for name in names:
            if name not in choices:
                raise ValueError(
                    f"{name!r} is none; expected some of {', '.join(choices)}."
                    f"{nearest(name, choices)}"
                )
        return names


class MixSpec(FrozenModel):
    """When a week's mix of tones is yellow, and when red.

    Parameters
    ----------
    yellow_from : float
        The share of negative and hostile texts from which on.
    red_above : float
        The share above which.
    """

    yellow_from: float = Field(gt=0, lt=1)
    red_above: float = Field(gt=0, lt=1)

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.red_above < self.yellow_from:
            raise ValueError("red_above lies below yellow_from; expected it above")
        return self


class Responses(FrozenModel):
    """The four levels, and the mix; ``serving/responses.toml``.

    Parameters
    ----------
    level_1, level_2, level_3, level_4 : ResponseLevel
        The least grave first.
    mix : MixSpec
        For `churnml.actions.mix`.
    """

    level_1: ResponseLevel
    level_2: ResponseLevel
    level_3: ResponseLevel
    level_4: ResponseLevel
    mix: MixSpec

    def level(self, sentiment: str | None, intents: frozenset[str]) -> int:
        """Of which level a text of some tone and intents is, 1 to 4."""
        for number in (4, 3, 2):
            asked = self.of(number)
            if sentiment in asked.sentiments or not intents.isdisjoint(asked.intents):
                return number
        return 1

    def of(self, number: int) -> ResponseLevel:
        """The level of a number, 1 to 4."""
        levels = (self.level_1, self.level_2, self.level_3, self.level_4)
        return levels[number - 1]


@dataclass(frozen=True)
class Due:
    """A text and the answer that it is owed.

    Parameters
    ----------
    account_id, text_id : str
        Whose text, and which.
    said_at : datetime
        When it was written, UTC and naive.
    level : int
        1 to 4.
    sentiment : str or None
        Its tone.
    intents : tuple of str
        What it wants.
    words : str
        The words that show it.
    due_at : datetime or None
        When an answer is due; None where no clock runs.
    answered_at : datetime or None
        When it was answered, as far as is known.
    state : State or None
        How it stands at the cutoff; None where no clock runs.
    """

    account_id: str
    text_id: str
    said_at: dt.datetime
    level: int
    sentiment: str | None
    intents: tuple[str, ...]
    words: str
    due_at: dt.datetime | None
    answered_at: dt.datetime | None
    state: State | None


def read_responses(path: Path) -> Responses:
    """Read ``serving/responses.toml``.

    Raises
    ------
    ConfigError
        If it is missing or malformed, naming the key.
    """
    return read_model(Responses, path)


def owed(
    history: History,
    responses: Responses,
    cutoff: dt.datetime,
    *,
    days: float,
    corrected_until: dt.datetime | None = None,
) -> tuple[Due, ...]:
    """Say which answers the texts of some days are owed.

    Parameters
    ----------
    history : History
        Clean history with readings.
    responses : Responses
        The levels.
    cutoff : datetime
        UTC, naive; only what was known strictly before is looked at.
    days : float
        How far back texts are looked at.
    corrected_until : datetime, optional
        Until when corrections of readings count; until the cutoff if omitted.

    Returns
    -------
    tuple of Due
        The gravest level first, then what is due first.
    """
    look = Look(history, cutoff, corrected_until)
    if not look.has("readings"):
        return ()
    found = [_due(row, responses, cutoff) for row in look.rows(_query(look, days))]
    return tuple(
        sorted(found, key=lambda item: (-item.level, item.due_at or item.said_at, item.text_id))
    )


def _query(look: Look, days: float) -> str:
    wishes = ", ".join(
        f"said.{name}" if look.has("readings", name) else f"FALSE AS {name}" for name in INTENTS
    )
    sentiment = "said.sentiment" if look.has("readings", "sentiment") else "NULL AS sentiment"
    evidence = "said.evidence" if look.has("readings", "evidence") else "NULL AS evidence"
    answers = ["CAST(NULL AS TIMESTAMP)"]
    if look.has("messages", "direction"):
        single = "AND wave IS NULL" if look.has("messages", "wave") else ""
        answers.append(
            f"(SELECT min(sent_at) FROM {look.view('messages')} AS sent WHERE "
            f"sent.{ACCOUNT_ID} = said.{ACCOUNT_ID} AND direction = 'outbound' "
            f"AND sent_at > said.said_at {single})"
        )
    if look.has("tickets", "responded_at"):
        answers.append(
            f"(SELECT min(responded_at) FROM {look.view('tickets')} AS asked "
            "WHERE 'tickets/' || asked.ticket_id = said.text_id)"
        )
    return (
        f"SELECT said.{ACCOUNT_ID}, said.text_id, said.said_at, {sentiment}, {evidence}, {wishes}, "
        f"least({', '.join(answers)}) AS answered_at FROM {look.view('readings')} AS said "
        f"WHERE said.said_at >= {look.since(days)}"
    )


def _due(row: dict[str, Any], responses: Responses, cutoff: dt.datetime) -> Due:
    intents = tuple(name for name in INTENTS if row[name])
    number = responses.level(row["sentiment"], frozenset(intents))
    level = responses.of(number)
    shown = read_evidence(row["evidence"])
    part = next((name for name in intents if name in level.intents), "sentiment")
    due = None if level.hours is None else row["said_at"] + dt.timedelta(hours=level.hours)
    return Due(
        account_id=row[ACCOUNT_ID],
        text_id=row["text_id"],
        said_at=row["said_at"],
        level=number,
        sentiment=row["sentiment"],
        intents=intents,
        words=shown.get(part, ""),
        due_at=due,
        answered_at=row["answered_at"],
        state=None if due is None else _state(due, row["answered_at"], cutoff),
    )


def _state(due: dt.datetime, answered: dt.datetime | None, cutoff: dt.datetime) -> State:
    if answered is not None:
        return State.IN_TIME if answered <= due else State.LATE
    return State.OVERDUE if due < cutoff else State.OPEN
