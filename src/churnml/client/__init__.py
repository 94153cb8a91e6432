"""A client of the service, for Python.

>>> with Client("http://127.0.0.1:8000", key) as client:  # doctest: +SKIP
...     found = client.score(["A000608"])
"""

from churnml.client.client import Client
from churnml.client.errors import (
    ClientError,
    Conflict,
    Forbidden,
    NotFound,
    Refused,
    TooOften,
    Unavailable,
    Unfit,
    Unreachable,
)
from churnml.client.rows import Event, Row

__all__ = [
    "Client",
    "ClientError",
    "Conflict",
    "Event",
    "Forbidden",
    "NotFound",
    "Refused",
    "Row",
    "TooOften",
    "Unavailable",
    "Unfit",
    "Unreachable",
]
