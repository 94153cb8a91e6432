from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from churnml.errors import FeatureError
from churnml.explain.peers import against_peers

GROUPS = [("pro", "smb"), ("basic", "smb"), ("pro", "smb"), ("basic", "ent"), ("pro", "smb")]
CONTRIBUTIONS = np.array([[1.0, 0.5], [2.0, 0.0], [0.0, -1.0], [4.0, 1.0], [-4.0, 2.0]])


def test_contributions_beside_those_of_peers() -> None:
    found = against_peers(np.full(5, -2.0), CONTRIBUTIONS, GROUPS, least=3)
    # Three of pro and smb: means −1 and 0.5. The others have too few, and are compared with all:
    # means 0.6 and 0.5.
    assert found.peers.tolist() == [3, 5, 3, 5, 3]
    np.testing.assert_allclose(found.base, [-2.5, -0.9, -2.5, -0.9, -2.5])
    np.testing.assert_allclose(
        found.contributions,
        [[2.0, 0.0], [1.4, -0.5], [1.0, -1.5], [3.4, 0.5], [-3.0, 1.5]],
        atol=1e-12,
    )
    np.testing.assert_allclose(found.thinness, 0, atol=1e-12)


def test_a_thin_account_owes_something_to_its_own_base() -> None:
    found = against_peers(np.array([-2.0, -2.0, -3.5]), np.zeros((3, 1)), ["a"] * 3, least=1)
    np.testing.assert_allclose(found.base, -2.5)
    np.testing.assert_allclose(found.thinness, [0.5, 0.5, -1.0])


def test_nobody_has_no_peers() -> None:
    found = against_peers(np.empty(0), np.empty((0, 2)), [])
    assert (found.base.shape, found.contributions.shape, found.peers.shape) == ((0,), (0, 2), (0,))


def test_rows_must_match() -> None:
    with pytest.raises(FeatureError, match="1 bases and 2 groups for 2 rows"):
        against_peers(np.zeros(1), np.zeros((2, 3)), ["a", "b"])


ROWS = st.lists(st.tuples(st.sampled_from("abc"), *[st.floats(-5, 5)] * 3), min_size=1, max_size=30)


@given(ROWS, st.integers(1, 5))
def test_parts_add_up_to_the_log_odds(
    rows: list[tuple[str, float, float, float]], least: int
) -> None:
    numbers = np.array([row[1:] for row in rows])
    found = against_peers(numbers[:, 0], numbers[:, 1:], [row[0] for row in rows], least=least)
    told = found.base + found.thinness + found.contributions.sum(axis=1)
    np.testing.assert_allclose(told, numbers.sum(axis=1), atol=1e-9)
