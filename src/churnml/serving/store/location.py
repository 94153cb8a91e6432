"""Where a project's store lies."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from churnml.errors import ConfigError
from churnml.project import Project
from churnml.urls import holds_secret, parse_url

if TYPE_CHECKING:
    import sqlalchemy as sa

_FILE = "service.db"


def store_url(project: Project) -> sa.URL:
    """Find the URL of a project's store: ``service.db`` in `var` unless its settings name another.

    Parameters
    ----------
    project : Project
        Whose store.

    Raises
    ------
    ConfigError
        If the setting is malformed, names an environment variable that is not set, or holds a
        password.
    """
    import sqlalchemy as sa

    place = project.store
    key = f"{project.root / 'pyproject.toml'} [tool.churnml.store]: url"
    if place.url_env is not None:
        text = os.environ.get(place.url_env)
        if not text:
            raise ConfigError(
                f"{key}_env: the environment variable {place.url_env!r} is not set; expected the "
                "URL of the store in it."
            )
        url = parse_url(text, f"{key}_env")
    elif place.url is not None:
        url = parse_url(place.url, key)
        if holds_secret(url):
            raise ConfigError(
                f"{key}: a password does not belong in a project file; put the URL in an "
                "environment variable and name it in `url_env`."
            )
    else:
        return sa.URL.create("sqlite", database=str(project.var / _FILE))
    if url.get_backend_name() == "sqlite" and url.database not in {None, "", ":memory:"}:
        url = url.set(database=str(project.root / str(url.database)))
    return url
