"""Linear models of what is said, over words in short runs and over the letters they are made of.

::

    wording → words, alone and two or three in a row → hashed → weighed by rarity ┐
            → character n-grams                      → hashed → weighed by rarity ┤
            → signs (what else is known of a message)                             ┴→ log-odds

A model is arrays of numbers: nothing in its file can execute.

References
----------
Wang and Manning (2012), Baselines and bigrams: simple, good sentiment and topic classification.
ACL 50: linear models over word n-grams.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from churnml.errors import BundleError
from churnml.text.grams import (
    WORDS,
    Letters,
    columns,
    grams,
    letters,
    phrases,
    rarity,
    sparse_matrix,
)
from churnml.text.packing import Packed, Parts, read_parts
from churnml.text.wording import BREAK, Wording

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

BITS = 16
PENALTY = 0.1
_FORMAT = 1
_MEND = "Bring the file back, or learn it anew."
_ARRAYS = ("rare_words", "rare_letters", "of_words", "of_letters", "of_signs", "intercept")


@dataclass(frozen=True, eq=False)
class PhraseModel(Packed):
    """A fitted model: log-odds of several things that a message may say.

    Parameters
    ----------
    names : tuple of str
        What it tells of.
    rare_words, rare_letters : ndarray (2 ** BITS,)
        Weight of each column; 0 for those never learned from.
    of_words, of_letters : ndarray (2 ** BITS, n_names)
        What each says.
    of_signs : ndarray (n_signs, n_names)
        What each sign says.
    intercept : ndarray (n_names,)
        Log-odds of a message that says nothing.
    about : mapping
        What it learned from, in words and numbers.
    """

    names: tuple[str, ...]
    rare_words: Floats
    rare_letters: Floats
    of_words: Floats
    of_letters: Floats
    of_signs: Floats
    intercept: Floats
    about: dict[str, Any]

    def log_odds(
        self, texts: Sequence[Wording], signs: Floats, written: Letters | None = None
    ) -> Floats:
        """Log-odds of each name.

        Parameters
        ----------
        texts : sequence of Wording
            Messages.
        signs : ndarray (n, n_signs)
            What else is known of them.
        written : Letters, optional
            Of them, where other models read them too; found here if omitted.

        Returns
        -------
        ndarray (n, n_names)
        """
        out = self.intercept + signs @ self.of_signs
        if not texts:
            return np.asarray(out)
        words = phrases([text.words for text in texts], BITS)
        if written is None:
            (written,) = letters([text.letters for text in texts], bits=BITS)
        out += sparse_matrix(words, self.rare_words) @ self.of_words
        out += written.weigh(self.rare_letters, self.of_letters)
        return np.asarray(out)

    def shown_by(self, text: Wording, name: str) -> tuple[int, int]:
        """Find the words that say it most.

        Parameters
        ----------
        text : Wording
            A message.
        name : str
            What it says.

        Returns
        -------
        tuple of (int, int)
            Where they begin and end: the stretch of a sentence, with the greatest sum of weights.
        """
        weights = self.of_words[:, self.names.index(name)]
        worth = np.zeros(len(text.words))
        for size in WORDS:
            found = columns(text.words, size, BITS)
            for offset in range(size):
                worth[offset : offset + found.size] += (
                    self.rare_words[found] * weights[found] / size
                )
        first, last = _best_stretch(text.words, worth)
        return text.places[first][0], text.places[last][1]

    @property
    def parts(self) -> Parts:
        """What its file holds."""
        return Parts(
            meta={"format": _FORMAT, "names": self.names, "about": self.about},
            arrays={name: getattr(self, name).astype(np.float16) for name in _ARRAYS},
            texts={},
        )

    @classmethod
    def load(cls, path: Path) -> PhraseModel:
        """Read a model from a file of its `parts`.

        Raises
        ------
        BundleError
            If it is missing, damaged or of another format.
        """
        parts = read_parts(path, "model of phrases", _MEND)
        try:
            floats = {name: parts.arrays[name].astype(np.float64) for name in _ARRAYS}
            model = cls(tuple(parts.meta["names"]), about=parts.meta["about"], **floats)
        except KeyError as error:
            raise BundleError(f"{path}: no model of phrases: it lacks {error}. {_MEND}") from error
        model._check(path, parts.meta.get("format"))
        return model

    @classmethod
    def shipped(cls, name: str) -> PhraseModel:
        """Read a model that comes with churnml, by the name of its file."""
        with resources.as_file(resources.files(__package__) / name) as path:
            return cls.load(path)

    def _check(self, path: Path, written: object) -> None:
        size, count = 1 << BITS, len(self.names)
        shapes = {name: getattr(self, name).shape for name in _ARRAYS}
        expected = {
            "rare_words": (size,),
            "rare_letters": (size,),
            "of_words": (size, count),
            "of_letters": (size, count),
            "of_signs": (self.of_signs.shape[0], count),
            "intercept": (count,),
        }
        finite = all(np.isfinite(getattr(self, name)).all() for name in _ARRAYS)
        if written != _FORMAT or shapes != expected or not finite:
            raise BundleError(
                f"{path}: its numbers do not fit this version (format {written}, shapes {shapes}). "
                "Learn it anew."
            )

    @classmethod
    def fit(
        cls,
        texts: Sequence[Wording],
        signs: Floats,
        said: Flags,
        names: Sequence[str],
        *,
        weights: Floats | None = None,
        about: dict[str, Any] | None = None,
    ) -> PhraseModel:
        """Learn what messages say, each name by itself.

        Parameters
        ----------
        texts : sequence of Wording
            Messages (n).
        signs : ndarray (n, n_signs)
            What else is known of them.
        said : ndarray of bool (n, n_names)
            What each says.
        names : sequence of str
            What that is called.
        weights : ndarray (n, n_names), optional
            What each message counts for each name, nothing where it is 0; 1 if omitted.
        about : dict, optional
            Kept with the model.
        """
        from scipy import sparse
        from sklearn.linear_model import LogisticRegression

        words = phrases([text.words for text in texts], BITS)
        written = grams([text.letters for text in texts], BITS)
        rare_words, rare_letters = rarity(words), rarity(written)
        parts = [sparse_matrix(words, rare_words), sparse_matrix(written, rare_letters)]
        matrix = sparse.hstack([*parts, sparse.csr_matrix(signs)], format="csr")
        counts = np.ones(said.shape) if weights is None else weights
        fitted = []
        for place in range(len(names)):
            rows = np.flatnonzero(counts[:, place])
            learner = LogisticRegression(C=1.0 / PENALTY, solver="liblinear", random_state=0)
            learner.fit(matrix[rows], said[rows, place], sample_weight=counts[rows, place])
            fitted.append(learner)
        size = 1 << BITS
        of = np.column_stack([model.coef_[0] for model in fitted])
        arrays = {
            "rare_words": rare_words,
            "rare_letters": rare_letters,
            "of_words": of[:size],
            "of_letters": of[size : 2 * size],
            "of_signs": of[2 * size :],
            "intercept": np.array([model.intercept_[0] for model in fitted]),
        }
        # What is used now is what a file gives back: numbers of half precision.
        rounded = {
            name: value.astype(np.float16).astype(np.float64) for name, value in arrays.items()
        }
        return cls(tuple(names), about={"messages": len(texts), **(about or {})}, **rounded)


def _best_stretch(words: Sequence[str], worth: Floats) -> tuple[int, int]:
    """Find the stretch within a sentence whose worth is greatest, by its first and last word.

    References
    ----------
    Bentley (1984), Algorithm design techniques. Communications of the ACM 27, 865-871: Kadane's
    scan.
    """
    best, found = -np.inf, (0, 0)
    total, begin = 0.0, 0
    for place, word in enumerate(words):
        if word == BREAK:
            total, begin = 0.0, place + 1
            continue
        if total <= 0:
            total, begin = 0.0, place
        total += worth[place]
        if total > best:
            best, found = total, (begin, place)
    return found
