"""The words of a message as models of phrases take them: in a row, each with its place."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property, lru_cache

from churnml.text.prose import Prose

# In place of a competitor's name, as long as it is: who it is tells nothing of what is said.
NAMED, OTHER = "\ue000", "\ue001"
BREAK = "<"  # between sentences
_WORD = re.compile(rf"[a-z]+(?:'[a-z]+)?|[0-9][0-9.,]*|[?!]|{NAMED}+|{OTHER}+")


@dataclass(frozen=True, eq=False)
class Wording:
    """What a message says, word by word.

    Parameters
    ----------
    letters : str
        In lower case, a mark over every letter of a competitor's name, blanks and all.
    sentences : tuple of (int, int)
        Where each sentence begins and ends.
    """

    letters: str
    sentences: tuple[tuple[int, int], ...]

    @cached_property
    def words(self) -> tuple[str, ...]:
        """Every number is ``0``, a competitor's name one mark; `BREAK` stands around sentences."""
        words = [BREAK]
        for start, end in self.sentences:
            for part in self.letters[start:end].split():
                words += _words(part)
            words.append(BREAK)
        return tuple(words)

    @property
    def places(self) -> tuple[tuple[int, int], ...]:
        """Where each word begins and ends in the message; where nothing is for a `BREAK`."""
        places = [(0, 0)]
        for start, end in self.sentences:
            places += [match.span() for match in _WORD.finditer(self.letters, start, end)]
            places.append((end, end))
        return tuple(places)


@lru_cache(maxsize=1 << 16)  # no word has a blank in it, and most come again and again
def _words(part: str) -> tuple[str, ...]:
    found = _WORD.findall(part)
    return tuple("0" if word[0].isdigit() else word[0] if word[0] > "z" else word for word in found)


def wording(
    prose: Prose,
    named: Iterable[tuple[int, int]] = (),
    others: Iterable[tuple[int, int]] = (),
) -> Wording:
    """Take the words of a message.

    Parameters
    ----------
    prose : Prose
        What a person wrote.
    named, others : iterable of (int, int)
        Where the name of the competitor in question stands, and names of others.
    """
    return Wording(marked(prose, named, others), prose.sentences)


def marked(
    prose: Prose, named: Iterable[tuple[int, int]], others: Iterable[tuple[int, int]]
) -> str:
    """Write a mark over every letter of competitors' names, so that offsets stay."""
    text = prose.plain
    for spans, mark in ((others, OTHER), (named, NAMED)):
        for start, end in spans:
            text = text[:start] + mark * (end - start) + text[end:]
    return text
