"""The names of accounts, as the history in charge has them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

from churnml.history.tables import ACCOUNT_ID, ACCOUNTS, RECORDED_AT

if TYPE_CHECKING:
    from churnml.history.asof import History
    from churnml.serving.histories import Histories


@dataclass(frozen=True, eq=False)
class Names:
    """What accounts are called, by their ids; nothing of those that have no name.

    Parameters
    ----------
    of : mapping of str to str
        The names.
    """

    of: Mapping[str, str]

    @classmethod
    def read(cls, history: History) -> Names:
        """Read the latest name of every account.

        Raises
        ------
        SourceError
            If history is gone or damaged.
        """
        table = history.contracts.get(ACCOUNTS.name)
        if table is None or not table.has("name"):
            return cls(MappingProxyType({}))
        known = f"coalesce({RECORDED_AT}, {table.time})" if table.has(RECORDED_AT) else table.time
        rows = history.query(
            f"SELECT {ACCOUNT_ID}, arg_max(name, {known}) AS name FROM {table.name} "
            f"WHERE name IS NOT NULL GROUP BY {ACCOUNT_ID}"
        )
        return cls(
            MappingProxyType(
                dict(zip(rows[ACCOUNT_ID].to_pylist(), rows["name"].to_pylist(), strict=True))
            )
        )

    def having(self, part: str) -> list[str]:
        """Find the accounts with a part in their names, in upper or lower case."""
        wanted = part.casefold()
        return [account for account, name in self.of.items() if wanted in name.casefold()]


class NamesInCharge:
    """The names of the history in charge, read once of each.

    Parameters
    ----------
    histories : Histories or None
        Where they come from; there are none where there is no history.
    """

    def __init__(self, histories: Histories | None) -> None:
        self._histories = histories
        self._read: tuple[History | None, Names] = (None, Names(MappingProxyType({})))

    @property
    def now(self) -> Names:
        """The names, as they are now."""
        if self._histories is None:
            return self._read[1]
        history, read = self._histories.now, self._read
        if read[0] is not history:
            self._read = read = (history, Names.read(history))
        return read[1]
