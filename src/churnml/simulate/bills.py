"""Invoices: issued with every term, paid early or late, failed, disputed; and the last one."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from churnml.simulate.clock import DAY, FAR, NEVER
from churnml.simulate.rows import Rows, in_order
from churnml.simulate.scene import Scene
from churnml.simulate.world import Flags, Floats, Ints

HOUR = DAY // 24
CREDIT = 30  # days until an invoice is due
CHARGED = 3  # days until a card bill is due; the card is charged at once
RETRIES = 3  # days for which a failed charge is tried again
SURPLUS = 0.25  # share of leavers who get a bill after they have gone, for use beyond the plan
LATE_ENTRY = 0.12  # share of bills that reach the books hours or days later


@dataclass(frozen=True)
class Bills:
    """Bills, one entry each; times in microseconds, ``clock.NEVER`` for none."""

    account: Ints
    issued: Ints
    due: Ints
    amount: Floats
    paid: Ints
    failed: Ints
    disputed: Ints


def invoice_rows(scene: Scene, rng: np.random.Generator) -> Rows:
    """Write the bills of a batch of accounts.

    Parameters
    ----------
    scene : Scene
        The accounts.
    rng : Generator
        Source of randomness.

    Returns
    -------
    Rows
        Of ``invoices``.
    """
    bills = _joined(_regular(scene, rng), _last(scene, rng))
    late = rng.random(bills.account.size) < LATE_ENTRY
    delay = np.where(late, rng.integers(HOUR, 3 * DAY, late.size), 0)
    rows = Rows(
        bills.account,
        {
            "issued_at": bills.issued,
            "recorded_at": bills.issued + delay,
            "due_at": bills.due,
            "amount": bills.amount,
            "paid_at": bills.paid,
            "failed_at": bills.failed,
            "disputed_at": bills.disputed,
        },
    )
    return in_order(rows, bills.issued, "invoice_id", scene.cohort.ids, "I")


def _joined(first: Bills, second: Bills) -> Bills:
    names = [field.name for field in fields(Bills)]
    return Bills(**{n: np.concatenate([getattr(first, n), getattr(second, n)]) for n in names})


def _regular(scene: Scene, rng: np.random.Generator) -> Bills:
    cohort, contract, clock = scene.cohort, scene.contract, scene.clock
    start = contract.month[:, :-1]
    billed = contract.place % cohort.bill[:, None] == 0
    billed &= (start >= clock.start) & (start < clock.end) & (start < scene.leaving.gone[:, None])
    account, column = np.nonzero(billed)
    day, card = start[account, column], cohort.card[account]
    issued = day * DAY + 5 * HOUR + rng.integers(0, HOUR, day.size)
    failed, settled = contract.failed[account, column], contract.settled[account, column]
    tried = np.clip(settled - day - 1, 0, RETRIES) * DAY
    charged = np.where(failed, settled * DAY + 11 * HOUR, issued + 2 * 60_000_000)
    lost = failed & contract.lost[account, column]
    felt = scene.feeling(account, day)
    disputes = rng.random(day.size) < 0.012 * np.exp(-0.6 * felt)
    transferred = _transferred(scene, account, issued, felt, disputes, rng)
    disputed = issued + rng.integers(2 * DAY, 15 * DAY, day.size)
    return Bills(
        account=account,
        issued=issued,
        due=issued + np.where(card, CHARGED, CREDIT) * DAY,
        amount=np.round(contract.mrr[account, column] * cohort.bill[account], 2),
        paid=np.where(card, np.where(lost, NEVER, charged), transferred),
        failed=np.where(failed, issued + HOUR + tried, NEVER),
        disputed=np.where(disputes, disputed, NEVER),
    )


def _transferred(
    scene: Scene,
    account: Ints,
    issued: Ints,
    felt: Floats,
    disputes: Flags,
    rng: np.random.Generator,
) -> Ints:
    """When transfers arrive: by habit, later from the unhappy and after a dispute, some very."""
    habit = 0.45 * scene.cohort.sluggish[account] - 0.2 * felt
    days = 20.0 * np.exp(habit + rng.normal(0.0, 0.35, account.size)) + 25.0 * disputes
    days = np.where(rng.random(account.size) < 0.04, days + 40.0, days)
    return issued + (days * DAY).astype(np.int64)


def _last(scene: Scene, rng: np.random.Generator) -> Bills:
    contract, gone = scene.contract, scene.leaving.gone
    account = np.flatnonzero((gone < FAR) & (rng.random(gone.size) < SURPLUS))
    issued = gone[account] * DAY + rng.integers(DAY, 10 * DAY, account.size)
    paid = issued + rng.integers(DAY, 60 * DAY, account.size)
    mrr = contract.mrr[account, scene.column(account, gone[account])]
    never = np.full(account.size, NEVER)
    return Bills(
        account=account,
        issued=issued,
        due=issued + CREDIT * DAY,
        amount=np.round(mrr * rng.uniform(0.1, 0.8, account.size), 2),
        paid=np.where(rng.random(account.size) < 0.4, NEVER, paid),
        failed=never,
        disputed=never,
    )
