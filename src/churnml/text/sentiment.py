"""Tone of messages in five ordered levels, by a multinomial model over signs and n-grams.

::

    text → signs (words of feeling, manner, marks)  → scaled ┐
         → character n-grams → hashed → weighed by rarity    ┴→ logits → probabilities

The model is arrays of numbers: nothing in its file can execute. The shipped one has learned from
sentences written for the purpose; `SentimentModel.fit` learns from a team's own labelled messages.

References
----------
Bishop (2006), Pattern recognition and machine learning, section 4.3.4: multinomial logistic
regression.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from churnml.errors import BundleError, ConfigError, TrainingError
from churnml.history.tables import SENTIMENTS
from churnml.text.grams import Grams, Letters, grams, letters, sparse_matrix, summed
from churnml.text.grams import rarity as rarity_of
from churnml.text.lexicon import Lexicon, parse_lexicon, shipped_lexicon
from churnml.text.packing import Packed, Parts, read_parts
from churnml.text.signs import NAMES, table

Floats = npt.NDArray[np.float64]

SHIPPED = "sentiment.npz"
_ARRAYS = ("centre", "scale", "rarity", "of_signs", "of_grams", "intercept")
BATCH = 512  # messages read at once: enough for numpy, little enough for memory
_FORMAT = 1
_LEXICON = "lexicon.toml"
_MEND = "Bring the file back, or learn it anew with `churnml text train`."


@dataclass(frozen=True, eq=False)
class SentimentModel(Packed):
    """A fitted model of tone.

    Parameters
    ----------
    levels : tuple of str
        What it tells apart, of `SENTIMENTS` and in that order; a model learned from three classes
        knows three.
    centre, scale : ndarray (n_signs,)
        By which signs are scaled.
    rarity : ndarray (2 ** bits,)
        Weight of each n-gram's column; 0 for those never learned from.
    of_signs, of_grams : ndarray (n_signs or 2 ** bits, n_levels)
        Weights.
    intercept : ndarray (n_levels,)
        Logits of a message that says nothing.
    lexicon : Lexicon
        Words of feeling.
    about : mapping
        What it learned from, in words and numbers.
    """

    levels: tuple[str, ...]
    centre: Floats
    scale: Floats
    rarity: Floats
    of_signs: Floats
    of_grams: Floats
    intercept: Floats
    lexicon: Lexicon
    about: dict[str, Any]

    @property
    def bits(self) -> int:
        """Columns of n-grams, as a power of two."""
        return int(self.rarity.size).bit_length() - 1

    def probabilities(self, texts: Sequence[str]) -> Floats:
        """Probability of each of `SENTIMENTS` (n, 5); 0 for levels that the model never learned."""
        parts = [self.shares(self.logits(batch)) for _, batch in _batches(texts)]
        return np.concatenate([np.empty((0, len(SENTIMENTS))), *parts])

    def shares(self, logits: Floats) -> Floats:
        """Probability of each of `SENTIMENTS` (n, 5), by logits (n, n_levels)."""
        odds = np.exp(logits - logits.max(axis=1, keepdims=True))
        out = np.zeros((len(logits), len(SENTIMENTS)))
        places = [SENTIMENTS.index(level) for level in self.levels]
        out[:, places] = odds / odds.sum(axis=1, keepdims=True)
        return out

    def cooled(self, temperature: float) -> SentimentModel:
        """The same model, less sure of itself: its logits divided by a temperature."""
        return replace(
            self,
            of_signs=self.of_signs / temperature,
            of_grams=self.of_grams / temperature,
            intercept=self.intercept / temperature,
        )

    def logits(self, texts: list[str], written: Letters | None = None) -> Floats:
        """Logits of messages (n, n_levels), up to a constant a message.

        Parameters
        ----------
        texts : list of str
            Messages.
        written : Letters, optional
            Of them, where other models read them too; found here if omitted.
        """
        if written is None:
            (written,) = letters(texts, bits=self.bits)
        signs = (table(texts, self.lexicon) - self.centre) / self.scale
        logits = self.intercept + signs @ self.of_signs
        return np.asarray(logits + written.weigh(self.rarity, self.of_grams))

    def worth(self, texts: Sequence[str], levels: Sequence[str]) -> Floats:
        """How much the n-grams of texts speak for a level each (n,): a sum of weights."""
        place = np.array([self.levels.index(level) for level in levels], dtype=np.int64)
        relative = self.of_grams - self.of_grams.mean(axis=1, keepdims=True)
        return summed(texts, relative * self.rarity[:, np.newaxis], place)

    @property
    def parts(self) -> Parts:
        """What its file holds."""
        return Parts(
            meta={"format": _FORMAT, "levels": self.levels, "about": self.about},
            arrays={name: getattr(self, name).astype(np.float32) for name in _ARRAYS},
            texts={_LEXICON: self.lexicon.source},
        )

    @classmethod
    def load(cls, path: Path) -> SentimentModel:
        """Read a model from a file of its `parts`.

        Raises
        ------
        BundleError
            If it is missing, damaged or of another format.
        """
        parts = read_parts(path, "model of tone", _MEND)
        if parts.meta.get("format") != _FORMAT:
            raise BundleError(
                f"{path}: has format {parts.meta.get('format')}, this version reads {_FORMAT}. "
                "Learn it anew with `churnml text train`."
            )
        try:
            floats = {name: parts.arrays[name].astype(np.float64) for name in _ARRAYS}
            lexicon = parse_lexicon(parts.texts[_LEXICON], path)
            levels, about = tuple(parts.meta["levels"]), parts.meta["about"]
        except (KeyError, ConfigError) as error:
            raise BundleError(
                f"{path}: no model of tone that this version can read: {error!r}. {_MEND}"
            ) from error
        model = cls(levels, lexicon=lexicon, about=about, **floats)
        model._check(path)
        return model

    def _check(self, path: Path) -> None:
        shapes = {name: getattr(self, name).shape for name in _ARRAYS}
        n_levels, n_signs, n_grams = len(self.levels), len(NAMES), self.rarity.size
        expected = {
            "centre": (n_signs,),
            "scale": (n_signs,),
            "rarity": (n_grams,),
            "of_signs": (n_signs, n_levels),
            "of_grams": (n_grams, n_levels),
            "intercept": (n_levels,),
        }
        sound = (
            shapes == expected
            and n_grams == 1 << self.bits
            and set(self.levels) <= set(SENTIMENTS)
            and all(np.isfinite(getattr(self, name)).all() for name in _ARRAYS)
        )
        if not sound:
            raise BundleError(
                f"{path}: its numbers do not fit this version (shapes {shapes}). Learn it anew "
                "with `churnml text train`."
            )

    @classmethod
    def fit(
        cls,
        texts: Sequence[str],
        labels: Sequence[str],
        *,
        bits: int = 18,
        penalty: float = 0.2,
        sign_weight: float = 0.3,
        weights: Sequence[float] | None = None,
        lexicon: Lexicon | None = None,
        about: dict[str, Any] | None = None,
    ) -> SentimentModel:
        """Learn tone from labelled messages.

        Parameters
        ----------
        texts, labels : sequence of str
            Messages, and the level of each: some or all of `SENTIMENTS`, two at least.
        bits : int
            ``2 ** bits`` columns for n-grams. More collide less, and make a larger file.
        penalty : float
            Strength of the ridge on all weights; raise it where there are few messages.
        sign_weight : float
            How much a scaled sign counts beside n-grams. More trusts the lexicon more.
        weights : sequence of float, optional
            What each message counts, on top of its level's balance.
        lexicon : Lexicon, optional
            Words of feeling; the shipped ones if omitted.
        about : dict, optional
            Kept with the model.

        Raises
        ------
        TrainingError
            If labels are unknown, of one level alone, or not one a message.
        """
        levels = _levels(texts, labels)
        lexicon = lexicon or shipped_lexicon()
        target = np.array([levels.index(label) for label in labels])
        signs = np.concatenate([table(batch, lexicon) for _, batch in _batches(texts)])
        centre, scale = signs.mean(axis=0), signs.std(axis=0)
        scale = np.where(scale > 0, scale, 1.0) / sign_weight
        counts = _joined([grams(batch, bits) for _, batch in _batches(texts)])
        rarity = rarity_of(counts)
        fitted = _regress(
            (signs - centre) / scale, counts, rarity, target, penalty=penalty, weights=weights
        )
        cut = len(NAMES)
        model = cls(
            levels=levels,
            centre=centre,
            scale=scale,
            rarity=rarity,
            of_signs=fitted.coefficients[:cut],
            of_grams=fitted.coefficients[cut:],
            intercept=fitted.intercept,
            lexicon=lexicon,
            about={"messages": len(texts), **(about or {})},
        )
        # What is used now is what a file gives back: numbers of single precision.
        rounded = {
            name: getattr(model, name).astype(np.float32).astype(np.float64) for name in _ARRAYS
        }
        return replace(model, **rounded)


def shipped_model() -> SentimentModel:
    """Read the model that comes with churnml."""
    with resources.as_file(resources.files(__package__) / SHIPPED) as path:
        return SentimentModel.load(path)


@dataclass(frozen=True, eq=False)
class _Fitted:
    coefficients: Floats
    intercept: Floats


def _levels(texts: Sequence[str], labels: Sequence[str]) -> tuple[str, ...]:
    if len(texts) != len(labels):
        raise TrainingError(f"{len(texts)} messages have {len(labels)} labels; give one each.")
    unknown = sorted(set(labels) - set(SENTIMENTS))
    if unknown:
        raise TrainingError(f"label {unknown[0]!r} is no tone; expected {', '.join(SENTIMENTS)}.")
    found = tuple(level for level in SENTIMENTS if level in set(labels))
    if len(found) < 2:
        raise TrainingError("all messages have one tone; a model needs two at least.")
    return found


def _batches(texts: Sequence[str]) -> Iterator[tuple[int, list[str]]]:
    for begin in range(0, len(texts), BATCH):
        yield begin, list(texts[begin : begin + BATCH])


def _joined(parts: Sequence[Grams]) -> Grams:
    begins = np.cumsum([0, *(part.n_rows for part in parts)])
    return Grams(
        row=np.concatenate([part.row + begin for part, begin in zip(parts, begins, strict=False)]),
        column=np.concatenate([part.column for part in parts]),
        count=np.concatenate([part.count for part in parts]),
        n_rows=int(begins[-1]),
        n_columns=parts[0].n_columns,
    )


def _regress(
    signs: Floats,
    found: Grams,
    rarity: Floats,
    target: npt.NDArray[np.intp],
    *,
    penalty: float,
    weights: Sequence[float] | None,
) -> _Fitted:
    from scipy import sparse
    from sklearn.linear_model import LogisticRegression

    values = sparse_matrix(found, rarity)
    matrix = sparse.hstack([sparse.csr_matrix(signs), values], format="csr")
    model = LogisticRegression(C=1.0 / penalty, class_weight="balanced", max_iter=1000)
    model.fit(matrix, target, sample_weight=weights)
    coefficients, intercept = model.coef_.T, model.intercept_
    if coefficients.shape[1] == 1:  # two levels: one column of log-odds of the second
        coefficients = np.column_stack([np.zeros_like(coefficients[:, 0]), coefficients[:, 0]])
        intercept = np.array([0.0, intercept[0]])
    return _Fitted(np.asarray(coefficients), np.asarray(intercept))
