"""The parameters of the simulated world: who its customers are, and what makes them leave."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from churnml.errors import ConfigError

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]

WEEKS_A_YEAR = 365.25 / 7


@dataclass(frozen=True)
class Tier:
    """Customers of one size.

    Parameters
    ----------
    name : str
        The account tier.
    share : float
        Its share of all accounts.
    arr : tuple of float
        Lowest and highest annual recurring revenue at the first term; log-uniform between.
    monthly : float
        Share on monthly terms; the others are on annual ones.
    people : int
        Mean number of contacts.
    heavy : float
        Share who use the product daily; the rest are weekly, monthly and non-users.
    inbound, checkins, tickets : float
        Messages from the customer, personal messages to them and tickets, a week.
    leaving : float
        Added to the log-odds of every decision to leave.
    """

    name: str
    share: float
    arr: tuple[float, float]
    monthly: float
    people: int
    heavy: float
    inbound: float
    checkins: float
    tickets: float
    leaving: float


TIERS = (
    Tier("starter", 0.29, (180.0, 990.0), 0.90, 2, 0.30, 0.08, 0.010, 0.045, 0.35),
    Tier("professional", 0.32, (1_010.0, 9_900.0), 0.55, 4, 0.40, 0.13, 0.020, 0.07, 0.15),
    Tier("business", 0.25, (10_100.0, 49_500.0), 0.12, 6, 0.50, 0.17, 0.12, 0.13, 0.00),
    Tier("enterprise", 0.09, (50_500.0, 99_000.0), 0.02, 9, 0.58, 0.28, 0.25, 0.22, -0.25),
    Tier("vip", 0.05, (101_000.0, 600_000.0), 0.00, 12, 0.65, 0.40, 0.45, 0.32, -0.50),
)


@dataclass(frozen=True)
class Shock:
    """Something that moves an account's satisfaction at once.

    Parameters
    ----------
    name : str
        What happens.
    yearly : float
        How often it happens to an account in a year.
    effect : float
        What it adds to satisfaction.
    """

    name: str
    yearly: float
    effect: float


SHOCKS = (
    Shock("incident", 0.60, -0.70),
    Shock("champion_left", 0.20, -0.90),
    Shock("competitor", 0.20, -0.80),
    Shock("success", 0.60, 0.55),
    # An outage is one event of the vendor's that reaches a part of all accounts in the same week.
    Shock("outage", 1.00, -0.35),
)

# Budgets are cut or renewed at the turn of the year and before summer. Month → log-odds.
SEASON = MappingProxyType({1: 0.25, 6: 0.15, 12: 0.30, 3: -0.10, 9: -0.10})


@dataclass(frozen=True)
class World:
    """Everything that is fixed before an account is drawn.

    Satisfaction is in units of its own making: 0 is the average account, its standard deviation
    across accounts is near 1, and the log-odds below are per unit of it.

    Parameters
    ----------
    tiers : tuple of Tier
        The customers, smallest first.
    shocks : tuple of Shock
        What happens to them: those of `SHOCKS`, in its order, with rates and effects of one's own.
    existing : float
        Share of accounts that were customers before the simulation starts.
    fit_spread : float
        Standard deviation, across accounts, of the level that satisfaction returns to.
    reversion : float
        How much of the distance to that level is made good in a week.
    volatility : float
        Standard deviation of satisfaction's weekly step.
    memory : float
        Weekly weight of satisfaction in regard, its slow average.
    level, fall : float
        What a unit of satisfaction, and a unit of its fall below regard, do to the log-odds.
    frailty : float
        Standard deviation of an account's constant, unobservable inclination to leave.
    annual, monthly, midterm : float
        Log-odds of leaving at an annual renewal, at a monthly one, and in a month between annual
        renewals, for an average account.
    price : float
        Log-odds for every 10 % of price rise at a renewal.
    tenure : float
        Log-odds for every doubling of the years (plus one) an account has been a customer.
    card_failure, card_loss : float
        Probability that a card bill fails, and that a failed one is never paid.
    abrupt : float
        Share of monthly accounts that leave on the spot and not at the end of the term.

    Raises
    ------
    ConfigError
        If a shock is missing, unknown or out of order.
    """

    tiers: tuple[Tier, ...] = TIERS
    shocks: tuple[Shock, ...] = SHOCKS
    existing: float = 0.62
    fit_spread: float = 0.55
    reversion: float = 0.05
    volatility: float = 0.23
    memory: float = 0.12
    level: float = 1.35
    fall: float = 0.50
    frailty: float = 0.30
    annual: float = -2.45
    monthly: float = -4.95
    midterm: float = -7.50
    price: float = 0.45
    tenure: float = -0.25
    card_failure: float = 0.03
    card_loss: float = 0.10
    abrupt: float = 0.15

    def __post_init__(self) -> None:
        names = tuple(shock.name for shock in self.shocks)
        expected = tuple(shock.name for shock in SHOCKS)
        if names != expected:
            raise ConfigError(
                f"simulate: shocks {', '.join(names) or '(none)'}; expected {', '.join(expected)}, "
                f"in that order. A shock that should not happen has yearly = 0."
            )

    def by_tier(self, attribute: str) -> Floats:
        """One number per tier, in order.

        Parameters
        ----------
        attribute : str
            A numeric field of `Tier`.

        Returns
        -------
        ndarray (n_tiers,)
            Its values.

        Raises
        ------
        AttributeError
            If a tier has no such field.
        """
        return np.array([getattr(tier, attribute) for tier in self.tiers], dtype=np.float64)
