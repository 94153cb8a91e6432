"""The words of a message as models of phrases take them: in a row, each with its place."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from churnml.text.prose import Prose

# In place of a competitor's name, as long as it is: who it is tells nothing of what is said.
NAMED, OTHER = "\ue000", "\ue001"
BREAK = "<"  # between sentences
_WORD = re.compile(rf"[a-z]+(?:'[a-z]+)?|[0-9][0-9.,]*|[?!]|{NAMED}+|{OTHER}+")


@dataclass(frozen=True, slots=True)
class Wording:
    """What a message says, word by word.

    Parameters
    ----------
    words : tuple of str
        In lower case; every number is ``0``, a competitor's name one mark. `BREAK` stands before
        the first sentence and after each.
    places : tuple of (int, int)
        Where each begins and ends in the message; where nothing is for a `BREAK`.
    letters : str
        The same as one text, blanks and all.
    """

    words: tuple[str, ...]
    places: tuple[tuple[int, int], ...]
    letters: str


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
    text = marked(prose, named, others)
    words, places = [BREAK], [(0, 0)]
    for start, end in prose.sentences:
        for match in _WORD.finditer(text, start, end):
            word = match[0]
            words.append("0" if word[0].isdigit() else word[0] if word[0] > "z" else word)
            places.append(match.span())
        words.append(BREAK)
        places.append((end, end))
    return Wording(tuple(words), tuple(places), text)


def marked(
    prose: Prose, named: Iterable[tuple[int, int]], others: Iterable[tuple[int, int]]
) -> str:
    """Write a mark over every letter of competitors' names, so that offsets stay."""
    text = prose.plain
    for spans, mark in ((others, OTHER), (named, NAMED)):
        for start, end in spans:
            text = text[:start] + mark * (end - start) + text[end:]
    return text
