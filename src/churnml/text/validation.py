"""What a model of tone is worth on messages that it has not seen."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from churnml.errors import TrainingError
from churnml.history.tables import SENTIMENTS
from churnml.text.packing import learned
from churnml.text.prose import read_prose
from churnml.text.sentiment import SentimentModel

FOLDS = 5


@dataclass(frozen=True, eq=False)
class Validated:
    """A model of all messages, and what such models are worth.

    Parameters
    ----------
    model : SentimentModel
        Learned from every message.
    messages : int
        How many.
    f1, kappa : float
        Macro-F1 and quadratic weighted kappa over all messages, each read by a model that had not
        seen it or a message of the same text.
    """

    model: SentimentModel
    messages: int
    f1: float
    kappa: float


def cross_validated(
    texts: Sequence[str],
    labels: Sequence[str],
    progress: Callable[[str, float], None],
    *,
    labelled_until: dt.datetime | None = None,
) -> Validated:
    """Learn tone, and measure it by folds.

    Parameters
    ----------
    texts, labels : sequence of str
        Messages as they were received, and their tones.
    progress : callable
        Told what is being done and the share that is done.
    labelled_until : datetime, optional
        When the latest label was given, UTC and naive; kept with the model, by which training
        knows what it reads in hindsight.

    Raises
    ------
    TrainingError
        If labels are unknown, or one has fewer messages than there are folds.
    """
    from sklearn.metrics import cohen_kappa_score, f1_score
    from sklearn.model_selection import StratifiedGroupKFold

    progress("learning tone", 0.0)
    texts = [read_prose(text).text for text in texts]  # what will be read of them
    model = SentimentModel.fit(texts, labels, about=learned(labelled_until))
    names, target = np.unique(np.asarray(labels, dtype=object), return_inverse=True)
    rare = np.bincount(target).argmin()
    if (count := int((target == rare).sum())) < FOLDS:
        raise TrainingError(
            f"{count} messages are labelled {names[rare]!r}; {FOLDS} of each label are needed to "
            "tell what a model is worth. Label more, or leave that label out."
        )
    said = np.empty(target.size, dtype=object)
    same = np.unique(np.asarray(texts, dtype=object), return_inverse=True)[1]
    folds = StratifiedGroupKFold(FOLDS, shuffle=True, random_state=0)
    for number, (learn, test) in enumerate(folds.split(target, target, same)):
        progress("validating", (number + 1) / (FOLDS + 1))
        part = SentimentModel.fit([texts[n] for n in learn], [labels[n] for n in learn])
        chosen = part.probabilities([texts[n] for n in test]).argmax(axis=1)
        said[test] = [SENTIMENTS[place] for place in chosen]
    order = {level: place for place, level in enumerate(SENTIMENTS)}
    true, found = ([order[str(level)] for level in column] for column in (labels, said))
    progress("done", 1.0)
    return Validated(
        model=model,
        messages=len(texts),
        f1=float(f1_score(true, found, average="macro")),
        kappa=float(cohen_kappa_score(true, found, weights="quadratic")),
    )
