"""History up to now: clean history, with what was posted since, of some accounts in memory."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from types import MappingProxyType
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from churnml.errors import DataError
from churnml.history.posted import NUMBER, arranged, live
from churnml.history.tables import ACCOUNT_ID, ACCOUNTS, READINGS
from churnml.text.spoken import ORIGINS, spoken
from churnml.training.tables import readings, stale_tables

if TYPE_CHECKING:
    from churnml.features.catalogue import Catalogue
    from churnml.history.asof import History
    from churnml.project import Project
    from churnml.serving.store.events import Events
    from churnml.text.readings import Readings

_TEXT_ID = "text_id"


class Live:
    """Gives the history of accounts as it is now.

    Parameters
    ----------
    project : Project
        Whose tables and words.
    events : Events
        What was posted.
    """

    def __init__(self, project: Project, events: Events) -> None:
        self._project = project
        self._events = events
        self._contracts = project.sources.tables_declared()
        source = project.sources.tables.get(ACCOUNTS.name)
        self._derive = source is not None and source.derive
        self._reader = cache(readings(project).reader)
        self._quiet: Mapping[tuple[str, dt.datetime], tuple[str, ...]] = {}
        self._quiet_in: History | None = None

    def observed_until(self, history: History) -> dt.datetime:
        """Tell until when history is known, with what was posted since.

        Parameters
        ----------
        history : History
            Clean history.
        """
        return _until(history, self._events.newest(self._contracts))

    def of(self, history: History, accounts: Sequence[str]) -> History:
        """Give the history of accounts, with every event that was acknowledged by now.

        Parameters
        ----------
        history : History
            Clean history.
        accounts : sequence of str
            Whose.

        Raises
        ------
        DataError
            If clean history holds events that the store has no longer.
        ConfigError
            If a text was posted, and those of history were read by another version of the reader.
        SourceError, StoreError
            If something cannot be read.
        """
        self.require_same(history)
        newest = self._events.newest(self._contracts)
        posted = self._posted(history, accounts)
        until = _until(history, newest)
        found = live(history, self._contracts, accounts, posted, until, newest, derive=self._derive)
        if READINGS.name in history.made_by or READINGS.name not in history.contracts:
            return _with_readings(found, posted, self.words())
        return found

    def stale(self, history: History, catalogue: Catalogue, cutoff: dt.datetime) -> tuple[str, ...]:
        """Name the tables that had gone quiet before a cutoff, also with what was posted.

        Parameters
        ----------
        history : History
            Clean history.
        catalogue : Catalogue
            The features that are used.
        cutoff : datetime
            UTC, naive.
        """
        key = catalogue.fingerprint, cutoff.replace(minute=0, second=0, microsecond=0)
        if self._quiet_in is not history:
            self._quiet, self._quiet_in = {}, history
        if key not in self._quiet:
            found = stale_tables(history, catalogue, key[1])
            self._quiet = {key: tuple(item.table for item in found)}  # the last one asked for
        old = self._quiet[key]
        newest = self._events.newest(old, before=cutoff)
        return tuple(
            name
            for name in old
            if name not in newest or cutoff - newest[name] > dt.timedelta(history.stale_days[name])
        )

    def require_same(self, history: History) -> None:
        """Refuse clean history with events that the store has no longer.

        Raises
        ------
        DataError
            If it went back to a backup of before.
        """
        mark = history.posted
        if mark.number and self._events.digest(mark.number) != mark.digest:
            raise DataError(
                "clean history holds posted events that the store has no longer, as after a "
                "restore of a backup. `churnml check` reads history anew."
            )

    def _posted(self, history: History, accounts: Sequence[str]) -> Mapping[str, pa.Table]:
        by_table: dict[str, list[tuple[Mapping[str, object], int]]] = {}
        for item in self._events.of_accounts(accounts, history.posted.number):
            if item.table in self._contracts:
                by_table.setdefault(item.table, []).append((item.row, item.number or 0))
        return {
            name: arranged(self._contracts[name], *map(list, zip(*rows, strict=True)))
            for name, rows in by_table.items()
        }

    def words(self) -> Readings:
        """Give who reads texts, loaded once."""
        return replace(readings(self._project), reader=self._reader)


def _until(history: History, newest: Mapping[str, dt.datetime]) -> dt.datetime:
    after = (at + dt.timedelta(microseconds=1) for at in newest.values())
    return max([history.observed_until, *after])


def _with_readings(history: History, posted: Mapping[str, pa.Table], reader: Readings) -> History:
    """Read the texts that were posted, beside those that were read before."""
    # Where nobody's words were read before, those that were posted are all there are.
    first = READINGS.name not in history.contracts
    new = {
        name: _touched(history.contracts[name].key, history.hindsight(name), posted[name])
        for name in ORIGINS
        if name in posted
    }
    if not (new or first) or spoken(history) is None:
        return history
    contracts = {name: history.contracts[name] for name in new}
    read = reader.read(
        replace(history, contracts=MappingProxyType(contracts), data=MappingProxyType(new))
    )
    if not first:
        before = history.hindsight(READINGS.name)
        others = pc.invert(pc.is_in(before[_TEXT_ID], read[_TEXT_ID].combine_chunks()))
        columns = list(history.contracts[READINGS.name].names)
        read = pa.concat_tables([before.filter(others).select(columns), read.select(columns)])
        contract = history.contracts[READINGS.name]
    else:
        contract = READINGS
    order = [(name, "ascending") for name in (ACCOUNT_ID, contract.time, *contract.key)]
    return replace(
        history,
        contracts=MappingProxyType({**history.contracts, READINGS.name: contract}),
        data=MappingProxyType({**history.data, READINGS.name: read.sort_by(order)}),
    )


def _touched(key: Sequence[str], rows: pa.Table, posted: pa.Table) -> pa.Table:
    """Keep the rows that something posted is of."""
    names = [ACCOUNT_ID, *key]
    return rows.join(posted.drop_columns([NUMBER]).select(names), names, join_type="left semi")
