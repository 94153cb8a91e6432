"""What is sent: rows of features and of history, in values that JSON knows."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic_core import to_json


@dataclass(frozen=True)
class Row:
    """A row of features to score.

    Parameters
    ----------
    features : mapping of str to value
        All that `Client.model` lists. NaN counts as not known, as None does.
    account_id : str, optional
        Whose it is; told again with the score.
    as_of : datetime, optional
        As of when it holds; UTC where it has no zone.
    arr : float, optional
        Revenue a year; gives the account's tier and what is at risk.
    """

    features: Mapping[str, Any]
    account_id: str | None = None
    as_of: dt.datetime | None = None
    arr: float | None = None

    def line(self) -> bytes:
        """Write it as the service reads it; what is not given is left out."""
        found: dict[str, Any] = {"features": plain(self.features)}
        if self.account_id is not None:
            found["account_id"] = self.account_id
        if self.as_of is not None:
            found["as_of"] = value(self.as_of)
        if self.arr is not None:
            found["arr"] = value(self.arr)
        return to_json(found)


@dataclass(frozen=True)
class Event:
    """A row of history, to be kept once.

    Parameters
    ----------
    id : str
        Names it, among those of its source, for ever.
    table : str
        Of which table it is a row.
    row : mapping of str to value
        The columns of the table's contract.
    """

    id: str
    table: str
    row: Mapping[str, Any]

    def document(self) -> dict[str, Any]:
        """Tell it as the service reads it."""
        return {"id": self.id, "table": self.table, "row": plain(self.row)}


def plain(row: Mapping[str, Any]) -> dict[str, Any]:
    """Give a row in values that JSON knows."""
    return {name: value(item) for name, item in row.items()}


def value(item: Any) -> Any:
    """Give a value that JSON knows: numpy's become Python's, NaN is not known."""
    if hasattr(item, "item"):
        item = item.item()
    if item != item:  # noqa: PLR0124 - NaN, and pandas' NaT
        return None
    return item.isoformat() if isinstance(item, dt.date) else item


def lines(parts: Iterable[bytes]) -> Iterator[bytes]:
    """Put lines together; httpx's own would also part them within words of a customer."""
    rest = b""
    for part in parts:
        *whole, rest = (rest + part).split(b"\n")
        yield from whole
    if rest:
        yield rest
