"""Readings: what one message says, each part with the words that show it.

::

    message → prose (what a person wrote) → language → tone, intents, competitors, themes

A message in a language that the models do not know is said to be so, and read no further: a guess
would look like a reading.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from churnml.history.tables import SENTIMENTS
from churnml.text.competitors import CompetitorFinding, Levels, Names, load_levels, nameless
from churnml.text.grams import Letters, letters
from churnml.text.intents import IntentFinding, Intents, load_intents
from churnml.text.language import KNOWN, language
from churnml.text.phrases import BITS, PhraseModel
from churnml.text.prose import Prose, Span, read_prose
from churnml.text.sentiment import BATCH, SentimentModel, shipped_model
from churnml.text.themes import ThemeFinding, Themes
from churnml.text.vocabulary import Vocabulary, read_vocabulary


@dataclass(frozen=True)
class Tone:
    """How a message sounds.

    Parameters
    ----------
    level : str
        The likeliest of `SENTIMENTS`.
    probabilities : tuple of float
        Of each of `SENTIMENTS`.
    span : Span
        The sentence that sounds most like it.
    """

    level: str
    probabilities: tuple[float, ...]
    span: Span


@dataclass(frozen=True)
class Reading:
    """What a message says.

    Parameters
    ----------
    language : str
        Its code by ISO 639; nothing else is read where the models do not know it.
    tone : Tone or None
        How it sounds; none where nobody wrote anything, or in an unknown language.
    intents : tuple of IntentFinding
        What the customer wants.
    competitors : tuple of CompetitorFinding
        Who is named beside us, and how far it has gone.
    themes : tuple of ThemeFinding
        What it is about.
    """

    language: str
    tone: Tone | None
    intents: tuple[IntentFinding, ...] = ()
    competitors: tuple[CompetitorFinding, ...] = ()
    themes: tuple[ThemeFinding, ...] = ()

    def document(self) -> dict[str, Any]:
        """Say it in values that JSON knows."""
        tone = self.tone
        return {
            "language": self.language,
            "sentiment": None if tone is None else tone.level,
            "probabilities": None
            if tone is None
            else {
                name: round(value, 4)
                for name, value in zip(SENTIMENTS, tone.probabilities, strict=True)
            },
            "shown_by": None if tone is None else tone.span.text,
            "intents": [_shown(item.intent.value, item.span) for item in self.intents],
            "competitors": [
                {"competitor": item.name, "level": item.level.value, **_place(item.span)}
                for item in self.competitors
            ],
            "themes": [_shown(item.theme.value, item.span) for item in self.themes],
        }


def _shown(name: str, span: Span) -> dict[str, Any]:
    return {"name": name, **_place(span)}


def _place(span: Span) -> dict[str, Any]:
    return {"start": span.start, "end": span.end, "text": span.text}


# Raised whenever rules read any message otherwise than before: readings of two versions must not
# be counted together.
RULES = 6
_ROOM = 1_000_000  # characters read at once: each takes some 170 bytes


class Reader:
    """Reads messages by one model of tone and one list of words.

    Parameters
    ----------
    vocabulary : Vocabulary
        Competitors and the words of each theme.
    model : SentimentModel, optional
        The shipped one if omitted.
    intents : PhraseModel, optional
        The shipped model of intents if omitted.
    levels : PhraseModel, optional
        The shipped model of competitors' levels if omitted.
    """

    def __init__(
        self,
        vocabulary: Vocabulary,
        model: SentimentModel | None = None,
        intents: PhraseModel | None = None,
        levels: PhraseModel | None = None,
    ) -> None:
        self.model = shipped_model() if model is None else model
        self._vocabulary = vocabulary
        self._names = Names(vocabulary.competitor)
        self._levels = Levels(levels)
        self._intents = Intents(intents)
        self._themes = Themes(vocabulary.themes)

    @property
    def _models(self) -> tuple[SentimentModel | PhraseModel, ...]:
        return self.model, self._intents.model, self._levels.model

    @property
    def learned_until(self) -> dt.datetime | None:
        """When people said the latest of what its models learned, UTC; None where they did not."""
        return max(filter(None, (model.learned_until for model in self._models)), default=None)

    @cached_property
    def version(self) -> str:
        """What readings are named by: all that they depend on but the text."""
        versions = "\n".join(model.version for model in self._models)
        # A model of levels is counted above, whatever its file is called.
        words = self._vocabulary.model_dump_json(exclude={"levels"})
        parts = f"{RULES}\n{versions}\n{words}"
        return f"{RULES}.{hashlib.sha256(parts.encode()).hexdigest()[:12]}"

    def read(self, texts: Sequence[str]) -> list[Reading]:
        """Read messages, as they were received.

        Parameters
        ----------
        texts : sequence of str
            Each with its quoted replies and signature, if it has any; these are not read.
        """
        return list(self.stream(texts))

    def stream(self, texts: Iterable[str]) -> Iterator[Reading]:
        """Read any number of messages, some hundreds at a time; of long ones fewer."""
        batch: list[str] = []
        room = _ROOM
        for text in texts:
            batch.append(text)
            room -= len(text)
            if len(batch) == BATCH or room <= 0:
                yield from self._batch(batch)
                batch, room = [], _ROOM
        if batch:
            yield from self._batch(batch)

    def _batch(self, texts: list[str]) -> Iterator[Reading]:
        prose = [read_prose(text) for text in texts]
        mentions = [self._names.find(item) for item in prose]
        worded = [nameless(item, named) for item, named in zip(prose, mentions, strict=True)]
        spoken = [language(item.text, text.words) for item, text in zip(prose, worded, strict=True)]
        readable = [
            place for place, item in enumerate(prose) if spoken[place] == KNOWN and item.sentences
        ]
        read, words = [prose[place] for place in readable], [worded[place] for place in readable]
        toned, wanted = letters(
            [item.text for item in read],
            [text.letters for text in words],
            bits=max(self.model.bits, BITS),
        )
        found = zip(
            self._tones(read, toned),
            self._intents.find(read, words, wanted),
            self._levels.find(read, [mentions[place] for place in readable]),
            map(self._themes.find, read),
            strict=True,
        )
        readings = {
            place: Reading(KNOWN, *parts) for place, parts in zip(readable, found, strict=True)
        }
        for place, known in enumerate(spoken):
            yield readings.get(place) or Reading(known, None)

    def _tones(self, prose: list[Prose], written: Letters) -> list[Tone]:
        logits = self.model.logits([item.text for item in prose], written)
        found = self.model.shares(logits)
        choices = found.argmax(axis=1)
        levels = [SENTIMENTS[int(choice)] for choice in choices]
        spans = self._shown_by(prose, levels)
        return [
            Tone(level, tuple(shares), item.span(*span))
            for level, shares, span, item in zip(levels, found.tolist(), spans, prose, strict=True)
        ]

    def _shown_by(self, prose: list[Prose], levels: list[str]) -> list[tuple[int, int]]:
        """Find the sentence of each message that sounds most like the whole."""
        several = [place for place, item in enumerate(prose) if len(item.sentences) > 1]
        owners = [place for place in several for _ in prose[place].sentences]
        spans = [span for place in several for span in prose[place].sentences]
        texts = [
            prose[place].text[start:end] for place, (start, end) in zip(owners, spans, strict=True)
        ]
        worth = self.model.worth(texts, [levels[place] for place in owners])
        best = {place: (-np.inf, item.sentences[0]) for place, item in enumerate(prose)}
        for place, span, value in zip(owners, spans, worth.tolist(), strict=True):
            if value > best[place][0]:
                best[place] = value, span
        return [span for _, span in best.values()]


def read_reader(path: Path, model: Path | None = None) -> Reader:
    """Make the reader that a project asks for.

    Parameters
    ----------
    path : Path
        Its ``data/text.toml``.
    model : Path, optional
        A model of tone to take in place of the one that the file names.

    Raises
    ------
    ConfigError
        If the file is at fault.
    BundleError
        If a model that is named is not there, or is damaged.
    """
    vocabulary = read_vocabulary(path)
    if model is None and vocabulary.model is not None:
        model = path.parent / vocabulary.model
    intents = None if vocabulary.intents is None else path.parent / vocabulary.intents
    levels = None if vocabulary.levels is None else path.parent / vocabulary.levels
    return Reader(
        vocabulary,
        None if model is None else SentimentModel.load(model),
        None if intents is None else load_intents(intents),
        None if levels is None else load_levels(levels),
    )
