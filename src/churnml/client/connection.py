"""The connection to a service, and how it is asked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import TracebackType
from typing import Any, Self, TypeVar
from urllib.parse import quote

import httpx

from churnml.client.asking import Asking, Patience, parsed
from churnml.errors import ConfigError
from churnml.serving.account_documents import AccountsPage, MessagesPage
from churnml.serving.documents import ScoreHistory

JSON = {"Content-Type": "application/json"}
_CONNECT = 5.0  # seconds
Page = TypeVar("Page", AccountsPage, MessagesPage, ScoreHistory)


class Connection:
    """What every part of a client asks through.

    Parameters
    ----------
    url, key, timeout, retries, longest_wait, transport
        As for `churnml.client.Client`.
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
        return f"{type(self).__name__}({self._url!r})"  # and never the key

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

    def _read(self, method: str, path: str, body: bytes | None = None, **how: Any) -> bytes:
        """Ask what may be asked twice."""
        headers = None if body is None else JSON
        return self._asking.send(
            method, path, repeatable=True, content=body, headers=headers, **how
        ).content

    def _pages(self, of: type[Page], path: str, asked: Mapping[str, Any]) -> Iterator[Page]:
        """Ask for page after page, each when it is needed."""
        cursor: str | None = None
        while True:
            more = {} if cursor is None else {"cursor": cursor}
            found = parsed(of, self._read("GET", path, params={**asked, **more}))
            yield found
            if (cursor := found.next) is None:
                return


def part(name: str) -> str:
    """Write a name as a part of a path."""
    return quote(name, safe="")
