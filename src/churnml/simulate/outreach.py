"""Messages to customers: newsletters, check-ins, reviews, renewals, onboarding; and who reacts."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from churnml.simulate.clock import DAY, NEVER, month_days
from churnml.simulate.contract import YEAR
from churnml.simulate.scene import Scene
from churnml.simulate.world import Flags, Floats, Ints

TEMPLATES = (
    "newsletter", "check_in", "business_review", "renewal_90d", "renewal_60d", "onboarding",
)  # fmt: skip
TEXTS = (
    "What is new this month: releases, tips and dates for your diary.",
    "Hello, how are things going? Is there anything that we should know or could do better?",
    "It is time for our quarterly review. Here are three dates; please pick the one that suits.",
    "Your subscription renews in 90 days. Let us talk about your plans for the coming year.",
    "Your subscription renews in 60 days. Two questions on how it went, and one on what is next.",
    "Welcome aboard. These are the next steps that teams like yours take in their first weeks.",
)
# Log-odds of opening, and of a click and of a reply once opened, for each template.
OPENED = np.array([-0.9, 0.2, 0.3, 0.5, 0.3, 0.7])
CLICKED = np.array([-1.2, -2.5, -0.7, -1.0, -0.8, -0.2])
REPLIED = np.array([-5.0, -0.8, -0.3, -0.9, -0.9, -1.3])
REVIEWED_TIER = 2  # business and above are invited to quarterly reviews
UNTRACKED = 0.15  # share of accounts whose mail system hides what is opened


@dataclass(frozen=True)
class Outreach:
    """Messages to customers, one entry each; times in microseconds, ``clock.NEVER`` for none."""

    account: Ints
    sent: Ints
    contact: Ints
    template: Ints
    wave: Ints
    waves: tuple[str, ...]
    opened: Ints
    clicked: Ints
    replied: Ints


def reach_out(scene: Scene, rng: np.random.Generator) -> Outreach:
    """Send what the company sends, and see who opens, clicks and replies.

    Parameters
    ----------
    scene : Scene
        The accounts.
    rng : Generator
        Source of randomness.

    Returns
    -------
    Outreach
        The messages, in no order.
    """
    account, day, template, wave = _sendings(scene, rng)
    contact = scene.people.someone(account, day, np.full(day.size, 0.3), rng)
    kept = scene.served(account, day) & ~scene.people.refuses(contact, day)
    account, day, template, wave, contact = (
        values[kept] for values in (account, day, template, wave, contact)
    )
    sent = scene.instants(account, day, rng)
    opened, clicked, replied = _reactions(scene, account, day, sent, template, rng)
    return Outreach(account, sent, contact, template, wave, _waves(scene), opened, clicked, replied)


def _waves(scene: Scene) -> tuple[str, ...]:
    months = scene.clock.first_month + np.arange(scene.clock.months + 1)
    names = [str(month) for month in months.astype("M8[M]")]
    return (*(f"newsletter {name}" for name in names), *(f"review {name}" for name in names))


def _sendings(scene: Scene, rng: np.random.Generator) -> tuple[Ints, Ints, Ints, Ints]:
    """Account, day, template and wave of everything that might be sent."""
    clock, cohort, contract = scene.clock, scene.cohort, scene.contract
    months = np.arange(clock.months + 1)
    days = month_days(clock.first_month + months, np.array([10]))
    letter, month = np.nonzero(rng.random((cohort.size, months.size)) < 0.55)
    review, quarter = np.nonzero(
        (cohort.tier[:, None] >= REVIEWED_TIER)
        & (months % 3 == 1)
        & (rng.random((cohort.size, months.size)) < 0.8)
    )
    cadence = scene.world.by_tier("checkins")[cohort.tier]
    checked, check_day = scene.happenings(np.repeat(cadence[:, None], clock.weeks, axis=1), rng)
    renewed, column = np.nonzero(contract.place == YEAR - 1)
    ends = contract.term_end[renewed, column]
    new = np.flatnonzero(cohort.joined >= clock.start)
    welcome = np.repeat(new, 3)
    parts = (
        (letter, days[month], 0, month),
        (review, days[quarter] + 4, 2, quarter + months.size),
        (checked, check_day, 1, None),
        (renewed, ends - 90, 3, None),
        (renewed, ends - 60, 4, None),
        (welcome, cohort.joined[welcome] + np.tile([1, 8, 22], new.size), 5, None),
    )
    return (
        np.concatenate([p[0] for p in parts]),
        np.concatenate([p[1] for p in parts]),
        np.concatenate([np.full(p[0].size, p[2]) for p in parts]),
        np.concatenate([np.full(p[0].size, -1) if p[3] is None else p[3] for p in parts]),
    )


def _reactions(
    scene: Scene, account: Ints, day: Ints, sent: Ints, template: Ints, rng: np.random.Generator
) -> tuple[Ints, Ints, Ints]:
    size = scene.cohort.size
    felt = 0.5 * scene.feeling(account, day) + rng.normal(0.0, 0.7, size)[account]
    tracked = rng.random(size)[account] >= UNTRACKED

    def happens(odds: Floats) -> Flags:
        flags: Flags = rng.random(day.size) < 1.0 / (1.0 + np.exp(-(odds + felt)))
        return flags

    def later(than: Ints, hours: float) -> Ints:
        times: Ints = than + (rng.exponential(hours, day.size) * (DAY / 24)).astype(np.int64) + 1
        return times

    read = happens(OPENED[template])
    at = later(sent, 14.0)
    opened = np.where(read & tracked, at, NEVER)
    clicked = np.where(read & tracked & happens(CLICKED[template]), later(at, 0.5), NEVER)
    replied = np.where(read & happens(REPLIED[template]), later(at, 9.0), NEVER)
    return opened, clicked, replied
