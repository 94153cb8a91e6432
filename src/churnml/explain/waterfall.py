"""The waterfall of one account: from what is said of nobody to its score, reason by reason."""

from __future__ import annotations

import io
import math
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING

from churnml.explain.figures import LOWERS, RAISES, literal, new_figure, save
from churnml.explain.reasons import Reason, logistic

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_BARS = 12
_BESIDE = 8  # points between a bar and its number
_DPI = 200  # sharp on dense screens and on paper
_WIDE = 52  # characters of a line of a label
_LINES = 2
_TITLE = 40  # characters of a label that may be the family's
_LOWER_CHANCES = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.4)
_CHANCES = (*_LOWER_CHANCES, 0.5, *(1 - chance for chance in reversed(_LOWER_CHANCES)))
_APART = 0.08  # share of the axis that lies between two of them
_LEAST_CHANCE = 0.001


@dataclass(frozen=True)
class Bar:
    """What one reason, or all small ones together, adds to the log-odds.

    Parameters
    ----------
    label : str
        What it says.
    contribution : float
        Log-odds; above zero it raises the risk.
    """

    label: str
    contribution: float


@dataclass(frozen=True)
class Theme:
    """Colours of a waterfall: its ground, its words, its lines and its two kinds of bars."""

    ground: str
    words: str
    lines: str
    raises: str
    lowers: str


LIGHT = Theme("#ffffff", "#1f2328", "#b6bcc3", RAISES, LOWERS)
DARK = Theme("#161b22", "#e6edf3", "#565e67", "#ff8f66", "#6cb6ff")


def bars(reasons: Sequence[Reason], most: int = MOST_BARS) -> tuple[Bar, ...]:
    """Turn reasons into bars that add up to what the reasons do.

    Parameters
    ----------
    reasons : sequence of Reason
        In any order.
    most : int
        How many bars there may be, 2 at least; where there are more reasons, the last bar is what
        all the small ones add up to.

    Returns
    -------
    tuple of Bar
        The heaviest first, then that of the others.
    """
    ordered = sorted(reasons, key=lambda reason: -abs(reason.contribution))
    kept = len(ordered) if len(ordered) <= most else most - 1
    told = [Bar(_label(reason), reason.contribution) for reason in ordered[:kept]]
    if rest := ordered[kept:]:
        total = math.fsum(reason.contribution for reason in rest)
        told.append(Bar(f"{len(rest)} others together", total))
    return tuple(told)


def signed(log_odds: float) -> str:
    """Write log-odds with two decimals; what is beyond all measure by its power of ten."""
    text = f"{log_odds:+.2f}" if abs(log_odds) < 1e4 else f"{log_odds:+.2g}"
    return text.replace("-", "−")


def _label(reason: Reason) -> str:
    """Name the reason; where a column stands for itself, its sentence names it."""
    if reason.title == reason.feature:
        return reason.sentence
    return f"{textwrap.shorten(reason.title, _TITLE, placeholder=' …')}: {reason.sentence}"


def waterfall(base: float, told: Sequence[Bar], theme: Theme = LIGHT) -> bytes:
    """Draw how the log-odds of an account come about.

    Parameters
    ----------
    base : float
        The log-odds if nothing were known of the account.
    told : sequence of Bar
        From the top down.
    theme : Theme
        `DARK` for a dark page.

    Returns
    -------
    bytes
        A picture, as PNG. The same arguments give the same bytes.
    """
    rows = len(told) + 2
    figure = new_figure((9.6, 1.1 + 0.42 * rows), _DPI)
    figure.set_facecolor(theme.ground)
    axes = figure.add_subplot(facecolor=theme.ground)
    ends = list(accumulate((bar.contribution for bar in told), initial=base))
    low, high = _limits(ends)
    axes.set(xlim=(low, high), ylim=(rows - 0.4, -0.6))
    _bars(axes, told, ends, theme)
    for row, at in ((0, base), (rows - 1, ends[-1])):
        axes.plot([at], [row], marker="D", markersize=6, color=theme.words)
        _say(axes, at, row, f"{signed(at)} = {_chance(logistic(at))}", theme, right=True)
    _lay_out(axes, told, theme)
    _add_chances(axes, low, high, theme)
    picture = io.BytesIO()
    save(figure, picture)
    return picture.getvalue()


def _limits(ends: Sequence[float]) -> tuple[float, float]:
    """Leave room beside the bars for their numbers."""
    span = max(max(ends) - min(ends), 0.2)
    return min(ends) - 0.2 * span, max(ends) + 0.3 * span


def _bars(axes: Axes, told: Sequence[Bar], ends: Sequence[float], theme: Theme) -> None:
    for row, bar in enumerate(told, start=1):
        begin, end = ends[row - 1], ends[row]
        colour = theme.raises if bar.contribution > 0 else theme.lowers
        # The edge shows where a bar is, though it be too short to be seen.
        axes.barh(row, end - begin, left=begin, height=0.6, color=colour, edgecolor=colour, lw=1)
        _say(axes, end, row, signed(bar.contribution), theme, right=bar.contribution > 0)
    for row, at in enumerate(ends):
        axes.plot([at, at], [row - 0.3 * (row > 0), row + 1], color=theme.lines, lw=0.8, zorder=0)


def _say(axes: Axes, at: float, row: int, text: str, theme: Theme, *, right: bool) -> None:
    axes.annotate(
        text,
        (at, row),
        xytext=(_BESIDE if right else -_BESIDE, 0),
        textcoords="offset points",
        ha="left" if right else "right",
        va="center",
        fontsize=9,
        color=theme.words,
    )


def _lay_out(axes: Axes, told: Sequence[Bar], theme: Theme) -> None:
    labels = ["if nothing were known of it", *(bar.label for bar in told), "this account"]
    axes.set_yticks(range(len(labels)), [_wrapped(label) for label in labels], fontsize=9)
    axes.set_xlabel("log-odds; a bar to the right raises the risk", fontsize=9, color=theme.words)
    axes.tick_params(colors=theme.words, labelsize=9)
    axes.tick_params(axis="y", length=0)
    for side, spine in axes.spines.items():
        spine.set_visible(side == "bottom")
        spine.set_color(theme.lines)


def _wrapped(label: str) -> str:
    """Break a label where it does not fit, into lines of about one length where they suffice."""
    lines = [label]
    if len(label) > _WIDE:
        lines = textwrap.wrap(label, min(len(label) // _LINES + 8, _WIDE))
    if len(lines) > _LINES:
        lines = textwrap.wrap(label, _WIDE, max_lines=_LINES, placeholder=" …")
    return "\n".join(literal(line) for line in lines)


def _add_chances(axes: Axes, low: float, high: float, theme: Theme) -> None:
    """Say above the bars which probability some log-odds are."""
    above = axes.twiny()
    above.set_xlim(low, high)
    shown: list[tuple[float, float]] = []
    for chance in _CHANCES:
        at = math.log(chance / (1 - chance))
        near = not shown or at - shown[-1][0] >= _APART * (high - low)
        if low <= at <= high and near:
            shown.append((at, chance))
    above.set_xticks([at for at, _ in shown], [_chance(chance) for _, chance in shown])
    above.tick_params(colors=theme.words, labelsize=9)
    above.set_xlabel("probability", fontsize=9, color=theme.words)
    for side, spine in above.spines.items():
        spine.set_visible(side == "top")
        spine.set_color(theme.lines)


def _chance(probability: float) -> str:
    if probability < _LEAST_CHANCE:
        return f"under {_LEAST_CHANCE:.1%}"
    if probability > 1 - _LEAST_CHANCE:
        return f"over {1 - _LEAST_CHANCE:.1%}"
    return f"{probability:.0%}" if 0.01 <= probability <= 0.99 else f"{probability:.1%}"
