"""Response levels and clocks, and the weekly mix, by hand and as of a date."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import pytest

from churnml.actions.mix import Band, weekly_mix, wilson
from churnml.actions.responses import FILE, Due, Responses, State, owed, read_responses
from churnml.errors import ConfigError

from .test_indicators import NOW, ago, history, reading

HOUR = 1 / 24


@pytest.fixture(scope="module")
def levels(root: Path) -> Responses:
    return read_responses(root / "serving" / FILE)


def told(found: tuple[Due, ...]) -> list[tuple[str, int, str | None]]:
    return [(item.text_id, item.level, item.state and item.state.value) for item in found]


@pytest.mark.parametrize(
    ("sentiment", "intents", "level"),
    [
        ("positive", (), 1),
        ("neutral", ("renewal_question",), 1),
        (None, (), 1),
        ("concerned", (), 2),
        ("positive", ("refund",), 2),
        ("negative", (), 3),
        ("neutral", ("cancel_question",), 3),
        ("concerned", ("cancel_request",), 3),
        ("hostile", (), 4),
        ("neutral", ("legal_threat", "refund"), 4),
    ],
)
def test_the_gravest_sign_sets_the_level(
    levels: Responses, sentiment: str | None, intents: tuple[str, ...], level: int
) -> None:
    assert levels.level(sentiment, frozenset(intents)) == level


def test_clocks_are_those_of_the_shipped_file(levels: Responses) -> None:
    assert [levels.of(number).hours for number in (1, 2, 3, 4)] == [None, 24, 4, 0]


def test_what_is_owed_comes_gravest_and_earliest_first(levels: Responses) -> None:
    held = history(
        readings=[
            reading(1, 2, sentiment="neutral"),
            reading(2, 5 * HOUR, sentiment="negative", evidence='{"sentiment": "It fails."}'),
            reading(3, 3 * HOUR, sentiment="negative"),
            reading(4, 30 * HOUR, sentiment="concerned"),
            reading(5, HOUR, legal_threat=True, evidence='{"legal_threat": "our lawyers"}'),
            reading(6, 20, sentiment="hostile"),
        ]
    )
    found = owed(held, levels, NOW, days=14)
    assert told(found) == [
        ("messages/m5", 4, "overdue"),
        ("messages/m2", 3, "overdue"),
        ("messages/m3", 3, "open"),
        ("messages/m4", 2, "overdue"),
        ("messages/m1", 1, None),
    ]
    assert (found[0].words, found[1].words, found[2].words) == ("our lawyers", "It fails.", "")
    assert found[1].due_at == ago(HOUR)
    assert (found[0].intents, found[1].intents) == (("legal_threat",), ())


def test_an_answer_stops_the_clock_and_a_mailing_does_not(levels: Responses) -> None:
    def sent(key: str, days: float, **more: Any) -> dict[str, Any]:
        return {"message_id": key, "sent_at": ago(days), "direction": "outbound", **more}

    held = history(
        readings=[
            reading(1, 3, sentiment="negative"),
            reading(2, 3, sentiment="negative", account_id="b"),
            reading(3, 3, sentiment="negative", account_id="c"),
            reading(4, 3, sentiment="negative", account_id="d"),
        ],
        messages=[
            sent("x", 4),
            sent("y", 3 - 4 * HOUR),
            sent("z", 3 - 5 * HOUR, account_id="b"),
            sent("w", 3 - HOUR, account_id="c", wave="spring"),
            {**sent("v", 3 - HOUR, account_id="d"), "direction": "inbound"},
        ],
    )
    states = {item.account_id: item.state for item in owed(held, levels, NOW, days=14)}
    assert states == {
        "a": State.IN_TIME,
        "b": State.LATE,
        "c": State.OVERDUE,
        "d": State.OVERDUE,
    }


def test_support_answers_its_own_tickets(levels: Responses) -> None:
    held = history(
        readings=[
            {**reading(1, 3, sentiment="negative"), "text_id": f"tickets/t{n}", "origin": "tickets"}
            for n in (1, 2)
        ],
        tickets=[
            {"ticket_id": "t1", "opened_at": ago(3), "responded_at": ago(3 - HOUR)},
            {"ticket_id": "t2", "opened_at": ago(3), "responded_at": None},
        ],
    )
    assert told(owed(held, levels, NOW, days=14)) == [
        ("tickets/t1", 3, "answered in time"),
        ("tickets/t2", 3, "overdue"),
    ]


def test_at_an_earlier_date_a_later_answer_and_a_later_text_are_unknown(levels: Responses) -> None:
    held = history(
        readings=[reading(1, 3, sentiment="negative"), reading(2, 1, sentiment="hostile")],
        messages=[{"message_id": "x", "sent_at": ago(2.9), "direction": "outbound"}],
    )
    then = ago(3 - HOUR)
    assert told(owed(held, levels, then, days=14)) == [("messages/m1", 3, "open")]
    assert told(owed(held, levels, NOW, days=14))[1] == ("messages/m1", 3, "answered in time")


def test_a_history_without_words_owes_nothing(levels: Responses) -> None:
    held = history(usage=[{"occurred_at": ago(1), "event": "view"}])
    assert owed(held, levels, NOW, days=14) == ()
    (week,) = weekly_mix(held, levels.mix, NOW, weeks=1)
    assert (week.texts, week.band) == (0, None)


def test_an_unknown_tone_is_refused(tmp_path: Path, root: Path) -> None:
    text = (root / "serving" / FILE).read_text(encoding="utf-8")
    (tmp_path / FILE).write_text(text.replace('["hostile"]', '["hostil"]'), encoding="utf-8")
    with pytest.raises(ConfigError, match=r"level_4.*hostil.*hostile"):
        read_responses(tmp_path / FILE)
    (tmp_path / FILE).write_text(text.replace("0.05", "0.5"), encoding="utf-8")
    with pytest.raises(ConfigError, match="red_above lies below yellow_from"):
        read_responses(tmp_path / FILE)


def test_weeks_are_counted_from_monday(levels: Responses) -> None:
    """NOW is Thursday, 1 January 2026, midnight: its week began on 29 December."""
    held = history(
        readings=[
            reading(1, 2.5, sentiment="hostile"),
            reading(2, 3, sentiment="positive"),  # Monday, midnight
            reading(3, 3.001, sentiment="neutral"),  # Sunday
            reading(4, 40, sentiment="negative"),
            reading(5, 1, sentiment=None),
        ]
    )
    found = weekly_mix(held, levels.mix, NOW, weeks=2)
    assert [(str(week.begins), week.whole, week.texts) for week in found] == [
        ("2025-12-22", True, 1),
        ("2025-12-29", False, 2),
    ]
    assert dict(found[1].counts) == {
        "positive": 1, "neutral": 0, "concerned": 0, "negative": 0, "hostile": 1,
    }  # fmt: skip
    assert (found[0].band, found[1].band, found[1].negative) == (Band.GREEN, Band.RED, 0.5)


@pytest.mark.parametrize(
    ("bad", "band"), [(0, "green"), (4, "green"), (5, "yellow"), (10, "yellow"), (11, "red")]
)
def test_bands_are_green_below_five_and_red_above_ten_in_a_hundred(
    levels: Responses, bad: int, band: str
) -> None:
    tones = ["negative"] * bad + ["neutral"] * (100 - bad)
    held = history(readings=[reading(n, 1, sentiment=tone) for n, tone in enumerate(tones)])
    (week,) = weekly_mix(held, levels.mix, NOW, weeks=1)
    assert week.band is not None
    assert week.band.value == band
    low, high = week.interval
    assert low < bad / 100 < high or bad == 0


def test_the_interval_of_a_share() -> None:
    """Two of ten: Wilson's interval, as Newcombe (1998) gives such: 5.7 % to 51.0 %."""
    assert wilson(2, 10) == pytest.approx((0.0567, 0.5098), abs=5e-5)
    assert wilson(0, 10)[0] == 0
    assert wilson(10, 10)[1] == pytest.approx(1)


def test_a_monday_midnight_belongs_to_the_week_before(levels: Responses) -> None:
    held = history(readings=[reading(1, 4, sentiment="neutral")])
    (week,) = weekly_mix(held, levels.mix, dt.datetime(2025, 12, 29), weeks=1)
    assert (str(week.begins), week.whole, week.texts) == ("2025-12-22", True, 1)
