"""The feature catalogue: what each feature is, as TOML says it, checked against history's contract."""

from __future__ import annotations

import hashlib
import json
import re
import string
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from typing import Literal

from pydantic import Field, model_validator

from churnml.config import FrozenModel, read_model
from churnml.errors import ConfigError, FeatureError, nearest
from churnml.features.expressions import TYPE_OF_KIND, Expression, Type, parse_expression
from churnml.history.tables import Table


class Aggregate(StrEnum):
    """How the rows that a feature reads become one value.

    ``count``, ``sum``, ``mean``, ``min``, ``max``, ``distinct``, ``distinct_days``, ``share`` (of
    rows, those that `hit`), ``last`` (value of the latest row), ``days_since_last``,
    ``days_since_first`` and ``streak`` (rows since the latest row that `breaks` it). The minimum,
    maximum or last of a time is told in days from the cutoff, negative in the past.
    """

    COUNT = "count"
    SUM = "sum"
    MEAN = "mean"
    MIN = "min"
    MAX = "max"
    DISTINCT = "distinct"
    DISTINCT_DAYS = "distinct_days"
    SHARE = "share"
    LAST = "last"
    DAYS_SINCE_LAST = "days_since_last"
    DAYS_SINCE_FIRST = "days_since_first"
    STREAK = "streak"


_WITH_VALUE = {Aggregate.SUM, Aggregate.MEAN, Aggregate.MIN, Aggregate.MAX, Aggregate.LAST}
_WITHOUT_WINDOW = {Aggregate.DAYS_SINCE_LAST, Aggregate.DAYS_SINCE_FIRST, Aggregate.STREAK}
# The row's own known time, as a value of `at`: when a term was booked, say.
KNOWN = "known"
CUTOFF_MONTH = "cutoff_month"


class FeatureEntry(FrozenModel):
    """One ``[[feature]]`` of a file in ``features/``, standing for one column a window."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_]*(\{w\}[a-z0-9_]*)?$")
    description: str
    unit: str
    windows: tuple[int, ...] = ()
    offset: int | Literal["w"] = 0
    table: str | None = None
    aggregate: Aggregate | None = None
    at: str | None = None
    where: str | None = None
    value: str | None = None
    hit: str | None = None
    breaks: str | None = None
    formula: str | None = None
    function: str | None = Field(default=None, pattern=r"^[\w.]+:\w+$")
    minimum: float | Literal["w"] | None = None
    maximum: float | Literal["w"] | None = None
    risk: Literal["high", "low", "either"] = "either"
    monotone: bool = False
    actionable: bool = False
    internal: bool = False
    sentence: str = ""
    missing: str = ""

    @model_validator(mode="after")
    def _consistent(self) -> FeatureEntry:
        for fault in self._faults():
            raise ValueError(fault)
        return self

    def _faults(self) -> Iterable[str]:
        kinds = [
            key for key in ("aggregate", "formula", "function") if getattr(self, key) is not None
        ]
        if len(kinds) != 1:
            yield f"exactly one of aggregate, formula, function is expected, got {kinds or 'none'}"
        if (self.aggregate is None) != (self.table is None):
            yield "an aggregate reads a table, and a table needs an aggregate"
        if bool(self.windows) != ("{w}" in self.name):
            yield "a name with {w} needs windows, and windows need {w} in the name"
        if any(w <= 0 for w in self.windows) or len(set(self.windows)) != len(self.windows):
            yield "windows must be different whole numbers of days above zero"
        if self.offset != 0 and not self.windows:
            yield "an offset needs windows"
        if isinstance(self.offset, int) and self.offset < 0:
            yield "an offset must not be negative"
        if self.monotone and self.risk == "either":
            yield 'a monotone feature needs risk = "high" or "low"'
        if not self.internal and not self.sentence:
            yield "a feature needs the sentence that explains it (or internal = true)"
        yield from self._aggregate_faults()

    def _aggregate_faults(self) -> Iterable[str]:
        how = self.aggregate
        if how is None:
            used = [k for k in ("at", "where", "value", "hit", "breaks") if getattr(self, k)]
            if used:
                yield f"{', '.join(used)} belong to an aggregate"
            return
        if how in _WITH_VALUE and self.value is None:
            yield f"{how} needs a value"
        if how is Aggregate.DISTINCT and self.value is None:
            yield "distinct needs a value, the column whose values are told apart"
        if (how is Aggregate.SHARE) != (self.hit is not None):
            yield "share needs hit, the condition whose share is taken, and only share has one"
        if (how is Aggregate.STREAK) != (self.breaks is not None):
            yield "streak needs breaks, the condition that ends it, and only streak has one"
        if how in _WITHOUT_WINDOW and self.windows:
            yield f"{how} takes no windows"
        if how is Aggregate.DISTINCT_DAYS and not self.windows:
            yield "distinct_days needs windows"
        if how is Aggregate.LAST and self.offset != 0:
            yield "last takes no offset"


class FeatureFile(FrozenModel):
    """One file of ``features/``: a family and its features."""

    family: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    title: str
    feature: tuple[FeatureEntry, ...] = ()


@dataclass(frozen=True)
class Feature:
    """One column, with its window filled in.

    Parameters
    ----------
    name : str
        The column.
    family : str
        What it is told under.
    entry : FeatureEntry
        What the file says of it.
    window : int, optional
        Days of its window; all of the past when omitted.
    offset : int
        Days between the window's end and the cutoff.
    source : str
        The file that declares it.
    """

    name: str
    family: str
    entry: FeatureEntry
    window: int | None
    offset: int
    source: str

    @property
    def monotone(self) -> int:
        """The constraint on risk: +1 if it may only rise with the value, -1, or 0 for none."""
        if not self.entry.monotone:
            return 0
        return 1 if self.entry.risk == "high" else -1

    @property
    def description(self) -> str:
        """What it is."""
        return self.fill(self.entry.description)

    @property
    def bounds(self) -> tuple[float | None, float | None]:
        """The range expected of it."""
        low, high = (
            self.window if x == "w" else x for x in (self.entry.minimum, self.entry.maximum)
        )
        return low, high

    def fill(self, text: str) -> str:
        """Put the window's days into a text of the catalogue."""
        return text.replace("{w}", str(self.window)) if self.window is not None else text

    def expression(
        self, key: Literal["where", "value", "hit", "breaks", "formula"]
    ) -> Expression | None:
        """Parse one of its expressions; None where the entry has none."""
        text: str | None = getattr(self.entry, key)
        return None if text is None else parse_expression(self.fill(text))


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
    for path in paths:
        content = read_model(FeatureFile, path)
        titles[content.family] = content.title
        features += [x for entry in content.feature for x in _expand(content.family, entry, path)]
    seen: dict[str, Feature] = {}
    for feature in features:
        try:
            if feature.name in seen:
                raise ConfigError(f"declared before, in {seen[feature.name].source}.")
            _check(feature, seen, contracts)
        except (ConfigError, FeatureError) as error:
            raise ConfigError(f"{feature.source}: feature {feature.name!r}: {error}") from error
        seen[feature.name] = feature
    return Catalogue(tuple(features), titles)


def _expand(family: str, entry: FeatureEntry, path: Path) -> Iterable[Feature]:
    for window in entry.windows or (None,):
        offset = (window or 0) if entry.offset == "w" else entry.offset
        name = entry.name.replace("{w}", str(window))
        yield Feature(name, family, entry, window, offset, str(path))


def _check(feature: Feature, seen: Mapping[str, Feature], contracts: Mapping[str, Table]) -> None:
    entry = feature.entry
    formula = feature.expression("formula")
    if formula is not None:
        numbers = {**dict.fromkeys(seen, Type.NUMBER), CUTOFF_MONTH: Type.NUMBER}
        if formula.type_over(numbers) is not Type.NUMBER:
            raise FeatureError(f"formula {formula.text!r} is not a number.")
    if entry.table is not None:
        if entry.table not in contracts:
            raise FeatureError(f"no table {entry.table!r}.{nearest(entry.table, contracts)}")
        _check_aggregate(feature, contracts[entry.table])
    fields = [
        name for _, name, _, _ in string.Formatter().parse(feature.fill(entry.sentence)) if name
    ]
    for name in fields:
        if name != "value" and name not in seen and name != feature.name:
            raise FeatureError(f"sentence reads {name!r}.{nearest(name, ['value', *seen])}")


def _check_aggregate(feature: Feature, table: Table) -> None:
    entry = feature.entry
    if table.label_only:
        raise FeatureError(
            f"table {table.name!r} is read by labels alone; a feature may not use it."
        )
    if entry.at is not None and entry.at != KNOWN:
        if TYPE_OF_KIND[table.column(entry.at).kind] is not Type.TIME:
            raise FeatureError(f"at = {entry.at!r} is not a time of table {table.name!r}.")
    types = {column.name: TYPE_OF_KIND[column.kind] for column in table.columns}
    for key in ("where", "hit", "breaks"):
        condition = feature.expression(key)
        if condition is not None and condition.type_over(types) is not Type.BOOLEAN:
            raise FeatureError(f"{key} = {condition.text!r} is not a condition.")
    value = feature.expression("value")
    if value is None:
        return
    kind, how = value.type_over(types), entry.aggregate
    if how in {Aggregate.SUM, Aggregate.MEAN} and kind not in {Type.NUMBER, Type.BOOLEAN}:
        raise FeatureError(f"{how} of {value.text!r}, a {kind}; expected a number.")
    if how in {Aggregate.MIN, Aggregate.MAX} and kind is Type.STRING:
        raise FeatureError(f"{how} of {value.text!r}, a string; expected a number or a time.")
    if how is Aggregate.DISTINCT and not re.fullmatch(r"\w+", value.text):
        raise FeatureError(f"distinct of {value.text!r}; expected the name of one column.")
    if how is Aggregate.DISTINCT and kind is not Type.STRING:
        raise FeatureError(f"distinct of {value.text!r}, a {kind}; expected a string or an id.")


def _absent(feature: Feature, contracts: Mapping[str, Table]) -> str | None:
    entry = feature.entry
    if entry.table is None:
        return None
    if entry.table not in contracts:
        return f"no table {entry.table!r}"
    table = contracts[entry.table]
    needed = {
        name
        for key in ("where", "value", "hit", "breaks")
        if (found := feature.expression(key)) is not None
        for name in found.columns
    }
    if entry.at is not None and entry.at != KNOWN:
        needed.add(entry.at)
    lost = sorted(name for name in needed if not table.has(name))
    return f"table {entry.table!r} has no {', '.join(lost)}" if lost else None
