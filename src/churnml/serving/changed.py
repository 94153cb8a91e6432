"""What changed: the plain difference of two answers about one account, family by family.

It is told from the answers alone, since the ledger keeps no rows. So it says what each family
gained or lost, and not whether the account or the model did it; `churnml.explain.change` tells
these apart, from both rows.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

Told = Mapping[str, Any]


def difference(earlier: Told, later: Told) -> dict[str, Any]:
    """Tell what one answer says more than another.

    Parameters
    ----------
    earlier, later : mapping of str to value
        Answers about one account, of any version of the service.

    Returns
    -------
    dict
        ``points`` of the probability, ``log_odds``, ``base``, the log-odds that are of no family,
        and ``families``, the heaviest first: ``base`` and theirs add up to ``log_odds``.
    """
    parts: dict[str, list[float]] = {}
    titles: dict[str, str] = {}
    for sign, told in ((-1.0, earlier), (1.0, later)):
        for reason in told["reasons"]:
            parts.setdefault(reason["family"], []).append(sign * reason["log_odds"])
            titles[reason["family"]] = reason["title"]
    families = [
        {"family": name, "title": titles[name], "log_odds": math.fsum(shares)}
        for name, shares in parts.items()
    ]
    return {
        "points": 100.0 * (later["probability"] - earlier["probability"]),
        "log_odds": later["log_odds"] - earlier["log_odds"],
        "base": later["base"]["log_odds"] - earlier["base"]["log_odds"],
        "families": sorted(families, key=_heaviest),
    }


def since(earlier: Told | None, later: Told) -> dict[str, Any] | None:
    """Tell what changed since an answer of the ledger; None where there was none."""
    if earlier is None:
        return None
    return {
        "scored_at": earlier["scored_at"],
        "as_of": earlier["as_of"],
        "bundle": earlier["model"]["bundle"],
        "probability": earlier["probability"],
        "risk_tier": earlier["risk_tier"],
        **difference(earlier, later),
    }


def _heaviest(family: Mapping[str, Any]) -> tuple[float, str]:
    return -abs(family["log_odds"]), family["family"]
