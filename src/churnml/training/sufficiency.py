"""What data can support before anything is trained: how many left, when, and what a test can tell.

References
----------
Hanley and McNeil (1982), The meaning and use of the area under a receiver operating characteristic
(ROC) curve. Radiology 143, 29-36.
Kish (1965), Survey Sampling, Wiley: the effective number of unequal clusters.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from pydantic import Field

from churnml.config import FrozenModel
from churnml.errors import TrainingError
from churnml.history.tables import ACCOUNT_ID
from churnml.labels import ColumnLabel, LabelSpec

if TYPE_CHECKING:
    from churnml.features.table import TrainingTable
    from churnml.splits import Split

Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]

# The AUC that churn models mostly have; how far the interval reaches depends on it a little.
EXPECTED_AUC = 0.75
_NORMAL = 1.96  # of a 95 % interval
# Fewer churned accounts for each feature than this, and single features cannot be judged.
_EVENTS_PER_FEATURE = 10


class SufficiencySpec(FrozenModel):
    """The floor below which nothing is trained: accounts that churned.

    Parameters
    ----------
    min_churned : int
        In the rows that the model of the last test learns from. A model of fewer
        learns single customers by heart. Lower it only to try things out.
    min_tested : int
        In the tests together. With fewer, the interval on the AUC is so wide that a model that
        ranks well cannot be told from a coin.
    """

    min_churned: int = Field(default=30, ge=2)
    min_tested: int = Field(default=10, ge=1)


@dataclass(frozen=True)
class Period:
    """Churn of one cutoff.

    Parameters
    ----------
    cutoff : str
        ISO time.
    rows, churned : int
        What it holds.
    """

    cutoff: str
    rows: int
    churned: int


@dataclass(frozen=True)
class Sufficiency:
    """What a table can support.

    Parameters
    ----------
    rows, accounts : int
        What there is to learn from and to test on.
    churned_rows, churned : int
        Rows that churned, and accounts with such a row: an account that leaves stands in as many
        rows as cutoffs see it leave, and is one event.
    base_rate : float
        Share of rows that churned.
    periods : tuple of Period
        By cutoff; none without times.
    taught, tested : int
        Churned accounts in the rows that the last test's model learns from, and in all tests.
    effective : tuple of float
        Kish's effective numbers of churned and of staying accounts in the tests.
    half_width : float
        Half the width that the tests' 95 % interval on an AUC of `auc` will have at most: it is
        told with care, and mostly comes out narrower. nan where no account of one kind is tested.
    auc : float
        The AUC that this is told for.
    features : int
        How many.
    """

    rows: int
    accounts: int
    churned_rows: int
    churned: int
    base_rate: float
    periods: tuple[Period, ...]
    taught: int
    tested: int
    effective: tuple[float, float]
    half_width: float
    auc: float
    features: int

    @property
    def periods_with_churn(self) -> int:
        """Cutoffs at which somebody churned."""
        return sum(item.churned > 0 for item in self.periods)

    @property
    def events_per_feature(self) -> float:
        """Churned accounts to learn from, for each feature."""
        return self.taught / max(self.features, 1)

    @property
    def lines(self) -> tuple[str, ...]:
        """What to know before training, in two or three lines."""
        spread = ""
        if self.periods:
            most = max(item.churned for item in self.periods)
            spread = (
                f", at {self.periods_with_churn} of {len(self.periods)} cutoffs, {most:,} of their "
                f"{self.churned_rows:,} rows at the busiest"
            )
        who = f"{self.churned:,} of {self.accounts:,} accounts churned"
        lines = [f"{who} ({self.base_rate:.1%} of {self.rows:,} rows){spread}."]
        width = "no AUC can be told of that."
        if math.isfinite(self.half_width):
            width = (
                f"expect an interval on the AUC of ± {self.half_width:.3f} or less (95 %, at an "
                f"AUC of {self.auc:g})."
            )
        lines.append(f"{self.taught:,} of them teach and {self.tested:,} test: {width}")
        if self.events_per_feature < _EVENTS_PER_FEATURE:
            lines.append(
                f"{self.events_per_feature:.1f} churned accounts a feature: the ranking can be "
                "trusted as far as tested, the part of a single feature hardly."
            )
        return tuple(lines)

    def document(self) -> dict[str, Any]:
        """Give plain values, ready for JSON."""
        return {
            **asdict(self),
            "effective": list(self.effective),
            "periods": [asdict(item) for item in self.periods],
            "half_width": self.half_width if math.isfinite(self.half_width) else None,
            "periods_with_churn": self.periods_with_churn,
            "events_per_feature": self.events_per_feature,
        }


def assess(
    table: TrainingTable, splits: tuple[Split, ...], auc: float = EXPECTED_AUC
) -> Sufficiency:
    """Tell what a table can support, before anything is trained.

    Parameters
    ----------
    table : TrainingTable
        Rows with labels.
    splits : tuple of Split
        How they will be parted for testing.
    auc : float
        The AUC to tell the interval for.
    """
    label = np.asarray(table.frame["label"], dtype=np.int64) == 1
    codes = table.frame[ACCOUNT_ID].combine_chunks().dictionary_encode().indices
    account = np.asarray(codes, dtype=np.int64)
    tested = np.concatenate([part.test for part in splits])
    taught = splits[-1].learn
    churned, stayed = effective(label[tested], account[tested])
    return Sufficiency(
        rows=label.size,
        accounts=int(np.unique(account).size),
        churned_rows=int(label.sum()),
        churned=_churned(label, account),
        base_rate=float(label.mean()) if label.size else 0.0,
        periods=_periods(table, label),
        taught=_churned(label[taught], account[taught]),
        tested=_churned(label[tested], account[tested]),
        effective=(churned, stayed),
        half_width=half_width(auc, churned, stayed),
        auc=auc,
        features=len(table.features),
    )


def effective(label: Bools, account: Ints) -> tuple[float, float]:
    """Count accounts that churned and that stayed, the less the more unequal their rows' numbers.

    Rows of one account are taken for copies of each other, so that its number of rows is a weight:
    ``(Σ w)² / Σ w²``.

    Parameters
    ----------
    label : ndarray of bool (n,)
        Churned or not.
    account : ndarray of int (n,)
        Whose row it is.
    """
    counts = [np.bincount(account[side]) for side in (label, ~label)]
    sums = [float(weight.sum()) ** 2 / max(float(weight @ weight), 1.0) for weight in counts]
    return sums[0], sums[1]


def half_width(auc: float, churned: float, stayed: float) -> float:
    """Half the width of the 95 % interval on an AUC, by Hanley and McNeil's variance.

    Parameters
    ----------
    auc : float
        The AUC.
    churned, stayed : float
        Effective numbers of accounts; nan is given where either is below 1.
    """
    if min(churned, stayed) < 1:
        return float("nan")
    pair, other = auc / (2 - auc), 2 * auc**2 / (1 + auc)
    variance = auc * (1 - auc) + (churned - 1) * (pair - auc**2) + (stayed - 1) * (other - auc**2)
    return _NORMAL * math.sqrt(variance / (churned * stayed))


def require(found: Sufficiency, floor: SufficiencySpec, label: LabelSpec) -> None:
    """Refuse what is too little to train on.

    Parameters
    ----------
    found : Sufficiency
        What there is.
    floor : SufficiencySpec
        What there must be.
    label : LabelSpec
        Tells what would help.

    Raises
    ------
    TrainingError
        If there is less.
    """
    short = []
    if found.taught < floor.min_churned:
        short.append(
            f"{found.taught} churned accounts to learn from, where [sufficiency] min_churned = "
            f"{floor.min_churned}"
        )
    if found.tested < floor.min_tested:
        short.append(
            f"{found.tested} churned accounts to test on, where [sufficiency] min_tested = "
            f"{floor.min_tested}"
        )
    if not short:
        return
    width = ""
    if math.isfinite(found.half_width):
        width = f" An AUC of {found.auc:g} would be known to ± {found.half_width:.2f} only."
    raise TrainingError(
        f"too little data: {'; '.join(short)}. In all {found.churned} of {found.accounts} accounts "
        f"churned, in {found.rows} rows.{width} {_remedy(found, floor, label)}"
    )


def _remedy(found: Sufficiency, floor: SufficiencySpec, label: LabelSpec) -> str:
    enough = found.churned >= floor.min_churned + floor.min_tested
    if isinstance(label, ColumnLabel) and label.time is None:
        return "Bring more accounts that churned."
    if enough and found.taught < floor.min_churned:
        return (
            "At the last test the outcome of the others was not known yet, or is what is tested: "
            f"use more history, or a shorter horizon than {label.horizon_days} days, which is "
            "known sooner."
        )
    if enough:
        return "Test on more cutoffs: raise test_cutoffs, or add to test_at, under [splits]."
    return (
        f"Use more history, more accounts, or a longer horizon than {label.horizon_days} days, "
        "within which more of them leave."
    )


def _churned(label: Bools, account: Ints) -> int:
    return int(np.unique(account[label]).size)


def _periods(table: TrainingTable, label: Bools) -> tuple[Period, ...]:
    if "cutoff" not in table.frame.column_names:
        return ()
    times = np.asarray(table.frame["cutoff"], dtype="datetime64[us]")
    cutoffs, place, counts = np.unique(times, return_inverse=True, return_counts=True)
    churned = np.bincount(place, weights=label, minlength=cutoffs.size)
    return tuple(
        Period(str(cutoff.astype("datetime64[s]")), int(rows), int(left))
        for cutoff, rows, left in zip(cutoffs, counts, churned, strict=True)
    )
