"""Correcting: whose text it is that a person corrects, and where what they say is kept."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from churnml.errors import ConfigError, DataError, nearest
from churnml.history.tables import ACCOUNT_ID, READINGS
from churnml.locks import locked
from churnml.text.corrections import FILE, Correction, add_corrections

if TYPE_CHECKING:
    from churnml.history.asof import History
    from churnml.history.sources import Sources


def require_own(sources: Sources) -> None:
    """Refuse to correct readings that a source gives.

    Raises
    ------
    ConfigError
        If one does.
    """
    if READINGS.name in sources.tables:
        raise ConfigError("a source gives readings: correct them there, by a further row.")


def speaker(history: History, text_id: str) -> str:
    """Tell whose text it is.

    Parameters
    ----------
    history : History
        With readings.
    text_id : str
        The text, such as ``messages/m-7``.

    Returns
    -------
    str
        The account's id.

    Raises
    ------
    DataError
        If history has no such text, naming the nearest of those that begin like it.
    """
    rows = history.query(
        f"SELECT DISTINCT text_id, {ACCOUNT_ID} FROM {READINGS.name} WHERE text_id = $id OR "
        "starts_with(text_id, $begin) ORDER BY text_id = $id DESC, text_id LIMIT 500",
        {"id": text_id, "begin": text_id[:-3]},
    )
    found = dict(zip(rows["text_id"].to_pylist(), rows[ACCOUNT_ID].to_pylist(), strict=True))
    if text_id not in found:
        raise DataError(
            f"no text {text_id!r} in history.{nearest(text_id, found) if found else ''} "
            "`churnml text show ACCOUNT` lists an account's."
        )
    return str(found[text_id])


def keep(data: Path, var: Path, corrections: Sequence[Correction]) -> None:
    """Write corrections into a project's file, on disk before this returns; one writer at a time.

    Parameters
    ----------
    data, var : Path
        The project's folders: of what people edit, and of everything generated.
    corrections : sequence of Correction
        What to add.

    Raises
    ------
    ConfigError
        If it cannot be written.
    """
    with locked(var / ".corrections.lock"):
        add_corrections(data / FILE, corrections)
