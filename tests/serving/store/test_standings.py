from __future__ import annotations

import datetime as dt
from itertools import chain
from typing import Any

import pytest
import sqlalchemy as sa

from churnml.errors import StoreError
from churnml.serving.store.database import Database
from churnml.serving.store.schema import STANDINGS
from churnml.serving.store.scores import ScoreRecord
from churnml.serving.store.standings import After, SortBy, Sought, Standing
from churnml.serving.store.store import Store

AT = dt.datetime(2026, 3, 1, 12, 0, 0, 250_001)
CUTOFF = dt.datetime(2026, 3, 1)
SECOND = dt.timedelta(seconds=1)


def record(
    account: str,
    probability: float = 0.25,
    arr: float | None = 1000.0,
    at: dt.datetime = AT,
    **more: Any,
) -> ScoreRecord:
    told = {
        "probability": probability,
        "interval": {"low": probability / 2, "high": 0.9, "level": 0.8},
        "risk_tier": "critical" if probability >= 0.5 else "low",
        "account_tier": None if arr is None else "vip" if arr > 1e5 else "professional",
        "arr": arr,
        "arr_at_risk": None if arr is None else arr * probability,
    }
    return ScoreRecord(account, "churn_90d", "b1", CUTOFF, at, told | more)


def listed(store: Store, limit: int = 100, **how: Any) -> list[str]:
    return [item.account_id for item in store.standings.page(Sought("churn_90d", **how), limit)]


def paged(store: Store, limit: int, **how: Any) -> list[list[str]]:
    """Go from page to page as a client does."""
    sought, pages, after = Sought("churn_90d", **how), [], None
    while page := store.standings.page(sought, limit, after):
        pages.append([item.account_id for item in page])
        after = After(getattr(page[-1], sought.by), page[-1].account_id)
    return pages


@pytest.fixture
def filled(store: Store) -> Store:
    """Keep seven accounts: two of one ARR at risk, two without any."""
    store.scores.add(
        [
            record("a", 0.5, 4000.0),
            record("b", 0.25, 8000.0, AT + SECOND),
            record("c", 0.125, None, AT - SECOND),
            record("d%", 0.75, 2e5),
            record("e_e", 0.0, 100.0),
            record("f", 0.625, None),
            record("g", 0.25, 400.0),
        ]
    )
    return store


def test_the_latest_score_of_an_account_stands_and_the_ledger_counts_all(store: Store) -> None:
    store.scores.add([record("a", 0.5), record("a", 0.25, at=AT + SECOND), record("b")])
    store.scores.add([record("a", 0.75)])  # told before, and kept after
    store.scores.add([ScoreRecord("a", "other", "b2", None, AT, record("a", 1.0).document)])

    assert store.standings.of("churn_90d", "a") == (
        Standing(
            recipe="churn_90d", account_id="a", score_id=2, bundle="b1", cutoff=CUTOFF,
            scored_at=AT + SECOND, probability=0.25, low=0.125, high=0.9, risk_tier="low",
            account_tier="professional", arr=1000.0, arr_at_risk=250.0,
        ),
        3,
    )  # fmt: skip
    assert listed(store) == ["b", "a"]
    assert store.standings.of("churn_90d", "nobody") is None


def test_of_scores_told_at_one_instant_the_last_stands(store: Store) -> None:
    store.scores.add([record("a", 0.5), record("a", 0.125)])
    store.scores.add([record("b", 0.5)])
    store.scores.add([record("b", 0.125)])

    assert [item.score_id for item in store.standings.page(Sought("churn_90d"), 9)] == [4, 2]


def test_what_tells_no_score_has_no_standing(store: Store) -> None:
    store.scores.add([ScoreRecord("a", "churn_90d", "b", None, AT, {"n": 1, "interval": None})])

    assert store.standings.of("churn_90d", "a") is None
    assert store.scores.latest("churn_90d", "a") is not None


def test_a_standing_that_cannot_be_kept_keeps_its_score_out(store: Store) -> None:
    with pytest.raises(StoreError):
        store.scores.add([record("a"), record("b", risk_tier=None)])

    assert store.scores.latest("churn_90d", "a") is None
    assert listed(store) == []


@pytest.mark.parametrize(
    ("by", "descending", "expected"),
    [
        ("arr_at_risk", True, ["d%", "b", "a", "g", "e_e", "f", "c"]),
        ("arr_at_risk", False, ["e_e", "g", "a", "b", "d%", "c", "f"]),
        ("probability", True, ["d%", "f", "a", "g", "b", "c", "e_e"]),
        ("probability", False, ["e_e", "c", "b", "g", "a", "f", "d%"]),
        ("scored_at", True, ["b", "g", "f", "e_e", "d%", "a", "c"]),
        ("scored_at", False, ["c", "a", "d%", "e_e", "f", "g", "b"]),
        ("account_id", True, ["g", "f", "e_e", "d%", "c", "b", "a"]),
        ("account_id", False, ["a", "b", "c", "d%", "e_e", "f", "g"]),
    ],
)
def test_accounts_are_sorted_and_paged_with_what_is_not_known_last(
    filled: Store, by: str, descending: bool, expected: list[str]
) -> None:
    how: dict[str, Any] = {"by": SortBy(by), "descending": descending}
    assert listed(filled, **how) == expected
    for limit in range(1, 8):
        pages = paged(filled, limit, **how)
        assert [len(page) for page in pages[:-1]] == [limit] * (len(pages) - 1)
        assert list(chain(*pages)) == expected


@pytest.mark.parametrize(
    ("how", "expected"),
    [
        ({"risk_tiers": ["critical"]}, ["d%", "a", "f"]),
        ({"risk_tiers": ["critical", "low"], "account_tiers": ["vip"]}, ["d%"]),
        ({"risk_tiers": ["high"]}, []),
        ({"least_arr_at_risk": 2000.0}, ["d%", "b", "a"]),
        ({"least_probability": 0.5}, ["d%", "a", "f"]),
        ({"part": "E"}, ["e_e"]),
        ({"part": "%"}, ["d%"]),
        ({"part": "_"}, ["e_e"]),
        ({"part": "/"}, []),
        ({"part": "a", "named": ["f", 'no "one"']}, ["a", "f"]),
        ({"part": "nobody", "named": [f"n{n}" for n in range(70_000)] + ["g"]}, ["g"]),
    ],
)
def test_accounts_are_filtered_and_found(
    filled: Store, how: dict[str, Any], expected: list[str]
) -> None:
    assert listed(filled, **how) == expected
    assert list(chain(*paged(filled, 1, **how))) == expected


def test_every_way_of_sorting_has_an_index(database: Database, filled: Store) -> None:
    if database.path is None:
        pytest.skip("PostgreSQL reads few rows without any index")
    for by in SortBy:
        names = dict.fromkeys((by, "account_id"))
        order = [STANDINGS.c[name].desc() for name in names]
        wanted = sa.select(STANDINGS).where(STANDINGS.c.recipe == "r").order_by(*order).limit(9)
        text = str(wanted.compile(database.engine, compile_kwargs={"literal_binds": True}))
        with database.reading() as connection:
            plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {text}").all()
        assert "USING INDEX" in plan[0][3]
        assert len(plan) == 1  # and nothing is sorted
