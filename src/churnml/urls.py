"""URLs of databases: read with errors that show no password, and told without one."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from churnml.errors import ConfigError

if TYPE_CHECKING:
    import sqlalchemy as sa

_SECRET = re.compile(r"pass|pwd|secret|token", re.IGNORECASE)


def parse_url(text: str, key: str) -> sa.URL:
    """Read the URL of a database.

    Parameters
    ----------
    text : str
        The URL.
    key : str
        Where it was given, for messages.

    Raises
    ------
    ConfigError
        If it is malformed. The text itself stays out of the message: it may hold a password.
    """
    import sqlalchemy as sa

    try:
        url = sa.make_url(text)
    except (sa.exc.ArgumentError, ValueError):
        raise ConfigError(
            f"{key}: not a database URL; expected such as 'postgresql+psycopg://user@host/crm'."
        ) from None
    if "@" in (url.host or ""):
        raise ConfigError(
            f"{key}: the URL has '@' twice; write '@', ':' and '/' of a user or password as %40, "
            "%3A and %2F."
        )
    return url


def holds_secret(url: sa.URL) -> bool:
    """Whether a URL has a password, or an option that may be one."""
    return url.password is not None or any(_SECRET.search(name) for name in url.query)


def label(url: sa.URL) -> str:
    """Tell which database a URL leads to, without its password and options."""
    # An option may be a password too.
    return url.set(query={}).render_as_string(hide_password=True)


def without_secrets(text: str, url: sa.URL) -> str:
    """Blank the password of a URL, and what its options hide, in the words of a driver."""
    options = (value for name, value in url.query.items() if _SECRET.search(name))
    for secret in (url.password, *options):
        if secret:
            text = text.replace(str(secret), "***")
    return text
