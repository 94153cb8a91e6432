"""Adaptation: the shipped models, taught what people of a project corrected."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np
import pyarrow as pa

from churnml.errors import TrainingError
from churnml.history.asof import History
from churnml.history.tables import INTENTS
from churnml.text import intents
from churnml.text.cancellation import find_cancellation
from churnml.text.competitors import Names, nameless
from churnml.text.corrections import Correction
from churnml.text.packing import learned
from churnml.text.phrases import PhraseModel
from churnml.text.prose import blank, read_prose
from churnml.text.sentiment import SentimentModel
from churnml.text.shipping import BITS, PENALTY, SIGN_WEIGHT, cooling, corpus_messages, lessons
from churnml.text.spoken import spoken

# What a corrected text counts beside one of the corpus; see experiments/text.md.
WEIGHT = 5.0

Said = TypeVar("Said")


@dataclass(frozen=True)
class Corrected(Generic[Said]):
    """Texts that people corrected, and what they said of them.

    Parameters
    ----------
    texts : tuple of (str, Said)
        Each text as it was received, with what was said of it.
    learned_until : datetime
        When the latest of it was said, UTC and naive.
    gone : int
        How many more were corrected that history no longer has.
    """

    texts: tuple[tuple[str, Said], ...]
    learned_until: dt.datetime
    gone: int


def corrected_texts(history: History, corrections: Sequence[Correction]) -> Corrected[str]:
    """Find the texts whose tone people corrected.

    Parameters
    ----------
    history : History
        Clean history.
    corrections : sequence of Correction
        In the order in which they were made; of a text's the latest counts.

    Returns
    -------
    Corrected of str
        The tone of each.

    Raises
    ------
    TrainingError
        If there is none.
    """
    made = [item for item in corrections if item.part == "sentiment"]
    return _found(history, made, {item.text_id: item.value for item in made}, "tone")


def corrected_intents(
    history: History, corrections: Sequence[Correction]
) -> Corrected[Mapping[str, bool]]:
    """Find the texts of which people corrected an intent.

    Parameters
    ----------
    history, corrections
        As for `corrected_texts`.

    Returns
    -------
    Corrected of mapping of str to bool
        Of each, whether the intents that were corrected are there.

    Raises
    ------
    TrainingError
        If there is none.
    """
    made = [item for item in corrections if item.part in INTENTS]
    told: dict[str, Mapping[str, bool]] = {}
    for item in made:
        told[item.text_id] = {**told.get(item.text_id, {}), item.part: item.said is True}
    return _found(history, made, told, "intents")


def _found(
    history: History, made: Sequence[Correction], told: Mapping[str, Said], what: str
) -> Corrected[Said]:
    """Look up the texts of corrections by id."""
    words, found = spoken(history), []
    if words is not None and told:
        with history.connect() as connection:
            wanted = pa.table({"text_id": pa.array(sorted(told), pa.string())})
            connection.register("wanted", wanted)
            found = connection.execute(
                f"SELECT text_id, text FROM ({words}) WHERE text IS NOT NULL "
                "AND text_id IN (FROM wanted) ORDER BY text_id"
            ).fetchall()
    if not found:
        raise TrainingError(
            f"nobody has corrected the {what} of any text of this history. Correct some with "
            "`churnml text correct TEXT PART=…`, or learn tone from a file of labelled messages "
            "with `churnml text train`."
        )
    there = {text_id for text_id, _ in found}
    return Corrected(
        texts=tuple((text, told[text_id]) for text_id, text in found),
        learned_until=max(item.at for item in made if item.text_id in there),
        gone=len({*told} - there),
    )


def adapted_intents(
    texts: Sequence[tuple[str, Mapping[str, bool]]],
    names: Names,
    weight: float = WEIGHT,
    *,
    learned_until: dt.datetime | None = None,
) -> PhraseModel:
    """Learn intents from what the shipped model learnt, and from corrected texts.

    Parameters
    ----------
    texts : sequence of (str, mapping of str to bool)
        Text, and the intents that were corrected; of the others it teaches nothing.
    names : Names
        Competitors, whose names tell nothing.
    weight : float
        What each counts beside one of what the shipped model learnt from.
    learned_until : datetime, optional
        When the latest was corrected, UTC and naive; kept with the model.
    """
    given = lessons()
    prose = [read_prose(text) for text, _ in texts]
    worded = [nameless(item, names.find(item)) for item in prose]
    ruled = intents.signs([find_cancellation(item) for item in prose])
    said = np.array(
        [intents.wanted({n for n, there in told.items() if there}) for _, told in texts]
    )
    # Who corrects a stance says whether there is a cancellation at all, too.
    known = np.array([intents.wanted(set(told)) for _, told in texts])
    return PhraseModel.fit(
        [*given.texts, *worded],
        np.vstack([given.signs, ruled]),
        np.vstack([given.said, said]),
        intents.NAMES,
        weights=np.vstack([np.ones(given.said.shape), weight * known]),
        about={
            "learned_from": "messages written for churnml, and corrections",
            **learned(learned_until),
        },
    )


def adapted(
    texts: Sequence[tuple[str, str]],
    weight: float = WEIGHT,
    *,
    learned_until: dt.datetime | None = None,
) -> SentimentModel:
    """Learn tone from what the shipped model learnt, and from corrected texts.

    Parameters
    ----------
    texts : sequence of (str, str)
        Text and tone.
    weight : float
        What each counts beside one of what the shipped model learnt from.
    learned_until : datetime, optional
        When the latest was corrected, UTC and naive; kept with the model.

    Returns
    -------
    SentimentModel
        As sure of itself as the shipped one may be.
    """
    shipped = corpus_messages()
    model = SentimentModel.fit(
        [item.text for item in shipped] + [blank(text) for text, _ in texts],
        [item.tone for item in shipped] + [tone for _, tone in texts],
        bits=BITS,
        penalty=PENALTY,
        sign_weight=SIGN_WEIGHT,
        weights=[1.0] * len(shipped) + [weight] * len(texts),
        about={
            "learned_from": "sentences written for churnml, and corrections",
            **learned(learned_until),
        },
    )
    return model.cooled(cooling(shipped))
