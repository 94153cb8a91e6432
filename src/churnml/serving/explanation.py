"""Explanation of one account: its score with all reasons, and what changed since an earlier one."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from churnml.errors import DataError, nearest
from churnml.explain.change import Change
from churnml.explain.counterfactual import Counterfactual, lower_risk
from churnml.explain.reference import Reference
from churnml.features.catalogue import Catalogue
from churnml.history.asof import History
from churnml.history.freshness import Stale
from churnml.history.tables import ACCOUNT_ID
from churnml.labels import asked, population
from churnml.serving.peers import Beside, beside_peers
from churnml.serving.scorer import (
    Progress,
    Rows,
    features_of,
    observed,
    of_flat,
    of_history,
    score_rows,
)
from churnml.serving.scores import Scored
from churnml.training.bundle import Bundle
from churnml.training.crossing import change_between
from churnml.training.encoding import Unseen
from churnml.training.tables import stale_tables


@dataclass(frozen=True)
class Earlier:
    """With what a score is compared.

    Parameters
    ----------
    cutoff : datetime, optional
        Of when, UTC and naive; of the same time if omitted.
    bundle : Bundle, optional
        By what; by the same if omitted.
    """

    cutoff: dt.datetime | None = None
    bundle: Bundle | None = None

    def before(self, when: dt.datetime) -> dt.datetime:
        """Give its time, beside a later one.

        Raises
        ------
        DataError
            If it does not lie before.
        """
        if self.cutoff is None:
            return when
        if self.cutoff >= when:
            raise DataError(
                f"since {self.cutoff:%Y-%m-%d %H:%M} is not before {when:%Y-%m-%d %H:%M}, as of "
                "when the account is explained. Name an earlier time."
            )
        return self.cutoff


@dataclass(frozen=True)
class Explanation:
    """Why an account has its score.

    Parameters
    ----------
    score : Scored
        Its score.
    earlier : Scored or None
        What it is compared with, where that was asked for.
    change : Change or None
        What made the earlier score the later one.
    beside : Beside or None
        What sets it apart from its peers, where that was asked for.
    lower : Counterfactual or None
        The smallest change that leads a tier down, where it was asked for.
    stale : tuple of Stale
        Tables that had gone quiet before the score.
    unseen : tuple of Unseen
        Values of categories that the bundle never learnt from.
    """

    score: Scored
    earlier: Scored | None = None
    change: Change | None = None
    beside: Beside | None = None
    lower: Counterfactual | None = None
    stale: tuple[Stale, ...] = ()
    unseen: tuple[Unseen, ...] = ()


def explain_account(
    history: History,
    bundle: Bundle,
    account: str,
    *,
    cutoff: dt.datetime | None = None,
    earlier: Earlier | None = None,
    peers: bool = False,
    reference: Reference | None = None,
    progress: Progress,
) -> Explanation:
    """Tell why an account has its score, and what changed since an earlier one.

    Parameters
    ----------
    history : History
        Clean history.
    bundle : Bundle
        What scores.
    account : str
        The account.
    cutoff : datetime, optional
        UTC, naive; the end of observation if omitted.
    earlier : Earlier, optional
        The score to compare with.
    peers : bool
        Whether to tell what sets the account apart from its peers.
    reference : Reference, optional
        What the bundle learned from; given, the smallest change that leads a tier down is told too.
    progress : callable
        Told what is being done and the share that is done.

    Raises
    ------
    BundleError
        If a bundle cannot score this history.
    DataError
        If the account is not one that a bundle is asked about at its time, the times are not in
        order, or there is nobody to compare it with.
    """
    when = observed(history, cutoff)
    people = []
    if earlier is not None:
        people = [_person(history, earlier.bundle or bundle, account, earlier.before(when))]
    people.append(_person(history, bundle, account, when))
    _, catalogue = of_history(bundle, history)
    own = _Seen.of(history, bundle, pa.concat_tables(people), progress)
    before = change = beside = lower = None
    if earlier is not None:
        old = own
        if earlier.bundle is not None:
            old = _Seen.of(history, earlier.bundle, pa.concat_tables(people), progress)
        before = old.score(0, progress)
        change = _change(old.bundle, bundle, old.frame, own.frame, catalogue)
    last = own.frame.slice(len(people) - 1)
    if peers:
        beside = beside_peers(history, bundle, account, when, progress)
    if reference is not None:
        progress("what would help", 0.0)
        tiers = bundle.manifest.tiers
        lower = lower_risk(last, reference, lambda rows: bundle.score(rows).probability, tiers)
    return Explanation(
        own.score(len(people) - 1, progress),
        before,
        change,
        beside,
        lower,
        stale_tables(history, catalogue, when),
        bundle.model.encoding.unseen(last),
    )


def explain_row(
    bundle: Bundle,
    rows: pa.Table,
    account: str,
    *,
    earlier: Bundle | None = None,
    progress: Progress,
) -> Explanation:
    """Tell why a row of a flat table has its score.

    Parameters
    ----------
    bundle : Bundle
        What scores.
    rows : pyarrow.Table
        As for `churnml.serving.scorer.score_flat`.
    account : str
        The account whose row is meant, the latest where there are several; where no column names
        accounts, the name that scoring gives the row.
    earlier : Bundle, optional
        What scored before; given, what changed is told as well.
    progress : callable
        Told what is being done and the share that is done.

    Raises
    ------
    BundleError
        If a bundle cannot score this table.
    DataError
        If there is no such account, or several rows of it and none is the latest.
    """
    _, of = of_flat(bundle, rows)
    row = rows.slice(_place(of, account), 1)
    own = _Seen(bundle, None, of.only(_place(of, account)), of_flat(bundle, row)[0])
    unseen = bundle.model.encoding.unseen(own.frame)
    if earlier is None:
        return Explanation(own.score(0, progress), unseen=unseen)
    old = _Seen(earlier, None, own.rows, of_flat(earlier, row)[0])
    before, after = (pa.concat_tables([seen.frame, seen.frame]) for seen in (old, own))
    change = _change(earlier, bundle, before, after, None)
    return Explanation(own.score(0, progress), old.score(0, progress), change, unseen=unseen)


def _change(
    old: Bundle, new: Bundle, first: pa.Table, second: pa.Table, catalogue: Catalogue | None
) -> Change:
    return change_between((old.model, new.model), (first, second), catalogue, families=new.families)


def _place(of: Rows, account: str) -> int:
    """Find the row of an account, the latest of several."""
    places = [place for place, name in enumerate(of.accounts) if name == account]
    if not places:
        raise DataError(f"account {account!r}: no row tells of it.{nearest(account, of.accounts)}")
    times = [of.cutoffs[place] for place in places]
    latest = max(filter(None, times), default=None)
    if times.count(latest) > 1:
        raise DataError(
            f"account {account!r}: {times.count(latest)} rows tell of it, and none is the latest. "
            "Name a table with the one that is meant by --table."
        )
    return places[times.index(latest)]


@dataclass(frozen=True, eq=False)
class _Seen:
    """Rows of an account as a bundle sees them."""

    bundle: Bundle
    catalogue: Catalogue | None
    rows: Rows
    frame: pa.Table

    @classmethod
    def of(cls, history: History, bundle: Bundle, people: pa.Table, progress: Progress) -> _Seen:
        """Compute the bundle's own features of accounts at their cutoffs."""
        _, catalogue = of_history(bundle, history)
        features = features_of(history, catalogue, people, progress)
        rows = Rows(*(people[name].to_pylist() for name in (ACCOUNT_ID, "cutoff", "arr")))
        return cls(bundle, catalogue, rows, features.select(list(bundle.features)))

    def score(self, place: int, progress: Progress) -> Scored:
        """Score one of the rows."""
        frame = self.frame.slice(place, 1)
        return score_rows(self.bundle, self.rows.only(place), frame, self.catalogue, progress)[0]


def _person(history: History, bundle: Bundle, account: str, moment: dt.datetime) -> pa.Table:
    """Find an account among those that a bundle is asked about at a time."""
    spec, _ = of_history(bundle, history)
    everybody = population(history, spec, moment)
    people = asked(history, spec, bundle.manifest.cutoffs, everybody)
    found = people.filter(pc.equal(people[ACCOUNT_ID], account))
    if found.num_rows:
        return found
    names = everybody[ACCOUNT_ID].to_pylist()
    why = (
        "its renewal is not near, as all were that the model learned from."
        if account in names
        else "it is unknown, not active, or known to be leaving."
    )
    raise DataError(
        f"account {account!r} is not scored as of {moment:%Y-%m-%d %H:%M} UTC: {why}"
        f"{'' if account in names else nearest(account, names)}"
    )
