"""The people at an account: who is there when, and whom a message or a click belongs to."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from churnml.simulate.clock import DAY, FAR, NEVER, Clock
from churnml.simulate.cohort import Cohort
from churnml.simulate.latent import Mood
from churnml.simulate.rows import Coded, Rows
from churnml.simulate.world import Flags, Floats, Ints, World

SEATS = 18  # contacts an account has at most
CHAMPIONS = (1, 2, 3)  # places of the sponsor and of those who follow
ROLES = ("executive", "operations", "technical", "end_user")


@dataclass(frozen=True)
class People:
    """The contacts of a batch of accounts; arrays are (n_accounts, SEATS), days since 1970.

    Place 0 is the administrator, who never leaves; places 1 to 3 are the champion and the
    champion's successors; the others are users.

    Parameters
    ----------
    came, left, unsubscribed : ndarray of int
        The day a person was added, left, and asked for no more messages; ``clock.FAR`` for never.
    count : ndarray of int (n_accounts,)
        Places that are filled at some time.
    """

    came: Ints
    left: Ints
    unsubscribed: Ints
    count: Ints

    def someone(self, account: Ints, day: Ints, breadth: Floats, rng: np.random.Generator) -> Ints:
        """Choose who acted.

        Parameters
        ----------
        account : ndarray of int (n,)
            Position of the account.
        day : ndarray of int (n,)
            The day on which they acted.
        breadth : ndarray (n,)
            Between 0 and 1: how evenly activity is spread over the people.
        rng : Generator
            Source of randomness.

        Returns
        -------
        ndarray of int (n,)
            A position in `ids`; the administrator's where the one chosen was not there.
        """
        reach = self.count[account] * (0.2 + 0.8 * breadth)
        place = (reach * rng.random(account.size) ** 1.5).astype(np.int64)
        there = (self.came[account, place] <= day) & (day < self.left[account, place])
        return account * SEATS + np.where(there, place, 0)

    def administrator(self, account: Ints) -> Ints:
        """Positions, in `ids`, of the accounts' administrators."""
        return account * SEATS

    def refuses(self, contact: Ints, day: Ints) -> Flags:
        """Whether a contact, by position in `ids`, has asked for no more messages by a day."""
        flags: Flags = self.unsubscribed[contact // SEATS, contact % SEATS] <= day
        return flags

    def ids(self, accounts: tuple[str, ...]) -> list[str]:
        """Name every place of every account."""
        return [f"{account}-P{place + 1:02d}" for account in accounts for place in range(SEATS)]


def meet(
    world: World, clock: Clock, cohort: Cohort, mood: Mood, rng: np.random.Generator
) -> People:
    """Draw the people at each account.

    Parameters
    ----------
    world : World
        Parameters.
    clock : Clock
        The simulated span.
    cohort : Cohort
        The accounts.
    mood : Mood
        Their latent state; a champion leaves when its shock strikes.
    rng : Generator
        Source of randomness.

    Returns
    -------
    People
        Their contacts.
    """
    shape = (cohort.size, SEATS)
    mean = world.by_tier("people")[cohort.tier]
    count = 1 + len(CHAMPIONS) + np.minimum(rng.poisson(mean), SEATS - 1 - len(CHAMPIONS))
    came = cohort.joined[:, None] + rng.exponential(200.0, shape).astype(np.int64)
    came[:, :2] = cohort.joined[:, None]
    left = came + 30 + rng.exponential(2500.0, shape).astype(np.int64)
    left[:, 0] = FAR
    gap = rng.integers(5, 40, (cohort.size, len(CHAMPIONS)))
    came[:, CHAMPIONS], left[:, CHAMPIONS] = _champions(clock, cohort, mood, gap)
    unused = np.arange(SEATS) >= count[:, None]
    came, left = np.where(unused, FAR, came), np.where(unused, FAR, left)
    patience = rng.exponential(400.0, shape).astype(np.int64)
    unsubscribed = np.where(rng.random(shape) < 0.10, came + patience, FAR)
    return People(came, left, unsubscribed, count)


def _champions(clock: Clock, cohort: Cohort, mood: Mood, gap: Ints) -> tuple[Ints, Ints]:
    """When the champion and the successors came and left; days, (n_accounts, champions)."""
    came = np.full((cohort.size, len(CHAMPIONS)), FAR)
    left = came.copy()
    came[:, 0] = cohort.joined
    for account, struck in enumerate(mood.shocks["champion_left"]):
        days = clock.start + 7 * np.flatnonzero(struck) + 2
        days = days[days > cohort.joined[account] + 30]
        for number, day in enumerate(days[: len(CHAMPIONS) - 1].tolist()):
            # One who has just come does not leave before having been there for a while.
            left[account, number] = max(day, came[account, number] + 20)
            came[account, number + 1] = left[account, number] + gap[account, number]
    return came, left


def contact_rows(
    people: People, cohort: Cohort, clock: Clock, gone: Ints, rng: np.random.Generator
) -> Rows:
    """Write every contact who was added before the account left.

    Parameters
    ----------
    people : People
        The contacts.
    cohort : Cohort
        The accounts.
    clock : Clock
        The simulated span.
    gone : ndarray of int (n_accounts,)
        The day each account left.
    rng : Generator
        Source of randomness.

    Returns
    -------
    Rows
        Of ``contacts``.
    """
    account, place = np.nonzero((people.came < gone[:, None]) & (people.came < clock.end))
    came = people.came[account, place]
    founding = came == cohort.joined[account]
    created = np.where(founding, cohort.created[account] + 60_000_000, came * DAY)
    role = np.select(
        [place == 0, np.isin(place, CHAMPIONS)], [1, 0], rng.choice((1, 2, 3, 3), place.size)
    )
    role = np.where(rng.random(place.size) < 0.08, -1, role)

    def ended(days: Ints) -> Ints:
        day = days[account, place]
        known = (day < gone[account]) & (day > came)
        return np.where(known, day * DAY + 10 * 3_600_000_000, NEVER)

    return Rows(
        account,
        {
            "contact_id": Coded(account * SEATS + place, people.ids(cohort.ids)),
            "created_at": created,
            "recorded_at": created,
            "role": Coded(role, ROLES),
            "unsubscribed_at": ended(people.unsubscribed),
            "left_at": ended(people.left),
        },
    )
