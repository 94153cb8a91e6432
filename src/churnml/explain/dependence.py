"""Dependence: what a feature adds to the log-odds of rows, against its values.

References
----------
Lundberg et al. (2020), From local explanations to global understanding with explainable AI for
trees. Nature Machine Intelligence 2, 56-67: SHAP dependence plots.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from churnml.explain.figures import LOWERS, OTHER, literal, new_figure, ranks, save, short
from churnml.explain.reasons import show

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.intp]

MOST_PLOTS = 6
_CANDIDATES = 15  # of the heaviest features, for the colour
_CLEAR = 0.4  # correlation; less tells nothing to the eye, and chance alone makes some 0.2
_TOGETHER = 25  # rows of about one value, among which an interaction is looked for
_LEAST_TOGETHER = 10
_OF_ITS_OWN = 0.1  # of a feature's variance; less is left of one that is nearly the same
_NOTHING = 1e-9  # what rounding leaves of differences that are none
_MOST_LEVELS = 12
_LEVEL_LETTERS = 18  # of a category's value
_LABEL_LETTERS = 60  # below an axis; more are put aslant
_TICKS = 6
_EPOCH = dt.date(1970, 1, 1)
_INCHES = (7.2, 4.6)
_DOT = 14  # square points
_COLOURS = ("#1e88e5", "#ff0d57")  # from low to high, those of the beeswarm


@dataclass(frozen=True, eq=False)
class Column:
    """A feature of some rows.

    Parameters
    ----------
    name : str
        What it is called.
    values : ndarray (n,)
        Numbers, days since 1970, or places among `levels`; nan where there is none.
    levels : tuple of str
        The values of a category; empty for all else.
    dated : bool
        Whether values are days.
    """

    name: str
    values: Floats
    levels: tuple[str, ...] = ()
    dated: bool = False


@dataclass(frozen=True, eq=False)
class _Scale:
    """Where values stand on an axis, and what is written below it; nothing where it says itself."""

    places: Floats
    ticks: Sequence[float] = ()
    labels: Sequence[str] = ()
    by_rank: bool = False


def dependence(
    contributions: Floats, columns: Sequence[Column], into: Path, *, most: int = MOST_PLOTS
) -> tuple[Path, ...]:
    """Draw the contributions of the heaviest features against their values, a plot for each.

    Rows without a value stand beside the others. Colour tells the values of that feature which
    interacts most plainly with the one shown, if any does.

    Parameters
    ----------
    contributions : ndarray (n, n_features)
        SHAP values of the calibrated log-odds.
    columns : sequence of Column (n_features,)
        The features.
    into : Path
        A folder that is there.
    most : int
        How many plots there may be. Features that add nothing to any row have none.

    Returns
    -------
    tuple of Path
        ``dependence_1_<feature>.png`` and so on, the heaviest first.
    """
    weight = np.abs(contributions).mean(axis=0)
    heaviest = [int(place) for place in np.argsort(-weight, kind="stable") if weight[place] > 0]
    made = []
    for number, place in enumerate(heaviest[:most], 1):
        column, shares = columns[place], contributions[:, place]
        others = [columns[other] for other in heaviest[:_CANDIDATES] if other != place]
        path = into / f"dependence_{number}_{_file_name(column.name)}.png"
        _draw(shares, column, interacting(shares, column, others), path)
        made.append(path)
    return tuple(made)


def interacting(shares: Floats, column: Column, others: Sequence[Column]) -> Column | None:
    """Find the feature that tells best why rows of about one value differ in their contributions.

    Parameters
    ----------
    shares : ndarray (n,)
        Contributions of the feature.
    column : Column
        The feature.
    others : sequence of Column
        Whom to look at; categories of more than two values, which have no order, are passed over.

    Returns
    -------
    Column or None
        The one whose ranks correlate most with contributions among rows of about one value, either
        way, if clearly.
    """
    groups = _alike(column)
    found, clearest = None, _CLEAR
    for other in others:
        if len(other.levels) > 2:
            continue
        clear = _correlation(shares, ranks(other.values), ranks(column.values), groups)
        if clear > clearest:
            found, clearest = other, clear
    return found


def _alike(column: Column) -> Ints:
    """Number groups of rows that have about the same value; those without one are a group."""
    placed = ranks(column.values)
    if column.levels:
        return np.where(np.isnan(placed), -1, placed).astype(np.intp) + 1
    groups = np.empty(placed.size, dtype=np.intp)
    groups[np.argsort(placed, kind="stable")] = np.arange(placed.size) // _TOGETHER + 1
    groups[np.isnan(placed)] = 0
    return groups


def _correlation(shares: Floats, placed: Floats, own: Floats, groups: Ints) -> float:
    """Tell how much two values go together within groups, whatever the sign in each.

    What both owe to the feature's own ranks there counts for nothing, and a feature of which
    little else is left is nearly the same one: that it goes along is no interaction.
    """
    known = np.isfinite(placed)
    if not known.any():
        return 0.0
    rest = _beyond(shares, own, groups)
    spread = _beyond(np.where(known, placed, placed[known].mean()), own, groups)
    if (spread**2).sum() < _OF_ITS_OWN * known.sum() * placed[known].var():
        return 0.0
    large = np.bincount(groups) >= _LEAST_TOGETHER
    both, one, other = (
        np.bincount(groups, product)[large] for product in (rest * spread, rest**2, spread**2)
    )
    most = float(np.sqrt(one * other).sum())
    return float(np.abs(both).sum()) / most if most > _NOTHING else 0.0


def _beyond(values: Floats, own: Floats, groups: Ints) -> Floats:
    """Take from values what a line through each group, over the feature's own ranks, tells."""
    rest, along = _within(values, groups), _within(np.nan_to_num(own), groups)
    steep = np.bincount(groups, rest * along) / np.maximum(np.bincount(groups, along**2), _NOTHING)
    return np.asarray(rest - steep[groups] * along)


def _within(values: Floats, groups: Ints) -> Floats:
    """Take from each value the mean of its group."""
    size = np.maximum(np.bincount(groups), 1)
    return np.asarray(values - (np.bincount(groups, values) / size)[groups])


def _draw(shares: Floats, column: Column, other: Column | None, path: Path) -> None:
    known = np.isfinite(column.values)
    scale = _scale(column)
    colours = np.full(shares.size, np.nan) if other is None else ranks(other.values)
    generator = np.random.default_rng(0)  # rows of one place would hide one another
    if column.levels:
        scale.places[known] += generator.uniform(-0.25, 0.25, int(known.sum()))
    figure = new_figure(_INCHES)
    if known.all():
        axes = first = figure.add_subplot()
    else:
        first, axes = figure.subplots(1, 2, sharey=True, width_ratios=(1, 9))
        axes.tick_params(axis="y", left=False, labelleft=False)
        lost = generator.uniform(-0.3, 0.3, int((~known).sum()))
        _scatter(first, lost, shares[~known], colours[~known], colours)
        first.set(xlim=(-0.7, 0.7))
        first.set_xticks([0], [f"missing\n({1 - known.mean():.0%})"])
    _scatter(axes, scale.places[known], shares[known], colours[known], colours)
    _label(axes, column, scale, other)
    first.set_ylabel("share of the calibrated log-odds;\nabove 0 raises the risk")
    for part in figure.axes:
        part.axhline(0, color=OTHER, linewidth=0.8, zorder=0)
        part.grid(alpha=0.25, axis="y")
        part.spines[["top", "right"]].set_visible(False)
    save(figure, path)


def _scatter(axes: Axes, places: Floats, shares: Floats, colours: Floats, every: Floats) -> None:
    """Set dots; colours are those of a part of the rows, and mean the same in both parts."""
    from matplotlib.colors import LinearSegmentedColormap

    told = np.isfinite(colours)
    plain = OTHER if np.isfinite(every).any() else LOWERS
    axes.scatter(places[~told], shares[~told], s=_DOT, linewidths=0, color=plain)
    if told.any():
        axes.scatter(
            places[told],
            shares[told],
            s=_DOT,
            linewidths=0,
            c=colours[told],
            cmap=LinearSegmentedColormap.from_list("values", _COLOURS),
            vmin=0,
            vmax=float(np.nanmax(every)),
        )


def _label(axes: Axes, column: Column, scale: _Scale, other: Column | None) -> None:
    axes.set_xlabel(f"{short(column.name)}{', by rank' if scale.by_rank else ''}")
    if len(scale.ticks):
        axes.set_xticks(scale.ticks, scale.labels)
    if sum(map(len, scale.labels)) > _LABEL_LETTERS:
        axes.tick_params(axis="x", labelrotation=30)
        for label in axes.get_xticklabels():
            label.set(ha="right", rotation_mode="anchor")
    if other is not None:
        low, high = map(_cut, other.levels or ("low", "high"))
        told = f"{short(other.name)}: red {high}, blue {low}, grey missing"
        axes.set_title(told, fontsize=9, loc="right")


def _scale(column: Column) -> _Scale:
    """Choose the axis of a feature.

    Numbers of which most lie close together and some far off are put at their ranks, as trees see
    them; on an axis in proportion they would be one column of dots.
    """
    known = np.isfinite(column.values)
    if not known.any():
        return _Scale(column.values.copy(), [0], [""])
    if column.levels:
        return _levels(column)
    distinct = np.unique(column.values[known])
    if _even(column.values[known]):
        if not column.dated:
            return _Scale(column.values.copy())
        ticks = np.linspace(distinct[0], distinct[-1], _TICKS)
        return _Scale(column.values.copy(), ticks.tolist(), [_told(x, column) for x in ticks])
    places = np.unique(np.linspace(0, distinct.size - 1, _TICKS).round()).astype(np.intp)
    labels = [_told(value, column) for value in distinct[places]]
    return _Scale(ranks(column.values), places.tolist(), labels, by_rank=True)


def _levels(column: Column) -> _Scale:
    """Put the most frequent values of a category side by side, and all others at one place."""
    known = np.isfinite(column.values)
    codes, counts = np.unique(column.values[known].astype(np.intp), return_counts=True)
    frequent = codes[np.argsort(-counts, kind="stable")]
    kept = frequent if frequent.size <= _MOST_LEVELS else frequent[: _MOST_LEVELS - 1]
    place = {int(code): number for number, code in enumerate(kept)}
    places = np.full(column.values.size, np.nan)
    places[known] = [place.get(int(code), kept.size) for code in column.values[known]]
    labels = [_cut(column.levels[code]) for code in kept]
    if kept.size < frequent.size:
        labels.append(f"{frequent.size - kept.size} others")
    return _Scale(places, list(range(len(labels))), labels)


def _even(values: Floats) -> bool:
    """Whether most values take up much of the axis that all of them need."""
    low, high = values.min(), values.max()
    if not low < high or max(abs(low), abs(high)) > 1e15:
        return False
    inner = np.quantile(values, [0.05, 0.95])
    return bool(inner[1] - inner[0] >= 0.2 * (high - low))


def _told(value: float, column: Column) -> str:
    if column.dated:
        return str(_EPOCH + dt.timedelta(days=int(value // 1)))
    return show(float(value), "")


def _cut(level: str) -> str:
    return literal(level if len(level) <= _LEVEL_LETTERS else f"{level[: _LEVEL_LETTERS - 1]}…")


def _file_name(name: str) -> str:
    return re.sub(r"[^\w.-]+", "-", name)[:60]
