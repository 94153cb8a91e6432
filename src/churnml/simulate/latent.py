"""Satisfaction: what an account feels, which nothing records and everything shows.

A weekly mean-reverting walk with shocks. It does not depend on what the account does, so an
account's whole path can be drawn before anything else; and it is linear, so that possible futures
are one path without noise plus noise that all accounts share (see `truth`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from churnml.simulate.clock import Clock
from churnml.simulate.cohort import Cohort
from churnml.simulate.world import WEEKS_A_YEAR, Flags, Floats, World

OUTAGE_REACH = 0.5  # share of accounts that feel an outage


@dataclass(frozen=True)
class Mood:
    """The latent state of a batch of accounts.

    Parameters
    ----------
    satisfaction : ndarray (n_accounts, n_weeks)
        What they feel.
    regard : ndarray (n_accounts, n_weeks)
        Its slow average.
    shocks : mapping of str to ndarray of bool (n_accounts, n_weeks)
        What befell them, by the name of the shock.
    """

    satisfaction: Floats
    regard: Floats
    shocks: Mapping[str, Flags]

    def discontent(self, world: World) -> Floats:
        """What the mood adds to the log-odds of leaving.

        Parameters
        ----------
        world : World
            Parameters.

        Returns
        -------
        ndarray (n_accounts, n_weeks), log-odds
            High where satisfaction is low, and higher where it has lately fallen.
        """
        return discontent(world, self.satisfaction, self.regard)


def discontent(world: World, satisfaction: Floats, regard: Floats) -> Floats:
    """What satisfaction and regard add to the log-odds of leaving; linear in both."""
    return world.fall * (regard - satisfaction) - world.level * satisfaction


def advance(
    world: World, satisfaction: Floats, regard: Floats, fit: Floats | float, push: Floats | float
) -> tuple[Floats, Floats]:
    """Take satisfaction and regard one week on.

    Parameters
    ----------
    world : World
        Parameters.
    satisfaction, regard : ndarray
        This week's.
    fit : ndarray or float
        The level that satisfaction returns to.
    push : ndarray or float
        The week's noise and shocks.

    Returns
    -------
    tuple of ndarray
        Next week's satisfaction and regard.
    """
    satisfaction = satisfaction + world.reversion * (fit - satisfaction) + push
    return satisfaction, regard + world.memory * (satisfaction - regard)


def outage_weeks(world: World, clock: Clock, rng: np.random.Generator) -> Flags:
    """Draw the weeks in which the vendor's service fails for many at once."""
    weeks: Flags = rng.random(clock.weeks) < world.shocks[-1].yearly / OUTAGE_REACH / WEEKS_A_YEAR
    return weeks


def live(
    world: World, clock: Clock, cohort: Cohort, outages: Flags, rng: np.random.Generator
) -> Mood:
    """Draw the satisfaction of every account in every week.

    Parameters
    ----------
    world : World
        Parameters.
    clock : Clock
        The simulated span.
    cohort : Cohort
        The accounts.
    outages : ndarray of bool (n_weeks,)
        Weeks of outage, common to all batches.
    rng : Generator
        Source of randomness.

    Returns
    -------
    Mood
        Their latent state; before an account has joined it means nothing.
    """
    shape = (cohort.size, clock.weeks)
    rates = np.array([shock.yearly for shock in world.shocks[:-1]]) / WEEKS_A_YEAR
    shocks = {
        shock.name: rng.random(shape) < rate
        for shock, rate in zip(world.shocks[:-1], rates, strict=True)
    }
    shocks[world.shocks[-1].name] = outages & (rng.random(shape) < OUTAGE_REACH)
    push = world.volatility * rng.normal(size=shape)
    for shock in world.shocks:
        push += shock.effect * shocks[shock.name]
    # How well onboarding went: newcomers start further from their level than old customers stand.
    news = cohort.joined >= clock.start
    start = cohort.fit + np.where(news, 0.8, 0.6) * rng.normal(size=cohort.size)
    arrival = clock.week(cohort.joined)
    satisfaction, regard = np.empty(shape), np.empty(shape)
    now, slow = start, np.where(news, start, cohort.fit)
    for week in range(clock.weeks):
        now, slow = advance(world, now, slow, cohort.fit, push[:, week])
        arriving = arrival == week
        now, slow = np.where(arriving, start, now), np.where(arriving, start, slow)
        satisfaction[:, week], regard[:, week] = now, slow
    return Mood(satisfaction, regard, shocks)


def futures(world: World, weeks: int, draws: int, rng: np.random.Generator) -> Floats:
    """Draw what chance may add to the log-odds of leaving over the coming weeks.

    By linearity the discontent of any account is that of its path without noise plus this.

    Parameters
    ----------
    world : World
        Parameters.
    weeks : int
        How far to look.
    draws : int
        How many futures; even, as their noise is drawn in antithetic pairs.
    rng : Generator
        Source of randomness.

    Returns
    -------
    ndarray (weeks + 1, draws), log-odds
        The first row is now, and zero.
    """
    half = world.volatility * rng.normal(size=(weeks, draws // 2))
    push = np.concatenate([half, -half], axis=1)
    for shock in world.shocks:
        push += shock.effect * (rng.random((weeks, draws)) < shock.yearly / WEEKS_A_YEAR)
    satisfaction, regard = np.zeros(draws), np.zeros(draws)
    noise = np.zeros((weeks + 1, draws))
    for week in range(weeks):
        satisfaction, regard = advance(world, satisfaction, regard, 0.0, push[week])
        noise[week + 1] = discontent(world, satisfaction, regard)
    return noise
