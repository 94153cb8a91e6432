"""Answers: what the service tells of an account's score, in values that JSON knows."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from churnml.actions.account_tiers import AccountTiers
from churnml.explain.reasons import logistic, probability_shares

if TYPE_CHECKING:
    from churnml.serving.bundles import Loaded
    from churnml.serving.scores import Scored

_ACCOUNT_TIERS = AccountTiers()


def answer(
    item: Scored,
    loaded: Loaded,
    *,
    unseen: Mapping[str, str],
    stale: Sequence[str] = (),
    scored_at: dt.datetime | None = None,
) -> dict[str, Any]:
    """Tell a score.

    Parameters
    ----------
    item : Scored
        The score.
    loaded : Loaded
        What gave it.
    unseen : mapping of str to str
        Values of categories that the model never learnt from, by feature.
    stale : sequence of str
        Tables that had gone quiet before the cutoff.
    scored_at : datetime, optional
        When, UTC and naive, where the answer is kept.
    """
    manifest = loaded.bundle.manifest
    points = probability_shares([reason.contribution for reason in item.reasons], item.base)
    return {
        "account_id": item.account_id or None,
        "as_of": None if item.cutoff is None else utc(item.cutoff),
        "scored_at": None if scored_at is None else utc(scored_at),
        "probability": item.probability,
        "interval": {"low": item.low, "high": item.high, "level": item.level},
        "risk_tier": item.tier.value,
        "account_tier": _account_tier(item.arr),
        "arr": item.arr,
        "arr_at_risk": None if item.arr is None else item.arr * item.probability,
        "survival": list(item.survival),
        "log_odds": item.log_odds,
        "base": {"log_odds": item.base, "probability": logistic(item.base)},
        "reasons": [
            {
                "family": reason.family,
                "title": reason.title,
                "feature": reason.feature,
                "sentence": reason.sentence,
                "actionable": reason.actionable,
                "log_odds": reason.contribution,
                "points": 100.0 * share,
            }
            for reason, share in zip(item.reasons, points, strict=True)
        ],
        "thin": item.thin,
        "in_hindsight": manifest.learned_after(item.cutoff),
        "unseen": dict(unseen),
        "stale": list(stale),
        "model": loaded.name,
    }


def utc(when: dt.datetime) -> str:
    """Write a time that is UTC and naive."""
    return f"{when.isoformat()}Z"


def _account_tier(arr: float | None) -> str | None:
    if arr is None:
        return None
    (tier,) = _ACCOUNT_TIERS.tiers([arr])
    return None if tier is None else tier.value
