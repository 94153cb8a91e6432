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
from churnml.history.asof import History
from churnml.history.tables import ACCOUNT_ID
from churnml.labels import HistorySpec, asked, population
from churnml.serving.scorer import Progress, Rows, features_of, observed, of_history, score_rows
from churnml.serving.scores import Scored
from churnml.training.bundle import Bundle
from churnml.training.crossing import change_between


@dataclass(frozen=True)
class Explanation:
    """Why an account has its score.

    Parameters
    ----------
    score : Scored
        Its score.
    earlier : Scored or None
        That of an earlier time, where one was asked for.
    change : Change or None
        What made the earlier score the later one.
    lower : Counterfactual or None
        The smallest change that leads a tier down, where it was asked for.
    """

    score: Scored
    earlier: Scored | None
    change: Change | None
    lower: Counterfactual | None


def explain_account(
    history: History,
    bundle: Bundle,
    account: str,
    *,
    cutoff: dt.datetime | None = None,
    since: dt.datetime | None = None,
    reference: Reference | None = None,
    progress: Progress,
) -> Explanation:
    """Tell why an account has its score, and what changed since an earlier time.

    Parameters
    ----------
    history : History
        Clean history.
    bundle : Bundle
        What scores, at both times.
    account : str
        The account.
    cutoff : datetime, optional
        UTC, naive; the end of observation if omitted.
    since : datetime, optional
        The earlier time.
    reference : Reference, optional
        What the bundle learned from; given, the smallest change that leads a tier down is told too.
    progress : callable
        Told what is being done and the share that is done.

    Raises
    ------
    BundleError
        If the bundle cannot score this history.
    DataError
        If the account is not one that the bundle is asked about at either time, or the times are
        not in order.
    """
    spec, catalogue = of_history(bundle, history)
    when = observed(history, cutoff)
    if since is not None and since >= when:
        raise DataError(
            f"since {since:%Y-%m-%d %H:%M} is not before {when:%Y-%m-%d %H:%M}, as of when the "
            "account is explained. Name an earlier time."
        )
    moments = [when] if since is None else [since, when]
    people = pa.concat_tables(
        [_asked(history, spec, bundle, account, moment) for moment in moments]
    )
    features = features_of(history, catalogue, people, progress)
    rows = Rows([account] * len(moments), moments, people["arr"].to_pylist())
    scores = score_rows(bundle, rows, features, catalogue, progress)
    by_moment = {item.cutoff: item for item in scores}
    frame = features.select(list(bundle.features))
    lower = change = None
    if reference is not None:
        tiers, own = bundle.manifest.tiers, frame.slice(len(moments) - 1)
        progress("what would help", 0.0)
        lower = lower_risk(own, reference, lambda rows: bundle.score(rows).probability, tiers)
    if since is not None:
        change = change_between((bundle.model, bundle.model), (frame, frame), catalogue)
    return Explanation(by_moment[when], by_moment.get(since), change, lower)


def _asked(
    history: History, spec: HistorySpec, bundle: Bundle, account: str, moment: dt.datetime
) -> pa.Table:
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
