"""The model card: what the model that answers predicts, from what, and how well."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from churnml.history.asof import instant_of
from churnml.labels import ColumnLabel
from churnml.serving.answers import utc
from churnml.training.bundle import MANIFEST
from churnml.training.encoding import FeatureKind

if TYPE_CHECKING:
    from churnml.serving.bundles import Loaded
    from churnml.training.manifest import FeatureRecord


def card(loaded: Loaded) -> dict[str, Any]:
    """Tell of a bundle, in values that JSON knows."""
    manifest = loaded.bundle.manifest
    label = manifest.label
    written = (loaded.bundle.folder / MANIFEST).stat().st_mtime_ns
    until = manifest.learned_until
    training = manifest.training
    return {
        **loaded.name,
        "predicts": label.model_dump(mode="json"),
        "given": [] if isinstance(label, ColumnLabel) else list(label.given),
        "periods": loaded.bundle.periods,
        "tiers": manifest.tiers.model_dump(mode="json"),
        "interval_level": manifest.judgement.intervals.level,
        "features": [_feature(loaded, record) for record in manifest.features],
        "metrics": {name: metric.model_dump() for name, metric in manifest.metrics.items()},
        "trained": {
            "at": utc(instant_of(written // 1000)),
            "learned_until": None if until is None else utc(until),
            "rows": training.rows,
            "accounts": training.accounts,
            "churned": training.churned,
            "fingerprints": training.fingerprints,
            "churnml": training.churnml,
            "lightgbm": training.lightgbm,
        },
    }


def _feature(loaded: Loaded, record: FeatureRecord) -> dict[str, Any]:
    catalogue = loaded.bundle.catalogue
    declared = None if catalogue is None else catalogue.get(record.name)
    return {
        "name": record.name,
        "kind": record.kind.value,
        "family": record.family,
        "unit": None if declared is None else declared.entry.unit,
        "description": None if declared is None else declared.description,
        "actionable": declared is not None and declared.entry.actionable,
        "values": list(record.codes) if record.kind is FeatureKind.CATEGORY else None,
    }
