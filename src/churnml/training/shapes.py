"""Shapes: the kinds of trees that a model may be made of.

Which one is right depends on the table: a few thousand noisy accounts want trees of a few leaves,
a large table whose rows repeat each other wants deep ones. `churnml.training.ensemble` tries them.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from pydantic import Field

from churnml.config import FrozenModel


class Shape(FrozenModel):
    """Parameters of LightGBM that make a kind of tree, under its own names.

    Class weights are not offered: they would ruin the probabilities, and gain nothing in rank.

    Parameters
    ----------
    name : str
        What it is called.
    learning_rate : float
        Step of each tree; smaller is slower and a little better.
    num_leaves, max_depth : int
        Bounds on a tree; a depth of -1 is none.
    min_data_in_leaf : int
        Rows that a leaf must hold. Raise it where the model learns single accounts by heart.
    min_sum_hessian_in_leaf : float
        Weight, p·(1 − p) summed over its rows, that a leaf must hold.
    feature_fraction, bagging_fraction : float
        Shares of features and of rows that a tree sees.
    extra_trees : bool
        Whether thresholds are drawn by chance: rougher trees, which differ more from one another.
    lambda_l1, lambda_l2, min_gain_to_split, path_smooth : float
        Further brakes on the trees.
    cat_smooth, cat_l2 : float
        Brakes on splits by category: how far a small category's mean is drawn to the others'.
    min_data_per_group : int
        Rows that a category must have to count by itself.
    max_cat_to_onehot : int
        Categories of so few values are split off one at a time.
    """

    name: str = Field(min_length=1)
    learning_rate: float = Field(default=0.05, gt=0, le=1)
    num_leaves: int = Field(default=15, ge=2, le=4096)
    max_depth: int = Field(default=-1, ge=-1, le=64)
    min_data_in_leaf: int = Field(default=20, ge=1)
    min_sum_hessian_in_leaf: float = Field(default=1e-3, ge=0)
    feature_fraction: float = Field(default=0.7, gt=0, le=1)
    bagging_fraction: float = Field(default=0.7, gt=0, le=1)
    extra_trees: bool = False
    lambda_l1: float = Field(default=0.0, ge=0)
    lambda_l2: float = Field(default=0.0, ge=0)
    min_gain_to_split: float = Field(default=0.0, ge=0)
    path_smooth: float = Field(default=0.0, ge=0)
    cat_smooth: float = Field(default=50.0, ge=0)
    cat_l2: float = Field(default=50.0, ge=0)
    min_data_per_group: int = Field(default=50, ge=1)
    max_cat_to_onehot: int = Field(default=4, ge=1)


# From stumps to trees that can tell single accounts apart. Each was in the best mix of some public
# table; experiments/accuracy.py sets them beside others' models.
SHAPES: Mapping[str, Shape] = MappingProxyType(
    {
        shape.name: shape
        for shape in (
            Shape(name="stump", num_leaves=2, min_data_in_leaf=30, learning_rate=0.1),
            Shape(name="tiny", num_leaves=4, max_depth=2, min_data_in_leaf=30, learning_rate=0.08),
            Shape(name="small", num_leaves=7),
            Shape(name="medium", num_leaves=15),
            Shape(name="large", num_leaves=31, min_data_in_leaf=10),
            Shape(
                name="random",
                num_leaves=31,
                min_data_in_leaf=10,
                extra_trees=True,
            ),
            Shape(
                name="huge",
                num_leaves=63,
                min_data_in_leaf=5,
                feature_fraction=0.5,
                bagging_fraction=0.9,
                cat_smooth=20.0,
                cat_l2=10.0,
                min_data_per_group=20,
            ),
            Shape(
                name="vast",
                num_leaves=127,
                min_data_in_leaf=1,
                min_sum_hessian_in_leaf=0.1,
                feature_fraction=0.5,
                bagging_fraction=0.9,
                cat_smooth=10.0,
                cat_l2=10.0,
                min_data_per_group=10,
            ),
            Shape(
                name="wild",
                num_leaves=127,
                min_data_in_leaf=2,
                min_sum_hessian_in_leaf=0.01,
                bagging_fraction=0.9,
                learning_rate=0.08,
                extra_trees=True,
                max_cat_to_onehot=64,
            ),
        )
    }
)
