from __future__ import annotations

import re

import lightgbm as lgb
import numpy as np
import pytest
from pydantic import ValidationError

from churnml.training.recipes import ModelSpec
from churnml.training.shapes import SHAPES, Shape


def test_they_go_by_their_names_from_small_to_large() -> None:
    assert {name: shape.name for name, shape in SHAPES.items()} == {name: name for name in SHAPES}
    leaves = [shape.num_leaves for shape in SHAPES.values()]
    assert leaves == sorted(leaves)
    assert leaves[0] == 2


@pytest.mark.parametrize("shape", SHAPES.values(), ids=lambda shape: shape.name)
def test_lightgbm_knows_every_parameter_by_its_name(shape: Shape) -> None:
    """It keeps quiet of what it does not know, but writes down what it understood."""
    asked = shape.model_dump(exclude={"name"})
    data = lgb.Dataset(np.arange(40.0)[:, None], np.arange(40) % 2)
    parameters = {**asked, "objective": "binary", "num_threads": 1, "verbosity": -1}
    text = lgb.train(parameters, data, 1).model_to_string()
    understood = dict(re.findall(r"^\[(\w+): (.*)\]$", text, re.MULTILINE))
    assert {key: float(understood[key]) for key in asked} == {k: float(v) for k, v in asked.items()}


def test_a_shape_is_copied_into_a_mix_by_name_alone() -> None:
    ours = Shape(name="ours", num_leaves=3)
    spec = ModelSpec(shapes=("small", "huge", "tiny"), own_shapes=(ours,), folds=7)
    kept = spec.only({"huge": 0.5, "ours": 0.5})
    # None is left to a climb, which might stop below it.
    assert (kept.ladder, kept.own_shapes) == ((), (SHAPES["huge"], ours))
    assert (kept.folds, kept.most_shapes) == (7, 3)
    assert spec.only(["tiny", "small"]).own_shapes == (SHAPES["small"], SHAPES["tiny"])


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": ""},
        {"num_leaves": 1},
        {"learning_rate": 0.0},
        {"min_data_in_leaf": 0},
        {"bagging_fraction": 1.1},
        {"scale_pos_weight": 3.0},
    ],
    ids=str,
)
def test_what_would_be_no_tree_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError, match=next(iter(wrong))):
        Shape.model_validate({"name": "x", **wrong})
