"""What customers write: sentences put together from phrases by topic and tone.

A text is an opening, the matter and a close. The matter is a pattern of the topic with slots; what
goes in a slot may have slots itself. Patterns know five tones, as messages do. A part of the texts
borrow the words of the neighbouring tone, for people do not write as they feel.
"""

from __future__ import annotations

import random
import re
from collections.abc import Sequence

from churnml.history.tables import SENTIMENTS
from churnml.simulate.phrases import CLOSINGS, MATTERS, OPENINGS, SLOTS
from churnml.simulate.world import Ints

TOPICS = tuple(MATTERS)
BORROWED = 0.14  # share of texts in the words of a neighbouring tone
BARE = 0.4  # share of texts without an opening, and without a close
_SLOT = re.compile(r"\{(\w+)\}")
_START = re.compile(r"(?:^|(?<=[.?!] ))[a-z]")


class Voice:
    """A writer with a seed: the same calls give the same texts.

    Parameters
    ----------
    seed : int
        Seed of the writer.
    """

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def write(self, topics: Sequence[str], tones: Ints) -> list[str]:
        """Write one text for each topic and tone.

        Parameters
        ----------
        topics : sequence of str
            Of `TOPICS`.
        tones : ndarray of int
            Positions in `history.tables.SENTIMENTS`, one per topic.

        Returns
        -------
        list of str
            The texts.
        """
        pairs = zip(topics, tones.tolist(), strict=True)
        return [self.say(topic, tone) for topic, tone in pairs]

    def say(self, topic: str, tone: int) -> str:
        """Write one text.

        Parameters
        ----------
        topic : str
            One of `TOPICS`.
        tone : int
            Position in `history.tables.SENTIMENTS`.

        Returns
        -------
        str
            One to three sentences.
        """
        words = SENTIMENTS[self._heard(tone)]
        matter = self._pick(MATTERS[topic][words])
        if self._random.random() >= BARE:
            opening = self._pick(OPENINGS[words])
            if opening.endswith(",") and not matter.startswith("I "):
                matter = matter[0].lower() + matter[1:]
            matter = f"{opening} {matter}"
        if self._random.random() >= BARE:
            matter = f"{matter} {self._pick(CLOSINGS[words])}"
        return _START.sub(lambda start: start[0].upper(), self._fill(matter))

    def _heard(self, tone: int) -> int:
        if self._random.random() >= BORROWED:
            return tone
        other = tone + (1 if self._random.random() < 0.5 else -1)
        return min(max(other, 0), len(SENTIMENTS) - 1)

    def _pick(self, phrases: Sequence[str]) -> str:
        return phrases[int(self._random.random() * len(phrases))]

    def _fill(self, pattern: str) -> str:
        if "{" not in pattern:
            return pattern
        return _SLOT.sub(lambda slot: self._fill(self._pick(SLOTS[slot[1]])), pattern)
