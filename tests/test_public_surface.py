from __future__ import annotations

import importlib
import subprocess
import sys

import pytest

import churnml
from churnml import errors

HEAVY = ("duckdb", "lightgbm", "mlflow", "numpy", "pandas", "pyarrow", "pydantic", "sklearn")


def test_the_public_names_are_the_intended_ones() -> None:
    assert churnml.__all__ == [
        "AsOfView",
        "Bundle",
        "BundleError",
        "ChurnClassifier",
        "ChurnMLError",
        "ConfigError",
        "DataError",
        "FeatureError",
        "History",
        "LabelError",
        "Project",
        "Recipe",
        "SourceError",
        "StoreError",
        "TrainingError",
        "TrainingTable",
        "build_table",
        "ingest",
        "label",
        "latest_bundle",
        "score_flat",
        "score_history",
        "train",
    ]


def test_the_surface_stays_small() -> None:
    assert len(churnml.__all__) <= 25


@pytest.mark.parametrize("name", churnml.__all__)
def test_every_public_name_is_documented_and_at_home_in_its_module(name: str) -> None:
    value = getattr(churnml, name)

    assert value.__doc__
    assert getattr(importlib.import_module(value.__module__), name) is value
    assert name in dir(churnml)


def test_every_error_of_the_tree_is_public() -> None:
    tree = {
        name
        for name, value in vars(errors).items()
        if isinstance(value, type) and issubclass(value, errors.ChurnMLError)
    }

    assert tree == {name for name in churnml.__all__ if name.endswith("Error")}


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'Projects'"):
        churnml.Projects  # noqa: B018 - the lookup is the point


def test_the_version_is_the_installed_one() -> None:
    assert churnml.__version__.count(".") == 2


def test_importing_churnml_imports_nothing_heavy() -> None:
    code = f"import churnml, sys; print([m for m in {HEAVY} if m in sys.modules])"

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"
