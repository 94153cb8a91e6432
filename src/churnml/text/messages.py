"""Messages that teach what customers say: written for it, one by one, with what each says."""

from __future__ import annotations

import json
from dataclasses import dataclass
from importlib import resources

FILE = "messages.jsonl"


@dataclass(frozen=True)
class Message:
    """A message of the corpus.

    Parameters
    ----------
    text : str
        What it says.
    intents : frozenset of str
        What it wants, by the names of `Intent`.
    competitor : str or None
        Whom it names beside us.
    level : str or None
        How far it has gone with them, of `CompetitorLevel`.
    tone : str or None
        How it sounds, of `SENTIMENTS`; None where nobody said, and it teaches no tone.
    """

    text: str
    intents: frozenset[str]
    competitor: str | None
    level: str | None
    tone: str | None


def read_messages() -> tuple[Message, ...]:
    """Read the shipped corpus."""
    lines = (resources.files(__package__) / FILE).read_text(encoding="utf-8").splitlines()
    return tuple(_message(json.loads(line)) for line in lines)


def _message(row: dict[str, object]) -> Message:
    rival, intents, tone = row.get("competitor"), row.get("intents", ()), row.get("tone")
    named = rival if isinstance(rival, dict) else {}
    return Message(
        text=str(row["text"]),
        intents=frozenset(intents) if isinstance(intents, list) else frozenset(),
        competitor=named.get("name"),
        level=named.get("level"),
        tone=None if tone is None else str(tone),
    )
