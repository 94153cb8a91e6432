"""The loops of TreeSHAP, compiled by numba and kept between runs.

Blocks of rows go through all trees, tree by tree: a block's cells and sums stay in the processor's
cache, and a table is used for many rows while it is there. A few rows are taken one by one.

No fast mathematics: sums are taken in one order, and NaN stays NaN. Nothing here holds the
interpreter's lock, so rows may be shared out between threads.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

import numba
import numpy as np

from churnml.explain.arrays import Columns, Contents, Quadrature, Singles, Tables

Array = Any  # of numpy: numba finds out what it holds


def compiled(function: Callable[..., Any]) -> Any:
    """Compile a function when it is first called, and keep it for other processes.

    Where no folder can be written to keep it in, neither this one nor the user's own, every process
    compiles it anew.
    """
    made = numba.njit(nogil=True, error_model="numpy")(function)
    with contextlib.suppress(RuntimeError):
        made.enable_caching()
    return made


@compiled
def explain(
    rows: Array,
    columns: Columns,
    tables: Tables,
    singles: Singles,
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
    columns, tables, singles, quadrature
        The trees.
    parts : ndarray (n_parts + 1, 2)
        Where the groups and the single leaves of each part of the trees begin, and an end.
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
                    _integrate_one(one, singles, quadrature, first[1], last[1], shares)
            else:
                _look_up(cells, tables, first[0], last[0], found)
                for start in range(0, n_rows, _STRIP):
                    end = min(start + _STRIP, n_rows)
                    _integrate(cells, singles, quadrature, first[1], last[1], start, end, found)
            total = found.sum(axis=0)
            margins[part, begin : begin + n_rows] = total - before
            before = total
        for place in range(n_columns):
            contributions[begin : begin + n_rows, columns.features[place]] = found[place]


# Below so many rows, each is taken by itself; leaves without a table take so many at a time.
_FEW, _STRIP = 8, 128


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
    """Add what groups from `first` to before `last` contribute to one row."""
    for group in range(first, last):
        key: Any = 0
        for term in range(tables.term_begins[group], tables.term_begins[group + 1]):
            reached = cells[tables.term_columns[term]] >= tables.bounds[term]
            key += np.int64(reached) * np.int64(tables.steps[term])
        begin, end = tables.begins[group], tables.begins[group + 1]
        start = tables.value_begins[group] + (key & 0xFFFF) * (end - begin)
        for place in range(end - begin):
            found[tables.columns[begin + place]] += tables.values[start + place]


@compiled
def _integrate(
    cells: Array,
    singles: Singles,
    quadrature: Quadrature,
    first: int,
    last: int,
    begin: int,
    end: int,
    found: Array,
) -> None:
    """Add what leaves without a table contribute to rows from `begin` to before `end`."""
    most, n_rows = 2 * quadrature.begins.size, end - begin
    products, held = np.empty((most, n_rows)), np.empty((most, n_rows))
    sums, total = np.empty(n_rows, np.uint16), np.empty(n_rows)
    for leaf in range(first, last):
        low, high = singles.begins[leaf], singles.begins[leaf + 1]
        for asked in range(low, high):
            column = cells[singles.columns[asked]][begin:end]
            _satisfied(column, singles, asked, sums, held[asked - low])
        n_nodes = (high - low + 1) // 2
        start = quadrature.begins[n_nodes]
        for node in range(n_nodes):
            t, product = quadrature.nodes[start + node], products[node]
            product[:] = quadrature.weights[start + node] * singles.values[leaf]
            for asked in range(low, high):
                without, o = singles.weights[asked] * (1.0 - t), held[asked - low]
                for row in range(n_rows):
                    product[row] *= without + t * o[row]
        for asked in range(low, high):
            weight, o = singles.weights[asked], held[asked - low]
            total[:] = 0.0
            for node in range(n_nodes):
                # The product over all other columns is that over all, divided by this one's factor.
                t, product = quadrature.nodes[start + node], products[node]
                without = _inverse(weight * (1.0 - t))
                more = 1.0 / (weight * (1.0 - t) + t) - without
                for row in range(n_rows):
                    total[row] += product[row] * (without + more * o[row])
            shares = found[singles.columns[asked]][begin:end]
            for row in range(n_rows):
                shares[row] += (o[row] - weight) * total[row]


@compiled
def _satisfied(column: Array, singles: Singles, asked: int, sums: Array, held: Array) -> None:
    """Tell, as 0 or 1, which rows satisfy what a leaf asks of a column."""
    sums[:] = 0
    for term in range(singles.term_begins[asked], singles.term_begins[asked + 1]):
        _add_term(column, singles.bounds[term], singles.steps[term], sums)
    held[:] = sums


@compiled
def _inverse(factor: float) -> float:
    """Of 0, which only a leaf without rows has: then what it multiplies is 0 as well."""
    return 1.0 / factor if factor > 0.0 else 0.0


@compiled
def _integrate_one(
    cells: Array, singles: Singles, quadrature: Quadrature, first: int, last: int, found: Array
) -> None:
    """Add what leaves without a table contribute to one row."""
    held = np.empty(2 * quadrature.begins.size)
    for leaf in range(first, last):
        low, high = singles.begins[leaf], singles.begins[leaf + 1]
        for asked in range(low, high):
            total: Any = 0
            for term in range(singles.term_begins[asked], singles.term_begins[asked + 1]):
                reached = cells[singles.columns[asked]] >= singles.bounds[term]
                total += np.int64(reached) * np.int64(singles.steps[term])
            held[asked - low] = total & 0xFFFF
        n_nodes = (high - low + 1) // 2
        for node in range(quadrature.begins[n_nodes], quadrature.begins[n_nodes + 1]):
            t = quadrature.nodes[node]
            product = quadrature.weights[node] * singles.values[leaf]
            for asked in range(low, high):
                product *= singles.weights[asked] * (1.0 - t) + t * held[asked - low]
            for asked in range(low, high):
                o, weight = held[asked - low], singles.weights[asked]
                factor = _inverse(weight * (1.0 - t) + t * o)
                found[singles.columns[asked]] += (o - weight) * product * factor


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
