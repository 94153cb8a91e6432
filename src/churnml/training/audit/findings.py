"""What an audit found, with its evidence, and which checks could not be made."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Any

from churnml.backtest.metrics import Interval


class Level(StrEnum):
    """How sure a finding is of itself, the surest first."""

    LEAK = "leak"
    SUSPICIOUS = "suspicious"
    NOTE = "note"


class Check(StrEnum):
    """What is looked for."""

    ALONE = "predicts too well alone"
    MISSING = "missing in step with the label"
    LAG = "worthless a month earlier"
    ACCOUNTS = "accounts in training and test"
    TIME = "time shuffled"
    PERMUTED = "labels permuted"


@dataclass(frozen=True)
class Finding:
    """One thing found.

    Parameters
    ----------
    check : Check
        By which check.
    level : Level
        ``leak``: it must not be trained with. ``suspicious``: somebody has to look. ``note``: to
        be known.
    feature : str or None
        Which feature; none where it is of the table or its splits.
    figure : str
        What `interval` is of.
    interval : Interval
        The evidence, over accounts.
    evidence : mapping of str to float
        Further figures.
    said : str
        The finding in a sentence.
    remedy : str
        What to do.
    """

    check: Check
    level: Level
    feature: str | None
    figure: str
    interval: Interval
    said: str
    remedy: str
    evidence: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True)
class Looked:
    """Whether a check was made.

    Parameters
    ----------
    check : Check
        Which.
    applied : bool
        Whether this table allows it.
    said : str
        What was looked at, or why it could not be.
    """

    check: Check
    applied: bool
    said: str


@dataclass(frozen=True)
class Audit:
    """What an audit found.

    Parameters
    ----------
    rows, accounts, churned : int
        What was looked at: rows of the table, accounts, and accounts with a row that churned.
    checks : tuple of Looked
        Every check, made or not.
    findings : tuple of Finding
        The surest first.
    """

    rows: int
    accounts: int
    churned: int
    checks: tuple[Looked, ...]
    findings: tuple[Finding, ...]

    @property
    def clean(self) -> bool:
        """Whether no finding is a leak."""
        return not self.leaks

    @property
    def leaks(self) -> tuple[str, ...]:
        """Features that leak, each once, in the order found."""
        named = (f.feature or f.check.value for f in self.findings if f.level is Level.LEAK)
        return tuple(dict.fromkeys(named))

    def document(self) -> dict[str, Any]:
        """Give plain values, ready for JSON; a figure that does not exist is null."""
        return {
            "clean": self.clean,
            "leaks": list(self.leaks),
            "rows": self.rows,
            "accounts": self.accounts,
            "churned_accounts": self.churned,
            "checks": [
                {"check": item.check.value, "applied": item.applied, "said": item.said}
                for item in self.checks
            ],
            "findings": [_document(item) for item in self.findings],
        }


def _document(item: Finding) -> dict[str, Any]:
    return {
        "check": item.check.value,
        "level": item.level.value,
        "feature": item.feature,
        "figure": item.figure,
        "value": _number(item.interval.value),
        "low": _number(item.interval.low),
        "high": _number(item.interval.high),
        "evidence": {name: _number(value) for name, value in item.evidence.items()},
        "said": item.said,
        "remedy": item.remedy,
    }


def _number(value: float) -> float | None:
    return value if math.isfinite(value) else None
