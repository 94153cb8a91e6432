"""Branches of a tree by hand.

::

    x < 1? ── yes ── y < 1? ── yes ── leaf 0
      │                └────── no ─── x < 0? ── yes ── leaf 1
      │                                 └───── no ──── leaf 2
      └────── no ─── leaf 3
"""

from __future__ import annotations

from churnml.explain.branches import Branch, branches
from churnml.explain.forest import Node, Tree, cells_of

X, Y = 0, 1


def node(feature: int, threshold: float, left: int, right: int, count: int) -> Node:
    return Node(feature, threshold, -1, 0, default_left=False, left=left, right=right, count=count)


TREE = Tree(
    nodes=(node(X, 1.0, 1, -4, 100), node(Y, 1.0, -1, 2, 80), node(X, 0.0, -2, -3, 60)),
    values=(0.1, 0.2, 0.3, 0.4),
    counts=(20, 15, 45, 20),
)
CELLS = cells_of([TREE])
LOW_X, MIDDLE_X, HIGH_X = 0b001, 0b010, 0b100  # up to 0, up to 1, above
LOW_Y, HIGH_Y = 0b01, 0b10


def found(*wanted: int) -> list[Branch]:
    return list(branches(TREE, CELLS, set(wanted)))


def test_what_leaves_share_is_asked_once() -> None:
    assert found(1, 2) == [
        Branch(0, ((Y, HIGH_Y, 0.75),), 0.0),
        Branch(1, ((X, LOW_X, 0.8 * 0.25),), 0.2),
        Branch(1, ((X, MIDDLE_X, 0.8 * 0.75),), 0.3),
    ]


def test_a_feature_is_settled_where_no_leaf_asks_it_again() -> None:
    # x is asked again on the way to leaf 1, but not to leaf 0.
    assert found(0, 1) == [
        Branch(0, ((X, LOW_X | MIDDLE_X, 0.8), (Y, LOW_Y, 0.25)), 0.1),
        Branch(0, ((Y, HIGH_Y, 0.75),), 0.0),
        Branch(1, ((X, LOW_X, 0.8 * 0.25),), 0.2),
    ]


def test_a_leaf_by_itself_is_one_branch() -> None:
    assert found(3) == [Branch(0, ((X, HIGH_X, 0.2),), 0.4)]
    assert found() == []
    assert list(branches(Tree((), (0.5,), (0,)), {}, {0})) == []
