"""Accounts scored by their ids, from history as it was known at a cutoff."""

from __future__ import annotations

import datetime as dt
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from churnml.errors import DataError, LabelError, SourceError
from churnml.explain.reasons import Telling
from churnml.features.engine import compute_live
from churnml.features.facts import compile_catalogue
from churnml.history.tables import ACCOUNT_ID
from churnml.labels import asked, population
from churnml.serving.scorer import Rows, observed, of_history, score_matrix
from churnml.training.tables import require_unchanged

if TYPE_CHECKING:
    import numpy.typing as npt

    from churnml.explain.reasons import Value
    from churnml.features.catalogue import Catalogue
    from churnml.features.facts import Program
    from churnml.history.asof import History
    from churnml.labels import HistorySpec
    from churnml.project import Project
    from churnml.serving.bundles import Loaded
    from churnml.serving.histories import Histories
    from churnml.serving.live import Live
    from churnml.serving.scores import Scored

_KEPT = 8  # answers of bundles to kinds of history
UNKNOWN = "it is unknown, was not active, or was known to be leaving."
FAR = "its renewal is not near, as all were that the model learnt from."


@dataclass(frozen=True, eq=False)
class AccountScore:
    """An account's score, with what it is to be taken with.

    Parameters
    ----------
    scored : Scored
        The score.
    unseen : mapping of str to str
        Values of categories that the model never learnt from, by feature.
    values : mapping of str to value
        The features that it was given for.
    """

    scored: Scored
    unseen: Mapping[str, str]
    values: Mapping[str, Value]


@dataclass(frozen=True, eq=False)
class AccountScores:
    """What was found of some accounts.

    Parameters
    ----------
    scores : tuple of AccountScore
        In the order they were asked for.
    not_scored : mapping of str to str
        Why others are not scored.
    stale : tuple of str
        Tables that had gone quiet before the cutoff.
    matrix : ndarray (n_scores, n_features)
        What was scored, encoded.
    """

    scores: tuple[AccountScore, ...]
    not_scored: Mapping[str, str]
    stale: tuple[str, ...]
    matrix: npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class _Question:
    """What a bundle asks of history."""

    spec: HistorySpec
    catalogue: Catalogue
    telling: Telling
    program: Program

    @classmethod
    def of(cls, loaded: Loaded, history: History) -> _Question:
        spec, catalogue = of_history(loaded.bundle, history)
        telling = Telling.of(loaded.bundle.features, catalogue, loaded.bundle.families)
        return cls(spec, catalogue, telling, compile_catalogue(catalogue, history.contracts))


class Accounts:
    """Scores accounts by their ids.

    Parameters
    ----------
    project : Project
        Whose accounts.
    histories : Histories
        Where their history comes from.
    live : Live
        Adds what was posted since.
    """

    def __init__(self, project: Project, histories: Histories, live: Live) -> None:
        self._project = project
        self._histories = histories
        self._live = live
        self._questions: OrderedDict[tuple[Any, ...], _Question] = OrderedDict()

    @property
    def observed_until(self) -> dt.datetime:
        """The end of observation, beyond which nobody can be scored."""
        return self._live.observed_until(self._histories.now)

    def score(
        self, loaded: Loaded, accounts: Sequence[str], as_of: dt.datetime | None
    ) -> AccountScores:
        """Score accounts.

        Parameters
        ----------
        loaded : Loaded
            What scores.
        accounts : sequence of str
            Each once.
        as_of : datetime or None
            With what was known strictly before, UTC and naive; all that is known if None.

        Raises
        ------
        BundleError
            If the bundle cannot score this history.
        DataError
            If `as_of` lies beyond what was observed.
        """
        try:
            found = self._score(loaded, accounts, as_of)
            require_unchanged(self._project, self._histories.now)
        except (DataError, SourceError):
            # It may have been replaced meanwhile: what was read may be of two, or be gone.
            self._histories.look()
            return self._score(loaded, accounts, as_of)
        return found

    def _score(
        self, loaded: Loaded, accounts: Sequence[str], as_of: dt.datetime | None
    ) -> AccountScores:
        clean = self._histories.now
        history = self._live.of(clean, accounts)
        cutoff = observed(history, as_of)
        question = self._question(loaded, history)
        stale = self._live.stale(clean, question.catalogue, cutoff)
        return self._answer(loaded, history, accounts, cutoff, everybody=clean, stale=stale)

    def score_sent(
        self, loaded: Loaded, history: History, account: str, cutoff: dt.datetime
    ) -> AccountScores:
        """Score an account by a history that was sent, and by nothing that is kept.

        Parameters
        ----------
        loaded : Loaded
            What scores.
        history : History
            All that is known of the account.
        account : str
            Which.
        cutoff : datetime
            With what was known strictly before, UTC and naive.

        Raises
        ------
        BundleError
            If the bundle cannot score this history.
        """
        return self._answer(loaded, history, [account], cutoff, everybody=history, stale=())

    def _answer(
        self,
        loaded: Loaded,
        history: History,
        accounts: Sequence[str],
        cutoff: dt.datetime,
        *,
        everybody: History,
        stale: tuple[str, ...],
    ) -> AccountScores:
        question = self._question(loaded, history)
        standing = _population(history, question.spec, cutoff)
        people = asked(history, question.spec, loaded.bundle.manifest.cutoffs, standing)
        arr = dict(zip(people[ACCOUNT_ID].to_pylist(), people["arr"].to_pylist(), strict=True))
        far = frozenset(standing[ACCOUNT_ID].to_pylist()) - arr.keys()
        there = [name for name in accounts if name in arr]
        absent = {name: FAR if name in far else UNKNOWN for name in accounts if name not in arr}
        if not there:
            return AccountScores((), absent, stale, np.empty((0, len(loaded.bundle.features))))
        frame = compute_live(history, question.program, there, cutoff, everybody=everybody)
        frame = frame.select(list(loaded.bundle.features))
        of = Rows(there, [cutoff] * len(there), [arr[name] for name in there])
        values = frame.to_pylist()
        matrix = loaded.bundle.matrix(frame)
        found = score_matrix(loaded.bundle, of, matrix, values, question.telling)
        told = (AccountScore(s, loaded.unseen(v), v) for s, v in zip(found, values, strict=True))
        return AccountScores(tuple(told), absent, stale, matrix)

    def _question(self, loaded: Loaded, history: History) -> _Question:
        """Ask a bundle once of each kind of history what it needs of it."""
        columns = tuple((name, table.names) for name, table in sorted(history.contracts.items()))
        key = loaded.bundle.id, tuple(sorted(history.made_by.items())), columns
        found = self._questions.get(key) or _Question.of(loaded, history)
        self._questions[key] = found
        self._questions.move_to_end(key)
        while len(self._questions) > _KEPT:
            self._questions.popitem(last=False)
        return found


def _population(history: History, spec: HistorySpec, cutoff: dt.datetime) -> pa.Table:
    """List those of a few accounts that can be scored; of all, that none ever was is a fault."""
    try:
        return population(history, spec, cutoff)
    except LabelError:
        return pa.table({ACCOUNT_ID: pa.array([], pa.string()), "arr": pa.array([], pa.float64())})
