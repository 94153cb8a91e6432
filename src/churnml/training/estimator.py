"""The model: LightGBM on encoded features, stopped and calibrated on a later slice of time."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import lightgbm as lgb
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from churnml.errors import ChurnMLError, TrainingError
from churnml.splits import Span, span
from churnml.training.calibration import Calibrator, fit_platt, probability
from churnml.training.encoding import Encoding

if TYPE_CHECKING:
    from churnml.features.table import TrainingTable
    from churnml.splits import Split
    from churnml.training.recipes import CalibrationSpec, ModelSpec

Floats = npt.NDArray[np.float64]

# The keys of a recipe's [model] that are ours to read and not LightGBM's.
_OURS = {"max_rounds", "early_stopping_rounds", "monotone"}


@dataclass(frozen=True)
class Scores:
    """What a model says of some rows.

    Parameters
    ----------
    margin : ndarray (n,)
        The trees' sum, log-odds before calibration.
    log_odds : ndarray (n,)
        Calibrated.
    probability : ndarray (n,)
        Calibrated.
    base : float
        Calibrated log-odds before anything is known of an account; nan without contributions.
    contributions : ndarray (n, n_features) or None
        SHAP values of the calibrated log-odds: their sum and `base` make `log_odds`.
    """

    margin: Floats
    log_odds: Floats
    probability: Floats
    base: float
    contributions: Floats | None


@dataclass(frozen=True, eq=False)
class Model:
    """Everything it takes to score.

    Parameters
    ----------
    encoding : Encoding
        How features become numbers.
    calibrator : Calibrator
        How margins become log-odds.
    text : str
        The trees, as LightGBM writes them; only those that are used.
    """

    encoding: Encoding
    calibrator: Calibrator
    text: str

    @cached_property
    def booster(self) -> lgb.Booster:
        """The trees, read from `text`."""
        return lgb.Booster(model_str=self.text)

    def score(
        self,
        frame: pa.Table,
        *,
        contributions: bool = False,
        beside: Collection[str] | None = None,
        error: type[ChurnMLError] = TrainingError,
    ) -> Scores:
        """Score rows.

        Parameters
        ----------
        frame : pyarrow.Table
            Has every feature, by name.
        contributions : bool
            Whether to explain each row as well; costs many times the score itself.
        beside, error
            As for `Encoding.matrix`.

        Raises
        ------
        ChurnMLError
            Of type `error`, if the rows do not fit the model.
        """
        matrix = self.encoding.matrix(frame, beside=beside, error=error)
        if matrix.shape[0] == 0:
            nothing = np.empty(0)
            shares = np.empty((0, matrix.shape[1])) if contributions else None
            return Scores(nothing, nothing, nothing, float("nan"), shares)
        margin = np.asarray(self.booster.predict(matrix, raw_score=True))
        log_odds = self.calibrator.log_odds(margin)
        base, shares = float("nan"), None
        if contributions:
            values = np.asarray(self.booster.predict(matrix, pred_contrib=True))
            shares = self.calibrator.slope * values[:, :-1]
            base = float(self.calibrator.slope * values[0, -1] + self.calibrator.intercept)
        return Scores(margin, log_odds, probability(log_odds), base, shares)


@dataclass(frozen=True)
class FittedModel:
    """A model and how it came about.

    Parameters
    ----------
    model : Model
        What scores.
    rounds : int
        Trees kept by early stopping.
    parameters : mapping of str to value
        What LightGBM was given.
    fit_rows, validation_rows : int
        Rows it learnt from, and rows that stopped and calibrated it.
    fit_cutoffs, validation_cutoffs : Span or None
        The times of those rows; none for a flat table without times.
    """

    model: Model
    rounds: int
    parameters: Mapping[str, Any]
    fit_rows: int
    validation_rows: int
    fit_cutoffs: Span | None
    validation_cutoffs: Span | None


def fit(
    table: TrainingTable, split: Split, spec: ModelSpec, calibration: CalibrationSpec
) -> FittedModel:
    """Fit, stop and calibrate a model.

    Category codes come from the rows to fit alone. Classes keep their natural balance. The same
    table, split and parameters give the same trees, whatever the number of threads.

    Parameters
    ----------
    table : TrainingTable
        Features and labels.
    split : Split
        Which rows to fit on and which to validate on.
    spec : ModelSpec
        Parameters.
    calibration : CalibrationSpec
        How margins become probabilities.

    Returns
    -------
    FittedModel
        Its trees have gone through text, so that what is measured now is what a bundle scores.

    Raises
    ------
    TrainingError
        If a class is missing on either side, or a feature cannot be read.
    """
    used = {"rows to fit": split.fit, "validation rows": split.validation}
    frames = {what: table.frame.take(pa.array(rows)) for what, rows in used.items()}
    labels = {what: _labels(frame, what) for what, frame in frames.items()}
    fitting, judging = used
    encoding = Encoding.learn(frames[fitting], table.features, table.categorical)
    parameters = _parameters(table, encoding, spec)
    names = [f"f{position}" for position in range(len(encoding.features))]
    learnt = lgb.Dataset(
        encoding.matrix(frames[fitting]),
        label=labels[fitting],
        feature_name=names,  # LightGBM refuses [ ] : , in names; ours stay in the encoding
        categorical_feature=list(encoding.categorical),
        params=parameters,
    )
    matrix = encoding.matrix(frames[judging])
    booster = lgb.train(
        parameters,
        learnt,
        num_boost_round=spec.max_rounds,
        valid_sets=[learnt.create_valid(matrix, label=labels[judging])],
        callbacks=[lgb.early_stopping(spec.early_stopping_rounds, verbose=False)],
    )
    text = booster.model_to_string(num_iteration=booster.best_iteration)
    margin = np.asarray(lgb.Booster(model_str=text).predict(matrix, raw_score=True))
    platt = calibration.method == "platt"
    return FittedModel(
        model=Model(encoding, fit_platt(margin, labels[judging]) if platt else Calibrator(), text),
        rounds=booster.best_iteration,
        parameters=MappingProxyType(parameters),
        fit_rows=split.fit.size,
        validation_rows=split.validation.size,
        fit_cutoffs=span(frames[fitting]),
        validation_cutoffs=span(frames[judging]),
    )


def _labels(frame: pa.Table, what: str) -> Floats:
    labels = np.asarray(frame["label"], dtype=np.float64)
    churned = int(labels.sum())
    if not 0 < churned < labels.size:
        raise TrainingError(
            f"{churned} of {labels.size} {what} churned; a model needs some who did and some who "
            "did not. Use more history, a longer horizon, or other splits."
        )
    return labels


def _parameters(table: TrainingTable, encoding: Encoding, spec: ModelSpec) -> dict[str, Any]:
    own = {key: value for key, value in spec.model_dump().items() if key not in _OURS}
    # On a category a constraint aborts the process, where nothing can catch it.
    signs = [
        table.monotone.get(name, 0) if spec.monotone and name not in encoding.codes else 0
        for name in encoding.features
    ]
    constraints = {"monotone_constraints": signs} if any(signs) else {}
    return {
        "objective": "binary",
        "metric": "binary_logloss",
        **own,
        **constraints,
        "deterministic": True,
        "force_row_wise": True,
        "verbosity": -1,
    }
