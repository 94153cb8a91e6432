"""Reasons: each feature family's exact share of the log-odds, in the account's own numbers."""

from __future__ import annotations

import datetime as dt
import math
import string
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING

import numpy as np

from churnml.errors import FeatureError

if TYPE_CHECKING:
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
    return Telling.of(features, catalogue, families).reasons(contributions, row, telling)


@dataclass(frozen=True)
class Family:
    """Features that are told as one.

    Parameters
    ----------
    name, title : str
        As of `Reason`.
    places : tuple of int
        Where its features stand.
    """

    name: str
    title: str
    places: tuple[int, ...]


@dataclass(frozen=True)
class Weighed:
    """The families that move a score, the heaviest first.

    Parameters
    ----------
    families : tuple of int
        Which they are, among those of a `Telling`.
    leading : tuple of int
        The feature that weighs most in each.
    totals : tuple of float
        What each contributes.
    """

    families: tuple[int, ...]
    leading: tuple[int, ...]
    totals: tuple[float, ...]


@dataclass(frozen=True, eq=False)
class Telling:
    """How reasons are told: what is the same for all accounts, put together once.

    Parameters
    ----------
    features : tuple of str
        What contributes.
    catalogue : Catalogue or None
        Their families and sentences; without one, each column stands for itself.
    families : tuple of Family
        What they are told as, by name.
    actionable : tuple of bool (n_features,)
        Whether somebody can act on each.
    """

    features: tuple[str, ...]
    catalogue: Catalogue | None
    families: tuple[Family, ...]
    actionable: tuple[bool, ...]

    @classmethod
    def of(
        cls,
        features: tuple[str, ...],
        catalogue: Catalogue | None,
        families: Mapping[str, str] | None = None,
    ) -> Telling:
        """Put it together; parameters as for `reasons`."""
        members: dict[str, list[int]] = {}
        for place, name in enumerate(features):
            family = None if families is None else families.get(name)
            if family is None:
                family = name if catalogue is None else catalogue.get(name).family
            members.setdefault(family, []).append(place)
        return cls(
            features,
            catalogue,
            tuple(
                Family(name, _title(name, len(places), catalogue), tuple(places))
                for name, places in sorted(members.items())
            ),
            tuple(
                catalogue is not None and catalogue.get(name).entry.actionable for name in features
            ),
        )

    def weighed(self, contributions: NDArray[np.float64], telling: Collection[str] = ()) -> Weighed:
        """Weigh the families of one account; parameters and errors as for `reasons`."""
        if len(contributions) != len(self.features):
            raise FeatureError(
                f"{len(contributions)} contributions for {len(self.features)} features; expected "
                "one each."
            )
        totals, leading = contributions[self._first], self._first
        if self._several:
            shares, leading = contributions.tolist(), leading.copy()
            for number, places in self._several:
                totals[number] = total = math.fsum([shares[place] for place in places])
                first = [place for place in places if self.features[place] in telling]
                heaviest = max if total > 0 else min  # of equal ones either takes the first
                leading[number] = heaviest(first or places, key=shares.__getitem__)
        # Those without a share come last, and equal ones by name, as families stand.
        order = np.argsort(-np.abs(totals), kind="stable")[: np.count_nonzero(totals)]
        return Weighed(
            tuple(order.tolist()), tuple(leading[order].tolist()), tuple(totals[order].tolist())
        )

    @cached_property
    def _first(self) -> NDArray[np.intp]:
        """The first feature of each family."""
        return np.array([family.places[0] for family in self.families], np.intp)

    @cached_property
    def _several(self) -> list[tuple[int, tuple[int, ...]]]:
        """The families of several features, and where these stand."""
        found = enumerate(family.places for family in self.families)
        return [(number, places) for number, places in found if len(places) > 1]

    def reasons(
        self,
        contributions: NDArray[np.float64],
        row: Mapping[str, Value],
        telling: Collection[str] = (),
    ) -> tuple[Reason, ...]:
        """Tell why one account has its score; as the function of this name."""
        weighed = self.weighed(contributions, telling)
        sentences = self.sentences(weighed.leading, row)
        return tuple(
            Reason(
                family=self.families[number].name,
                title=self.families[number].title,
                contribution=total,
                feature=self.features[leading],
                sentence=sentence,
                actionable=self.actionable[leading],
            )
            for number, leading, total, sentence in zip(
                weighed.families, weighed.leading, weighed.totals, sentences, strict=True
            )
        )

    def sentences(self, places: Sequence[int], row: Mapping[str, Value]) -> list[str]:
        """Say what the features that stand at some places say of an account."""
        names = [self.features[place] for place in places]
        if self.catalogue is None:
            return [f"{name} is {show(row[name], '')}" for name in names]
        return [sentence_of(self.catalogue.get(name), row, self.catalogue) for name in names]


def _title(family: str, members: int, catalogue: Catalogue | None) -> str:
    if catalogue is not None:
        return catalogue.titles[family]
    like = members - 1
    return family if not like else f"{family} and {like} like it"


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
    for name in _named(text):
        if name not in row:
            return f"{feature.description}: {shown['value']}"
        shown[name] = show(row[name], catalogue.get(name).entry.unit)
    return text.format_map(shown)


@lru_cache(maxsize=4096)
def _named(sentence: str) -> tuple[str, ...]:
    """Name the features that a sentence tells besides its own, each once."""
    names = (name for _, name, _, _ in string.Formatter().parse(sentence) if name is not None)
    return tuple(name for name in dict.fromkeys(names) if name != "value")


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
    if not isinstance(value, float):  # as most are
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
    size = abs(value)
    if size >= 1e15 or 0 < size < 0.005:
        return f"{value:.2g}"
    if size >= 100 or float(value).is_integer():
        return f"{value:z,.0f}"
    if unit == "ratio" or size < 1:
        return f"{value:.2f}"
    return f"{value:.1f}".removesuffix(".0")
