"""The features that are shipped: their values by hand, their ranges, and that none leaks."""

from __future__ import annotations

import datetime as dt
import re
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from churnml.cli.features import show_feature
from churnml.explain.reasons import UNKNOWN, sentence_of
from churnml.features.catalogue import Catalogue, read_catalogue
from churnml.features.catalogue_page import written
from churnml.features.engine import compute, compute_live
from churnml.features.facts import Program, compile_catalogue
from churnml.history.asof import History
from churnml.history.memory import only
from churnml.history.tables import STANDARD, Table
from churnml.labels.terms import Terms
from churnml.simulate import simulate
from churnml.text.reading import read_reader
from churnml.text.readings import Readings

FAMILIES = (
    "billing", "engagement", "lifecycle", "satisfaction", "sentiment", "support", "usage", "voice",
)  # fmt: skip
UNITS = {
    "count", "days", "events", "flag", "hours", "messages", "money", "name", "people", "points",
    "ratio", "share", "texts", "tickets",
}  # fmt: skip
# The sample world sells one product, and few of its customers leave a bill unpaid for long.
MAY_BE_CONSTANT = {"terms_active", "overdue_invoices_over_28d"}
UNTIL = dt.datetime(2025, 7, 1)
CUTOFFS = (dt.datetime(2025, 1, 1), dt.datetime(2025, 3, 9, 14, 30), UNTIL)
WORDS = Path(__file__).parents[2] / "data" / "text.toml"
Row = dict[str, Any]


@pytest.fixture(scope="module")
def catalogue(root: Path) -> Catalogue:
    return read_catalogue(sorted((root / "features").glob("*.toml")), STANDARD)


def with_readings(history: History, folder: Path) -> History:
    def silent(what: str, share: float) -> None:
        pass

    return Readings(folder, lambda: read_reader(WORDS)).joined(history, silent)


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory) -> History:
    folder = tmp_path_factory.mktemp("sample")
    simulate(folder, accounts=128, months=18, seed=11, start=dt.datetime(2024, 1, 1))
    tables = {file.stem: pq.read_table(file) for file in folder.glob("*.parquet")}
    found = History.from_tables(tables, observed_until=UNTIL)
    return with_readings(found, folder / "readings")


@pytest.fixture(scope="module")
def program(catalogue: Catalogue, history: History) -> Program:
    kept, omitted = catalogue.available(history.contracts)
    assert omitted == ()
    return compile_catalogue(kept, history.contracts)


@pytest.fixture(scope="module")
def customers(history: History) -> Mapping[dt.datetime, list[str]]:
    """The accounts with a running term, by cutoff."""
    terms = Terms.read(history)
    found = {}
    for cutoff in CUTOFFS:
        micros = np.full(len(terms.ids), micros_of(cutoff))
        active = terms.standing(np.arange(len(terms.ids)), micros, 0).active
        found[cutoff] = terms.ids.filter(pa.array(active)).to_pylist()
    return found


@pytest.fixture(scope="module")
def values(
    history: History, program: Program, customers: Mapping[dt.datetime, list[str]]
) -> Mapping[dt.datetime, pa.Table]:
    """Every feature of every customer, by cutoff, computed in batch."""
    accounts = [account for cutoff in CUTOFFS for account in customers[cutoff]]
    cutoffs = np.repeat([micros_of(c) for c in CUTOFFS], [len(customers[c]) for c in CUTOFFS])
    parts = list(compute(history, program, accounts, cutoffs))
    whole = pa.concat_tables([part.columns for part in parts])
    order = np.argsort(np.concatenate([part.positions for part in parts]))
    whole = whole.take(pa.array(order))
    return {cutoff: whole.filter(pa.array(cutoffs == micros_of(cutoff))) for cutoff in CUTOFFS}


def micros_of(cutoff: dt.datetime) -> int:
    return int(np.datetime64(cutoff, "us").astype(np.int64))


def test_families_and_size(catalogue: Catalogue) -> None:
    assert tuple(catalogue.titles) == FAMILIES
    assert len(catalogue.columns) >= 120
    for family in FAMILIES:
        assert sum(catalogue.get(name).family == family for name in catalogue.columns) >= 15


def test_every_feature_says_what_it_has_to(catalogue: Catalogue) -> None:
    for name in catalogue.columns:
        feature = catalogue.get(name)
        entry = feature.entry
        assert entry.unit in UNITS, name
        assert feature.description.endswith("."), name
        assert entry.sentence[0].islower() or entry.sentence[0] == "{", name
        assert not entry.sentence.endswith("."), name
        assert len(feature.fill(entry.sentence)) <= 140, name
        if entry.unit == "name":
            assert feature.bounds == (None, None), name
        else:
            assert None not in feature.bounds, name


def test_edges_are_few(program: Program) -> None:
    edges = {w.offset for w in program.windows}
    edges |= {w.offset + w.days for w in program.windows if w.days is not None}
    assert edges == {0, 7, 14, 28, 56, 91, 182, 364}


def test_monotone_features_are_those_where_nothing_else_could_be_true(catalogue: Catalogue) -> None:
    bound = {name: catalogue.get(name).monotone for name in catalogue.columns}
    assert {name: sign for name, sign in bound.items() if sign} == {
        "cancel_requests_91d": 1,
        "competitor_steps_182d": 1,
        "csat_last": -1,
        "days_since_use": 1,
        "disputed_invoices_364d": 1,
        "executives_left_182d": 1,
        "failed_payments_364d": 1,
        "failed_payments_91d": 1,
        "hostile_messages_182d": 1,
        "legal_threats_182d": 1,
        "nps_last": -1,
        "nps_mean_182d": -1,
        "overdue_invoices": 1,
        "overdue_invoices_over_28d": 1,
        "poor_ticket_ratings_182d": 1,
        "ticket_csat_last": -1,
        "unanswered_in_a_row": 1,
        "unhappy_in_a_row": 1,
        "unpleased_in_a_row": 1,
    }


def test_values_lie_where_they_are_expected(
    catalogue: Catalogue, history: History, program: Program
) -> None:
    months = np.arange("2024-10", "2025-08", dtype="M8[M]").astype("M8[us]").astype(np.int64)
    terms = Terms.read(history)
    ids = terms.ids.to_pylist()
    account, cutoff = np.repeat(np.arange(len(ids)), len(months)), np.tile(months, len(ids))
    active = terms.standing(account, cutoff, 0).active
    asked = [ids[place] for place in account[active]]
    whole = pa.concat_tables(
        [rows.columns for rows in compute(history, program, asked, cutoff[active])]
    )
    constant = set()
    for name in catalogue.columns:
        column = whole[name].drop_null()
        assert len(column) > 0, f"{name} has no value"
        if len(pc.unique(column)) == 1:
            constant.add(name)
        low, high = catalogue.get(name).bounds
        if low is not None and high is not None:
            numbers = column.to_numpy()
            outside = float(((numbers < low) | (numbers > high)).mean())
            assert outside <= 0.005, f"{name}: {outside:.1%} outside [{low}, {high}]"
    assert constant <= MAY_BE_CONSTANT


def test_every_value_can_be_told(
    catalogue: Catalogue, values: Mapping[dt.datetime, pa.Table]
) -> None:
    rows = values[CUTOFFS[1]].to_pylist()
    for name in catalogue.columns:
        feature = catalogue.get(name)
        for row in rows:
            text = sentence_of(feature, row, catalogue)
            assert UNKNOWN not in text, (name, text)
            assert "{" not in text, (name, text)
            assert not re.search(r"\b(nan|inf)\b", text), (name, text)


def test_what_is_not_known_yet_changes_no_feature(
    history: History,
    program: Program,
    customers: Mapping[dt.datetime, list[str]],
    values: Mapping[dt.datetime, pa.Table],
) -> None:
    for cutoff in CUTOFFS:
        view = history.as_of(cutoff)
        known = {name: view.table(name) for name in view.tables}
        assert (
            sum(map(len, known.values())) < sum(len(history.hindsight(name)) for name in known)
            or cutoff == UNTIL
        )
        truncated = History.from_tables(known, observed_until=cutoff)
        pairs = np.full(len(customers[cutoff]), micros_of(cutoff))
        (rows,) = compute(truncated, program, customers[cutoff], pairs)

        assert rows.columns.take(pa.array(np.argsort(rows.positions))).equals(values[cutoff])


def test_the_live_path_gives_the_same(
    history: History,
    program: Program,
    customers: Mapping[dt.datetime, list[str]],
    values: Mapping[dt.datetime, pa.Table],
) -> None:
    for cutoff in CUTOFFS:
        live = compute_live(history, program, customers[cutoff], cutoff)

        assert live.equals(values[cutoff])


def test_revenue_is_that_of_the_labels(
    history: History,
    customers: Mapping[dt.datetime, list[str]],
    values: Mapping[dt.datetime, pa.Table],
) -> None:
    for cutoff in CUTOFFS:
        terms = Terms.read(history, pa.array(customers[cutoff]))
        count = len(customers[cutoff])
        standing = terms.standing(np.arange(count), np.full(count, micros_of(cutoff)), 0)

        assert values[cutoff]["annual_revenue"].to_numpy() == pytest.approx(12 * standing.mrr)


NOW = dt.datetime(2025, 7, 1)


def ago(days: float) -> dt.datetime:
    return NOW - dt.timedelta(days=days)


def by_hand(catalogue: Catalogue, **tables: list[Row]) -> Row:
    """The features of account ``a`` now, from the rows of some tables."""
    held = {}
    for name, rows in tables.items():
        contract = STANDARD[name]
        own = [{"account_id": "a", **row} for row in rows]
        for number, row in enumerate(own):
            row.update({key: f"{key}{number}" for key in contract.key if key not in row})
        columns = [c for c in contract.names if any(c in row for row in own)]
        held[name] = pa.table({c: pa.array([row.get(c) for row in own]) for c in columns})
    with tempfile.TemporaryDirectory() as folder:
        history = with_readings(History.from_tables(held, observed_until=NOW), Path(folder))
        kept, _ = catalogue.available(history.contracts)
        found = compute_live(history, compile_catalogue(kept, history.contracts), ["a"], NOW)
    values: Row = found.to_pylist()[0]
    return values


def test_revenue_by_hand(catalogue: Catalogue) -> None:
    year = {"plan": "team", "seats": 10.0, "usage_limit": None, "billing_months": 12}
    found = by_hand(
        catalogue,
        subscriptions=[
            # Ran out, followed by a dearer term of fewer seats that runs now.
            {"started_at": ago(400), "ends_at": ago(35), "mrr": 100.0, **year},
            {"started_at": ago(35), "ends_at": ago(-330), "mrr": 130.0, **year, "seats": 8.0},
            # Stopped early, its agreed end still ahead; and one whose agreed end has come too.
            {"started_at": ago(300), "ends_at": ago(-65), "terminated_at": ago(50), "mrr": 7.0},
            {"started_at": ago(300), "ends_at": ago(20), "terminated_at": ago(60), "mrr": 9.0},
            # Without an agreed end: one runs, one was cancelled, one was cancelled and stopped.
            {"started_at": ago(200), "mrr": 11.01},
            {"started_at": ago(200), "cancelled_at": ago(5), "mrr": 13.0},
            {"started_at": ago(200), "cancelled_at": ago(9), "terminated_at": ago(2), "mrr": 15.0},
            # Cancelled for its agreed end, which is still ahead: it runs until then.
            {"started_at": ago(100), "ends_at": ago(-265), "cancelled_at": ago(1), "mrr": 17.0},
            # Booked ahead; and one not booked yet.
            {"started_at": ago(-330), "ends_at": ago(-695), "recorded_at": ago(3), "mrr": 140.0},
            {"started_at": ago(-20), "ends_at": ago(-900), "recorded_at": NOW, "mrr": 999.0},
        ],
    )

    assert found["terms_active"] == 3
    assert found["annual_revenue"] == pytest.approx(12 * (130 + 11.01 + 17))
    assert found["arr_change_364d"] == pytest.approx(12 * (130 + 11.01 + 17 - 100))
    assert found["arr_change_share_364d"] == pytest.approx(58.01 / 158.01)
    assert found["terms_booked_ahead"] == 1
    assert found["days_to_renewal"] == 695
    assert found["renewal_window_days"] == 0
    assert (found["seats"], found["seats_share_of_peak"]) == (8, 0.8)
    assert found["price_per_seat"] == 16.25
    assert found["price_rise"] == pytest.approx(0.625)
    assert found["tenure_days"] == 400
    assert found["terms_renewed"] == 7


def test_revenue_is_nothing_when_nothing_runs(catalogue: Catalogue) -> None:
    found = by_hand(
        catalogue,
        subscriptions=[
            {"started_at": ago(100), "ends_at": ago(9), "terminated_at": ago(10), "mrr": 0.1},
            {"started_at": ago(100), "ends_at": ago(9), "mrr": 0.7},
            {"started_at": ago(100), "ends_at": ago(-9), "terminated_at": ago(1), "mrr": 0.3},
        ],
    )

    assert found["annual_revenue"] == 0.0
    assert found["arr_change_share_364d"] is None or abs(found["arr_change_share_364d"]) <= 1


def test_revenue_where_history_has_neither_early_ends_nor_notices(catalogue: Catalogue) -> None:
    found = by_hand(
        catalogue,
        subscriptions=[
            {"started_at": ago(100), "ends_at": ago(10), "mrr": 100.0},
            {"started_at": ago(10), "ends_at": ago(-80), "mrr": 50.0},
        ],
    )

    assert found["annual_revenue"] == 600.0
    assert found["arr_change_364d"] == 600.0
    assert found["days_to_renewal"] == 80
    assert found["renewal_window_days"] == 10
    assert found["pre_renewal_days"] == 0


def test_support_by_hand(catalogue: Catalogue) -> None:
    def ticket(opened: float, priority: str, hours: float | None, **more: Any) -> Row:
        resolved = None if hours is None else ago(opened) + dt.timedelta(hours=hours)
        responded = resolved and ago(opened) + dt.timedelta(hours=0.5)
        times = {"opened_at": ago(opened), "responded_at": responded, "resolved_at": resolved}
        return {"priority": priority, "category": "bug", **times, **more}

    found = by_hand(
        catalogue,
        tickets=[
            ticket(40, "critical", 2, first_contact=True),
            ticket(39, "critical", 2.5, first_contact=False, escalated_at=ago(38)),
            ticket(5, "high", 4.5, first_contact=False, csat_at=ago(4), csat=2.0),
            ticket(5, "low", 71, first_contact=False, csat_at=ago(1), csat=4.0),
            ticket(30, "medium", None, category="how_to"),
            ticket(10, "high", None, escalated_at=ago(9)),
            ticket(2, "low", None, category="billing"),
            ticket(200, "low", None),
        ],
    )

    assert (found["tickets_7d"], found["tickets_prev_7d"], found["tickets_91d"]) == (3, 1, 7)
    assert found["tickets_change_7d"] == 2
    assert found["urgent_tickets_91d"] == 4
    assert found["resolution_breach_share_91d"] == 0.5
    assert found["response_breach_share_91d"] == 0.5
    assert found["resolution_hours_mean_91d"] == 20.0
    assert found["first_contact_share_182d"] == 0.25
    assert found["escalated_tickets_182d"] == 2
    assert found["days_since_escalation"] == 9
    assert (found["ticket_csat_last"], found["ticket_csat_mean_182d"]) == (4, 3)
    assert found["poor_ticket_ratings_182d"] == 1
    assert (found["open_tickets"], found["open_urgent_tickets"]) == (3, 1)
    assert (found["open_tickets_over_7d"], found["open_tickets_over_28d"]) == (2, 1)
    assert (found["fault_tickets_7d"], found["billing_tickets_91d"]) == (2, 1)


def test_surveys_by_hand(catalogue: Catalogue) -> None:
    def survey(kind: str, sent: float, score: float | None) -> Row:
        answered = None if score is None else ago(sent - 1)
        return {"kind": kind, "sent_at": ago(sent), "responded_at": answered, "score": score}

    found = by_hand(
        catalogue,
        surveys=[
            survey("nps", 300, 9.0),
            survey("nps", 299, 10.0),
            survey("nps", 250, 8.0),
            survey("nps", 100, 6.0),
            survey("csat", 90, 4.0),
            survey("csat", 80, 3.0),
            survey("nps", 20, None),
            survey("nps", 3, None),
        ],
    )

    assert (found["promoters_364d"], found["passives_364d"], found["detractors_364d"]) == (2, 1, 1)
    assert found["nps_364d"] == 25.0
    assert (found["nps_last"], found["days_since_nps"]) == (6, 99)
    assert (found["nps_mean_182d"], found["nps_mean_prev_182d"]) == (6, 9)
    assert found["nps_change_182d"] == -3
    assert (found["csat_good_share_364d"], found["csat_last"]) == (0.5, 3)
    assert found["surveys_sent_357d"] == 7
    assert found["survey_response_share_357d"] == pytest.approx(6 / 7)
    assert found["surveys_unanswered_in_a_row"] == 2


def test_messages_by_hand(catalogue: Catalogue) -> None:
    def sent(days: float, wave: str | None, opened: bool, replied: bool) -> Row:
        return {
            "sent_at": ago(days),
            "direction": "outbound",
            "wave": wave,
            "template": "newsletter" if wave else "check_in",
            "opened_at": ago(days - 0.5) if opened else None,
            "replied_at": ago(days - 1) if replied else None,
        }

    def heard(days: float, sentiment: str | None, who: str) -> Row:
        return {
            "sent_at": ago(days),
            "direction": "inbound",
            "contact_id": who,
            "sentiment": sentiment,
        }

    found = by_hand(
        catalogue,
        messages=[
            sent(60, None, opened=True, replied=True),
            sent(50, "may", opened=True, replied=False),
            sent(40, None, opened=False, replied=False),
            sent(30, None, opened=True, replied=False),
            sent(20, "june", opened=False, replied=False),
            heard(120, "positive", "p"),
            heard(80, "neutral", "p"),
            heard(70, "concerned", "p"),
            heard(15, None, "q"),
            heard(10, "hostile", "q"),
            heard(5, "negative", "q"),
        ],
        subscriptions=[{"started_at": ago(99), "mrr": 50_000 / 12}],
    )

    assert (found["messages_in_28d"], found["messages_in_91d"]) == (3, 5)
    assert found["messages_in_change_91d"] == 0.8
    assert found["days_since_message_in"] == 5
    assert found["writers_91d"] == 2
    assert found["opened_share_91d"] == 0.6
    assert found["newsletter_opened_share_182d"] == 0.5
    assert found["replied_share_91d"] == 0.2
    assert found["check_in_replied_share_182d"] == pytest.approx(1 / 3)
    assert found["reply_gap_182d"] == pytest.approx(1 / 3 - 0.7)
    assert found["unanswered_in_a_row"] == 2
    assert found["unopened_in_a_row"] == 1
    assert found["reply_hours_mean_182d"] == 24
    assert found["toned_messages_91d"] == 4
    assert found["unhappy_share_91d"] == 0.5
    assert (found["unhappy_messages_28d"], found["hostile_messages_182d"]) == (2, 1)
    assert found["tone_91d"] == pytest.approx(-(1 + 3 + 2) / 4)
    assert (found["tone_prev_91d"], found["tone_change_91d"]) == (1, -2.5)
    assert found["sentiment_last"] == "negative"
    assert found["unpleased_in_a_row"] == 3
    assert found["unhappy_people_91d"] == 1
    assert (found["hostile_texts_ever"], found["unhappy_in_a_row"]) == (1, 2)
    assert (found["cancel_requests_91d"], found["days_since_cancel_words"]) == (0, None)


def test_what_customers_say_by_hand(catalogue: Catalogue) -> None:
    def wrote(days: float, text: str) -> Row:
        return {"sent_at": ago(days), "direction": "inbound", "text": text}

    found = by_hand(
        catalogue,
        messages=[
            wrote(100, "Please cancel our subscription."),
            wrote(50, "How do we cancel our subscription?"),
            wrote(20, "We have decided to switch to Fieldstack."),
            wrote(19, "Thank you so much, the import from Opsnova works great."),
            {**wrote(2, "Please cancel our subscription."), "direction": "outbound"},
        ],
        tickets=[
            {
                "opened_at": ago(3),
                "text": "The invoice is wrong again and the price is outrageous. This is terrible.",
            }
        ],
        surveys=[
            {
                "sent_at": ago(9),
                "responded_at": ago(8),
                "kind": "nps",
                "comment": "You are liars and crooks, our lawyers will sue you.",
            }
        ],
    )

    assert (found["cancel_requests_91d"], found["cancel_questions_91d"]) == (0, 1)
    assert found["days_since_cancel_words"] == 50
    assert (found["competitor_texts_91d"], found["competitor_steps_182d"]) == (2, 1)
    assert found["days_since_competitor"] == 19
    assert found["legal_threats_182d"] == 1
    assert (found["hostile_texts_ever"], found["unhappy_comments_182d"]) == (1, 1)
    assert (found["unhappy_tickets_91d"], found["complaints_pricing_billing_91d"]) == (1, 1)
    assert found["unhappy_in_a_row"] == 2


@pytest.mark.parametrize(
    ("arr", "target"),
    [(9_999.9, 0.3), (10_000, 0.5), (49_999, 0.5), (50_000, 0.7), (100_000, 0.7), (100_000.1, 0.8)],
)
def test_the_share_to_be_answered_grows_with_the_account_tier(
    catalogue: Catalogue, arr: float, target: float
) -> None:
    message = {"sent_at": ago(9), "direction": "outbound", "wave": None}
    found = by_hand(
        catalogue,
        messages=[{**message, "replied_at": ago(8)}, {**message, "wave": "may"}],
        subscriptions=[{"started_at": ago(99), "mrr": arr / 12}],
    )

    assert found["reply_gap_182d"] == pytest.approx(1 - target)


def test_invoices_by_hand(catalogue: Catalogue) -> None:
    def invoice(due: float, paid: float | None, **more: Any) -> Row:
        times = {"issued_at": ago(due + 30), "due_at": ago(due)}
        return {**times, "paid_at": None if paid is None else ago(paid), "amount": 100.0, **more}

    found = by_hand(
        catalogue,
        invoices=[
            invoice(300, 305, failed_at=ago(310)),
            invoice(200, 199.5),
            invoice(150, 140, disputed_at=ago(160)),
            invoice(60, None, failed_at=ago(50), amount=250.0),
            invoice(10, None),
            invoice(-20, None),
        ],
        subscriptions=[{"started_at": ago(330), "mrr": 100.0}],
    )

    assert (found["failed_payments_91d"], found["failed_payments_364d"]) == (1, 2)
    assert found["days_since_failed_payment"] == 50
    assert found["disputed_invoices_364d"] == 1
    assert found["late_payments_364d"] == 1
    assert found["late_payment_share_364d"] == pytest.approx(1 / 3)
    assert found["days_late_mean_364d"] == pytest.approx(10.5 / 3)
    assert found["days_late_last"] == 10
    assert (found["overdue_invoices"], found["overdue_invoices_over_28d"]) == (2, 1)
    assert found["overdue_amount"] == 350
    assert found["overdue_share_of_arr"] == pytest.approx(350 / 1200)


def test_usage_by_hand(catalogue: Catalogue) -> None:
    def used(days: float, event: str, who: str | None = "p", quantity: float = 1.0) -> Row:
        who_and_what = {"event": event, "contact_id": who, "quantity": quantity}
        return {"occurred_at": ago(days), **who_and_what}

    steady = [used(day + 0.5, "login", quantity=2.0) for day in range(28, 182, 2)]
    found = by_hand(
        catalogue,
        usage=[
            *steady,
            used(20.1, "login", quantity=110.0),
            used(20.2, "report_run", "q"),
            used(19.5, "data_exported", "q"),
            used(15.0, "api_call", None),
        ],
        subscriptions=[{"started_at": ago(200), "seats": 4.0, "usage_limit": 200.0}],
    )

    assert (found["events_7d"], found["events_28d"], found["events_prev_28d"]) == (0, 4, 14)
    assert found["events_change_28d"] == pytest.approx(-10 / 14)
    assert (found["active_days_28d"], found["active_days_prev_28d"]) == (3, 14)
    assert found["active_days_change_28d"] == -11
    assert found["days_since_use"] == 15
    assert found["days_since_core_use"] == pytest.approx(20.2)
    assert found["usual_events_28d"] == pytest.approx(28 * 77 / 152.5)
    assert found["events_against_usual"] == pytest.approx(4 / (28 * 77 / 152.5) - 1)
    assert found["active_days_against_usual"] == pytest.approx(3 - 28 * 77 / 152.5)
    assert (found["event_kinds_28d"], found["event_kinds_change_28d"]) == (4, 3)
    assert (found["users_28d"], found["users_change_28d"]) == (2, 0.5)
    assert found["users_per_seat_28d"] == 0.5
    assert found["core_share_28d"] == 0.25
    assert found["exports_28d"] == 1
    assert found["limit_share_28d"] == pytest.approx(113 * 365 / 12 / 28 / 200)


def test_people_by_hand(catalogue: Catalogue) -> None:
    found = by_hand(
        catalogue,
        accounts=[
            {"created_at": ago(60), "recorded_at": ago(60), "owner": "Ada", "industry": "retail"},
            {"created_at": ago(60), "recorded_at": ago(9), "owner": "Bo", "industry": "media"},
            {"created_at": ago(60), "recorded_at": NOW, "owner": "Cy", "industry": "logistics"},
        ],
        contacts=[
            {"created_at": ago(60), "role": "executive", "left_at": ago(7)},
            {"created_at": ago(60), "role": "technical", "unsubscribed_at": ago(3)},
            {"created_at": ago(50), "role": "end_user", "left_at": ago(-1)},
            {"created_at": ago(5), "role": None},
        ],
    )

    assert (found["account_age_days"], found["onboarding_days_left"]) == (60, 30)
    assert (found["industry"], found["owners_after_first"]) == ("media", 1)
    assert (found["people"], found["people_added_182d"], found["people_left_182d"]) == (3, 4, 1)
    assert (found["executives"], found["operators"], found["end_users"]) == (0, 1, 1)
    assert (found["executives_left_182d"], found["days_since_executive_left"]) == (1, 7)
    assert found["unsubscribed_share"] == 0.25
    assert found["month_of_year"] == 7


@pytest.mark.parametrize("table", sorted(set(STANDARD) - {"outcomes"}))
def test_a_history_of_one_table_with_its_barest_columns_gives_what_it_can(
    catalogue: Catalogue, table: str
) -> None:
    contract: Table = STANDARD[table]
    bare = {c.name for c in contract.columns if c.required} | {*contract.key, contract.time}
    contracts = {table: only(contract, bare - {"recorded_at"})}
    kept, omitted = catalogue.available(contracts)

    compile_catalogue(kept, contracts)
    assert "month_of_year" in kept.columns
    assert len(kept.features) + len(omitted) == len(catalogue.features)


def test_the_page_is_what_the_catalogue_says(root: Path, catalogue: Catalogue) -> None:
    page = (root / "docs" / "features.md").read_text(encoding="utf-8")

    assert page == written(page, catalogue), "run python -m churnml.features.catalogue_page"


def test_the_examples_of_the_page_work(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = (root / "docs" / "features.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    first, formula, custom = re.findall(r"```toml\n(.*?)```", page, re.DOTALL)
    (tmp_path / "acme").mkdir()
    (tmp_path / "acme" / "weekend.py").write_text(code, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    prev = first[first.index("[[feature]]") :].replace("events_{w}d", "events_prev_{w}d")
    files = {"a": first, "b": HEAD + prev + 'offset = "w"\n', "c": HEAD + formula, "d": custom}
    for name, text in files.items():
        (tmp_path / f"{name}.toml").write_text(text, encoding="utf-8")
    shown = read_catalogue(sorted(tmp_path.glob("*.toml")), STANDARD)

    saturday = dt.datetime(2025, 6, 28, 12)
    days = [saturday - dt.timedelta(days=day) for day in (0, 1, 2, 30)]
    found = by_hand(shown, usage=[{"occurred_at": day, "event": "login"} for day in days])

    assert found == {
        "events_7d": 3,
        "events_28d": 3,
        "events_prev_7d": 0,
        "events_prev_28d": 1,
        "events_change_28d": pytest.approx(2 / 3),
        "weekend_share": 0.25,
    }


HEAD = 'family = "usage"\ntitle = "Product use"\n'


def test_expressions_are_shown_on_one_line_with_the_window_filled_in(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("response_breach_share_91d", "mrr_ended_364d"):
        show_feature(name, project=root, as_json=True)
    breach, ended = capsys.readouterr().out.split("}\n{")

    assert (
        '"hit": "priority = \'critical\' and hours_between(opened_at, responded_at) > 0.25 or '
        "priority = 'high' and hours_between(opened_at, responded_at) > 1 or "
    ) in breach
    assert (
        '"description": "Monthly revenue of the terms whose agreed end came in the last 364'
        in ended
    )
    assert '"absent": 0.0' in ended
