"""What a file of ``features/`` may say of a feature, and the columns that an entry stands for."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from pydantic import Field, model_validator

from churnml.config import FrozenModel
from churnml.features.expressions import Expression, parse_expression


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
# Names that a training table has for other columns, or that a formula has for the season.
RESERVED = (
    "account_id", "cutoff", "label", "arr", "involuntary", "downgraded", "churned_at",
    "periods_told", "churned_period", CUTOFF_MONTH,
)  # fmt: skip


class FeatureEntry(FrozenModel):
    """One ``[[feature]]`` of a file in ``features/``, standing for one column a window."""

    name: str = Field(
        pattern=r"^[a-z][a-z0-9_]*(\{w\}[a-z0-9_]*)?$",
        description="The column; `{w}` stands for the days of each window.",
    )
    description: str = Field(description="What it is.")
    unit: str = Field(description="What it is told in: see Units.")
    table: str | None = Field(default=None, description="The table that an aggregate reads.")
    aggregate: Aggregate | None = Field(
        default=None, description="How the rows become one value: see Aggregates."
    )
    formula: str | None = Field(
        default=None,
        description="Instead of an aggregate: arithmetic over columns declared before.",
    )
    function: str | None = Field(
        default=None,
        pattern=r"^[\w.]+:\w+$",
        description='Instead of an aggregate: `"package.module:function"`, your own code.',
    )
    windows: tuple[int, ...] = Field(
        default=(),
        description="Days back from the cutoff, one column each; all of the past when left out.",
    )
    offset: int | Literal["w"] = Field(
        default=0,
        description='Days between the end of the window and the cutoff; `"w"` for the window '
        "before the window.",
    )
    at: str | None = Field(
        default=None,
        description="The time column that dates a row; the table's event time when left out, "
        '`"known"` for when the row became known.',
    )
    where: str | None = Field(default=None, description="The condition that rows must meet.")
    value: str | None = Field(
        default=None,
        description="What is aggregated; rows where it is null do not count.",
    )
    hit: str | None = Field(
        default=None, description="For `share`: the condition whose share among the rows is taken."
    )
    breaks: str | None = Field(
        default=None, description="For `streak`: the condition that ends the row of rows."
    )
    absent: float | None = Field(
        default=None,
        description="The value where history has the table but not the columns; without it the "
        "feature is left out there, and so is what reads it.",
    )
    minimum: float | Literal["w"] | None = Field(
        default=None,
        description='The least value expected; `"w"` for the days of the window.',
    )
    maximum: float | Literal["w"] | None = Field(
        default=None, description="The greatest value expected, in the same way."
    )
    risk: Literal["high", "low", "either"] = Field(
        default="either", description="Which end of the range is risky."
    )
    monotone: bool = Field(
        default=False,
        description="Whether the model must keep to that direction. Only where nothing else could "
        "be true: a share of few rows, or a count that also grows with size, is better left free.",
    )
    actionable: bool = Field(
        default=False, description="Whether somebody who looks after the account can change it."
    )
    internal: bool = Field(
        default=False, description="Whether it only serves formulas and becomes no column."
    )
    sentence: str = Field(
        default="",
        description="What it says of an account; `{value}` and the names of columns declared "
        "before are filled in.",
    )
    missing: str = Field(default="", description="What it says where there is no value.")

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
        yield from self._window_faults()
        yield from self._telling_faults()
        if self.aggregate is None:
            yield from self._other_faults()
        else:
            yield from self._aggregate_faults(self.aggregate)

    def _window_faults(self) -> Iterable[str]:
        if bool(self.windows) != ("{w}" in self.name):
            yield "a name with {w} needs windows, and windows need {w} in the name"
        if not self.windows and any("{w}" in text for text in self._texts()):
            yield "{w} in a text needs windows"
        if any(w <= 0 for w in self.windows) or len(set(self.windows)) != len(self.windows):
            yield "windows must be different whole numbers of days above zero"
        if self.offset != 0 and not self.windows:
            yield "an offset needs windows"
        if isinstance(self.offset, int) and self.offset < 0:
            yield "an offset must not be negative"

    def _telling_faults(self) -> Iterable[str]:
        low, high = self.minimum, self.maximum
        if isinstance(low, float) and isinstance(high, float) and low > high:
            yield f"minimum = {low} is above maximum = {high}"
        if "w" in {low, high} and not self.windows:
            yield 'a bound of "w" needs windows'
        if self.monotone and self.risk == "either":
            yield 'a monotone feature needs risk = "high" or "low"'
        if not self.internal and not self.sentence:
            yield "a feature needs the sentence that explains it (or internal = true)"

    def _other_faults(self) -> Iterable[str]:
        """What only an aggregate may say."""
        keys = ("at", "where", "value", "hit", "breaks", "absent")
        used = [key for key in keys if getattr(self, key) is not None]
        used += ["offset"] if self.offset != 0 else []
        if used:
            yield f"{', '.join(used)} belong to an aggregate"
        if self.function is not None and self.windows:
            yield "a function takes no windows; declare a feature for each"

    def _aggregate_faults(self, how: Aggregate) -> Iterable[str]:
        if how in _WITH_VALUE and self.value is None:
            yield f"{how} needs a value"
        if how is Aggregate.DISTINCT and self.value is None:
            yield "distinct needs a value, the column whose values are told apart"
        if (how is Aggregate.SHARE) != (self.hit is not None):
            yield "share needs hit, the condition whose share is taken, and only share has one"
        if (how is Aggregate.STREAK) != (self.breaks is not None):
            yield "streak needs breaks, the condition that ends it, and only streak has one"
        yield from self._span_faults(how)

    def _span_faults(self, how: Aggregate) -> Iterable[str]:
        if how in _WITHOUT_WINDOW and self.windows:
            yield f"{how} takes no windows"
        if how is Aggregate.DISTINCT_DAYS and not self.windows:
            yield "distinct_days needs windows"
        if how is Aggregate.LAST and self.offset != 0:
            yield "last takes no offset"

    def _texts(self) -> tuple[str, ...]:
        keys = ("description", "where", "value", "hit", "breaks", "formula", "sentence", "missing")
        return tuple(getattr(self, key) or "" for key in keys)


class FeatureFile(FrozenModel):
    """One file of ``features/``: a family and its features."""

    family: str = Field(
        pattern=r"^[a-z][a-z0-9_]*$",
        description="What its features are told under; reasons are given family by family.",
    )
    title: str = Field(description="What the family is called before people.")
    feature: tuple[FeatureEntry, ...] = Field(default=(), description="The features, in order.")


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
