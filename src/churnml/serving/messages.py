"""Messages: what an account's people wrote, with what each text says as it is read now."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from churnml.errors import DataError
from churnml.history.asof import as_of_select
from churnml.history.tables import ACCOUNT_ID, ACCOUNTS, INTENTS, READINGS, THEMES, about
from churnml.serving.answers import utc
from churnml.text.evidence import read_evidence
from churnml.text.spoken import spoken
from churnml.training.tables import require_unchanged

if TYPE_CHECKING:
    from churnml.history.asof import History
    from churnml.project import Project
    from churnml.serving.histories import Histories
    from churnml.serving.live import Live


@dataclass(frozen=True)
class Earlier:
    """Where a page ended.

    Parameters
    ----------
    said_at : datetime
        When the last text on it was written, UTC and naive.
    text_id : str
        Which it is.
    """

    said_at: dt.datetime
    text_id: str


def messages(
    project: Project,
    histories: Histories,
    account_id: str,
    limit: int,
    earlier: Earlier | None = None,
    *,
    live: Live | None = None,
) -> list[dict[str, Any]] | None:
    """List what an account's people wrote, the latest first.

    Parameters
    ----------
    project : Project
        Whose accounts.
    histories : Histories
        Where it stands.
    account_id : str
        Whose texts.
    limit : int
        How many at most.
    earlier : Earlier, optional
        Where to go on; from the latest if omitted.
    live : Live, optional
        Adds what was posted since.

    Returns
    -------
    list of dict or None
        In values that JSON knows; None where history does not know the account.
    """
    history = histories.now
    found = _messages(_up_to_now(history, live, account_id), account_id, limit, earlier)
    try:
        require_unchanged(project, history)
    except DataError:  # it was replaced meanwhile, and what was read may be of two
        histories.look()
        now = _up_to_now(histories.now, live, account_id)
        found = _messages(now, account_id, limit, earlier)
    return found


def _up_to_now(history: History, live: Live | None, account_id: str) -> History:
    return history if live is None else live.of(history, [account_id])


def _messages(
    history: History, account_id: str, limit: int, earlier: Earlier | None
) -> list[dict[str, Any]] | None:
    rows = _rows(history, account_id, limit, earlier)
    if not rows and earlier is None and not _known(history, account_id):
        return None
    return [_message(row) for row in rows]


def _rows(
    history: History, account_id: str, limit: int, earlier: Earlier | None
) -> list[dict[str, Any]]:
    if READINGS.name not in history.contracts:
        return []
    # People correct after the newest export, and their word is to be seen at once.
    now = max(dt.datetime.now(dt.UTC).replace(tzinfo=None), history.observed_until)
    read = as_of_select(history.contract(READINGS.name), now).sql(dialect="duckdb", identify=True)
    words = spoken(history) or "SELECT NULL AS text_id, NULL AS account_id, NULL AS text"
    place = "" if earlier is None else "WHERE (said_at, text_id) < ($said_at, $text_id)"
    found: list[dict[str, Any]] = history.query(
        f"SELECT said.*, words.text FROM (FROM ({read}) WHERE {ACCOUNT_ID} = $account) AS said "
        f"LEFT JOIN (SELECT text_id, text FROM ({words}) WHERE {ACCOUNT_ID} = $account) AS words "
        f"USING (text_id) {place} ORDER BY said_at DESC, text_id DESC LIMIT {limit:d}",
        {"account": account_id} | ({} if earlier is None else vars(earlier)),
    ).to_pylist()
    return found


def _known(history: History, account_id: str) -> bool:
    if ACCOUNTS.name not in history.contracts:
        return False
    wanted = f"SELECT 1 FROM {ACCOUNTS.name} WHERE {ACCOUNT_ID} = $account LIMIT 1"
    return bool(history.query(wanted, {"account": account_id}).num_rows)


def _message(row: dict[str, Any]) -> dict[str, Any]:
    # A source that gives readings need not give every column.
    level = row.get("competitor_level")
    return {
        "text_id": row["text_id"],
        "said_at": utc(row["said_at"]),
        "contact_id": row.get("contact_id"),
        "text": row["text"],
        "reading": {
            "reader": row.get("reader"),
            "version": row.get("version"),
            "language": row.get("language"),
            "sentiment": row.get("sentiment"),
            "intents": [name for name in INTENTS if row.get(name)],
            "competitor": None
            if level is None
            else {"name": row.get("competitor"), "level": level},
            "themes": [name for name in THEMES if row.get(about(name))],
            "evidence": read_evidence(row.get("evidence")),
        },
    }
