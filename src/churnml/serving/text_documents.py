"""What the OpenAPI document says of texts that are read, and of corrections."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, create_model

from churnml.history.tables import COMPETITOR_LEVELS, INTENTS, SENTIMENTS
from churnml.serving.documents import Body, Document
from churnml.text.corrections import FLAGS

TEXTS = 100  # that are read at once
_CHARACTERS = 20_000  # of a text
# A line of the file of corrections, as a spreadsheet shows it.
_LINE = r"^[^\s\x00-\x1f\x7f]([^\x00-\x1f\x7f]*[^\s\x00-\x1f\x7f])?$"


class TextsToRead(Body):
    """Texts, each as it was received, with its quoted replies and signature."""

    texts: list[Annotated[str, Field(max_length=_CHARACTERS)]] = Field(
        min_length=1, max_length=TEXTS
    )


class _Said(Body):
    model_config = ConfigDict(json_schema_extra={"minProperties": 1})


def _left_out() -> Any:
    """Stand for a part of which nothing is said."""


def _part(kind: Any, description: str) -> Any:
    return kind, Field(default_factory=_left_out, description=description)


_PARTS: dict[str, Any] = {
    "sentiment": _part(Literal[SENTIMENTS], "How it sounds."),
    **{name: _part(bool, f"Whether it {said}.") for name, said in INTENTS.items()},
    **{
        name: _part(bool, f"Whether it is about {name.partition('_')[2]}.")
        for name in FLAGS
        if name not in INTENTS
    },
    "competitor": _part(
        Annotated[str, Field(max_length=200, pattern=_LINE)] | None,
        "Who is named beside us; null where nobody is.",
    ),
    "competitor_level": _part(
        Literal[COMPETITOR_LEVELS] | None, "How far it has gone with them; null where nobody is."
    ),
}

TextCorrection = create_model(
    "TextCorrection",
    __base__=_Said,
    __doc__="What a person says of a text; parts that are left out stay as they are read.",
    **_PARTS,
)


class Place(Document):
    """A stretch of a text."""

    start: int = Field(description="Characters from the beginning of the text.")
    end: int
    text: str


class Found(Place):
    """What a stretch of a text shows."""

    name: str


class FoundCompetitor(Place):
    """Who is named beside us, and how far it has gone."""

    competitor: str | None
    level: Literal[COMPETITOR_LEVELS]  # type: ignore[valid-type]


class TextReading(Document):
    """What a text says, each part with the words that show it."""

    language: str = Field(description="Of ISO 639; what is not English is not read.")
    sentiment: Literal[SENTIMENTS] | None  # type: ignore[valid-type]
    probabilities: dict[str, float] | None
    shown_by: Place | None
    intents: list[Found]
    competitors: list[FoundCompetitor]
    themes: list[Found]


class TextReadings(Document):
    """Readings, in the order of the texts."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "version": "5.80ab1f0b5a20",
                    "readings": [
                        {
                            "language": "en",
                            "sentiment": "neutral",
                            "probabilities": {
                                "positive": 0.005,
                                "neutral": 0.9367,
                                "concerned": 0.0385,
                                "negative": 0.0176,
                                "hostile": 0.0022,
                            },
                            "shown_by": {
                                "start": 0,
                                "end": 31,
                                "text": "Please cancel our subscription.",
                            },
                            "intents": [
                                {
                                    "name": "cancel_request",
                                    "start": 7,
                                    "end": 30,
                                    "text": "cancel our subscription",
                                }
                            ],
                            "competitors": [],
                            "themes": [],
                        }
                    ],
                }
            ]
        }
    )

    version: str = Field(description="Of the reader.")
    readings: list[TextReading]


class Corrected(Document):
    """What was written of a text; it shows within a second or two."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "text_id": "messages/m-7",
                    "account_id": "A000608",
                    "by": "crm",
                    "at": "2026-07-01T06:00:00.125000Z",
                    "corrections": {"sentiment": "negative", "cancel_request": True},
                }
            ]
        }
    )

    text_id: str
    account_id: str
    by: str = Field(description="The name of the key.")
    at: str
    corrections: dict[str, bool | str | None]


BODIES = (TextsToRead, TextCorrection)
EXAMPLES: dict[str, Any] = {
    "TextsToRead": {"texts": ["Please cancel our subscription.", "We are moving to Zendesk."]},
    "TextCorrection": {"sentiment": "negative", "cancel_request": True},
}
