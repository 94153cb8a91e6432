"""Reasons: each feature family's exact share of the log-odds, in the account's own numbers."""

from __future__ import annotations

import datetime as dt
import math
import string
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from churnml.errors import FeatureError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from churnml.features.catalogue import Catalogue, Feature

UNKNOWN = "unknown"
LEAST_TOLD = 0.005  # log-odds; less would be shown as 0.00
Value = float | bool | str | dt.date | dt.datetime | None


@dataclass(frozen=True)
class Reason:
    """One family's share of a score.

    Parameters
    ----------
    family : str
        The family; for a flat table, the column.
    title : str
        What it is called before people.
    contribution : float
        Its share of the calibrated log-odds; above zero it raises the risk. The contributions of
        all reasons and the base add up to the log-odds of the score.
    feature : str
        The feature that weighs most in it, in the same direction; empty where it is of none.
    sentence : str
        What that feature says, in the account's own numbers.
    actionable : bool
        Whether somebody can act on it.
    """

    family: str
    title: str
    contribution: float
    feature: str
    sentence: str
    actionable: bool


def reasons(
    contributions: NDArray[np.float64],
    features: tuple[str, ...],
    row: Mapping[str, Value],
    catalogue: Catalogue | None,
    *,
    telling: Collection[str] = (),
    families: Mapping[str, str] | None = None,
) -> tuple[Reason, ...]:
    """Tell why one account has its score.

    Parameters
    ----------
    contributions : ndarray (n_features,)
        Each feature's share of the calibrated log-odds, without the base.
    features : tuple of str
        Their names.
    row : mapping of str to float, bool, str, date, datetime or None
        The account's values.
    catalogue : Catalogue, optional
        Families and sentences; without one, each column stands for itself.
    telling : collection of str
        Features that a family speaks of before its others.
    families : mapping of str to str, optional
        Under which family each feature is told, as a bundle's manifest has it; by default its own.

    Returns
    -------
    tuple of Reason
        Every family that contributes, the heaviest first.

    Raises
    ------
    FeatureError
        If there is not one contribution a feature.
    """
    if len(contributions) != len(features):
        raise FeatureError(
            f"{len(contributions)} contributions for {len(features)} features; expected one each."
        )
    members = families_of(features, catalogue, families)
    shares = contributions.tolist()
    told = []
    for family, places in members.items():
        total = math.fsum([shares[place] for place in places])
        if total == 0:
            continue
        first = [place for place in places if features[place] in telling] if telling else []
        heaviest = max if total > 0 else min  # of equal ones either takes the first
        leading = heaviest(first or places, key=shares.__getitem__)
        title = _title(family, [features[place] for place in places], catalogue)
        told.append(_reason(family, title, total, features[leading], row, catalogue))
    return tuple(sorted(told, key=lambda reason: (-abs(reason.contribution), reason.family)))


def families_of(
    features: tuple[str, ...], catalogue: Catalogue | None, families: Mapping[str, str] | None
) -> Mapping[str, list[int]]:
    """Group the places of features by the family under which each is told; as for `reasons`."""
    members: dict[str, list[int]] = {}
    for place, name in enumerate(features):
        family = None if families is None else families.get(name)
        if family is None:
            family = name if catalogue is None else catalogue.get(name).family
        members.setdefault(family, []).append(place)
    return members


def _title(family: str, members: Sequence[str], catalogue: Catalogue | None) -> str:
    if catalogue is not None:
        return catalogue.titles[family]
    like = len(members) - 1
    return family if not like else f"{family} and {like} like it"


def _reason(
    family: str,
    title: str,
    total: float,
    name: str,
    row: Mapping[str, Value],
    catalogue: Catalogue | None,
) -> Reason:
    return Reason(
        family=family,
        title=title,
        contribution=total,
        feature=name,
        sentence=said_of(name, row, catalogue),
        actionable=catalogue is not None and catalogue.get(name).entry.actionable,
    )


def probability_shares(contributions: Sequence[float], base: float) -> tuple[float, ...]:
    """Turn shares of the log-odds into shares of the probability.

    A probability is no sum, so that a rule must say how to share its way from the base's. By this
    one all log-odds grow at once and in proportion, from none to what they are, and each gets what
    its growing moved. That is its log-odds times one slope for all, ``(p − p₀) / (l − l₀)``: order,
    signs and proportions stay.

    Parameters
    ----------
    contributions : sequence of float
        Shares of the log-odds: of all reasons, or of all parts of a change.
    base : float
        The log-odds without them; for a change, those of the earlier score.

    Returns
    -------
    tuple of float
        They add up to the probability less that of the base. A hundredth is a percentage point.

    References
    ----------
    Aumann and Shapley (1974), Values of non-atomic games: the rule.
    Sundararajan, Taly and Yan (2017), Axiomatic attribution for deep networks, section 3.
    """
    way = math.fsum(contributions)
    low, high = sorted((base, base + way))
    # p − p₀ = p (1 − p₀) (1 − e^−(l − l₀)), which loses no digits where both are near.
    steepest = logistic(high) * logistic(-low)
    slope = steepest * (-math.expm1(-abs(way)) / abs(way) if way else 1.0)
    return tuple(slope * contribution for contribution in contributions)


def logistic(log_odds: float) -> float:
    """Turn log-odds into a probability, without overflow at either end."""
    return math.exp(min(log_odds, 0.0)) / (1.0 + math.exp(-abs(log_odds)))


def said_of(name: str, row: Mapping[str, Value], catalogue: Catalogue | None) -> str:
    """Say what a column says of an account, by its feature's sentence where it has one."""
    if catalogue is None:
        return f"{name} is {show(row[name], '')}"
    return sentence_of(catalogue.get(name), row, catalogue)


def sentence_of(feature: Feature, row: Mapping[str, Value], catalogue: Catalogue) -> str:
    """Fill a feature's sentence with an account's values.

    Parameters
    ----------
    feature : Feature
        What to tell.
    row : mapping of str to float, bool, str, date, datetime or None
        The account's values; None where one is not known.
    catalogue : Catalogue
        The units of other features that the sentence names.

    Returns
    -------
    str
        The sentence, or the feature's `missing` sentence where it has no value. Where a recipe
        leaves out a column that the sentence names, the description and the value stand for it.
    """
    value = row.get(feature.name)
    if value is None:
        return feature.fill(feature.entry.missing) or f"{feature.description}: {UNKNOWN}"
    text = feature.fill(feature.entry.sentence)
    shown = {"value": show(value, feature.entry.unit)}
    for _, name, _, _ in string.Formatter().parse(text):
        if name is None or name in shown:
            continue
        if name not in row:
            return f"{feature.description}: {shown['value']}"
        shown[name] = show(row[name], catalogue.get(name).entry.unit)
    return text.format_map(shown)


def show(value: Value, unit: str) -> str:
    """Write a value as people read it.

    Parameters
    ----------
    value : float, bool, str, date, datetime or None
        The value.
    unit : str
        Its unit: shares become per cent, large numbers are grouped, small ones keep a decimal,
        and what is beyond all measure is told by its power of ten.
    """
    if value is None:
        return UNKNOWN
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, dt.date):
        return f"{value:%Y-%m-%d %H:%M}".removesuffix(" 00:00")
    if unit == "share":
        return f"{value:z.0%}"
    if abs(value) >= 1e15 or 0 < abs(value) < 0.005:
        return f"{value:.2g}"
    if float(value).is_integer() or abs(value) >= 100:
        return f"{value:z,.0f}"
    if unit == "ratio" or abs(value) < 1:
        return f"{value:.2f}"
    return f"{value:.1f}".removesuffix(".0")
