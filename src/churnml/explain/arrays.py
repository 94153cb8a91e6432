"""Trees, groups and leaves laid out in arrays, as the compiled loops read them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from churnml.explain.branches import Branch
from churnml.explain.forest import Cells
from churnml.explain.groups import Classes, Group

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Numbers = npt.NDArray[np.uint32]  # half as long: a row goes through all of them
# Cells, and the rows of a table: both count to less than 2¹⁶, and what is narrow is fast.
Shorts = npt.NDArray[np.uint16]


class Columns(NamedTuple):
    """Features that the trees split on; see `churnml.explain.forest.Cells`.

    ``thresholds[begins[i] : begins[i + 1]]`` are those of column i, which is feature
    ``features[i]`` of the rows.
    """

    features: Ints
    begins: Ints
    thresholds: Floats
    n_codes: Ints
    zeros: Ints
    missing: Ints


class Tables(NamedTuple):
    """Groups of leaves and their tables; what is of group g begins at ``…_begins[g]``.

    The row of a group's table is the sum, modulo 2¹⁶, of the `steps` of all terms of which the
    column ``term_columns`` has a cell at or above `bounds`. It holds what the group contributes to
    each of its `columns`.
    """

    term_begins: Ints
    term_columns: Numbers
    bounds: Shorts
    steps: Shorts
    begins: Ints
    columns: Numbers
    value_begins: Ints
    values: Floats


class Paths(NamedTuple):
    """Branches that lead to leaves without a table; see `churnml.explain.branches`.

    Branch b asks the columns from ``begins[b]`` on, of weights `weights`. A row satisfies a column
    where the steps of its terms, as in `Tables`, add up to 1. Leaves of its tree are integrated at
    ``n_nodes[b]`` nodes. The `deepest` tell how many levels, nodes, and columns on the way to a
    leaf there are at most.
    """

    levels: Ints
    n_nodes: Ints
    values: Floats
    begins: Ints
    columns: Ints
    weights: Floats
    term_begins: Ints
    bounds: Shorts
    steps: Shorts
    deepest: Ints


class Contents(NamedTuple):
    """What tables are filled from: the leaves of groups; group g has those from ``begins[g]`` on.

    Column i of all groups has ``radices[i]`` classes. Leaf l asks what begins at
    ``asked_begins[l]``: places of columns within its group, the classes that satisfy it, as bits,
    and the share of training's rows that do.
    """

    begins: Ints
    radices: Ints
    values: Floats
    asked_begins: Ints
    places: Ints
    classes: npt.NDArray[np.uint64]
    weights: Floats


class Quadrature(NamedTuple):
    """Gauss and Legendre's nodes and weights on 0 to 1; those of n nodes begin at ``begins[n]``."""

    begins: Ints
    nodes: Floats
    weights: Floats


def columns_of(cells: Mapping[int, Cells]) -> Columns:
    """Lay out the cells of features."""
    known = list(cells.values())
    return Columns(
        features=_whole(cells),
        begins=_begins(item.thresholds.size for item in known),
        thresholds=np.concatenate([np.empty(0), *(item.thresholds for item in known)]),
        n_codes=_whole(item.n_codes for item in known),
        zeros=_whole(item.zero for item in known),
        missing=_whole(item.missing for item in known),
    )


def tables_of(groups: Sequence[Group], places: Mapping[int, int]) -> Tables:
    """Lay out groups; the values of their tables are zeros as yet.

    Parameters
    ----------
    groups : sequence of Group
        The groups.
    places : mapping of int to int
        The column of each feature.
    """
    term_begins, term_columns = [0], []
    terms: list[tuple[int, int]] = []
    for group in groups:
        stride = 1
        for feature, classes in group.classes.items():
            found = _terms(classes, stride)
            terms += found
            term_columns += [places[feature]] * len(found)
            stride *= len(classes)
        term_begins.append(len(terms))
    value_begins = _begins(group.rows * len(group.classes) for group in groups)
    return Tables(
        term_begins=_whole(term_begins),
        term_columns=_numbers(term_columns),
        bounds=_short(bound for bound, _ in terms),
        steps=_short(step for _, step in terms),
        begins=_begins(len(group.classes) for group in groups),
        columns=_numbers(places[feature] for group in groups for feature in group.classes),
        value_begins=value_begins,
        values=np.zeros(value_begins[-1]),
    )


def contents_of(groups: Sequence[Group]) -> Contents:
    """Lay out the leaves of groups."""
    leaves = [leaf for group in groups for leaf in group.leaves]
    places: list[int] = []
    classes: list[int] = []
    for group in groups:
        order = {feature: place for place, feature in enumerate(group.classes)}
        for leaf in group.leaves:
            places += [order[feature] for feature in leaf.features]
            classes += [
                sum(bool(part & mask) << bit for bit, part in enumerate(group.classes[feature]))
                for feature, mask in zip(leaf.features, leaf.cells, strict=True)
            ]
    return Contents(
        begins=_begins(len(group.leaves) for group in groups),
        radices=_whole(len(parts) for group in groups for parts in group.classes.values()),
        values=np.array([leaf.value for leaf in leaves], np.float64),
        asked_begins=_begins(len(leaf.features) for leaf in leaves),
        places=_whole(places),
        classes=np.array(classes, np.uint64),
        weights=np.array([share for leaf in leaves for share in leaf.weights], np.float64),
    )


def paths_of(
    trees: Sequence[Sequence[Branch]], whole: Mapping[int, int], places: Mapping[int, int]
) -> Paths:
    """Lay out branches that lead to leaves without a table.

    Parameters
    ----------
    trees : sequence of sequence of Branch
        Of each tree.
    whole : mapping of int to int
        All cells of each feature, as bits.
    places : mapping of int to int
        The column of each feature.
    """
    depths = [_depth(tree) for tree in trees]
    nodes = [(depth + 1) // 2 for depth in depths]
    found = [branch for tree in trees for branch in tree]
    asked = [item for branch in found for item in branch.asked]
    terms = [_terms((whole[feature] & ~mask, mask), 1) for feature, mask, _ in asked]
    levels = [branch.level for branch in found]
    deepest = max(levels, default=-1) + 1, max(nodes, default=0), max(depths, default=0)
    return Paths(
        levels=_whole(levels),
        n_nodes=_whole(n for n, tree in zip(nodes, trees, strict=True) for _ in tree),
        values=np.array([branch.value for branch in found], np.float64),
        begins=_begins(len(branch.asked) for branch in found),
        columns=_whole(places[feature] for feature, _, _ in asked),
        weights=np.array([weight for _, _, weight in asked], np.float64),
        term_begins=_begins(map(len, terms)),
        bounds=_short(bound for item in terms for bound, _ in item),
        steps=_short(step for item in terms for _, step in item),
        deepest=_whole(deepest),
    )


def _depth(branches: Sequence[Branch]) -> int:
    """Count the columns on the way to the leaf that has most."""
    most = 0
    above: list[int] = []
    for branch in branches:
        del above[branch.level :]
        above.append(len(branch.asked))
        most = max(most, sum(above))
    return most


def quadrature(most_features: int) -> Quadrature:
    """Give the nodes that integrate a leaf of so many features exactly, and of fewer."""
    counts = range(1, (most_features + 1) // 2 + 1)
    found = [np.polynomial.legendre.leggauss(count) for count in counts]
    return Quadrature(
        begins=_begins([0, *counts]),
        nodes=np.concatenate([np.empty(0), *((nodes + 1) / 2 for nodes, _ in found)]),
        weights=np.concatenate([np.empty(0), *(weights / 2 for _, weights in found)]),
    )


def _terms(classes: Classes, stride: int) -> list[tuple[int, int]]:
    """Tell at which cells, going up, the class changes, and by how much the sum of steps does."""
    turns = 0
    for part in classes:
        turns |= part & ~(part << 1)
    found, before = [], 0
    while turns:
        first = turns & -turns
        now = next(place for place, part in enumerate(classes) if part & first)
        if now != before:
            found.append((first.bit_length() - 1, (now - before) * stride))
        before, turns = now, turns ^ first
    return found


def _whole(numbers: Iterable[int]) -> Ints:
    return np.fromiter(numbers, np.int64)


def _numbers(numbers: Iterable[int]) -> Numbers:
    return np.fromiter(numbers, np.uint32)


def _short(numbers: Iterable[int]) -> Shorts:
    return np.fromiter(numbers, np.int64).astype(np.uint16)


def _begins(lengths: Iterable[int]) -> Ints:
    return np.cumsum(np.fromiter((0, *lengths), np.int64))
