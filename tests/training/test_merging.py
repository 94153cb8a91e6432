from __future__ import annotations

import lightgbm as lgb
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from churnml.training.merging import cut, merge
from churnml.training.trees import check

Floats = npt.NDArray[np.float64]

FIXED = {
    "objective": "binary",
    "num_leaves": 6,
    "min_data_in_leaf": 5,
    "min_data_per_group": 2,
    "max_cat_to_onehot": 1,
    "cat_smooth": 1.0,
    "cat_l2": 0.0,
    "num_threads": 1,
    "verbosity": -1,
}


def rows() -> tuple[Floats, Floats]:
    """Make rows of two numbers, one with gaps, and a category on which everything hangs."""
    generator = np.random.default_rng(0)
    x = generator.normal(size=(600, 3))
    x[:, 2] = generator.integers(0, 40, 600)
    x[generator.random(600) < 0.2, 1] = np.nan
    y = (x[:, 0] + 3 * np.isin(x[:, 2], [3, 5, 8, 13, 35]) > 1).astype(float)
    return x, y


X, Y = rows()


def trained(rounds: int, seed: int, label: Floats = Y) -> str:
    data = lgb.Dataset(X, label, categorical_feature=[2])
    parameters = {**FIXED, "seed": seed, "bagging_fraction": 0.5, "bagging_freq": 1}
    return str(lgb.train(parameters, data, rounds).model_to_string())


def margin(text: str, x: Floats = X) -> Floats:
    return np.asarray(lgb.Booster(model_str=text).predict(x, raw_score=True))


def trees(text: str) -> int:
    return int(lgb.Booster(model_str=text).num_trees())


@pytest.fixture(scope="module")
def texts() -> tuple[str, str, str]:
    """Three models, of 4, 7 and 12 trees: so the numbers of merged trees have two digits."""
    return trained(4, 1), trained(7, 2), trained(12, 3)


def test_a_merged_model_is_the_weighted_sum(texts: tuple[str, str, str]) -> None:
    assert all("num_cat=1" in text for text in texts)
    whole = merge(list(zip(texts, (0.2, 0.3, 0.5), strict=True)))
    wanted = 0.2 * margin(texts[0]) + 0.3 * margin(texts[1]) + 0.5 * margin(texts[2])
    np.testing.assert_allclose(margin(whole), wanted, rtol=0, atol=1e-14)
    assert trees(whole) == 23
    unknown = np.array([[np.nan, np.nan, np.nan], [0.0, 0.0, 1000.0], [1e300, -1e300, -1.0]])
    first, second, third = (margin(text, unknown) for text in texts)
    wanted = 0.2 * first + 0.3 * second + 0.5 * third
    np.testing.assert_allclose(margin(whole, unknown), wanted, rtol=0, atol=1e-14)


def test_the_check_of_bundles_takes_it(texts: tuple[str, str, str]) -> None:
    whole = merge([(text, 1 / 3) for text in texts])
    check(whole, 3, 23)
    # And LightGBM itself reads back what it reads, to the last bit.
    again = lgb.Booster(model_str=whole).model_to_string()
    assert np.array_equal(margin(again), margin(whole))


def test_of_weight_one_alone_nothing_changes(texts: tuple[str, str, str]) -> None:
    assert np.array_equal(margin(merge([(texts[0], 1.0)])), margin(texts[0]))


def test_trees_keep_the_order_of_the_parts(texts: tuple[str, str, str]) -> None:
    whole = lgb.Booster(model_str=merge([(texts[1], 0.5), (texts[0], 0.25)]))
    first = np.asarray(whole.predict(X, raw_score=True, start_iteration=0, num_iteration=7))
    np.testing.assert_allclose(first, 0.5 * margin(texts[1]), rtol=0, atol=1e-14)


def test_weights_may_be_numpys(texts: tuple[str, str, str]) -> None:
    """numpy 2 writes np.float64(0.5) where Python writes 0.5."""
    taken = merge([(texts[0], np.float64(0.3)), (texts[1], np.float64(0.7))])
    assert taken == merge([(texts[0], 0.3), (texts[1], 0.7)])
    assert "np." not in taken


def test_a_tree_of_one_leaf_merges(texts: tuple[str, str, str]) -> None:
    """Where nothing can split, LightGBM writes a tree of the base rate, without any node."""
    data = lgb.Dataset(X, Y)
    flat = str(lgb.train({**FIXED, "min_data_in_leaf": 10_000}, data, 1).model_to_string())
    assert "num_leaves=1\n" in flat
    whole = merge([(flat, 0.25), (texts[0], 0.5), (flat, 0.25)])
    check(whole, 3, 6)
    wanted = 0.5 * margin(flat) + 0.5 * margin(texts[0])
    np.testing.assert_allclose(margin(whole), wanted, rtol=0, atol=1e-14)
    alone = merge([(flat, 0.5), (flat, 0.5)])
    check(alone, 3, 2)
    rate = Y.mean()
    np.testing.assert_allclose(margin(alone), np.log(rate / (1 - rate)), atol=1e-12)


def test_contributions_sum_to_the_margin_and_are_weighted_too(
    texts: tuple[str, str, str],
) -> None:
    def contributions(text: str) -> Floats:
        return np.asarray(lgb.Booster(model_str=text).predict(X, pred_contrib=True))

    whole = merge([(texts[0], 0.4), (texts[1], 0.6)])
    found = contributions(whole)
    np.testing.assert_allclose(found.sum(axis=1), margin(whole), rtol=0, atol=1e-12)
    wanted = 0.4 * contributions(texts[0]) + 0.6 * contributions(texts[1])
    np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-12)


TEXTS = {rounds: trained(rounds, rounds) for rounds in range(1, 13)}


@settings(max_examples=25)
@given(st.lists(st.integers(1, 12), min_size=1, max_size=6), st.data())
def test_cutting_undoes_merging(counts: list[int], data: st.DataObject) -> None:
    made = {rounds: TEXTS[rounds] for rounds in counts}
    weights = data.draw(st.lists(st.floats(0.01, 2.0), min_size=len(counts), max_size=len(counts)))
    parts = [(made[rounds], weight) for rounds, weight in zip(counts, weights, strict=True)]
    whole = merge(parts)
    runs = cut(whole, counts)
    assert [trees(run) for run in runs] == counts
    for run, (text, weight), count in zip(runs, parts, counts, strict=True):
        check(run, 3, count)
        np.testing.assert_allclose(margin(run), weight * margin(text), rtol=0, atol=1e-13)
    assert merge([(run, 1.0) for run in runs]) == whole
