"""The client: a method for what the service can be asked, and a document for each answer."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

import httpx
from pydantic_core import to_json

from churnml.client.asking import Asking, Patience, parsed
from churnml.client.errors import KINDS, Refused
from churnml.errors import ConfigError
from churnml.serving.documents import (
    AccountScoresDocument,
    EventsKept,
    ModelCard,
    ProblemDocument,
    Readiness,
    ScoreDocument,
    ScoreDocuments,
    ScoreHistory,
    WhatIfDocument,
)

_SCORES = "/v1/scores"
_JSON, _LINES = {"Content-Type": "application/json"}, {"Content-Type": "application/x-ndjson"}
_PROBLEM = f'{{"type":"{KINDS}'.encode()
_CONNECT = 5.0  # seconds
_EVENTS = 1000  # that the service takes at once


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


class Client:
    """Asks a service.

    It may be shared by threads. As a context manager it lets go of its connections at the end.

    Parameters
    ----------
    url : str
        Where the service listens, such as ``http://127.0.0.1:8000``.
    key : str
        What ``churnml keys create`` printed.
    timeout : float
        Seconds without a word from the service after which it is given up.
    retries : int
        How often a request is sent again that did not get through: the service was too busy (429,
        503), or not there. Only what may be done twice is.
    longest_wait : float
        Seconds. Where the service asks to wait longer, its refusal is raised instead.
    transport : httpx.BaseTransport, optional
        Of httpx, for proxies, certificates of one's own, and tests.

    Raises
    ------
    ConfigError
        If the URL or the key cannot be one.
    """

    def __init__(
        self,
        url: str,
        key: str,
        *,
        timeout: float = 30.0,
        retries: int = 4,
        longest_wait: float = 30.0,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        if not url.startswith(("http://", "https://")):
            raise ConfigError(f"url {url!r}: expected one that begins with http:// or https://.")
        if not key.isascii() or not key.isprintable() or not key.strip():
            raise ConfigError("key: expected what `churnml keys create` printed, on one line.")
        self._url = url.rstrip("/")
        self._http = httpx.Client(
            base_url=self._url,
            headers={"Authorization": f"Bearer {key.strip()}"},
            timeout=httpx.Timeout(timeout, connect=min(timeout, _CONNECT)),
            transport=transport,
        )
        self._asking = Asking(self._http, Patience(retries, longest_wait))

    def __repr__(self) -> str:
        return f"Client({self._url!r})"  # and never the key

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of connections."""
        self._http.close()

    def score(
        self, account_ids: Sequence[str], *, as_of: dt.datetime | None = None
    ) -> AccountScoresDocument:
        """Score up to 100 accounts from history; the service keeps the answers.

        Parameters
        ----------
        account_ids : sequence of str
            Each once.
        as_of : datetime, optional
            With what was known strictly before, UTC where it has no zone; all that is known if
            omitted.

        Returns
        -------
        AccountScoresDocument
            Scores, and why the others have none.

        Raises
        ------
        ClientError
            As all methods that ask.
        """
        body = to_json({"account_ids": list(account_ids), "as_of": _time(as_of)})
        # Done twice, it would be kept twice.
        answer = self._asking.send(
            "POST", f"{_SCORES}/accounts", repeatable=False, content=body, headers=_JSON
        )
        return parsed(AccountScoresDocument, answer.content)

    def score_history(
        self,
        account_id: str,
        tables: Mapping[str, Iterable[Mapping[str, Any]]],
        *,
        as_of: dt.datetime | None = None,
    ) -> AccountScoresDocument:
        """Score an account by its history, sent along; nothing is kept.

        Parameters
        ----------
        account_id : str
            Whose; rows need not repeat it.
        tables : mapping of str to rows
            All that is known of it, by table.
        as_of : datetime, optional
            With what was known strictly before; all that is sent if omitted.
        """
        rows = {name: [_plain(row) for row in content] for name, content in tables.items()}
        body = to_json({"account_id": account_id, "as_of": _time(as_of), "tables": rows})
        return parsed(AccountScoresDocument, self._read("POST", f"{_SCORES}/history", body))

    def what_if(
        self,
        changes: Mapping[str, Any],
        *,
        account_id: str | None = None,
        features: Mapping[str, Any] | None = None,
        as_of: dt.datetime | None = None,
        arr: float | None = None,
    ) -> WhatIfDocument:
        """Score an account as it is, and with other values of what can be acted on.

        Parameters
        ----------
        changes : mapping of str to value
            The other values, by feature.
        account_id, features : str or mapping of str to value
            One of both: an account of history, or all its features.
        as_of : datetime, optional
            As for `score`, or as for `Row`.
        arr : float, optional
            Beside features.
        """
        given = {
            "account_id": account_id,
            "features": None if features is None else _plain(features),
            "as_of": _time(as_of),
            "arr": _value(arr),
        }
        body = to_json({**given, "changes": _plain(changes)})
        return parsed(WhatIfDocument, self._read("POST", f"{_SCORES}/what-if", body))

    def post_events(self, source: str, events: Iterable[Event]) -> EventsKept:
        """Have the service keep rows of history, any number, a thousand at a time.

        They are on its disk when this returns, and each is kept once, however often it is posted.
        If it raises, those before may have been kept: post all of them again.

        Parameters
        ----------
        source : str
            What posts them.
        events : iterable of Event
            In the order in which they happened.

        Returns
        -------
        EventsKept
            How many are new, and how many had been kept before.
        """
        accepted = repeated = 0
        rest = iter(events)
        while some := list(islice(rest, _EVENTS)):
            rows = [{"id": e.id, "table": e.table, "row": _plain(e.row)} for e in some]
            body = to_json({"source": source, "events": rows})
            kept = parsed(EventsKept, self._read("POST", "/v1/events", body))
            accepted, repeated = accepted + kept.accepted, repeated + kept.repeated
        return EventsKept(accepted=accepted, repeated=repeated)

    def score_features(
        self,
        features: Mapping[str, Any],
        *,
        account_id: str | None = None,
        as_of: dt.datetime | None = None,
        arr: float | None = None,
    ) -> ScoreDocument:
        """Score one row of features; nothing is kept.

        Parameters
        ----------
        features, account_id, as_of, arr
            As for `Row`.
        """
        body = _line(Row(features, account_id, as_of, arr))
        return parsed(ScoreDocument, self._read("POST", f"{_SCORES}/features", body))

    def score_batch(self, rows: Iterable[Row]) -> list[ScoreDocument]:
        """Score up to 1,000 rows, all or, if one does not fit, none; nothing is kept."""
        body = b'{"rows":[' + b",".join(_line(row) for row in rows) + b"]}"
        return parsed(ScoreDocuments, self._read("POST", f"{_SCORES}/batch", body)).scores

    def score_bulk(self, rows: Iterable[Row]) -> Iterator[ScoreDocument | Refused]:
        """Score any number of rows, line by line; nothing is kept.

        Rows are taken one by one as they are sent, and answers given one by one as they come, the
        first once all rows have been sent. Neither is held in memory.

        Parameters
        ----------
        rows : iterable of Row
            Any number.

        Yields
        ------
        ScoreDocument or Refused
            For each row in its order; the error, not raised, of one that does not fit.
        """
        lines = (_line(row) + b"\n" for row in rows)
        with self._asking.stream(
            "POST", f"{_SCORES}/bulk", content=lines, headers=_LINES
        ) as answer:
            for line in _lines(answer.iter_bytes()):
                yield _told(line)

    def latest(self, account_id: str, *, as_of: dt.datetime | None = None) -> ScoreDocument:
        """Give the last answer that `score` gave about an account, exactly.

        Parameters
        ----------
        account_id : str
            Whose.
        as_of : datetime, optional
            The last that was given strictly before, UTC where it has no zone.
        """
        asked = None if as_of is None else {"as_of": _time(as_of)}
        found = self._read("GET", f"{_SCORES}/{_part(account_id)}", params=asked)
        return parsed(ScoreDocument, found)

    def history(self, account_id: str, *, page: int = 100) -> Iterator[ScoreDocument]:
        """Give all answers that `score` gave about an account, the last first.

        Parameters
        ----------
        account_id : str
            Whose.
        page : int
            How many are asked for at once, 1 to 100.
        """
        path, cursor = f"{_SCORES}/{_part(account_id)}/history", None
        while True:
            asked = {"limit": page} if cursor is None else {"limit": page, "cursor": cursor}
            found = parsed(ScoreHistory, self._read("GET", path, params=asked))
            yield from found.scores
            if (cursor := found.next) is None:
                return

    def model(self) -> ModelCard:
        """Tell of the model that answers: what it predicts, from which features, how well."""
        return parsed(ModelCard, self._read("GET", "/v1/model"))

    def ready(self) -> Readiness:
        """Tell whether scores can be given, and how fresh history is; raises nothing if not."""
        answer = self._asking.send("GET", "/readyz", repeatable=True, answers=(503,))
        return parsed(Readiness, answer.content)

    def _read(self, method: str, path: str, body: bytes | None = None, **how: Any) -> bytes:
        headers = None if body is None else _JSON
        return self._asking.send(
            method, path, repeatable=True, content=body, headers=headers, **how
        ).content


def _lines(parts: Iterable[bytes]) -> Iterator[bytes]:
    """Put lines together; httpx's own would also part them within words of a customer."""
    rest = b""
    for part in parts:
        *whole, rest = (rest + part).split(b"\n")
        yield from whole
    if rest:
        yield rest


def _told(line: bytes) -> ScoreDocument | Refused:
    if line.startswith(_PROBLEM):
        return Refused.of(parsed(ProblemDocument, line))
    return parsed(ScoreDocument, line)


def _part(account_id: str) -> str:
    return quote(account_id, safe="")


def _time(when: dt.datetime | None) -> str | None:
    return None if when is None else when.isoformat()


def _line(row: Row) -> bytes:
    found: dict[str, Any] = {"features": _plain(row.features)}
    if row.account_id is not None:
        found["account_id"] = row.account_id
    if row.as_of is not None:
        found["as_of"] = _time(row.as_of)
    if row.arr is not None:
        found["arr"] = _value(row.arr)
    return to_json(found)


def _plain(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _value(value) for name, value in row.items()}


def _value(value: Any) -> Any:
    """Give a value that JSON knows: numpy's become Python's, NaN is not known."""
    if hasattr(value, "item"):
        value = value.item()
    if value != value:  # noqa: PLR0124 - NaN, and pandas' NaT
        return None
    return value.isoformat() if isinstance(value, dt.date) else value
