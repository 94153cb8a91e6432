"""A trial: a key that ends with the service, and a line that asks with it."""

from __future__ import annotations

import datetime as dt
import json
import re
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from churnml.history.tables import ACCOUNT_ID
from churnml.serving import keys
from churnml.serving.keys import Scope

if TYPE_CHECKING:
    from churnml.project import Project
    from churnml.serving.store.store import Store

_NAME = "trial"
_AT_MOST = dt.timedelta(days=1)  # where the service could not take its key back
_CUTOFF = r"\d{8}T\d{6}"


@contextmanager
def trial_key(store: Store) -> Iterator[str]:
    """Give a key for scores that is taken back at the end.

    Parameters
    ----------
    store : Store
        Where keys are kept.
    """
    made = keys.make(_NAME, [Scope.SCORE], _now(), lifetime=_AT_MOST)
    store.keys.add(made.stored)
    store.audit.add(_now(), None, "keys.create", made.stored.id)
    try:
        yield made.text
    finally:
        store.keys.revoke(made.stored.id, _now())
        store.audit.add(_now(), None, "keys.revoke", made.stored.id)


def question(project: Project, recipe: str, url: str, key: str) -> str:
    """Write a line for a shell that asks the service.

    Parameters
    ----------
    project, recipe : Project and str
        Whose accounts, by which recipe. The riskiest that ``churnml score`` last found is asked
        about, or the model card where there is none.
    url, key : str
        Where the service listens, and what it shall be shown.
    """
    account = _riskiest(project, recipe)
    path = "/v1/model" if account is None else "/v1/scores/accounts"
    words = ["curl", "-s", f"{url}{path}", "-H", f"Authorization: Bearer {key}"]
    if account is not None:
        words += ["-d", json.dumps({"account_ids": [account]})]
    return shlex.join(words)


def _riskiest(project: Project, recipe: str) -> str | None:
    import pyarrow.parquet

    named = re.compile(rf"{re.escape(recipe)}-{_CUTOFF}\.parquet")
    found = [path for path in project.scores.glob("*.parquet") if named.fullmatch(path.name)]
    if not found:
        return None
    columns = [ACCOUNT_ID, "probability"]
    latest = max(found, key=lambda path: path.stat().st_mtime_ns)
    table = pyarrow.parquet.read_table(latest, columns=columns)
    first = table.sort_by([("probability", "descending")]).slice(0, 1)[ACCOUNT_ID].to_pylist()
    return first[0] if first else None


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC).replace(tzinfo=None)
