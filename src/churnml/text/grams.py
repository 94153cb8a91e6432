"""Character n-grams of many messages at once, hashed into columns by numpy alone.

An n-gram of a few letters knows stems, misspellings and short phrases without any list of words.
Hashing by a rolling polynomial over one buffer of all texts costs a few microseconds a message.

References
----------
Weinberger, Dasgupta, Langford, Smola and Attenberg (2009), Feature hashing for large scale
multitask learning. ICML 26.
"""

from __future__ import annotations

import html
import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

SIZES = (2, 3, 4, 5, 6)
_STEP, _SPREAD = np.uint64(1_099_511_628_211), np.uint64(0x9E3779B97F4A7C15)
_LINK, _HANDLE = re.compile(r"https?://\S+|www\.\S+"), re.compile(r"@\w+")
_NUMBER, _RUN, _BLANK = re.compile(r"\d+"), re.compile(r"(.)\1{2,}"), re.compile(r"\s+")


@dataclass(frozen=True, eq=False)
class Grams:
    """Which n-grams occur in which message, and how often.

    Parameters
    ----------
    row, column : ndarray of int (n_entries,)
        Message and hashed column, by row and then by column, each pair once.
    count : ndarray (n_entries,)
        How often.
    n_rows, n_columns : int
        The bounds of both.
    """

    row: Ints
    column: Ints
    count: Floats
    n_rows: int
    n_columns: int


def plain(text: str) -> str:
    """Write a message in the few characters that tell its tone: no links, names or numbers."""
    text = html.unescape(text) if "&" in text else text
    if "http" in text or "www." in text:
        text = _LINK.sub(" ~u ", text)
    if "@" in text:
        text = _HANDLE.sub(" ~h ", text)
    text = _RUN.sub(r"\1\1", _NUMBER.sub("0", text.lower().replace("’", "'")))  # noqa: RUF001
    return _BLANK.sub(" ", text).strip()


def grams(texts: Sequence[str], bits: int) -> Grams:
    """Hash the n-grams of messages.

    Parameters
    ----------
    texts : sequence of str
        Messages.
    bits : int
        There are ``2 ** bits`` columns.
    """
    encoded = [f" {plain(text)} ".encode() for text in texts]
    lengths = np.array([len(item) for item in encoded], dtype=np.int64)
    buffer = np.frombuffer(b"".join(encoded), np.uint8).astype(np.uint64)
    of = np.repeat(np.arange(len(encoded), dtype=np.int64), lengths)
    keys, rolled = [], np.zeros(buffer.size, dtype=np.uint64)
    for size in range(1, max(SIZES) + 1):
        left = max(buffer.size - size + 1, 0)
        rolled = rolled[:left] * _STEP + buffer[size - 1 :] + np.uint64(1)
        if size in SIZES:
            whole = of[:left] == of[size - 1 :]
            mixed = rolled[whole]
            mixed = (mixed ^ (mixed >> np.uint64(29))) * _SPREAD
            columns = (mixed >> np.uint64(64 - bits)).astype(np.int64)
            keys.append((of[:left][whole] << bits) | columns)
    found, count = np.unique(np.concatenate(keys), return_counts=True)
    return Grams(
        row=found >> bits,
        column=found & ((1 << bits) - 1),
        count=count.astype(np.float64),
        n_rows=len(encoded),
        n_columns=1 << bits,
    )
