"""Peers of an account: others of its size, its use of the product and its time as a customer."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

import numpy as np
import pyarrow as pa

from churnml.actions.account_tiers import AccountTiers
from churnml.actions.look import Look
from churnml.actions.segments import UsageSegment, UsageSegments, tenures, usage_segments
from churnml.errors import DataError
from churnml.explain.comparison import Words, compared_reasons
from churnml.explain.peers import apart_from
from churnml.explain.reasons import Reason, Value
from churnml.history.asof import History
from churnml.history.tables import ACCOUNT_ID
from churnml.labels import asked, population
from churnml.serving.scorer import Progress, features_of, of_history
from churnml.training.bundle import Bundle

LEAST_PEERS = 20  # of fewer a mean follows single accounts
_WORDS = Words(value="peers", sentence="peers", same="as its peers")


@dataclass(frozen=True)
class Beside:
    """What sets an account apart from its peers.

    Parameters
    ----------
    shared : mapping of str to str
        What all of them have in common, such as ``tier``; nothing where they are all accounts.
    peers : int
        How many there are.
    base : float
        The mean of their log-odds.
    thinness : float
        By how much the account's differ because its history, or that of some of them, is too thin.
    reasons : tuple of Reason
        By how much each family sets it apart; with `base` and `thinness` they add up to the
        account's log-odds. Sentences tell what is typical of the peers beside the account's own.
    """

    shared: Mapping[str, str]
    peers: int
    base: float
    thinness: float
    reasons: tuple[Reason, ...]

    @property
    def told(self) -> tuple[Reason, ...]:
        """All parts as reasons; with `base` they add up."""
        sentence = "its own, or that of some peers, is too thin to go by"
        thin = Reason("thinness", "Thin history", self.thinness, "", sentence, actionable=False)
        return (*self.reasons, thin)

    @property
    def of(self) -> str:
        """What they share, in words."""
        told = [f"{name} {value.replace('_', ' ')}" for name, value in self.shared.items()]
        return ", ".join(told) or "nothing: they are all accounts"


@dataclass(frozen=True)
class Peers:
    """Whom an account is compared with.

    Parameters
    ----------
    shared : mapping of str to str
        What all of them have in common, such as ``tier``; nothing where they are all accounts.
    places : tuple of int
        Where they stand among the accounts; the account itself is none of them.
    """

    shared: Mapping[str, str]
    places: tuple[int, ...]


def beside_peers(
    history: History, bundle: Bundle, account: str, cutoff: dt.datetime, progress: Progress
) -> Beside:
    """Tell what sets an account apart from its peers.

    Parameters
    ----------
    history : History
        Clean history.
    bundle : Bundle
        What scores.
    account : str
        One of those that it is asked about.
    cutoff : datetime
        As of when, UTC and naive.
    progress : callable
        Told what is being done and the share that is done.

    Raises
    ------
    BundleError
        If the bundle cannot score this history.
    DataError
        If it is asked about nobody else.
    """
    spec, catalogue = of_history(bundle, history)
    people = asked(history, spec, bundle.manifest.cutoffs, population(history, spec, cutoff))
    names = people[ACCOUNT_ID].to_pylist()
    own = names.index(account)
    peers = find_peers(Look(history, cutoff), names, people["arr"].to_pylist(), own)
    if not peers.places:
        raise DataError(
            f"account {account!r} has no peers as of {cutoff:%Y-%m-%d %H:%M} UTC: nobody else is "
            "scored then."
        )
    several = people.take(pa.array([own, *peers.places]))
    frame = features_of(history, catalogue, several, progress).select(list(bundle.features))
    found = bundle.score(frame, contributions=True)
    apart = apart_from(found.base, np.asarray(found.contributions), 0)
    told = compared_reasons(
        apart.contributions,
        bundle.features,
        typical(frame.slice(1)),
        frame.slice(0, 1).to_pylist()[0],
        catalogue,
        _WORDS,
        families=bundle.families,
    )
    return Beside(peers.shared, apart.peers, apart.base, apart.thinness, told)


def typical(rows: pa.Table) -> dict[str, Value]:
    """Tell what is typical of each column: the median of numbers, else the commonest value.

    A column that is missing in more than half of the rows has none.
    """
    return {name: _typical(rows[name]) for name in rows.column_names}


def _typical(column: pa.ChunkedArray) -> Any:
    known = column.drop_null().to_pylist()
    if 2 * len(known) < len(column):
        return None
    if pa.types.is_integer(column.type) or pa.types.is_floating(column.type):
        return median(known)
    counts = Counter(known)
    return min(counts, key=lambda value: (-counts[value], value))


def find_peers(look: Look, accounts: Sequence[str], arr: Sequence[float | None], own: int) -> Peers:
    """Find the peers of an account.

    They share its account tier, its usage segment and its tenure; where that leaves fewer than 20,
    tenure is let go, then usage, then the tier.

    Parameters
    ----------
    look : Look
        History at a date.
    accounts : sequence of str (n,)
        Everybody who is scored then.
    arr : sequence of float or None (n,)
        Their annual recurring revenue.
    own : int
        Which of them the account is.
    """
    marks = _marks(look, accounts, arr)
    names = list(marks)
    for kept in range(len(names), -1, -1):
        alike = [marks[name] for name in names[:kept]]
        places = tuple(
            place
            for place in range(len(accounts))
            if place != own and all(values[place] == values[own] for values in alike)
        )
        if len(places) >= LEAST_PEERS:
            break
    return Peers({name: marks[name][own] for name in names[:kept]}, places)


def _marks(
    look: Look, accounts: Sequence[str], arr: Sequence[float | None]
) -> dict[str, list[str]]:
    """Tell of every account what its peers must share, so far as history tells it of any."""
    marks: dict[str, list[str]] = {}
    tiers = AccountTiers().tiers([float("nan") if value is None else value for value in arr])
    if any(tiers):
        marks["tier"] = ["unknown" if tier is None else tier.value for tier in tiers]
    usage = usage_segments(look, UsageSegments())
    if usage is not None:
        marks["usage"] = [usage.get(name, UsageSegment.NON_USER).value for name in accounts]
    since = tenures(look)
    if since is not None:
        marks["tenure"] = [since[name].value if name in since else "unknown" for name in accounts]
    return marks
