"""Terms, prices and decisions: when each account may leave, and whether it does.

Every account has at most one decision a month of its contract: whether to renew, made some days
before the term ends, or, between annual renewals, whether to get out early. A decision to leave is
drawn from the account's discontent on that day. Card bills that fail and stay unpaid end the rest.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from churnml.simulate.clock import DAY, FAR, NEVER, Clock, instants, month_days, month_of_year
from churnml.simulate.cohort import Cohort
from churnml.simulate.latent import Mood
from churnml.simulate.world import SEASON, Flags, Floats, Ints, World

LOOKAHEAD = 8  # months of decisions beyond the end, for the truth of the last cutoffs
MIDTERM_NOTICE = 14  # days
PATIENCE = 18  # days within which a failed bill is paid, if it ever is
YEAR = 12


@dataclass(frozen=True)
class Contract:
    """Terms and decisions of a batch of accounts, by month of contract.

    All two-dimensional arrays are (n_accounts, n_months); month 0 is the first month of the term
    that was running when the simulation started, or of the account's first term. Days are days
    since 1970, ``clock.FAR`` for never.

    Parameters
    ----------
    month : ndarray of int (n_accounts, n_months + 1)
        The first day of each month.
    place : ndarray of int
        Months since the term began.
    term_end : ndarray of int
        The day the running term ends, exclusive.
    decided : ndarray of int
        The day of the decision that belongs to the month.
    effect : ndarray of int
        The day a decision to leave would take effect.
    odds : ndarray
        Log-odds of leaving, without discontent.
    seats, mrr : ndarray
        Size and price of the running term.
    rise : ndarray
        Relative price rise on the day the running term ends.
    auto_renew : ndarray of bool (n_accounts,)
        Whether terms renew by themselves.
    silent : ndarray of bool (n_accounts,)
        Whether the account would let a term lapse without notice.
    failed : ndarray of bool
        Whether the bill of the month fails.
    settled : ndarray of int
        The day a failed bill is paid after all, or the account is stopped for it.
    lost : ndarray of bool
        Whether a failed bill would never be paid.
    """

    month: Ints
    place: Ints
    term_end: Ints
    decided: Ints
    effect: Ints
    odds: Floats
    seats: Floats
    mrr: Floats
    rise: Floats
    auto_renew: Flags
    silent: Flags
    failed: Flags
    settled: Ints
    lost: Flags


@dataclass(frozen=True)
class Exit:
    """How each account of a batch left; every array has one entry per account.

    Parameters
    ----------
    decided : ndarray of int
        The day the account decided to go, or was stopped; ``clock.FAR`` if it stayed.
    gone : ndarray of int
        The first day without service; ``clock.FAR`` if it stayed.
    involuntary : ndarray of bool
        Whether it was stopped for want of payment.
    early : ndarray of bool
        Whether service stopped before the term ended.
    notice, moment : ndarray of int
        The instants of the decision and of the end of service, microseconds; ``clock.NEVER`` if
        it stayed.
    """

    decided: Ints
    gone: Ints
    involuntary: Flags
    early: Flags
    notice: Ints
    moment: Ints


def agree(
    world: World, clock: Clock, cohort: Cohort, mood: Mood, rng: np.random.Generator
) -> Contract:
    """Draw the terms of every account as if none ever left.

    Parameters
    ----------
    world : World
        Parameters.
    clock : Clock
        The simulated span.
    cohort : Cohort
        The accounts.
    mood : Mood
        Their latent state; it moves the number of seats.
    rng : Generator
        Source of randomness.

    Returns
    -------
    Contract
        Terms and decisions.
    """
    length = np.where(cohort.annual, YEAR, 1)
    months = clock.months + YEAR + LOOKAHEAD
    past = np.maximum(clock.first_month - cohort.first_month, 0)
    # On the first day of the span the month that began last month may still be running.
    past -= (past > 0) & (month_days(cohort.first_month + past, cohort.day) > clock.start)
    first = cohort.first_month + past - past % length
    month = month_days(first[:, None] + np.arange(months + 1), cohort.day[:, None])
    place = np.arange(months) % length[:, None]
    column = np.arange(months) - place + length[:, None]
    ends = month_days(first[:, None] + column, cohort.day[:, None])
    renewal = place == length[:, None] - 1
    auto_renew = rng.random(cohort.size) >= np.where(cohort.annual, 0.25, 0.06)
    silent = ~auto_renew & (rng.random(cohort.size) < 0.5)
    lead = _leads(cohort, silent, place.shape, rng)
    decided, effect = _decisions(clock, cohort, month, ends, renewal, place, lead, rng)
    failed, lost, settled = _failures(world, cohort, month, place, rng)
    rise = _price_rises(cohort, renewal, rng)
    seats, mrr = _sizes(clock, cohort, mood, decided, renewal, rise, rng)
    return Contract(
        month=month,
        place=place,
        term_end=ends,
        decided=decided,
        effect=effect,
        odds=_odds(world, cohort, decided, renewal, rise),
        seats=seats,
        mrr=mrr,
        rise=rise,
        auto_renew=auto_renew,
        silent=silent,
        failed=failed,
        settled=settled,
        lost=lost,
    )


def _leads(cohort: Cohort, silent: Flags, shape: tuple[int, int], rng: np.random.Generator) -> Ints:
    """Days before the end of the term at which the decision falls."""
    annual = np.clip(rng.gamma(3.0, 11.0, shape), 2, 80).astype(np.int64)
    monthly = rng.integers(1, 13, shape)
    # Who gives no notice makes up their mind at the last moment: nothing is decided in secret.
    return np.where(silent[:, None], 1, np.where(cohort.annual[:, None], annual, monthly))


def _decisions(
    clock: Clock,
    cohort: Cohort,
    month: Ints,
    ends: Ints,
    renewal: Flags,
    place: Ints,
    lead: Ints,
    rng: np.random.Generator,
) -> tuple[Ints, Ints]:
    shape = renewal.shape
    annual = cohort.annual[:, None]
    midterm = annual & (place <= YEAR - 4)  # later the coming renewal is the way out
    day = np.where(renewal, ends - lead, month[:, :-1] + rng.integers(0, 28, shape))
    takes = np.where(midterm, day + MIDTERM_NOTICE, np.where(cohort.abrupt[:, None], day, ends))
    real = (renewal | midterm) & (day >= clock.start) & (day >= cohort.joined[:, None])
    return np.where(real, day, FAR), np.where(real, takes, FAR)


def _price_rises(cohort: Cohort, renewal: Flags, rng: np.random.Generator) -> Floats:
    chance = np.where(cohort.annual, 0.5, 0.03)[:, None]
    rises = renewal & (rng.random(renewal.shape) < chance)
    return np.where(rises, rng.gamma(2.0, 0.035, renewal.shape), 0.0)


def _odds(world: World, cohort: Cohort, decided: Ints, renewal: Flags, rise: Floats) -> Floats:
    basis = np.where(cohort.annual[:, None], world.annual, world.monthly)
    odds = np.where(renewal, basis + world.price * rise / 0.10, world.midterm)
    years = np.maximum(decided - cohort.joined[:, None], 0) / 365.25
    season = np.array([SEASON.get(month, 0.0) for month in range(13)])
    constant = cohort.frailty + world.by_tier("leaving")[cohort.tier]
    total: Floats = (
        odds
        + constant[:, None]
        + world.tenure * np.log2(1.0 + years)
        + season[month_of_year(decided)]
    )
    return total


def _sizes(
    clock: Clock,
    cohort: Cohort,
    mood: Mood,
    decided: Ints,
    renewal: Flags,
    rise: Floats,
    rng: np.random.Generator,
) -> tuple[Floats, Floats]:
    """Seats and price of each month: changed at renewals, by growth and by mood."""
    shape = renewal.shape
    regard = np.take_along_axis(mood.regard, clock.week(decided), axis=1)
    chance = np.where(cohort.annual, 0.45, 0.05)[:, None]
    changes = renewal & (rng.random(shape) < chance)
    step = np.where(changes, rng.normal(0.04 + 0.07 * regard, 0.16, shape), 0.0)
    # A change is agreed at the end of its term and holds from the next month on.
    held = np.zeros((2, *shape))
    held[0, :, 1:] = np.cumsum(step, axis=1)[:, :-1]
    held[1, :, 1:] = np.cumsum(np.log1p(rise), axis=1)[:, :-1]
    price = np.array([15.0, 25.0, 38.0, 52.0, 60.0])[cohort.tier] * rng.uniform(
        0.8, 1.15, cohort.size
    )
    start = np.maximum(cohort.mrr / price, 1.0)
    seats = np.maximum(np.round(start[:, None] * np.exp(held[0])), 1.0)
    each = cohort.mrr / np.maximum(np.round(start), 1.0)
    return seats, np.round(seats * each[:, None] * np.exp(held[1]), 2)


def _failures(
    world: World, cohort: Cohort, month: Ints, place: Ints, rng: np.random.Generator
) -> tuple[Flags, Flags, Ints]:
    shape = place.shape
    billed = place % cohort.bill[:, None] == 0
    failed = billed & cohort.card[:, None] & (rng.random(shape) < world.card_failure)
    lost = rng.random(shape) < world.card_loss
    wait = np.where(lost, rng.integers(21, 27, shape), rng.integers(1, PATIENCE + 1, shape))
    return failed, lost, month[:, :-1] + wait


def leave(
    world: World,
    clock: Clock,
    cohort: Cohort,
    contract: Contract,
    mood: Mood,
    rng: np.random.Generator,
) -> Exit:
    """Decide who leaves, when and how.

    Parameters
    ----------
    world : World
        Parameters.
    clock : Clock
        The simulated span; decisions beyond its end are not taken.
    cohort : Cohort
        The accounts.
    contract : Contract
        Terms and decisions.
    mood : Mood
        The accounts' latent state.
    rng : Generator
        Source of randomness.

    Returns
    -------
    Exit
        The first way out that each account takes.
    """
    moved = np.take_along_axis(mood.discontent(world), clock.week(contract.decided), axis=1)
    chance = 1.0 / (1.0 + np.exp(-(contract.odds + moved)))
    leaves = (contract.decided < clock.end) & (rng.random(chance.shape) < chance)
    chosen = np.where(leaves, contract.decided, FAR)
    stops = contract.failed & contract.lost & (contract.settled < clock.end)
    stops &= contract.month[:, :-1] >= clock.start
    stopped = np.where(stops, contract.settled, FAR)
    involuntary = stopped.min(axis=1) < chosen.min(axis=1)
    first = np.where(involuntary, stopped.argmin(axis=1), chosen.argmin(axis=1))[:, None]
    decided = np.minimum(chosen.min(axis=1), stopped.min(axis=1))
    effect = np.take_along_axis(contract.effect, first, axis=1)[:, 0]
    gone = np.where(decided >= FAR, FAR, np.where(involuntary, decided, effect))
    ends = np.take_along_axis(contract.term_end, first, axis=1)[:, 0]
    notice = instants(rng, decided, cohort.utc_offset)
    moment = np.where(gone == decided, notice, gone * DAY)
    return Exit(
        decided=decided,
        gone=gone,
        involuntary=involuntary,
        early=(gone < ends) & (gone < FAR),
        notice=np.where(gone < FAR, notice, NEVER),
        moment=np.where(gone < FAR, moment, NEVER),
    )
