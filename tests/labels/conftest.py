"""Tiny histories, written as lists of rows."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pyarrow as pa
import pytest

from churnml.history.asof import History
from churnml.history.memory import ARROW_TYPES
from churnml.history.tables import STANDARD

Rows = Sequence[Mapping[str, Any]]
MakeHistory = Callable[..., History]


def _table(name: str, rows: Rows) -> pa.Table:
    contract = STANDARD[name]
    present = [column for column in contract.columns if any(column.name in row for row in rows)]
    needed = [c for c in contract.columns if c.name in (*contract.key, "account_id", contract.time)]
    columns = present or needed
    return pa.table(
        {
            column.name: pa.array([row.get(column.name) for row in rows], ARROW_TYPES[column.kind])
            for column in columns
        }
    )


@pytest.fixture
def history() -> MakeHistory:
    """Make a history of rows by table; keys that tell nothing here are filled in."""

    def make(observed_until: dt.datetime, **tables: Rows) -> History:
        filled = {}
        for name, rows in tables.items():
            keys = [
                key for key in STANDARD[name].key if key.endswith("_id") and key != "account_id"
            ]
            filled[name] = _table(
                name, [{**dict.fromkeys(keys, str(i)), **row} for i, row in enumerate(rows)]
            )
        return History.from_tables(filled, observed_until=observed_until)

    return make
