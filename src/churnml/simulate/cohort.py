"""One batch of accounts: the traits they keep for life, and what the CRM says of them."""

from __future__ import annotations

import string
from dataclasses import dataclass

import numpy as np

from churnml.simulate.clock import DAY, Clock, month_days
from churnml.simulate.rows import Coded, Rows
from churnml.simulate.world import Flags, Floats, Ints, World

INDUSTRIES = (
    "software", "manufacturing", "retail", "healthcare", "logistics", "education",
    "financial services", "media", "construction", "public sector",
)  # fmt: skip
# Country, hours ahead of UTC in winter, share. Summer time is left out: nothing depends on it.
COUNTRIES = (
    ("US", -6.0, 0.38), ("GB", 0.0, 0.14), ("DE", 1.0, 0.12), ("FR", 1.0, 0.07),
    ("NL", 1.0, 0.05), ("SE", 1.0, 0.04), ("IN", 5.5, 0.07), ("AU", 10.0, 0.06),
    ("BR", -3.0, 0.04), ("JP", 9.0, 0.03),
)  # fmt: skip
CHANNELS = ("inbound", "outbound sales", "partner", "self-service", "event", "referral")
FIRST_NAMES = (
    "Maya", "Jonas", "Priya", "Tom", "Elena", "Samuel", "Aisha", "Lukas", "Nora", "Diego",
    "Hannah", "Kenji", "Clara", "Owen", "Fatima", "Marek", "Ines",
)  # fmt: skip
LAST_NAMES = (
    "Chen", "Okafor", "Lindgren", "Patel", "Moreau", "Schmidt", "Alvarez", "Novak", "Hughes",
    "Tanaka", "Rossi", "Dekker", "Haddad",
)  # fmt: skip
NAME_STARTS = (
    "North", "Blue", "Alder", "Bright", "Stone", "River", "Clear", "Iron", "Copper", "Summit",
    "Harbor", "Maple", "Vantage", "Quarry", "Lumen", "Orchard", "Falcon", "Granite", "Meridian",
)  # fmt: skip
NAME_ENDS = (
    "field", "works", "gate", "line", "path", "wood", "bridge", "point", "yard", "stream", "view",
    "craft", "crest",
)  # fmt: skip
NAME_KINDS = ("Ltd", "Group", "GmbH", "Inc", "Partners", "Labs", "Systems", "Holding", "Co")

# Batches that share an owner, per tier: with 128 accounts a batch an owner has about 13 vip, 35
# enterprise or 96 business accounts. Starter accounts have nobody.
OWNER_BATCHES = (0, 2, 3, 3, 2)


@dataclass(frozen=True)
class Cohort:
    """Traits of a batch of accounts; every array has one entry per account.

    Parameters
    ----------
    ids : tuple of str
        Account ids.
    tier : ndarray of int
        Position of the account's tier at its first term.
    mrr : ndarray
        Monthly recurring revenue of the first term.
    annual : ndarray of bool
        Whether terms are years; months otherwise.
    bill : ndarray of int
        Months that a bill covers.
    card : ndarray of bool
        Whether bills are charged to a card.
    first_month, day : ndarray of int
        Month (since January 1970) and day of the month on which the first term began.
    joined : ndarray of int
        That day, since 1970.
    created : ndarray of int
        When the CRM first knew the account, microseconds.
    fit : ndarray
        The level that satisfaction returns to.
    frailty : ndarray
        A constant inclination to leave, log-odds, that shows in nothing else.
    utc_offset : ndarray
        Hours that local time is ahead of UTC.
    country : ndarray of int
        Position in `COUNTRIES`.
    sluggish : ndarray
        How late bills are paid as a habit; standard normal.
    abrupt : ndarray of bool
        Whether the account would leave on the spot rather than at the end of a term.
    """

    ids: tuple[str, ...]
    tier: Ints
    mrr: Floats
    annual: Flags
    bill: Ints
    card: Flags
    first_month: Ints
    day: Ints
    joined: Ints
    created: Ints
    fit: Floats
    frailty: Floats
    utc_offset: Floats
    country: Ints
    sluggish: Floats
    abrupt: Flags

    @property
    def size(self) -> int:
        """How many accounts there are."""
        return len(self.ids)


def enrol(world: World, clock: Clock, batch: int, size: int, rng: np.random.Generator) -> Cohort:
    """Draw the traits of one batch of accounts.

    Parameters
    ----------
    world : World
        Parameters.
    clock : Clock
        The simulated span.
    batch : int
        Number of the batch; account ids follow from it.
    size : int
        Accounts in a batch.
    rng : Generator
        Source of randomness.

    Returns
    -------
    Cohort
        The accounts.
    """
    share = world.by_tier("share")
    tier = rng.choice(share.size, size=size, p=share / share.sum())
    low, high = np.log([t.arr for t in world.tiers])[tier].T
    annual = rng.random(size) >= world.by_tier("monthly")[tier]
    quarterly = rng.random(size) < 0.3
    card = np.where(annual, rng.random(size) < 0.15, rng.random(size) < 0.85)
    first_month, day, joined = _arrivals(world, clock, size, rng)
    country = rng.choice(len(COUNTRIES), size=size, p=np.array([c[2] for c in COUNTRIES]))
    hours = rng.integers(1, 14 * 24, size)
    return Cohort(
        ids=tuple(f"A{batch * size + n + 1:06d}" for n in range(size)),
        tier=tier,
        mrr=np.exp(rng.uniform(low, high)) / 12.0,
        annual=annual,
        bill=np.where(annual, np.where(quarterly, 3, 12), 1),
        card=card,
        first_month=first_month,
        day=day,
        joined=joined,
        created=joined * DAY - hours * (DAY // 24),
        fit=rng.normal(0.1, world.fit_spread, size),
        frailty=rng.normal(0.0, world.frailty, size),
        utc_offset=np.array([c[1] for c in COUNTRIES])[country],
        country=country,
        sluggish=rng.normal(size=size),
        abrupt=~annual & (rng.random(size) < world.abrupt),
    )


def _arrivals(
    world: World, clock: Clock, size: int, rng: np.random.Generator
) -> tuple[Ints, Ints, Ints]:
    existing = rng.random(size) < world.existing
    tenure = np.minimum(1 + rng.exponential(26.0, size).astype(np.int64), 96)
    # At least a month of history for the last to come, so that every account shows some.
    later = rng.integers(0, max(clock.months - 1, 1), size)
    first_month = clock.first_month + np.where(existing, -tenure, later)
    day = rng.integers(1, 29, size)
    return first_month, day, month_days(first_month, day)


def account_rows(
    cohort: Cohort, clock: Clock, batch: int, gone: Ints, rng: np.random.Generator
) -> Rows:
    """Write what the CRM said of every account, a further row for each change.

    Parameters
    ----------
    cohort : Cohort
        The accounts.
    clock : Clock
        The simulated span.
    batch : int
        Number of the batch; owners follow from it.
    gone : ndarray of int (n_accounts,)
        The day each account left; no change is entered after it.
    rng : Generator
        Source of randomness.

    Returns
    -------
    Rows
        Of ``accounts``.
    """
    size = cohort.size
    change = np.maximum(cohort.joined, clock.start)[:, None] + np.cumsum(
        rng.exponential(900.0, (size, 3)).astype(np.int64) + 20, axis=1
    )
    first = np.concatenate([cohort.created[:, None], change * DAY + 9 * 3_600_000_000], axis=1)
    account, number = np.nonzero(
        np.concatenate([np.ones((size, 1), bool), change < gone[:, None]], axis=1)
    )
    # The second number of a change alternates: a new owner, then a new head count.
    owners = _owners(cohort, batch, (number + 1) // 2, account)
    employees = _employees(cohort, rng)[account] * 1.08 ** (number // 2)
    unknown = (rng.random(size) < np.where(cohort.tier == 0, 0.30, 0.08))[account]
    no_industry = rng.random(size) < 0.07
    industry = np.where(no_industry, -1, rng.integers(0, len(INDUSTRIES), size))
    channel = np.where(rng.random(size) < 0.05, -1, rng.integers(0, len(CHANNELS), size))
    names = _names(size, rng)
    return Rows(
        account,
        {
            "created_at": cohort.created[account],
            "recorded_at": first[account, number],
            "name": Coded(account, names),
            "industry": Coded(industry[account], INDUSTRIES),
            "country": Coded(cohort.country[account], [c[0] for c in COUNTRIES]),
            "channel": Coded(channel[account], CHANNELS),
            "owner": owners,
            "employees": np.where(unknown, -1, employees.astype(np.int64)),
        },
    )


def _owners(cohort: Cohort, batch: int, moves: Ints, account: Ints) -> Coded:
    staff = [
        f"{first} {initial}{last}"
        for initial in ("", *(f"{letter}. " for letter in string.ascii_uppercase))
        for last in LAST_NAMES
        for first in FIRST_NAMES
    ]
    shared = np.array(OWNER_BATCHES)[cohort.tier[account]]
    seat = batch // np.maximum(shared, 1) + 7 * moves
    # Every tier has people of its own.
    codes = (4 * seat + cohort.tier[account] - 1) % len(staff)
    return Coded(np.where(shared == 0, -1, codes), staff)


def _employees(cohort: Cohort, rng: np.random.Generator) -> Floats:
    people: Floats = 3.0 + np.exp(rng.normal(0.62 * np.log(cohort.mrr) - 0.3, 0.7))
    return people


def _names(size: int, rng: np.random.Generator) -> list[str]:
    parts = (NAME_STARTS, NAME_ENDS, NAME_KINDS)
    picks = np.stack([rng.integers(0, len(part), size) for part in parts], axis=1)
    return [f"{NAME_STARTS[a]}{NAME_ENDS[b]} {NAME_KINDS[c]}" for a, b, c in picks.tolist()]
