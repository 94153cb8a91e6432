"""Messages: what customers write, and what is sent to them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from churnml.history.tables import SENTIMENTS
from churnml.simulate.clock import DAY, FAR, NEVER
from churnml.simulate.outreach import TEMPLATES, TEXTS, Outreach, reach_out
from churnml.simulate.rows import Coded, Rows, Values, in_order, joined
from churnml.simulate.scene import Scene
from churnml.simulate.tone import labels, tones
from churnml.simulate.voice import Voice
from churnml.simulate.world import Flags, Floats, Ints

CHANNELS = ("email", "phone", "video", "in_person", "ticket", "forum", "chat")
CHANNEL_SHARES = (0.60, 0.11, 0.06, 0.01, 0.05, 0.06, 0.11)
DIRECTIONS = ("inbound", "outbound")
SPOKEN = (1, 2, 3)  # phone, video, in person: noted by hand, later and not always
# Topic of an inbound message and its weight for a contented customer on an ordinary day.
TOPICS = (
    ("product", 0.36), ("reliability", 0.07), ("timeline", 0.13), ("pricing", 0.12),
    ("support", 0.14), ("competitive", 0.04), ("praise", 0.12), ("ask_cancel", 0.012),
    ("cancel", 0.0),
)  # fmt: skip
RELIABILITY, PRICING, COMPETITIVE, PRAISE, ASK, CANCEL = 1, 3, 5, 6, 7, 8


@dataclass(frozen=True)
class Inbound:
    """Messages from customers, one entry each."""

    account: Ints
    sent: Ints
    contact: Ints
    topic: Ints
    tone: Ints


def message_rows(scene: Scene, voice: Voice, rng: np.random.Generator) -> Rows:
    """Write the messages from and to a batch of accounts.

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
        Of ``messages``.
    """
    received, sent = _inbound(scene, rng), reach_out(scene, rng)
    people = scene.people.ids(scene.cohort.ids)
    heard, told = _received_columns(received, people, voice, rng), _sent_columns(sent, people)
    account = np.concatenate([received.account, sent.account])
    columns = {name: joined(heard[name], told[name]) for name in heard}
    when = np.r_[received.sent, sent.sent]
    return in_order(Rows(account, columns), when, "message_id", scene.cohort.ids, "M")


def _received_columns(
    received: Inbound, people: list[str], voice: Voice, rng: np.random.Generator
) -> dict[str, Values]:
    count = received.account.size
    channel = rng.choice(len(CHANNELS), size=count, p=CHANNEL_SHARES)
    spoken = np.isin(channel, SPOKEN)
    unwritten = (spoken & (rng.random(count) < 0.5)).tolist()
    texts = voice.write([TOPICS[topic][0] for topic in received.topic], received.tone)
    nothing, never = np.full(count, -1), np.full(count, NEVER)
    return {
        "sent_at": received.sent,
        "recorded_at": received.sent + _delays(spoken, rng),
        "contact_id": Coded(received.contact, people),
        "direction": Coded(np.zeros(count, np.int64), DIRECTIONS),
        "channel": Coded(channel, CHANNELS),
        "template": Coded(nothing, TEMPLATES),
        "wave": Coded(nothing, ()),
        "text": [None if mute else text for text, mute in zip(texts, unwritten, strict=True)],
        "sentiment": labels(received.tone, np.where(spoken, 0.55, 0.20), rng),
        "opened_at": never,
        "clicked_at": never,
        "replied_at": never,
    }


def _sent_columns(sent: Outreach, people: list[str]) -> dict[str, Values]:
    count = sent.account.size
    return {
        "sent_at": sent.sent,
        "recorded_at": sent.sent,
        "contact_id": Coded(sent.contact, people),
        "direction": Coded(np.ones(count, np.int64), DIRECTIONS),
        "channel": Coded(np.zeros(count, np.int64), CHANNELS),
        "template": Coded(sent.template, TEMPLATES),
        "wave": Coded(sent.wave, sent.waves),
        "text": [TEXTS[template] for template in sent.template.tolist()],
        "sentiment": Coded(np.full(count, -1), SENTIMENTS),
        "opened_at": sent.opened,
        "clicked_at": sent.clicked,
        "replied_at": sent.replied,
    }


def _delays(spoken: Flags, rng: np.random.Generator) -> Ints:
    hours = np.where(spoken, rng.exponential(30.0, spoken.size), rng.exponential(16.0, spoken.size))
    late = spoken | (rng.random(spoken.size) < 0.04)
    delays: Ints = np.where(late, hours * (DAY / 24), 0.0).astype(np.int64)
    return delays


def _inbound(scene: Scene, rng: np.random.Generator) -> Inbound:
    cohort, mood = scene.cohort, scene.mood
    chatty = np.exp(rng.normal(0.0, 0.6, cohort.size))
    rate = scene.world.by_tier("inbound")[cohort.tier] * chatty
    anger = 1.0 + 0.2 * np.maximum(-mood.satisfaction, 0.0)
    shaken = 1.0 + 2.0 * (mood.shocks["incident"] | mood.shocks["outage"])
    account, day = scene.happenings(rate[:, None] * anger * shaken, rng)
    felt = scene.feeling(account, day)
    topic, tone = _topics(scene, account, day, felt, rng), tones(felt, rng)
    contact = scene.people.someone(account, day, np.full(day.size, 0.5), rng)
    contact = np.where(rng.random(day.size) < 0.08, -1, contact)
    return _with_notices(
        scene, Inbound(account, scene.instants(account, day, rng), contact, topic, tone), rng
    )


def _topics(scene: Scene, account: Ints, day: Ints, felt: Floats, rng: np.random.Generator) -> Ints:
    week, shocks = scene.clock.week(day), scene.mood.shocks
    weight = np.tile(np.array([weight for _, weight in TOPICS]), (day.size, 1))
    for name, raised, weeks, factor in (
        ("incident", RELIABILITY, 2, 10.0),
        ("outage", RELIABILITY, 1, 12.0),
        ("competitor", COMPETITIVE, 12, 5.0),
    ):
        upto = np.cumsum(shocks[name], axis=1)
        recent = upto[account, week] > upto[account, np.maximum(week - weeks, 0)]
        weight[:, raised] *= np.where(recent, factor, 1.0)
    ends = scene.contract.term_end[account, scene.column(account, day)]
    renewing = scene.cohort.annual[account] & (ends - day < 100)
    weight[:, PRICING] *= np.where(renewing, 2.5, 1.0)
    weight[:, PRAISE] *= np.exp(0.7 * felt)
    weight[:, ASK] *= np.exp(np.minimum(-0.8 * felt, 2.5))
    upto = np.cumsum(weight, axis=1)
    picked = rng.random(day.size) * upto[:, -1]
    topic: Ints = (picked[:, None] >= upto[:, :-1]).sum(axis=1)
    return topic


def _with_notices(scene: Scene, inbound: Inbound, rng: np.random.Generator) -> Inbound:
    """Add the letters of those who give notice; two thirds write one."""
    leaving, cohort = scene.leaving, scene.cohort
    heard = leaving.early | ~scene.contract.silent
    writes = (leaving.gone < FAR) & ~leaving.involuntary & heard
    writes &= rng.random(cohort.size) < 0.65
    account = np.flatnonzero(writes)
    felt = scene.feeling(account, leaving.decided[account])
    lag = rng.integers(1, 90, cohort.size)[account] * 60_000_000
    return Inbound(
        np.concatenate([inbound.account, account]),
        np.concatenate([inbound.sent, leaving.notice[account] + lag]),
        np.concatenate([inbound.contact, scene.people.administrator(account)]),
        np.concatenate([inbound.topic, np.full(account.size, CANCEL)]),
        np.concatenate([inbound.tone, tones(felt, rng)]),
    )
