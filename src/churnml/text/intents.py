"""What a message wants, each with the words that show it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from churnml.errors import BundleError
from churnml.text.cancellation import Cancellation, Stance, find_cancellation
from churnml.text.clauses import rule
from churnml.text.grams import Letters
from churnml.text.phrases import PhraseModel
from churnml.text.prose import Prose, Span
from churnml.text.subscriptions import CANCEL, CANCELLING, THING
from churnml.text.wording import Wording

Floats = npt.NDArray[np.float64]

SHIPPED = "intents.npz"


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


# Whether a cancellation is asked about or asked for is told apart once it is one of them at all.
CANCELLATION = "cancellation"
_STANCES: Mapping[Stance, Intent] = MappingProxyType(
    {Stance.QUESTION: Intent.CANCEL_QUESTION, Stance.REQUEST: Intent.CANCEL_REQUEST}
)
NAMES = (CANCELLATION, *(intent.value for intent in Intent))

# Log-odds from which an intent is said to be there, chosen on tests/text/intents_seen.jsonl: for a
# cancellation nineteen of twenty that are found shall be one, for the others neither fault counts
# more than the other. That of a legal threat was chosen on the short messages of
# tests/text/test_legal_threats.py besides: counsel shall not be alarmed by blame or a deadline.
LEAST: Mapping[str, float] = MappingProxyType(
    {
        CANCELLATION: 1.0,
        Intent.LEGAL_THREAT: -1.25,
        Intent.REFUND: -0.25,
        Intent.ESCALATION: -1.0,
        Intent.RENEWAL_QUESTION: -0.5,
        Intent.EXPANSION_INTEREST: -0.75,
    }
)
# More that is declined is no interest in more, however alike the words; where something is wanted
# behind it, it may be.
_DECLINED = rule(
    r"\b(?<!you\x20)(?:no need (?:for|of|to (?:add|buy|order))"
    r"|(?:do not|don't|will not|won't|would not|wouldn't) (?:need|want|require)"
    r"(?: to (?:add|buy|order))?)"
    r" (?:any )?(?:more|additional|extra|further|new)\b(?! than\b)"
    r"(?!.*\b(?:but|instead|upgrade|quote|increase|raise|(?<!n't\x20)(?<!not\x20)add"
    r"|(?:we|i)(?:'d| would) like|(?:we|i) (?:do )?need(?! the\b))\b)"
)
# A cancellation that is plainly denied is none, however alike the words of one that is wished.
_KEPT = rule(
    r"(?:\b(?:(?:do|would) not|(?:do|would)n't|dont) (?:want|wish|intend|plan|like) to"
    r"|(?:\b(?:am|are|is)|'re|'m)(?: not|n't) (?:going|planning|intending|looking) to"
    r"|\b(?:will not|won't|wont)(?: be)?|\b(?:decided|agreed) not to)"
    rf" (?:{CANCEL}|{CANCELLING}|terminat(?:e|ing))(?: {THING})? *[.!]* *\Z"
)
_DOUBT = rule(r"\b(?:if|unless|until|otherwise|but|provided|as long as)\b|\?")
_LEAST = np.array([LEAST.get(name, np.inf) for name in NAMES])


class Intents:
    """Finds what messages want.

    Parameters
    ----------
    model : PhraseModel, optional
        Tells of `NAMES`; the shipped one if omitted.
    """

    def __init__(self, model: PhraseModel | None = None) -> None:
        self.model = PhraseModel.shipped(SHIPPED) if model is None else model

    def find(
        self, prose: Sequence[Prose], texts: Sequence[Wording], written: Letters | None = None
    ) -> list[tuple[IntentFinding, ...]]:
        """Find what messages want.

        Parameters
        ----------
        prose : sequence of Prose
            What people wrote.
        texts : sequence of Wording
            The same, word by word.
        written : Letters, optional
            Of these, where other models read them too; found here if omitted.

        Returns
        -------
        list of tuple of IntentFinding
            For each message each intent at most once, in the order of `Intent`. One that requests a
            cancellation is not also said to ask about one.
        """
        ruled = [find_cancellation(item) for item in prose]
        log_odds = self.model.log_odds(texts, signs(ruled), written)
        found: list[tuple[IntentFinding, ...]] = [()] * len(prose)
        for place in np.flatnonzero((log_odds >= _LEAST).any(axis=1)).tolist():  # few want anything
            if not prose[place].stems:
                continue  # a number alone, such as a mark out of ten, wants nothing
            found[place] = tuple(
                IntentFinding(intent, prose[place].span(*span))
                for intent in chosen(log_odds[place])
                for span in [self._shown_by(texts[place], intent, ruled[place])]
                if not _denied(intent, prose[place], span, ruled[place])
            )
        return found

    def _shown_by(
        self, text: Wording, intent: Intent, ruled: Cancellation | None
    ) -> tuple[int, int]:
        if ruled is not None and _STANCES.get(ruled.stance) is intent:
            return ruled.start, ruled.end
        return self.model.shown_by(text, intent.value)


def _denied(
    intent: Intent, prose: Prose, span: tuple[int, int], ruled: Cancellation | None
) -> bool:
    """Whether the sentence that shows an intent plainly denies it."""
    said = next(
        (prose.plain[start:end] for start, end in prose.sentences if start <= span[0] < end), ""
    )
    if intent is Intent.EXPANSION_INTEREST:
        return _DECLINED.search(said) is not None
    if intent in _STANCES.values() and ruled is not None and ruled.stance is Stance.DENIAL:
        return _KEPT.search(said) is not None and _DOUBT.search(said) is None
    return False


def load_intents(path: Path) -> PhraseModel:
    """Read a model of intents.

    Raises
    ------
    BundleError
        If it is missing, damaged, or tells of something else.
    """
    model = PhraseModel.load(path)
    if model.names != NAMES or model.of_signs.shape[0] != len(Stance):
        raise BundleError(
            f"{path}: tells of {', '.join(model.names)}; expected a model of intents, as "
            "`churnml text adapt --of intents` makes one."
        )
    return model


def wanted(intents: Collection[str]) -> list[bool]:
    """Say which of `NAMES` are there, by the intents that are."""
    cancelled = any(intent.value in intents for intent in _STANCES.values())
    return [cancelled, *(intent.value in intents for intent in Intent)]


def chosen(log_odds: Floats) -> list[Intent]:
    """Say which intents a message has, by log-odds of `NAMES` (n_names,)."""
    odds = dict(zip(NAMES, log_odds.tolist(), strict=True))
    found = [intent for intent in Intent if intent in LEAST and odds[intent] >= LEAST[intent]]
    if odds[CANCELLATION] >= LEAST[CANCELLATION]:
        found.insert(0, max(_STANCES.values(), key=lambda intent: odds[intent]))
    return found


def signs(ruled: Sequence[Cancellation | None]) -> Floats:
    """What the rules of cancellation say of messages (n, 3): whether each stance is there."""
    found = [[item is not None and item.stance is stance for stance in Stance] for item in ruled]
    return np.array(found, dtype=np.float64).reshape(len(ruled), len(Stance))
