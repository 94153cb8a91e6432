"""``churnml forecast``: how much will leave in the coming quarter, and how such forecasts held."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from churnml.cli import console
from churnml.cli.options import AsJson, ProjectFolder, begun

if TYPE_CHECKING:
    from rich.table import Table

    from churnml.backtest.forecast import Figure, Forecast
    from churnml.serving.forecasts import Outlook


def forecast(
    recipe: Annotated[
        str | None,
        typer.Argument(help="The recipe that was trained; may be omitted if there is one."),
    ] = None,
    *,
    project: ProjectFolder = Path(),
    as_json: AsJson = False,
) -> None:
    """Forecast the coming quarter's churn, in accounts and revenue, with intervals."""
    with begun(project, recipe) as run:
        from churnml.serving.forecasts import outlook, require_history
        from churnml.training.shelf import choose
        from churnml.training.tables import open_history, require_unchanged

        wanted = run.project.recipe(run.recipe)
        require_history(wanted)
        bundle = choose(run.project, run.recipe).bundle
        history = open_history(run.project, run.bar.share)
        found = outlook(run.project, wanted, bundle, history, run.bar.share)
        require_unchanged(run.project, history)
    for warning in _warnings(found):
        console.warn(warning)
    if as_json:
        console.emit(_document(found))
        return
    _show(found, run.recipe)


def _warnings(found: Outlook) -> Iterator[str]:
    yield from (str(item) for item in found.scored.stale)
    if found.other_data:
        yield (
            "the bundle was trained on other data, features or labels than the past forecasts are "
            "made of, which say less of it. `churnml train` makes one that fits."
        )


def _show(found: Outlook, name: str) -> None:
    out = console.stdout()
    if not found.periods:
        out.print("Nobody is in the population that the label is about.")
        return
    first, everybody = found.periods[0], found.groups["all"]
    out.print(
        f"{name}: of {everybody.accounts:,} accounts, who leaves in "
        f"[{first.opens:%Y-%m-%d}, {first.closes:%Y-%m-%d})",
        soft_wrap=True,
    )
    out.print(_groups(found))
    for line in _notes(found):
        out.print(line, style="dim", soft_wrap=True)
    if len(found.periods) > 1:
        out.print(_later(found))
    if found.past:
        out.print(_past(found))
        out.print(_tally(found), soft_wrap=True)
    else:
        out.print(
            "History is too short for any past forecast: the intervals rest on what is generally "
            "believed of such shifts.",
            soft_wrap=True,
        )


def _groups(found: Outlook) -> Table:
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    table.add_column("")
    for words in ("accounts", "leave", "80%", "95%", "ARR", "lost", "80%", "95%"):
        table.add_column(words, justify="right")
    for name, group in found.groups.items():
        arr = "–" if group.arr is None else f"{group.arr:,.0f}"
        table.add_row(name, f"{group.accounts:,}", *_cells(group.churned), arr, *_cells(group.lost))
    return table


def _cells(figure: Figure | None) -> tuple[str, ...]:
    if figure is None:
        return "–", "–", "–"
    # Tens of accounts are told to a tenth, sums of revenue to a unit.
    expected = f"{figure.expected:,.1f}" if figure.expected < 1000 else f"{figure.expected:,.0f}"
    return expected, *(f"{item.low:,.0f}–{item.high:,.0f}" for item in figure.ranges)


def _notes(found: Outlook) -> Iterator[str]:
    """Tell what the figures hold, and what they do not."""
    everybody, gone = found.groups["all"], found.noticed
    yield (
        f"Scores alone say {everybody.churned.scores:,.1f}; past quarters speak for "
        f"{found.shift:+.2f} log-odds. Accounts won from now on are not in it."
    )
    if gone.accounts:
        yield (
            f"Nor are {gone.accounts:,} under notice, with ARR {gone.arr:,.0f}: they are leaving."
        )
    if found.scored.not_asked:
        yield f"Nor are {found.scored.not_asked:,} whose renewal is not near."
    if everybody.unpriced:
        yield f"The revenue of {everybody.unpriced:,} accounts is not known, nor in what is lost."


def _later(found: Outlook) -> Table:
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    table.add_column("by the scores, leave in")
    for words in ("accounts", "ARR"):
        table.add_column(words, justify="right")
    for item in found.periods:
        lost = "–" if item.lost is None else f"{item.lost:,.0f}"
        window = f"[{item.opens:%Y-%m-%d}, {item.closes:%Y-%m-%d})"
        table.add_row(window, f"{item.churned:,.1f}", lost)
    return table


def _past(found: Outlook) -> Table:
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    table.add_column("forecast at")
    for words in ("learned from", "leave", "80%", "95%", "left", "lost", "80%", "95%", "was"):
        table.add_column(words, justify="right")
    for item in found.past:
        was = "–" if item.lost is None else f"{item.lost:,.0f}"
        table.add_row(
            f"{item.cutoff:%Y-%m-%d}",
            f"{item.quarters} before",
            *_cells(item.forecast.churned),
            f"{item.churned:,}",
            *_cells(item.forecast.lost),
            was,
        )
    return table


def _tally(found: Outlook) -> str:
    """Count the past forecasts whose intervals held."""
    told = []
    for words, pairs in _pairs(found).items():
        for place, level in enumerate(("80%", "95%")):
            inside = sum(figure.ranges[place].holds(value) for figure, value in pairs)
            told.append(f"{inside} of {len(pairs)} {words} in {level}")
    return f"Held: {', '.join(told)}."


def _pairs(found: Outlook) -> dict[str, list[tuple[Figure, float]]]:
    accounts = [(item.forecast.churned, float(item.churned)) for item in found.past]
    lost = [
        (item.forecast.lost, item.lost)
        for item in found.past
        if item.forecast.lost is not None and item.lost is not None
    ]
    return {"accounts": accounts, "ARR": lost} if lost else {"accounts": accounts}


def _document(found: Outlook) -> dict[str, Any]:
    from dataclasses import asdict

    return {
        "cutoff": found.scored.cutoff.isoformat() if found.scored.cutoff is not None else None,
        "bundle": found.scored.bundle.id,
        "groups": {name: asdict(item) for name, item in found.groups.items()},
        "periods": [
            {**asdict(item), "opens": item.opens.isoformat(), "closes": item.closes.isoformat()}
            for item in found.periods
        ],
        "under_notice": asdict(found.noticed),
        "not_asked": found.scored.not_asked,
        "shift": found.shift,
        "other_data": found.other_data,
        "stale": [item.document() for item in found.scored.stale],
        "past": [
            {
                "cutoff": item.cutoff.isoformat(),
                "quarters": item.quarters,
                "forecast": asdict(item.forecast),
                "churned": item.churned,
                "lost": item.lost,
                "held": _holds(item.forecast, item.churned, item.lost),
            }
            for item in found.past
        ],
    }


def _holds(said: Forecast, churned: int, lost: float | None) -> dict[str, list[bool] | None]:
    """Tell of each level whether the interval held."""
    revenue = None
    if said.lost is not None and lost is not None:
        revenue = [item.holds(lost) for item in said.lost.ranges]
    return {"churned": [item.holds(churned) for item in said.churned.ranges], "lost": revenue}
