"""A look at history as it was known at one time, for questions in SQL."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from churnml.errors import DataError, nearest
from churnml.history.asof import History, as_of_select, microseconds
from churnml.history.dialect import instant, literal
from churnml.history.tables import ACCOUNT_ID, READINGS
from churnml.labels.terms import Terms


@dataclass(frozen=True)
class Look:
    """History as it was known at a cutoff.

    Parameters
    ----------
    history : History
        Clean history.
    cutoff : datetime
        UTC, naive; only what was known strictly before is looked at.
    corrected_until : datetime, optional
        Until when corrections of readings count, which are younger than the newest export; as all
        else until the cutoff if omitted.
    """

    history: History
    cutoff: dt.datetime
    corrected_until: dt.datetime | None = None

    def has(self, table: str, *columns: str) -> bool:
        """Whether history has a table with some columns."""
        contract = self.history.contracts.get(table)
        return contract is not None and set(columns) <= set(contract.names)

    def view(self, table: str) -> str:
        """A table as it was known, as a subquery."""
        known = self._known(table, self.cutoff)
        if table != READINGS.name or self.corrected_until is None:
            return known
        # No text of after the cutoff comes in with what was said of the others since.
        corrected = self._known(table, max(self.cutoff, self.corrected_until))
        return f"(SELECT * FROM {corrected} WHERE text_id IN (SELECT text_id FROM {known}))"

    def _known(self, table: str, until: dt.datetime) -> str:
        query = as_of_select(self.history.contracts[table], until)
        return f"({query.sql(dialect='duckdb', identify=True)})"

    def since(self, days: float) -> str:
        """So many days before the cutoff, as SQL writes it."""
        return instant(self.cutoff - dt.timedelta(days=days))

    def rows(self, sql: str) -> list[dict[str, Any]]:
        """Ask, and get a row each."""
        found: list[dict[str, Any]] = self.history.query(sql).to_pylist()
        return found

    def require_account(self, account: str) -> None:
        """Refuse an account that no table tells of.

        Raises
        ------
        DataError
            If nothing was known of it before the cutoff, with the nearest name.
        """
        tables = [name for name, table in self.history.contracts.items() if not table.label_only]
        here = f"WHERE {ACCOUNT_ID} = {literal(account)} LIMIT 1"
        if any(self.rows(f"SELECT 1 FROM {self.view(name)} {here}") for name in tables):
            return
        named = " UNION ".join(f"SELECT {ACCOUNT_ID} FROM {self.view(name)}" for name in tables)
        names = [row[ACCOUNT_ID] for row in self.rows(named)]
        raise DataError(
            f"account {account!r}: history knows of none by that name before "
            f"{self.cutoff:%Y-%m-%d %H:%M} UTC.{nearest(account, names)}"
        )

    def current(self) -> frozenset[str] | None:
        """Accounts with a running term; none where history has no terms."""
        if not self.has("subscriptions"):
            return None
        terms = Terms.read(self.history)
        places = np.arange(len(terms.ids))
        active = terms.standing(places, np.full(places.size, microseconds(self.cutoff)), 0).active
        return frozenset(terms.ids.filter(pa.array(active)).to_pylist())
