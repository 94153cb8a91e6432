from __future__ import annotations

from pathlib import Path

import pytest

from churnml.errors import ConfigError
from churnml.labels import ColumnLabel, Cutoffs, Every, SubscriptionLabel
from churnml.splits import Splits
from churnml.training.recipes import ModelSpec, Recipe, read_recipe
from churnml.training.shapes import SHAPES, Shape

LABEL = '[label]\nkind = "subscriptions"\n'
OWN = LABEL + '[[model.own_shapes]]\nname = "ours"\n'
FLAT = '[label]\nkind = "column"\nfile = "c.csv"\ncolumn = "Churn"\npositive = "Yes"\n'


def write(folder: Path, text: str) -> Path:
    path = folder / "my_recipe.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_the_file_names_the_recipe_and_defaults_fill_the_rest(tmp_path: Path) -> None:
    assert read_recipe(write(tmp_path, LABEL)) == Recipe(
        name="my_recipe", label=SubscriptionLabel(), cutoffs=Cutoffs(), splits=Splits()
    )


def test_every_part_is_read(tmp_path: Path) -> None:
    recipe = read_recipe(
        write(
            tmp_path,
            LABEL
            + """
            lead_days = 7
            [cutoffs]
            every = { days = 14 }
            first = 2024-01-01
            [features]
            families = ["usage", "billing"]
            exclude = ["seats"]
            [splits]
            test_cutoffs = 5
            [model]
            shapes = ["small", "huge"]
            most_shapes = 2
            [[model.own_shapes]]
            name = "ours"
            learning_rate = 1
            num_leaves = 7
            [calibration]
            method = "none"
            """,
        )
    )
    assert recipe.label == SubscriptionLabel(lead_days=7)
    assert recipe.cutoffs.every == Every(days=14)
    assert recipe.features.families == ("usage", "billing")
    assert recipe.splits.test_cutoffs == 5
    ours = Shape(name="ours", learning_rate=1.0, num_leaves=7)
    assert recipe.model == ModelSpec(shapes=("small", "huge"), own_shapes=(ours,), most_shapes=2)
    assert recipe.model.ladder == (SHAPES["small"], SHAPES["huge"])
    assert recipe.calibration.method == "none"


def test_a_flat_table(tmp_path: Path) -> None:
    recipe = read_recipe(write(tmp_path, FLAT + '[features]\nexclude = ["Reason"]\n'))
    assert recipe.label == ColumnLabel(kind="column", file="c.csv", column="Churn", positive="Yes")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"my_recipe.toml: key 'label' is required"),
        ('name = "x"\n' + LABEL, "unknown key 'name'. A recipe is named by its file"),
        (LABEL + "[model]\nfold = 3\n", r"unknown key 'model\.fold'\. Did you mean 'folds'"),
        (LABEL + "[model]\nnum_leaves = 3\n", r"unknown key 'model\.num_leaves'"),
        (LABEL + "[splits]\nvalidation_cutoffs = 3\n", "unknown key 'splits.validation_cutoffs'"),
        (LABEL + "[model]\nfolds = 1\n", "model.folds"),
        (LABEL + "[model]\nmost_shapes = 0\n", "model.most_shapes"),
        (
            LABEL + '[model]\nshapes = ["smal"]\n',
            "no shape 'smal'; there are stump, tiny, .*, wild.* Did you mean 'small'",
        ),
        (LABEL + "[model]\nshapes = []\n", "name at least one shape"),
        (
            LABEL + '[model]\nshapes = ["tiny", "small", "tiny", "small"]\n',
            "shapes named twice: small, tiny",
        ),
        (
            LABEL + '[model]\nshapes = ["tiny"]\n[[model.own_shapes]]\nname = "tiny"\n',
            "shapes named twice: tiny",
        ),
        (LABEL + "[model]\nscale_pos_weight = 3\n", "unknown key 'model.scale_pos_weight'"),
        (OWN + "num_leafs = 3\n", r"model\.own_shapes\.0\.num_leafs'. Did you mean 'num_leaves'"),
        (OWN + "num_leaves = 3.0\n", r"model\.own_shapes\.0\.num_leaves"),
        (OWN + "learning_rate = true\n", r"model\.own_shapes\.0\.learning_rate"),
        (LABEL + "[[model.own_shapes]]\nnum_leaves = 3\n", r"own_shapes\.0\.name' is required"),
        (LABEL + "[splits]\ntest_cutoffs = 0\n", "splits.test_cutoffs"),
        (LABEL + '[calibration]\nmethod = "sigmoid"\n', "calibration.method"),
        (
            LABEL + '[features]\ninclude = ["a"]\nexclude = ["a"]\n',
            "included and excluded at once: a",
        ),
        (FLAT + '[cutoffs]\nevery = "month"\n', r"a flat table has no \[cutoffs\]"),
        (FLAT + '[features]\nfamilies = ["usage"]\n', "a flat table has no feature families"),
        (
            LABEL + "horizon_days = 90\n[cutoffs]\ndays_before_renewal = 90\n",
            "outside the label window of days 0 to 90 after the cutoff",
        ),
        (
            LABEL + "lead_days = 61\n[cutoffs]\ndays_before_renewal = 60\n",
            "outside the label window of days 61 to 151",
        ),
    ],
)
def test_what_does_not_fit_is_an_error(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        read_recipe(write(tmp_path, text))


def test_renewals_inside_the_window_are_fine(tmp_path: Path) -> None:
    text = LABEL + "horizon_days = 91\n[cutoffs]\ndays_before_renewal = 90\n"
    assert read_recipe(write(tmp_path, text)).cutoffs.days_before_renewal == 90


def test_the_recipes_of_the_reference_project_are_sound(root: Path) -> None:
    found = [read_recipe(path) for path in sorted((root / "training").glob("*.toml"))]
    assert "churn_90d" in {recipe.name for recipe in found}
    assert all(recipe.doc for recipe in found)
