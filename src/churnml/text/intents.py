"""What a message wants, each with the words that show it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from churnml.text import asks
from churnml.text.cancellation import Stance, find_cancellation
from churnml.text.prose import Prose, Span


class Intent(StrEnum):
    """What a message wants."""

    CANCEL_QUESTION = "cancel_question"
    CANCEL_REQUEST = "cancel_request"
    LEGAL_THREAT = "legal_threat"
    REFUND = "refund"
    ESCALATION = "escalation"
    RENEWAL_QUESTION = "renewal_question"
    EXPANSION_INTEREST = "expansion_interest"


@dataclass(frozen=True, slots=True)
class IntentFinding:
    """An intent, and what shows it.

    Parameters
    ----------
    intent : Intent
        What the message wants.
    span : Span
        The words that show it, as they stand in the message.
    """

    intent: Intent
    span: Span


_STANCES: Mapping[Stance, Intent] = MappingProxyType(
    {Stance.REQUEST: Intent.CANCEL_REQUEST, Stance.QUESTION: Intent.CANCEL_QUESTION}
)
_ASKS: Mapping[Intent, asks.Ask] = MappingProxyType(
    {
        Intent.LEGAL_THREAT: asks.LEGAL_THREAT,
        Intent.REFUND: asks.REFUND,
        Intent.ESCALATION: asks.ESCALATION,
        Intent.RENEWAL_QUESTION: asks.RENEWAL_QUESTION,
        Intent.EXPANSION_INTEREST: asks.EXPANSION_INTEREST,
    }
)


def find_intents(prose: Prose) -> tuple[IntentFinding, ...]:
    """Find what a message wants.

    Parameters
    ----------
    prose : Prose
        What a person wrote.

    Returns
    -------
    tuple of IntentFinding
        Each intent at most once, in the order of `Intent`, with the first words that show it. A
        message that asks for a cancellation is not also said to ask about one.
    """
    found = []
    cancellation = find_cancellation(prose)
    if cancellation is not None:
        span = prose.span(cancellation.start, cancellation.end)
        found.append(IntentFinding(_STANCES[cancellation.stance], span))
    for intent, ask in _ASKS.items():
        place = ask.find(prose)
        if place is not None:
            found.append(IntentFinding(intent, prose.span(*place)))
    return tuple(found)
