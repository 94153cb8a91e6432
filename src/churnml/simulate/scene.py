"""All that is decided about a batch of accounts before anything of it is observed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from churnml.simulate.clock import Clock, instants
from churnml.simulate.cohort import Cohort
from churnml.simulate.contract import Contract, Exit
from churnml.simulate.latent import Mood
from churnml.simulate.people import People
from churnml.simulate.world import Flags, Floats, Ints, World


@dataclass(frozen=True)
class Scene:
    """A batch of accounts with its state and its fate.

    Parameters
    ----------
    world : World
        Parameters.
    clock : Clock
        The simulated span.
    batch : int
        Number of the batch.
    cohort : Cohort
        The accounts.
    mood : Mood
        Their latent state.
    people : People
        Their contacts.
    contract : Contract
        Their terms and decisions.
    leaving : Exit
        How they left.
    """

    world: World
    clock: Clock
    batch: int
    cohort: Cohort
    mood: Mood
    people: People
    contract: Contract
    leaving: Exit

    def served(self, account: Ints, day: Ints) -> Flags:
        """Whether an account had service on a day of the span."""
        cohort, clock = self.cohort, self.clock
        here = (day >= cohort.joined[account]) & (day < self.leaving.gone[account])
        flags: Flags = here & (day >= clock.start) & (day < clock.end)
        return flags

    def feeling(self, account: Ints, day: Ints) -> Floats:
        """How satisfied an account was on a day."""
        felt: Floats = self.mood.satisfaction[account, self.clock.week(day)]
        return felt

    def column(self, account: Ints, day: Ints) -> Ints:
        """The month of contract that a day falls in, as a column of `contract`."""
        starts = self.contract.month[account]
        column: Ints = (starts <= day[:, None]).sum(axis=1) - 1
        return np.maximum(column, 0)

    def instants(self, account: Ints, day: Ints, rng: np.random.Generator) -> Ints:
        """Give days a time of day in the account's working hours, microseconds."""
        return instants(rng, day, self.cohort.utc_offset[account])

    def happenings(self, weekly: Floats, rng: np.random.Generator) -> tuple[Ints, Ints]:
        """Draw the days of something that happens at random, rarely at weekends.

        Parameters
        ----------
        weekly : ndarray (n_accounts, n_weeks)
            How often a week it happens.
        rng : Generator
            Source of randomness.

        Returns
        -------
        tuple of ndarray of int (n,)
            Accounts and days, in that order, of those that happened under service.
        """
        counts = rng.poisson(weekly)
        account, week = np.nonzero(counts)
        times = counts[account, week]
        account, week = np.repeat(account, times), np.repeat(week, times)
        day = self.clock.start + 7 * week + rng.integers(0, 7, week.size)
        weekend = (day + 3) % 7 >= 5  # 1970-01-01 was a Thursday
        day = np.where(weekend & (rng.random(day.size) < 0.8), day - 2, day)
        kept = self.served(account, day)
        account, day = account[kept], day[kept]
        order = np.lexsort((day, account))
        return account[order], day[order]
