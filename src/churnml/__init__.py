"""Which customers will leave, why, and what to do on Monday.

Everything public is listed in ``__all__`` and imported when it is first asked for, so that
``import churnml`` costs nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from churnml.errors import (
        BundleError,
        ChurnMLError,
        ConfigError,
        DataError,
        FeatureError,
        LabelError,
        SourceError,
        StoreError,
        TrainingError,
    )
    from churnml.features.table import TrainingTable, build_table
    from churnml.history.asof import AsOfView, History
    from churnml.history.ingestion import ingest
    from churnml.labels import label
    from churnml.project import Project
    from churnml.serving.scorer import score_flat, score_history
    from churnml.training.bundle import Bundle
    from churnml.training.classifier import ChurnClassifier
    from churnml.training.recipes import Recipe
    from churnml.training.shelf import latest_bundle
    from churnml.training.workflow import train

    __version__: str

__all__ = [
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

_MODULES = {
    "churnml.errors": (
        "BundleError",
        "ChurnMLError",
        "ConfigError",
        "DataError",
        "FeatureError",
        "LabelError",
        "SourceError",
        "StoreError",
        "TrainingError",
    ),
    "churnml.features.table": ("TrainingTable", "build_table"),
    "churnml.history.asof": ("AsOfView", "History"),
    "churnml.history.ingestion": ("ingest",),
    "churnml.labels": ("label",),
    "churnml.project": ("Project",),
    "churnml.serving.scorer": ("score_flat", "score_history"),
    "churnml.training.bundle": ("Bundle",),
    "churnml.training.classifier": ("ChurnClassifier",),
    "churnml.training.recipes": ("Recipe",),
    "churnml.training.shelf": ("latest_bundle",),
    "churnml.training.workflow": ("train",),
}
_HOMES = {name: module for module, names in _MODULES.items() for name in names}


def __getattr__(name: str) -> object:
    if name == "__version__":
        from importlib.metadata import version

        return version("churnml")
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOMES[name]), name)
    globals()[name] = value  # asked for once
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__, "__version__"])
