"""Exact TreeSHAP of boosted trees, at about the price of their prediction.

Path-dependent, as LightGBM's ``pred_contrib`` defines it: where a feature is not known, a row goes
both ways, in the shares of training's rows. For a leaf of value v whose path asks D features, of
which a row satisfies those with oⱼ = 1, and which shares wⱼ of training's rows pass, feature i gets

    φᵢ = v · (oᵢ − wᵢ) · ∫₀¹ ∏_{j≠i} (oⱼ t + wⱼ (1 − t)) dt

so what a leaf contributes depends on the pattern o alone. Tables hold it, for groups of leaves at
once (`churnml.explain.groups`); leaves without room in one are integrated, along the branches
that they share (`churnml.explain.branches`).

References
----------
Lundberg, Erion and Lee (2018), Consistent individualized feature attribution for tree ensembles.
The integral is that of the multilinear extension: Owen (1972), Multilinear extensions of games.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from churnml.explain import kernels
from churnml.explain.arrays import (
    Columns,
    Paths,
    Quadrature,
    Tables,
    columns_of,
    contents_of,
    paths_of,
    quadrature,
    tables_of,
)
from churnml.explain.branches import branches
from churnml.explain.forest import ZERO, cells_of, leaves, read
from churnml.explain.groups import MOST_FEATURES, grouped

Floats = npt.NDArray[np.float64]

MOST_BYTES = 140 * 10**6
_BLOCK = 1024  # rows


@dataclass(frozen=True, eq=False)
class TreeShap:
    """Trees made ready to be explained.

    Parameters
    ----------
    bases : ndarray (n_parts,)
        The mean margin by each part's trees over the rows of training.
    parts : ndarray (n_parts + 1, 2)
        Where each part's groups and branches begin.
    columns, tables, paths, quadrature
        The trees; see `churnml.explain.arrays`.
    """

    bases: Floats
    parts: npt.NDArray[np.int64]
    columns: Columns
    tables: Tables
    paths: Paths
    quadrature: Quadrature

    @classmethod
    def of(
        cls, text: str, counts: Sequence[int] | None = None, *, most_bytes: int = MOST_BYTES
    ) -> TreeShap:
        """Make a model ready.

        Parameters
        ----------
        text : str
            What LightGBM wrote, found sound by `churnml.training.trees.check`.
        counts : sequence of int, optional
            How many trees each part has, in order; all are one part if omitted.
        most_bytes : int
            What the tables may take. The fewer, the more leaves are integrated.

        Raises
        ------
        BundleError
            If a tree is linear, or the trees tell too many values of a feature apart, or take one
            for a number here and for a category there.
        """
        trees = read(text)
        cells = cells_of(trees)
        whole = {feature: known.all for feature, known in cells.items()}
        found = [list(leaves(tree, cells)) for tree in trees]
        told = grouped(found, whole, most_bytes)
        places = {feature: place for place, feature in enumerate(cells)}
        groups = [group for item in told for group in item.groups]
        paths = [
            list(branches(tree, cells, {leaf.place for leaf in item.singles}))
            for tree, item in zip(trees, told, strict=True)
        ]
        laid = paths_of(paths, whole, places)
        tables = tables_of(groups, places)
        nodes = quadrature(max(int(laid.deepest[-1]), MOST_FEATURES))
        kernels.fill(contents_of(groups), tables, nodes)
        ends = np.cumsum([0, *((len(trees),) if counts is None else counts)])
        before = np.cumsum(
            [(0, 0), *zip((len(item.groups) for item in told), map(len, paths), strict=True)],
            axis=0,
        )
        return cls(
            bases=np.array([sum(tree.mean for tree in trees[a:b]) for a, b in pairwise(ends)]),
            parts=before[ends],
            columns=columns_of(cells),
            tables=tables,
            paths=laid,
            quadrature=nodes,
        )

    @property
    def nbytes(self) -> int:
        """Bytes of the tables."""
        return int(self.tables.values.nbytes)

    def explain(self, matrix: Floats, *, threads: int | None = None) -> tuple[Floats, Floats]:
        """Predict and explain rows.

        Parameters
        ----------
        matrix : ndarray (n, n_features)
            Encoded rows.
        threads : int, optional
            How many threads to share them out between; one a processor if omitted. Says nothing
            of what comes out.

        Returns
        -------
        margins : ndarray (n_parts, n)
            The margin by each part's trees: its base and what its trees contribute.
        contributions : ndarray (n, n_features)
            SHAP values of the sum of margins; with the sum of `bases` they add up to it.
        """
        # Of other layouts numba would compile the loops anew, which takes half a minute.
        rows = np.require(matrix, np.float64, ["C_CONTIGUOUS", "WRITEABLE"])
        contributions = np.zeros(rows.shape)

        def run(begin: int, end: int) -> Floats:
            margins = np.empty((self.bases.size, end - begin))
            kernels.explain(
                rows[begin:end],
                self.columns,
                self.tables,
                self.paths,
                self.quadrature,
                self.parts,
                ZERO,
                _BLOCK,
                margins,
                contributions[begin:end],
            )
            return margins

        blocks = rows.shape[0] // _BLOCK
        if blocks < 2 or threads == 1:
            margins = run(0, rows.shape[0])
        else:
            shares = min(blocks, threads or os.cpu_count() or 1)
            # Parted where blocks are anyway: sums of fewer rows may differ in their last digits.
            inner = np.linspace(0, blocks, shares + 1).astype(int)[1:-1] * _BLOCK
            bounds = [0, *inner.tolist(), rows.shape[0]]
            with ThreadPoolExecutor(shares) as pool:
                margins = np.concatenate(list(pool.map(run, bounds[:-1], bounds[1:])), axis=1)
        return margins + self.bases[:, None], contributions
