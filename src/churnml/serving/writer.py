"""Answers as JSON, where time counts: what is the same in all of them is written once a bundle."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pydantic_core import to_json

from churnml.explain.reasons import probability_shares

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from churnml.explain.reasons import Telling, Value

_NO_REASONS = b'"reasons":[]'


class Writer:
    """Writes answers with their reasons: the very bytes that `churnml.serving.answers` leads to.

    Parameters
    ----------
    telling : Telling
        How reasons are told.
    """

    def __init__(self, telling: Telling) -> None:
        self._telling = telling
        families = {place: item for item in telling.families for place in item.places}
        self._heads = [
            to_json({"family": families[place].name, "title": families[place].title})[:-1]
            + b',"feature":'
            + to_json(name)
            + b',"sentence":'
            for place, name in enumerate(telling.features)
        ]
        self._tails = [
            b',"actionable":' + to_json(can) + b',"log_odds":' for can in telling.actionable
        ]

    def written(
        self, told: Mapping[str, Any], shares: NDArray[np.float64], row: Mapping[str, Value]
    ) -> bytes:
        """Write an answer.

        Parameters
        ----------
        told : mapping
            As `churnml.serving.answers.answer` tells it of a score without reasons.
        shares : ndarray (n_features,)
            What its reasons are told from.
        row : mapping of str to value
            The values.
        """
        weighed = self._telling.weighed(shares)
        count = len(weighed.leading)
        if not count:
            return to_json(told)
        points = probability_shares(weighed.totals, told["base"]["log_odds"])
        numbers = to_json([*weighed.totals, *(100.0 * share for share in points)])[1:-1].split(b",")
        # Within a text of JSON quotes are escaped, so that three such marks end one and begin one.
        sentences = to_json(self._telling.sentences(weighed.leading, row))[2:-2].split(b'","')
        reasons = [
            b'%b"%b"%b%b,"points":%b}' % parts
            for parts in zip(
                [self._heads[place] for place in weighed.leading],
                sentences,
                [self._tails[place] for place in weighed.leading],
                numbers[:count],
                numbers[count:],
                strict=True,
            )
        ]
        before, _, after = to_json(told).partition(_NO_REASONS)
        return before + b'"reasons":[' + b",".join(reasons) + b"]" + after
