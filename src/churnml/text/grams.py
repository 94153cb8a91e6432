"""Character n-grams of many messages at once, hashed into columns by numpy alone.

An n-gram of a few letters knows stems, misspellings and short phrases without any list of words.
Hashing by a rolling polynomial over one buffer of all texts costs a few microseconds a message.

References
----------
Weinberger, Dasgupta, Langford, Smola and Attenberg (2009), Feature hashing for large scale
multitask learning. ICML 26.
"""

from __future__ import annotations

import hashlib
import html
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain
from typing import Any

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Keys = npt.NDArray[np.uint32 | np.int64]
Floats = npt.NDArray[np.float64]

_KEPT = 10_000  # characters of a text that is kept for when it is asked for again
SIZES = (2, 3, 4, 5, 6)  # of characters
WORDS = (1, 2, 3)
_STEP, _SPREAD = np.uint64(1_099_511_628_211), np.uint64(0x9E3779B97F4A7C15)
_LINK, _HANDLE = re.compile(r"https?://\S+|www\.\S+"), re.compile(r"@\w+")
_NUMBER = re.compile(r"\d\d*")  # sooner found than by a pattern that begins with a repetition
_THIRD = re.compile(r"(.)(?=\1\1)")


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


@dataclass(frozen=True, eq=False)
class Letters:
    """Character n-grams of messages, found once for all models that read them.

    Parameters
    ----------
    keys : ndarray of int (n_occurrences,)
        Text and, in the last bits, column of each, in order; of equal texts there is one.
    bits : int
        There are ``2 ** bits`` columns, as many as any of the models has or more.
    n_texts : int
        How many there are.
    place : ndarray of int (n,)
        Which of those texts each message is.
    """

    keys: Keys
    bits: int
    n_texts: int
    place: Ints

    def weigh(self, rare: Floats, weights: Floats) -> Floats:
        """Sum the weights of each message's n-grams (n, n_weights), by their rarity."""
        bits = rare.size.bit_length() - 1  # where they are fewer, neighbours fall into one
        found = _counted(self.keys >> (self.bits - bits), self.n_texts, bits)
        return np.asarray((sparse_matrix(found, rare) @ weights)[self.place])


def plain(text: str) -> str:
    """Write a message in the few characters that tell its tone: no links, names or numbers."""
    text = html.unescape(text) if "&" in text else text
    if "http" in text or "www." in text:
        text = _LINK.sub(" ~u ", text)
    if "@" in text:
        text = _HANDLE.sub(" ~h ", text)
    small = _small if len(text) <= _KEPT else _small.__wrapped__
    return small(text.lower().replace("’", "'"))  # noqa: RUF001


@lru_cache(maxsize=1 << 10)  # a batch is asked for as it was written, and as rules read it
def _small(text: str) -> str:
    return _THIRD.sub("", _NUMBER.sub("0", " ".join(text.split())))


def grams(texts: Sequence[str], bits: int) -> Grams:
    """Hash the character n-grams of messages.

    Parameters
    ----------
    texts : sequence of str
        Messages.
    bits : int
        There are ``2 ** bits`` columns.
    """
    keys = np.sort(_keys(*_encoded([plain(text) for text in texts]), SIZES, bits))
    return _counted(keys, len(texts), bits)


def letters(*groups: Sequence[str], bits: int) -> list[Letters]:
    """Hash the character n-grams of groups of messages, of those that are written alike once.

    Parameters
    ----------
    *groups : sequence of str
        Messages.
    bits : int
        ``2 ** bits`` columns are the most that a model has.
    """
    written = [[plain(text) for text in group] for group in groups]
    places = {text: place for place, text in enumerate(dict.fromkeys(chain(*written)))}
    keys = np.sort(_keys(*_encoded(list(places)), SIZES, bits))
    return [
        Letters(keys, bits, len(places), np.array([places[text] for text in group], dtype=np.int64))
        for group in written
    ]


def summed(texts: Sequence[str], weights: Floats, chosen: Ints) -> Floats:
    """Sum weights of the character n-grams of messages, of each occurrence.

    Parameters
    ----------
    texts : sequence of str
        Messages (n).
    weights : ndarray (2 ** bits, n_weights)
        Of each column.
    chosen : ndarray of int (n,)
        Which of the weights counts for each message.

    Returns
    -------
    ndarray (n,)
    """
    bits = len(weights).bit_length() - 1
    keys = _keys(*_encoded([plain(text) for text in texts]), SIZES, bits)
    row, column = keys >> bits, keys & ((1 << bits) - 1)
    return np.asarray(np.bincount(row, weights[column, chosen[row]], len(texts)), dtype=np.float64)


def _encoded(texts: list[str]) -> tuple[npt.NDArray[np.uint64], Ints]:
    encoded = [f" {text} ".encode() for text in texts]
    lengths = np.array([len(item) for item in encoded], dtype=np.int64)
    return np.frombuffer(b"".join(encoded), np.uint8).astype(np.uint64), lengths


def phrases(texts: Sequence[Sequence[str]], bits: int) -> Grams:
    """Hash the words of messages, alone and two or three in a row.

    Parameters
    ----------
    texts : sequence of sequence of str
        The words of each message.
    bits : int
        There are ``2 ** bits`` columns.
    """
    lengths = np.array([len(words) for words in texts], dtype=np.int64)
    hashed = np.fromiter(map(_word, chain(*texts)), np.uint64, lengths.sum())
    return _counted(np.sort(_keys(hashed, lengths, WORDS, bits)), len(texts), bits)


def columns(words: Sequence[str], size: int, bits: int) -> Ints:
    """Hash every run of so many words of one message, as `phrases` does.

    Returns
    -------
    ndarray of int (n_words - size + 1,)
        The column of the run that begins at each word.
    """
    hashed = np.fromiter(map(_word, words), np.uint64, len(words))
    rolled = np.zeros(hashed.size, dtype=np.uint64)
    for step in range(size):
        left = max(hashed.size - step, 0)
        rolled = rolled[:left] * _STEP + hashed[step:] + np.uint64(1)
    return _spread(rolled, bits)


def rarity(found: Grams) -> Floats:
    """Weigh columns by how few messages have them; 0 for those that one alone has.

    References
    ----------
    Spärck Jones (1972), A statistical interpretation of term specificity and its application in
    retrieval. Journal of Documentation 28, 11-21.
    """
    there = np.bincount(found.column, minlength=found.n_columns)
    rare = np.log((1 + found.n_rows) / (1 + there)) + 1
    return np.where(there > 1, rare, 0.0)


def weighed(found: Grams, rare: Floats) -> Floats:
    """Weigh n-grams by rarity, damped by how often they occur; a message's squares sum to 1."""
    values, repeated = rare[found.column], np.flatnonzero(found.count > 1)
    values[repeated] *= 1 + np.log(found.count[repeated])
    norm = np.sqrt(np.bincount(found.row, values**2, minlength=found.n_rows))
    return np.asarray(values / np.where(norm > 0, norm, 1.0)[found.row])


def sparse_matrix(found: Grams, rare: Floats) -> Any:
    """Lay out weighed n-grams as a SciPy matrix (n_rows, n_columns)."""
    from scipy import sparse

    begins = np.searchsorted(found.row, np.arange(found.n_rows + 1))
    shape = (found.n_rows, found.n_columns)
    return sparse.csr_matrix((weighed(found, rare), found.column, begins), shape=shape)


@lru_cache(maxsize=1 << 16)
def _word(word: str) -> int:
    return int.from_bytes(hashlib.blake2b(word.encode(), digest_size=8).digest(), "big")


def _keys(buffer: npt.NDArray[np.uint64], lengths: Ints, sizes: tuple[int, ...], bits: int) -> Keys:
    """Name the message and, by its hash, the column of every run: the latter in the last bits."""
    key = np.uint32 if lengths.size << bits <= 1 << 32 else np.int64  # small ones sort faster
    of = np.repeat((np.arange(lengths.size, dtype=np.int64) << bits).astype(key), lengths)
    keys, rolled = [], np.zeros(buffer.size, dtype=np.uint64)
    for size in range(1, max(sizes) + 1):
        left = max(buffer.size - size + 1, 0)
        rolled = rolled[:left] * _STEP + buffer[size - 1 :] + np.uint64(1)
        if size in sizes:
            whole = of[:left] == of[size - 1 :]
            keys.append((of[:left] | _spread(rolled, bits).astype(key))[whole])
    return np.concatenate(keys)


def _counted(keys: Keys, n_rows: int, bits: int) -> Grams:
    """Count keys that stand in order."""
    other = np.ones(keys.size, dtype=np.bool_)
    np.not_equal(keys[1:], keys[:-1], out=other[1:])
    first = np.flatnonzero(other)
    found = keys[first].astype(np.int64)
    return Grams(
        row=found >> bits,
        column=found & ((1 << bits) - 1),
        count=np.diff(first, append=keys.size).astype(np.float64),
        n_rows=n_rows,
        n_columns=1 << bits,
    )


def _spread(rolled: npt.NDArray[np.uint64], bits: int) -> Ints:
    mixed = (rolled ^ (rolled >> np.uint64(29))) * _SPREAD
    return (mixed >> np.uint64(64 - bits)).astype(np.int64)
