"""Simulating: batch by batch, from seed to files."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from churnml.errors import ConfigError, writing
from churnml.history.tables import NOTES, READINGS, STANDARD
from churnml.simulate.bills import invoice_rows
from churnml.simulate.clock import DAY, Clock
from churnml.simulate.cohort import account_rows, enrol
from churnml.simulate.contract import agree, leave
from churnml.simulate.latent import live, outage_weeks
from churnml.simulate.messages import message_rows
from churnml.simulate.people import contact_rows, meet
from churnml.simulate.rows import Rows, observed
from churnml.simulate.scene import Scene
from churnml.simulate.surveys import survey_rows
from churnml.simulate.terms import outcome_rows, subscription_rows
from churnml.simulate.tickets import ticket_rows
from churnml.simulate.truth import hazard_table
from churnml.simulate.usage import usage_rows
from churnml.simulate.voice import Voice
from churnml.simulate.world import Flags, World
from churnml.simulate.writer import TableWriter

BATCH = 128  # accounts; part of the world's definition, as seeds belong to batches
# Where history ends unless its start is given: long past, since checks refuse what is yet to come.
END = dt.datetime(2026, 7, 1)
HAZARD = "truth/hazard"
# What texts say is for whoever reads them, and nobody looks after accounts that are made up.
TABLES = tuple(name for name in STANDARD if name not in {READINGS.name, NOTES.name})
LONGEST = 240  # months
# Every part draws from a stream of its own, so that a change to one leaves the others as they were.
STREAMS = (
    "cohort", "mood", "people", "contract", "leaving", "accounts", "contacts", "terms", "outcomes",
    "usage", "messages", "tickets", "surveys", "invoices", "voice", "truth",
)  # fmt: skip


@dataclass(frozen=True)
class Simulation:
    """What a simulation wrote.

    Parameters
    ----------
    folder : Path
        Where the tables are; the truth is in ``truth/`` below it.
    accounts, months, seed : int
        What was asked for.
    observed_from, observed_until : datetime
        The simulated span, half-open, UTC.
    rows : mapping of str to int
        Rows of every file, by its name.
    churned : mapping of str to int
        Accounts that left and are on record as such, by kind (voluntary, involuntary).
    """

    folder: Path
    accounts: int
    months: int
    seed: int
    observed_from: dt.datetime
    observed_until: dt.datetime
    rows: Mapping[str, int]
    churned: Mapping[str, int]


def simulate(
    folder: Path,
    *,
    accounts: int,
    months: int,
    seed: int,
    start: dt.datetime | None = None,
    world: World | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Simulation:
    """Write the standard tables of a company that does not exist, and the truth about it.

    The same arguments give the same bytes. The history of an account depends on its number, the
    seed and the span alone: a larger world begins with the accounts of a smaller one.

    Parameters
    ----------
    folder : Path
        Where the Parquet files go, one per table, and ``truth/hazard.parquet``.
    accounts : int
        How many accounts there ever are, customers at the start and those who come later.
    months : int
        Length of history, up to 240.
    seed : int
        Seed of everything; not negative.
    start : datetime, optional
        First instant of history, a midnight in UTC; by default such that history ends with
        June 2026. The tables hold what a system that went live then would hold: older terms and
        people were entered then.
    world : World, optional
        Parameters, to study a harder or an easier world.
    progress : callable, optional
        Told the accounts that are done and their total, after each batch.

    Returns
    -------
    Simulation
        What was written.

    Raises
    ------
    ConfigError
        If an argument is out of bounds, a file is in the way that no simulation wrote, or the
        folder cannot be written.
    """
    _check(accounts, months, seed)
    folder = Path(folder)
    world = World() if world is None else world
    begin = months_before(END, months) if start is None else start
    clock = Clock.spanning(begin, months)
    outages = outage_weeks(world, clock, np.random.default_rng(np.random.SeedSequence(seed)))
    churned = {"voluntary": 0, "involuntary": 0}
    with writing(folder), TableWriter(folder, (*TABLES, HAZARD)) as writer:
        for batch in range(-(-accounts // BATCH)):
            keep = min(accounts - batch * BATCH, BATCH)
            tables = simulate_batch(world, clock, outages, batch, keep, seed)
            writer.append(tables)
            kinds = pc.value_counts(tables["outcomes"]["cancel_kind"].drop_null()).to_pylist()
            for kind in kinds:
                churned[kind["values"]] += kind["counts"]
            if progress is not None:
                progress(batch * BATCH + keep, accounts)
    return Simulation(
        folder=folder,
        accounts=accounts,
        months=months,
        seed=seed,
        observed_from=begin,
        observed_until=clock.observed_until,
        rows=MappingProxyType(writer.rows),
        churned=MappingProxyType(churned),
    )


def simulate_batch(
    world: World, clock: Clock, outages: Flags, batch: int, keep: int, seed: int
) -> dict[str, pa.Table]:
    """Simulate one batch of accounts.

    Parameters
    ----------
    world : World
        Parameters.
    clock : Clock
        The simulated span.
    outages : ndarray of bool (n_weeks,)
        Weeks of outage, common to all batches.
    batch : int
        Number of the batch.
    keep : int
        How many of its accounts to write; all are simulated, so that the first stay the same.
    seed : int
        The world's seed.

    Returns
    -------
    dict of str to pyarrow.Table
        The tables and the truth, by name of the file.
    """
    seeds = np.random.SeedSequence(seed, spawn_key=(batch,)).spawn(len(STREAMS))
    rng = {name: np.random.default_rng(each) for name, each in zip(STREAMS, seeds, strict=True)}
    scene = set_scene(world, clock, outages, batch, rng)
    cohort, contract, leaving = scene.cohort, scene.contract, scene.leaving
    voice = Voice(int(rng["voice"].integers(2**62)))
    tickets = ticket_rows(scene, voice, rng["tickets"])
    rows: dict[str, Rows] = {
        "accounts": account_rows(cohort, clock, batch, leaving.gone, rng["accounts"]),
        "contacts": contact_rows(scene.people, cohort, clock, leaving.gone, rng["contacts"]),
        "subscriptions": subscription_rows(cohort, contract, leaving, rng["terms"]),
        "usage": usage_rows(scene, rng["usage"]),
        "messages": message_rows(scene, voice, rng["messages"]),
        "tickets": tickets,
        "surveys": survey_rows(scene, tickets, voice, rng["surveys"]),
        "invoices": invoice_rows(scene, rng["invoices"]),
        "outcomes": outcome_rows(cohort, contract, leaving, scene.mood, clock, rng["outcomes"]),
    }
    ids, since, until = cohort.ids[:keep], clock.start * DAY, clock.end * DAY
    tables = {name: observed(rows[name], STANDARD[name], ids, since, until) for name in TABLES}
    tables[HAZARD] = hazard_table(scene, keep, rng["truth"])
    return tables


def set_scene(
    world: World, clock: Clock, outages: Flags, batch: int, rng: Mapping[str, np.random.Generator]
) -> Scene:
    """Draw everything about a batch that is decided before any of it is observed."""
    cohort = enrol(world, clock, batch, BATCH, rng["cohort"])
    mood = live(world, clock, cohort, outages, rng["mood"])
    contract = agree(world, clock, cohort, mood, rng["contract"])
    return Scene(
        world=world,
        clock=clock,
        batch=batch,
        cohort=cohort,
        mood=mood,
        people=meet(world, clock, cohort, mood, rng["people"]),
        contract=contract,
        leaving=leave(world, clock, cohort, contract, mood, rng["leaving"]),
    )


def _check(accounts: int, months: int, seed: int) -> None:
    for name, value, low, high in (
        ("accounts", accounts, 1, 999_999),
        ("months", months, 1, LONGEST),
        ("seed", seed, 0, 2**63 - 1),
    ):
        if not low <= value <= high:
            raise ConfigError(f"simulate: {name} = {value}; expected {low} to {high}.")


def months_before(end: dt.datetime, months: int) -> dt.datetime:
    """Go back from the first of a month by some months."""
    year, month = divmod(end.year * 12 + end.month - 1 - months, 12)
    return end.replace(year=year, month=month + 1)
