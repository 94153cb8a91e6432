"""Accounts scored by their ids, from history as it was known at a cutoff."""

from __future__ import annotations

import datetime as dt
import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from churnml.errors import DataError
from churnml.features.engine import compute_live
from churnml.features.facts import compile_catalogue
from churnml.history.tables import ACCOUNT_ID
from churnml.labels import asked, population
from churnml.serving.scorer import Rows, observed, of_history, score_matrix
from churnml.training.tables import require_unchanged, stale_tables

if TYPE_CHECKING:
    from churnml.features.catalogue import Catalogue
    from churnml.features.facts import Program
    from churnml.history.asof import History
    from churnml.project import Project
    from churnml.serving.bundles import Loaded
    from churnml.serving.histories import Histories
    from churnml.serving.scores import Scored

_KEPT = 8  # cutoffs whose population is remembered
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
    """

    scored: Scored
    unseen: Mapping[str, str]


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
    """

    scores: tuple[AccountScore, ...]
    not_scored: Mapping[str, str]
    stale: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class _Standing:
    """What a bundle can be asked of a history at a cutoff."""

    history: History
    cutoff: dt.datetime
    catalogue: Catalogue
    program: Program
    arr: Mapping[str, float | None]  # of the accounts that can be asked about
    far: frozenset[str]
    stale: tuple[str, ...]

    @classmethod
    def of(cls, history: History, loaded: Loaded, cutoff: dt.datetime) -> _Standing:
        spec, catalogue = of_history(loaded.bundle, history)
        everybody = population(history, spec, cutoff)
        people = asked(history, spec, loaded.bundle.manifest.cutoffs, everybody)
        arr = dict(zip(people[ACCOUNT_ID].to_pylist(), people["arr"].to_pylist(), strict=True))
        return cls(
            history,
            cutoff,
            catalogue,
            compile_catalogue(catalogue, history.contracts),
            arr,
            frozenset(everybody[ACCOUNT_ID].to_pylist()) - arr.keys(),
            tuple(item.table for item in stale_tables(history, catalogue, cutoff)),
        )

    def score(self, loaded: Loaded, accounts: Sequence[str]) -> AccountScores:
        there = [name for name in accounts if name in self.arr]
        absent = {
            name: FAR if name in self.far else UNKNOWN for name in accounts if name not in self.arr
        }
        if not there:
            return AccountScores((), absent, self.stale)
        frame = compute_live(self.history, self.program, there, self.cutoff)
        frame = frame.select(list(loaded.bundle.features))
        of = Rows(there, [self.cutoff] * len(there), [self.arr[name] for name in there])
        values = frame.to_pylist()
        found = score_matrix(loaded.bundle, of, loaded.bundle.matrix(frame), values, self.catalogue)
        told = (AccountScore(s, loaded.unseen(v)) for s, v in zip(found, values, strict=True))
        return AccountScores(tuple(told), absent, self.stale)


class Accounts:
    """Scores accounts by their ids.

    Parameters
    ----------
    project : Project
        Whose accounts.
    histories : Histories
        Where their history comes from.
    """

    def __init__(self, project: Project, histories: Histories) -> None:
        self._project = project
        self._histories = histories
        self._alone = threading.Lock()
        self._standings: OrderedDict[tuple[str, dt.datetime], _Standing] = OrderedDict()

    @property
    def observed_until(self) -> dt.datetime:
        """The end of observation, beyond which nobody can be scored."""
        return self._histories.now.observed_until

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
        found = self._score(loaded, accounts, as_of)
        try:
            require_unchanged(self._project, self._histories.now)
        except DataError:  # it was replaced meanwhile, and what was read may be of two
            self._histories.look()
            return self._score(loaded, accounts, as_of)
        return found

    def _score(
        self, loaded: Loaded, accounts: Sequence[str], as_of: dt.datetime | None
    ) -> AccountScores:
        history = self._histories.now
        standing = self._standing(history, loaded, observed(history, as_of))
        return standing.score(loaded, accounts)

    def _standing(self, history: History, loaded: Loaded, cutoff: dt.datetime) -> _Standing:
        key = loaded.bundle.id, cutoff
        with self._alone:
            known = self._standings.get(key)
            if known is None or known.history is not history:
                known = _Standing.of(history, loaded, cutoff)
            self._standings[key] = known
            self._standings.move_to_end(key)
            while len(self._standings) > _KEPT:
                self._standings.popitem(last=False)
        return known
