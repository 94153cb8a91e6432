"""Surveys: the quarterly recommendation question, and the rating asked for after a ticket."""

from __future__ import annotations

import numpy as np

from churnml.history.tables import SENTIMENTS
from churnml.simulate.clock import DAY, NEVER
from churnml.simulate.rows import Coded, Rows, in_order
from churnml.simulate.scene import Scene
from churnml.simulate.tone import labels
from churnml.simulate.voice import Voice
from churnml.simulate.world import Flags, Floats, Ints

CHANNELS = ("email", "in_app")
KINDS = ("nps", "csat")
TOPICS = ("product", "support", "praise", "pricing", "reliability")
TICKET_FOLLOWED_UP = 0.35  # share of resolved tickets after which the vendor's survey is sent
SCORE_EDGES = np.array([8.5, 6.5, 4.5, 1.5])  # below each, a comment is a tone worse


def survey_rows(scene: Scene, tickets: Rows, voice: Voice, rng: np.random.Generator) -> Rows:
    """Write the surveys sent to a batch of accounts.

    Parameters
    ----------
    scene : Scene
        The accounts.
    tickets : Rows
        Their tickets; some are followed by a survey, which holds the same rating.
    voice : Voice
        Who writes the comments.
    rng : Generator
        Source of randomness.

    Returns
    -------
    Rows
        Of ``surveys``.
    """
    account, sent, contact, responded, score = _recommendations(scene, rng)
    csat_account, csat_sent, csat_contact, csat_responded, csat = _follow_ups(tickets, rng)
    kind = np.repeat([0, 1], [account.size, csat_account.size])
    account, sent = np.concatenate([account, csat_account]), np.concatenate([sent, csat_sent])
    responded = np.concatenate([responded, csat_responded])
    score = np.concatenate([score, csat])
    tone, comments = _comments(np.where(kind == 0, score, 2.4 * score - 2.2), voice, rng)
    channel = rng.choice(2, size=kind.size, p=(0.7, 0.3))
    # The survey tool is read once a night.
    recorded = (sent // DAY + 1) * DAY + 2 * DAY // 24
    rows = Rows(
        account,
        {
            "sent_at": sent,
            "recorded_at": recorded,
            "contact_id": Coded(
                np.concatenate([contact, csat_contact]), scene.people.ids(scene.cohort.ids)
            ),
            "kind": Coded(kind, KINDS),
            "channel": Coded(np.where(rng.random(kind.size) < 0.04, -1, channel), CHANNELS),
            "responded_at": responded,
            "score": score,
            "comment": comments,
            "sentiment": labels(tone, np.full(kind.size, 0.3), rng),
        },
    )
    return in_order(rows, sent, "survey_id", scene.cohort.ids, "N")


def _recommendations(
    scene: Scene, rng: np.random.Generator
) -> tuple[Ints, Ints, Ints, Ints, Floats]:
    clock, cohort = scene.clock, scene.cohort
    quarters = (clock.end - clock.start) // 91 + 1
    asked = np.array([1, 1, 2, 2, 3])[cohort.tier]  # people, a quarter
    phase = rng.integers(0, 91, cohort.size)
    wave = np.repeat(np.arange(cohort.size * quarters), np.repeat(asked, quarters))
    account, quarter = wave // quarters, wave % quarters
    day = clock.start + 91 * quarter + phase[account]
    reached = rng.random(day.size) < np.where(cohort.tier == 0, 0.5, 0.85)[account]
    kept = scene.served(account, day) & reached & (day - cohort.joined[account] > 30)
    account, day = account[kept], day[kept]
    contact = scene.people.someone(account, day, np.full(day.size, 1.0), rng)
    kept = ~scene.people.refuses(contact, day)
    account, day, contact = account[kept], day[kept], contact[kept]
    felt = scene.feeling(account, day)
    sent = scene.instants(account, day, rng)
    kind = rng.normal(0.0, 0.6, cohort.size)[account]  # some always tick a high number
    score = np.clip(np.round(7.6 + 1.5 * felt + kind + rng.normal(0.0, 1.5, day.size)), 0, 10)
    answers: Flags = rng.random(day.size) < 1.0 / (1.0 + np.exp(0.8 - 0.35 * felt))
    lag = (rng.exponential(1.8 * DAY, day.size)).astype(np.int64) + 60_000_000
    responded = np.where(answers, sent + lag, NEVER)
    return account, sent, contact, responded, np.where(answers, score, np.nan)


def _follow_ups(tickets: Rows, rng: np.random.Generator) -> tuple[Ints, Ints, Ints, Ints, Floats]:
    resolved = tickets.array("resolved_at").astype(np.int64)
    rated = tickets.array("csat_at").astype(np.int64)
    chosen = (resolved != NEVER) & (rng.random(resolved.size) < TICKET_FOLLOWED_UP)
    sent = np.where(rated == NEVER, resolved + 60_000_000, np.minimum(resolved + 60_000_000, rated))
    return (
        tickets.account[chosen],
        sent[chosen],
        tickets.coded("contact_id").codes[chosen],
        rated[chosen],
        tickets.array("csat")[chosen].astype(np.float64),
    )


def _comments(ten: Floats, voice: Voice, rng: np.random.Generator) -> tuple[Ints, list[str | None]]:
    """Tone and words beside the scores, given on a scale of ten; about half say nothing."""
    score = np.nan_to_num(ten) + rng.normal(0.0, 0.8, ten.size)
    tone = (score[:, None] < SCORE_EDGES).sum(axis=1)
    speaks = ~np.isnan(ten) & (rng.random(ten.size) < 0.45)
    topic = rng.integers(0, len(TOPICS), ten.size)
    where = np.flatnonzero(speaks)
    texts = iter(voice.write([TOPICS[t] for t in topic[where]], tone[where]))
    comments = [next(texts) if said else None for said in speaks.tolist()]
    return np.where(speaks, np.minimum(tone, len(SENTIMENTS) - 1), -1), comments
