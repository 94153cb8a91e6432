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

import hashlib
import io
import json
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from churnml.errors import BundleError, ConfigError
from churnml.text.grams import WORDS, columns, grams, phrases, rarity, sparse_matrix
from churnml.text.wording import BREAK, Wording

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

BITS = 16
PENALTY = 0.1
_FORMAT = 1
_ARRAYS = ("rare_words", "rare_letters", "of_words", "of_letters", "of_signs", "intercept")


@dataclass(frozen=True, eq=False)
class PhraseModel:
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

    @cached_property
    def version(self) -> str:
        """SHA-256 of what it says."""
        return hashlib.sha256(self._packed()).hexdigest()

    def log_odds(self, texts: Sequence[Wording], signs: Floats) -> Floats:
        """Log-odds of each name.

        Parameters
        ----------
        texts : sequence of Wording
            Messages.
        signs : ndarray (n, n_signs)
            What else is known of them.

        Returns
        -------
        ndarray (n, n_names)
        """
        out = self.intercept + signs @ self.of_signs
        if not texts:
            return np.asarray(out)
        words = phrases([text.words for text in texts], BITS)
        letters = grams([text.letters for text in texts], BITS)
        out += sparse_matrix(words, self.rare_words) @ self.of_words
        out += sparse_matrix(letters, self.rare_letters) @ self.of_letters
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

    def save(self, path: Path) -> None:
        """Write the model to a file.

        Raises
        ------
        ConfigError
            If it cannot be written.
        """
        try:
            path.write_bytes(self._packed())
        except OSError as error:
            raise ConfigError(f"{path}: cannot be written: {error.strerror or error}.") from error

    def _packed(self) -> bytes:
        """The file's bytes, the same for the same model: no times, no order of chance."""
        meta = {"format": _FORMAT, "names": self.names, "about": self.about}
        parts = {"model.json": json.dumps(meta, sort_keys=True).encode()}
        for name in _ARRAYS:
            held = io.BytesIO()
            np.save(held, getattr(self, name).astype(np.float16), allow_pickle=False)
            parts[f"{name}.npy"] = held.getvalue()
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as packed:
            for name, content in parts.items():
                packed.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), content)
        return out.getvalue()

    @classmethod
    def load(cls, path: Path) -> PhraseModel:
        """Read a model that `save` wrote.

        Raises
        ------
        BundleError
            If it is missing, damaged or of another format.
        """
        try:
            with zipfile.ZipFile(path) as packed:
                parts = {name: packed.read(name) for name in packed.namelist()}
            meta = json.loads(parts["model.json"])
            arrays = {
                name: np.load(io.BytesIO(parts[f"{name}.npy"]), allow_pickle=False)
                for name in _ARRAYS
            }
        except (OSError, KeyError, ValueError, zipfile.BadZipFile) as error:
            raise BundleError(
                f"{path}: no model of phrases that this version can read: {error!r}. Bring the "
                "file back, or learn it anew."
            ) from error
        floats = {name: value.astype(np.float64) for name, value in arrays.items()}
        model = cls(tuple(meta["names"]), about=meta["about"], **floats)
        model._check(path, meta.get("format"))
        return model

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
        letters = grams([text.letters for text in texts], BITS)
        rare_words, rare_letters = rarity(words), rarity(letters)
        parts = [sparse_matrix(words, rare_words), sparse_matrix(letters, rare_letters)]
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
