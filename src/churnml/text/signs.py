"""Signs of tone: what a message's words of feeling, manner and marks add up to.

Words of feeling count by themselves and turned round by a negation before them; what stands after
the last "but" or in the last sentence counts once more, since that is where people say what they
mean; shouting, marks, thanks and questions tell how it is meant.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from churnml.text.lexicon import FEELINGS, MANNERS, MARKS, NOTHING, Lexicon
from churnml.text.tokens import tokenize

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.intp]
Flags = npt.NDArray[np.bool_]

REACH = 3  # tokens after a negation that it turns round
_VALENCE = np.array([3.0, 1.5, -0.8, -1.6, -3.0, -1.5])
_TURNED = np.array([-1.2, -1.2, 0.3, 0.5, 0.5, 0.0])  # what a feeling is worth behind a negation
_NEGATION = MANNERS.index("negation")
_BOOST, _SOFTEN = MANNERS.index("boost"), MANNERS.index("soften")
_BOOSTED, _SOFTENED = 1.4, 0.6
_TURN = MANNERS.index("turn")
_THANKS = MANNERS.index("thanks")
_ASK = MANNERS.index("ask")
_REPEAT = MANNERS.index("repeat")
_TIME = MANNERS.index("time")
_ENDING = 5  # tokens
_LATE = 0.6  # share of a message after which it comes to its end
_SHOUTED = re.compile(r"[A-Z](?<=\b[A-Z])[A-Z]{2,}\b")  # sooner found than from a border

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


@dataclass(frozen=True, eq=False)
class _Heard:
    """The tokens of messages, one after the other, behind each message one that says nothing.

    Parameters
    ----------
    row, place : ndarray of int (n,)
        Message of each token, and position in it.
    count : ndarray of int (n_messages,)
        Tokens of each message.
    manner : ndarray of bool (n, n_manners)
        Which of `MANNERS` each has.
    mark : ndarray of int (n, n_marks)
        How many of each of `MARKS` it is.
    feeling : ndarray of int (n,)
        Position in `FEELINGS`, that of a phrase at its first token; -1 for none.
    phrase, inside : ndarray of bool (n,)
        Whether a phrase of several tokens begins with it, or has it further on.
    """

    row: Ints
    place: Ints
    count: Ints
    manner: Flags
    mark: Ints
    feeling: Ints
    phrase: Flags
    inside: Flags

    def total(self, which: Ints, values: Floats | None = None) -> Floats:
        """Sum values of some tokens by message, or count the tokens."""
        found = np.bincount(self.row[which], values, minlength=self.count.size)
        return found.astype(np.float64)


def table(texts: list[str], lexicon: Lexicon) -> Floats:
    """Read the signs of messages (n, len(NAMES))."""
    heard = _hear([tokenize(text) for text in texts], lexicon)
    taken = ~heard.inside[:, np.newaxis]
    manner, mark = _by_message(heard, heard.manner & taken), _by_message(heard, heard.mark * taken)
    felt = _feel(heard)
    unhappy = np.minimum(felt.said[:, 2:5].sum(axis=1), 2.0)
    shouted = np.array([len(_SHOUTED.findall(text)) for text in texts], dtype=np.float64)
    asking = np.array([text.rstrip().endswith("?") for text in texts], dtype=np.float64)
    first, ending = heard.place == 0, heard.place >= heard.count[heard.row] - _ENDING
    return np.column_stack(
        [
            np.log1p(felt.said),
            np.log1p(felt.turned),
            np.log1p(manner),
            _valence(heard, felt),
            np.log1p(mark),
            np.minimum(shouted / np.maximum(heard.count, 1), 1.0),
            np.log1p(heard.count),
            _any(heard, first & heard.manner[:, _THANKS]),
            _any(heard, ending & heard.manner[:, _THANKS]),
            _any(heard, first & heard.manner[:, _ASK]),
            asking,
            np.log1p(manner[:, _REPEAT]) * unhappy,
            np.log1p(manner[:, _TIME]) * unhappy,
        ]
    )


def _hear(messages: list[list[str]], lexicon: Lexicon) -> _Heard:
    tokens = [token for message in messages for token in (*message, NOTHING)]
    count = np.array([len(message) for message in messages], dtype=np.intp)
    row = np.repeat(np.arange(count.size), count + 1)
    begin = np.cumsum(count + 1) - count - 1
    number = np.fromiter(map(lexicon.number, tokens), np.intp, row.size)
    known = lexicon.meanings
    feeling, mark = known.feeling[number], np.zeros((row.size, len(MARKS)), dtype=np.intp)
    for at in np.flatnonzero((number > 0) & (number <= len(MARKS))).tolist():
        mark[at, number[at] - 1] = len(tokens[at])
    phrase, inside = np.zeros(row.size, dtype=np.bool_), np.zeros(row.size, dtype=np.bool_)
    for first, then, meant in _phrases(tokens, np.flatnonzero(known.begins[number]), lexicon):
        feeling[first], feeling[first + 1 : then] = meant, -1
        phrase[first], inside[first + 1 : then] = then > first + 1, True
    return _Heard(
        row=row,
        place=np.arange(row.size) - begin[row],
        count=count,
        manner=known.manner[number],
        mark=mark,
        feeling=feeling,
        phrase=phrase,
        inside=inside,
    )


def _phrases(tokens: list[str], begins: Ints, lexicon: Lexicon) -> Iterator[tuple[int, int, int]]:
    """Find phrases of feeling: where each begins, where the next token stands, and the feeling."""
    free = 0
    for first in begins.tolist():
        if first < free:
            continue
        second = tokens[first + 1]
        for rest, meant in lexicon.phrases[tokens[first]]:
            then = first + 1 + len(rest)
            if not rest or (rest[0] == second and tuple(tokens[first + 1 : then]) == rest):
                yield first, then, meant
                free = then
                break


@dataclass(frozen=True, eq=False)
class _Felt:
    """What is felt.

    Parameters
    ----------
    said, turned : ndarray (n_messages, n_feelings)
        How much of each feeling, and how often it was turned round.
    at : ndarray of int (m,)
        Tokens of feeling.
    worth : ndarray (m,)
        How good or bad each is.
    """

    said: Floats
    turned: Floats
    at: Ints
    worth: Floats


def _feel(heard: _Heard) -> _Felt:
    """Weigh feelings by what stands before them: a negation, a boost."""
    at = np.flatnonzero(heard.feeling >= 0)
    feeling = heard.feeling[at]
    marks = heard.mark.any(axis=1) & ~heard.inside
    negation = heard.manner[:, _NEGATION] & ~heard.phrase & ~heard.inside
    # A mark ends a negation; between a boost and its word it is passed over.
    before = _latest(negation | marks | (heard.place == heard.count[heard.row]))[at]
    negated = negation[before] & (at - before <= REACH) & ~heard.phrase[at]
    before = _latest(~marks & ~heard.inside)[at]
    strength = np.where(heard.manner[before, _BOOST], _BOOSTED, 1.0)
    strength[heard.manner[before, _SOFTEN]] = _SOFTENED
    size = len(FEELINGS)
    cell, shape = heard.row[at] * size + feeling, (heard.count.size, size)
    said = np.bincount(cell, np.where(negated, 0.0, strength), shape[0] * size)
    turned = np.bincount(cell[negated], minlength=shape[0] * size)
    return _Felt(
        said=said.astype(np.float64).reshape(shape),
        turned=turned.astype(np.float64).reshape(shape),
        at=at,
        worth=np.where(negated, _TURNED[feeling], _VALENCE[feeling]) * strength,
    )


def _latest(flags: Flags) -> Ints:
    """The latest token before each that is flagged; the last of all where there is none."""
    found = np.maximum.accumulate(np.where(flags, np.arange(flags.size), -1))
    return np.concatenate([np.array([-1]), found[:-1]])


def _by_message(heard: _Heard, values: npt.NDArray[np.integer[Any] | np.bool_]) -> Floats:
    """Sum what tokens have (n, k) by message (n_messages, k)."""
    at, kind = np.nonzero(values)
    cell, size = heard.row[at] * values.shape[1] + kind, heard.count.size * values.shape[1]
    found = np.bincount(cell, values[at, kind], size).astype(np.float64)
    return found.reshape(heard.count.size, values.shape[1])


def _any(heard: _Heard, flags: Flags) -> Floats:
    """Whether any token of each message is flagged."""
    return np.minimum(heard.total(np.flatnonzero(flags)), 1.0)


def _valence(heard: _Heard, felt: _Felt) -> Floats:
    """How good and how bad it is on the whole, at its ends, and after the last turn."""
    row, place = heard.row[felt.at], heard.place[felt.at]
    last_turn = np.zeros(heard.count.size, dtype=np.intp)
    turns = np.flatnonzero(heard.manner[:, _TURN] & ~heard.inside)
    np.maximum.at(last_turn, heard.row[turns], heard.place[turns])
    least, most = np.zeros(heard.count.size), np.zeros(heard.count.size)
    np.minimum.at(least, row, felt.worth)
    np.maximum.at(most, row, felt.worth)
    total = heard.total(felt.at, felt.worth)
    after = heard.total(felt.at, felt.worth * (place >= last_turn[row]))
    late = heard.total(felt.at, felt.worth * (place >= _LATE * heard.count[row]))
    glad, unhappy = felt.said[:, :2].sum(axis=1), felt.said[:, 2:5].sum(axis=1)
    return np.column_stack(
        [
            _damped(total),
            total / np.sqrt(np.maximum(heard.count, 1)),
            least,
            most,
            _damped(after),
            _damped(late),
            np.sqrt(glad * unhappy),
        ]
    )


def _damped(values: Floats) -> Floats:
    return np.copysign(np.log1p(np.abs(values)), values)
