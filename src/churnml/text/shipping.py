"""How the shipped models are made: ``python -m churnml.text.shipping`` writes them anew.

Those of intents and of competitors learn from `churnml.text.messages`, that of tone from
`churnml.text.sentences` and from the messages whose tone is told, and from nothing else. How
strongly the model of tone is held back (`PENALTY`) was chosen, and how sure of itself it may be
(its temperature) is fitted, by messages of the corpus that rest on matters it had not seen: of
those that it has seen it knows too much.

References
----------
Guo, Pleiss, Sun and Weinberger (2017), On calibration of modern neural networks. ICML 34:
temperature scaling.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from churnml.history.tables import SENTIMENTS
from churnml.text import competitors, intents
from churnml.text.cancellation import find_cancellation
from churnml.text.messages import Message, read_messages
from churnml.text.phrases import PhraseModel
from churnml.text.prose import Prose, read_prose
from churnml.text.sentences import Sentence, read_corpus, sentences
from churnml.text.sentiment import SHIPPED, SentimentModel
from churnml.text.vocabulary import Competitor
from churnml.text.wording import Wording

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.intp]

PER_TONE, SEED = 1600, 1
PARTS = 5  # into which matters are dealt, to hold them back
# What a message whose tone is told counts beside a sentence. They were written because their words
# mislead: at full weight they would teach that words say less than they do in an inbox.
MESSAGE_WEIGHT = 0.5
BITS, PENALTY, SIGN_WEIGHT = 14, 1.0, 1.0
_ABOUT = {"learned_from": "messages written for churnml"}


def corpus_messages() -> list[Sentence]:
    """The messages that it learns from, each once."""
    found = {item.text: item for item in sentences(read_corpus(), PER_TONE, SEED)}
    for message in read_messages():
        if message.tone is not None:
            found[message.text] = Sentence(
                message.text, message.tone, (message.text,), MESSAGE_WEIGHT
            )
    return list(found.values())


def learn(messages: list[Sentence]) -> SentimentModel:
    """Learn from messages of the corpus as the shipped model does."""
    return SentimentModel.fit(
        [item.text for item in messages],
        [item.tone for item in messages],
        bits=BITS,
        penalty=PENALTY,
        sign_weight=SIGN_WEIGHT,
        weights=[item.weight for item in messages],
        about={"learned_from": "sentences written for churnml", "seed": SEED},
    )


def held_out(messages: list[Sentence]) -> tuple[Ints, Floats]:
    """Judge messages by models that had seen none of the matters that these rest on.

    Returns
    -------
    place : ndarray of int (m,)
        Positions of the messages whose matters could all be held back at once.
    logits : ndarray (m, 5)
        What those models say of them.
    """
    dealt = [{_part(matter) for matter in item.matters} for item in messages]
    places, logits = [], []
    for number in range(PARTS):
        inside = [item for item, parts in zip(messages, dealt, strict=True) if number not in parts]
        outside = [place for place, parts in enumerate(dealt) if parts == {number}]
        places += outside
        logits.append(learn(inside).logits([messages[place].text for place in outside]))
    return np.array(places), np.concatenate(logits)


def temperature(logits: Floats, tone: Ints) -> float:
    """Find by what to divide logits (n, n_levels) for the least log loss on tones (n,)."""
    candidates = np.geomspace(0.5, 8.0, 113)
    return float(min(candidates, key=lambda value: _loss(logits / value, tone)))


def _loss(logits: Floats, tone: Ints) -> float:
    shifted = logits - logits.max(axis=1, keepdims=True)
    total = np.log(np.exp(shifted).sum(axis=1))
    return float(np.mean(total - shifted[np.arange(tone.size), tone]))


def _part(matter: str) -> int:
    return int.from_bytes(hashlib.sha256(matter.encode()).digest()[:4], "big") % PARTS


def cooling(messages: list[Sentence]) -> float:
    """Find the temperature of a model that learns from messages of the corpus."""
    tone = np.array([SENTIMENTS.index(item.tone) for item in messages])
    place, logits = held_out(messages)
    return temperature(logits, tone[place])


def make() -> SentimentModel:
    """Make the shipped model."""
    messages = corpus_messages()
    return learn(messages).cooled(cooling(messages))


@dataclass(frozen=True, eq=False)
class Lessons:
    """What a shipped model of phrases learns from, ready to learn from.

    Parameters
    ----------
    texts : list of Wording
        Messages (n).
    signs : ndarray (n, n_signs)
        What rules say of them.
    said : ndarray of bool (n, n_names)
        Which of the names that the model tells of each says.
    """

    texts: list[Wording]
    signs: Floats
    said: npt.NDArray[np.bool_]


def lessons() -> Lessons:
    """Take the words of the corpus, and which of `intents.NAMES` each message says."""
    messages = read_messages()
    prose = [read_prose(message.text) for message in messages]
    return Lessons(
        texts=[
            competitors.nameless(item, _mentions(item, message))
            for item, message in zip(prose, messages, strict=True)
        ],
        signs=intents.signs([find_cancellation(item) for item in prose]),
        said=np.array([intents.wanted(message.intents) for message in messages]),
    )


def make_intents() -> PhraseModel:
    """Make the shipped model of intents."""
    given = lessons()
    return PhraseModel.fit(given.texts, given.signs, given.said, intents.NAMES, about=_ABOUT)


def level_lessons() -> Lessons:
    """Take the words of the corpus about a competitor each, and which of its levels they say."""
    texts, ruled, said = [], [], []
    for message in read_messages():
        if message.competitor is not None:
            prose = read_prose(message.text)
            mentions, name = _mentions(prose, message), message.competitor
            texts.append(competitors.about(prose, mentions, name))
            ruled.append(competitors.rules_say(prose, mentions, name)[0])
            said.append([message.level == level for level in competitors.LEVELS])
    return Lessons(texts, competitors.signs(ruled), np.array(said))


def make_levels() -> PhraseModel:
    """Make the shipped model of how far it has gone with a competitor."""
    given = level_lessons()
    return PhraseModel.fit(given.texts, given.signs, given.said, competitors.LEVELS, about=_ABOUT)


def _mentions(prose: Prose, message: Message) -> list[competitors.Mention]:
    if message.competitor is None:
        return []
    found = competitors.Names([Competitor(name=message.competitor)]).find(prose)
    return [mention for mention in found if mention[0] is not None]


if __name__ == "__main__":
    folder = Path(__file__).parent
    make().save(folder / SHIPPED)
    make_intents().save(folder / intents.SHIPPED)
    make_levels().save(folder / competitors.SHIPPED)
