"""Leaves grouped so that one look into a table tells what all of a group contribute.

What a leaf contributes depends only on which of its path's features a row satisfies. So the leaves
that stand side by side in a tree make a group: of each feature that they ask, its cells are parted
into classes that no leaf of the group tells apart, and the classes of all features together number
the rows of the group's table. Larger groups take fewer steps and larger tables.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from churnml.explain.forest import Leaf

# A table of a group has a row for each pattern of a leaf's features, and more where it has more.
MOST_FEATURES = 12
_MOST_ROWS = 2**MOST_FEATURES
_MOST_CLASSES = 64  # of a feature: they are kept as bits
_MOST_LEAVES = 31

# What a group costs a row: itself, and each feature (nanoseconds, about).
_A_GROUP, _A_FEATURE = 4.0, 1.2
# And a leaf without a table, at the end of a path that it shares with others.
_A_LEAF = 24.0
# And each byte of a table, since it may not be in the processor's cache; raised where tables would
# take more than they may.
_A_BYTE, _DEARER = 1e-4, 1.25
_A_NUMBER = 8  # bytes

Classes = tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Group:
    """Leaves side by side, and the classes that they part features into.

    Parameters
    ----------
    leaves : tuple of Leaf
        The leaves.
    classes : mapping of int to tuple of int
        For each feature that they ask, its classes, each the bits of its cells; the first holds
        cell 0.
    """

    leaves: tuple[Leaf, ...]
    classes: Mapping[int, Classes]

    @property
    def rows(self) -> int:
        """Rows of its table: the combinations of classes."""
        return math.prod(map(len, self.classes.values()))


@dataclass(frozen=True)
class _Table:
    """How large a table of leaves from `begin` to before `end` would be."""

    begin: int
    end: int
    rows: int
    features: int

    @property
    def nbytes(self) -> int:
        return self.rows * self.features * _A_NUMBER


@dataclass(frozen=True, eq=False)
class Grouping:
    """How the leaves of a forest are told.

    Parameters
    ----------
    groups : tuple of Group
        By a table, in the order of trees.
    singles : tuple of Leaf
        By quadrature.
    """

    groups: tuple[Group, ...]
    singles: tuple[Leaf, ...]


def grouped(
    trees: Sequence[Sequence[Leaf]], whole: Mapping[int, int], most_bytes: int
) -> list[Grouping]:
    """Group the leaves of each tree at the least cost.

    Parameters
    ----------
    trees : sequence of sequence of Leaf
        The leaves of each tree, from left to right.
    whole : mapping of int to int
        All cells of each feature, as bits.
    most_bytes : int
        What all tables together may take.

    Returns
    -------
    list of Grouping
        Of each tree.
    """
    tables = [_possible(found, whole) for found in trees]
    a_byte = _A_BYTE
    while True:
        chosen = [
            _cheapest(found, possible, a_byte)
            for found, possible in zip(trees, tables, strict=True)
        ]
        if sum(table.nbytes for tree in chosen for table in tree) <= most_bytes:
            break
        a_byte *= _DEARER
    return [_grouping(found, tree, whole) for found, tree in zip(trees, chosen, strict=True)]


def _possible(found: Sequence[Leaf], whole: Mapping[int, int]) -> list[list[_Table]]:
    """Tell the tables that could be, by where they begin."""
    possible = []
    for begin in range(len(found)):
        tables: list[_Table] = []
        classes: dict[int, Classes] = {}
        for end in range(begin + 1, min(len(found), begin + _MOST_LEAVES) + 1):
            leaf = found[end - 1]
            _refine(classes, leaf, whole)
            rows = math.prod(map(len, classes.values()))
            most = max(map(len, classes.values()))
            if rows > _MOST_ROWS or most > _MOST_CLASSES or len(leaf.features) > MOST_FEATURES:
                break
            tables.append(_Table(begin, end, rows, len(classes)))
        possible.append(tables)
    return possible


def _refine(classes: dict[int, Classes], leaf: Leaf, whole: Mapping[int, int]) -> None:
    """Part classes further, so that a leaf tells none of a class apart."""
    for feature, mask in zip(leaf.features, leaf.cells, strict=True):
        parts: list[int] = []
        for known in classes.get(feature) or (whole[feature],):
            inside = known & mask
            if inside and inside != known:
                parts += (inside, known ^ inside)
            else:
                parts.append(known)
        classes[feature] = tuple(parts)


def _cheapest(
    found: Sequence[Leaf], possible: Sequence[Sequence[_Table]], a_byte: float
) -> list[_Table]:
    """Choose tables of the least cost by dynamic programming; leaves in none have no table."""
    reached = [0.0] + [math.inf] * len(found)
    last: list[_Table | None] = [None] * (len(found) + 1)
    for begin in range(len(found)):
        alone = reached[begin] + _A_LEAF
        if alone < reached[begin + 1]:
            reached[begin + 1], last[begin + 1] = alone, None
        for table in possible[begin]:
            cost = _A_GROUP + _A_FEATURE * table.features + a_byte * table.nbytes
            if reached[begin] + cost < reached[table.end]:
                reached[table.end], last[table.end] = reached[begin] + cost, table
    chosen = []
    end = len(found)
    while end > 0:
        taken = last[end]
        if taken is not None:
            chosen.append(taken)
        end = end - 1 if taken is None else taken.begin
    return chosen[::-1]


def _grouping(
    found: Sequence[Leaf], tables: Sequence[_Table], whole: Mapping[int, int]
) -> Grouping:
    groups = []
    for table in tables:
        classes: dict[int, Classes] = {}
        for leaf in found[table.begin : table.end]:
            _refine(classes, leaf, whole)
        ordered = {
            feature: tuple(sorted(parts, key=lambda part: part & -part))
            for feature, parts in classes.items()
        }
        groups.append(Group(tuple(found[table.begin : table.end]), ordered))
    told = {place for table in tables for place in range(table.begin, table.end)}
    singles = tuple(leaf for place, leaf in enumerate(found) if place not in told)
    return Grouping(tuple(groups), singles)
