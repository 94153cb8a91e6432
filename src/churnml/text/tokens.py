"""Tokens: words, runs of marks, emoticons and emoji of a message, in lower case."""

from __future__ import annotations

import re

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
    return _TOKEN.findall(text.lower().translate(_MARKS))
