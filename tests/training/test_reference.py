"""Bins of training: tenths where values are many, one a value where they are few."""

from __future__ import annotations

import numpy as np
import pytest

from churnml.training.reference import Bins, Reference


def bins(*values: float) -> tuple[tuple[float, ...], tuple[int, ...]]:
    found = Bins.of(np.array(values))
    return found.edges, found.counts


def test_many_values_are_cut_into_tenths() -> None:
    edges, counts = bins(*(float(n * 37 % 101) for n in range(1, 101)))
    assert edges == (10.0, 20.0, 30.0, 40.0, 50.0, 60.0, 70.0, 80.0, 90.0)
    assert counts == (10,) * 10 + (0,)


def test_few_values_have_a_bin_each() -> None:
    assert bins(3.0, 1.0, 1.0, 2.0, np.nan) == ((1.0, 2.0), (2, 1, 1, 1))
    assert bins(0.0, 0.0, 1.0) == ((0.0,), (2, 1, 0))
    assert bins(5.0, 5.0) == ((), (2, 0))
    assert bins(np.nan, np.nan, np.nan) == ((), (0, 3))


def test_a_value_that_most_rows_have_does_not_hide_the_others() -> None:
    low = [0.0] * 95 + [float(n) for n in range(1, 16)]
    assert bins(*low) == ((0.0, 4.0), (95, 4, 11, 0))
    high = [float(n) for n in range(15)] + [99.0] * 185
    assert bins(*high) == ((14.0,), (15, 185, 0))


def test_a_value_on_an_edge_is_below_it() -> None:
    found = Bins(edges=(1.0, 2.0), counts=(1, 1, 1, 0))
    values = np.array([-np.inf, 1.0, np.nextafter(1.0, 2.0), 2.0, 2.1, np.nan])
    assert found.place(values).tolist() == [0, 0, 1, 1, 2, 3]
    assert found.count(values).tolist() == [2, 2, 1, 1]


def test_categories_are_told_by_their_ranks() -> None:
    only = Bins(edges=(), counts=(1, 0))
    reference = Reference(score=only, features={"plan": only}, ranks={"plan": (2, 0, 1)})
    codes = np.array([0.0, 1.0, 2.0, np.nan])
    assert np.array_equal(reference.ranked("plan", codes), [2, 0, 1, np.nan], equal_nan=True)
    assert reference.ranked("seats", codes) is codes


def test_edges_that_do_not_ascend_are_refused() -> None:
    with pytest.raises(ValueError, match="edges must ascend"):
        Bins(edges=(1.0, 1.0), counts=(0, 0, 0, 0))
