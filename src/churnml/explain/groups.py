"""Leaves grouped so that one look into a table tells what all of a group contribute.

What a leaf contributes depends only on which of its path's features a row satisfies. So the leaves
that stand side by side in a tree make a group: of each feature that they ask, its cells are parted
into classes that no leaf of the group tells apart, and the classes of all features together number
the rows of the group's table.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from churnml.explain.forest import Leaf

# Classes of one feature are kept as bits of 64.
_MOST_CLASSES = 64
_MOST_LEAVES = 31

# What a group costs a row: itself, each feature, each byte of its table (nanoseconds, measured).
_A_GROUP, _A_FEATURE, _A_BYTE = 2.0, 1.0, 1e-4
# And a leaf without a table: each feature at each node of the quadrature.
_A_FACTOR = 1.5

Classes = list[int]


@dataclass(frozen=True, eq=False)
class Group:
    """Leaves side by side, and the classes that they part features into.

    Parameters
    ----------
    leaves : tuple of Leaf
        The leaves.
    classes : mapping of int to list of int
        For each feature that they ask, its classes, each the bits of its cells.
    """

    leaves: tuple[Leaf, ...]
    classes: dict[int, Classes]

    @property
    def rows(self) -> int:
        """Rows of its table: the combinations of classes."""
        rows = 1
        for found in self.classes.values():
            rows *= len(found)
        return rows

    @property
    def size(self) -> int:
        """Numbers in its table."""
        return self.rows * len(self.classes)


def grouped(
    found: Sequence[Leaf], whole: dict[int, int], most_rows: int
) -> tuple[list[Group], list[Leaf]]:
    """Group a tree's leaves at the least cost.

    Parameters
    ----------
    found : sequence of Leaf
        All leaves of a tree, from left to right.
    whole : mapping of int to int
        All cells of each feature, as bits.
    most_rows : int
        Rows that a table may have.

    Returns
    -------
    groups : list of Group
        The groups.
    single : list of Leaf
        Leaves whose table would be too large.
    """
    # The cheapest way to part the first leaves, for each number of them, by dynamic programming.
    reached = [0.0] + [math.inf] * len(found)
    last: list[tuple[int, Group | None]] = [(0, None)] * (len(found) + 1)
    for begin, first in enumerate(found):
        alone = reached[begin] + _cost_alone(first)
        if alone < reached[begin + 1]:
            reached[begin + 1], last[begin + 1] = alone, (begin, None)
        classes: dict[int, Classes] = {}
        for end in range(begin + 1, min(len(found), begin + _MOST_LEAVES) + 1):
            classes = _refined(classes, found[end - 1], whole)
            group = Group(tuple(found[begin:end]), classes)
            if group.rows > most_rows or max(map(len, classes.values())) > _MOST_CLASSES:
                break
            cost = reached[begin] + _cost(group)
            if cost < reached[end]:
                reached[end], last[end] = cost, (begin, group)
    groups: list[Group] = []
    single: list[Leaf] = []
    end = len(found)
    while end > 0:
        begin, chosen = last[end]
        if chosen is None:
            single.append(found[begin])
        else:
            groups.append(chosen)
        end = begin
    return groups[::-1], single[::-1]


def _refined(classes: dict[int, Classes], leaf: Leaf, whole: dict[int, int]) -> dict[int, Classes]:
    """Part classes further, so that a leaf tells none of a class apart."""
    finer = dict(classes)
    for feature, mask in zip(leaf.features, leaf.cells, strict=True):
        parts = [
            part
            for known in classes.get(feature, [whole[feature]])
            for part in (known & mask, known & ~mask)
            if part
        ]
        finer[feature] = parts
    return finer


def _cost(group: Group) -> float:
    return _A_GROUP + _A_FEATURE * len(group.classes) + _A_BYTE * 8 * group.size


def _cost_alone(leaf: Leaf) -> float:
    n_features = len(leaf.features)
    return _A_GROUP + _A_FACTOR * n_features * ((n_features + 1) // 2)
