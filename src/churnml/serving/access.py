"""Access: whose request it is, what that key may do, and how often."""

from __future__ import annotations

import asyncio
import math
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from fastapi import (
    Request,
    Security,
    params,
)
from fastapi.security import HTTPBearer

from churnml.serving import keys
from churnml.serving.edge import KEY_ID
from churnml.serving.keys import KeyRefused, Scope, StoredKey
from churnml.serving.problems import Problem
from churnml.serving.settings import Settings
from churnml.serving.store.store import Store

_KEPT = 4096  # keys that are remembered
BEARER = HTTPBearer(auto_error=False, description="A key, from `churnml keys create`.")


class _Unknown(Exception):  # noqa: N818 - it only leads from memory to the store
    pass


@dataclass
class _Bucket:
    """What a key may still ask for: filled at its rate, up to one second's worth."""

    level: float
    at: float

    def take(self, rate: float, now: float) -> float:
        """Take one; give the seconds to wait where there is none."""
        most = max(1.0, rate)
        self.level = min(most, self.level + (now - self.at) * rate)
        self.at = now
        if self.level >= 1.0:
            self.level -= 1.0
            return 0.0
        return (1.0 - self.level) / rate


class Access:
    """Who may come in.

    Parameters
    ----------
    store : Store
        Knows the keys.
    settings : Settings
        How long a key is remembered, and how often one may ask.
    clock : callable
        Seconds, never going back.
    """

    def __init__(
        self, store: Store, settings: Settings, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._store = store
        self._settings = settings
        self._clock = clock
        self._known: OrderedDict[str, tuple[StoredKey, float]] = OrderedDict()
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()

    async def admit(self, authorization: str | None, scope: Scope) -> StoredKey:
        """Let a request in.

        Raises
        ------
        Problem
            401 if it shows no good key, 403 if the key may not do this, 429 if it asks too often.
        """
        kind, _, presented = (authorization or "").partition(" ")
        if kind.lower() != "bearer" or not presented:
            raise _stranger("no key was shown. Send `Authorization: Bearer <key>`.")
        try:
            key = await self._check(presented.strip())
        except KeyRefused as error:
            raise _stranger(str(error)) from None
        if scope not in key.scopes:
            raise Problem(403, "forbidden", f"the key has no scope {scope.value!r}.")
        self._count(key)
        return key

    async def _check(self, presented: str) -> StoredKey:
        try:
            return keys.check(presented, self._remembered)
        except _Unknown:
            return await asyncio.to_thread(keys.check, presented, self._found)

    def _remembered(self, key_id: str) -> StoredKey:
        key, until = self._known.get(key_id, (None, 0.0))
        if key is None or until < self._clock():
            raise _Unknown
        return key

    def _found(self, key_id: str) -> StoredKey | None:
        key = self._store.keys.find(key_id)
        if key is not None:
            self._known[key_id] = key, self._clock() + self._settings.key_seconds
            while len(self._known) > _KEPT:
                self._known.popitem(last=False)
        return key

    def _count(self, key: StoredKey) -> None:
        rate = key.rate if key.rate is not None else self._settings.rate
        now = self._clock()
        bucket = self._buckets.get(key.id)
        if bucket is None:
            bucket = self._buckets[key.id] = _Bucket(max(1.0, rate), now)
            if len(self._buckets) > _KEPT:
                self._buckets.popitem(last=False)
        if wait := bucket.take(rate, now):
            raise Problem(
                429,
                "too-often",
                f"the key may ask {rate:g} times a second. Wait as Retry-After says.",
                headers={"Retry-After": str(math.ceil(wait))},
            )


def needs(scope: Scope) -> list[params.Security]:
    """Make what a route depends on that asks for a scope; it runs before a body is read."""
    return [Security(BEARER), Security(_admitted(scope))]


def _admitted(scope: Scope) -> Callable[[Request], Awaitable[StoredKey]]:

    async def admitted(request: Request) -> StoredKey:
        access: Access = request.app.state.access
        key = await access.admit(request.headers.get("authorization"), scope)
        request.scope[KEY_ID] = key.id
        return key

    return admitted


def _stranger(detail: str) -> Problem:
    return Problem(401, "no-key", detail, headers={"WWW-Authenticate": "Bearer"})
