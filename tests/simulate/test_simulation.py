from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Mapping
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from churnml.errors import ConfigError
from churnml.history.tables import RECORDED_AT, STANDARD, Kind
from churnml.simulate import simulate
from churnml.simulate.rows import ARROW
from churnml.simulate.simulation import TABLES

END = pd.Timestamp("2026-07-01")
Frames = Mapping[str, pd.DataFrame]


def digests(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*.parquet"))
    }


def test_the_same_seed_gives_the_same_bytes(tmp_path: Path) -> None:
    for name, seed in (("a", 5), ("b", 5), ("c", 6)):
        simulate(tmp_path / name, accounts=40, months=4, seed=seed)

    assert digests(tmp_path / "a") == digests(tmp_path / "b")
    assert len(digests(tmp_path / "a")) == 10
    assert not set(digests(tmp_path / "a").values()) & set(digests(tmp_path / "c").values())


def test_a_larger_world_begins_with_a_smaller_one(tmp_path: Path) -> None:
    simulate(tmp_path / "small", accounts=130, months=4, seed=5)
    simulate(tmp_path / "large", accounts=300, months=4, seed=5)

    for name in (*TABLES, "truth/hazard"):
        small = pq.read_table(tmp_path / "small" / f"{name}.parquet")
        large = pq.read_table(tmp_path / "large" / f"{name}.parquet")
        first = large.filter(pc.less_equal(large["account_id"], "A000130"))
        assert first.equals(small), name


def test_what_was_written_is_told(tmp_path: Path) -> None:
    steps: list[tuple[int, int]] = []

    made = simulate(
        tmp_path / "w",
        accounts=150,
        months=6,
        seed=1,
        start=dt.datetime(2020, 3, 10),
        progress=lambda done, total: steps.append((done, total)),
    )

    assert steps == [(128, 150), (150, 150)]
    assert (made.observed_from, made.observed_until) == (
        dt.datetime(2020, 3, 10),
        dt.datetime(2020, 9, 10),
    )
    for name, rows in made.rows.items():
        assert pq.read_metadata(made.folder / f"{name}.parquet").num_rows == rows
    outcomes = pq.read_table(made.folder / "outcomes.parquet").to_pandas()
    churned = outcomes[outcomes.kind == "churned"].cancel_kind.value_counts()
    assert {kind: n for kind, n in made.churned.items() if n} == churned.to_dict()
    assert sorted(path.name for path in made.folder.iterdir()) == sorted(
        [*(f"{name}.parquet" for name in TABLES), "truth"]
    )


@pytest.mark.parametrize("name", TABLES)
def test_tables_keep_the_contract(name: str, tables: Mapping[str, pa.Table]) -> None:
    contract, table = STANDARD[name], tables[name]
    frame = table.to_pandas()

    order = [column for column in contract.names if column in table.column_names]
    assert table.column_names == order
    unused = {RECORDED_AT} if name == "usage" else set()
    assert set(contract.names) - set(order) == unused
    assert table.num_rows > 100
    for column in map(contract.column, order):
        values = frame[column.name]
        assert table.schema.field(column.name).type == ARROW[column.kind]
        if column.required:
            assert values.notna().all(), column.name
        if column.choices:
            assert set(values.dropna()) == set(column.choices), column.name
        if column.minimum is not None:
            assert values.min() >= column.minimum
        if column.maximum is not None:
            assert values.max() <= column.maximum
        if column.after is not None:
            assert not (values < frame[column.after]).any(), column.name
        if column.kind is not Kind.TIME and column.known is not None:
            assert frame.loc[values.notna() & (values != False), column.known].notna().all()  # noqa: E712
    if contract.key:
        assert not frame.duplicated(list(contract.key)).any()


@pytest.mark.parametrize("name", TABLES)
def test_nothing_is_known_from_beyond_the_end(name: str, frames: Frames) -> None:
    contract, frame = STANDARD[name], frames[name]

    entered = RECORDED_AT if RECORDED_AT in frame else contract.time
    assert frame[entered].max() < END
    known = {column.known for column in contract.columns} - {None}
    for time in known & set(frame):
        assert not (frame[time] >= END).any(), time


@pytest.mark.parametrize("name", [name for name in TABLES if name != "accounts"])
def test_every_row_belongs_to_an_account_that_existed(name: str, frames: Frames) -> None:
    created = frames["accounts"].groupby("account_id").created_at.min()

    frame = frames[name]
    assert (frame[STANDARD[name].time] >= frame.account_id.map(created)).all()


@pytest.mark.parametrize("name", ["usage", "messages", "tickets", "surveys"])
def test_contacts_act_while_they_are_there(name: str, frames: Frames) -> None:
    people = frames["contacts"].set_index("contact_id")
    rows = frames[name].dropna(subset="contact_id")
    time = rows[STANDARD[name].time]

    assert rows.contact_id.isin(people.index).all()
    assert (rows.contact_id.map(people.account_id) == rows.account_id).all()
    assert (time >= rows.contact_id.map(people.created_at)).all()
    left = rows.contact_id.map(people.left_at)
    assert not (time >= left + pd.Timedelta(days=1)).any()


def test_nobody_is_written_to_after_unsubscribing(frames: Frames) -> None:
    sent = frames["messages"].query("direction == 'outbound'")
    refused = sent.contact_id.map(frames["contacts"].set_index("contact_id").unsubscribed_at)

    assert not (sent.sent_at >= refused).any()


def test_accounts_leave_once_and_notice_comes_before(frames: Frames) -> None:
    churned = frames["outcomes"].query("kind == 'churned'")
    terms = frames["subscriptions"]
    last = terms.sort_values("started_at").groupby("account_id").last()

    assert not churned.account_id.duplicated().any()
    assert len(churned) > 60
    end = last.terminated_at.fillna(last.ends_at).loc[churned.account_id].to_numpy()
    assert (end == churned.occurred_at.to_numpy()).all()
    given = last.loc[churned.account_id].dropna(subset="cancelled_at")
    assert (given.cancelled_at <= given.terminated_at.fillna(given.ends_at)).all()
    lead = (given.ends_at - given.cancelled_at).dt.days[given.terminated_at.isna()]
    assert 5 < lead.median() < 60
    noticed = len(given) / len(churned)
    assert 0.85 < noticed < 1.0
    assert set(last.loc[churned.account_id].cancel_kind.dropna()) == {"voluntary", "involuntary"}


def test_terms_follow_each_other_and_renewals_are_booked_ahead(frames: Frames) -> None:
    terms = frames["subscriptions"].sort_values(["account_id", "started_at"])
    before = terms.groupby("account_id").ends_at.shift()
    renewal = before.notna()

    assert (terms.started_at[renewal] == before[renewal]).all()
    assert (terms.recorded_at[renewal] < terms.started_at[renewal]).all()
    assert (terms.started_at >= END).any()  # booked, not begun
    price = terms.mrr / terms.seats
    assert (price > 0).all()


def test_usage_stops_when_service_does(frames: Frames) -> None:
    churned = frames["outcomes"].query("kind == 'churned'").set_index("account_id").occurred_at

    usage = frames["usage"]
    assert not (usage.occurred_at >= usage.account_id.map(churned)).any()


def test_some_traces_are_left_after_leaving(frames: Frames) -> None:
    churned = frames["outcomes"].query("kind == 'churned'").set_index("account_id").occurred_at
    bills, tickets = frames["invoices"], frames["tickets"]

    assert (bills.issued_at > bills.account_id.map(churned)).sum() > 5
    late = tickets[tickets.opened_at > tickets.account_id.map(churned)]
    assert len(late) > 3
    assert set(late.category.dropna()) <= {"offboarding"}


def test_facts_arrive_late_and_incomplete_as_in_life(frames: Frames) -> None:
    for name, share in (
        ("messages", 0.02),
        ("tickets", 0.05),
        ("surveys", 0.9),
        ("invoices", 0.08),
    ):
        frame = frames[name]
        assert ((frame.recorded_at > frame[STANDARD[name].time]).mean()) > share
    usage, messages = frames["usage"], frames["messages"].query("direction == 'inbound'")
    assert 0.005 < usage.quantity.isna().mean() < 0.02
    assert 0.15 < messages.sentiment.isna().mean() < 0.40
    assert 0.5 < frames["surveys"].score.isna().mean() < 0.9


def test_satisfaction_shows_in_everything(frames: Frames, truth: pd.DataFrame) -> None:
    felt = truth.groupby("account_id").satisfaction.mean()
    low, high = felt.index[felt < -0.7], felt.index[felt > 0.6]
    order = {
        name: n
        for n, name in enumerate(("positive", "neutral", "concerned", "negative", "hostile"))
    }

    def means(name: str, column: str, **to_number: dict[str, int]) -> tuple[float, float]:
        frame = frames[name]
        values = frame[column].map(to_number["codes"]) if to_number else frame[column]
        return (
            values[frame.account_id.isin(low)].mean(),
            values[frame.account_id.isin(high)].mean(),
        )

    worse, better = means("messages", "sentiment", codes=order)
    assert worse > better + 0.6
    for name, column in (("surveys", "score"), ("tickets", "csat")):
        worse, better = means(name, column)
        assert worse < better - 0.3, name
    churned = set(frames["outcomes"].query("kind == 'churned'").account_id)
    assert pd.Series(low).isin(churned).mean() > 2 * pd.Series(high).isin(churned).mean()


def test_prose_is_prose(frames: Frames) -> None:
    texts = frames["messages"].query("direction == 'inbound'").text.dropna()

    assert texts.nunique() > 0.7 * len(texts)
    assert texts.map(lambda text: 3 <= len(text.split()) <= 60).all()
    assert not texts.str.contains(r"[{}]").any()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((0, 2, 1), r"accounts = 0; expected 1 to 999999"),
        ((5, 241, 1), r"months = 241; expected 1 to 240"),
        ((5, 2, -1), r"seed = -1; expected 0"),
    ],
)
def test_arguments_out_of_bounds_are_refused(
    tmp_path: Path, arguments: tuple[int, int, int], message: str
) -> None:
    accounts, months, seed = arguments
    with pytest.raises(ConfigError, match=message):
        simulate(tmp_path / "w", accounts=accounts, months=months, seed=seed)
    assert not (tmp_path / "w").exists()


def test_the_smallest_world_can_be_written(tmp_path: Path) -> None:
    made = simulate(tmp_path / "w", accounts=1, months=1, seed=0)

    assert made.rows["accounts"] >= 1
    assert len(digests(tmp_path / "w")) == 10
