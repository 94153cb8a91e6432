"""Correlation: which features say so nearly the same that their reasons are told as one.

Trees that meet two such features use now this, now that, so that what either contributes is
half chance; what both contribute together is not.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

LEAST = 0.9  # of each two in a group
_KNOWN = 2_000  # rows where two are known that tell, at even steps: pairs have many sets of them


def told_together(
    features: Sequence[str],
    families: Sequence[str],
    matrix: Floats,
    categories: Sequence[bool],
    weight: Floats,
) -> dict[str, str]:
    """Tell under which family each feature is told: its own, or that of one that says the same.

    In a group any two features correlate by at least 0.9 in size, both over all rows and over those
    where both are known: what is missing together need not say the same where it is there. A group
    whose features are of several families goes to the family of its heaviest one.

    Parameters
    ----------
    features, families : sequence of str (n_features,)
        Their names and what they belong to.
    matrix : ndarray (n, n_features)
        Rows as the model sees them; nan where there is no value, the code of a category.
    categories : sequence of bool (n_features,)
        Whether a feature is a category, whose codes have no order.
    weight : ndarray (n_features,)
        How heavy each is, such as the mean size of what it contributes.

    Returns
    -------
    dict of str to str
        The family of every feature.
    """
    found = correlations(matrix, categories)
    group = _groups(np.minimum(found, _where_known(matrix, categories, found)))
    order = np.argsort(-weight, kind="stable").tolist()
    leading = {int(group[place]): families[place] for place in reversed(order)}
    return {name: leading[int(number)] for name, number in zip(features, group, strict=True)}


def correlations(matrix: Floats, categories: Sequence[bool]) -> Floats:
    """Tell how nearly features say the same, two by two (n_features, n_features), from 0 to 1.

    Of two numbers it is the size of Spearman's rank correlation; a missing value ranks below all.
    Of a category and a number it is the correlation ratio of the ranks, of two categories Cramér's
    V, both corrected for the number of values; a missing value is a category. A feature that never
    varies is like none.

    References
    ----------
    Spearman (1904), The proof and measurement of association between two things.
    Kelley (1935), An unbiased correlation ratio measure. PNAS 21, 554-559.
    Bergsma (2013), A bias-correction for Cramér's V and Tschuprow's T. JKSS 42, 323-328.
    """
    from scipy.stats import rankdata

    named = np.flatnonzero(categories)
    ranks = rankdata(np.where(np.isnan(matrix), -np.inf, matrix), axis=0)
    ranks -= ranks.mean(axis=0)
    size = np.sqrt(np.sum(ranks**2, axis=0))
    ranks = np.divide(ranks, size, out=np.zeros_like(ranks), where=size > 0)
    found = np.abs(ranks.T @ ranks)
    codes = {place: np.unique(matrix[:, place], return_inverse=True)[1] for place in named}
    for place, code in codes.items():
        ratio = _ratios(code, ranks)
        found[place, :] = found[:, place] = ratio
    for place, code in codes.items():
        for other, its in codes.items():
            found[place, other] = _cramer(code, its)
    np.fill_diagonal(found, 1.0)
    return np.asarray(np.clip(found, 0.0, 1.0))


def _where_known(matrix: Floats, categories: Sequence[bool], found: Floats) -> Floats:
    """Give `correlations` over the rows where both are known, of those that are near over all.

    Of features that never vary there, being known is all that either says; `found` holds for them.
    """
    # Many features are known for the same rows, and are ranked there at once.
    known, of = np.unique(~np.isnan(matrix), axis=1, return_inverse=True)
    near = of[np.argwhere(np.triu(found >= LEAST, 1))]
    told = found.copy()
    for one, other in sorted({(min(pair), max(pair)) for pair in near.tolist()}):
        both = np.flatnonzero(known[:, one] & known[:, other])
        if both.size == len(matrix):
            continue
        places = np.flatnonzero((of == one) | (of == other))
        rows = matrix[np.ix_(both[:: -(-both.size // _KNOWN) or 1], places)]
        varies = np.any(rows != rows[:1], axis=0)
        mine, theirs = of[places] == one, of[places] == other
        asked = np.outer(mine, theirs) | np.outer(theirs, mine)
        asked &= varies | varies[:, None]
        within = correlations(rows, [categories[place] for place in places.tolist()])
        told[np.ix_(places, places)] = np.where(asked, within, told[np.ix_(places, places)])
    return told


def _ratios(code: npt.NDArray[np.intp], ranks: Floats) -> Floats:
    """Give the correlation ratio of every column of ranks, each of mean 0 and length 1 or 0."""
    counts = np.bincount(code)
    rows, values = len(code), len(counts)
    if values < 2 or rows <= values:
        return np.zeros(ranks.shape[1])
    sums = np.zeros((values, ranks.shape[1]))
    np.add.at(sums, code, ranks)
    between = (sums**2 / counts[:, None]).sum(axis=0)
    corrected = 1 - (1 - between) * (rows - 1) / (rows - values)
    varies = np.any(ranks != 0, axis=0)
    return np.where(varies, np.sqrt(np.clip(corrected, 0, 1)), 0.0)


def _cramer(one: npt.NDArray[np.intp], two: npt.NDArray[np.intp]) -> float:
    """Give Cramér's V; by the pairs that are there, since a table of all may be too large."""
    rows, shape = len(one), (int(one.max()) + 1, int(two.max()) + 1)
    if rows < 2:
        return 0.0
    pairs, counts = np.unique(one * shape[1] + two, return_counts=True)
    of_one, of_two = np.bincount(one)[pairs // shape[1]], np.bincount(two)[pairs % shape[1]]
    phi = float(np.sum(counts**2 / (of_one * of_two))) - 1.0
    phi = max(0.0, phi - (shape[0] - 1) * (shape[1] - 1) / (rows - 1))
    left = [width - (width - 1) ** 2 / (rows - 1) for width in shape]
    return float(np.sqrt(phi / (min(left) - 1))) if min(left) > 1 else 0.0


def _groups(found: Floats) -> npt.NDArray[np.intp]:
    """Number groups in which any two correlate (complete linkage)."""
    from scipy.cluster.hierarchy import fcluster, linkage
    from scipy.spatial.distance import squareform

    if len(found) < 2:
        return np.zeros(len(found), dtype=np.intp)
    apart = 1.0 - (found + found.T) / 2
    np.fill_diagonal(apart, 0.0)
    tree = linkage(squareform(apart, checks=False), method="complete")
    return np.asarray(fcluster(tree, 1.0 - LEAST, criterion="distance"), dtype=np.intp)
