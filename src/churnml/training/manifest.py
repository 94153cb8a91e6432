"""The manifest: what a bundle says of itself."""

from __future__ import annotations

import datetime as dt
import hashlib
import math
from collections.abc import Mapping
from dataclasses import asdict
from itertools import pairwise
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

import lightgbm as lgb
from pydantic import Field, model_validator

import churnml
from churnml.actions.tiers import RiskTiers
from churnml.config import FrozenModel
from churnml.features.knowledge import KnownRule
from churnml.features.snapshot import to_snapshot
from churnml.labels import Cutoffs, LabelSpec
from churnml.splits import Span
from churnml.training.calibration import Calibrator
from churnml.training.curves import BetaCurve, IsotonicCurve
from churnml.training.encoding import FeatureKind
from churnml.training.families import told_families
from churnml.training.judgement import Judgement

if TYPE_CHECKING:
    from churnml.backtest.metrics import Interval
    from churnml.features.catalogue import Catalogue
    from churnml.features.table import TrainingTable
    from churnml.training.calibrators import Curve
    from churnml.training.estimator import FittedModel
    from churnml.training.hazard import FittedHazard
    from churnml.training.recipes import Recipe

FORMAT = 4


class FeatureRecord(FrozenModel):
    """One feature, in the place that it has in the model.

    Parameters
    ----------
    name, family : str
        What it is called, and under which family it is told: its own, or that of a feature which
        says nearly the same.
    kind : FeatureKind
        What its values are.
    codes : tuple of str
        For a category its values, sorted; a value's code is its position.
    """

    name: str
    family: str
    kind: FeatureKind
    codes: tuple[str, ...] = ()


class CalibratorRecord(FrozenModel):
    """The calibrator, if a line; see `Calibrator`."""

    kind: Literal["line"] = "line"
    slope: float = Field(gt=0)
    intercept: float
    guarded: bool


class BetaRecord(FrozenModel):
    """The calibrator, if a beta curve; see `BetaCurve`."""

    kind: Literal["beta"]
    low: float = Field(gt=0)
    high: float = Field(gt=0)
    intercept: float


class IsotonicRecord(FrozenModel):
    """The calibrator, if isotonic; see `IsotonicCurve`."""

    kind: Literal["isotonic"]
    margins: tuple[float, ...] = Field(min_length=1)
    values: tuple[float, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _both_ascend(self) -> Self:
        for knots in (self.margins, self.values):
            if any(b <= a for a, b in pairwise(knots)):
                raise ValueError("knots of a calibrator must ascend")
        if len(self.margins) != len(self.values):
            raise ValueError("a calibrator needs as many values as margins")
        return self


class MetricRecord(FrozenModel):
    """A metric with its interval; none where it does not exist."""

    value: float | None
    low: float | None
    high: float | None


class SurvivalRecord(FrozenModel):
    """What tells of the periods after the label's own.

    Parameters
    ----------
    calibrators : tuple of CalibratorRecord
        From the second period on.
    ahead : tuple of str
        Features that the trees also see as of the beginning of the period.
    rounds : int
        Trees kept.
    at_risk, churned : tuple of int
        Rows and churners learnt from, period by period from the second on.
    """

    calibrators: tuple[CalibratorRecord, ...] = Field(min_length=1)
    ahead: tuple[str, ...]
    rounds: int
    at_risk: tuple[int, ...]
    churned: tuple[int, ...]


class TrainingRecord(FrozenModel):
    """How the model came about.

    Parameters
    ----------
    fingerprints : dict of str to str
        Of data, catalogue and recipe.
    parameters : dict
        What LightGBM was given, beside the shapes.
    mix : dict of str to float
        What each shape of trees counts; see `churnml.training.ensemble`.
    losses : dict of str to float
        Log loss of each shape that was tried, on rows its members had not seen.
    calibration : str
        The kind of calibrator.
    calibration_losses : dict of str to float
        Log loss of each kind that was tried, on folds that it was not fitted on.
    rows, accounts, churned : int
        What it learnt from: rows, their accounts, and the rows that churned.
    cutoffs : Span or None
        The times of those rows; none for a flat table without times.
    lightgbm, churnml : str
        Versions.
    """

    fingerprints: dict[str, str]
    parameters: dict[str, Any]
    mix: dict[str, float]
    losses: dict[str, float]
    calibration: str
    calibration_losses: dict[str, float]
    rows: int
    accounts: int
    churned: int
    cutoffs: Span | None
    lightgbm: str
    churnml: str


class Manifest(FrozenModel):
    """What a bundle says of itself.

    Parameters
    ----------
    format : int
        Version of this layout.
    name : str
        The recipe's name.
    label : LabelSpec
        What is predicted.
    cutoffs : Cutoffs
        At which instants it learnt to.
    features : tuple of FeatureRecord
        In the model's order.
    fold_trees : tuple of int
        How many trees, in the order of the file, are of each fold's members.
    calibrator : CalibratorRecord, BetaRecord or IsotonicRecord
        How margins become log-odds.
    judgement : Judgement
        What follows: segments, thin history, intervals.
    survival : SurvivalRecord or None
        What tells of later periods; none where there was nothing to learn it from.
    tiers : RiskTiers
        Bounds of the risk tiers at the time of training.
    catalogue : dict
        The features' declarations at the time of training; empty for a flat table.
    known : dict of str to KnownRule
        When what the features read of each table counted as known; empty for a flat table.
    training : TrainingRecord
        How the model came about.
    metrics : dict of str to MetricRecord
        Out of time, measured before the model was put to use.
    files : dict of str to str
        SHA-256 of every other file.
    """

    format: Literal[4]
    name: str
    label: LabelSpec
    cutoffs: Cutoffs
    features: tuple[FeatureRecord, ...]
    fold_trees: tuple[Annotated[int, Field(ge=1)], ...] = Field(min_length=2)
    calibrator: Annotated[
        CalibratorRecord | BetaRecord | IsotonicRecord, Field(discriminator="kind")
    ]
    judgement: Judgement
    survival: SurvivalRecord | None = None
    tiers: RiskTiers
    catalogue: dict[str, Any]
    known: dict[str, KnownRule]
    training: TrainingRecord
    metrics: dict[str, MetricRecord]
    files: dict[str, str]

    @property
    def learned_until(self) -> dt.datetime | None:
        """When the last label that it learned from was known, UTC; none without times."""
        last = self.training.cutoffs
        return None if last is None else last.last + dt.timedelta(days=self.label.reach_days)

    def learned_after(self, cutoff: dt.datetime | None) -> bool:
        """Whether it learned what came after a cutoff, so that its scores of then flatter it."""
        learned = self.learned_until
        return cutoff is not None and learned is not None and cutoff < learned


def describe(
    fitted: FittedModel,
    table: TrainingTable,
    recipe: Recipe,
    tiers: RiskTiers,
    catalogue: Catalogue | None,
    known: Mapping[str, KnownRule],
    metrics: Mapping[str, Interval],
    contents: Mapping[str, bytes],
    hazard: FittedHazard | None = None,
) -> dict[str, Any]:
    """Write the manifest of a bundle, in values that JSON knows.

    Parameters
    ----------
    fitted, table, recipe, tiers, catalogue, known, metrics, hazard
        As for `churnml.training.bundle.write`.
    contents : mapping of str to bytes
        Every other file, by name.
    """
    encoding = fitted.model.encoding
    families = told_families(fitted.model, table)
    return {
        "format": FORMAT,
        "name": recipe.name,
        "label": recipe.label.model_dump(mode="json"),
        "cutoffs": recipe.cutoffs.model_dump(mode="json"),
        "features": [
            {
                "name": name,
                "family": families[name],
                "kind": str(kind),
                "codes": list(encoding.codes.get(name, ())),
            }
            for name, kind in encoding.kinds.items()
        ],
        "fold_trees": list(fitted.model.fold_trees),
        "calibrator": _calibrator(fitted.model.calibrator),
        "judgement": fitted.model.judgement.model_dump(mode="json"),
        "survival": _survival(hazard) if hazard is not None else None,
        "tiers": tiers.model_dump(mode="json"),
        "catalogue": to_snapshot(catalogue) if catalogue is not None else {},
        "known": {name: rule.model_dump(mode="json") for name, rule in known.items()},
        "training": {
            "fingerprints": asdict(table.fingerprints),
            "parameters": dict(fitted.parameters),
            "mix": dict(fitted.ensemble.weights),
            "losses": dict(fitted.ensemble.losses),
            "calibration": fitted.calibration,
            "calibration_losses": dict(fitted.calibration_losses),
            "rows": fitted.rows,
            "accounts": fitted.accounts,
            "churned": fitted.churned,
            "cutoffs": _span(fitted.cutoffs),
            "lightgbm": lgb.__version__,
            "churnml": churnml.__version__,
        },
        "metrics": {
            name: {key: _finite(value) for key, value in asdict(interval).items()}
            for name, interval in metrics.items()
        },
        "files": {name: hashlib.sha256(content).hexdigest() for name, content in contents.items()},
    }


def _calibrator(curve: Curve) -> dict[str, Any]:
    kinds = {Calibrator: "line", BetaCurve: "beta", IsotonicCurve: "isotonic"}
    return {"kind": kinds[type(curve)], **asdict(curve)}


def _survival(fitted: FittedHazard) -> dict[str, Any]:
    return {
        "calibrators": [asdict(item) for item in fitted.hazard.calibrators],
        "ahead": list(fitted.hazard.ahead),
        "rounds": fitted.rounds,
        "at_risk": list(fitted.at_risk),
        "churned": list(fitted.churned),
    }


def _span(span: Span | None) -> dict[str, Any] | None:
    return span.model_dump(mode="json") if span is not None else None


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
