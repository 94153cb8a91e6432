from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from churnml.actions.tiers import RiskTier, RiskTiers
from churnml.errors import DataError
from churnml.explain.counterfactual import MOST_FAMILIES, Counterfactual, lower_risk
from churnml.explain.reference import Reference
from churnml.features.catalogue import Catalogue

NAMES = (
    "active_days_7d", "active_days_28d", "active_days_prev_28d", "tickets_91d",
    "urgent_tickets_91d", "csat_last", "plan",
)  # fmt: skip
CHANGE = "active_days_change_28d"
Row = tuple[float, float, float, float, float, float | None, str]
OWN: Row = (1, 4, 10, 3, 2, 2, "team")
SEEN: list[Row] = [
    OWN,
    (2, 6, 20, 3, 2, 2, "team"),
    (1, 4, 9, 3, 1, 2, "team"),
    (5, 20, 19, 3, 0, 5, "basic"),
    (0, 0, 0, 9, 9, 1, "basic"),
    (6, 25, 3, 5, 0, 4, "team"),
]
TIERS = RiskTiers(medium=0.2, high=0.5, critical=0.8)
Score = Callable[[pa.Table], np.ndarray]


def table(rows: list[Row]) -> pa.Table:
    columns = dict(zip(NAMES, map(list, zip(*rows, strict=True)), strict=True))
    columns[CHANGE] = [row[1] - row[2] for row in rows]
    types = {name: pa.string() if name == "plan" else pa.float64() for name in columns}
    return pa.table({name: pa.array(column, types[name]) for name, column in columns.items()})


def asked(catalogue: Catalogue, score: Score, own: Row = OWN) -> Counterfactual:
    seen = table(SEEN)
    return lower_risk(table([own]), Reference.of(seen, seen.column_names, catalogue), score, TIERS)


def of(frame: pa.Table, name: str) -> np.ndarray:
    return np.asarray(frame[name].to_numpy(), np.float64)


def linear(frame: pa.Table) -> np.ndarray:
    points = 70 + 10 * of(frame, "urgent_tickets_91d") - 2 * of(frame, "active_days_28d")
    return np.asarray(points / 100)


def both(frame: pa.Table) -> np.ndarray:
    """Score low only for those who use the product and have nothing urgent."""
    active = of(frame, "active_days_28d") >= 20
    calm = of(frame, "urgent_tickets_91d") == 0
    return np.select([active & calm, calm, active], [0.1, 0.85, 0.9], 0.95)


def test_the_smallest_change_that_leads_a_tier_down(acting: Catalogue) -> None:
    found = asked(acting, linear)
    assert (found.probability, found.tier) == (0.82, RiskTier.CRITICAL)
    lowered = found.lowered
    assert lowered is not None
    assert (lowered.probability, lowered.tier) == (0.72, RiskTier.HIGH)
    assert lowered.cost == 0.25  # of six accounts one has 2 as well, one has 1
    (change,) = lowered.changes
    (move,) = change.moves
    assert (change.family, change.title) == ("support", "Support")
    assert (move.feature, move.before, move.after) == ("urgent_tickets_91d", 2, 1)
    assert found.sentence == (
        "The model gives this account 82.0% (critical). To one like it in all else it gives 72.0% "
        "(high) with Support: urgent tickets in 91 days: 1 (now: urgent tickets in 91 days: 2). "
        "That is what goes with a lower score, not what would come of it."
    )


def test_windows_move_together_and_their_change_is_computed_anew(acting: Catalogue) -> None:
    found = asked(acting, lambda frame: (90 - 2 * of(frame, "active_days_28d")) / 100)
    assert found.lowered is not None
    (change,) = found.lowered.changes
    assert {move.feature: (move.before, move.after) for move in change.moves} == {
        "active_days_7d": (1, 2),
        "active_days_28d": (4, 6),
        CHANGE: (-6, -4),  # 6 after this account's own 10, not after the 20 of the other
    }


def test_two_families_move_where_one_does_not_suffice(acting: Catalogue) -> None:
    found = asked(acting, both)
    assert found.lowered is not None
    assert (found.lowered.probability, found.lowered.tier) == (0.1, RiskTier.LOW)
    assert [change.family for change in found.lowered.changes] == ["usage", "support"]
    costs = [move.cost for change in found.lowered.changes for move in change.moves]
    assert found.lowered.cost == pytest.approx(sum(costs))


def test_three_families_move_and_text_is_one_of_them(acting_on_plans: Catalogue) -> None:
    def all_three(frame: pa.Table) -> np.ndarray:
        basic = np.asarray(frame["plan"].to_pylist()) == "basic"
        active = of(frame, "active_days_28d") >= 20
        calm = of(frame, "urgent_tickets_91d") == 0
        return np.asarray(np.array([0.95, 0.9, 0.85, 0.4])[basic * 1 + active * 1 + calm * 1])

    found = asked(acting_on_plans, all_three)
    assert found.lowered is not None
    assert (found.lowered.probability, found.lowered.tier) == (0.4, RiskTier.MEDIUM)
    assert [change.family for change in found.lowered.changes] == ["usage", "support", "plan"]
    (move,) = found.lowered.changes[2].moves
    assert (move.before, move.after, move.cost) == ("team", "basic", 1)
    assert (move.now, move.then) == ("is on the plan team", "is on the plan basic")


def test_it_is_said_when_nothing_leads_there(acting: Catalogue) -> None:
    found = asked(acting, lambda frame: np.full(frame.num_rows, 0.9))
    assert found.lowered is None
    assert found.sentence == (
        "The model gives this account 90.0% (critical). Nothing that somebody can act on in up to "
        "3 families, as accounts like this one showed it, goes with a lower tier."
    )


def test_what_is_said_of_other_numbers_of_tickets_is_not_taken_over(acting: Catalogue) -> None:
    def by_rating(frame: pa.Table) -> np.ndarray:
        return np.where(of(frame, "csat_last") == 4, 0.1, 0.9)  # only of five tickets

    assert asked(acting, by_rating).lowered is None
    assert asked(acting, by_rating, (1, 4, 10, 5, 2, 2, "team")).lowered is not None


def test_no_tier_lies_below_low(acting: Catalogue) -> None:
    found = asked(acting, lambda frame: np.full(frame.num_rows, 0.1))
    assert (found.tier, found.lowered) == (RiskTier.LOW, None)
    assert found.sentence == "The model gives this account 10.0% (low): no tier is lower."


def test_one_account_is_asked_about(acting: Catalogue) -> None:
    seen = table(SEEN)
    reference = Reference.of(seen, seen.column_names, acting)
    with pytest.raises(DataError, match=r"6 rows; expected the one account that is asked about\."):
        lower_risk(seen, reference, linear, TIERS)


def test_a_change_is_told_though_nobody_lies_between(acting: Catalogue) -> None:
    seen = table([(0, 0, 3, 0, 0, None, "team"), (0, 1, 0, 0, 0, None, "team")])
    found = lower_risk(
        table([(0, 0, 2, 0, 0, None, "team")]),
        Reference.of(seen, seen.column_names, acting),
        lambda frame: np.where(of(frame, "active_days_28d") == 1, 0.1, 0.9),
        TIERS,
    )
    assert found.lowered is not None
    (change,) = found.lowered.changes
    assert [(move.feature, move.before, move.after, move.cost) for move in change.moves] == [
        ("active_days_28d", 0, 1, 0.5),
        (CHANGE, -2, -1, 0),
    ]


@st.composite
def accounts(draw: st.DrawFn) -> Row:
    days, before = draw(st.integers(0, 28)), draw(st.integers(0, 28))
    tickets = draw(st.integers(0, 3))
    return (
        draw(st.integers(0, min(7, days))),
        days,
        before,
        tickets,
        draw(st.integers(0, tickets)),
        draw(st.none() | st.integers(1, 5)) if tickets else None,
        draw(st.sampled_from(["basic", "team"])),
    )


@settings(max_examples=150)
@given(st.lists(accounts(), min_size=1, max_size=40), accounts(), st.integers(0, 2**32 - 1))
def test_only_what_may_change_changes_to_what_was_seen(
    acting: Catalogue, seen: list[Row], own: Row, seed: int
) -> None:
    weights = np.abs(np.random.default_rng(seed).normal(size=6)) * [-0.2, -0.1, 0.2, 0.5, 0.5, -0.5]

    def score(frame: pa.Table) -> np.ndarray:
        matrix = np.nan_to_num(np.column_stack([of(frame, name) for name in NAMES[:6]]))
        return np.asarray(1 / (1 + np.exp(-matrix @ weights)))

    rows = table(seen)
    reference = Reference.of(rows, rows.column_names, acting)
    found = lower_risk(table([own]), reference, score, TIERS)
    assert found == lower_risk(table([own]), reference, score, TIERS)
    if found.lowered is None:
        return
    lowered = found.lowered
    order = list(RiskTier)
    assert order.index(lowered.tier) < order.index(found.tier)
    assert 1 <= len(lowered.changes) <= MOST_FAMILIES

    before: dict[str, Any] = table([own]).to_pylist()[0]
    moved = {move.feature: move.after for change in lowered.changes for move in change.moves}
    after = before | moved
    for name in moved:
        feature, known = acting.get(name), [x for x in rows[name].to_pylist() if x is not None]
        assert feature.entry.actionable
        assert after[name] != before[name]
        assert (after[name] > before[name]) == (feature.entry.risk == "low")
        low, high = feature.bounds
        assert max(min(known), min(known) if low is None else low) <= after[name]
        assert min(max(known), max(known) if high is None else high) >= after[name]
        assert after[name] == round(after[name])
    assert after["active_days_7d"] <= after["active_days_28d"]
    assert after[CHANGE] == after["active_days_28d"] - after["active_days_prev_28d"]
    assert after["urgent_tickets_91d"] <= after["tickets_91d"]
    together = {
        "usage": ("active_days_7d", "active_days_28d"),
        "support": ("tickets_91d", "urgent_tickets_91d", "csat_last"),
    }
    for change in lowered.changes:
        names = together[change.family]
        assert [after[name] for name in names] in [
            [row[name] for name in names] for row in rows.to_pylist()
        ]
    (probability,) = score(pa.Table.from_pylist([after], table([own]).schema))
    assert probability == pytest.approx(lowered.probability)
