"""``churnml responses`` and ``churnml mix``: what customers' words are owed, and how they sound."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from churnml.cli import console
from churnml.cli.options import (
    AsJson,
    AsOf,
    ProjectFolder,
    corrected_until,
    open_as_of,
    open_history_project,
)

if TYPE_CHECKING:
    from churnml.actions.mix import Week
    from churnml.actions.responses import Due

_OPEN = ("overdue", "open")


def responses(
    account: Annotated[
        str | None, typer.Argument(metavar="ACCOUNT", help="One account; all when omitted.")
    ] = None,
    *,
    days: Annotated[
        float, typer.Option("--days", min=0.04, metavar="N", help="How far back texts count.")
    ] = 14,
    every: Annotated[
        bool, typer.Option("--all", help="Show answered texts too, and those without a clock.")
    ] = False,
    as_of: AsOf = None,
    project: ProjectFolder = Path(),
    as_json: AsJson = False,
) -> None:
    """Show which texts of customers are to be answered, by whom, and until when.

    The gravest come first. Levels, clocks and owners stand in serving/responses.toml.
    """
    from churnml.actions.look import Look
    from churnml.actions.responses import FILE, TABLES, owed, read_responses

    there = open_history_project(project)
    levels = read_responses(there.serving / FILE)
    history, cutoff = open_as_of(there, as_of, TABLES)
    if account is not None:
        Look(history, cutoff).require_account(account)
    texts = owed(history, levels, cutoff, days=days, corrected_until=corrected_until(as_of))
    found = [item for item in texts if account in {None, item.account_id}]
    if unread := sum(item.sentiment is None for item in found):
        console.warn(
            f"{unread:,} texts were not read, in another language or nothing but quoted: they are "
            "of level 1, whatever they say. `--all` shows them, and `churnml text correct` tells "
            "their tone."
        )
    shown = [item for item in found if every or (item.state and item.state.value in _OPEN)]
    if as_json:
        console.emit([_due(item) for item in shown])
        return
    for item in shown:
        level = levels.of(item.level)
        until = f"due {item.due_at:%Y-%m-%d %H:%M}" if item.due_at else "no clock"
        state = f" ({item.state.value})" if item.state else ""
        typer.echo(f"{item.account_id}  level {item.level}, {until}{state}: {level.owner}")
        reasons = ", ".join([*filter(None, [item.sentiment]), *item.intents])
        quoted = console.quoted(item.words)
        typer.echo(f"    {item.said_at:%Y-%m-%d %H:%M}  {item.text_id}  {reasons}{quoted}")
    states = Counter(item.state.value for item in found if item.state)
    told = ", ".join(f"{count} {state}" for state, count in states.most_common()) or "none timed"
    typer.echo(f"{len(found):,} texts in {days:g} days as of {cutoff:%Y-%m-%d %H:%M} UTC: {told}")


def mix(
    *,
    weeks: Annotated[
        int, typer.Option("--weeks", min=1, max=520, metavar="N", help="How many weeks.")
    ] = 8,
    as_of: AsOf = None,
    project: ProjectFolder = Path(),
    as_json: AsJson = False,
) -> None:
    """Show how customers sounded week by week: five tones, and green, yellow or red.

    By the share of negative and hostile texts; the bounds stand in serving/responses.toml.
    """
    from churnml.actions.mix import weekly_mix
    from churnml.actions.responses import FILE, TABLES, read_responses
    from churnml.history.tables import SENTIMENTS

    there = open_history_project(project)
    spec = read_responses(there.serving / FILE).mix
    history, cutoff = open_as_of(there, as_of, TABLES)
    found = weekly_mix(history, spec, cutoff, weeks=weeks, corrected_until=corrected_until(as_of))
    if as_json:
        console.emit([_week(item) for item in found])
        return
    typer.echo("week of     texts  " + "".join(f"{name:>10}" for name in SENTIMENTS) + "  negative")
    for item in found:
        counts = "".join(f"{count:>10,}" for count in item.counts.values())
        low, high = item.interval
        share = (
            f"{item.negative:>8.1%}  {item.band.value} ({low:.1%} to {high:.1%})"
            if item.band
            else "       –"
        )
        so_far = "" if item.whole else "  so far"
        typer.echo(f"{item.begins}  {item.texts:>5,}  {counts}  {share}{so_far}")


def _due(item: Due) -> dict[str, Any]:
    return {
        "account_id": item.account_id,
        "text_id": item.text_id,
        "said_at": item.said_at.isoformat(),
        "level": item.level,
        "sentiment": item.sentiment,
        "intents": list(item.intents),
        "words": item.words,
        "due_at": item.due_at.isoformat() if item.due_at else None,
        "answered_at": item.answered_at.isoformat() if item.answered_at else None,
        "state": item.state.value if item.state else None,
    }


def _week(item: Week) -> dict[str, Any]:
    there = item.band is not None
    low, high = item.interval
    return {
        "week": item.begins.isoformat(),
        "whole": item.whole,
        "texts": item.texts,
        "counts": dict(item.counts),
        "negative": item.negative if there else None,
        "low": low if there else None,
        "high": high if there else None,
        "band": item.band.value if item.band else None,
    }
