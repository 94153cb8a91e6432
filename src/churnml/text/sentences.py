"""Sentences that teach the shipped model of tone: written for it, put together by chance.

A message is an opening, one to three matters and a closing. Most are of one tone; some begin or end
politely whatever they say in between, since people do. Which matters a message rests on is kept, so
that a test can hold back matters, not only messages.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import resources

import numpy as np

from churnml.config import FrozenModel, parse, read_toml
from churnml.history.tables import SENTIMENTS

CORPUS = "corpus.toml"
# The tones as the corpus names them, in the order of SENTIMENTS, and how each is dealt.
_PARTS = {
    "positive": ("delight", "liking"),
    "neutral": ("neutral",),
    "concerned": ("doubt",),
    "negative": ("anger",),
    "hostile": ("fury",),
}
_POLITE = 0.25  # of messages begin or end in a neutral way, whatever they say
_SLOT = re.compile(r"\{(\w+)\}")
_TYPOS = 0.08


class Corpus(FrozenModel):
    """What ``corpus.toml`` holds; every part by its tone.

    Parameters
    ----------
    slots : dict of str to tuple of str
        What fills each slot.
    openings, closings, matters : dict of str to tuple of str
        Parts of messages.
    """

    slots: dict[str, tuple[str, ...]]
    openings: dict[str, tuple[str, ...]]
    closings: dict[str, tuple[str, ...]]
    matters: dict[str, tuple[str, ...]]


@dataclass(frozen=True)
class Sentence:
    """A message of the corpus.

    Parameters
    ----------
    text : str
        What it says.
    tone : str
        Of `SENTIMENTS`.
    matters : tuple of str
        What it rests on, slots unfilled.
    weight : float
        What it counts.
    """

    text: str
    tone: str
    matters: tuple[str, ...]
    weight: float = 1.0


def read_corpus() -> Corpus:
    """Read the shipped corpus."""
    with resources.as_file(resources.files(__package__) / CORPUS) as path:
        return parse(Corpus, read_toml(path), path)


def sentences(corpus: Corpus, count: int, seed: int) -> Iterator[Sentence]:
    """Put together messages, as many of each tone.

    Parameters
    ----------
    corpus : Corpus
        Its parts.
    count : int
        Messages of each tone.
    seed : int
        Fixes all chance.
    """
    rng = np.random.default_rng(seed)
    for tone in SENTIMENTS:
        for _ in range(count):
            yield _sentence(corpus, tone, rng)


def _sentence(corpus: Corpus, tone: str, rng: np.random.Generator) -> Sentence:
    part = _one(_PARTS[tone], rng)
    chosen = rng.choice(len(corpus.matters[part]), size=int(rng.choice([1, 1, 2, 2, 3])))
    matters = [corpus.matters[part][place] for place in chosen]
    pieces = [_punctuated(matter, part, rng) for matter in matters]
    if rng.random() < 0.4:
        pieces.insert(0, _one(corpus.openings[_kind(part, rng)], rng))
    if rng.random() < 0.4:
        pieces.append(_one(corpus.closings[_kind(part, rng)], rng))
    text = _SLOT.sub(lambda slot: _one(corpus.slots[slot[1]], rng), " ".join(pieces))
    return Sentence(_worn(text, part, rng), tone, tuple(matters))


def _kind(part: str, rng: np.random.Generator) -> str:
    return "neutral" if rng.random() < _POLITE else part


def _one(choices: tuple[str, ...], rng: np.random.Generator) -> str:
    return choices[int(rng.integers(len(choices)))]


def _punctuated(matter: str, part: str, rng: np.random.Generator) -> str:
    """End a matter as people do: questions ask, the angry and the glad exclaim."""
    asks = part in {"neutral", "doubt", "anger"} and re.match(
        r"(can|could|how|what|where|which|who|why|is|do|does|any|will|are)\b", matter
    )
    exclaims = {"delight": 0.5, "liking": 0.2, "anger": 0.2, "fury": 0.5}.get(part, 0.02)
    ending = "?" if asks else "!" if rng.random() < exclaims else "."
    if ending == "!" and rng.random() < 0.2:
        ending = "!!!"
    if rng.random() < 0.15:
        ending = "" if ending == "." else ending
    return (matter[0].upper() + matter[1:] if rng.random() < 0.8 else matter) + ending


def _worn(text: str, part: str, rng: np.random.Generator) -> str:
    """Write as people do: now and then in capitals, in small letters, or with a slip."""
    chance = rng.random()
    if part in {"anger", "fury"} and chance < 0.08:
        return text.upper()
    if chance > 0.85:
        text = text.lower()
    if rng.random() < _TYPOS and len(text) > 10:
        place = int(rng.integers(1, len(text) - 2))
        text = text[:place] + text[place + 1] + text[place] + text[place + 2 :]
    return text
