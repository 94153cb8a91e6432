"""The seven indicators: each by hand, as of a date, and with what shows it."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from churnml.actions.indicators import (
    FILE,
    Evidence,
    Indicator,
    Indicators,
    Seen,
    read_indicators,
    see,
)
from churnml.actions.tiers import RiskTier
from churnml.errors import ConfigError
from churnml.history.asof import History
from churnml.history.memory import ARROW_TYPES
from churnml.history.tables import STANDARD

NOW = dt.datetime(2026, 1, 1)
Row = dict[str, Any]


@pytest.fixture(scope="module")
def signs(root: Path) -> Indicators:
    return read_indicators(root / "serving" / FILE)


def ago(days: float) -> dt.datetime:
    return NOW - dt.timedelta(days=days)


def history(**tables: list[Row]) -> History:
    held = {}
    for name, rows in tables.items():
        contract = STANDARD[name]
        own = [{"account_id": "a", **row} for row in rows]
        columns = [c for c in contract.names if any(c in row for row in own)]
        kinds = {c: ARROW_TYPES[contract.column(c).kind] for c in columns}
        held[name] = pa.table({c: pa.array([r.get(c) for r in own], kinds[c]) for c in columns})
    return History.from_tables(held, observed_until=NOW)


def reading(number: int, days: float, **said: Any) -> Row:
    return {
        "text_id": f"messages/m{number}",
        "said_at": ago(days),
        "recorded_at": ago(days),
        "replaced_at": None,
        "origin": "messages",
        **said,
    }


def shown(found: tuple[Seen, ...]) -> list[tuple[str, str, str]]:
    return [(item.account_id, item.indicator.value, item.said) for item in found]


def test_levels_are_those_of_the_shipped_file(signs: Indicators) -> None:
    levels = {name: getattr(signs, name.value).level for name in Indicator}
    assert levels == {
        Indicator.CANCEL_REQUEST: RiskTier.CRITICAL,
        Indicator.CANCEL_QUESTION: RiskTier.CRITICAL,
        Indicator.COMPETITOR: RiskTier.HIGH,
        Indicator.NEGATIVE_TEXTS: RiskTier.HIGH,
        Indicator.MANAGER_CONCERN: RiskTier.HIGH,
        Indicator.USAGE_FALL: RiskTier.MEDIUM,
        Indicator.UNRESPONSIVE: RiskTier.MEDIUM,
    }


def test_later_corrections_count_where_asked_and_later_texts_never(signs: Indicators) -> None:
    first = {**reading(1, 40, cancel_request=True), "replaced_at": ago(10)}
    second = {**reading(1, 40, cancel_request=False), "recorded_at": ago(10)}
    held = history(readings=[first, second, reading(2, 20, cancel_question=True)])

    def seen(days: float, corrected_until: dt.datetime | None = None) -> list[str]:
        found = see(held, signs, ago(days), corrected_until=corrected_until)
        return [item.indicator.value for item in found]

    assert seen(20) == ["cancel_request"]
    assert seen(20, corrected_until=NOW) == []
    assert seen(20, corrected_until=ago(10)) == ["cancel_request"]
    assert seen(20, corrected_until=ago(50)) == ["cancel_request"]
    assert seen(0) == seen(0, corrected_until=NOW) == ["cancel_question"]


def test_texts_show_themselves(signs: Indicators) -> None:
    held = history(
        readings=[
            reading(1, 40, sentiment="negative", evidence='{"sentiment": "It is broken."}'),
            reading(2, 10, sentiment="hostile", evidence='{"sentiment": "Crooks!"}'),
            reading(3, 200, sentiment="hostile"),
            reading(4, 5, cancel_request=True, evidence='{"cancel_request": "cancel it"}'),
            reading(5, 6, cancel_question=True),
            reading(6, 7, competitor="Opsnova", competitor_level="mentioned"),
            reading(7, 3, account_id="b", sentiment="negative"),
        ],
    )
    found = see(held, signs, NOW)
    assert shown(found) == [
        ("a", "cancel_request", "asked to cancel once in 91 days"),
        ("a", "cancel_question", "asked about cancelling once in 91 days"),
        ("a", "competitor", "named a competitor once in 91 days"),
        ("a", "negative_texts", "wrote negative or hostile words 2 times in 91 days"),
    ]
    assert found[0].evidence == (Evidence(ago(5), "messages/m4", "cancel it"),)
    assert found[3].evidence == (
        Evidence(ago(10), "messages/m2", "Crooks!"),
        Evidence(ago(40), "messages/m1", "It is broken."),
    )
    assert found[1].evidence[0].words == ""
    # A text counts when it was known strictly before.
    assert [item.indicator.value for item in see(held, signs, ago(5))] == [
        "cancel_question", "competitor", "negative_texts",
    ]  # fmt: skip
    assert see(held, signs, ago(10)) == ()


def test_a_corrected_text_is_seen_as_it_stood(signs: Indicators) -> None:
    first = reading(1, 20, cancel_request=True) | {"replaced_at": ago(10)}
    second = reading(1, 20, cancel_request=False) | {"recorded_at": ago(10)}
    held = history(readings=[first, second])
    assert len(see(held, signs, ago(10))) == 1
    assert see(held, signs, ago(9)) == ()


@pytest.mark.parametrize("evidence", ["bad words", '["a"]', '"x"', '{"cancel_request": null}', ""])
def test_evidence_that_is_none_shows_nothing(signs: Indicators, evidence: str) -> None:
    held = history(readings=[reading(1, 5, cancel_request=True, evidence=evidence)])
    (seen,) = see(held, signs, NOW)
    assert [item.words for item in seen.evidence] == [""]


def test_concerns_are_noted(signs: Indicators) -> None:
    held = history(
        notes=[
            {"note_id": "n1", "noted_at": ago(3), "concern": True, "text": "Sponsor has left."},
            {"note_id": "n2", "noted_at": ago(2), "concern": False, "text": "All fine."},
            {"note_id": "n3", "noted_at": ago(2), "concern": None, "account_id": "b"},
        ]
    )
    (seen,) = see(held, signs, NOW)
    assert (seen.indicator, seen.level) == (Indicator.MANAGER_CONCERN, RiskTier.HIGH)
    assert seen.said == "worried whoever looks after it once in 91 days"
    assert seen.evidence == (Evidence(ago(3), "notes/n1", "Sponsor has left."),)


@pytest.mark.parametrize(
    ("recent", "said"),
    [
        (4, "used 4 in 28 days, 50% less than the 8 of the 84 days before"),
        (0, "used 0 in 28 days, 100% less than the 8 of the 84 days before"),
        (5, None),
    ],
)
def test_use_is_held_against_the_accounts_own(
    signs: Indicators, recent: int, said: str | None
) -> None:
    before: list[Row] = [
        {"occurred_at": ago(29 + n), "event": "view", "quantity": None} for n in range(23)
    ]
    # Two in one roll-up, at the far edge of the baseline; what lies beyond it does not count.
    before += [{"occurred_at": ago(112), "event": "view", "quantity": 1.0}]
    before += [{"occurred_at": ago(112.001), "event": "view", "quantity": 50.0}]
    now = [{"occurred_at": ago(1 + n), "event": "view", "quantity": 1.0} for n in range(recent)]
    found = see(history(usage=before + now), signs, NOW)
    assert [item.said for item in found] == ([] if said is None else [said])


@pytest.mark.parametrize(("before", "seen"), [(11, 0), (12, 1)])
def test_a_fall_from_next_to_nothing_is_none(signs: Indicators, before: int, seen: int) -> None:
    """Twelve in 84 days are four in 28."""
    used: list[Row] = [
        {"occurred_at": ago(30 + 4 * n), "event": "view", "quantity": 1.0} for n in range(before)
    ]
    assert len(see(history(usage=used), signs, NOW)) == seen


def test_silence_counts_from_the_last_sign_of_life(signs: Indicators) -> None:
    def sent(number: int, days: float, **more: Any) -> Row:
        row = {"message_id": f"m{number}", "sent_at": ago(days), "direction": "outbound"}
        return row | {"replied_at": None, "template": "check_in"} | more

    silent = [sent(1, 60, replied_at=ago(59)), *(sent(n, 50 - n) for n in range(2, 5))]
    held = history(messages=[*silent, sent(9, 2)])
    (seen,) = see(held, signs, NOW)
    assert seen.said == "left 3 messages in a row without an answer"
    assert [item.source for item in seen.evidence] == [f"messages/m{n}" for n in (4, 3, 2)]
    assert seen.evidence[0].words == "check_in"
    wrote = {"message_id": "m8", "sent_at": ago(47), "direction": "inbound"}
    assert see(history(messages=[*silent, wrote]), signs, NOW) == ()
    # Whoever opens a ticket or answers a survey is there.
    opened = {"ticket_id": "t1", "opened_at": ago(20)}
    assert see(history(messages=silent, tickets=[opened]), signs, NOW) == ()
    assert len(see(history(messages=silent, tickets=[opened]), signs, ago(21))) == 1
    answered = {"survey_id": "s1", "sent_at": ago(30), "responded_at": ago(20)}
    assert see(history(messages=silent, surveys=[answered]), signs, NOW) == ()
    # A late answer to an early message is a sign of life, too.
    late = [sent(0, 70, replied_at=ago(1)), *silent]
    assert see(history(messages=late), signs, NOW) == ()
    # The answer to the first was not known yet.
    assert len(see(history(messages=[*silent, sent(0, 70)]), signs, ago(40))) == 1


def test_what_asks_for_no_answer_is_not_missed(signs: Indicators) -> None:
    def sent(number: int, template: str | None) -> Row:
        row = {"message_id": f"m{number}", "sent_at": ago(10 + number), "direction": "outbound"}
        return row | {"replied_at": None, "template": template}

    letters = [sent(number, "newsletter") for number in range(5)]
    assert see(history(messages=letters), signs, NOW) == ()
    asked = [sent(5, "check_in"), sent(6, None), sent(7, "survey")]
    (seen,) = see(history(messages=letters + asked), signs, NOW)
    assert [item.source for item in seen.evidence] == ["messages/m5", "messages/m6", "messages/m7"]
    every = signs.model_copy(
        update={"unresponsive": signs.unresponsive.model_copy(update={"no_answer_wanted": ()})}
    )
    (seen,) = see(history(messages=letters), every, NOW)
    assert seen.said == "left 5 messages in a row without an answer"


def test_only_current_accounts_are_seen(signs: Indicators) -> None:
    def term(account: str, **more: Any) -> Row:
        row = {"subscription_id": account, "account_id": account, "started_at": ago(100)}
        return row | dict.fromkeys(("ends_at", "terminated_at", "cancelled_at")) | more

    held = history(
        readings=[
            reading(n, 5, account_id=account, refund=False, cancel_request=True)
            for n, account in enumerate("abcdef")
        ],
        subscriptions=[
            term("a"),
            term("b", ends_at=NOW),
            term("c", terminated_at=ago(1)),
            term("d", started_at=NOW),
            term("f", cancelled_at=ago(50)),
        ],
    )
    # As for labels: who ends at the very cutoff is there, who begins then is not yet.
    assert [item.account_id for item in see(held, signs, NOW)] == ["a", "b"]
    assert [item.account_id for item in see(held, signs, ago(2))] == ["a", "b", "c"]


def test_a_history_without_the_tables_shows_nothing(signs: Indicators) -> None:
    held = history(invoices=[{"invoice_id": "i1", "issued_at": ago(1), "amount": 1.0}])
    assert see(held, signs, NOW) == ()


def test_a_fault_of_the_file_is_named(root: Path, tmp_path: Path) -> None:
    text = (root / "serving" / FILE).read_text(encoding="utf-8")
    path = tmp_path / FILE
    path.write_text(text.replace('level = "critical"', 'level = "grave"', 1), encoding="utf-8")
    with pytest.raises(ConfigError, match=r"indicators\.toml.*cancel_question\.level"):
        read_indicators(path)
