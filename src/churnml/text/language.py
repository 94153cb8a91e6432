"""Language: whether a message is in one that the models of text know.

Most messages show by their small words that they are English, at the cost of a few look-ups; of
the others py3langid is asked. What is too short to tell is taken for English where it is in its
script.
"""

from __future__ import annotations

from collections.abc import Sequence

KNOWN = "en"
LEAST_TOKENS = 4  # below which nothing is told
ENOUGH = 0.2  # share of small words that shows English
_SMALL_WORDS = """
a about after all an and any are as at be been but by can did do does dont for from get had has
have he her his how i if im in is it its just me my no not of on or our out please she so thank
thanks that the their them there they this to up us was we were what when where which who why will
with would you your
"""
_SMALL = frozenset(_SMALL_WORDS.split())


def language(text: str, tokens: Sequence[str]) -> str:
    """Tell the language of a message.

    Parameters
    ----------
    text : str
        What somebody wrote.
    tokens : sequence of str
        Its tokens.

    Returns
    -------
    str
        Its code by ISO 639, ``en`` where there is too little to tell.
    """
    words = [*filter(str.isalpha, tokens)]
    if words and sum(map(_SMALL.__contains__, words)) >= ENOUGH * len(words):
        return KNOWN
    letters = [letter for letter in text if letter.isalpha()]
    # Another script is told by a single letter; between languages of one, it takes some words.
    same_script = 2 * sum(letter.isascii() for letter in letters) >= len(letters)
    short = len(text) < 12 or (len(words) < LEAST_TOKENS and text.isascii())
    if not letters or (same_script and short):
        return KNOWN
    import py3langid

    return str(py3langid.classify(text)[0])
