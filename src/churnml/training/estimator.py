"""The model: a mix of LightGBM members on encoded features, calibrated on rows they never saw."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import lightgbm as lgb
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from churnml.errors import ChurnMLError, TrainingError
from churnml.history.tables import ACCOUNT_ID
from churnml.splits import Span, span
from churnml.training.calibration import probability
from churnml.training.calibrators import Curve
from churnml.training.encoding import Encoding
from churnml.training.ensemble import Ensemble, Problem, race
from churnml.training.folds import account_folds
from churnml.training.judgement import Judgement, learn_judgement
from churnml.training.merging import cut
from churnml.training.single import Single

if TYPE_CHECKING:
    from churnml.explain.treeshap import TreeShap
    from churnml.features.table import TrainingTable
    from churnml.training.recipes import CalibrationSpec, ModelSpec

Floats = npt.NDArray[np.float64]
Rows = npt.NDArray[np.intp]

LEAST_ACCOUNTS = 2  # of each outcome, to be dealt into folds


@dataclass(frozen=True)
class Scores:
    """What a model says of some rows.

    Parameters
    ----------
    margin : ndarray (n,)
        The trees' sum, log-odds before calibration.
    spread : ndarray (n,)
        Standard error of `log_odds` for want of data: how far they would move had other accounts
        been learnt from, and been calibrated on.
    log_odds : ndarray (n,)
        Calibrated.
    probability : ndarray (n,)
        Calibrated.
    low, high : ndarray (n,)
        Interval of each account's own probability, at the level of the model's recipe.
    thin : tuple of str (n,)
        Why an account's history is too thin to go by; empty where it is not. Such scores are drawn
        to the rate of their segment.
    base : ndarray (n,)
        Calibrated log-odds before anything is known of an account; nan without contributions. The
        same for all but thin accounts.
    contributions : ndarray (n, n_features) or None
        SHAP values of the calibrated log-odds: their sum and `base` make `log_odds`.
    """

    margin: Floats
    spread: Floats
    log_odds: Floats
    probability: Floats
    low: Floats
    high: Floats
    thin: tuple[str, ...]
    base: Floats
    contributions: Floats | None


@dataclass(frozen=True, eq=False)
class Model:
    """Everything it takes to score.

    Parameters
    ----------
    encoding : Encoding
        How features become numbers.
    calibrator : Calibrator, BetaCurve or IsotonicCurve
        How margins become log-odds.
    text : str
        All trees, as LightGBM writes them, fold by fold.
    fold_trees : tuple of int
        How many of them are of each fold's members; see `Ensemble`.
    judgement : Judgement
        What follows the calibrator: segments, thin history, intervals.
    """

    encoding: Encoding
    calibrator: Curve
    text: str
    fold_trees: tuple[int, ...]
    judgement: Judgement = field(default_factory=Judgement)

    @cached_property
    def booster(self) -> lgb.Booster:
        """All trees."""
        return lgb.Booster(model_str=self.text)

    @cached_property
    def by_fold(self) -> tuple[lgb.Booster, ...]:
        """The trees of each fold's members; their margins sum to that of all."""
        return tuple(lgb.Booster(model_str=text) for text in cut(self.text, self.fold_trees))

    @cached_property
    def explainer(self) -> TreeShap:
        """All trees, made ready to be explained; takes a second or so."""
        from churnml.explain.treeshap import TreeShap

        return TreeShap.of(self.text, self.fold_trees)

    @cached_property
    def single(self) -> Single:
        """Judges rows that come one by one."""
        base = float(self.explainer.bases.sum())
        return Single(self.calibrator, self.encoding, self.judgement, base)

    def margins(self, matrix: Floats) -> tuple[Floats, Floats]:
        """Ask the trees.

        Parameters
        ----------
        matrix : ndarray (n, n_features)
            Encoded rows, at least one.

        Returns
        -------
        margin, spread : ndarray (n,)
            The margin, and its standard error by the jackknife: the members of each fold are a
            model that was learnt without that fold.

        References
        ----------
        Efron and Tibshirani (1993), An introduction to the bootstrap, section 11.5: the
        delete-d jackknife, here over groups of accounts.
        """
        return _jackknife(
            np.stack([np.asarray(part.predict(matrix, raw_score=True)) for part in self.by_fold])
        )

    def score(
        self,
        frame: pa.Table,
        *,
        contributions: bool = False,
        level: float | None = None,
        beside: Collection[str] | None = None,
        error: type[ChurnMLError] = TrainingError,
    ) -> Scores:
        """Score rows.

        Parameters
        ----------
        frame : pyarrow.Table
            Has every feature, by name.
        contributions : bool
            Whether to explain each row as well. The same pass over the trees then gives margins,
            which agree with those of LightGBM to about 1e-13.
        level : float, optional
            Share of accounts whose own probability shall lie in the interval; the recipe's if
            omitted.
        beside, error
            As for `Encoding.matrix`.

        Raises
        ------
        ChurnMLError
            Of type `error`, if the rows do not fit the model.
        """
        matrix = self.encoding.matrix(frame, beside=beside, error=error)
        return self.score_matrix(matrix, contributions=contributions, level=level)

    def score_matrix(
        self, matrix: Floats, *, contributions: bool = False, level: float | None = None
    ) -> Scores:
        """Score rows that were encoded before.

        Parameters
        ----------
        matrix : ndarray (n, n_features)
            As `Encoding.matrix` gives it.
        contributions, level
            As for `score`.
        """
        if matrix.shape[0] == 0:
            nothing = np.empty(0)
            shares = np.empty((0, matrix.shape[1])) if contributions else None
            return Scores(*(nothing,) * 6, thin=(), base=nothing, contributions=shares)
        if contributions:
            parts, values = self.explainer.explain(matrix)
            margin, spread = _jackknife(parts)
            if matrix.shape[0] == 1:
                one = self._score_one(matrix, margin, spread, values, level)
                if one is not None:
                    return one
        else:
            margin, spread = self.margins(matrix)
        judged = self.judgement.judge(self.calibrator, self.encoding, matrix, margin, spread)
        intervals = self.judgement.intervals
        low, high = intervals.about(judged.log_odds, judged.error, level or intervals.level)
        base, shares = np.full(margin.size, np.nan), None
        if contributions:
            base, shares = self.judgement.explain(
                self.calibrator, margin, float(self.explainer.bases.sum()), values, judged
            )
        return Scores(
            margin=margin,
            spread=judged.error,
            log_odds=judged.log_odds,
            probability=probability(judged.log_odds),
            low=low,
            high=high,
            thin=judged.thin,
            base=base,
            contributions=shares,
        )

    def _score_one(
        self, matrix: Floats, margin: Floats, spread: Floats, values: Floats, level: float | None
    ) -> Scores | None:
        found = self.single.judge(
            matrix, margin.item(), spread.item(), level or self.judgement.intervals.level
        )
        if found is None:
            return None
        return Scores(
            margin=margin,
            spread=np.array([found.error]),
            log_odds=np.array([found.log_odds]),
            probability=np.array([found.probability]),
            low=np.array([found.low]),
            high=np.array([found.high]),
            thin=("",),
            base=np.array([found.base]),
            contributions=values * found.stretch,
        )


def _jackknife(parts: Floats) -> tuple[Floats, Floats]:
    """Sum the margins by each fold's members (n_folds, n), and tell the standard error of it."""
    n_folds = len(parts)
    without = n_folds * parts  # the margin by each fold's members alone
    around = without - without.sum(axis=0) / n_folds
    spread = np.sqrt((n_folds - 1) / n_folds * np.sum(around**2, axis=0))
    return parts.sum(axis=0), spread


@dataclass(frozen=True)
class FittedModel:
    """A model and how it came about.

    Parameters
    ----------
    model : Model
        What scores.
    ensemble : Ensemble
        What it is mixed of, and its margins of the rows learnt from by members that had not seen
        them.
    calibration : str
        The kind of calibrator.
    calibration_losses : mapping of str to float
        Log loss of each kind that was tried, on folds that it was not fitted on.
    parameters : mapping of str to value
        What LightGBM was given, beside the shapes.
    rows, accounts, churned : int
        What it learnt from: rows, their accounts, and the rows that churned.
    cutoffs : Span or None
        The times of those rows; none for a flat table without times.
    """

    model: Model
    ensemble: Ensemble
    calibration: str
    calibration_losses: Mapping[str, float]
    parameters: Mapping[str, Any]
    rows: int
    accounts: int
    churned: int
    cutoffs: Span | None


def fit(
    table: TrainingTable,
    rows: Rows,
    spec: ModelSpec,
    calibration: CalibrationSpec,
    told: Callable[[float], None] | None = None,
) -> FittedModel:
    """Fit, mix and calibrate a model.

    Category codes come from the rows to learn from alone. Classes keep their natural balance. The
    same rows and parameters give the same trees, whatever the number of threads.

    Parameters
    ----------
    table : TrainingTable
        Features and labels.
    rows : ndarray of int
        Which of its rows to learn from.
    spec : ModelSpec
        Parameters.
    calibration : CalibrationSpec
        How margins become probabilities.
    told : callable, optional
        Told the share of the work that is done.

    Returns
    -------
    FittedModel
        Its trees have gone through text, so that what is measured now is what a bundle scores.

    Raises
    ------
    TrainingError
        If there are too few who churned or too few who did not, or a feature cannot be read.
    """
    frame = table.frame.take(pa.array(rows))
    return learn(
        frame,
        np.asarray(frame["label"], dtype=np.float64),
        np.asarray(frame[ACCOUNT_ID].to_pylist(), dtype=object),
        features=table.features,
        categorical=table.categorical,
        monotone=table.monotone,
        spec=spec,
        calibration=calibration,
        cutoffs=span(frame),
        told=told,
    )


def learn(
    frame: pa.Table,
    label: Floats,
    accounts: npt.NDArray[np.object_],
    *,
    features: Sequence[str],
    categorical: Collection[str],
    monotone: Mapping[str, int],
    spec: ModelSpec,
    calibration: CalibrationSpec,
    cutoffs: Span | None = None,
    told: Callable[[float], None] | None = None,
) -> FittedModel:
    """Fit, mix and calibrate a model on rows of any table.

    Parameters
    ----------
    frame : pyarrow.Table
        Has the features; they may be called anything.
    label : ndarray (n,)
        0 or 1.
    accounts : ndarray of str (n,)
        Each row's account.
    features, categorical : sequence of str
        The columns to learn from, and those of them that are categories.
    monotone : mapping of str to int
        Directions that bind the model, where `spec` lets them.
    cutoffs : Span, optional
        Of what times the rows are, if that is known.
    spec, calibration, told
        As for `fit`.

    Raises
    ------
    TrainingError
        As for `fit`.
    """
    encoding = Encoding.learn(frame, features, categorical)
    problem = _problem(frame, label, accounts, encoding, monotone, spec)
    ensemble = race(
        problem,
        spec.ladder,
        spec.own_shapes,
        most=spec.most_shapes,
        seed=spec.seed,
        told=told or _silent,
    )
    learnt = learn_judgement(problem, encoding, ensemble.held_out, accounts, calibration)
    return FittedModel(
        model=Model(encoding, learnt.curve, ensemble.text, ensemble.fold_trees, learnt.judgement),
        ensemble=ensemble,
        calibration=learnt.method,
        calibration_losses=MappingProxyType(learnt.losses),
        parameters=problem.fixed,
        rows=label.size,
        accounts=np.unique(accounts).size,
        churned=int(label.sum()),
        cutoffs=cutoffs,
    )


def problem_of(table: TrainingTable, rows: Rows, spec: ModelSpec, *, learning: Rows) -> Problem:
    """State what members learn from some rows of a table, where others only judge them.

    Parameters
    ----------
    table, rows, spec
        As for `fit`.
    learning : ndarray of int
        Positions among `rows` of those to learn from: they alone give the categories' codes and
        the bins.

    Raises
    ------
    TrainingError
        As for `fit`.
    """
    frame = table.frame.take(pa.array(rows))
    label = np.asarray(frame["label"], dtype=np.float64)
    accounts = np.asarray(frame[ACCOUNT_ID].to_pylist(), dtype=object)
    encoding = Encoding.learn(frame.take(pa.array(learning)), table.features, table.categorical)
    problem = _problem(frame, label, accounts, encoding, table.monotone, spec)
    return replace(problem, cutting=learning)


def _problem(
    frame: pa.Table,
    label: Floats,
    accounts: npt.NDArray[np.object_],
    encoding: Encoding,
    monotone: Mapping[str, int],
    spec: ModelSpec,
) -> Problem:
    n_folds = _n_folds(accounts, label, spec.folds)
    return Problem(
        matrix=encoding.matrix(frame),
        label=label,
        fold=account_folds(accounts, label, n_folds, spec.seed),
        categorical=encoding.categorical,
        fixed=MappingProxyType(_parameters(encoding, monotone if spec.monotone else {}, spec)),
        max_rounds=spec.max_rounds,
        patience=spec.early_stopping_rounds,
    )


def _silent(_: float) -> None:
    """Tell nobody."""


def _n_folds(accounts: npt.NDArray[np.object_], label: Floats, wanted: int) -> int:
    """Take as many folds as give each of them rows of both outcomes."""
    churned, stayed = set(accounts[label == 1]), set(accounts[label == 0])
    possible = min(wanted, len(churned), len(stayed))
    if possible < LEAST_ACCOUNTS:
        raise TrainingError(
            f"among the rows to learn from {_of_accounts(churned)} churned and "
            f"{_of_accounts(stayed)} did not; a model needs two accounts of each at least. Use "
            "more history, a longer horizon, or other splits."
        )
    return possible


def _of_accounts(names: Collection[str]) -> str:
    return "those of 1 account" if len(names) == 1 else f"those of {len(names)} accounts"


def _parameters(encoding: Encoding, monotone: Mapping[str, int], spec: ModelSpec) -> dict[str, Any]:
    # On a category a constraint aborts the process, where nothing can catch it.
    signs = [
        monotone.get(name, 0) if name not in encoding.codes else 0 for name in encoding.features
    ]
    constraints = {"monotone_constraints": signs} if any(signs) else {}
    return {
        "objective": "binary",
        "metric": "binary_logloss",
        "max_bin": spec.max_bin,
        "num_threads": spec.num_threads,
        **constraints,
        "deterministic": True,
        "force_row_wise": True,
        "verbosity": -1,
    }
