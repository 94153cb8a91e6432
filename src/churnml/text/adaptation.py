"""Adaptation: the shipped model of tone, taught what people of a project corrected."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from churnml.errors import TrainingError
from churnml.history.asof import History
from churnml.text.corrections import Correction
from churnml.text.sentiment import SentimentModel
from churnml.text.shipping import BITS, PENALTY, SIGN_WEIGHT, cooling, corpus_messages
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
    words, found = spoken(history), []
    if words is not None and tones:
        with history.connect() as connection:
            wanted = pa.table({"text_id": pa.array(sorted(tones), pa.string())})
            connection.register("wanted", wanted)
            found = connection.execute(
                f"SELECT text_id, text FROM ({words}) WHERE text IS NOT NULL "
                "AND text_id IN (FROM wanted) ORDER BY text_id"
            ).fetchall()
    if not found:
        raise TrainingError(
            "nobody has corrected the tone of any text of this history. Correct some with "
            "`churnml text correct TEXT sentiment=…`, or learn from a file of labelled messages "
            "with `churnml text train`."
        )
    return tuple((text, tones[text_id]) for text_id, text in found)


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
