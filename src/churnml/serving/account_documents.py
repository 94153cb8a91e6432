"""What the OpenAPI document says of accounts and of what their people wrote."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import ConfigDict, Field

from churnml.history.tables import COMPETITOR_LEVELS, INTENTS, READERS, SENTIMENTS, THEMES
from churnml.serving.documents import Document

_STANDING: dict[str, Any] = {
    "account_id": "A000608",
    "name": "Acme",
    "as_of": "2026-06-30T23:58:16Z",
    "scored_at": "2026-07-01T06:00:00.125000Z",
    "probability": 0.5625,
    "interval": {"low": 0.3125, "high": 0.75},
    "risk_tier": "critical",
    "account_tier": "business",
    "arr": 12000.0,
    "arr_at_risk": 6750.0,
    "bundle": "7127df9c70b2c4a1e0d35f6f1b9a8e7d6c5b4a39281706f5e4d3c2b1a0918273",
}
_LINKS: dict[str, Any] = {
    "score": "/v1/scores/A000608",
    "history": "/v1/scores/A000608/history",
    "messages": "/v1/accounts/A000608/messages",
}
_MESSAGE: dict[str, Any] = {
    "text_id": "messages/m-7",
    "said_at": "2026-06-29T10:15:00Z",
    "contact_id": "A000608-C1",
    "text": "Please cancel our subscription.",
    "reading": {
        "reader": "model",
        "version": "5.80ab1f0b5a20",
        "language": "en",
        "sentiment": "neutral",
        "intents": ["cancel_request"],
        "competitor": None,
        "themes": [],
        "evidence": {"cancel_request": "cancel our subscription"},
    },
}


class StandingInterval(Document):
    """Within which the account's own probability lies."""

    low: float
    high: float


class StandingDocument(Document):
    """An account with its latest score."""

    model_config = ConfigDict(json_schema_extra={"examples": [_STANDING]})

    account_id: str
    name: str | None = Field(description="As history has it; null where it has none.")
    as_of: str | None = Field(description="Of when the score tells.")
    scored_at: str
    probability: float = Field(ge=0, le=1)
    interval: StandingInterval
    risk_tier: Literal["low", "medium", "high", "critical"]
    account_tier: Literal["starter", "professional", "business", "enterprise", "vip"] | None
    arr: float | None
    arr_at_risk: float | None
    bundle: str = Field(description="Of the model that gave it.")


class AccountsPage(Document):
    """Accounts, in the order that was asked for."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"accounts": [_STANDING], "next": None}]}
    )

    accounts: list[StandingDocument]
    next: str | None = Field(description="The cursor of the next page; null on the last.")


class Links(Document):
    """Where more is told of an account."""

    score: str
    history: str
    messages: str


class AccountDocument(StandingDocument):
    """An account with its latest score, and where more is told of it."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{**_STANDING, "answers": 3, "links": _LINKS}]}
    )

    answers: int = Field(description="How many scores of it the ledger has.")
    links: Links


class CompetitorDocument(Document):
    """Who is named beside us, and how far it has gone."""

    name: str | None
    level: Literal[COMPETITOR_LEVELS]  # type: ignore[valid-type]


class ReadingDocument(Document):
    """What a text says, as it is read now: by a model, a source, or a person, whose word wins."""

    reader: Literal[READERS] | None  # type: ignore[valid-type]
    version: str | None = Field(description="Of the model, or who corrected it.")
    language: str | None
    sentiment: Literal[SENTIMENTS] | None  # type: ignore[valid-type]
    intents: list[Literal[tuple(INTENTS)]]  # type: ignore[valid-type]
    competitor: CompetitorDocument | None
    themes: list[Literal[THEMES]]  # type: ignore[valid-type]
    evidence: dict[str, str] = Field(description="The words that show a part, by its name.")


class MessageDocument(Document):
    """A text of a customer."""

    text_id: str
    said_at: str
    contact_id: str | None
    text: str | None = Field(description="Null where history has a reading alone.")
    reading: ReadingDocument


class MessagesPage(Document):
    """What an account's people wrote, the latest first."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"messages": [_MESSAGE], "next": None}]}
    )

    messages: list[MessageDocument]
    next: str | None = Field(description="The cursor of the next page; null on the last.")
