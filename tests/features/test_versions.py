"""Corrected rows: at each cutoff the version that stood then counts, and no other."""

from __future__ import annotations

import datetime as dt
import itertools
import math
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import given, settings
from hypothesis import strategies as st

from churnml.features.catalogue import Catalogue, read_catalogue
from churnml.features.engine import compute, compute_live
from churnml.features.facts import compile_catalogue
from churnml.history.asof import History
from churnml.history.memory import ARROW_TYPES
from churnml.history.tables import STANDARD

Row = dict[str, Any]

START = dt.datetime(2025, 1, 1)
UNTIL = dt.datetime(2026, 1, 1)
ACCOUNTS = ("a", "b")
COLUMNS = (
    "text_id",
    "account_id",
    "said_at",
    "recorded_at",
    "replaced_at",
    "origin",
    "contact_id",
    "sentiment",
)
TOML = """
family = "readings"
title = "Readings"

[[feature]]
name = "bad_{w}d"
description = "x"
unit = "count"
table = "readings"
aggregate = "count"
where = "sentiment = 'negative'"
windows = [30, 90]
sentence = "{value}"

[[feature]]
name = "bad_share_{w}d"
description = "x"
unit = "share"
table = "readings"
aggregate = "share"
where = "sentiment is not null"
hit = "sentiment = 'negative'"
windows = [90]
sentence = "{value}"

[[feature]]
name = "bad_share_twice"
description = "x"
unit = "share"
formula = "2 * bad_share_90d"
sentence = "{value}"

[[feature]]
name = "last_tone"
description = "x"
unit = "name"
table = "readings"
aggregate = "last"
value = "sentiment"
sentence = "{value}"

[[feature]]
name = "days_since_bad"
description = "x"
unit = "days"
table = "readings"
aggregate = "days_since_last"
where = "sentiment = 'negative'"
sentence = "{value}"

[[feature]]
name = "in_a_row"
description = "x"
unit = "count"
table = "readings"
aggregate = "streak"
where = "sentiment is not null"
breaks = "sentiment = 'positive'"
sentence = "{value}"

[[feature]]
name = "bad_people_{w}d"
description = "x"
unit = "people"
table = "readings"
aggregate = "distinct"
value = "contact_id"
where = "sentiment = 'negative'"
windows = [90]
sentence = "{value}"
"""


def days(n: float) -> dt.timedelta:
    return dt.timedelta(days=n)


def catalogue(folder: Path) -> Catalogue:
    file = folder / "readings.toml"
    file.write_text(TOML)
    return read_catalogue([file], STANDARD)


def history(rows: list[Row]) -> History:
    contract = STANDARD["readings"]
    table = pa.table(
        {
            name: pa.array([row.get(name) for row in rows], ARROW_TYPES[contract.column(name).kind])
            for name in COLUMNS
        }
    )
    return History.from_tables({"readings": table}, observed_until=UNTIL)


def standing(rows: list[Row], account: str, cutoff: dt.datetime) -> list[Row]:
    """The versions that stood, each in the place of the first of its text."""
    first: dict[str, dt.datetime] = {}
    for row in rows:
        known = max(row["recorded_at"], row["said_at"])
        first[row["text_id"]] = min(known, first.get(row["text_id"], known))
    kept = [
        {**row, "first": first[row["text_id"]]}
        for row in rows
        if row["account_id"] == account
        and max(row["recorded_at"], row["said_at"]) < cutoff
        and not (row["replaced_at"] is not None and row["replaced_at"] < cutoff)
    ]
    return sorted(kept, key=lambda row: (row["first"], row["said_at"], row["text_id"]))


def expected(rows: list[Row], account: str, cutoff: dt.datetime) -> Row:
    seen = standing(rows, account, cutoff)
    bad = [row for row in seen if row["sentiment"] == "negative"]
    toned = [row for row in seen if row["sentiment"] is not None]
    recent = [row for row in toned if row["said_at"] >= cutoff - days(90)]
    hits = [row for row in recent if row["sentiment"] == "negative"]
    share = len(hits) / len(recent) if recent else None
    streak = 0
    for row in toned:
        streak = 0 if row["sentiment"] == "positive" else streak + 1
    last = max(((row["said_at"], row["sentiment"]) for row in toned), default=(None, None))
    since = max((row["said_at"] for row in bad), default=None)
    return {
        "bad_30d": sum(row["said_at"] >= cutoff - days(30) for row in bad),
        "bad_90d": len(hits),
        "bad_share_90d": share,
        "bad_share_twice": None if share is None else 2 * share,
        "last_tone": last[1],
        "days_since_bad": None if since is None else (cutoff - since) / days(1),
        "in_a_row": streak,
        "bad_people_90d": len({row["contact_id"] for row in hits if row["contact_id"]}),
    }


def text(
    name: str, account: str, said: dt.datetime, *versions: tuple[dt.timedelta, str | None]
) -> list[Row]:
    """A text, with what was read in it and how long after it was written."""
    rows: list[Row] = [
        {
            "text_id": name,
            "account_id": account,
            "said_at": said,
            "recorded_at": said + after,
            "replaced_at": None,
            "origin": "messages",
            "contact_id": f"{account}-{name[-1]}",
            "sentiment": sentiment,
        }
        for after, sentiment in versions
    ]
    for row, later in itertools.pairwise(rows):
        row["replaced_at"] = later["recorded_at"]
    return rows


tones = st.sampled_from([None, "positive", "neutral", "negative"])
lags = st.sampled_from([days(0), days(1), days(40), days(100)])


@st.composite
def readings(draw: st.DrawFn) -> list[Row]:
    rows: list[Row] = []
    for number in range(draw(st.integers(0, 8))):
        said = START + days(draw(st.integers(0, 200)))
        after = draw(st.lists(st.integers(0, 90), min_size=1, max_size=3, unique=True))
        versions = [(days(n), draw(tones)) for n in sorted(after)]
        rows += text(f"m{number}", draw(st.sampled_from(ACCOUNTS)), said, *versions)
    return rows


def same(found: Row, wanted: Row) -> bool:
    return found.keys() == wanted.keys() and all(
        value == wanted[name]
        or (isinstance(value, float) and math.isclose(value, wanted[name], rel_tol=1e-12))
        for name, value in found.items()
    )


@given(rows=readings(), starts=st.lists(st.integers(1, 400), min_size=1, max_size=3, unique=True))
@settings(max_examples=60, deadline=None)
def test_each_cutoff_sees_the_version_that_stood(
    rows: list[Row], starts: list[int], tmp_path_factory: Any
) -> None:
    held = history(rows)
    program = compile_catalogue(catalogue(tmp_path_factory.mktemp("f")), held.contracts)
    cutoffs = [START + days(n) for n in starts]
    pairs = [(account, cutoff) for cutoff in cutoffs for account in ACCOUNTS]
    instants = np.array([cutoff for _, cutoff in pairs], "datetime64[us]").astype(np.int64)
    (batch,) = compute(held, program, [account for account, _ in pairs], instants)
    for (account, cutoff), row in zip(pairs, batch.columns.to_pylist(), strict=True):
        assert same(row, expected(rows, account, cutoff)), (account, cutoff)
        (alone,) = compute_live(held, program, [account], cutoff).to_pylist()
        assert alone == row


def test_a_text_that_moves_to_another_account_is_new_there(tmp_path: Path) -> None:
    first = text("m1", "a", START + days(1), (days(0), "negative"), (days(50), "negative"))
    first[1]["account_id"] = "b"
    other = text("m2", "b", START + days(20), (days(0), "positive"))
    held = history([*first, *other])
    program = compile_catalogue(catalogue(tmp_path), held.contracts)
    cutoff = START + days(90)
    instants = np.array([cutoff], "datetime64[us]").astype(np.int64)
    (batch,) = compute(held, program, ["b"], instants)
    # It became known of b after m2, so that it stands after it.
    assert batch.columns["in_a_row"].to_pylist() == [1]
    assert compute_live(held, program, ["b"], cutoff) == batch.columns


def test_a_correction_counts_from_when_it_was_made(tmp_path: Path) -> None:
    said = START + days(10)
    rows = text("m1", "a", said, (days(0), "negative"), (days(5), "positive"))
    held = history(rows)
    file = tmp_path / "readings.parquet"
    pq.write_table(held.hindsight("readings"), file)
    held = History(held.contracts, UNTIL, {"readings": file})
    program = compile_catalogue(catalogue(tmp_path), held.contracts)
    before, at, after = (said + days(n) for n in (4, 5, 6))
    instants = np.array([before, at, after], "datetime64[us]").astype(np.int64)
    (found,) = compute(held, program, ["a"] * 3, instants)
    assert found.columns["last_tone"].to_pylist() == ["negative", "negative", "positive"]
    assert found.columns["bad_30d"].to_pylist() == [1, 1, 0]
    assert found.columns["in_a_row"].to_pylist() == [1, 1, 0]
    view = held.as_of(after).table("readings")
    assert view["sentiment"].to_pylist() == ["positive"]
    assert held.as_of(at).table("readings")["sentiment"].to_pylist() == ["negative"]
    assert held.as_of(at).table("readings")["replaced_at"].to_pylist() == [None]
