"""History that is sent along: all that is known of one account, out of the body of a request.

It is read by the contracts of the history that the service has, so that a model is asked of it what
it learnt: a table of which nothing is sent holds nothing of the account.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc
from pydantic import ValidationError

from churnml.errors import nearest
from churnml.history.asof import row_known_columns
from churnml.history.memory import ARROW_TYPES
from churnml.history.tables import ACCOUNT_ID, READINGS, RECORDED_AT, Table
from churnml.serving.contract_rows import ContractRows
from churnml.serving.documents import HistoryToScore
from churnml.serving.problems import TOLD, Fault, Names, misfit, unfit
from churnml.serving.rows import instant
from churnml.text.spoken import ORIGINS

if TYPE_CHECKING:
    from churnml.history.asof import History
    from churnml.serving.histories import Histories
    from churnml.serving.live import Live

_MADE = f"it is made of {', '.join(ORIGINS)}; send these alone."
EXAMPLE: Mapping[str, Any] = MappingProxyType(
    {
        "account_id": "A900001",
        "as_of": "2026-06-30T00:00:00Z",
        "tables": {
            "accounts": [{"created_at": "2025-03-01", "industry": "retail", "employees": 40}],
            "subscriptions": [
                {
                    "subscription_id": "S900001",
                    "started_at": "2025-08-01",
                    "ends_at": "2026-08-01",
                    "plan": "standard",
                    "seats": 12,
                    "mrr": 900.0,
                }
            ],
            "usage": [
                {"occurred_at": "2026-06-02T09:30:00Z", "event": "login", "quantity": 3},
                {"occurred_at": "2026-06-20T10:00:00+02:00", "event": "login", "quantity": 1},
            ],
            "messages": [
                {
                    "message_id": "M900001",
                    "sent_at": "2026-06-21T08:15:00Z",
                    "direction": "inbound",
                    "text": "We are thinking of cancelling; the export still fails.",
                }
            ],
        },
    }
)


@dataclass(frozen=True, eq=False)
class Sent:
    """What was sent.

    Parameters
    ----------
    account_id : str
        Whose history.
    as_of : datetime
        As of when it is asked about, UTC and naive.
    history : History
        In memory.
    """

    account_id: str
    as_of: dt.datetime
    history: History


class SentHistories:
    """Reads history out of bodies.

    Parameters
    ----------
    histories : Histories
        Says which tables and columns there are.
    live : Live
        Knows who reads texts.
    """

    def __init__(self, histories: Histories, live: Live) -> None:
        self._histories = histories
        self._live = live
        self._readers: dict[tuple[str, tuple[str, ...]], ContractRows] = {}

    def read(self, content: bytes, now: dt.datetime) -> Sent:
        """Read a body.

        Parameters
        ----------
        content : bytes
            The body.
        now : datetime
            The time, UTC and naive: what lies beyond has not come, and is not the newest known.

        Raises
        ------
        Problem
            400 if it is no JSON; 422 naming every place where it does not fit.
        ConfigError
            If there is text, and that of history was read by another version of the reader.
        """
        wanted = _wanted(content)
        clean = self._histories.now
        rows = self._rows(wanted, clean)
        as_of = _instant(wanted.as_of) if wanted.as_of else _after_newest(rows, clean, now)
        history = replace(
            clean,
            observed_until=as_of,
            data=MappingProxyType(rows),
            contracts=MappingProxyType({name: clean.contracts[name] for name in rows}),
            digests=None,
            stale_days=MappingProxyType({}),
        )
        if READINGS.name in clean.made_by:
            read = replace(self._live.words(), corrections=()).read(history)
            history = replace(
                history,
                contracts=clean.contracts,
                data=MappingProxyType({**rows, READINGS.name: read}),
            )
        return Sent(wanted.account_id, as_of, history)

    def _rows(self, wanted: HistoryToScore, clean: History) -> dict[str, pa.Table]:
        """Read the rows of every table; of those that are not sent there are none."""
        contracts = {k: v for k, v in clean.contracts.items() if k not in clean.made_by}
        found = {name: _nothing(table) for name, table in contracts.items()}
        faults: list[Fault] = []
        for name, sent in wanted.tables.items():
            at = f"tables.{name}"
            if name not in contracts:
                made = name in clean.made_by
                unknown = f"unknown.{nearest(name, contracts)}"
                faults.append(Fault(at, _MADE if made else unknown))
                continue
            reader = self._reader(contracts[name])
            read = reader.read(sent, at=at, account_id=wanted.account_id)
            faults += (*read.faults, *reader.repeats(read, at=at))
            found[name] = _ordered(contracts[name], read.rows)
        if faults:
            raise misfit(faults[:TOLD], len(faults))
        return found

    def _reader(self, table: Table) -> ContractRows:
        key = table.name, table.names
        if key not in self._readers:
            self._readers[key] = ContractRows(table, account_given=True)
        return self._readers[key]


def _wanted(content: bytes) -> HistoryToScore:
    try:
        return HistoryToScore.model_validate_json(content)
    except ValidationError as error:
        names = Names(tuple(HistoryToScore.model_fields))
        raise unfit(error.errors(include_url=False, include_input=False), names) from None


def _instant(as_of: str) -> dt.datetime:
    try:
        return instant(as_of)
    except ValueError as error:
        raise misfit([Fault("as_of", f"{error}.")], 1) from None


def _nothing(table: Table) -> pa.Table:
    return pa.schema([(c.name, ARROW_TYPES[c.kind]) for c in table.columns]).empty_table()


def _ordered(table: Table, rows: pa.Table) -> pa.Table:
    """Bring rows to the order of clean history, and their versions to a time each."""
    if RECORDED_AT in table.key:
        place = table.names.index(RECORDED_AT)
        known = pc.coalesce(rows[RECORDED_AT], rows[table.time])
        rows = rows.set_column(place, RECORDED_AT, known)
    names = dict.fromkeys((ACCOUNT_ID, table.time, *table.key, *table.names))
    return rows.sort_by([(name, "ascending") for name in names])


def _after_newest(rows: Mapping[str, pa.Table], clean: History, now: dt.datetime) -> dt.datetime:
    """Give the instant after the newest time at which anything of the rows became known by now."""
    times: list[dt.datetime] = [
        time
        for name, table in rows.items()
        for column in _known(clean.contracts[name], table)
        for time in column.to_pylist()
        if time is not None and time <= now
    ]
    if not times:
        why = "no row was known by now, so that there is no newest time; give it."
        raise misfit([Fault("as_of", why)], 1)
    return max(times) + dt.timedelta(microseconds=1)


def _known(table: Table, rows: pa.Table) -> list[pa.ChunkedArray]:
    """Give the times at which rows, and columns of theirs, become known."""
    names = {*row_known_columns(table), *(c.name for c in table.columns if c.known == c.name)}
    found = [rows[name] for name in sorted(names)]
    if RECORDED_AT in names and table.time not in names:  # which stands for it where it is missing
        found.append(pc.coalesce(rows[RECORDED_AT], rows[table.time]))
    return found
