"""The loops of TreeSHAP, compiled by numba and kept between runs.

Blocks of rows go through all trees, tree by tree: a block's cells and sums stay in the processor's
cache, and a table is used for many rows while it is there. A few rows are taken one by one.

No fast mathematics: sums are taken in one order, and NaN stays NaN. Nothing here holds the
interpreter's lock, so rows may be shared out between threads. All loops stand in this one file,
since numba looks at the age of no other when it takes up what it kept.

A leaf without a table, of value v, gives a feature i that its path asks v · (oᵢ − wᵢ) times the
integral over the product of the factors fⱼ(t) = oⱼ t + wⱼ (1 − t) of all others. Gauss and
Legendre's nodes make of it a sum over the product of all, divided by the feature's own::

    (o − w) / f(t)  =  −1 / (1 − t)                      where the row does not satisfy it,
                       (1 − w) / (w (1 − t) + t)         where it does

so that products are carried down to each leaf once, and summed up over all leaves that share a
branch before its features are given their part. Where w is 0, as of a leaf without rows, a product
with an unsatisfied factor is 0 as well.
"""

from __future__ import annotations

import contextlib
import pickle
from collections.abc import Callable
from typing import Any

import numba
import numpy as np
from numba.core.caching import FunctionCache

from churnml.explain.arrays import Columns, Contents, Paths, Quadrature, Tables

Array = Any  # of numpy: numba finds out what it holds


class _Kept(FunctionCache):
    """What was compiled, as far as it can be kept and read: else it is compiled anew."""

    def load_overload(self, sig: object, target_context: object) -> object:
        try:
            return super().load_overload(sig, target_context)  # type: ignore[no-untyped-call]
        except (OSError, EOFError, pickle.UnpicklingError):
            # A file was cut off.
            self.flush()  # type: ignore[no-untyped-call]
            return None

    def save_overload(self, sig: object, data: object) -> None:
        with contextlib.suppress(OSError):
            super().save_overload(sig, data)  # type: ignore[no-untyped-call]


def compiled(function: Callable[..., Any]) -> Any:
    """Compile a function when it is first called, and keep it for other processes.

    Where no folder can be written to keep it in, neither this one nor the user's own, every process
    compiles it anew.
    """
    made: Any = numba.njit(nogil=True, error_model="numpy")(function)
    with contextlib.suppress(RuntimeError):
        # As `enable_caching` does, which breaks for good where a disk was full or power was lost.
        made._cache = _Kept(function)  # type: ignore[no-untyped-call]  # noqa: SLF001
    return made


def inlined(function: Callable[..., Any]) -> Any:
    """Compile a function into each that calls it: handing over many arrays costs some 100 ns."""
    return numba.njit(nogil=True, error_model="numpy", inline="always")(function)


@compiled
def explain(
    rows: Array,
    columns: Columns,
    tables: Tables,
    paths: Paths,
    quadrature: Quadrature,
    parts: Array,
    tiny: float,
    block: int,
    margins: Array,
    contributions: Array,
) -> None:
    """Explain rows.

    Parameters
    ----------
    rows : ndarray (n, n_features)
        Encoded rows.
    columns, tables, paths, quadrature
        The trees.
    parts : ndarray (n_parts + 1, 2)
        Where the groups and the branches of each part of the trees begin, and an end.
    tiny : float
        What is no larger counts as zero.
    block : int
        Rows to take at a time.
    margins : ndarray (n_parts, n)
        Is given what the contributions of each part's trees sum to.
    contributions : ndarray (n, n_features)
        Zeros; is given the contributions.
    """
    n_columns = columns.features.size
    for begin in range(0, rows.shape[0], block):
        n_rows = min(block, rows.shape[0] - begin)
        cells, found = np.empty((n_columns, n_rows), np.uint16), np.zeros((n_columns, n_rows))
        _find_cells(rows[begin : begin + n_rows], columns, tiny, cells)
        before = np.zeros(n_rows)
        for part in range(parts.shape[0] - 1):
            first, last = parts[part], parts[part + 1]
            if n_rows < _FEW:
                for row in range(n_rows):
                    one, shares = cells[:, row], found[:, row]
                    _look_up_one(one, tables, first[0], last[0], shares)
                    _integrate_one(one, paths, quadrature, first[1], last[1], shares)
            else:
                _look_up(cells, tables, first[0], last[0], found)
                for start in range(0, n_rows, _STRIP):
                    end = min(start + _STRIP, n_rows)
                    _integrate(cells, paths, quadrature, first[1], last[1], start, end, found)
            total = found.sum(axis=0)
            margins[part, begin : begin + n_rows] = total - before
            before = total
        for place in range(n_columns):
            contributions[begin : begin + n_rows, columns.features[place]] = found[place]


# Below so many rows, each is taken by itself; what ends paths takes so many at a time.
_FEW, _STRIP = 8, 256


@compiled
def _find_cells(rows: Array, columns: Columns, tiny: float, cells: Array) -> None:
    for place in range(columns.features.size):
        thresholds = columns.thresholds[columns.begins[place] : columns.begins[place + 1]]
        n_codes = columns.n_codes[place]
        for row in range(cells.shape[1]):
            value = rows[row, columns.features[place]]
            if n_codes >= 0:
                # Truncated towards zero, as LightGBM does; of NaN no comparison holds.
                cell = np.int64(value) if value > -1.0 and value < n_codes else n_codes
            elif np.isnan(value):
                cell = columns.missing[place]
            elif abs(value) <= tiny:
                cell = columns.zeros[place]
            else:
                cell = np.searchsorted(thresholds, value)
            cells[place, row] = cell


@compiled
def _add_term(column: Array, bound: int, step: int, sums: Array) -> None:
    for row in range(sums.size):
        sums[row] += step if column[row] >= bound else np.uint16(0)


@compiled
def _look_up(cells: Array, tables: Tables, first: int, last: int, found: Array) -> None:
    """Add what groups from `first` to before `last` contribute to a block of rows."""
    keys = np.empty(cells.shape[1], np.uint16)
    for group in range(first, last):
        keys[:] = 0
        for term in range(tables.term_begins[group], tables.term_begins[group + 1]):
            column = cells[tables.term_columns[term]]
            _add_term(column, tables.bounds[term], tables.steps[term], keys)
        begin, end = tables.begins[group], tables.begins[group + 1]
        width, table = end - begin, tables.values[tables.value_begins[group] :]
        for place in range(width):
            shares = found[tables.columns[begin + place]]
            for row in range(keys.size):
                shares[row] += table[np.int64(keys[row]) * width + place]


@compiled
def _look_up_one(cells: Array, tables: Tables, first: int, last: int, found: Array) -> None:
    """Add what groups from `first` to before `last` contribute to one row.

    First it is told where each group's values stand, and only then are they read: so the processor
    waits for the memory of several groups at once.
    """
    starts = np.empty(last - first, np.int64)
    for group in range(first, last):
        key: Any = 0
        for term in range(tables.term_begins[group], tables.term_begins[group + 1]):
            reached = cells[tables.term_columns[term]] >= tables.bounds[term]
            key += tables.steps[term] & -np.uint16(reached)  # a mask, and no jump
        width = tables.begins[group + 1] - tables.begins[group]
        starts[group - first] = tables.value_begins[group] + np.int64(key & 0xFFFF) * width
    for group in range(first, last):
        begin, start = tables.begins[group], starts[group - first]
        for place in range(tables.begins[group + 1] - begin):
            found[tables.columns[begin + place]] += tables.values[start + place]


@compiled
def _integrate(
    cells: Array,
    paths: Paths,
    quadrature: Quadrature,
    first: int,
    last: int,
    begin: int,
    end: int,
    found: Array,
) -> None:
    """Add what leaves at the end of paths contribute to some rows.

    Parameters
    ----------
    cells : ndarray (n_columns, n)
        Of all rows.
    paths, quadrature
        The branches, and the nodes.
    first, last : int
        Branches from the first to before the last.
    begin, end : int
        Rows likewise.
    found : ndarray (n_columns, n)
        Is added to.
    """
    n_rows = end - begin
    n_levels, most_nodes, most_asked = paths.deepest
    products = np.empty((n_levels + 1, most_nodes, n_rows))
    sums = np.zeros((n_levels + 1, most_nodes, n_rows))
    held = np.empty((most_asked, n_rows))
    steps, none, total = np.empty(n_rows, np.uint16), np.empty(n_rows), np.empty(n_rows)
    opened, offsets = np.empty(n_levels, np.int64), np.zeros(n_levels + 1, np.int64)
    level = 0
    for branch in range(first, last + 1):
        above = paths.levels[branch] if branch < last else 0
        while level > above:
            level -= 1
            done = opened[level]
            nodes = _nodes(paths, quadrature, done)
            _gather(sums[level + 1], nodes, sums[level], none)
            for place in range(paths.begins[done + 1] - paths.begins[done]):
                asked = paths.begins[done] + place
                _weigh(sums[level + 1], nodes, paths.weights[asked], total)
                shares = found[paths.columns[asked]][begin:end]
                _choose(held[offsets[level] + place], total, none, shares)
        if branch == last:
            break
        nodes = _nodes(paths, quadrature, branch)
        low, high = paths.begins[branch], paths.begins[branch + 1]
        opened[level], offsets[level + 1] = branch, offsets[level] + high - low
        if level == 0:
            start = quadrature.begins[nodes.size]
            for node in range(nodes.size):
                products[0, node] = quadrature.weights[start + node]
        before, product = products[level], products[level + 1]
        for asked in range(low, high):
            o = held[offsets[level] + asked - low]
            _satisfied(cells[paths.columns[asked]][begin:end], paths, asked, steps, o)
            _times(before, nodes, paths.weights[asked], o, product)
            before = product
        _value(product, nodes.size, paths.values[branch], sums[level + 1])
        level += 1


@compiled
def _times(before: Array, nodes: Array, weight: float, held: Array, product: Array) -> None:
    for node in range(nodes.size):
        t = nodes[node]
        without = weight * (1.0 - t)
        for row in range(held.size):
            product[node, row] = before[node, row] * (without + t * held[row])


@compiled
def _value(product: Array, n_nodes: int, value: float, sums: Array) -> None:
    for node in range(n_nodes):
        for row in range(sums.shape[1]):
            sums[node, row] = product[node, row] * value


@compiled
def _gather(sums: Array, nodes: Array, above: Array, none: Array) -> None:
    """Add sums to those of the level above, and tell what unsatisfied columns are owed of them."""
    none[:] = 0.0
    for node in range(nodes.size):
        inverse = 1.0 / (1.0 - nodes[node])
        for row in range(none.size):
            none[row] += sums[node, row] * inverse
            above[node, row] += sums[node, row]


@compiled
def _weigh(sums: Array, nodes: Array, weight: float, total: Array) -> None:
    """Tell what a column that is satisfied is owed of sums."""
    total[:] = 0.0
    for node in range(nodes.size):
        gain = _gain(weight, nodes[node])
        for row in range(total.size):
            total[row] += sums[node, row] * gain


@compiled
def _satisfied(column: Array, paths: Paths, asked: int, steps: Array, held: Array) -> None:
    """Tell, as 0 or 1, which rows satisfy what a branch asks of a column."""
    steps[:] = 0
    for term in range(paths.term_begins[asked], paths.term_begins[asked + 1]):
        _add_term(column, paths.bounds[term], paths.steps[term], steps)
    held[:] = steps


@compiled
def _choose(held: Array, total: Array, none: Array, shares: Array) -> None:
    for row in range(held.size):
        shares[row] += total[row] if held[row] > 0.0 else -none[row]


@compiled
def _gain(weight: float, t: float) -> float:
    """By what a product that a column satisfies is multiplied; else it is −1 / (1 − t) for all."""
    return (1.0 - weight) / (weight * (1.0 - t) + t)


@compiled
def _integrate_one(
    cells: Array, paths: Paths, quadrature: Quadrature, first: int, last: int, found: Array
) -> None:
    """Add what leaves at the end of paths contribute to one row, as `_integrate` does.

    Parameters
    ----------
    cells : ndarray (n_columns,)
        The row's cells.
    paths, quadrature, first, last
        As for `_integrate`.
    found : ndarray (n_columns,)
        Is added to.
    """
    n_levels, most_nodes, most_asked = paths.deepest
    products, sums = np.empty((n_levels + 1, most_nodes)), np.zeros((n_levels + 1, most_nodes))
    held = np.empty(most_asked, np.int64)
    opened, offsets = np.empty(n_levels, np.int64), np.zeros(n_levels + 1, np.int64)
    level = 0
    for branch in range(first, last + 1):
        above = paths.levels[branch] if branch < last else 0
        while level > above:
            level -= 1
            _back_one(paths, quadrature, opened[level], level, offsets[level], held, sums, found)
        if branch == last:
            break
        opened[level] = branch
        offsets[level + 1] = offsets[level] + paths.begins[branch + 1] - paths.begins[branch]
        if level == 0:
            start = quadrature.begins[paths.n_nodes[branch]]
            for node in range(paths.n_nodes[branch]):
                products[0, node] = quadrature.weights[start + node]
        _down_one(cells, paths, quadrature, branch, level, offsets[level], held, products)
        for node in range(paths.n_nodes[branch]):
            sums[level + 1, node] = products[level + 1, node] * paths.values[branch]
        level += 1


@inlined
def _down_one(
    cells: Array,
    paths: Paths,
    quadrature: Quadrature,
    branch: int,
    level: int,
    offset: int,
    held: Array,
    products: Array,
) -> None:
    """Multiply the products above by what a branch asks; tell which columns satisfy it."""
    low, n_nodes = paths.begins[branch], paths.n_nodes[branch]
    start = quadrature.begins[n_nodes]
    before = level
    for asked in range(low, paths.begins[branch + 1]):
        key: Any = 0
        cell = cells[paths.columns[asked]]
        for term in range(paths.term_begins[asked], paths.term_begins[asked + 1]):
            key += np.int64(cell >= paths.bounds[term]) * np.int64(paths.steps[term])
        o = key & 0xFFFF
        held[offset + asked - low] = o
        for node in range(n_nodes):
            t = quadrature.nodes[start + node]
            factor = paths.weights[asked] * (1.0 - t) + t * o
            products[level + 1, node] = products[before, node] * factor
        before = level + 1


@inlined
def _back_one(
    paths: Paths,
    quadrature: Quadrature,
    branch: int,
    level: int,
    offset: int,
    held: Array,
    sums: Array,
    found: Array,
) -> None:
    """Give the columns of a branch what the sums below owe them, and add these to those above."""
    low, n_nodes = paths.begins[branch], paths.n_nodes[branch]
    start = quadrature.begins[n_nodes]
    none = 0.0
    for node in range(n_nodes):
        none += sums[level + 1, node] / (1.0 - quadrature.nodes[start + node])
        sums[level, node] += sums[level + 1, node]
    for asked in range(low, paths.begins[branch + 1]):
        share = -none
        if held[offset + asked - low]:
            share = 0.0
            for node in range(n_nodes):
                gain = _gain(paths.weights[asked], quadrature.nodes[start + node])
                share += sums[level + 1, node] * gain
        found[paths.columns[asked]] += share


@compiled
def _nodes(paths: Paths, quadrature: Quadrature, branch: int) -> Array:
    start = quadrature.begins[paths.n_nodes[branch]]
    return quadrature.nodes[start : start + paths.n_nodes[branch]]


@compiled
def fill(contents: Contents, tables: Tables, quadrature: Quadrature) -> None:
    """Fill the values of tables, which are zeros."""
    for group in range(contents.begins.size - 1):
        begin, end = tables.begins[group], tables.begins[group + 1]
        values = tables.values[tables.value_begins[group] : tables.value_begins[group + 1]]
        table = values.reshape((-1, end - begin))
        for leaf in range(contents.begins[group], contents.begins[group + 1]):
            asked = slice(contents.asked_begins[leaf], contents.asked_begins[leaf + 1])
            shares = _patterns(contents.weights[asked], contents.values[leaf], quadrature)
            _spread(
                shares,
                contents.places[asked],
                contents.classes[asked],
                contents.radices[begin:end],
                table,
            )


@compiled
def _patterns(weights: Array, value: float, quadrature: Quadrature) -> Array:
    """Tell what a leaf contributes to each of its columns, by the pattern of those satisfied.

    Bit i of a row's number says whether column i is. Exactly, by Gauss and Legendre: of so many
    columns the integrand is a polynomial of one degree less.
    """
    depth = weights.size
    found, ahead = np.zeros((1 << depth, depth)), np.empty(depth)
    n_nodes = (depth + 1) // 2
    for pattern in range(1 << depth):
        for node in range(quadrature.begins[n_nodes], quadrature.begins[n_nodes + 1]):
            t = quadrature.nodes[node]
            product = quadrature.weights[node] * value
            for place in range(depth):
                ahead[place] = product
                product *= weights[place] * (1.0 - t) + t * (pattern >> place & 1)
            after = 1.0
            for place in range(depth - 1, -1, -1):
                o = float(pattern >> place & 1)
                found[pattern, place] += (o - weights[place]) * ahead[place] * after
                after *= weights[place] * (1.0 - t) + t * o
    return found


@compiled
def _spread(shares: Array, places: Array, classes: Array, radices: Array, table: Array) -> None:
    """Add a leaf's contributions to every row of a table: combination of classes."""
    digits = np.zeros(radices.size, np.int64)
    for row in range(table.shape[0]):
        pattern: Any = 0
        for bit in range(places.size):
            satisfied = classes[bit] >> np.uint64(digits[places[bit]]) & np.uint64(1)
            pattern |= np.int64(satisfied) << bit
        for bit in range(places.size):
            table[row, places[bit]] += shares[pattern, bit]
        for place in range(radices.size):
            digits[place] += 1
            if digits[place] < radices[place]:
                break
            digits[place] = 0
