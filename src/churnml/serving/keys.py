"""API keys: how one is made, told from a forged one, and when it opens nothing any more.

A key is ``churnml_<id>_<secret>``. The id names it in lists and logs; the secret, 256 random bits,
is shown to its holder once. The store has the key's SHA-256 alone: of a secret that nobody can
guess, a slow hash would only make each request slow.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import hmac
import math
import re
import secrets
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum

from churnml.errors import ChurnMLError, ConfigError

_FORM = re.compile(r"churnml_([0-9a-f]{16})_[0-9a-f]{64}", re.ASCII)
_MOST_CHARACTERS = 100  # of a name
# Compared where there is no such key, so that an unknown id takes the same path.
_NOBODYS = hashlib.sha256(b"").digest()


class Scope(StrEnum):
    """What a key opens. None holds another: each is named where it is given."""

    SCORE = "score"
    INGEST = "ingest"
    ACT = "act"
    ADMIN = "admin"


class KeyRefused(ChurnMLError):  # noqa: N818 - it tells what happened, and a client is told no more
    """What was presented opens nothing: it is no key, a forged, a revoked or an expired one."""


@dataclass(frozen=True)
class StoredKey:
    """What is kept of a key; the key itself is not.

    Parameters
    ----------
    id : str
        Names it in lists, logs and the audit.
    name : str
        Who or what uses it. A key and the one that takes its place have the same.
    digest : bytes
        SHA-256 of the whole key.
    scopes : frozenset of Scope
        What it opens.
    created_at : datetime
        UTC, as all times.
    expires_at : datetime or None
        From when it opens nothing; never if None.
    revoked_at : datetime or None
        From when it was taken back. May lie ahead, where another takes its place.
    rate : float or None
        Requests per second that it may make on average; the service's own limit if None.
    """

    id: str
    name: str
    digest: bytes
    scopes: frozenset[Scope]
    created_at: dt.datetime
    expires_at: dt.datetime | None
    revoked_at: dt.datetime | None
    rate: float | None

    def ended(self, at: dt.datetime) -> str | None:
        """Tell why it opens nothing at a time: ``revoked`` or ``expired``; None where it opens."""
        if self.revoked_at is not None and self.revoked_at <= at:
            return "revoked"
        if self.expires_at is not None and self.expires_at <= at:
            return "expired"
        return None


@dataclass(frozen=True)
class NewKey:
    """A key that was just made: the one time that it is there to be shown.

    Parameters
    ----------
    text : str
        The key itself.
    stored : StoredKey
        What is kept of it.
    """

    text: str
    stored: StoredKey

    def __repr__(self) -> str:
        """Show the key's id alone: a representation ends up in logs."""
        return f"NewKey({self.stored.id})"


def make(
    name: str,
    scopes: Iterable[Scope],
    at: dt.datetime,
    *,
    lifetime: dt.timedelta | None = None,
    rate: float | None = None,
) -> NewKey:
    """Make a key.

    Parameters
    ----------
    name : str
        Who or what will use it.
    scopes : iterable of Scope
        What it shall open; at least one.
    at : datetime
        Now.
    lifetime : timedelta, optional
        After which it opens nothing; it opens for ever if omitted.
    rate : float, optional
        Requests per second that it may make; the service's own limit if omitted.

    Raises
    ------
    ConfigError
        If the name is no readable line, no scope is given, or a number is not above 0.
    """
    if not name.isprintable() or name != name.strip() or not 0 < len(name) <= _MOST_CHARACTERS:
        raise ConfigError(
            f"name {name!r}: expected 1 to {_MOST_CHARACTERS} characters on one line, without "
            "blanks around them."
        )
    opens = frozenset(scopes)
    if not opens:
        raise ConfigError(f"key {name!r}: no scope; expected some of: {', '.join(Scope)}.")
    if rate is not None and not (math.isfinite(rate) and rate > 0):
        raise ConfigError(f"rate {rate!r}: expected requests per second, above 0.")
    if lifetime is not None and lifetime <= dt.timedelta():
        raise ConfigError(f"key {name!r} would expire before it is made; expected days above 0.")
    key_id = secrets.token_hex(8)
    text = f"churnml_{key_id}_{secrets.token_hex(32)}"
    return NewKey(
        text,
        StoredKey(
            id=key_id,
            name=name,
            digest=_digest(text),
            scopes=opens,
            created_at=at,
            expires_at=None if lifetime is None else later(at, lifetime),
            revoked_at=None,
            rate=rate,
        ),
    )


def successor(key: StoredKey, at: dt.datetime, lifetime: dt.timedelta | None = None) -> NewKey:
    """Make the key that takes another's place: the same name, scopes and rate.

    Parameters
    ----------
    key : StoredKey
        The one whose place is taken.
    at : datetime
        Now.
    lifetime : timedelta, optional
        Of the new one; as long as the old one was given if omitted.

    Raises
    ------
    ConfigError
        If the old one opens nothing any more, or is being replaced already.
    """
    ended = key.ended(at) or ("replaced already" if key.revoked_at is not None else None)
    if ended is not None:
        raise ConfigError(
            f"key {key.id} ({key.name!r}) is {ended}: nothing to replace. "
            "`churnml keys create` makes a new one."
        )
    if lifetime is None and key.expires_at is not None:
        lifetime = key.expires_at - key.created_at
    return make(key.name, key.scopes, at, lifetime=lifetime, rate=key.rate)


def check(
    presented: str, find: Callable[[str], StoredKey | None], at: dt.datetime | None = None
) -> StoredKey:
    """Find the key that is presented, if it is one and still opens something.

    Whether it opens what is asked for is told by its `scopes`.

    Parameters
    ----------
    presented : str
        As a client sent it.
    find : callable
        Looks a key up by its id.
    at : datetime, optional
        Now, if omitted.

    Raises
    ------
    KeyRefused
        In the same words whether there is no such key or its secret is another, and only to who has
        the secret that it was revoked or has expired.
    """
    form = _FORM.fullmatch(presented)
    if form is None:
        raise KeyRefused("not an API key of this service.")
    stored = find(form[1])
    known = hmac.compare_digest(_digest(presented), _NOBODYS if stored is None else stored.digest)
    if stored is None or not known:
        raise KeyRefused("not an API key of this service.")
    ended = stored.ended(at or dt.datetime.now(dt.UTC).replace(tzinfo=None))
    if ended is not None:
        raise KeyRefused(f"this API key is {ended}.")
    return stored


def later(at: dt.datetime, span: dt.timedelta) -> dt.datetime:
    """Tell when a span of time is over.

    Raises
    ------
    ConfigError
        If that is beyond the calendar.
    """
    try:
        return at + span
    except OverflowError as error:
        raise ConfigError(
            f"{span.days} days from now is beyond the calendar; a key without --expires never "
            "expires."
        ) from error


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode("ascii")).digest()
