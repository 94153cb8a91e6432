"""What nobody in the simulated company can know: the probability that each account leaves.

At a cutoff an account's discontent, frailty and contract are known to the truth, the future is not.
The probability is a mean over possible futures of satisfaction, and within each future the exact
product of the odds of the decisions that are still open: a Rao-Blackwell estimate, which draws no
decision at all.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from churnml.simulate.clock import DAY, FAR
from churnml.simulate.contract import PATIENCE
from churnml.simulate.latent import advance, discontent, futures
from churnml.simulate.scene import Scene
from churnml.simulate.world import Floats, Ints

DRAWS = 128  # futures a cutoff
STEP = 15  # days between the points of the survival curve
STEPS = 12
HORIZON = 90  # days; `p_churn` is for lead 0 and this horizon
REACH = STEP * STEPS
WEEKS = REACH // 7 + 1
MOST_WAYS = 15  # decisions and bills that fall into the reach
STOPPED_AFTER = 23  # days from a bill that is never paid to the end of service, in the mean
SCHEMA = pa.schema(
    [
        ("account_id", pa.string()),
        ("cutoff", pa.timestamp("us")),
        ("under_notice", pa.bool_()),
        ("satisfaction", pa.float64()),
        ("regard", pa.float64()),
        ("frailty", pa.float64()),
        ("p_churn", pa.float64()),
        ("survival", pa.list_(pa.float64(), STEPS)),
    ],
    metadata={"draws": str(DRAWS), "step_days": str(STEP), "horizon_days": str(HORIZON)},
)


@dataclass(frozen=True)
class Ways:
    """Every way out of every account, in time; arrays are (n_accounts, n_ways).

    Parameters
    ----------
    day, effect : ndarray of int
        When it is decided, and when it takes effect; ``clock.FAR`` for none.
    billed : ndarray of int
        For a want of payment, the day of the bill; ``clock.FAR`` for a free decision.
    odds : ndarray
        Log-odds of a free decision to leave, without discontent.
    """

    day: Ints
    effect: Ints
    billed: Ints
    odds: Floats


def hazard_table(scene: Scene, keep: int, rng: np.random.Generator) -> pa.Table:
    """Work out, at every cutoff, the probability that each account with service leaves.

    Parameters
    ----------
    scene : Scene
        The accounts.
    keep : int
        How many of them to write.
    rng : Generator
        Source of randomness, for the futures.

    Returns
    -------
    pyarrow.Table
        One row per account and cutoff at which it had service. ``survival`` is the probability of
        service 15, 30, … 180 days later, so that the probability of churn in
        ``[cutoff + lead, cutoff + lead + horizon)`` is a difference of two entries; ``p_churn`` is
        that for lead 0 and 90 days.
    """
    ways, leaving, cohort = _ways(scene), scene.leaving, scene.cohort
    noise = futures(scene.world, WEEKS, DRAWS, rng)
    tables = []
    for cutoff in scene.clock.cutoffs.tolist():
        here = (cohort.joined < cutoff) & (leaving.gone >= cutoff)
        who = np.flatnonzero(here & (np.arange(cohort.size) < keep))
        lost = _lost(scene, ways, noise, who, cutoff)
        decided = leaving.decided[who] < cutoff
        known = _certain(leaving.gone[who], cutoff)
        survival = 1.0 - np.cumsum(np.where(decided[:, None], known, lost), axis=1)
        week = int(scene.clock.week(np.array([cutoff]))[0])
        hidden = scene.contract.silent[who] & ~leaving.early[who]
        columns = [
            pa.array([cohort.ids[n] for n in who], pa.string()),
            pa.array(np.full(who.size, cutoff * DAY).view("M8[us]")),
            pa.array(decided & ~hidden),
            pa.array(scene.mood.satisfaction[who, week]),
            pa.array(scene.mood.regard[who, week]),
            pa.array(cohort.frailty[who]),
            pa.array(1.0 - survival[:, HORIZON // STEP - 1]),
            pa.FixedSizeListArray.from_arrays(pa.array(survival.ravel()), STEPS),
        ]
        tables.append(pa.table(columns, schema=SCHEMA))
    return pa.concat_tables(tables)


def _ways(scene: Scene) -> Ways:
    contract = scene.contract
    start = contract.month[:, :-1]
    billed = (contract.place % scene.cohort.bill[:, None] == 0) & scene.cohort.card[:, None]
    stop = np.where(billed & (start >= scene.clock.start), start + STOPPED_AFTER, FAR)
    day = np.concatenate([contract.decided, stop], axis=1)
    effect = np.concatenate([contract.effect, stop], axis=1)
    bill = np.concatenate([np.full_like(start, FAR), start], axis=1)
    odds = np.concatenate([contract.odds, np.zeros(start.shape)], axis=1)
    order = np.argsort(day, axis=1, kind="stable")
    return Ways(
        day=np.take_along_axis(day, order, axis=1),
        effect=np.take_along_axis(effect, order, axis=1),
        billed=np.take_along_axis(bill, order, axis=1),
        odds=np.take_along_axis(odds, order, axis=1),
    )


def _lost(scene: Scene, ways: Ways, noise: Floats, who: Ints, cutoff: int) -> Floats:
    """Probability of leaving in each step after the cutoff, for accounts still undecided."""
    world = scene.world
    week = int(scene.clock.week(np.array([cutoff]))[0])
    drift = _drift(scene, who, week)
    lost = np.zeros((who.size, STEPS))
    rows = np.arange(who.size)
    unpaid = _unpaid(scene, who, cutoff)
    lost[:, 1] = unpaid
    alive = np.repeat(1.0 - unpaid[:, None], noise.shape[1], axis=1)
    first = (ways.day[who] < cutoff).sum(axis=1)
    for number in range(MOST_WAYS):
        place = np.minimum(first + number, ways.day.shape[1] - 1)
        day, effect = ways.day[who, place], ways.effect[who, place]
        billed, odds = ways.billed[who, place], ways.odds[who, place]
        ahead = (day >= cutoff) & (day < cutoff + REACH)
        weeks = np.where(ahead, (day - scene.clock.start) // 7 - week, 0)
        moved = (odds + drift[rows, weeks])[:, None] + noise[weeks]
        chance = np.where(
            (billed < FAR)[:, None],
            np.where(billed >= cutoff, world.card_failure * world.card_loss, 0.0)[:, None],
            1.0 / (1.0 + np.exp(-moved)),
        )
        chance = np.where(ahead[:, None], chance, 0.0)
        step = (effect - cutoff) // STEP
        counted = ahead & (step < STEPS)
        lost[rows[counted], step[counted]] += (alive * chance).mean(axis=1)[counted]
        alive = alive * (1.0 - chance)
    return lost


def _drift(scene: Scene, who: Ints, week: int) -> Floats:
    """Discontent of the coming weeks if nothing happened: (n_accounts, WEEKS + 1), log-odds."""
    satisfaction, regard = scene.mood.satisfaction[who, week], scene.mood.regard[who, week]
    drift = np.empty((who.size, WEEKS + 1))
    for ahead in range(WEEKS + 1):
        drift[:, ahead] = discontent(scene.world, satisfaction, regard)
        satisfaction, regard = advance(
            scene.world, satisfaction, regard, scene.cohort.fit[who], 0.0
        )
    return drift


def _unpaid(scene: Scene, who: Ints, cutoff: int) -> Floats:
    """Probability that a bill which has failed and is still open will never be paid.

    The longer it has been open, the likelier: bills that are paid after all are paid within
    `contract.PATIENCE` days, all of which are equally likely.
    """
    contract, loss = scene.contract, scene.world.card_loss
    start = contract.month[who, :-1]
    open_ = contract.failed[who] & (start < cutoff) & (contract.settled[who] >= cutoff)
    open_ &= start >= scene.clock.start
    waiting = np.clip((PATIENCE + 1 - (cutoff - start)) / PATIENCE, 0.0, 1.0)
    chance = np.where(open_, loss / (loss + (1.0 - loss) * waiting), 0.0)
    highest: Floats = chance.max(axis=1)
    return highest


def _certain(gone: Ints, cutoff: int) -> Floats:
    """Ones at the step in which accounts leave whose decision has been taken."""
    step = (gone - cutoff) // STEP
    certain: Floats = (step[:, None] == np.arange(STEPS)).astype(np.float64)
    return certain
