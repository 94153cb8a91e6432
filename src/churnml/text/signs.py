"""Signs of tone: what a message's words of feeling, manner and marks add up to.

Words of feeling count by themselves and turned round by a negation before them; what stands after
the last "but" or in the last sentence counts once more, since that is where people say what they
mean; shouting, marks, thanks and questions tell how it is meant.
"""

from __future__ import annotations

import math
import re

import numpy as np
import numpy.typing as npt

from churnml.text.lexicon import FEELINGS, MANNERS, Lexicon
from churnml.text.tokens import tokenize

Floats = npt.NDArray[np.float64]

REACH = 3  # tokens after a negation that it turns round
_VALENCE = (3.0, 1.5, -0.8, -1.6, -3.0, -1.5)
_TURNED = (-1.2, -1.2, 0.3, 0.5, 0.5, 0.0)  # what a feeling is worth behind a negation
_NEGATION = MANNERS.index("negation")
_STRENGTHS = {MANNERS.index("boost"): 1.4, MANNERS.index("soften"): 0.6}
_TURN = MANNERS.index("turn")
_THANKS = MANNERS.index("thanks")
_ASK = MANNERS.index("ask")
_REPEAT = MANNERS.index("repeat")
_TIME = MANNERS.index("time")
_LATE = 0.6  # share of a message after which it comes to its end
_SHOUTED = re.compile(r"\b[A-Z]{3,}\b")

NAMES: tuple[str, ...] = (
    *(f"said_{name}" for name in FEELINGS),
    *(f"turned_{name}" for name in FEELINGS),
    *(f"manner_{name}" for name in MANNERS),
    "valence",
    "valence_mean",
    "valence_least",
    "valence_most",
    "valence_after_turn",
    "valence_last",
    "both",
    "exclamations",
    "questions",
    "ellipses",
    "shouted",
    "length",
    "thanks_first",
    "thanks_last",
    "asks_first",
    "ends_asking",
    "repeat_of_anger",
    "time_of_anger",
)


class _Heard:
    """What was said so far, token by token."""

    def __init__(self, lexicon: Lexicon) -> None:
        self.lexicon = lexicon
        self.said, self.turned = [0.0] * len(FEELINGS), [0.0] * len(FEELINGS)
        self.manner = [0.0] * len(MANNERS)
        self.values: list[tuple[int, float]] = []
        self.marks = {"!": 0, "?": 0, ".": 0}
        self.negated_until, self.last_turn, self.strength = -1, 0, 1.0

    def take(self, tokens: list[str], place: int) -> int:
        """Hear a token, or a phrase that begins with it; give how many tokens that are."""
        token = tokens[place]
        if token[0] in self.marks:
            self.marks[token[0]] += len(token)
            self.negated_until = place
            return 1
        feeling, width = self._feeling(tokens, place)
        if feeling is not None:
            self._feel(feeling, place, negated=width == 1 and place <= self.negated_until)
        self._behave(self.lexicon.manners.get(token, ()), place, alone=width == 1)
        return width

    def _feeling(self, tokens: list[str], place: int) -> tuple[int | None, int]:
        token = tokens[place]
        for rest, meant in self.lexicon.phrases.get(token, ()):
            if tuple(tokens[place + 1 : place + 1 + len(rest)]) == rest:
                return meant, 1 + len(rest)
        return self.lexicon.feeling(token), 1

    def _feel(self, feeling: int, place: int, *, negated: bool) -> None:
        if negated:
            self.turned[feeling] += 1.0
            self.values.append((place, _TURNED[feeling] * self.strength))
        else:
            self.said[feeling] += self.strength
            self.values.append((place, _VALENCE[feeling] * self.strength))

    def _behave(self, held: tuple[int, ...], place: int, *, alone: bool) -> None:
        self.strength = 1.0
        for kind in held:
            self.manner[kind] += 1.0
            if kind == _NEGATION and alone:
                self.negated_until = place + REACH
            elif kind == _TURN:
                self.last_turn = place
            elif kind in _STRENGTHS:
                self.strength = _STRENGTHS[kind]


def signs(text: str, lexicon: Lexicon) -> list[float]:
    """Read the signs of a message, in the order of `NAMES`."""
    tokens, heard, place = tokenize(text), _Heard(lexicon), 0
    says_nothing = lexicon.says_nothing
    while place < len(tokens):
        token = tokens[place]
        if token[0] not in heard.marks and says_nothing(token):
            heard.strength = 1.0
            place += 1
        else:
            place += heard.take(tokens, place)
    return [
        *map(math.log1p, heard.said),
        *map(math.log1p, heard.turned),
        *map(math.log1p, heard.manner),
        *_valence(heard, len(tokens)),
        *_bearing(text, tokens, heard),
    ]


def _valence(heard: _Heard, count: int) -> list[float]:
    """How good and how bad it is on the whole, at its ends, and after the last turn."""
    only = [value for _, value in heard.values]
    total = sum(only)
    after = sum(value for place, value in heard.values if place >= heard.last_turn)
    late = sum(value for place, value in heard.values if place >= _LATE * count)
    glad, unhappy = heard.said[0] + heard.said[1], sum(heard.said[2:5])
    return [
        _damped(total),
        total / math.sqrt(max(count, 1)),
        min(0.0, *only, 0.0),
        max(0.0, *only, 0.0),
        _damped(after),
        _damped(late),
        math.sqrt(glad * unhappy),
    ]


def _bearing(text: str, tokens: list[str], heard: _Heard) -> list[float]:
    """How it is said: marks, capitals, thanks, questions, and anger about time and again."""
    manners, count = heard.lexicon.manners, max(len(tokens), 1)
    first = manners.get(tokens[0], ()) if tokens else ()
    ending = {kind for token in tokens[-5:] for kind in manners.get(token, ())}
    unhappy = min(sum(heard.said[2:5]), 2.0)
    return [
        *(math.log1p(heard.marks[mark]) for mark in "!?."),
        min(len(_SHOUTED.findall(text)) / count, 1.0),
        math.log1p(len(tokens)),
        float(_THANKS in first),
        float(_THANKS in ending),
        float(_ASK in first),
        float(text.rstrip().endswith("?")),
        math.log1p(heard.manner[_REPEAT]) * unhappy,
        math.log1p(heard.manner[_TIME]) * unhappy,
    ]


def _damped(value: float) -> float:
    return math.copysign(math.log1p(abs(value)), value)


def table(texts: list[str], lexicon: Lexicon) -> Floats:
    """Read the signs of messages (n, len(NAMES))."""
    return np.array([signs(text, lexicon) for text in texts], dtype=np.float64).reshape(
        len(texts), len(NAMES)
    )
