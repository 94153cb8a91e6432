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
from churnml.text.competitors import LEVELS, Names, about, nameless, rules_say, signs
from churnml.text.corrections import Correction
from churnml.text.packing import learned
from churnml.text.phrases import PhraseModel
from churnml.text.prose import read_prose
from churnml.text.sentiment import SentimentModel
from churnml.text.shipping import (
    BITS,
    PENALTY,
    SIGN_WEIGHT,
    cooling,
    corpus_messages,
    lessons,
    level_lessons,
)
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
    passed_over : int
        How many more were corrected that teach nothing: history no longer has them, or they do not
        name the competitor that is meant.
    """

    texts: tuple[tuple[str, Said], ...]
    learned_until: dt.datetime
    passed_over: int


@dataclass(frozen=True)
class Rival:
    """A competitor that a text names, and how far it has gone with them.

    Parameters
    ----------
    name : str or None
        The competitor; none where the text names "another vendor".
    level : str
        Of `COMPETITOR_LEVELS`.
    """

    name: str | None
    level: str


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


def corrected_levels(
    history: History, corrections: Sequence[Correction], names: Names
) -> Corrected[Rival]:
    """Find the texts of which people corrected how far it has gone with a competitor.

    Parameters
    ----------
    history, corrections
        As for `corrected_texts`.
    names : Names
        Competitors. A text teaches where it names the one that is meant: the one that people said
        it names, or its only one.

    Returns
    -------
    Corrected of Rival
        Of each, who is meant and how far it has gone.

    Raises
    ------
    TrainingError
        If there is none.
    """
    made = [item for item in corrections if item.part in {"competitor", "competitor_level"}]
    told: dict[str, dict[str, str]] = {}
    for item in made:
        told.setdefault(item.text_id, {})[item.part] = item.value
    levels = {text_id: said for text_id, said in told.items() if said.get("competitor_level")}
    found = _found(history, made, levels, "level of a competitor")
    texts = [
        (text, Rival(who, said["competitor_level"]))
        for text, said in found.texts
        for who in _meant(text, said.get("competitor"), names)
    ]
    if not texts:
        raise TrainingError(
            "none of the texts whose competitor_level was corrected names the competitor that is "
            "meant. Say whom: `churnml text correct TEXT competitor=… competitor_level=…`; its "
            "name or alias stands in data/text.toml."
        )
    unclear = len(found.texts) - len(texts)
    return Corrected(tuple(texts), found.learned_until, found.passed_over + unclear)


def _meant(text: str, said: str | None, names: Names) -> list[str | None]:
    """Name the competitor that a correction of a level is about; nobody where that is unknown."""
    there = dict.fromkeys(name for name, _, _ in names.find(read_prose(text)))
    if said and said in there:
        return [said]
    return [*there] if len(there) == 1 and not said else []


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
        passed_over=len({*told} - there),
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


def adapted_levels(
    texts: Sequence[tuple[str, Rival]],
    names: Names,
    weight: float = WEIGHT,
    *,
    learned_until: dt.datetime | None = None,
) -> PhraseModel:
    """Learn competitors' levels from what the shipped model learnt, and from corrected texts.

    Parameters
    ----------
    texts : sequence of (str, Rival)
        Text, whom it is about, and how far it has gone.
    names : Names
        Competitors.
    weight, learned_until
        As for `adapted_intents`.
    """
    given = level_lessons()
    prose = [read_prose(text) for text, _ in texts]
    rivals = [rival for _, rival in texts]
    mentions = [names.find(item) for item in prose]
    asked = list(zip(prose, mentions, (rival.name for rival in rivals), strict=True))
    said = np.array([[rival.level == level for level in LEVELS] for rival in rivals])
    counts = np.concatenate([np.ones(len(given.texts)), np.full(len(texts), weight)])
    return PhraseModel.fit(
        [*given.texts, *(about(*one) for one in asked)],
        np.vstack([given.signs, signs([rules_say(*one)[0] for one in asked])]),
        np.vstack([given.said, said]),
        LEVELS,
        weights=np.repeat(counts[:, None], len(LEVELS), axis=1),
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
        [item.text for item in shipped] + [read_prose(text).text for text, _ in texts],
        [item.tone for item in shipped] + [tone for _, tone in texts],
        bits=BITS,
        penalty=PENALTY,
        sign_weight=SIGN_WEIGHT,
        weights=[item.weight for item in shipped] + [weight] * len(texts),
        about={
            "learned_from": "sentences written for churnml, and corrections",
            **learned(learned_until),
        },
    )
    return model.cooled(cooling(shipped))
