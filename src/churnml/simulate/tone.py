"""How satisfaction sounds: the tone of a message, and the label that somebody put on it."""

from __future__ import annotations

import numpy as np

from churnml.history.tables import SENTIMENTS
from churnml.simulate.rows import Coded
from churnml.simulate.world import Floats, Ints

# Satisfaction, with the noise of the day, below which the next worse tone is struck.
EDGES = np.array([0.9, -0.7, -1.9, -2.9])
NOISE = 0.9
MISLABELLED = 0.10


def tones(felt: Floats, rng: np.random.Generator) -> Ints:
    """Draw the tone in which someone writes.

    Parameters
    ----------
    felt : ndarray (n,)
        Satisfaction.
    rng : Generator
        Source of randomness.

    Returns
    -------
    ndarray of int (n,)
        Positions in `history.tables.SENTIMENTS`.
    """
    heard = felt + rng.normal(0.0, NOISE, felt.size)
    tone: Ints = (heard[:, None] < EDGES).sum(axis=1)
    return tone


def labels(tone: Ints, missing: Floats, rng: np.random.Generator) -> Coded:
    """Put the labels on messages that a person or a tool would have put.

    Parameters
    ----------
    tone : ndarray of int (n,)
        The true tones; negative for none.
    missing : ndarray (n,)
        Probability that a message was never labelled.
    rng : Generator
        Source of randomness.

    Returns
    -------
    Coded
        A sentiment per message: near the truth, not always it.
    """
    wrong = np.where(rng.random(tone.size) < 0.5, 1, -1)
    label = np.where(rng.random(tone.size) < MISLABELLED, tone + wrong, tone)
    label = np.clip(label, 0, len(SENTIMENTS) - 1)
    unlabelled = (tone < 0) | (rng.random(tone.size) < missing)
    return Coded(np.where(unlabelled, -1, label), SENTIMENTS)
