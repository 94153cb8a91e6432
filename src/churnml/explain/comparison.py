"""Comparison: sentences that tell one row's values beside those of another."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from churnml.explain.reasons import Reason, Value, reasons, said_of, show

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from churnml.features.catalogue import Catalogue

Row = Mapping[str, Value]


@dataclass(frozen=True)
class Words:
    """How the other row is spoken of.

    Parameters
    ----------
    value : str
        Before a value of it: ``active on 6 (was 19) of the last 28 days``.
    sentence : str
        Before a sentence of its own, where only one of the two has a value.
    same : str
        After a sentence that holds for both.
    """

    value: str
    sentence: str
    same: str


def compared_reasons(
    moved: NDArray[np.float64],
    features: tuple[str, ...],
    other: Row,
    own: Row,
    catalogue: Catalogue | None,
    words: Words,
    *,
    families: Mapping[str, str] | None = None,
) -> tuple[Reason, ...]:
    """Tell by how much families set a row apart from another, and what both have.

    Parameters
    ----------
    moved : ndarray (n_features,)
        By how much each feature did, in log-odds.
    features : tuple of str
        Their names.
    other, own : mapping of str to value
        What is compared with, and what is told of; both have all the features.
    catalogue : Catalogue, optional
        Families and sentences; without one, each column stands for itself.
    words : Words
        How the other is spoken of.
    families : mapping of str to str, optional
        As for `churnml.explain.reasons.reasons`.
    """
    shown = {name: tuple(_shown(name, row, catalogue) for row in (other, own)) for name in own}
    # Filled in where a sentence expects a value, this tells both.
    both = {
        name: own[name] if theirs == its or name not in other else f"{its} ({words.value} {theirs})"
        for name, (theirs, its) in shown.items()
    }
    apart = {name for name in features if shown[name][0] != shown[name][1]}
    told = reasons(moved, features, both, catalogue, telling=apart, families=families)
    return tuple(
        replace(item, sentence=_sentence(item.feature, other, own, both, catalogue, words))
        for item in told
    )


def _shown(name: str, row: Row, catalogue: Catalogue | None) -> str:
    feature = None if catalogue is None else catalogue.by_name.get(name)
    return show(row.get(name), "" if feature is None else feature.entry.unit)


def _sentence(
    name: str, other: Row, own: Row, both: Row, catalogue: Catalogue | None, words: Words
) -> str:
    its = said_of(name, own, catalogue)
    if (other[name] is None) != (own[name] is None):
        return f"{its}; {words.sentence}: {said_of(name, other, catalogue)}"
    told = said_of(name, both, catalogue)
    return f"{its}, {words.same}" if told == its and other[name] == own[name] else told
