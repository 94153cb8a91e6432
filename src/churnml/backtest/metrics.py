"""How good scores are, each figure with an interval that knows accounts come back.

An account stands in a table once for each cutoff, so its rows are no independent evidence.
Intervals resample accounts with all their rows (a cluster bootstrap) and take percentiles.

References
----------
Field and Welsh (2007), Bootstrapping clustered data. J. R. Statist. Soc. B 69, 369-390.
Cox (1958), Two further applications of a model for binary regression. Biometrika 45, 562-565.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from churnml.errors import TrainingError, nearest

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

TOP_SHARE = 0.1
_BINS = 10
_CELLS = 2_000_000  # weights held at once
_STEPS = 40  # of Newton's method; a line that exists is found in ten
_ALIKE = 1e-9  # log-odds


@dataclass(frozen=True)
class Interval:
    """A figure and the range that resampled accounts give it; nan where there is none.

    Parameters
    ----------
    value : float
        On the rows as they are.
    low, high : float
        Percentiles over the draws; draws in which the figure does not exist are left out.
    """

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Evaluation:
    """What scores are worth on some rows.

    Parameters
    ----------
    metrics : mapping of str to Interval
        By name of the metric.
    rows, accounts, positives : int
        What was evaluated.
    draws : int
        Bootstrap draws.
    level : float
        Coverage of the intervals.
    """

    metrics: Mapping[str, Interval]
    rows: int
    accounts: int
    positives: int
    draws: int
    level: float


@dataclass(frozen=True)
class Comparison:
    """Two scores over the same rows.

    Parameters
    ----------
    metric : str
        What is compared.
    first, second : float
        The metric of each.
    difference : Interval
        First less second, both over the same draws of accounts.
    """

    metric: str
    first: float
    second: float
    difference: Interval


@dataclass(frozen=True)
class _Sample:
    """Rows in ascending order of score.

    Parameters
    ----------
    label : ndarray (n,)
        0 or 1.
    score : ndarray (n,)
        Ascending.
    account : ndarray (n,)
        The position of each row's account among the accounts.
    ties : ndarray (n_distinct,)
        Where each distinct score begins.
    """

    label: Floats
    score: Floats
    account: Ints
    ties: Ints

    @classmethod
    def of(cls, label: Floats, score: Floats, account: Ints) -> _Sample:
        order = np.argsort(score, kind="stable")
        ordered = score[order]
        ties = np.flatnonzero(np.append(True, ordered[1:] != ordered[:-1]))
        return cls(label[order], ordered, account[order], ties)

    def tallies(self, weight: Floats) -> tuple[Floats, Floats]:
        """Sum weights of churned rows, and of all, for each distinct score.

        Parameters
        ----------
        weight : ndarray (n_draws, n)
            How often each row was drawn.
        """
        churned = weight * self.label
        if self.ties.size == self.score.size:
            return churned, weight
        return (
            np.add.reduceat(churned, self.ties, axis=1),
            np.add.reduceat(weight, self.ties, axis=1),
        )


def _auc(sample: _Sample, weight: Floats) -> Floats:
    churned, every = sample.tallies(weight)
    stayed = every - churned
    below = np.cumsum(stayed, axis=1) - stayed / 2
    return _ratio(np.sum(churned * below, axis=1), churned.sum(axis=1) * stayed.sum(axis=1))


def _average_precision(sample: _Sample, weight: Floats) -> Floats:
    churned, every = sample.tallies(weight)
    found = np.cumsum(churned[:, ::-1], axis=1)
    precision = _ratio(found, np.cumsum(every[:, ::-1], axis=1))
    # Scores nobody of the draw has cannot be thresholds; their precision has no weight.
    gained = np.nansum(precision * churned[:, ::-1], axis=1)
    return _ratio(gained, churned.sum(axis=1))


def _top(sample: _Sample, weight: Floats) -> Floats:
    """Count churned rows among the riskiest share; of a tie at its edge, the fair part."""
    churned, every = sample.tallies(weight)
    found, passed = np.cumsum(churned[:, ::-1], axis=1), np.cumsum(every[:, ::-1], axis=1)
    room = TOP_SHARE * passed[:, -1:]
    edge = np.sum(passed < room, axis=1, keepdims=True)
    within = np.take_along_axis(every[:, ::-1], edge, axis=1)
    part = (room - np.take_along_axis(passed, edge, axis=1) + within) / within
    at_edge = np.take_along_axis(churned[:, ::-1], edge, axis=1)
    before = np.take_along_axis(found, edge, axis=1) - at_edge
    return np.asarray((before + part * at_edge)[:, 0])


def _recall_at_top(sample: _Sample, weight: Floats) -> Floats:
    return _ratio(_top(sample, weight), weight @ sample.label)


def _lift_at_top(sample: _Sample, weight: Floats) -> Floats:
    return _recall_at_top(sample, weight) / TOP_SHARE


def _log_loss(sample: _Sample, weight: Floats) -> Floats:
    chance = _inside(sample.score)
    loss = -np.where(sample.label == 1, np.log(chance), np.log1p(-chance))
    return _ratio(weight @ loss, weight.sum(axis=1))


def _brier(sample: _Sample, weight: Floats) -> Floats:
    return _ratio(weight @ (sample.score - sample.label) ** 2, weight.sum(axis=1))


def _calibration_error(sample: _Sample, weight: Floats) -> Floats:
    """Average over ten bins of equal size the gap between mean score and churn rate."""
    at = np.linspace(0, sample.score.size, _BINS, endpoint=False).astype(np.int64)
    starts = np.unique(sample.ties[np.searchsorted(sample.ties, at, side="right") - 1])
    gaps = np.add.reduceat(weight * (sample.score - sample.label), starts, axis=1)
    return _ratio(np.abs(gaps).sum(axis=1), weight.sum(axis=1))


def _slope(sample: _Sample, weight: Floats) -> Floats:
    return _recalibration(sample, weight)[:, 1]


def _intercept(sample: _Sample, weight: Floats) -> Floats:
    return _recalibration(sample, weight)[:, 0]


def _miscalibration(sample: _Sample, weight: Floats) -> Floats:
    """Find the log loss a row that the best line through the log-odds would regain."""
    line = _recalibration(sample, weight)
    chance = _inside(sample.score)
    log_odds = line[:, :1] + line[:, 1:] * (np.log(chance) - np.log1p(-chance))
    with np.errstate(invalid="ignore"):  # a draw without a line has no loss either
        loss = np.logaddexp(0, log_odds) - sample.label * log_odds
    return _log_loss(sample, weight) - _ratio(np.sum(weight * loss, axis=1), weight.sum(axis=1))


def _recalibration(sample: _Sample, weight: Floats) -> Floats:
    """Fit label ~ intercept + slope · log-odds to each draw, by Newton's method.

    A draw that the scores part without an error, or of one class, has no such line: nan.
    """
    chance = _inside(sample.score)
    log_odds = np.log(chance) - np.log1p(-chance)
    centre, spread = log_odds.mean(), log_odds.std()
    if spread < _ALIKE:
        return np.full((weight.shape[0], 2), np.nan)
    # In units of their own spread the slope is of the order of one, however timid the scores.
    x = (log_odds - centre) / spread
    found, settled = _fitted(x, sample.label, weight)
    slope = found[:, 1] / spread
    line = np.column_stack([found[:, 0] - slope * centre, slope])
    return np.where(settled[:, None], line, np.nan)


def _fitted(x: Floats, label: Floats, weight: Floats) -> tuple[Floats, npt.NDArray[np.bool_]]:
    """Fit label ~ a + b · x to each draw; tell a and b, and of which draws they came to rest."""
    mean = _ratio(weight @ label, weight.sum(axis=1))
    mean = np.where((mean > 0) & (mean < 1), mean, np.nan)
    line = np.column_stack([np.log(mean) - np.log1p(-mean), np.zeros_like(mean)])
    step = np.full_like(line, np.inf)
    for _ in range(_STEPS):
        with np.errstate(over="ignore"):  # to infinity, and so to a chance of 0
            fitted = 1 / (1 + np.exp(-(line[:, :1] + line[:, 1:] * x)))
        error = weight * (label - fitted)
        information = weight * (fitted * (1 - fitted))
        g0, g1 = error.sum(axis=1), error @ x
        h0, h1, h2 = information.sum(axis=1), information @ x, information @ (x * x)
        determinant = h0 * h2 - h1 * h1
        determinant = np.where(determinant > 1e-9 * h0 * h2, determinant, np.nan)
        step = np.column_stack([h2 * g0 - h1 * g1, h0 * g1 - h1 * g0]) / determinant[:, None]
        # A step of one keeps Newton from overshooting where classes lie far apart.
        step = np.clip(step, -1, 1)
        line = line + step
        if not np.any(np.abs(step) > 1e-8):
            break
    return line, (np.abs(step) <= 1e-6).all(axis=1)


Metric = Callable[[_Sample, Floats], Floats]

RANKING: Mapping[str, Metric] = MappingProxyType(
    {
        "auc": _auc,
        "average_precision": _average_precision,
        "lift_at_10": _lift_at_top,
        "recall_at_10": _recall_at_top,
    }
)
PROBABILITY: Mapping[str, Metric] = MappingProxyType(
    {
        "log_loss": _log_loss,
        "brier": _brier,
        "ece": _calibration_error,
        "calibration_slope": _slope,
        "calibration_intercept": _intercept,
    }
)
METRICS: Mapping[str, Metric] = MappingProxyType({**RANKING, **PROBABILITY})
# A mean of absolute gaps adds the noise of each bin: drawn accounts are noisier still, and the
# percentiles of their figures lie above what they should hold.
POINT_ONLY = frozenset({"ece"})
# Never below 0, and so biased by itself; between two scores of the same rows the bias falls out.
COMPARED: Mapping[str, Metric] = MappingProxyType({**METRICS, "miscalibration": _miscalibration})


def evaluate(
    label: npt.ArrayLike,
    score: npt.ArrayLike,
    account: npt.ArrayLike,
    *,
    metrics: Sequence[str] = tuple(METRICS),
    draws: int = 500,
    level: float = 0.95,
    seed: int = 0,
) -> Evaluation:
    """Measure scores against what happened.

    Parameters
    ----------
    label : array-like (n,)
        1 for churn, 0 for none.
    score : array-like (n,)
        The higher the riskier; probabilities, unless only metrics of `RANKING` are asked for.
    account : array-like (n,)
        Whose row it is; accounts are what the bootstrap draws.
    metrics : sequence of str
        Names of `METRICS`: ``auc``; ``average_precision``; ``lift_at_10`` and ``recall_at_10``,
        in the riskiest tenth of rows; ``log_loss``; ``brier``; ``ece``, over ten bins of equal
        size, without an interval (never below 0, so that small samples look worse than they are);
        ``calibration_slope`` and ``calibration_intercept`` of the label's log-odds on the score's
        (1 and 0 when calibrated).
    draws : int
        Bootstrap draws; more steady the interval, not the figure.
    level : float
        Coverage of the interval.
    seed : int
        Fixes the draws.

    Returns
    -------
    Evaluation
        Every metric with its interval, but for those of `POINT_ONLY`.

    Raises
    ------
    TrainingError
        If lengths differ, only one class is there, scores are not finite or no probabilities, or a
        metric is unknown.
    """
    asked = _asked(metrics)
    labels, scores, accounts = _checked(label, score, account, asked)
    sample = _Sample.of(labels, scores, accounts)
    once = np.ones((1, labels.size))
    drawn: dict[str, list[Floats]] = {name: [] for name in asked}
    for counts in _draws(accounts, draws, seed):
        weight = counts[:, sample.account]
        for name in asked.keys() - POINT_ONLY:
            drawn[name].append(asked[name](sample, weight))
    return Evaluation(
        metrics=MappingProxyType(
            {
                name: _interval(float(metric(sample, once)[0]), drawn[name], level)
                for name, metric in asked.items()
            }
        ),
        rows=labels.size,
        accounts=int(accounts.max()) + 1,
        positives=int(labels.sum()),
        draws=draws,
        level=level,
    )


def compare(
    label: npt.ArrayLike,
    first: npt.ArrayLike,
    second: npt.ArrayLike,
    account: npt.ArrayLike,
    *,
    metric: str = "auc",
    draws: int = 500,
    level: float = 0.95,
    seed: int = 0,
) -> Comparison:
    """Compare two scores of the same rows, drawing the same accounts for both.

    Parameters
    ----------
    label, account : array-like (n,)
        As for `evaluate`.
    first, second : array-like (n,)
        The scores.
    metric : str
        A name of `METRICS`, but for those of `POINT_ONLY`; or ``miscalibration``, the log loss a
        row that the best straight line through the log-odds would regain (0 when calibrated).
    draws, level, seed
        As for `evaluate`.

    Returns
    -------
    Comparison
        The difference excludes 0 where one is better beyond chance.

    Raises
    ------
    TrainingError
        As `evaluate`, or if the metric has no interval.
    """
    asked = _asked([metric], COMPARED)
    if metric in POINT_ONLY:
        raise TrainingError(
            f"metric {metric!r} has no interval, so that its differences cannot be judged. Compare "
            "'brier', 'log_loss' or 'calibration_slope'."
        )
    labels, ones, accounts = _checked(label, first, account, asked)
    _, others, _ = _checked(label, second, account, asked)
    one, other = _Sample.of(labels, ones, accounts), _Sample.of(labels, others, accounts)
    of = asked[metric]
    drawn = [
        of(one, counts[:, one.account]) - of(other, counts[:, other.account])
        for counts in _draws(accounts, draws, seed)
    ]
    once = np.ones((1, labels.size))
    left, right = float(of(one, once)[0]), float(of(other, once)[0])
    return Comparison(metric, left, right, _interval(left - right, drawn, level))


def _asked(metrics: Sequence[str], of: Mapping[str, Metric] = METRICS) -> dict[str, Metric]:
    for name in metrics:
        if name not in of:
            raise TrainingError(f"no metric is named {name!r}.{nearest(name, of)}")
    return {name: of[name] for name in metrics}


def _checked(
    label: npt.ArrayLike, score: npt.ArrayLike, account: npt.ArrayLike, asked: Mapping[str, Metric]
) -> tuple[Floats, Floats, Ints]:
    labels, scores = np.asarray(label, dtype=np.float64), np.asarray(score, dtype=np.float64)
    names = np.asarray(account)
    if not labels.shape == scores.shape == names.shape:
        raise TrainingError(
            f"{labels.size} labels, {scores.size} scores and {names.size} accounts: expected one "
            "of each for every row."
        )
    positives = int(np.sum(labels == 1))
    if positives + int(np.sum(labels == 0)) != labels.size or positives in {0, labels.size}:
        raise TrainingError(
            f"{positives} of {labels.size} rows churned: metrics need labels of 0 and 1, and some "
            "of both. Test on more cutoffs, or on a longer horizon."
        )
    if not np.isfinite(scores).all():
        raise TrainingError(f"{int(np.sum(~np.isfinite(scores)))} scores are not finite numbers.")
    needs = [name for name in asked if name not in RANKING]
    if needs and (scores.min() < 0 or scores.max() > 1):
        raise TrainingError(
            f"scores run from {scores.min():g} to {scores.max():g}, but {', '.join(needs)} need "
            f"probabilities. Ask for metrics among {', '.join(RANKING)}."
        )
    return labels, scores, np.unique(names, return_inverse=True)[1].astype(np.int64)


def _draws(account: Ints, draws: int, seed: int) -> Iterator[Floats]:
    """Yield how often each account is drawn, for some draws at a time: (n_draws, n_accounts)."""
    generator = np.random.default_rng(seed)
    n_accounts = int(account.max()) + 1
    at_once = max(1, _CELLS // account.size)
    for begin in range(0, draws, at_once):
        size = min(at_once, draws - begin)
        picked = generator.integers(0, n_accounts, size=(size, n_accounts))
        picked += np.arange(size)[:, None] * n_accounts
        counts = np.bincount(picked.ravel(), minlength=size * n_accounts)
        yield counts.reshape(size, n_accounts).astype(np.float64)


def _interval(value: float, drawn: list[Floats], level: float) -> Interval:
    values = np.concatenate(drawn) if drawn else np.empty(0)
    values = values[np.isfinite(values)]
    if values.size == 0:
        return Interval(value, float("nan"), float("nan"))
    low, high = np.percentile(values, [50 * (1 - level), 50 * (1 + level)])
    return Interval(value, float(low), float(high))


def _ratio(above: Floats, below: Floats) -> Floats:
    return np.divide(above, below, out=np.full_like(below, np.nan), where=below > 0)


def _inside(probability: Floats) -> Floats:
    """Keep probabilities off 0 and 1, where their log-odds are infinite."""
    return np.clip(probability, 1e-15, 1 - 1e-15)
