"""Gates: what a model has to show before it takes the champion's place.

The two are compared on the same rows of the same cutoffs, drawing the same accounts for both, so
that what is easy or hard about those rows does not decide.

References
----------
Bonferroni's correction: Dunn (1961), Multiple comparisons among means. J. Am. Stat. Assoc. 56,
52-64.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field

from churnml.backtest.metrics import Comparison, compare, evaluate
from churnml.config import FrozenModel
from churnml.history.tables import ACCOUNT_ID

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from churnml.training.audit import Audit
    from churnml.training.contest import Contest

_ALONE = "there is no champion to compare with"
SEGMENT = "segment:"  # begins the name of a column of segments among out-of-time rows


class GatesSpec(FrozenModel):
    """What a model has to show before it is promoted; the ``[gates]`` of a recipe.

    Parameters
    ----------
    rule : "better" or "not_worse"
        ``better``: the interval of the AUC gained over the champion lies above 0. ``not_worse``:
        it lies above ``-margin``; for a champion that is only learnt anew from newer data.
    margin : float
        AUC that ``not_worse`` lets go.
    calibration_margin : float
        By how much the challenger's miscalibration may exceed the champion's, at the upper end of
        the interval: log loss a row that a straight line through the log-odds would regain.
    least_accuracy : float
        Least share of rows told rightly at a probability of one half. The share of the larger class
        is reported beside it: whoever foresees no churn at all reaches that.
    least_auc : float
        The lower end of the interval of the AUC must lie above this; one half is a coin.
    segments : tuple of str
        Features whose values part accounts into segments, such as the plan. Account tiers and
        accounts never trained on are looked at besides.
    segment_churned : int
        A segment with fewer churned rows, or fewer that stayed, cannot tell.
    level : float
        Coverage of intervals; over all segments together for those.
    draws : int
        Bootstrap draws.
    """

    rule: Literal["better", "not_worse"] = "better"
    margin: float = Field(default=0.02, ge=0, lt=0.5)
    calibration_margin: float = Field(default=0.003, ge=0)
    least_accuracy: float = Field(default=0.85, ge=0, le=1)
    least_auc: float = Field(default=0.5, ge=0, lt=1)
    segments: tuple[str, ...] = ()
    segment_churned: int = Field(default=20, ge=2)
    level: float = Field(default=0.95, gt=0.5, lt=1)
    draws: int = Field(default=1000, ge=100, le=100_000)


@dataclass(frozen=True)
class Gate:
    """What one gate found.

    Parameters
    ----------
    name : str
        Which.
    passed : bool or None
        None where it does not apply, or cannot tell and need not.
    said : str
        The finding in words.
    numbers : mapping of str to float
        The figures behind it; nan where one does not exist.
    """

    name: str
    passed: bool | None
    said: str
    numbers: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))

    def document(self) -> dict[str, object]:
        """Give the gate in values that JSON knows."""
        numbers = {key: x if math.isfinite(x) else None for key, x in self.numbers.items()}
        return {"name": self.name, "passed": self.passed, "said": self.said, "numbers": numbers}


def judge(
    rows: pa.Table, contest: Contest | None, spec: GatesSpec, *, alone: str = _ALONE
) -> tuple[Gate, ...]:
    """Ask every gate.

    Parameters
    ----------
    rows : pyarrow.Table
        The challenger's out-of-time rows; see `churnml.training.contest.out_of_time`.
    contest : Contest or None
        Those that the champion answered as well; None where there is no other champion.
    spec : GatesSpec
        The bounds.
    alone : str
        Why it is compared with none, if so.

    Raises
    ------
    TrainingError
        If the rows hold one class only.
    """
    own = _accuracy(rows, spec), _skill(rows, spec)
    if contest is None:
        return (*own, *(Gate(name, None, alone) for name in ("better", "calibration", "segments")))
    if contest.refused:
        names = ("better", "calibration", "segments")
        return (*own, *(Gate(name, False, contest.refused) for name in names))
    return (*own, _better(contest, spec), _calibration(contest, spec), *_segments(contest, spec))


def leakage(found: Audit | None) -> Gate:
    """Ask whether the challenger learned from what it could not have known.

    Parameters
    ----------
    found : Audit or None
        What an audit of its training table found; None where that table is gone.
    """
    if found is None:
        said = "the table that it learned from is not there any more to be looked at: train again"
        return Gate("leakage", False, said)
    looked = f"{found.rows:,} rows of {found.accounts:,} accounts looked at"
    if found.clean:
        return Gate("leakage", True, f"no leak found; {looked}")
    return Gate("leakage", False, f"leaks: {', '.join(found.leaks[:8])}; {looked}")


def _accuracy(rows: pa.Table, spec: GatesSpec) -> Gate:
    label, chance = _column(rows, "label"), _column(rows, "probability")
    accuracy = float(np.mean((chance >= 0.5) == (label == 1)))
    majority = max(float(label.mean()), 1 - float(label.mean()))
    said = (
        f"{accuracy:.1%} of {label.size:,} rows told rightly, at least {spec.least_accuracy:.0%} "
        f"asked for; always saying the more frequent gets {majority:.1%}"
    )
    numbers = {"accuracy": accuracy, "majority": majority, "least": spec.least_accuracy}
    return Gate("accuracy", accuracy >= spec.least_accuracy, said, MappingProxyType(numbers))


def _skill(rows: pa.Table, spec: GatesSpec) -> Gate:
    found = evaluate(
        _column(rows, "label"),
        _column(rows, "probability"),
        _accounts(rows),
        metrics=["auc"],
        draws=spec.draws,
        level=spec.level,
    ).metrics["auc"]
    said = (
        f"AUC {found.value:.3f}, {found.low:.3f} to {found.high:.3f}; its lower end has to lie "
        f"above {spec.least_auc:g}"
    )
    numbers = {"auc": found.value, "low": found.low, "high": found.high, "least": spec.least_auc}
    return Gate("skill", bool(found.low > spec.least_auc), said, MappingProxyType(numbers))


def _better(contest: Contest, spec: GatesSpec) -> Gate:
    found = _compared(contest.rows, "auc", spec, spec.level)
    bound = 0.0 if spec.rule == "better" else -spec.margin
    gain = found.difference
    said = (
        f"AUC {found.first:.3f} against {found.second:.3f} on {contest.said}: {gain.value:+.3f}, "
        f"{gain.low:+.3f} to {gain.high:+.3f}; the lower end has to lie above {bound:g}"
    )
    return Gate("better", bool(gain.low > bound), said, _numbers(found, bound))


def _calibration(contest: Contest, spec: GatesSpec) -> Gate:
    found = _compared(contest.rows, "miscalibration", spec, spec.level)
    more, bound = found.difference, spec.calibration_margin
    said = (
        f"log loss lost to miscalibration {found.first:.4f} against {found.second:.4f} a row: "
        f"{more.value:+.4f}, {more.low:+.4f} to {more.high:+.4f}; the upper end must not exceed "
        f"{bound:g}"
    )
    return Gate("calibration", bool(more.high <= bound), said, _numbers(found, bound))


def _segments(contest: Contest, spec: GatesSpec) -> Iterator[Gate]:
    """Ask of each segment whether it is shown to be worse off, in rank or in probability.

    So many questions would find harm by chance: their intervals are widened such that all of them
    together hold at the level asked for.
    """
    for name in spec.segments:
        if SEGMENT + name not in contest.rows.column_names:
            said = "the recipe named this segment only after the training: train again"
            yield Gate(f"segment {name}", False, said)
    large: list[tuple[str, pa.Table]] = []
    small: list[tuple[str, pa.Table]] = []
    for name, rows in _parted(contest.rows):
        churned = int(_column(rows, "label").sum())
        least = min(churned, rows.num_rows - churned)
        (large if least >= spec.segment_churned else small).append((name, rows))
    level = 1 - (1 - spec.level) / max(2 * len(large), 1)
    for name, rows in large:
        rank = _compared(rows, "auc", spec, level)
        loss = _compared(rows, "log_loss", spec, level)
        worse = rank.difference.high < 0 or loss.difference.low > 0
        numbers = {
            "rows": float(rows.num_rows),
            "churned": float(_column(rows, "label").sum()),
            **{f"auc_{key}": value for key, value in _numbers(rank).items()},
            **{f"log_loss_{key}": value for key, value in _numbers(loss).items()},
        }
        said = f"AUC {rank.difference.value:+.3f}, log loss {loss.difference.value:+.4f}"
        yield Gate(f"segment {name}", not worse, said, MappingProxyType(numbers))
    for name, rows in small:
        yield Gate(
            f"segment {name}",
            None,
            f"cannot tell: {int(_column(rows, 'label').sum())} of {rows.num_rows} rows churned; "
            f"{spec.segment_churned} of either kind are needed",
        )


def _parted(rows: pa.Table) -> Iterator[tuple[str, pa.Table]]:
    """Part rows into segments; one that holds them all tells nothing of its own."""
    columns = [name for name in rows.column_names if name.startswith(SEGMENT)]
    for column in ("account_tier", *columns):
        values = pc.fill_null(rows[column].cast(pa.string()), "(unknown)")
        for value in sorted(values.unique().to_pylist()):
            part = rows.filter(pc.equal(values, value))
            if part.num_rows < rows.num_rows:
                yield f"{column.removeprefix(SEGMENT)} {value}", part
    unseen = rows.filter(rows["unseen"])
    if 0 < unseen.num_rows < rows.num_rows:
        yield "accounts never trained on", unseen


def _compared(rows: pa.Table, metric: str, spec: GatesSpec, level: float) -> Comparison:
    # Far out in the tail it takes more draws to find where an interval ends.
    draws = max(spec.draws, math.ceil(20 / (1 - level)))
    return compare(
        _column(rows, "label"),
        _column(rows, "probability"),
        _column(rows, "champion"),
        _accounts(rows),
        metric=metric,
        draws=draws,
        level=level,
    )


def _numbers(found: Comparison, bound: float | None = None) -> Mapping[str, float]:
    numbers = {
        "challenger": found.first,
        "champion": found.second,
        "difference": found.difference.value,
        "low": found.difference.low,
        "high": found.difference.high,
    }
    return MappingProxyType(numbers if bound is None else {**numbers, "bound": bound})


def _column(rows: pa.Table, name: str) -> NDArray[np.float64]:
    return np.asarray(rows[name].to_numpy(), dtype=np.float64)


def _accounts(rows: pa.Table) -> NDArray[np.object_]:
    return np.asarray(rows[ACCOUNT_ID].to_pylist(), dtype=object)
