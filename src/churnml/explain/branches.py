"""Branches: what remains of a tree where only some of its leaves are told one by one.

Leaves that part late have most of what they ask in common. So each feature is asked where it is
settled: at the highest node of its path below which no such leaf asks it again. What is settled at
a node is a branch, which all leaves below share; a product along the path then costs each leaf only
what it has for itself, and so does the sum on the way back.

References
----------
Yu, Bifet, Read and Xu (2022), Linear tree Shap. NeurIPS 35: sums over leaves that share a path.
"""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass

from churnml.explain.forest import Cells, Tree

Asked = tuple[int, int, float]  # feature, the cells that satisfy it, as bits, and the weight


@dataclass(frozen=True)
class Branch:
    """What the leaves below a node share beyond what the branch above has.

    Parameters
    ----------
    level : int
        How many branches lie above.
    asked : tuple of Asked
        Features that are settled here, ascending, with all that their path asks of them.
    value : float
        What the leaf adds to the margin; 0 where further branches follow.
    """

    level: int
    asked: tuple[Asked, ...]
    value: float


@dataclass(frozen=True, eq=False)
class _Step:
    """A node or leaf (−1 − place) on the way down."""

    place: int
    asked: Mapping[int, tuple[int, float]]
    settled: frozenset[int]
    level: int


def branches(tree: Tree, cells: Mapping[int, Cells], wanted: Container[int]) -> Iterator[Branch]:
    """Give the branches to some leaves, each before those that follow it.

    Parameters
    ----------
    tree : Tree
        The tree.
    cells : mapping of int to Cells
        Of each feature.
    wanted : container of int
        The places of the leaves.
    """
    if not tree.nodes:
        return
    below = _asked_below(tree, wanted)
    waiting = [_Step(0, {}, frozenset(), 0)]
    while waiting:
        step = waiting.pop()
        again = below.get(step.place)
        if again is None:
            continue
        settled, level = step.settled, step.level
        here = sorted(step.asked.keys() - again - settled)
        if here:
            asked = tuple((feature, *step.asked[feature]) for feature in here)
            value = tree.values[-1 - step.place] if step.place < 0 else 0.0
            yield Branch(level, asked, value)
            settled, level = settled.union(here), level + 1
        if step.place >= 0:
            waiting += (
                _Step(child, asked_of, settled, level)
                for child, asked_of in tree.ways(step.place, step.asked, cells)
            )


def _asked_below(tree: Tree, wanted: Container[int]) -> dict[int, set[int]]:
    """Tell what is asked below each node and leaf that leads to a leaf that is wanted."""
    order, waiting = [], [0]
    while waiting:
        place = waiting.pop()
        order.append(place)
        if place >= 0:
            waiting += (tree.nodes[place].left, tree.nodes[place].right)
    below: dict[int, set[int]] = {}
    for place in reversed(order):
        if place < 0:
            if -1 - place in wanted:
                below[place] = set()
            continue
        node = tree.nodes[place]
        kept = [below[child] for child in (node.left, node.right) if child in below]
        if kept:
            below[place] = {node.feature}.union(*kept)
    return below
