"""The feature catalogue: what each feature is, as TOML says it, checked against the contract."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Literal

from churnml.config import parse, read_toml
from churnml.errors import ConfigError, FeatureError, nearest
from churnml.features.checks import check as _check
from churnml.features.entries import (
    CUTOFF_MONTH,
    KNOWN,
    Aggregate,
    Feature,
    FeatureEntry,
    FeatureFile,
)
from churnml.history.tables import Table

__all__ = [
    "CUTOFF_MONTH",
    "KNOWN",
    "Aggregate",
    "Catalogue",
    "Feature",
    "FeatureEntry",
    "FeatureFile",
    "Omission",
    "columns_read",
    "read_catalogue",
]

# The expressions of an aggregate, over the columns of its table.
_OF_ROWS: tuple[Literal["where", "value", "hit", "breaks"], ...] = (
    "where", "value", "hit", "breaks",
)  # fmt: skip


@dataclass(frozen=True)
class Omission:
    """A feature that history cannot give, and why."""

    feature: str
    why: str


@dataclass(frozen=True)
class Catalogue:
    """All features of a project.

    Parameters
    ----------
    features : tuple of Feature
        In the order of files and entries; internal ones serve only formulas.
    titles : mapping of str to str
        What a family is called before people.
    """

    features: tuple[Feature, ...]
    titles: Mapping[str, str]

    @cached_property
    def by_name(self) -> Mapping[str, Feature]:
        """Features by column."""
        return {feature.name: feature for feature in self.features}

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns a table gets, without internal ones."""
        return tuple(f.name for f in self.features if not f.entry.internal)

    def get(self, name: str) -> Feature:
        """Look up a feature.

        Raises
        ------
        FeatureError
            If there is none of that name, with the nearest.
        """
        if name not in self.by_name:
            raise FeatureError(f"no feature {name!r}.{nearest(name, self.by_name)}")
        return self.by_name[name]

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 over all that decides a value."""
        content = [
            [f.name, f.family, f.window, f.offset, f.entry.model_dump(mode="json")]
            for f in self.features
        ]
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()

    def select(self, names: Iterable[str]) -> Catalogue:
        """Keep some columns and whatever their formulas read.

        Raises
        ------
        FeatureError
            If a name is unknown.
        """
        wanted: set[str] = set()
        queue = list(names)
        while queue:
            feature = self.get(queue.pop())
            if feature.name not in wanted:
                wanted.add(feature.name)
                queue += self._reads(feature)
        return Catalogue(tuple(f for f in self.features if f.name in wanted), self.titles)

    def available(self, contracts: Mapping[str, Table]) -> tuple[Catalogue, tuple[Omission, ...]]:
        """Split off the features whose tables or columns are absent.

        Parameters
        ----------
        contracts : mapping of str to Table
            The tables and columns that history has.

        Returns
        -------
        catalogue : Catalogue
            What can be computed.
        omissions : tuple of Omission
            What cannot, and what is absent.
        """
        omitted: dict[str, str] = {}
        kept: list[Feature] = []
        for feature in self.features:
            why = _absent(feature, contracts) or next(
                (f"{n}: {omitted[n]}" for n in self._reads(feature) if n in omitted), None
            )
            if why is None:
                kept.append(feature)
            elif feature.entry.absent is not None and feature.entry.table in contracts:
                kept.append(_constant(feature, feature.entry.absent))
            else:
                omitted[feature.name] = why
        omissions = tuple(Omission(name, why) for name, why in omitted.items())
        return Catalogue(tuple(kept), self.titles), omissions

    def _reads(self, feature: Feature) -> tuple[str, ...]:
        formula = feature.expression("formula")
        return () if formula is None else tuple(c for c in formula.columns if c != CUTOFF_MONTH)


def read_catalogue(paths: Sequence[Path], contracts: Mapping[str, Table]) -> Catalogue:
    """Read and check the files of ``features/``.

    Parameters
    ----------
    paths : sequence of Path
        The files, in the order in which columns shall stand.
    contracts : mapping of str to Table
        Every table a project may have, with all columns that may be there.

    Returns
    -------
    Catalogue
        All features, formulas after what they read.

    Raises
    ------
    ConfigError
        Naming file and feature, for whatever is malformed or points nowhere.
    """
    features: list[Feature] = []
    titles: dict[str, str] = {}
    faults: list[str] = []
    for path in paths:
        content = _read_file(path)
        if titles.setdefault(content.family, content.title) != content.title:
            raise ConfigError(
                f"{path}: family {content.family!r} is titled {content.title!r} here and "
                f"{titles[content.family]!r} before; expected one title. Give both files the same."
            )
        features += [x for entry in content.feature for x in _expand(content.family, entry, path)]
    seen: dict[str, Feature] = {}
    names = {feature.name for feature in features}
    for feature in features:
        where = f"{feature.source}: feature {feature.name!r}"
        if feature.name in seen:
            faults.append(f"{where}: declared before, in {seen[feature.name].source}.")
            continue
        try:
            _check(feature, seen, contracts, names)
        except (ConfigError, FeatureError) as error:
            faults.append(f"{where}: {error}")
        seen[feature.name] = feature
    if faults:
        raise ConfigError("\n".join(faults))
    return Catalogue(tuple(features), titles)


def _read_file(path: Path) -> FeatureFile:
    """Read one file; a fault of an entry is told under the feature's name, not its number."""
    content = read_toml(path)
    entries = content.get("feature", [])
    faults = []
    for entry in entries if isinstance(entries, list) else []:
        if not isinstance(entry, dict):
            continue  # told below, with the whole file
        try:
            parse(FeatureEntry, entry, f"{path}: feature {entry.get('name', '(unnamed)')!r}")
        except ConfigError as error:
            faults.append(str(error))
    if faults:
        raise ConfigError("\n".join(faults))
    return parse(FeatureFile, content, path)


def _expand(family: str, entry: FeatureEntry, path: Path) -> Iterable[Feature]:
    for window in entry.windows or (None,):
        offset = (window or 0) if entry.offset == "w" else entry.offset
        name = entry.name.replace("{w}", str(window))
        yield Feature(name, family, entry, window, offset, str(path))


def _constant(feature: Feature, value: float) -> Feature:
    """Put a constant in the place of an aggregate over columns that history does not have."""
    aggregate = ("table", "aggregate", "at", "where", "value", "hit", "breaks", "absent")
    update: dict[str, object] = {**dict.fromkeys(aggregate), "formula": repr(value), "offset": 0}
    return replace(feature, entry=feature.entry.model_copy(update=update), offset=0)


def columns_read(feature: Feature) -> set[str]:
    """Name the columns of its table that an aggregate reads, but for the event time."""
    read = {
        name
        for key in _OF_ROWS
        if (found := feature.expression(key)) is not None
        for name in found.columns
    }
    if feature.entry.at is not None and feature.entry.at != KNOWN:
        read.add(feature.entry.at)
    return read


def _absent(feature: Feature, contracts: Mapping[str, Table]) -> str | None:
    entry = feature.entry
    if entry.table is None:
        return None
    if entry.table not in contracts:
        return f"no table {entry.table!r}"
    table = contracts[entry.table]
    lost = sorted(name for name in columns_read(feature) if not table.has(name))
    return f"table {entry.table!r} has no {', '.join(lost)}" if lost else None
