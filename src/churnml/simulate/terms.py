"""Subscriptions and outcomes: the terms that were signed, and what became of them."""

from __future__ import annotations

import numpy as np

from churnml.simulate.clock import DAY, FAR, NEVER, Clock, instants
from churnml.simulate.cohort import Cohort
from churnml.simulate.contract import Contract, Exit
from churnml.simulate.latent import Mood
from churnml.simulate.rows import Coded, Rows, numbered
from churnml.simulate.world import Flags, Floats, Ints

PLANS = ("starter", "team", "business", "enterprise")
PLAN_FLOORS = (90.0, 850.0, 4200.0)  # monthly revenue at which the next plan begins
EVENTS_PER_SEAT = 400.0  # a month, allowed by every plan but the last
KINDS = ("voluntary", "involuntary")
OUTCOMES = ("churned", "renewed", "downgraded", "upgraded")
REASONS = (
    "price", "moved to a competitor", "missing functionality", "poor support", "sponsor left",
    "no longer needed", "payment failed",
)  # fmt: skip


def usage_limits(seats: Floats, mrr: Floats) -> Floats:
    """Events a month that a term allows; NaN for the plan without a limit."""
    unlimited = mrr >= PLAN_FLOORS[-1]
    return np.where(unlimited, np.nan, seats * EVENTS_PER_SEAT)


def subscription_rows(
    cohort: Cohort, contract: Contract, leaving: Exit, rng: np.random.Generator
) -> Rows:
    """Write the terms of every account, each known from the day it was agreed.

    Parameters
    ----------
    cohort : Cohort
        The accounts.
    contract : Contract
        Terms and decisions.
    leaving : Exit
        How accounts left; no term begins after that.
    rng : Generator
        Source of randomness.

    Returns
    -------
    Rows
        Of ``subscriptions``.
    """
    account, column = _begun(contract, leaving)
    start, end = contract.month[account, column], contract.term_end[account, column]
    booked = _booked(cohort, contract, account, column, rng)
    seats, mrr = contract.seats[account, column], contract.mrr[account, column]
    gone = leaving.gone[account]
    last = (gone > start) & (gone <= end)
    early = last & leaving.early[account]
    noticed = last & (early | ~contract.silent[account])
    kind = np.where(leaving.involuntary[account], 1, 0)
    return Rows(
        account,
        {
            "subscription_id": numbered(account, cohort.ids, "S"),
            "started_at": start * DAY,
            "recorded_at": booked,
            "ends_at": end * DAY,
            "plan": Coded(np.searchsorted(PLAN_FLOORS, mrr, side="right"), PLANS),
            "seats": seats,
            "mrr": mrr,
            "billing_months": cohort.bill[account],
            "usage_limit": usage_limits(seats, mrr),
            "auto_renew": contract.auto_renew[account],
            "cancelled_at": np.where(noticed, leaving.notice[account], NEVER),
            "cancel_kind": Coded(np.where(noticed, kind, -1), KINDS),
            "terminated_at": np.where(early, leaving.moment[account], NEVER),
        },
    )


def _begun(contract: Contract, leaving: Exit) -> tuple[Ints, Ints]:
    """Every term that began, and those booked: by account, then in time."""
    account, column = np.nonzero(
        (contract.place == 0) & (contract.month[:, :-1] < leaving.gone[:, None])
    )
    return account, column


def _booked(
    cohort: Cohort, contract: Contract, account: Ints, column: Ints, rng: np.random.Generator
) -> Ints:
    """When each term was agreed: for a renewal, when the decision fell not to leave."""
    before = np.maximum(column - 1, 0)
    # A renewal waits for the bill that failed, or its absence would foretell who never pays.
    wait = np.where(
        contract.failed[account, before] & (contract.place[account, before] == 0),
        contract.settled[account, before],
        0,
    )
    decision = np.maximum(contract.decided[account, before], wait)
    start = contract.month[account, column]
    decision = np.minimum(decision, start - 1)  # one that fell before the span is left undated
    moment = instants(rng, decision, cohort.utc_offset[account])
    first = np.maximum(start * DAY - rng.integers(1, 240, start.size) * (DAY // 24), 0)
    known = np.maximum(first, cohort.created[account] + 30_000_000)
    booked: Ints = np.where(column == 0, known, moment)
    return booked


def outcome_rows(
    cohort: Cohort,
    contract: Contract,
    leaving: Exit,
    mood: Mood,
    clock: Clock,
    rng: np.random.Generator,
) -> Rows:
    """Write what became of accounts: left, renewed for a year, or changed in size.

    Parameters
    ----------
    cohort : Cohort
        The accounts.
    contract : Contract
        Terms and decisions.
    leaving : Exit
        How accounts left.
    mood : Mood
        The latent state; it colours the reason that is given.
    clock : Clock
        The simulated span.
    rng : Generator
        Source of randomness.

    Returns
    -------
    Rows
        Of ``outcomes``.
    """
    account, column = _begun(contract, leaving)
    later = (column > 0) & (contract.month[account, column] >= clock.start)
    account, column = account[later], column[later]
    grown = contract.seats[account, column] - contract.seats[account, column - 1]
    kind = np.select([grown < 0, grown > 0, cohort.annual[account]], [2, 3, 1], -1)
    kept = kind >= 0
    left = np.flatnonzero(leaving.gone < FAR)
    stayed = np.full(int(kept.sum()), -1)
    who = np.concatenate([account[kept], left])
    when = np.concatenate(
        [contract.month[account, column][kept] * DAY, leaving.moment[left]],
    )
    what = np.concatenate([kind[kept], np.zeros(left.size, np.int64)])
    by_whom = np.concatenate([stayed, np.where(leaving.involuntary[left], 1, 0)])
    why = np.concatenate([stayed, _reasons(contract, leaving, mood, clock, left, rng)])
    order = np.lexsort((when, who))
    delay = rng.integers(1, 5 * 24, who.size) * (DAY // 24)
    return Rows(
        who[order],
        {
            "outcome_id": numbered(who[order], cohort.ids, "O"),
            "occurred_at": when[order],
            "recorded_at": when[order] + delay,
            "kind": Coded(what[order], OUTCOMES),
            "cancel_kind": Coded(by_whom[order], KINDS),
            "reason": Coded(why[order], REASONS),
        },
    )


def _reasons(
    contract: Contract,
    leaving: Exit,
    mood: Mood,
    clock: Clock,
    left: Ints,
    rng: np.random.Generator,
) -> Ints:
    """The reason on file: often the true one, often a convenient one, often none."""
    week = clock.week(leaving.decided[left])
    window = np.maximum(week - 26, 0)

    def struck(name: str) -> Flags:
        upto = np.cumsum(mood.shocks[name], axis=1)
        return upto[left, week] > upto[left, window]

    month = (contract.month[:, 1:] <= leaving.gone[:, None]).sum(axis=1)[left]
    dearer = contract.rise[left, np.maximum(month - 1, 0)] > 0.05
    true = np.select([dearer, struck("competitor"), struck("champion_left")], [0, 1, 4], -1)
    vague = rng.choice((0, 2, 3, 5), left.size)
    given = np.where((true < 0) | (rng.random(left.size) < 0.4), vague, true)
    given = np.where(rng.random(left.size) < 0.25, -1, given)
    return np.where(leaving.involuntary[left], len(REASONS) - 1, given)
