"""Cursors: where a page of a list ended, as text that a client gives back unread."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from typing import Any

from churnml.serving.problems import Fault, Problem

MOST = 4000  # characters of a cursor


def write_cursor(place: Sequence[Any]) -> str:
    """Write a place, in values that JSON knows."""
    return base64.urlsafe_b64encode(json.dumps(place).encode("ascii")).decode("ascii")


def read_cursor(cursor: str, kinds: Sequence[tuple[type, ...]]) -> list[Any]:
    """Read a place.

    Parameters
    ----------
    cursor : str
        As a client sent it.
    kinds : sequence of tuple of type
        What each of its values may be.

    Raises
    ------
    Problem
        422 if it is none that was given.
    """
    try:
        place = json.loads(base64.urlsafe_b64decode(cursor.encode("ascii")))
        # No database takes half a character or NUL.
        whole = "\0" not in json.dumps(place, ensure_ascii=False, allow_nan=False).encode().decode()
    except (ValueError, TypeError, RecursionError):
        raise no_cursor() from None
    fits = (
        isinstance(place, list)
        and len(place) == len(kinds)
        and all(type(value) in kind for value, kind in zip(place, kinds, strict=True))
    )
    if not (whole and fits) or any(isinstance(v, str) and "\0" in v for v in place):
        raise no_cursor()
    return list(place)


def no_cursor(why: str = "give one that an earlier page had as next.") -> Problem:
    """Refuse a cursor."""
    return Problem(
        422, "unfit", f"the request does not fit at cursor: {why}", faults=[Fault("cursor", why)]
    )
