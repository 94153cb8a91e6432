"""The loops of TreeSHAP, compiled by numba and kept between runs.

No fast mathematics: sums are taken in one order, and NaN stays NaN. Nothing here holds the
interpreter's lock, so blocks of rows may run in threads.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numba
import numpy as np

Array = Any  # of numpy; numba finds out the rest

compiled = numba.njit(cache=True, nogil=True, error_model="numpy")


class Columns(NamedTuple):
    """Features that the trees split on; see `churnml.explain.forest.Cells`.

    ``thresholds[begins[i] : begins[i + 1]]`` are those of feature ``features[i]``.
    """

    features: Array
    begins: Array
    thresholds: Array
    n_codes: Array
    zeros: Array
    missing: Array


class Tables(NamedTuple):
    """Groups of leaves and their tables; group ``g`` has what begins at ``...s[g]``.

    A row of a group's table is found by adding ``steps`` of all terms whose column has a cell at
    or above ``bounds``, modulo 2¹⁶. It holds what the group contributes to each of ``features``.
    """

    term_begins: Array
    columns: Array
    bounds: Array
    steps: Array
    feature_begins: Array
    features: Array
    table_begins: Array
    values: Array


class Singles(NamedTuple):
    """Leaves without a table; leaf ``i`` asks the features from ``feature_begins[i]`` on.

    A row satisfies a feature where the steps of its terms, as in `Tables`, add up to 1.
    """

    values: Array
    feature_begins: Array
    features: Array
    weights: Array
    term_begins: Array
    bounds: Array
    steps: Array


class Quadrature(NamedTuple):
    """Gauss and Legendre's nodes and weights on 0 to 1; ``n`` of them begin at ``begins[n]``."""

    begins: Array
    nodes: Array
    weights: Array


@compiled
def _encode(values: Array, columns: Columns, tiny: float, codes: Array) -> None:
    """Find the cells (features, rows) of a block of rows (rows, features)."""
    for place in range(columns.features.size):
        thresholds = columns.thresholds[columns.begins[place] : columns.begins[place + 1]]
        n_codes = columns.n_codes[place]
        for row in range(codes.shape[1]):
            value = values[row, columns.features[place]]
            if n_codes >= 0:
                # Truncated towards zero; NaN compares false.
                code = np.int64(value) if value > -1.0 and value < n_codes else n_codes
            elif np.isnan(value):
                code = columns.missing[place]
            elif abs(value) <= tiny:
                code = columns.zeros[place]
            else:
                code = np.searchsorted(thresholds, value)
            codes[place, row] = code


@compiled
def _add_term(column: Array, bound: int, step: int, total: Array) -> None:
    for row in range(total.size):
        total[row] += step if column[row] >= bound else np.uint16(0)


@compiled
def _look_up(codes: Array, tables: Tables, first: int, last: int, keys: Array, out: Array) -> None:
    """Add what groups from `first` to before `last` contribute to a block of rows."""
    for group in range(first, last):
        keys[:] = 0
        for term in range(tables.term_begins[group], tables.term_begins[group + 1]):
            _add_term(codes[tables.columns[term]], tables.bounds[term], tables.steps[term], keys)
        begin, end = tables.feature_begins[group], tables.feature_begins[group + 1]
        width = end - begin
        table = tables.values[tables.table_begins[group] : tables.table_begins[group + 1]]
        for place in range(width):
            shares = out[tables.features[begin + place]]
            for row in range(keys.size):
                shares[row] += table[np.int64(keys[row]) * width + place]


@compiled
def _integrate(
    codes: Array,
    singles: Singles,
    quadrature: Quadrature,
    first: int,
    last: int,
    begin: int,
    end: int,
    out: Array,
) -> None:
    """Add what leaves without a table contribute to rows from `begin` to before `end`."""
    deepest, n_rows = quadrature.begins.size * 2, end - begin
    work, held = np.empty((deepest, n_rows)), np.empty((deepest, n_rows))
    key, after = np.empty(n_rows, np.uint16), np.empty(n_rows)
    for leaf in range(first, last):
        low, high = singles.feature_begins[leaf], singles.feature_begins[leaf + 1]
        depth = high - low
        for place in range(depth):
            key[:] = 0
            column = codes[singles.features[low + place]][begin:end]
            for term in range(
                singles.term_begins[low + place], singles.term_begins[low + place + 1]
            ):
                _add_term(column, singles.bounds[term], singles.steps[term], key)
            for row in range(n_rows):
                held[place, row] = key[row]
        n_nodes = (depth + 1) // 2
        for number in range(quadrature.begins[n_nodes], quadrature.begins[n_nodes + 1]):
            t, c = quadrature.nodes[number], quadrature.weights[number]
            # work[i] becomes the product over the features before i, and `after` of those after.
            work[0, :] = c * singles.values[leaf]
            for place in range(depth - 1):
                rest = singles.weights[low + place] * (1.0 - t)
                old, new, o = work[place], work[place + 1], held[place]
                for row in range(n_rows):
                    new[row] = old[row] * (rest + t * o[row])
            after[:] = 1.0
            for place in range(depth - 1, -1, -1):
                weight = singles.weights[low + place]
                rest = weight * (1.0 - t)
                shares = out[singles.features[low + place]][begin:end]
                old, o = work[place], held[place]
                for row in range(n_rows):
                    shares[row] += (o[row] - weight) * (old[row] * after[row])
                    after[row] *= rest + t * o[row]


@compiled
def explain(
    values: Array,
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
    values : ndarray (n, n_features)
        Rows.
    parts : ndarray (n_parts + 1, 2)
        Where the groups and the single leaves of each part of the trees begin.
    tiny : float
        What counts as zero.
    block : int
        Rows to take at a time.
    margins : ndarray (n_parts, n)
        Is given what the contributions by each part's trees sum to.
    contributions : ndarray (n, n_features)
        Zeros; is given the contributions.
    """
    n_used = columns.features.size
    for begin in range(0, values.shape[0], block):
        n_rows = min(block, values.shape[0] - begin)
        codes = np.empty((n_used, n_rows), np.uint16)
        out = np.zeros((n_used, n_rows))
        keys = np.empty(n_rows, np.uint16)
        before = np.zeros(n_rows)
        _encode(values[begin : begin + n_rows], columns, tiny, codes)
        for part in range(parts.shape[0] - 1):
            _look_up(codes, tables, parts[part, 0], parts[part + 1, 0], keys, out)
            for start in range(0, n_rows, 128):
                _integrate(
                    codes,
                    singles,
                    quadrature,
                    parts[part, 1],
                    parts[part + 1, 1],
                    start,
                    min(start + 128, n_rows),
                    out,
                )
            total = out.sum(axis=0)
            margins[part, begin : begin + n_rows] = total - before
            before = total
        for place in range(n_used):
            contributions[begin : begin + n_rows, columns.features[place]] = out[place]


class Grouped(NamedTuple):
    """Leaves of groups; group ``g`` has those from ``leaf_begins[g]`` on.

    Feature ``i`` of a group, counted over all groups, has ``radices[i]`` classes. Leaf ``l`` asks
    what begins at ``asked_begins[l]``: the ``places`` of features in its group, the classes that
    satisfy it (as bits) and the share of training's rows that do.
    """

    leaf_begins: Array
    radices: Array
    values: Array
    asked_begins: Array
    places: Array
    classes: Array
    weights: Array


@compiled
def _patterns(weights: Array, value: float, quadrature: Quadrature) -> Array:
    """Tell what a leaf contributes to each of its features, by the pattern of those satisfied.

    Bit ``i`` of a row's number says whether feature ``i`` is. By Gauss and Legendre, exactly: of
    ``depth`` features the integrand is a polynomial of degree ``depth − 1``.
    """
    depth = weights.size
    found = np.zeros((1 << depth, depth))
    before = np.empty(depth)
    for pattern in range(1 << depth):
        n_nodes = (depth + 1) // 2
        for number in range(quadrature.begins[n_nodes], quadrature.begins[n_nodes + 1]):
            t = quadrature.nodes[number]
            product = quadrature.weights[number] * value
            for place in range(depth):
                before[place] = product
                product *= weights[place] * (1.0 - t) + (t if pattern >> place & 1 else 0.0)
            after = 1.0
            for place in range(depth - 1, -1, -1):
                o = 1.0 if pattern >> place & 1 else 0.0
                found[pattern, place] += (o - weights[place]) * before[place] * after
                after *= weights[place] * (1.0 - t) + o * t
    return found


@compiled
def fill(grouped: Grouped, tables: Tables, quadrature: Quadrature) -> None:
    """Fill the values of tables that are zeros."""
    for group in range(grouped.leaf_begins.size - 1):
        begin, end = tables.feature_begins[group], tables.feature_begins[group + 1]
        width = end - begin
        table = tables.values[tables.table_begins[group] : tables.table_begins[group + 1]]
        table = table.reshape((-1, width))
        digits = np.zeros(width, np.int64)
        for leaf in range(grouped.leaf_begins[group], grouped.leaf_begins[group + 1]):
            asked = slice(grouped.asked_begins[leaf], grouped.asked_begins[leaf + 1])
            places, classes = grouped.places[asked], grouped.classes[asked]
            shares = _patterns(grouped.weights[asked], grouped.values[leaf], quadrature)
            digits[:] = 0
            for row in range(table.shape[0]):
                pattern = 0
                for bit in range(places.size):
                    pattern |= np.int64(classes[bit] >> np.uint64(digits[places[bit]]) & np.uint64(1)) << bit
                for bit in range(places.size):
                    table[row, places[bit]] += shares[pattern, bit]
                for place in range(width):  # the next combination of classes
                    digits[place] += 1
                    if digits[place] < grouped.radices[begin + place]:
                        break
                    digits[place] = 0
