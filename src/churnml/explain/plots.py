"""Plots of what scores are worth and of what moves them. The only module that imports shap."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from churnml.explain.figures import LOWERS, OTHER, new_figure, ranks, save, short

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Floats = npt.NDArray[np.float64]

_MODEL, _OTHER = LOWERS, OTHER
_INCHES = 6.4, 4.8
_GROUPS = 10  # of equal size, in the plot of calibration
_SHOWN = 15  # features in a beeswarm


def draw(label: Floats, probability: Floats, into: Path) -> tuple[Path, ...]:
    """Draw how well scores rank, and how far their probabilities can be believed.

    Parameters
    ----------
    label : ndarray (n,)
        1 for churn, 0 for none; both occur.
    probability : ndarray (n,)
        What was foreseen, out of time.
    into : Path
        A folder that is there.

    Returns
    -------
    tuple of Path
        ``roc.png``, ``precision_recall.png``, ``lift.png`` and ``calibration.png``.
    """
    made = []
    for name, plot in PLOTS.items():
        figure = new_figure(_INCHES)
        axes = figure.add_subplot()
        plot(axes, label, probability)
        axes.grid(alpha=0.25)
        axes.spines[["top", "right"]].set_visible(False)
        path = into / f"{name}.png"
        save(figure, path)
        made.append(path)
    return tuple(made)


def beeswarm(contributions: Floats, values: Floats, names: tuple[str, ...], into: Path) -> Path:
    """Draw what the heaviest features add to the log-odds of each row, over their values.

    Parameters
    ----------
    contributions : ndarray (n, n_features)
        SHAP values of the calibrated log-odds.
    values : ndarray (n, n_features)
        Features as numbers, nan where there is none. Codes of a category have no order.
    names : tuple of str
        The features.
    into : Path
        A folder that is there.

    Returns
    -------
    Path
        ``beeswarm.png``.
    """
    import warnings

    with warnings.catch_warnings():
        # shap and what it imports deprecate one another's ways on import.
        warnings.simplefilter("ignore")
        import shap

    shown = min(_SHOWN, len(names))
    heaviest = np.argsort(-np.abs(contributions).mean(axis=0), kind="stable")[:shown]
    figure = new_figure((8.0, 1.6 + 0.36 * shown))
    axes = figure.add_subplot()
    told = shap.Explanation(
        values=contributions[:, heaviest],
        data=np.column_stack([ranks(values[:, place]) for place in heaviest]),
        feature_names=[short(names[place]) for place in heaviest],
    )
    with warnings.catch_warnings():
        # A feature that is missing in every row has no least and no greatest value.
        warnings.filterwarnings("ignore", message="All-NaN", category=RuntimeWarning)
        shap.plots.beeswarm(
            told,
            max_display=shown,
            ax=axes,
            plot_size=None,
            show=False,
            color_bar=False,
            group_remaining_features=False,
            # shap draws of numpy's global generator; the order of the heaviest is ours.
            order=np.arange(shown),
        )
    axes.set_xlabel("share of the calibrated log-odds; right of 0 raises the risk", fontsize=10)
    axes.set_title("red: high values, blue: low ones, grey: missing", fontsize=9, loc="right")
    path = into / "beeswarm.png"
    save(figure, path)
    return path


def _roc(axes: Axes, label: Floats, probability: Floats) -> None:
    churned, stayed = _counts(label, probability)
    axes.plot([0, 1], [0, 1], color=_OTHER, linestyle="--", label="a coin")
    axes.plot(stayed / stayed[-1], churned / churned[-1], color=_MODEL, label="the model")
    axes.set(xlabel="share of those who stayed", ylabel="share of those who left", title="ROC")
    axes.legend(loc="lower right", frameon=False)


def _precision_recall(axes: Axes, label: Floats, probability: Floats) -> None:
    churned, stayed = _counts(label, probability)
    recall, precision = churned[1:] / churned[-1], churned[1:] / (churned + stayed)[1:]
    rate = float(label.mean())
    axes.axhline(rate, color=_OTHER, linestyle="--", label=f"a random list, {rate:.1%}")
    axes.plot(recall, precision, color=_MODEL, label="the model")
    axes.set(
        xlabel="share found of those who left",
        ylabel="share of the list that left",
        title="Precision and recall",
        ylim=(0, 1.02),
    )
    axes.legend(loc="upper right", frameon=False)


def _lift(axes: Axes, label: Floats, probability: Floats) -> None:
    churned, stayed = _counts(label, probability)
    listed = churned + stayed
    share, found = listed / listed[-1], churned / churned[-1]
    axes.plot([0, 1], [0, 1], color=_OTHER, linestyle="--", label="a random list")
    axes.plot(share, found, color=_MODEL, label="the model")
    tenth = float(np.interp(0.1, share, found))
    axes.plot([0.1], [tenth], marker="o", color=_MODEL)
    axes.annotate(
        f"{tenth:.0%} in the riskiest tenth: {tenth / 0.1:.1f} times as many",
        (0.1, tenth),
        textcoords="offset points",
        xytext=(10, -4),
    )
    axes.set(xlabel="share of all, the riskiest first", ylabel="share found of those who left")
    axes.set_title("Gains and lift")
    axes.legend(loc="lower right", frameon=False)


def _calibration(axes: Axes, label: Floats, probability: Floats) -> None:
    """Set what was foreseen beside what came, with binomial bars of two standard errors."""
    order = np.argsort(probability, kind="stable")
    groups = [part for part in np.array_split(order, _GROUPS) if part.size]
    foreseen = np.array([probability[part].mean() for part in groups])
    came = np.array([label[part].mean() for part in groups])
    size = np.array([part.size for part in groups])
    # Wilson's centre keeps a bar on a group of which nobody left.
    centre = (came * size + 2) / (size + 4)
    bar = 2 * np.sqrt(centre * (1 - centre) / (size + 4))
    low, high = np.minimum(came, centre - bar), np.maximum(came, centre + bar)
    top = 1.05 * float(max(foreseen.max(), high.max()))
    axes.plot([0, top], [0, top], color=_OTHER, linestyle="--", label="what is foreseen comes")
    axes.errorbar(
        foreseen,
        came,
        yerr=[came - np.maximum(low, 0), high - came],
        color=_MODEL,
        marker="o",
        capsize=3,
        label="tenths of the rows",
    )
    axes.set(xlim=(0, top), ylim=(0, top), title="Calibration")
    axes.set(xlabel="probability, average of a tenth", ylabel="share that left")
    axes.legend(loc="upper left", frameon=False)


PLOTS: Mapping[str, Callable[[Axes, Floats, Floats], None]] = MappingProxyType(
    {
        "roc": _roc,
        "precision_recall": _precision_recall,
        "lift": _lift,
        "calibration": _calibration,
    }
)


def _counts(label: Floats, probability: Floats) -> tuple[Floats, Floats]:
    """Count who left and who stayed among the riskiest, at each distinct score, from none on."""
    order = np.argsort(-probability, kind="stable")
    ordered = probability[order]
    last = np.flatnonzero(np.append(ordered[1:] != ordered[:-1], True))
    churned = np.cumsum(label[order])[last]
    stayed = last + 1.0 - churned
    return np.concatenate([[0.0], churned]), np.concatenate([[0.0], stayed])
