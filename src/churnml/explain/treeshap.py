"""Exact TreeSHAP of boosted trees, at about the price of their prediction.

Path-dependent, as LightGBM's ``pred_contrib`` defines it: where a feature is not known, a row goes
both ways, in the shares of training's rows. For a leaf of value v whose path asks D features, of
which a row satisfies those with oⱼ = 1, and which shares wⱼ of training's rows pass, feature i gets

    φᵢ = v · (oᵢ − wᵢ) · ∫₀¹ ∏_{j≠i} (oⱼ t + wⱼ (1 − t)) dt

so that what a leaf contributes depends on the pattern o alone. Tables hold it, for groups of leaves
at once (`churnml.explain.groups`); the loops are in `churnml.explain.kernels`.

References
----------
Lundberg, Erion, Lee (2018), Consistent individualized feature attribution for tree ensembles. The
integral is that of the multilinear extension: Owen (1972), Multilinear extensions of games.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from churnml.explain import kernels
from churnml.explain.forest import ZERO, Cells, Leaf, cells_of, leaves, read
from churnml.explain.groups import Group, grouped

Floats = npt.NDArray[np.float64]

BLOCK = 1024
MOST_BYTES = 128 * 2**20
MOST_ROWS = 4096


@dataclass(frozen=True, eq=False)
class TreeShap:
    """Trees made ready to be explained.

    Parameters
    ----------
    n_features : int
        Width of the rows.
    bases : ndarray (n_parts,)
        The margin by each part's trees before anything is known.
    """

    n_features: int
    bases: Floats
    columns: kernels.Columns
    tables: kernels.Tables
    singles: kernels.Singles
    quadrature: kernels.Quadrature
    parts: npt.NDArray[np.int64]

    @classmethod
    def of(
        cls,
        text: str,
        n_features: int,
        counts: Sequence[int] | None = None,
        *,
        most_rows: int = MOST_ROWS,
        most_bytes: int = MOST_BYTES,
    ) -> TreeShap:
        """Make a model ready.

        Parameters
        ----------
        text : str
            What LightGBM wrote, found sound.
        n_features : int
            Width of the rows.
        counts : sequence of int, optional
            How many trees each part has, in order; all are one part if omitted.
        """
        trees = read(text)
        counts = (len(trees),) if counts is None else tuple(counts)
        if sum(counts) != len(trees):
            raise ValueError(f"the model has {len(trees)} trees and its parts {sum(counts)}.")
        cells = cells_of(trees)
        whole = {feature: known.all for feature, known in cells.items()}
        groups: list[Group] = []
        singles: list[Leaf] = []
        marks, bases, begin = [(0, 0)], [], 0
        for count in counts:
            part = trees[begin : begin + count]
            for tree in part:
                found, alone = grouped(list(leaves(tree, cells)), whole, most_rows)
                groups += found
                singles += alone
            bases.append(sum(tree.mean for tree in part))
            marks.append((len(groups), len(singles)))
            begin += count
        deepest = max((len(leaf.features) for g in groups for leaf in g.leaves), default=1)
        deepest = max([deepest, *(len(leaf.features) for leaf in singles)])
        quadrature = _quadrature(deepest)
        places = {feature: place for place, feature in enumerate(cells)}
        tables = _tables(groups, places)
        kernels.fill(_grouped(groups), tables, quadrature)
        return cls(
            n_features=n_features,
            bases=np.array(bases),
            columns=_columns(cells),
            tables=tables,
            singles=_singles(singles, whole, places),
            quadrature=quadrature,
            parts=np.array(marks),
        )

    @property
    def nbytes(self) -> int:
        """Bytes of the tables."""
        return int(self.tables.values.nbytes)

    def explain(self, matrix: Floats, *, threads: int = 1) -> tuple[Floats, Floats]:
        """Explain rows.

        Returns
        -------
        margins : ndarray (n_parts, n)
        contributions : ndarray (n, n_features)
        """
        n_rows = matrix.shape[0]
        margins = np.empty((self.bases.size, n_rows))
        contributions = np.zeros(matrix.shape)

        def run(begin: int, end: int) -> None:
            kernels.explain(
                matrix[begin:end],
                self.columns,
                self.tables,
                self.singles,
                self.quadrature,
                self.parts,
                ZERO,
                BLOCK,
                margins[:, begin:end],
                contributions[begin:end],
            )

        if threads == 1 or n_rows < 2 * BLOCK:
            run(0, n_rows)
        else:
            bounds = np.linspace(0, n_rows, threads + 1).astype(int)
            with ThreadPoolExecutor(threads) as pool:
                list(pool.map(run, bounds[:-1], bounds[1:]))
        margins += self.bases[:, None]
        return margins, contributions


def _begins(lengths: Sequence[int]) -> npt.NDArray[np.int64]:
    return np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)]).astype(np.int64)


def _columns(cells: dict[int, Cells]) -> kernels.Columns:
    known = list(cells.values())
    return kernels.Columns(
        features=np.array(list(cells), np.int64),
        begins=_begins([item.thresholds.size for item in known]),
        thresholds=np.concatenate([np.empty(0), *(item.thresholds for item in known)]),
        n_codes=np.array([item.n_codes for item in known], np.int64),
        zeros=np.array([item.zero for item in known], np.int64),
        missing=np.array([item.missing for item in known], np.int64),
    )


def _steps(classes: Sequence[int], stride: int) -> list[tuple[int, int]]:
    """Tell where, going up the cells, the class changes, and by how much the key does."""
    turns = 0
    for mask in classes:
        turns |= (mask ^ (mask << 1)) & ~1
    # Beyond the last cell there is nothing.
    turns &= sum(classes)
    found, before = [], 0
    while turns:
        cell = (turns & -turns).bit_length() - 1
        turns &= turns - 1
        now = next(place for place, mask in enumerate(classes) if mask >> cell & 1)
        found.append((cell, (now - before) * stride))
        before = now
    return found


def _first_ahead(classes: Sequence[int]) -> list[int]:
    """Order classes so that the one of cell 0 is the first; keys begin at 0."""
    return sorted(classes, key=lambda mask: mask & -mask)


def _tables(groups: Sequence[Group], places: dict[int, int]) -> kernels.Tables:
    columns: list[int] = []
    terms: list[tuple[int, int]] = []
    begins = [0]
    for group in groups:
        stride = 1
        for feature, classes in group.classes.items():
            ordered = _first_ahead(classes)
            found = _steps(ordered, stride)
            terms += found
            columns += [places[feature]] * len(found)
            stride *= len(classes)
        begins.append(len(terms))
    sizes = _begins([group.size for group in groups])
    return kernels.Tables(
        term_begins=np.array(begins, np.int64),
        columns=np.array(columns, np.int64),
        bounds=np.array([bound for bound, _ in terms], np.uint16),
        steps=np.array([step for _, step in terms], np.int64).astype(np.uint16),
        feature_begins=_begins([len(group.classes) for group in groups]),
        features=np.array([places[f] for group in groups for f in group.classes], np.int64),
        table_begins=sizes,
        values=np.zeros(sizes[-1]),
    )


def _grouped(groups: Sequence[Group]) -> kernels.Grouped:
    found = [leaf for group in groups for leaf in group.leaves]
    places: list[int] = []
    classes: list[int] = []
    for group in groups:
        order = {feature: place for place, feature in enumerate(group.classes)}
        sorted_classes = {f: _first_ahead(masks) for f, masks in group.classes.items()}
        for leaf in group.leaves:
            for feature, mask in zip(leaf.features, leaf.cells, strict=True):
                places.append(order[feature])
                classes.append(
                    sum(
                        1 << place
                        for place, part in enumerate(sorted_classes[feature])
                        if part & mask
                    )
                )
    return kernels.Grouped(
        leaf_begins=_begins([len(group.leaves) for group in groups]),
        radices=np.array([len(m) for group in groups for m in group.classes.values()], np.int64),
        values=np.array([leaf.value for leaf in found]),
        asked_begins=_begins([len(leaf.features) for leaf in found]),
        places=np.array(places, np.int64),
        classes=np.array(classes, np.uint64),
        weights=np.array([w for leaf in found for w in leaf.weights], np.float64),
    )


def _singles(
    found: Sequence[Leaf], whole: dict[int, int], places: dict[int, int]
) -> kernels.Singles:
    terms: list[tuple[int, int]] = []
    begins = [0]
    for leaf in found:
        for feature, mask in zip(leaf.features, leaf.cells, strict=True):
            at_first = mask & 1
            # Without a cell 0 the first class would be the wrong one.
            terms += _steps((whole[feature] & ~mask, mask), 1) if not at_first else [
                (0, 1), *((cell, -step) for cell, step in _steps((mask, whole[feature] & ~mask), 1))
            ]
            begins.append(len(terms))
    return kernels.Singles(
        values=np.array([leaf.value for leaf in found], np.float64),
        feature_begins=_begins([len(leaf.features) for leaf in found]),
        features=np.array([places[f] for leaf in found for f in leaf.features], np.int64),
        weights=np.array([w for leaf in found for w in leaf.weights], np.float64),
        term_begins=np.array(begins, np.int64),
        bounds=np.array([bound for bound, _ in terms], np.uint16),
        steps=np.array([step for _, step in terms], np.int64).astype(np.uint16),
    )


def _quadrature(deepest: int) -> kernels.Quadrature:
    counts = range(1, (deepest + 1) // 2 + 1)
    found = [np.polynomial.legendre.leggauss(count) for count in counts]
    return kernels.Quadrature(
        begins=_begins([0, *counts]),
        nodes=np.concatenate([(nodes + 1) / 2 for nodes, _ in found]),
        weights=np.concatenate([weights / 2 for _, weights in found]),
    )
