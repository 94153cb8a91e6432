"""What would lower the risk: the smallest change that somebody could work for, a tier down.

Values are never made up. What can be acted on in a family of features is taken over together from
an account that the model learnt from, of one family, then of two, then of three, until the model
gives the account a lower tier.

References
----------
Wachter, Mittelstadt and Russell (2018), Counterfactual explanations without opening the black box.
Harvard Journal of Law & Technology 31, 841-887: the nearest change that alters a decision.
Poyiadzi et al. (2020), FACE: feasible and actionable counterfactual explanations. AIES, 344-350:
only through what was seen.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations, product

import numpy as np
import pyarrow as pa

from churnml.actions.tiers import RiskTier, RiskTiers
from churnml.errors import DataError
from churnml.explain.reasons import Value, sentence_of
from churnml.explain.reference import Floats, Ints, Reference

Probability = Callable[[pa.Table], Floats]
Origins = tuple[tuple[int, int], ...]  # of each family that moves: its lever, and the row it is of

MOST_FAMILIES = 3
_ALIKE = 2000  # rows that values may be taken from
_FRONT = 6  # ways to move a family that are tried together with those of others
_TOLD = 3  # features a family


@dataclass(frozen=True)
class Move:
    """One feature that would be another.

    Parameters
    ----------
    feature : str
        Which.
    before, after : float, bool, str, date, datetime or None
        Its values.
    cost : float
        The share of accounts that lies between the two.
    now, then : str
        What they say of the account.
    """

    feature: str
    before: Value
    after: Value
    cost: float
    now: str
    then: str


@dataclass(frozen=True)
class FamilyMove:
    """What would be another of one family.

    Parameters
    ----------
    family, title : str
        The family, and what it is called before people.
    moves : tuple of Move
        Every feature that changes, the farthest first.
    sentence : str
        The farthest of them, in the account's numbers.
    """

    family: str
    title: str
    moves: tuple[Move, ...]
    sentence: str


@dataclass(frozen=True)
class Lowered:
    """A change after which the model gives a lower tier.

    Parameters
    ----------
    probability : float
        What the model gives then.
    tier : RiskTier
        Its tier.
    cost : float
        Sum of the shares of accounts that lie between each feature's two values.
    changes : tuple of FamilyMove
        Family by family, in the catalogue's order.
    """

    probability: float
    tier: RiskTier
    cost: float
    changes: tuple[FamilyMove, ...]


@dataclass(frozen=True)
class Counterfactual:
    """What would lower one account's risk.

    Parameters
    ----------
    probability : float
        What the model gives.
    tier : RiskTier
        Its tier.
    lowered : Lowered, optional
        The smallest change to a lower tier; none where the tier is the lowest, or nothing that
        accounts like this one showed leads there.
    sentence : str
        All of it before people: what the model says, not what would come of it.
    """

    probability: float
    tier: RiskTier
    lowered: Lowered | None
    sentence: str


@dataclass(frozen=True, eq=False)
class _Ways:
    """Rows that the account could turn into, and what it would take."""

    rows: Floats
    origins: tuple[Origins, ...]
    cost: Floats
    probability: Floats


def lower_risk(
    row: pa.Table, reference: Reference, score: Probability, tiers: RiskTiers
) -> Counterfactual:
    """Find the smallest change of what can be acted on that moves an account a tier down.

    Parameters
    ----------
    row : pyarrow.Table
        The account: one row, with every feature of the model.
    reference : Reference
        What the model learnt from: where values are taken from, and what is possible.
    score : callable
        Gives the calibrated probabilities (n,) of rows with every feature, such as
        ``lambda rows: bundle.score(rows).probability``.
    tiers : RiskTiers
        Where tiers begin.

    Returns
    -------
    Counterfactual
        With the fewest families that suffice, three at most, and of their changes that of the
        least cost. The same arguments give the same answer.

    Raises
    ------
    DataError
        If there is not one row, or it lacks a feature.
    """
    if row.num_rows != 1:
        raise DataError(f"{row.num_rows} rows; expected the one account that is asked about.")
    order = list(RiskTier)
    search = _Search(row, reference, score, reference.encoded(row)[0])
    probability = float(score(row)[0])
    (tier,) = tiers.tiers(np.array([probability]))
    if tier is order[0]:
        return Counterfactual(probability, tier, None, _already(probability, tier))
    for ways in search.ways(probability):
        reached = np.array([order.index(name) for name in tiers.tiers(ways.probability)], np.intp)
        lower = np.flatnonzero(reached < order.index(tier))
        if lower.size:
            best = int(lower[np.argmin(ways.cost[lower])])
            lowered = search.told(ways, best, order[reached[best]])
            return Counterfactual(probability, tier, lowered, _says(probability, tier, lowered))
    return Counterfactual(probability, tier, None, _nothing(probability, tier))


@dataclass(frozen=True, eq=False)
class _Search:
    """The search for one account.

    Parameters
    ----------
    row, reference, score
        As for `lower_risk`.
    own : ndarray (n_features,)
        The account's values, encoded.
    """

    row: pa.Table
    reference: Reference
    score: Probability
    own: Floats

    def ways(self, probability: float) -> Iterator[_Ways]:
        """Give the ways to move one family, then two, then three, by families."""
        singles = self._scored(
            [
                ((lever, donor),)
                for lever in range(len(self.reference.levers.families))
                for donor in self._donors(lever)
            ]
        )
        yield singles
        fronts = _fronts(singles, probability)
        for many in range(2, min(MOST_FAMILIES, len(fronts)) + 1):
            yield self._scored(
                [
                    tuple(origin for origins in chosen for origin in origins)
                    for together in combinations(fronts, many)
                    for chosen in product(*together)
                ]
            )

    @cached_property
    def _by_likeness(self) -> Ints:
        return self.reference.by_likeness(self.own)

    def _donors(self, lever: int) -> list[int]:
        """Find the rows that the values of a family may be taken from, the most alike first."""
        counts = self.reference.places(self.reference.levers.families[lever].counts)
        order = self._by_likeness
        agreeing = self.reference.agreeing(self.own, counts)
        return [int(row) for row in order[agreeing[order]][:_ALIKE]]

    def told(self, ways: _Ways, place: int, tier: RiskTier) -> Lowered:
        """Tell one of the ways."""
        reference, row = self.reference, ways.rows[[place]]
        catalogue = reference.catalogue
        before, after = self.row.to_pylist()[0], reference.framed(self.row, row).to_pylist()[0]
        changed = np.flatnonzero((row[0] != self.own) & ~np.isnan(row[0]))
        costs = reference.distance(self.own, row, changed)[0].tolist()
        families: dict[str, list[Move]] = {}
        for at, cost in zip(changed, costs, strict=True):
            feature = catalogue.get(reference.features[at])
            move = Move(
                feature.name,
                before[feature.name],
                after[feature.name],
                cost,
                sentence_of(feature, before, catalogue),
                sentence_of(feature, after, catalogue),
            )
            families.setdefault(feature.family, []).append(move)
        changes = tuple(
            _change(family, catalogue.titles[family], moves) for family, moves in families.items()
        )
        probability = float(ways.probability[place])
        return Lowered(probability, tier, float(ways.cost[place]), changes)

    def _scored(self, origins: list[Origins]) -> _Ways:
        """Move the account each way, keep what is possible, and score it in one batch."""
        rows = self._moved(origins)
        kept = np.flatnonzero(self.reference.possible(self.own, rows))
        rows = rows[kept]
        movable = self.reference.places(self.reference.levers.movable)
        cost = self.reference.distance(self.own, rows, movable).sum(axis=1)
        probability = (
            np.asarray(self.score(self.reference.framed(self.row, rows)), np.float64)
            if len(rows)
            else np.empty(0)
        )
        return _Ways(rows, tuple(origins[place] for place in kept), cost, probability)

    def _moved(self, origins: list[Origins]) -> Floats:
        """Take the values of each family over from its row, and compute what depends on them."""
        reference = self.reference
        rows = np.tile(self.own, (len(origins), 1))
        by_lever: dict[int, list[tuple[int, int]]] = {}
        for place, several in enumerate(origins):
            for lever, donor in several:
                by_lever.setdefault(lever, []).append((place, donor))
        for lever, pairs in by_lever.items():
            at, donors = np.array(pairs, np.intp).T
            columns = reference.places(reference.levers.families[lever].features)
            rows[np.ix_(at, columns)] = reference.matrix[np.ix_(donors, columns)]
        reference.compute(self.own, rows)
        return rows


def _fronts(singles: _Ways, probability: float) -> list[list[Origins]]:
    """Keep of each family the ways that no cheaper one of it does better than, a few of them."""
    kept: dict[int, list[Origins]] = {}
    least: dict[int, float] = {}
    for place in np.lexsort((singles.probability, singles.cost)):
        ((lever, _),) = origins = singles.origins[place]
        if singles.probability[place] < least.get(lever, probability):
            least[lever] = float(singles.probability[place])
            kept.setdefault(lever, []).append(origins)
    return [_some(front) for _, front in sorted(kept.items())]


def _some(front: list[Origins]) -> list[Origins]:
    if len(front) <= _FRONT:
        return front
    return [front[place] for place in np.linspace(0, len(front) - 1, _FRONT).round().astype(int)]


def _change(family: str, title: str, moves: list[Move]) -> FamilyMove:
    ordered = tuple(sorted(moves, key=lambda move: (-move.cost, move.feature)))
    told = "; ".join(f"{move.then} (now: {move.now})" for move in ordered[:_TOLD])
    return FamilyMove(family, title, ordered, told)


def _standing(probability: float, tier: RiskTier) -> str:
    return f"{probability:.1%} ({tier})"


def _already(probability: float, tier: RiskTier) -> str:
    return f"The model gives this account {_standing(probability, tier)}: no tier is lower."


def _nothing(probability: float, tier: RiskTier) -> str:
    return (
        f"The model gives this account {_standing(probability, tier)}. Nothing that somebody can "
        f"act on in up to {MOST_FAMILIES} families, as accounts like this one showed it, goes with "
        "a lower tier."
    )


def _says(probability: float, tier: RiskTier, lowered: Lowered) -> str:
    changes = " ".join(f"{change.title}: {change.sentence}." for change in lowered.changes)
    return (
        f"The model gives this account {_standing(probability, tier)}. To one like it in all else "
        f"it gives {_standing(lowered.probability, lowered.tier)} with {changes} That is what goes "
        "with a lower score, not what would come of it."
    )
