"""Whatever is done to a model's text, it is refused before LightGBM could abort on it."""

from __future__ import annotations

import re

import lightgbm as lgb
import numpy as np
import pytest

from churnml.errors import BundleError
from churnml.training.estimator import FittedModel
from churnml.training.trees import check


@pytest.fixture(scope="module")
def text() -> str:
    generator = np.random.default_rng(0)
    x = generator.normal(size=(4000, 3))
    x[:, 2] = generator.integers(0, 40, 4000)
    y = (x[:, 0] + 4 * np.isin(x[:, 2], [3, 5, 8, 13, 35]) > 1).astype(float)
    parameters = {
        "objective": "binary",
        "num_leaves": 5,
        "min_data_per_group": 2,
        "max_cat_to_onehot": 1,
        "cat_smooth": 1,
        "cat_l2": 0,
        "verbosity": -1,
    }
    data = lgb.Dataset(x, y, categorical_feature=[2])
    return str(lgb.train(parameters, data, 3).model_to_string())


def test_what_lightgbm_wrote_is_sound(text: str, fitted: FittedModel) -> None:
    assert "num_cat=1" in text[: text.index("Tree=1")]
    check(text, 3, 3)
    check(fitted.model.text, 7, sum(fitted.model.fold_trees))


def test_a_tree_of_one_leaf_is_sound() -> None:
    data = lgb.Dataset(np.zeros((50, 1)), np.arange(50) % 2)
    booster = lgb.train({"objective": "binary", "verbosity": -1}, data, 1)
    check(booster.model_to_string(), 1, 1)


def fixed(text: str, pattern: str, replacement: str) -> str:
    """Change the first tree and give `tree_sizes` its new length."""
    start = text.index("Tree=0")
    end = text.index("Tree=1")
    block = re.sub(pattern, replacement, text[start:end], count=1, flags=re.MULTILINE)
    assert block != text[start:end]
    text = text[:start] + block + text[end:]
    return re.sub(r"tree_sizes=\d+", f"tree_sizes={len(block)}", text, count=1)


@pytest.mark.parametrize(
    ("pattern", "replacement", "message"),
    [
        (r"^num_leaves=\d+", "num_leaves=9", "other leaves than it says"),
        (r"^num_leaves=\d+", "num_leaves=0", "other leaves than it says"),
        (r"^num_leaves=\d+", "num_leaves=many", "not a model that LightGBM wrote"),
        (r"^leaf_value=\S+", "leaf_value=nan", "a leaf that is no finite number"),
        (r"^leaf_value=\S+", "leaf_value=1e999", "a leaf that is no finite number"),
        (r"^is_linear=0", "is_linear=1", "is linear"),
        (r"^split_feature=\d+ ", "split_feature=", "other splits than it says"),
        (r"^split_feature=\d+", "split_feature=3", "no known feature"),
        (r"^split_feature=\d+", "split_feature=-1", "no known feature"),
        (r"^leaf_count=\d+ ", "leaf_count=", "does not count its leaves"),
        (r"^leaf_count=\d+", "leaf_count=7", "counts rows that do not add up"),
        (r"^internal_count=\d+", "internal_count=7", "counts rows that do not add up"),
        (r"^internal_count=.*$", "internal_count=0 0 0 0", "counts rows that do not add up"),
        (r"^internal_value=\S+ ", "internal_value=", "other splits than it says"),
        (r"^left_child=\S+", "left_child=0", "is no tree"),
        (r"^left_child=\S+", "left_child=-99", "is no tree"),
        (r"^right_child=.*$", "right_child=7 7 7 7", "is no tree"),
        (r"^decision_type=.*$", "decision_type=2 2 2 2", "categories it does not list"),
        (r"^num_cat=\d+", "num_cat=0", "categories it does not list"),
        (r"^num_cat=\d+", "num_cat=9", "lists its categories wrongly"),
        (r"^cat_boundaries=0", "cat_boundaries=1", "lists its categories wrongly"),
        (r"^cat_threshold=.*$", "cat_threshold=", "lists its categories wrongly"),
        (r"^cat_threshold=\d+", "cat_threshold=-1", "lists its categories wrongly"),
        (r"^cat_threshold=\d+", "cat_threshold=4294967296", "lists its categories wrongly"),
        (r"^threshold=.*$", "threshold=8 8 8 8", "lists its categories wrongly"),
        (r"^threshold=", "thresold=", "not a model that LightGBM wrote"),
        (r"^threshold=\S+", "threshold=nan", "splits at no number"),
    ],
)
def test_a_damaged_tree_is_refused(text: str, pattern: str, replacement: str, message: str) -> None:
    with pytest.raises(BundleError, match=message):
        check(fixed(text, pattern, replacement), 3, 3)


def test_a_node_without_rows_is_refused(text: str) -> None:
    """Its children's shares of its rows are none, and whatever hangs on it adds up."""
    damaged = fixed(text, r"^leaf_count=.*$", "leaf_count=389 632 0 2979 0")
    damaged = fixed(damaged, r"^(internal_count=.*) \d+$", r"\1 0")
    with pytest.raises(BundleError, match="tree 0 counts rows that do not add up"):
        check(damaged, 3, 3)


def test_a_loop_is_refused() -> None:
    """Two nodes that hang on each other, and each leaf and node is still used exactly once."""
    tree = (
        "Tree=0\nnum_leaves=4\nnum_cat=0\nsplit_feature=0 0 0\nsplit_gain=1 1 1\n"
        "threshold=0 0 0\ndecision_type=2 2 2\nleft_child=-1 2 1\nright_child=-2 -3 -4\n"
        "leaf_value=0 0 0 0\nleaf_weight=1 1 1 1\nleaf_count=1 1 1 1\ninternal_value=0 0 0\n"
        "internal_weight=1 1 1\ninternal_count=4 2 2\nis_linear=0\nshrinkage=1\n\n\n"
    )
    head = (
        "tree\nversion=v4\nnum_class=1\nnum_tree_per_iteration=1\nlabel_index=0\n"
        "max_feature_idx=0\nobjective=binary sigmoid:1\nfeature_names=f0\n"
        f"feature_infos=[0:1]\ntree_sizes={len(tree)}\n\n"
    )
    with pytest.raises(BundleError, match="tree 0 is no tree"):
        check(head + tree + "end of trees\n", 1, 1)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("tree\nversion", "wood\nversion", "not a model that LightGBM wrote"),
        ("version=v4", "version=v5", "says version=v5, expected version=v4"),
        ("objective=binary sigmoid:1", "objective=regression", "says objective=regression"),
        ("num_class=1", "num_class=3", "says num_class=3"),
        ("label_index=0", "label_index=0\naverage_output", "averages its trees"),
        ("max_feature_idx=2", "max_feature_idx=5", "has 6 features and the manifest 3"),
        ("tree_sizes=", "tree_sizes=1", "a field is there twice"),
        ("tree_sizes=", "tree_sizes=-5 ", "has 4 trees and the manifest 3"),
        ("tree_sizes=", "tree_sizes=-", "tree 0 is not where tree_sizes says"),
        ("tree_sizes=", "tree_sizes=x", "not a model that LightGBM wrote: ValueError"),
        ("tree_sizes=", "sizes=", "not a model that LightGBM wrote: KeyError"),
        ("end of trees", "Tree=3\nend of trees", "more than the trees"),
        ("Tree=0", "Tree=7", "not a model that LightGBM wrote"),
        ("pandas_categorical", "p\u00e4ndas", "not a model that LightGBM wrote"),
    ],
)
def test_a_damaged_frame_is_refused(text: str, old: str, new: str, message: str) -> None:
    assert old in text
    with pytest.raises(BundleError, match=message):
        check(text.replace(old, new, 1), 3, 3)


def test_a_size_that_is_too_short_is_refused(text: str) -> None:
    short = re.sub(r"tree_sizes=\d+", "tree_sizes=9", text, count=1)
    with pytest.raises(BundleError, match="not a model that LightGBM wrote: KeyError"):
        check(short, 3, 3)


@pytest.mark.parametrize("told", [2, 4])
def test_a_model_of_more_or_fewer_trees_than_told_is_refused(text: str, told: int) -> None:
    with pytest.raises(BundleError, match=f"the model has 3 trees and the manifest {told}"):
        check(text, 3, told)
