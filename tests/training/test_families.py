from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType

import pyarrow as pa

from churnml.features.table import TrainingTable
from churnml.splits import Split
from churnml.training.estimator import fit
from churnml.training.families import told_families
from churnml.training.recipes import Recipe


def test_what_says_the_same_is_told_under_one_family(
    table: TrainingTable, split: Split, recipe: Recipe
) -> None:
    twin = pa.array(-3.0 * table.frame["trend"].to_numpy())
    twice = replace(
        table,
        frame=table.frame.append_column("twin", twin),
        features=(*table.features, "twin"),
        families=MappingProxyType({name: name for name in (*table.features, "twin")}),
    )
    model = fit(twice, split.learn, recipe.model, recipe.calibration).model
    told = told_families(model, twice)
    assert told["twin"] == told["trend"]
    assert told["trend"] in {"trend", "twin"}
    others = set(twice.features) - {"trend", "twin"}
    assert {name: told[name] for name in others} == {name: name for name in others}
