"""Scores: asked for by account, by features and by history, and given again."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from pydantic_core import to_json

from churnml.client.asking import parsed
from churnml.client.connection import JSON, Connection, part
from churnml.client.errors import KINDS, Refused
from churnml.client.rows import Row, lines, plain, value
from churnml.serving.documents import (
    AccountScoresDocument,
    ProblemDocument,
    ScoreDocument,
    ScoreDocuments,
    ScoreHistory,
    WhatIfDocument,
)

_SCORES = "/v1/scores"
_LINES = {"Content-Type": "application/x-ndjson"}
_PROBLEM = f'{{"type":"{KINDS}'.encode()


class Scores(Connection):
    """Asks for scores."""

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
        body = to_json({"account_ids": list(account_ids), "as_of": value(as_of)})
        # Done twice, it would be kept twice.
        answer = self._asking.send(
            "POST", f"{_SCORES}/accounts", repeatable=False, content=body, headers=JSON
        )
        return parsed(AccountScoresDocument, answer.content)

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
        body = Row(features, account_id, as_of, arr).line()
        return parsed(ScoreDocument, self._read("POST", f"{_SCORES}/features", body))

    def score_batch(self, rows: Iterable[Row]) -> list[ScoreDocument]:
        """Score up to 1,000 rows, all or, if one does not fit, none; nothing is kept."""
        body = b'{"rows":[' + b",".join(row.line() for row in rows) + b"]}"
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
        sent = (row.line() + b"\n" for row in rows)
        with self._asking.stream("POST", f"{_SCORES}/bulk", content=sent, headers=_LINES) as answer:
            for line in lines(answer.iter_bytes()):
                yield _told(line)

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
        rows = {name: [plain(row) for row in content] for name, content in tables.items()}
        body = to_json({"account_id": account_id, "as_of": value(as_of), "tables": rows})
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
            "features": None if features is None else plain(features),
            "as_of": value(as_of),
            "arr": value(arr),
        }
        body = to_json({**given, "changes": plain(changes)})
        return parsed(WhatIfDocument, self._read("POST", f"{_SCORES}/what-if", body))

    def latest(self, account_id: str, *, as_of: dt.datetime | None = None) -> ScoreDocument:
        """Give the last answer that `score` gave about an account, exactly.

        Parameters
        ----------
        account_id : str
            Whose.
        as_of : datetime, optional
            The last that was given strictly before, UTC where it has no zone.
        """
        asked = None if as_of is None else {"as_of": value(as_of)}
        found = self._read("GET", f"{_SCORES}/{part(account_id)}", params=asked)
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
        path = f"{_SCORES}/{part(account_id)}/history"
        for found in self._pages(ScoreHistory, path, {"limit": page}):
            yield from found.scores


def _told(line: bytes) -> ScoreDocument | Refused:
    if line.startswith(_PROBLEM):
        return Refused.of(parsed(ProblemDocument, line))
    return parsed(ScoreDocument, line)
