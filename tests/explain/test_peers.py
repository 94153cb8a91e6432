from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from churnml.errors import FeatureError
from churnml.explain.peers import apart_from

CONTRIBUTIONS = np.array([[1.0, 0.5], [0.0, -1.0], [-4.0, 2.0]])


def test_contributions_beside_those_of_peers() -> None:
    found = apart_from(np.full(3, -2.0), CONTRIBUTIONS, 0)
    # The means of the other two are -2 and 0.5.
    assert (found.peers, found.base, found.thinness) == (2, -3.5, 0.0)
    np.testing.assert_allclose(found.contributions, [3.0, 0.0])


def test_a_thin_account_owes_something_to_its_own_base() -> None:
    found = apart_from(np.array([-2.0, -2.0, -3.5]), np.zeros((3, 1)), 2)
    assert (found.base, found.thinness) == (-2.0, -1.5)


@pytest.mark.parametrize(("rows", "bases", "own"), [(1, 1, 0), (2, 2, 2), (2, 1, 0), (2, 2, -1)])
def test_there_must_be_somebody_to_compare_with(rows: int, bases: int, own: int) -> None:
    with pytest.raises(FeatureError, match=f"row {own} of {rows} with {bases} bases"):
        apart_from(np.zeros(bases), np.zeros((rows, 3)), own)


ROWS = st.lists(st.tuples(*[st.floats(-5, 5)] * 4), min_size=2, max_size=30)


@given(ROWS, st.data())
def test_parts_add_up_to_the_log_odds(
    rows: list[tuple[float, float, float, float]], data: st.DataObject
) -> None:
    numbers = np.array(rows)
    own = data.draw(st.integers(0, len(rows) - 1))
    found = apart_from(numbers[:, 0], numbers[:, 1:], own)
    told = found.base + found.thinness + found.contributions.sum()
    assert told == pytest.approx(numbers[own].sum(), abs=1e-9)
