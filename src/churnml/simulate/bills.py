"""Invoices: issued with every term, paid early or late, failed, disputed; and the last one."""

from __future__ import annotations

import numpy as np

from churnml.simulate.clock import DAY, FAR, NEVER
from churnml.simulate.rows import Rows, numbered
from churnml.simulate.scene import Scene
from churnml.simulate.world import Ints

HOUR = DAY // 24
CREDIT = 30  # days until an invoice is due that is not charged to a card


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
    cohort, contract, clock = scene.cohort, scene.contract, scene.clock
    start = contract.month[:, :-1]
    billed = contract.place % cohort.bill[:, None] == 0
    billed &= (start >= clock.start) & (start < clock.end) & (start < scene.leaving.gone[:, None])
    account, column = np.nonzero(billed)
    day = start[account, column]
    issued = day * DAY + 5 * HOUR + rng.integers(0, HOUR, day.size)
    amount = np.round(contract.mrr[account, column] * cohort.bill[account], 2)
    card = cohort.card[account]
    failed, settled = contract.failed[account, column], contract.settled[account, column]
    lost = failed & contract.lost[account, column]
    retried = np.maximum(np.minimum(3, settled - day - 1), 0) * DAY
    charged = np.where(failed, settled * DAY + 11 * HOUR, issued + 2 * 60_000_000)
    felt = scene.feeling(account, day)
    disputes = rng.random(day.size) < 0.012 * np.exp(-0.6 * felt)
    transferred = _transfers(scene, account, issued, disputes, rng)
    paid = np.where(card, np.where(lost, NEVER, charged), transferred)
    disputed = issued + rng.integers(2 * DAY, 15 * DAY, day.size)
    last = _last_bills(scene, rng)
    count = last.size
    final = np.round(contract.mrr[last, scene.column(last, scene.leaving.gone[last])] * 0.4, 2)
    final_issued = scene.leaving.gone[last] * DAY + rng.integers(DAY, 10 * DAY, count)
    final_paid = final_issued + rng.integers(DAY, 60 * DAY, count)
    unpaid = rng.random(count) < 0.4
    due = np.where(card, 0, CREDIT) * DAY
    account = np.concatenate([account, last])
    issued_all = np.concatenate([issued, final_issued])
    late = rng.random(account.size) < 0.12
    rows = Rows(
        account,
        {
            "issued_at": issued_all,
            "recorded_at": issued_all + np.where(late, rng.integers(HOUR, 3 * DAY, late.size), 0),
            "due_at": np.concatenate([issued + due, final_issued + CREDIT * DAY]),
            "amount": np.concatenate([amount, final]),
            "paid_at": np.concatenate([paid, np.where(unpaid, NEVER, final_paid)]),
            "failed_at": _followed(np.where(failed, issued + HOUR + retried, NEVER), count),
            "disputed_at": _followed(np.where(disputes, disputed, NEVER), count),
        },
    ).take(np.lexsort((issued_all, account)))
    return Rows(
        rows.account, {"invoice_id": numbered(rows.account, scene.cohort.ids, "I"), **rows.columns}
    )


def _followed(times: Ints, count: int) -> Ints:
    return np.concatenate([times, np.full(count, NEVER)])


def _transfers(
    scene: Scene, account: Ints, issued: Ints, disputes: np.ndarray, rng: np.random.Generator
) -> Ints:
    """When invoices are paid: by habit, later by the unhappy and after a dispute, some never."""
    felt = scene.feeling(account, issued // DAY)
    habit = 0.45 * scene.cohort.sluggish[account] - 0.12 * felt
    days = 20.0 * np.exp(habit + rng.normal(0.0, 0.35, account.size)) + 25.0 * disputes
    days = np.where(rng.random(account.size) < 0.04, days + 40.0, days)
    return issued + (days * DAY).astype(np.int64)


def _last_bills(scene: Scene, rng: np.random.Generator) -> Ints:
    """Accounts that get a bill after they have gone, for seats or usage beyond the plan."""
    chosen = (scene.leaving.gone < FAR) & (rng.random(scene.cohort.size) < 0.25)
    return np.flatnonzero(chosen)
