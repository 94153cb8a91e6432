"""Figures: what all plots have in common.

matplotlib is used without its global state: a figure needs no screen, and none is left open.
"""

from __future__ import annotations

import warnings
from typing import IO, TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from pathlib import Path

    from matplotlib.figure import Figure

Floats = npt.NDArray[np.float64]

RAISES, LOWERS, OTHER = "#b3401b", "#1f5fa8", "#9a9a9a"
_DPI = 110
_LONGEST = 40  # characters of a feature's name


def new_figure(inches: tuple[float, float], dpi: int = _DPI) -> Figure:
    """Begin a figure of some width and height."""
    from matplotlib.figure import Figure

    return Figure(figsize=inches, dpi=dpi, layout="constrained")


def save(figure: Figure, into: Path | IO[bytes]) -> None:
    """Write a figure as PNG; equal figures are equal bytes."""
    with warnings.catch_warnings():
        # Of a letter that the font does not have, a box is drawn; the tables have it.
        warnings.filterwarnings("ignore", message="Glyph", category=UserWarning)
        # Without the version of matplotlib in it.
        figure.savefig(into, format="png", metadata={"Software": None})


def literal(text: str) -> str:
    """Write text so that no part of it is taken for a formula, and all of it for one line."""
    return " ".join(text.split()).replace("$", r"\$")


def short(name: str) -> str:
    """Write a feature's name, cut where it is too long for an axis."""
    return literal(name if len(name) <= _LONGEST else f"{name[: _LONGEST - 1]}…")


def ranks(values: Floats) -> Floats:
    """Put ranks in place of values (n,), so that one that is huge does not take all the room.

    Equal values have the same rank, and the next greater ones the next; nan stays.
    """
    placed = np.full(values.size, np.nan)
    known = np.isfinite(values)
    placed[known] = np.unique(values[known], return_inverse=True)[1]
    return placed
