"""Boosted trees read from LightGBM's text: which values of a feature go which way."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from churnml.errors import BundleError

Floats = npt.NDArray[np.float64]
# Of each feature that was asked: the cells that satisfy all of it, as bits, and the share of
# training's rows that pass.
Path = Mapping[int, tuple[int, float]]

# What LightGBM takes for zero: its kZeroThreshold, a single-precision number.
ZERO = float(np.float32(1e-35))

# Bits of LightGBM's decision_type; the two above them tell what counts as missing.
_CATEGORY, _DEFAULT_LEFT = 1, 2
_NONE, _ZERO, _NAN = 0, 1, 2

_MOST_CELLS = 2**16  # of a feature: they are numbered by 16 bits


@dataclass(frozen=True, eq=False)
class Node:
    """A split.

    Parameters
    ----------
    feature : int
        Position of what it looks at.
    threshold : float
        Numbers up to it go left; of a category it means nothing.
    left_codes : int
        Codes of a category that go left, as bits; −1 for numbers.
    missing : int
        What counts as missing: nothing (0), zero and NaN (1), NaN (2).
    default_left : bool
        Where that goes.
    left, right : int
        Nodes, or leaves as −1 − place.
    count : int
        Rows of training that came by.
    """

    feature: int
    threshold: float
    left_codes: int
    missing: int
    default_left: bool
    left: int
    right: int
    count: int


@dataclass(frozen=True, eq=False)
class Tree:
    """A tree; its root is the first node, or the only leaf.

    Parameters
    ----------
    nodes : tuple of Node
        Splits.
    values : tuple of float
        What each leaf adds to the margin.
    counts : tuple of int
        Rows of training in each leaf.
    """

    nodes: tuple[Node, ...]
    values: tuple[float, ...]
    counts: tuple[int, ...]

    @property
    def mean(self) -> float:
        """Mean value over the rows of training."""
        if not self.nodes:
            return self.values[0]
        pairs = zip(self.values, self.counts, strict=True)
        return sum(value * count for value, count in pairs) / self.nodes[0].count

    def rows(self, place: int) -> int:
        """Count the rows of training in a node, or in a leaf given as −1 − place."""
        return self.counts[-1 - place] if place < 0 else self.nodes[place].count

    def ways(
        self, place: int, path: Path, cells: Mapping[int, Cells]
    ) -> tuple[tuple[int, Path], tuple[int, Path]]:
        """Give what follows a node, right before left, and the paths that lead there."""
        node = self.nodes[place]
        known = cells[node.feature]
        left = known.left(node)
        mask, weight = path.get(node.feature, (known.all, 1.0))

        def asked(child: int, side: int) -> tuple[int, Path]:
            share = self.rows(child) / node.count
            return child, {**path, node.feature: (mask & side, weight * share)}

        return asked(node.right, known.all & ~left), asked(node.left, left)


def read(text: str) -> tuple[Tree, ...]:
    """Read a model that `churnml.training.trees.check` has found sound.

    Parameters
    ----------
    text : str
        What LightGBM wrote.

    Raises
    ------
    BundleError
        If a tree is linear: shares of its margin are not defined by counts alone.
    """
    body = text.split("\nend of trees", 1)[0]
    return tuple(_tree(block) for block in body.split("\nTree=")[1:])


def _tree(block: str) -> Tree:
    fields = dict(line.split("=", 1) for line in block.splitlines()[1:] if "=" in line)
    if fields.get("is_linear", "0") != "0":
        raise BundleError("a tree is linear; only trees with constant leaves can be explained.")
    values = tuple(map(float, fields["leaf_value"].split()))
    if len(values) == 1:
        return Tree((), values, (0,))
    sets = _sets(fields) if int(fields["num_cat"]) else ()
    columns = (
        map(int, fields["split_feature"].split()),
        map(float, fields["threshold"].split()),
        map(int, fields["decision_type"].split()),
        map(int, fields["left_child"].split()),
        map(int, fields["right_child"].split()),
        map(int, fields["internal_count"].split()),
    )
    nodes = tuple(
        Node(
            feature=feature,
            threshold=threshold,
            left_codes=sets[int(threshold)] if kind & _CATEGORY else -1,
            missing=kind >> 2 & 3,
            default_left=bool(kind & _DEFAULT_LEFT),
            left=left,
            right=right,
            count=count,
        )
        for feature, threshold, kind, left, right, count in zip(*columns, strict=True)
    )
    return Tree(nodes, values, tuple(map(int, fields["leaf_count"].split())))


def _sets(fields: dict[str, str]) -> tuple[int, ...]:
    """Read each set of codes as the bits of one whole number."""
    words = list(map(int, fields["cat_threshold"].split()))
    bounds = list(map(int, fields["cat_boundaries"].split()))
    return tuple(
        sum(word << 32 * place for place, word in enumerate(words[low:high]))
        for low, high in pairwise(bounds)
    )


@dataclass(frozen=True, eq=False)
class Cells:
    """The values of one feature, parted so finely that no split tells those of one cell apart.

    Of numbers, cell ``i`` holds those above ``i`` thresholds; zero and what is missing may have
    cells of their own behind these. Of a category, cell ``i`` holds code ``i``, and the last cell
    all else.

    Parameters
    ----------
    thresholds : ndarray
        Of all splits, ascending, each once; empty for a category.
    n_codes : int
        Codes that some split names, and those below them; −1 for numbers.
    zero, missing : int
        The cells of zero and of NaN.
    size : int
        How many cells there are.
    """

    thresholds: Floats
    n_codes: int
    zero: int
    missing: int
    size: int

    @classmethod
    def of(cls, nodes: Sequence[Node]) -> Cells:
        """Part the values of a feature by all the splits on it."""
        if len({node.left_codes >= 0 for node in nodes}) > 1:
            raise BundleError(
                f"feature {nodes[0].feature} is split as a number and as a category; expected one "
                "of them in all trees."
            )
        if nodes[0].left_codes >= 0:
            n_codes = max(node.left_codes.bit_length() for node in nodes)
            if n_codes >= _MOST_CELLS:
                raise BundleError(
                    f"feature {nodes[0].feature} has {n_codes:,} categories; fewer than "
                    f"{_MOST_CELLS:,} can be told apart. Leave it out, or group them."
                )
            return cls(np.empty(0), n_codes, n_codes, n_codes, n_codes + 1)
        thresholds = np.unique([node.threshold for node in nodes])
        if thresholds.size > _MOST_CELLS - 3:
            raise BundleError(
                f"feature {nodes[0].feature} is split at {thresholds.size:,} values; at most "
                f"{_MOST_CELLS - 3:,} can be told apart. Train with a smaller max_bin."
            )
        zero = missing = int(np.searchsorted(thresholds, 0.0))
        size = thresholds.size + 1
        if any(node.missing == _ZERO for node in nodes):
            zero = missing = size
            size += 1
        if any(node.missing != _NONE for node in nodes):
            missing = size
            size += 1
        return cls(thresholds, -1, zero, missing, size)

    @property
    def all(self) -> int:
        """All cells, as bits."""
        return (1 << self.size) - 1

    def left(self, node: Node) -> int:
        """Tell the cells that a split sends left, as bits."""
        if self.n_codes >= 0:
            return node.left_codes
        cells = (2 << int(np.searchsorted(self.thresholds, node.threshold))) - 1
        # A tie of −0 and 0 aside, what has no cell of its own is among the numbers already.
        zero_left = node.default_left if node.missing == _ZERO else node.threshold >= 0.0
        if self.zero > self.thresholds.size:
            cells |= zero_left << self.zero
        if self.missing > self.thresholds.size:
            missing_left = zero_left if node.missing != _NAN else node.default_left
            cells |= missing_left << self.missing
        return cells


@dataclass(frozen=True, eq=False)
class Leaf:
    """A leaf and what leads to it.

    Parameters
    ----------
    place : int
        Which of its tree's it is.
    value : float
        What it adds to the margin.
    features : tuple of int
        Those that its path asks, each once, ascending.
    cells : tuple of int
        For each, the cells that satisfy all that the path asks of it, as bits.
    weights : tuple of float
        For each, the share of training's rows that pass the path's splits on it.
    """

    place: int
    value: float
    features: tuple[int, ...]
    cells: tuple[int, ...]
    weights: tuple[float, ...]


def cells_of(trees: Sequence[Tree]) -> dict[int, Cells]:
    """Part the values of each feature that some tree splits on."""
    by_feature: dict[int, list[Node]] = {}
    for tree in trees:
        for node in tree.nodes:
            by_feature.setdefault(node.feature, []).append(node)
    return {feature: Cells.of(nodes) for feature, nodes in sorted(by_feature.items())}


def leaves(tree: Tree, cells: Mapping[int, Cells]) -> Iterator[Leaf]:
    """Give a tree's leaves from left to right; none for a tree that is one leaf."""
    if not tree.nodes:
        return
    waiting: list[tuple[int, Path]] = [(0, {})]
    while waiting:
        place, path = waiting.pop()
        if place >= 0:
            waiting += tree.ways(place, path, cells)
            continue
        features = tuple(sorted(path))
        asked = [path[feature] for feature in features]
        yield Leaf(
            -1 - place,
            tree.values[-1 - place],
            features,
            tuple(mask for mask, _ in asked),
            tuple(weight for _, weight in asked),
        )
