"""What bounds the service."""

from __future__ import annotations

from churnml.config import FrozenModel


class Settings(FrozenModel):
    """What bounds the service.

    Parameters
    ----------
    body_limit : int
        Bytes of a body; raise it where rows are wide. Bulk has none.
    line_limit : int
        Bytes of a line of bulk.
    time_limit : float
        Seconds until an answer begins, and between two parts of a body.
    batch_rows : int
        Rows of a batch.
    accounts : int
        Accounts that are scored by one request.
    events : int
        Events that are kept by one request.
    rate : float
        Requests a second of a key that names no rate of its own.
    key_seconds : float
        How long a key is taken as good before the store is asked again: so soon a revoked one ends.
    watch_seconds : float
        How often bundles and history are looked after.
    drift_seconds : float
        How often what was scored lately is held against training.
    grace : int
        Seconds that are given at the end to what was begun.
    """

    body_limit: int = 8 * 2**20
    line_limit: int = 2**20
    time_limit: float = 30.0
    batch_rows: int = 1000
    accounts: int = 100
    events: int = 1000
    rate: float = 5000.0
    key_seconds: float = 1.0
    watch_seconds: float = 1.0
    drift_seconds: float = 60.0
    grace: int = 20
