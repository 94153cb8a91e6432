"""Tokens: words, runs of marks, emoticons and emoji of a message, in lower case."""

from __future__ import annotations

import re
from functools import lru_cache

_TOKEN = re.compile(
    r"[a-z]+(?:-[a-z]+)*"  # words; apostrophes are taken out before
    r"|[0-9]+(?:[/.,][0-9]+)*"
    r"|[:;=]-?[()/\\d|]|<3|\)[:=]"
    r"|!+|\?+|\.\.+"
    r"|[^\s\w.,;:!?'\"()\[\]{}<>#@$%&*+=/\\|~^_-]"  # emoji, one by one
)
_MARKS = str.maketrans({"’": None, "‘": None, "'": None, "\u200d": None, "\ufe0f": None})  # noqa: RUF001


def tokenize(text: str) -> list[str]:
    """Part a text into tokens.

    Parameters
    ----------
    text : str
        What somebody wrote.

    Returns
    -------
    list of str
        In lower case, without apostrophes (``don't`` is ``dont``); of ``!!!`` and ``...`` one each.
    """
    return [token for word in text.split() for token in _tokens(word)]


@lru_cache(maxsize=1 << 16)  # no token has a blank in it, and most words come again and again
def _tokens(word: str) -> list[str]:
    return _TOKEN.findall(word.lower().translate(_MARKS))
