"""What the accounts do in the product, rolled up by person, kind of event and day."""

from __future__ import annotations

import numpy as np

from churnml.simulate.clock import month_of_year
from churnml.simulate.rows import Coded, Rows
from churnml.simulate.scene import Scene
from churnml.simulate.terms import EVENTS_PER_SEAT
from churnml.simulate.world import WEEKS_A_YEAR, Flags, Floats, Ints

# Kind of event, its share, and how its share's logarithm moves with satisfaction.
EVENTS = (
    ("login", 0.20, 0.00),
    ("dashboard_viewed", 0.17, 0.05),
    ("record_edited", 0.16, 0.10),
    ("report_run", 0.10, 0.18),
    ("search", 0.09, 0.00),
    ("comment_added", 0.08, 0.22),
    ("file_uploaded", 0.06, 0.10),
    ("integration_synced", 0.05, 0.08),
    ("data_exported", 0.04, -0.25),
    ("settings_changed", 0.03, 0.00),
    ("api_call", 0.02, 0.00),
)
API = len(EVENTS) - 1
MACHINE = 0.15  # share of accounts where programs do most of the work, whatever people feel
# Rows on a weekday of daily, weekly, monthly users and of those who hardly ever come.
HABITS = (2.5, 0.45, 0.09, 0.004)
WEEKDAY = np.array([1.05, 1.12, 1.10, 1.06, 0.85, 0.13, 0.11])  # from Monday
MONTH = np.array([0, 0.97, 1.0, 1.04, 1.0, 0.98, 1.0, 0.88, 0.83, 1.05, 1.06, 1.04, 0.85])


def usage_rows(scene: Scene, rng: np.random.Generator) -> Rows:
    """Write the usage of a batch of accounts.

    Parameters
    ----------
    scene : Scene
        The accounts.
    rng : Generator
        Source of randomness.

    Returns
    -------
    Rows
        Of ``usage``.
    """
    clock, size = scene.clock, scene.cohort.size
    machine = rng.random(size) < MACHINE
    habit = _habits(scene, rng)
    swing = _swing(scene, machine, rng)
    days = clock.days
    weekly = np.exp(np.clip(swing, -3.0, 1.5))
    rhythm = _rhythm(days)
    counts = rng.poisson(habit[:, None] * weekly[:, clock.week(days)] * rhythm * _present(scene))
    account, column = np.nonzero(counts)
    times = counts[account, column]
    account, day = np.repeat(account, times), days[np.repeat(column, times)]
    occurred = scene.instants(account, day, rng)
    order = np.lexsort((occurred, account))
    account, day, occurred = account[order], day[order], occurred[order]
    kind = _kinds(scene, machine, account, day, rng)
    return Rows(
        account,
        {
            "occurred_at": occurred,
            "event": Coded(kind, [name for name, _, _ in EVENTS]),
            "contact_id": Coded(_actors(scene, account, day, kind, rng), _people(scene)),
            "quantity": _quantities(scene, habit, account, day, rng),
        },
    )


def _habits(scene: Scene, rng: np.random.Generator) -> Floats:
    heavy = scene.world.by_tier("heavy")[scene.cohort.tier]
    rest = np.array([0.62, 0.31, 0.07])
    edges = heavy[:, None] + (1.0 - heavy[:, None]) * np.cumsum(rest)[None, :-1]
    pick = rng.random(scene.cohort.size)
    habit = (pick >= heavy) * 1 + (pick[:, None] >= edges).sum(axis=1)
    rate: Floats = np.array(HABITS)[habit] * np.exp(rng.normal(0.0, 0.35, scene.cohort.size))
    return rate


def _swing(scene: Scene, machine: Flags, rng: np.random.Generator) -> Floats:
    """Log of the activity relative to habit: mood, workload, pauses, onboarding, notice."""
    clock, cohort = scene.clock, scene.cohort
    shape = (cohort.size, clock.weeks)
    felt = np.where(machine, 0.08, 0.50)[:, None] * scene.mood.satisfaction
    load = _lingering(rng.normal(0.0, 0.15, shape), 0.92)
    growth = rng.normal(0.04, 0.18, cohort.size)[:, None] * np.arange(clock.weeks) / WEEKS_A_YEAR
    # Projects end and people go on holiday: a pause that means nothing.
    begins = rng.random(shape) < 0.35 / WEEKS_A_YEAR
    paused = _lingering(begins.astype(np.float64), 0.8)
    weeks = clock.start + 7 * np.arange(clock.weeks)
    age = (weeks - cohort.joined[:, None]) / 7.0
    ramp = np.where(age < 10.0, 0.09 * (age - 10.0), 0.0)
    notice = np.where(weeks > scene.leaving.decided[:, None], -0.8, 0.0)
    total: Floats = felt + load + growth - 2.2 * paused + ramp + notice
    return total


def _lingering(pushes: Floats, kept: float) -> Floats:
    """Sum pushes week by week, keeping a share of what came before."""
    total = pushes.copy()
    for week in range(1, pushes.shape[1]):
        total[:, week] += kept * total[:, week - 1]
    return total


def _rhythm(days: Ints) -> Floats:
    rhythm: Floats = WEEKDAY[(days + 3) % 7] * MONTH[month_of_year(days)]
    dates = days.astype("M8[D]")
    of_year = (dates - dates.astype("M8[Y]")).astype(np.int64)
    holiday = (of_year >= 357) | (of_year < 2)  # Christmas to New Year
    return np.where(holiday, 0.2 * rhythm, rhythm)


def _present(scene: Scene) -> Flags:
    days = scene.clock.days
    joined, gone = scene.cohort.joined[:, None], scene.leaving.gone[:, None]
    present: Flags = (days >= joined) & (days < gone)
    return present


def _kinds(
    scene: Scene, machine: Flags, account: Ints, day: Ints, rng: np.random.Generator
) -> Ints:
    share = np.array([share for _, share, _ in EVENTS])
    taste = np.log(share) + rng.normal(0.0, 0.45, (scene.cohort.size, len(EVENTS)))
    taste[:, API] += np.where(machine, 4.0, 0.0)
    slope = np.array([slope for _, _, slope in EVENTS])
    weight = np.exp(taste[:, None, :] + slope * scene.mood.satisfaction[:, :, None])
    upto = np.cumsum(weight, axis=2)
    upto /= upto[:, :, -1:]
    kind: Ints = (rng.random(day.size)[:, None] >= upto[account, scene.clock.week(day)]).sum(axis=1)
    return kind


def _actors(scene: Scene, account: Ints, day: Ints, kind: Ints, rng: np.random.Generator) -> Ints:
    felt = scene.feeling(account, day)
    breadth = 1.0 / (1.0 + np.exp(-0.6 - 0.9 * felt))
    who = scene.people.someone(account, day, breadth, rng)
    return np.where((kind == API) | (rng.random(day.size) < 0.04), -1, who)


def _people(scene: Scene) -> list[str]:
    return scene.people.ids(scene.cohort.ids)


def _quantities(
    scene: Scene, habit: Floats, account: Ints, day: Ints, rng: np.random.Generator
) -> Floats:
    """Volume of each row, so that a month's sum is a stable share of what the plan allows."""
    filled = np.exp(rng.normal(-0.85, 0.45, scene.cohort.size))
    column = scene.column(account, day)
    seats = scene.contract.seats[account, column]
    first = scene.contract.seats[account, 0]
    monthly = filled[account] * EVENTS_PER_SEAT * first**0.6 * seats**0.4
    a_row = monthly / np.maximum(habit[account] * 22.0, 1.0)
    noise = rng.normal(0.15 * scene.feeling(account, day), 0.6)
    volume = np.maximum(np.round(a_row * np.exp(noise)), 1.0)
    return np.where(rng.random(day.size) < 0.01, np.nan, volume)
