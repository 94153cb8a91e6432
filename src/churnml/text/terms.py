"""Many words looked for at once: one regular expression, whatever their number."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TypeAlias

from churnml.text.prose import plain

# A letter leads on to what may follow it.
_Tree: TypeAlias = "dict[str, _Tree]"

_END = "\0"
_ANY = "\1"


def terms_pattern(terms: Iterable[str]) -> re.Pattern[str]:
    """Compile words and phrases into one pattern for `Prose.plain`.

    They are laid out as a tree of their letters, so that a text is read once and not once a word.

    Parameters
    ----------
    terms : iterable of str
        In any case; a space stands for any number of spaces, a ``*`` at the end for any ending.

    Returns
    -------
    re.Pattern
        Matches whole words, the longest first; nothing where there are no terms.
    """
    tree: _Tree = {}
    for term in terms:
        node = tree
        for letter in plain(term).removesuffix("*"):
            node = node.setdefault(letter, {})
        node[_ANY if term.endswith("*") else _END] = {}
    return re.compile(rf"(?<!\w){_expression(tree)}(?!\w)" if tree else r"(?!)")


def _expression(tree: _Tree) -> str:
    """Write a tree as an expression that prefers the longest branch."""
    branches = [
        (" +" if letter == " " else re.escape(letter)) + _expression(below)
        for letter, below in tree.items()
        if letter not in {_END, _ANY}
    ]
    if _ANY in tree:
        branches.append(r"\w*")
    inner = branches[0] if len(branches) == 1 else f"(?:{'|'.join(branches)})" if branches else ""
    if _END in tree and _ANY not in tree and branches:
        return f"(?:{inner})?"
    return inner
