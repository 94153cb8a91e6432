from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from textwrap import dedent

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from churnml.errors import DataError, LabelError
from churnml.features.catalogue import Catalogue, Omission, read_catalogue
from churnml.features.table import Fingerprints, build_table, data_sheet, read_table
from churnml.history.asof import History
from churnml.history.tables import STANDARD

FIRST, SECOND = dt.datetime(2025, 1, 1), dt.datetime(2025, 2, 1)
PRINTS = Fingerprints(data="d", catalogue="c", recipe="r")


@pytest.fixture
def catalogue(tmp_path: Path) -> Catalogue:
    path = tmp_path / "usage.toml"
    path.write_text(
        dedent("""
        family = "usage"
        title = "Use"

        [[feature]]
        name = "events_{w}d"
        table = "usage"
        aggregate = "count"
        windows = [7]
        description = "events"
        unit = "events"
        sentence = "{value} events"
        maximum = 1
        risk = "low"
        monotone = true

        [[feature]]
        name = "quantity_last"
        table = "usage"
        aggregate = "last"
        value = "quantity"
        description = "last quantity"
        unit = "units"
        sentence = "last {value}"

        [[feature]]
        name = "event_last"
        table = "usage"
        aggregate = "last"
        value = "event"
        description = "last event"
        unit = "name"
        sentence = "last did {value}"
        """)
    )
    return read_catalogue([path], STANDARD)


@pytest.fixture
def history() -> History:
    def row(
        account: str, when: dt.datetime, event: str, quantity: float | None
    ) -> dict[str, object]:
        return {
            "account_id": account,
            "occurred_at": when,
            "event": event,
            "quantity": quantity,
        }

    usage = [
        row("a", dt.datetime(2024, 12, 30), "login", 2.0),
        row("a", dt.datetime(2024, 12, 31), "export", 4.0),
        row("a", FIRST, "login", 9.0),  # known at the cutoff, not before it
        row("b", dt.datetime(2025, 1, 30), "login", None),
    ]
    return History.from_tables(
        {"usage": pa.Table.from_pylist(usage)}, observed_until=dt.datetime(2025, 6, 1)
    )


def labels(*pairs: tuple[str, dt.datetime, int]) -> pa.Table:
    count = len(pairs)
    return pa.table(
        {
            "account_id": pa.array([account for account, _, _ in pairs], pa.string()),
            "cutoff": pa.array([cutoff for _, cutoff, _ in pairs], pa.timestamp("us")),
            "label": pa.array([label for _, _, label in pairs], pa.int8()),
            "arr": pa.nulls(count, pa.float64()),
            "involuntary": pa.array([False] * count),
            "downgraded": pa.nulls(count, pa.bool_()),
            "churned_at": pa.nulls(count, pa.timestamp("us")),
            "row": pa.array(range(count)),
        }
    )


PAIRS = (("b", SECOND, 0), ("a", FIRST, 1), ("b", FIRST, 0), ("a", SECOND, 0))


def test_features_and_labels_stand_side_by_side(
    history: History, catalogue: Catalogue, tmp_path: Path
) -> None:
    path = tmp_path / "made" / "t.parquet"
    steps: list[tuple[int, int]] = []
    table = build_table(
        history,
        catalogue,
        labels(*PAIRS),
        PRINTS,
        path,
        progress=lambda done, total: steps.append((done, total)),
    )
    assert table.features == ("events_7d", "quantity_last", "event_last")
    assert table.categorical == ("event_last",)
    assert dict(table.monotone) == {"events_7d": -1}
    assert dict(table.families) == dict.fromkeys(table.features, "usage")
    assert table.fingerprints == PRINTS
    assert table.frame.select(["account_id", "cutoff", "label", *table.features]).to_pydict() == {
        "account_id": ["a", "b", "a", "b"],
        "cutoff": [FIRST, FIRST, SECOND, SECOND],
        "label": [1, 0, 0, 0],
        "events_7d": [2.0, 0.0, 0.0, 1.0],
        "quantity_last": [4.0, None, 9.0, None],
        "event_last": ["export", None, "login", "login"],
    }
    assert "row" not in table.frame.column_names
    assert steps[-1][0] == steps[-1][1]
    assert [item.name for item in path.parent.iterdir()] == ["t.parquet"]


def test_the_same_pairs_in_any_order_give_the_same_bytes(
    history: History, catalogue: Catalogue, tmp_path: Path
) -> None:
    build_table(history, catalogue, labels(*PAIRS), PRINTS, tmp_path / "1.parquet")
    build_table(history, catalogue, labels(*reversed(PAIRS)), PRINTS, tmp_path / "2.parquet")
    assert (tmp_path / "1.parquet").read_bytes() == (tmp_path / "2.parquet").read_bytes()


def test_no_pair_is_no_table(history: History, catalogue: Catalogue, tmp_path: Path) -> None:
    with pytest.raises(LabelError, match=r"t\.parquet: no account at any cutoff is labelled"):
        build_table(history, catalogue, labels(), PRINTS, tmp_path / "t.parquet")


def test_the_sheet_tells_values_and_what_is_outside(
    history: History, catalogue: Catalogue, tmp_path: Path
) -> None:
    table = build_table(history, catalogue, labels(*PAIRS), PRINTS, tmp_path / "t.parquet")
    sheet = data_sheet(
        table, catalogue, dropped={"under notice": 2}, omissions=(Omission("x", "no table 'y'"),)
    )
    assert sheet["cutoffs"] == [
        {"cutoff": "2025-01-01T00:00:00", "rows": 2, "churned": 1},
        {"cutoff": "2025-02-01T00:00:00", "rows": 2, "churned": 0},
    ]
    assert (sheet["rows"], sheet["accounts"], sheet["churned"]) == (4, 2, 1)
    assert sheet["dropped"] == {"under notice": 2}
    assert sheet["omitted"] == [{"feature": "x", "why": "no table 'y'"}]
    assert sheet["features"][0] == {
        "name": "events_7d",
        "family": "usage",
        "unit": "events",
        "missing": 0.0,
        "minimum": 0.0,
        "mean": 0.75,
        "maximum": 2.0,
        "outside": 1,
    }
    assert sheet["features"][2]["mean"] is None
    json.dumps(sheet, allow_nan=False)


def test_the_mean_of_huge_values_is_a_number(catalogue: Catalogue, tmp_path: Path) -> None:
    usage = pa.table(
        {
            "account_id": ["a", "b", "c"],
            "occurred_at": pa.array([dt.datetime(2024, 12, 31)] * 3, pa.timestamp("us")),
            "event": ["login"] * 3,
            "quantity": [1e308, 1e308, None],
        }
    )
    history = History.from_tables({"usage": usage}, observed_until=SECOND)
    pairs = labels(*((account, FIRST, 0) for account in "abc"))
    table = build_table(history, catalogue, pairs, PRINTS, tmp_path / "t.parquet")
    sheet = data_sheet(table, catalogue, dropped={}, omissions=())
    assert sheet["features"][1]["mean"] == pytest.approx(1e308)
    json.dumps(sheet, allow_nan=False)


@pytest.mark.parametrize("content", [b"", b"cut", None])
def test_what_is_no_training_table_is_refused(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "t.parquet"
    if content is None:
        pq.write_table(pa.table({"x": [1]}), path)
    else:
        path.write_bytes(content)
    with pytest.raises(DataError, match=r"t\.parquet: not a training table.*Remove it and train"):
        read_table(path)


def test_one_fingerprint_stands_for_three() -> None:
    assert PRINTS.table != Fingerprints(data="c", catalogue="d", recipe="r").table
    assert len(PRINTS.table) == 64
