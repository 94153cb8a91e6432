"""Asking: a request is sent, again where that does no harm, until there is an answer or none."""

from __future__ import annotations

import random
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, TypeVar

import httpx
from pydantic import BaseModel, ValidationError

from churnml.client.errors import Refused, Unreachable
from churnml.serving.documents import ProblemDocument

Document = TypeVar("Document", bound=BaseModel)
_FIRST_PAUSE, _LONGEST_PAUSE = 0.25, 8.0  # seconds, where the service names none
_SHOWN = 200  # characters of an answer that is none of the service's


@dataclass(frozen=True)
class Patience:
    """How often a request is sent again, and how long is waited.

    Parameters
    ----------
    retries : int
        At most so often.
    longest : float
        Seconds. Where the service asks to wait longer, its refusal is raised instead.
    """

    retries: int = 4
    longest: float = 30.0

    def pause(self, tries: int, asked: str | None) -> float | None:
        """Tell how long to wait before the next try; None where there is to be none.

        Parameters
        ----------
        tries : int
            Made so far.
        asked : str or None
            The header ``Retry-After``, in seconds.
        """
        if tries > self.retries:
            return None
        if asked is not None and asked.isascii() and asked.isdigit():
            return float(asked) if float(asked) <= self.longest else None
        most = min(_LONGEST_PAUSE, _FIRST_PAUSE * 2 ** (tries - 1), self.longest)
        return random.uniform(most / 2, most)  # so that many do not come back at once


class Asking:
    """Sends requests.

    Parameters
    ----------
    http : httpx.Client
        Has the service's URL and the key.
    patience : Patience
        How long it goes on.
    """

    def __init__(self, http: httpx.Client, patience: Patience) -> None:
        self._http = http
        self._patience = patience

    def send(
        self,
        method: str,
        path: str,
        *,
        repeatable: bool,
        answers: Collection[int] = (),
        **how: Any,
    ) -> httpx.Response:
        """Send a request until it is answered.

        What was not done is sent again: it came too often, or never arrived. Whatever else failed
        is sent again only where it may be done twice.

        Parameters
        ----------
        method, path : str
            What is asked.
        repeatable : bool
            Whether it may be done twice.
        answers : collection of int
            Statuses that are answers here, and no refusals.
        **how
            As httpx takes it.

        Raises
        ------
        Refused
            If the service answered with a problem.
        Unreachable
            If no answer came.
        """
        tries = 0
        while True:
            tries += 1
            try:
                answer = self._http.request(method, path, **how)
            except httpx.TransportError as error:
                nothing_sent = isinstance(error, httpx.ConnectError | httpx.ConnectTimeout)
                pause = self._patience.pause(tries, None)
                if pause is None or not (repeatable or nothing_sent):
                    raise self._unreachable(error) from error
            else:
                if answer.is_success or answer.status_code in answers:
                    return answer
                pause = self._patience.pause(tries, answer.headers.get("retry-after"))
                again = {HTTPStatus.TOO_MANY_REQUESTS}
                if repeatable:
                    again.add(HTTPStatus.SERVICE_UNAVAILABLE)
                if pause is None or answer.status_code not in again:
                    raise refusal(answer)
            time.sleep(pause)

    @contextmanager
    def stream(self, method: str, path: str, **how: Any) -> Iterator[httpx.Response]:
        """Send a request once, and give an answer that is read piece by piece; raises as `send`."""
        try:
            with self._http.stream(method, path, **how) as answer:
                if not answer.is_success:
                    answer.read()
                    raise refusal(answer)
                yield answer
        except httpx.TransportError as error:
            raise self._unreachable(error) from error

    def _unreachable(self, error: httpx.TransportError) -> Unreachable:
        said = str(error) or type(error).__name__
        return Unreachable(
            f"{self._http.base_url}: no answer: {said}. Is the service there, and is that its URL?"
        )


def parsed(of: type[Document], content: bytes) -> Document:
    """Read a document of the service; what later versions add to it is passed over.

    Raises
    ------
    Unreachable
        If it is none of the service's.
    """
    try:
        return of.model_validate_json(content, extra="ignore")
    except ValidationError as error:
        shown = content[:_SHOWN].decode(errors="replace")
        raise Unreachable(
            f"the answer is no {of.__name__}: {shown!r}. Is the URL that of a churnml service, and "
            "of a version that this client knows?"
        ) from error


def refusal(answer: httpx.Response) -> Refused | Unreachable:
    """Turn an answer that is a problem into the error to raise."""
    try:
        return Refused.of(parsed(ProblemDocument, answer.content))
    except Unreachable:  # a proxy's, or no churnml at all
        shown = answer.text[:_SHOWN]
        return Unreachable(
            f"{answer.url}: {answer.status_code}, not from churnml: {shown!r}. Is that its URL?"
        )
