"""Requests for support, from the opening to the rating."""

from __future__ import annotations

import numpy as np

from churnml.history.tables import PRIORITIES
from churnml.simulate.clock import DAY, FAR, NEVER
from churnml.simulate.rows import Coded, Rows, Values, in_order
from churnml.simulate.scene import Scene
from churnml.simulate.tone import tones
from churnml.simulate.voice import Voice
from churnml.simulate.world import Flags, Floats, Ints

# Category, its share, and the topic of the text.
CATEGORIES = (
    ("how_to", 0.28, "product"),
    ("bug", 0.24, "product"),
    ("performance", 0.10, "reliability"),
    ("billing", 0.10, "pricing"),
    ("integration", 0.13, "product"),
    ("access", 0.10, "support"),
    ("feature_request", 0.05, "timeline"),
    ("offboarding", 0.0, "offboarding"),
)
PERFORMANCE, OFFBOARDING = 2, 7
HOUR = DAY / 24
# Median hours to the first answer and from there to the solution, by priority; and by tier.
ANSWER = np.array([9.0, 4.5, 1.6, 0.5])
SOLUTION = np.array([46.0, 26.0, 13.0, 6.0])
PACE = np.array([1.6, 1.3, 1.0, 0.7, 0.5])


def ticket_rows(scene: Scene, voice: Voice, rng: np.random.Generator) -> Rows:
    """Write the tickets of a batch of accounts.

    Parameters
    ----------
    scene : Scene
        The accounts.
    voice : Voice
        Who writes their texts.
    rng : Generator
        Source of randomness.

    Returns
    -------
    Rows
        Of ``tickets``.
    """
    account, day, category = _openings(scene, rng)
    felt, opened = scene.feeling(account, day), scene.instants(account, day, rng)
    priority = _priorities(scene, account, day, rng)
    late = rng.random(day.size) < 0.08
    delay = np.where(late, rng.exponential(40.0, day.size) * HOUR, 0.0).astype(np.int64)
    texts = voice.write([CATEGORIES[c][2] for c in category], tones(felt - 0.3, rng))
    mute = (rng.random(day.size) < 0.05).tolist()
    contact = scene.people.someone(account, day, np.full(day.size, 0.7), rng)
    rows = Rows(
        account,
        {
            "opened_at": opened,
            "recorded_at": opened + delay,
            "contact_id": Coded(_gaps(contact, 0.06, rng), scene.people.ids(scene.cohort.ids)),
            "priority": Coded(_gaps(priority, 0.03, rng), PRIORITIES),
            "category": Coded(_gaps(category, 0.06, rng), [name for name, _, _ in CATEGORIES]),
            "text": [None if gone else text for text, gone in zip(texts, mute, strict=True)],
            **_course(PACE[scene.cohort.tier[account]], opened, priority, felt, rng),
        },
    )
    return in_order(rows, opened, "ticket_id", scene.cohort.ids, "T")


def _course(
    pace: Floats, opened: Ints, priority: Ints, felt: Floats, rng: np.random.Generator
) -> dict[str, Values]:
    """What becomes of each ticket: the columns from the first answer to the rating."""
    pace = pace * np.exp(-0.08 * felt)
    responded = _later(opened, ANSWER[priority] * pace, 0.9, rng)
    direct = rng.random(felt.size) < np.array([0.45, 0.38, 0.25, 0.15])[priority]
    worked = _later(responded, SOLUTION[priority] * pace, 1.0, rng)
    resolved = np.where(rng.random(felt.size) < 0.03, NEVER, np.where(direct, responded, worked))
    hours = np.where(resolved == NEVER, np.nan, (resolved - opened) / HOUR)
    rated, csat = _ratings(felt, resolved, hours, rng)
    worried = np.maximum(-felt, 0.0)
    again = (rng.random(felt.size) < 0.05 + 0.03 * worried) & (resolved != NEVER)
    escalates = rng.random(felt.size) < 0.02 + 0.03 * worried + 0.05 * (priority >= 2)
    return {
        "responded_at": responded,
        "resolved_at": resolved,
        "reopened_at": np.where(again, _later(resolved, 40.0, 0.8, rng), NEVER),
        "escalated_at": np.where(escalates, _later(opened, 20.0, 0.8, rng), NEVER),
        "first_contact": direct & (resolved != NEVER),
        "csat_at": rated,
        "csat": csat,
    }


def _openings(scene: Scene, rng: np.random.Generator) -> tuple[Ints, Ints, Ints]:
    cohort, mood, clock = scene.cohort, scene.mood, scene.clock
    needy = np.exp(rng.normal(0.0, 0.5, cohort.size))
    rate = (scene.world.by_tier("tickets")[cohort.tier] * needy)[:, None]
    weeks = clock.start + 7 * np.arange(clock.weeks)
    young = (weeks - cohort.joined[:, None]) < 60
    broken = mood.shocks["incident"] | mood.shocks["outage"]
    anger = 1.0 + 0.4 * np.maximum(-mood.satisfaction, 0.0)
    account, day = scene.happenings(rate * anger * (1.0 + 1.2 * young) + 0.5 * broken, rng)
    share = np.array([share for _, share, _ in CATEGORIES])
    category = rng.choice(share.size, size=day.size, p=share)
    slow = broken[account, clock.week(day)] & (rng.random(day.size) < 0.7)
    last, last_day = _farewells(scene, rng)
    return (
        np.concatenate([account, last]),
        np.concatenate([day, last_day]),
        np.concatenate([np.where(slow, PERFORMANCE, category), np.full(last.size, OFFBOARDING)]),
    )


def _farewells(scene: Scene, rng: np.random.Generator) -> tuple[Ints, Ints]:
    """Who leaves asks for the data, before or after the end: what leaks in life leaks here."""
    leaving = scene.leaving
    asks = (leaving.gone < FAR) & ~leaving.involuntary & (rng.random(scene.cohort.size) < 0.35)
    account = np.flatnonzero(asks)
    span = leaving.gone[account] - leaving.decided[account] + 8
    day = leaving.decided[account] + 1 + (rng.random(scene.cohort.size)[account] * span).astype(int)
    return account, day


def _priorities(scene: Scene, account: Ints, day: Ints, rng: np.random.Generator) -> Ints:
    week, shocks = scene.clock.week(day), scene.mood.shocks
    broken = (shocks["incident"] | shocks["outage"])[account, week]
    push = 0.8 * broken + 0.1 * np.maximum(-scene.feeling(account, day), 0.0)
    urgency = rng.normal(size=day.size) + push
    priority: Ints = (urgency[:, None] >= np.array([-0.55, 0.75, 1.75])).sum(axis=1)
    return priority


def _later(than: Ints, hours: Floats | float, spread: float, rng: np.random.Generator) -> Ints:
    """A log-normal time later; never where there is nothing to be later than."""
    wait = np.maximum(hours * np.exp(rng.normal(0.0, spread, than.size)), 0.02)
    return np.where(than == NEVER, NEVER, than + (wait * HOUR).astype(np.int64))


def _ratings(
    felt: Floats, resolved: Ints, hours: Floats, rng: np.random.Generator
) -> tuple[Ints, Floats]:
    """Who rates and how; the delighted and the angry answer more often than the rest."""
    slow = np.log1p(np.nan_to_num(hours) / 24.0)
    score = np.clip(
        np.round(4.2 + 0.6 * felt - 0.25 * slow + rng.normal(0.0, 0.9, felt.size)), 1, 5
    )
    answers = rng.random(felt.size) < np.where(np.abs(score - 3.4) > 1.5, 0.36, 0.20)
    rates: Flags = answers & (resolved != NEVER)
    when = _later(resolved, 12.0, 1.2, rng)
    return np.where(rates, when, NEVER), np.where(rates, score, np.nan)


def _gaps(codes: Ints, share: float, rng: np.random.Generator) -> Ints:
    """Lose a share of the values, whatever they are."""
    return np.where(rng.random(codes.size) < share, -1, codes)
