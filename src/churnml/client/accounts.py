"""Accounts: listed with their scores, what their people wrote, and what happens to them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Literal

from pydantic_core import to_json

from churnml.client.asking import parsed
from churnml.client.connection import JSON, Connection, part
from churnml.client.rows import Event
from churnml.serving.account_documents import (
    AccountDocument,
    AccountsPage,
    MessageDocument,
    MessagesPage,
    StandingDocument,
)
from churnml.serving.documents import EventsKept
from churnml.serving.text_documents import Corrected, TextReadings

_ACCOUNTS = "/v1/accounts"
_EVENTS = 1000  # that the service takes at once


class Accounts(Connection):
    """Asks about accounts and their texts, and tells of events."""

    def accounts(
        self,
        *,
        risk_tiers: Sequence[str] = (),
        account_tiers: Sequence[str] = (),
        min_arr_at_risk: float | None = None,
        min_probability: float | None = None,
        search: str | None = None,
        sort: Literal["arr_at_risk", "probability", "scored_at", "account_id"] = "arr_at_risk",
        order: Literal["asc", "desc"] | None = None,
        page: int = 200,
    ) -> Iterator[StandingDocument]:
        """List the accounts that were scored, each with its latest score.

        An account whose score changes meanwhile may be met twice or not at all.

        Parameters
        ----------
        risk_tiers, account_tiers : sequence of str
            Any of these alone; all if omitted.
        min_arr_at_risk, min_probability : float, optional
            At least so much.
        search : str, optional
            A part of the id or the name.
        sort, order : str
            By what, and which way: the most first, but ids from the first on, if omitted.
        page : int
            How many are asked for at once, 1 to 200.
        """
        asked = {
            "risk_tier": list(risk_tiers),
            "account_tier": list(account_tiers),
            "min_arr_at_risk": min_arr_at_risk,
            "min_probability": min_probability,
            "search": search,
            "sort": sort,
            "order": order,
            "limit": page,
        }
        given = {name: item for name, item in asked.items() if item not in (None, [])}
        for found in self._pages(AccountsPage, _ACCOUNTS, given):
            yield from found.accounts

    def account(self, account_id: str) -> AccountDocument:
        """Give an account with its latest score."""
        return parsed(AccountDocument, self._read("GET", f"{_ACCOUNTS}/{part(account_id)}"))

    def messages(self, account_id: str, *, page: int = 100) -> Iterator[MessageDocument]:
        """Give what an account's people wrote, the latest first, as it is read now.

        The key needs the scope ``act``, and each page stands in the service's audit.

        Parameters
        ----------
        account_id : str
            Whose.
        page : int
            How many are asked for at once, 1 to 100.
        """
        path = f"{_ACCOUNTS}/{part(account_id)}/messages"
        for found in self._pages(MessagesPage, path, {"limit": page}):
            yield from found.messages

    def read_texts(self, texts: Sequence[str]) -> TextReadings:
        """Read up to 100 texts, each as it was received; nothing is kept."""
        body = to_json({"texts": list(texts)})
        return parsed(TextReadings, self._read("POST", "/v1/texts/read", body))

    def correct(self, text_id: str, said: Mapping[str, bool | str | None]) -> Corrected:
        """Say what a text says, which wins over every model; the key needs the scope ``act``.

        Parameters
        ----------
        text_id : str
            As `messages` gives it.
        said : mapping of str to value
            By part, such as ``sentiment`` or ``cancel_request``.
        """
        origin, _, key = text_id.partition("/")
        path = f"/v1/texts/{part(origin)}/{part(key)}/corrections"
        # Done twice, it would be written twice.
        answer = self._asking.send(
            "POST", path, repeatable=False, content=to_json(dict(said)), headers=JSON
        )
        return parsed(Corrected, answer.content)

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
            body = to_json({"source": source, "events": [event.document() for event in some]})
            kept = parsed(EventsKept, self._read("POST", "/v1/events", body))
            accepted, repeated = accepted + kept.accepted, repeated + kept.repeated
        return EventsKept(accepted=accepted, repeated=repeated)
