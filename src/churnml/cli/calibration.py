"""How calibration within segments is told, where a recipe names segments."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from churnml.training.segments import Segmentation, SegmentCheck

MOST = 12  # segments of a feature that are shown; --json has them all


def show(found: Sequence[Segmentation], out: Console) -> None:
    """Print a small table for each feature that parts accounts, and what came of it.

    Parameters
    ----------
    found : sequence of Segmentation
        As the bundle has them: rows that it learned from, by members that had not seen them.
    out : Console
        Where to.
    """
    for part in found:
        out.print()
        out.print(_table(part))
        for line in _notes(part):
            out.print(line, style="dim", soft_wrap=True)


def _table(part: Segmentation) -> Table:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False)
    table.add_column(Text(f"held out, by {part.feature}"))
    for words in ("rows", "churned", "expected", "offset", "95% interval"):
        table.add_column(words, justify="right")
    for item in _largest(part):
        table.add_row(
            Text(item.value),
            f"{item.rows:,}",
            f"{item.observed:,.0f}",
            f"{item.expected:,.1f}",
            f"{item.pooled:+.3f}",
            f"{item.low:+.3f} to {item.high:+.3f}",
        )
    return table


def _largest(part: Segmentation) -> list[SegmentCheck]:
    """Choose the segments with most rows, in their own order; empty ones tell nothing."""
    there = [item for item in part.segments if item.rows]
    largest = sorted(there, key=lambda item: -item.rows)[:MOST]
    return [item for item in there if item in largest]


def _notes(part: Segmentation) -> Iterator[str]:
    hidden = sum(1 for item in part.segments if item.rows) - MOST
    if hidden > 0:
        yield f"{hidden} smaller ones are in --json."
    if part.applied:
        yield (
            "Scores are moved by these offsets of log-odds, which lowers the log loss of folds "
            f"held out by {part.gain:.5f}, standard error {part.error:.5f}."
        )
    else:
        yield (
            "Scores are left as they are: these offsets of log-odds change the log loss of folds "
            f"held out by {-part.gain:+.5f}, standard error {part.error:.5f}."
        )
