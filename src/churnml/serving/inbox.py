"""The inbox: events out of JSON, checked by the contracts of their tables, kept before answered."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc
from pydantic import ValidationError

from churnml.errors import nearest
from churnml.history.asof import read_rows, row_known_columns
from churnml.history.tables import ACCOUNT_ID, Table
from churnml.serving.contract_rows import ContractRows
from churnml.serving.documents import Event, EventsToKeep
from churnml.serving.problems import TOLD, Fault, Names, Problem, misfit, shown, unfit
from churnml.serving.store.events import EventConflictError, EventRecord

if TYPE_CHECKING:
    from pathlib import Path

    from churnml.history.asof import History
    from churnml.history.sources import Sources
    from churnml.serving.store.events import Events

_AHEAD = dt.timedelta(minutes=5)  # that a sender's clock may run before ours
_ACCOUNTS = "accounts"


class Inbox:
    """Takes events.

    Parameters
    ----------
    sources : Sources
        The tables that the project declares.
    events : Events
        Keeps them.
    """

    def __init__(self, sources: Sources, events: Events) -> None:
        derived = {name for name, source in sources.tables.items() if source.derive}
        self._tables = {
            name: table
            for name, table in sources.tables_declared().items()
            if name not in derived and table.replaced is None
        }
        self._given = frozenset(sources.tables)
        # Accounts that are derived from other tables come to exist with their first row.
        self._named = _ACCOUNTS in self._given - derived
        self._events = events
        self._readers: dict[tuple[str, tuple[str, ...]], ContractRows] = {}

    def take(
        self,
        content: bytes,
        history: History,
        at: dt.datetime,
        *,
        key_id: str,
        request_id: str,
        most: int,
    ) -> dict[str, Any]:
        """Keep the events of a body, all or none; they are on disk when this returns.

        Parameters
        ----------
        content : bytes
            The body.
        history : History
            Clean history: which tables there are, with which columns, and which accounts.
        at : datetime
            Now, UTC and naive.
        key_id, request_id : str
            By whose key, in which request.
        most : int
            How many events are taken at once.

        Raises
        ------
        Problem
            400 if the body is no JSON; 409 if the id of an event is that of another; 422 naming
            every place where it does not fit.
        """
        wanted = _read(content, most)
        rows = self._rows(wanted.events, history)
        self._require_known(wanted.events, rows, history)
        contracts = self._contracts(history)
        records, faults = [], list[Fault]()
        for place, (event, row) in enumerate(zip(wanted.events, rows, strict=True)):
            known = _known_at(contracts[event.table], row)
            faults += _ahead(f"events.{place}.row", known, at + _AHEAD)
            records.append(
                EventRecord(
                    wanted.source,
                    event.id,
                    event.table,
                    row[ACCOUNT_ID],
                    _plain(row),
                    max(known.values()),
                    at,
                    key_id,
                    request_id,
                )
            )
        if faults:
            raise misfit(faults[:TOLD], len(faults))
        try:
            added = self._events.add(records)
        except EventConflictError as error:
            raise _taken(wanted, error.event_ids) from None
        return {"accepted": added.accepted, "repeated": added.repeated}

    def _rows(self, events: Sequence[Event], history: History) -> list[dict[str, Any]]:
        """Read the rows of all events, in the types of their tables."""
        places: dict[str, list[int]] = {}
        for place, event in enumerate(events):
            places.setdefault(event.table, []).append(place)
        faults: list[Fault] = []
        found: dict[int, dict[str, Any]] = {}
        contracts = self._contracts(history)
        for name, there in places.items():
            if name not in contracts:
                # To find the nearest of a thousand names takes seconds, and few faults are told.
                hint = nearest(name, contracts) if len(faults) < TOLD else ""
                why = f"no table {shown(name)!r} can be posted to.{hint}"
                faults += [Fault(f"events.{place}.table", why) for place in there]
                continue
            read = self._reader(contracts[name]).read([events[place].row for place in there])
            for item in read.faults:
                row, dot, column = item.at.partition(".")
                faults.append(Fault(f"events.{there[int(row)]}.row{dot}{column}", item.why))
            sound = (there[place] for place in read.places)
            found |= dict(zip(sound, read.rows.to_pylist(), strict=True))
        if faults:
            faults.sort(key=lambda item: int(item.at.split(".")[1]))
            raise misfit(faults[:TOLD], len(faults))
        return [found[place] for place in range(len(events))]

    def _reader(self, contract: Table) -> ContractRows:
        key = contract.name, contract.names
        if key not in self._readers:
            self._readers[key] = ContractRows(contract)
        return self._readers[key]

    def _contracts(self, history: History) -> Mapping[str, Table]:
        """Name the tables that can be posted to, with the columns that a row may have.

        A column that the sources do not give would change what the model's features mean.
        """
        return {
            name: history.contracts.get(name, table) if name in self._given else table
            for name, table in self._tables.items()
        }

    def _require_known(
        self, events: Sequence[Event], rows: Sequence[Mapping[str, Any]], history: History
    ) -> None:
        """Refuse rows of accounts that nobody has told of."""
        if not self._named:
            return
        pairs = list(zip(events, rows, strict=True))
        told = {row[ACCOUNT_ID] for event, row in pairs if event.table == _ACCOUNTS}
        asked = {row[ACCOUNT_ID] for _, row in pairs} - told
        known = _accounts(history, asked)
        unknown = asked - known - self._events.accounts(asked - known)
        faults = [
            Fault(
                f"events.{place}.row.{ACCOUNT_ID}",
                "an account that is unknown. Post a row of `accounts` for it, here or before.",
            )
            for place, row in enumerate(rows)
            if row[ACCOUNT_ID] in unknown
        ]
        if faults:
            raise misfit(faults[:TOLD], len(faults))


def _read(content: bytes, most: int) -> EventsToKeep:
    try:
        found = EventsToKeep.model_validate_json(content)
    except ValidationError as error:
        names = Names((*EventsToKeep.model_fields, *Event.model_fields))
        raise unfit(error.errors(include_url=False, include_input=False), names) from None
    if len(found.events) > most:
        why = f"{len(found.events):,} were sent; at most {most:,} are taken at once."
        raise Problem(422, "too-many", why, faults=[Fault("events", why)])
    return found


def _known_at(table: Table, row: Mapping[str, Any]) -> dict[str, dt.datetime]:
    """Tell the times at which a row, and what of it is known at a time of its own, became known."""
    own = [column.name for column in table.columns if column.known == column.name]
    first = [name for name in row_known_columns(table) if row.get(name) is not None]
    # What is booked ahead is known when it starts at the latest, where nobody says when it was.
    times = dict.fromkeys((*(first or [table.time]), *own))
    return {name: row[name] for name in times if row.get(name) is not None}


def _ahead(where: str, known: Mapping[str, dt.datetime], last: dt.datetime) -> list[Fault]:
    """Name the times that have not come: what is planned may come otherwise, and nobody knows it.

    It would stand as what came, since the first row that tells of it counts.
    """
    why = "lies ahead of the service's clock. Post what became known then when it has come."
    return [Fault(f"{where}.{name}", why) for name, time in known.items() if time > last]


def _plain(row: Mapping[str, Any]) -> dict[str, Any]:
    """Give what a row tells in values that JSON knows; times are UTC."""
    return {
        name: value.isoformat() if isinstance(value, dt.datetime) else value
        for name, value in row.items()
        if value is not None
    }


def _accounts(history: History, asked: set[str]) -> set[str]:
    if _ACCOUNTS not in history.contracts or not asked:
        return set()
    rows: pa.Table | Path = history.data[_ACCOUNTS]
    if not isinstance(rows, pa.Table):
        return {*read_rows(rows, sorted(asked))[ACCOUNT_ID].to_pylist()}
    there = pc.is_in(rows[ACCOUNT_ID], pa.array(sorted(asked), pa.string()))
    return {*rows.filter(there)[ACCOUNT_ID].to_pylist()}


def _taken(wanted: EventsToKeep, event_ids: Sequence[str]) -> Problem:
    taken = {*event_ids}
    why = "another event was posted under this id, of the same source; give it one of its own."
    faults = [
        Fault(f"events.{place}.id", why)
        for place, event in enumerate(wanted.events)
        if event.id in taken
    ]
    problem = misfit(faults[:TOLD], len(faults))
    return Problem(409, "id-taken", f"{problem.detail} Nothing was kept.", faults=problem.faults)
