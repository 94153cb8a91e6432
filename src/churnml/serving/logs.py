"""The service's log: a line of JSON an event, on stderr."""

from __future__ import annotations

import logging
import sys
from typing import Any, TextIO

import structlog
from pydantic_core import to_json

Log = Any  # structlog's loggers answer to any method


def log_to(file: TextIO | None = None) -> Log:
    """Make a log.

    Parameters
    ----------
    file : text file, optional
        Where lines go; stderr if omitted.
    """
    return structlog.wrap_logger(
        # A line is one write, so that those of several workers stay whole.
        structlog.WriteLogger(file or sys.stderr),
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.ExceptionRenderer(
                # Local variables would be keys, rows and names of accounts.
                structlog.tracebacks.ExceptionDictTransformer(show_locals=False)
            ),
            structlog.processors.JSONRenderer(serializer=_json),
        ],
        cache_logger_on_first_use=True,
    )


def _json(event: dict[str, Any], **_: Any) -> str:
    return to_json(event, fallback=repr).decode()
