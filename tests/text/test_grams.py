from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from churnml.text.grams import SIZES, grams, letters, plain, sparse_matrix, summed


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("Sooooo  GOOD", "soo good"),
        ("@acme see https://acme.example/x?y=1 now", "~h see ~u now"),
        ("Order 12345", "order 0"),
        ("a &amp; b", "a & b"),
        ("don’t", "don't"),  # noqa: RUF001
    ],
)
def test_links_names_and_numbers_are_told_apart_no_further(text: str, told: str) -> None:
    assert plain(text) == told


def slow(text: str) -> dict[bytes, int]:
    """Count n-grams one by one."""
    raw = f" {plain(text)} ".encode()
    found: dict[bytes, int] = {}
    for size in SIZES:
        for place in range(len(raw) - size + 1):
            found[raw[place : place + size]] = found.get(raw[place : place + size], 0) + 1
    return found


@given(st.lists(st.text(max_size=40), min_size=1, max_size=6))
def test_every_message_has_its_own_n_grams_and_no_others(texts: list[str]) -> None:
    together = grams(texts, 20)
    assert together.n_rows == len(texts)
    for row, text in enumerate(texts):
        counts = together.count[together.row == row]
        assert counts.sum() == sum(slow(text).values())
        alone = grams([text], 20)
        assert np.array_equal(alone.column, together.column[together.row == row])
        assert np.array_equal(alone.count, counts)


def test_equal_n_grams_share_a_column_and_others_hardly() -> None:
    found = grams(["abcd", "abcd", "wxyz"], 20)
    columns = [set(found.column[found.row == row].tolist()) for row in range(3)]
    assert columns[0] == columns[1]
    assert len(columns[0] & columns[2]) == 0
    assert grams(["abcd"], 3).column.max() < 8


def test_groups_of_messages_are_read_as_each_alone_in_as_many_columns_as_a_model_has() -> None:
    rng = np.random.default_rng(1)
    groups = [["one two", "", "One  TWO", "three"], ["three", "four four four"]]
    for bits in (6, 10, 12):
        rare, weights = rng.random(1 << bits), rng.random((1 << bits, 3))
        for group, found in zip(groups, letters(*groups, bits=12), strict=True):
            alone = sparse_matrix(grams(group, bits), rare) @ weights
            assert np.array_equal(found.weigh(rare, weights), alone)


def test_weights_are_summed_of_each_occurrence() -> None:
    texts, weights = ["abab", "", "xyz"], np.random.default_rng(2).random((1 << 8, 2))
    found = grams(texts, 8)
    expected = [
        (found.count * weights[found.column, chosen])[found.row == row].sum()
        for row, chosen in enumerate((1, 0, 0))
    ]
    assert summed(texts, weights, np.array([1, 0, 0])) == pytest.approx(expected)
    assert summed([], weights, np.array([], dtype=np.int64)).shape == (0,)
