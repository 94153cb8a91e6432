"""The plan against an oracle that knows nothing of it, and the live path against the batch."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from churnml.features.engine import compute, compute_live
from churnml.features.facts import compile_catalogue

from .histories import (
    ACCOUNTS,
    cutoff_lists,
    expected,
    histories,
    all_features,
    to_history,
)

CATALOGUE = all_features()


def micros(cutoff):
    return int(np.datetime64(cutoff, "us").astype(np.int64))


def batch(history, pairs):
    program = compile_catalogue(CATALOGUE, history.contracts)
    cutoffs = np.array([micros(c) for _, c in pairs], dtype=np.int64)
    result = [None] * len(pairs)
    for rows in compute(history, program, [a for a, _ in pairs], cutoffs):
        for position, row in zip(rows.positions, rows.columns.to_pylist(), strict=True):
            result[position] = row
    return result


@given(histories(), cutoff_lists)
@settings(max_examples=60, deadline=None)
def test_batch_agrees_with_the_oracle(generated, cutoffs):
    tables, late = generated
    history = to_history(tables, late_usage=late)
    pairs = [(a, c) for a in ACCOUNTS for c in cutoffs]
    for (account, cutoff), row in zip(pairs, batch(history, pairs), strict=True):
        want = expected(tables, account, cutoff)
        assert {
            k: (v if v is None or isinstance(v, str) else float(v)) for k, v in want.items()
        } == row, (account, cutoff)


@given(histories(), cutoff_lists, st.sampled_from([("a",), ("b", "c"), ACCOUNTS]))
@settings(max_examples=60, deadline=None)
def test_live_equals_batch_exactly(generated, cutoffs, accounts):
    tables, late = generated
    history = to_history(tables, late_usage=late)
    program = compile_catalogue(CATALOGUE, history.contracts)
    pairs = [(a, c) for c in cutoffs for a in accounts]
    together = batch(history, pairs)
    live = [row for c in cutoffs for row in compute_live(history, program, accounts, c).to_pylist()]
    assert together == live
