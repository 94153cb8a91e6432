"""A catalogue as plain values and back, so that a bundle computes what it was trained on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from churnml.config import FrozenModel, parse
from churnml.features.catalogue import Catalogue, Feature, FeatureEntry


class _FeatureRecord(FrozenModel):
    name: str
    family: str
    entry: FeatureEntry
    window: int | None
    offset: int


class _CatalogueRecord(FrozenModel):
    titles: dict[str, str]
    features: tuple[_FeatureRecord, ...]


def to_snapshot(catalogue: Catalogue) -> dict[str, Any]:
    """Write a catalogue in values that JSON knows.

    Parameters
    ----------
    catalogue : Catalogue
        What to keep.
    """
    record = _CatalogueRecord(
        titles=dict(catalogue.titles),
        features=tuple(
            _FeatureRecord(
                name=feature.name,
                family=feature.family,
                entry=feature.entry,
                window=feature.window,
                offset=feature.offset,
            )
            for feature in catalogue.features
        ),
    )
    return record.model_dump(mode="json", exclude_defaults=True)


def from_snapshot(content: Mapping[str, Any], where: str) -> Catalogue:
    """Rebuild the catalogue that `to_snapshot` wrote.

    Parameters
    ----------
    content : mapping
        What was written.
    where : str
        Where it stands, for errors.

    Raises
    ------
    ConfigError
        If it is not a catalogue of this version.
    """
    record = parse(_CatalogueRecord, dict(content), where)
    features = tuple(
        Feature(item.name, item.family, item.entry, item.window, item.offset, where)
        for item in record.features
    )
    return Catalogue(features, MappingProxyType(record.titles))


def keep(catalogue: Catalogue, columns: tuple[str, ...]) -> Catalogue:
    """Keep some columns; what only their formulas read is computed but becomes no column.

    Parameters
    ----------
    catalogue : Catalogue
        All features.
    columns : tuple of str
        The columns to keep.

    Raises
    ------
    FeatureError
        If a name is unknown.
    """
    wanted = set(columns)
    features = tuple(
        feature if feature.name in wanted else replace(feature, entry=_internal(feature.entry))
        for feature in catalogue.select(columns).features
    )
    return Catalogue(features, catalogue.titles)


def _internal(entry: FeatureEntry) -> FeatureEntry:
    return entry.model_copy(update={"internal": True})
