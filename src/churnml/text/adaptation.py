"""Adaptation: the shipped models, taught what people of a project corrected."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import numpy as np
import pyarrow as pa

from churnml.errors import TrainingError
from churnml.history.asof import History
from churnml.history.tables import INTENTS
from churnml.text import intents
from churnml.text.cancellation import find_cancellation
from churnml.text.competitors import Names, nameless
from churnml.text.corrections import Correction
from churnml.text.phrases import PhraseModel
from churnml.text.prose import read_prose
from churnml.text.sentiment import SentimentModel
from churnml.text.shipping import BITS, PENALTY, SIGN_WEIGHT, cooling, corpus_messages, lessons
from churnml.text.spoken import spoken

# What a corrected text counts beside one of the corpus; see experiments/text.md.
WEIGHT = 5.0


def corrected_texts(
    history: History, corrections: Sequence[Correction]
) -> tuple[tuple[str, str], ...]:
    """Find the texts whose tone people corrected.

    Parameters
    ----------
    history : History
        Clean history.
    corrections : sequence of Correction
        In the order in which they were made; of a text's the latest counts.

    Returns
    -------
    tuple of (str, str)
        Text and tone.

    Raises
    ------
    TrainingError
        If there is none.
    """
    tones = {item.text_id: item.value for item in corrections if item.part == "sentiment"}
    return tuple((text, tones[text_id]) for text_id, text in _words(history, tones, "tone"))


def corrected_intents(
    history: History, corrections: Sequence[Correction]
) -> tuple[tuple[str, Mapping[str, bool]], ...]:
    """Find the texts of which people corrected an intent.

    Parameters
    ----------
    history, corrections
        As for `corrected_texts`.

    Returns
    -------
    tuple of (str, mapping of str to bool)
        Text, and whether each of the intents that were corrected is there.

    Raises
    ------
    TrainingError
        If there is none.
    """
    told: dict[str, dict[str, bool]] = {}
    for item in corrections:
        if item.part in INTENTS:
            told.setdefault(item.text_id, {})[item.part] = item.said is True
    return tuple((text, told[text_id]) for text_id, text in _words(history, told, "intents"))


def _words(history: History, text_ids: Collection[str], what: str) -> list[tuple[str, str]]:
    """Look up texts by id."""
    words, found = spoken(history), []
    if words is not None and text_ids:
        with history.connect() as connection:
            wanted = pa.table({"text_id": pa.array(sorted(text_ids), pa.string())})
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
    return found


def adapted_intents(
    texts: Sequence[tuple[str, Mapping[str, bool]]],
    names: Names,
    weight: float = WEIGHT,
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
        about={"learned_from": "messages written for churnml, and corrections"},
    )


def adapted(texts: Sequence[tuple[str, str]], weight: float = WEIGHT) -> SentimentModel:
    """Learn tone from what the shipped model learnt, and from corrected texts.

    Parameters
    ----------
    texts : sequence of (str, str)
        Text and tone.
    weight : float
        What each counts beside one of what the shipped model learnt from.

    Returns
    -------
    SentimentModel
        As sure of itself as the shipped one may be.
    """
    shipped = corpus_messages()
    model = SentimentModel.fit(
        [item.text for item in shipped] + [text for text, _ in texts],
        [item.tone for item in shipped] + [tone for _, tone in texts],
        bits=BITS,
        penalty=PENALTY,
        sign_weight=SIGN_WEIGHT,
        weights=[1.0] * len(shipped) + [weight] * len(texts),
        about={"learned_from": "sentences written for churnml, and corrections"},
    )
    return model.cooled(cooling(shipped))
