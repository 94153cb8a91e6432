from __future__ import annotations

import datetime as dt
import hashlib
import json
import sqlite3
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
import sqlalchemy as sa

from churnml.errors import ConfigError, StoreError
from churnml.serving import keys
from churnml.serving.keys import Scope
from churnml.serving.store.backups import Copied, backup, restore
from churnml.serving.store.database import Database
from churnml.serving.store.events import EventRecord
from churnml.serving.store.revisions import bring, downgrade, upgrade
from churnml.serving.store.schema import HEAD
from churnml.serving.store.scores import ScoreRecord
from churnml.serving.store.standings import Sought
from churnml.serving.store.store import Store

AT = dt.datetime(2026, 3, 1, 12, 0, 0, 250_001)
KEY = keys.make("crm", [Scope.SCORE], AT, lifetime=dt.timedelta(days=9), rate=2.5)
FULL = {"audit": 1, "events": 1, "keys": 1, "scores": 3, "standings": 1}
POSTED = EventRecord("crm", "1", "usage", "a", {"é": [0.1, None]}, AT, AT)


SCORE = {
    "probability": 0.1, "interval": {"low": 0.05, "high": 0.3, "level": 0.8}, "risk_tier": "low",
    "account_tier": "business", "arr": 12_000, "arr_at_risk": 1_200.0,
}  # fmt: skip


def told(number: int, account: str = "a") -> ScoreRecord:
    return ScoreRecord(account, "r", "b", None, AT, {"n": number, "é": [0.1, None]})


def fill(store: Store) -> None:
    store.keys.add(KEY.stored)
    store.scores.add([told(0), told(1), ScoreRecord("b", "r", "b1", AT, AT, SCORE)])
    store.audit.add(AT, None, "keys.create", KEY.stored.id)
    store.events.add([POSTED])


def same(store: Store) -> None:
    assert store.keys.all() == [KEY.stored]
    assert [item.document["n"] for item in store.scores.history("r", "a")] == [1, 0]
    assert store.scores.latest("r", "a") == told(1)
    (standing,) = store.standings.page(Sought("r"), 9)
    assert (standing.account_id, standing.score_id, standing.high) == ("b", 3, 0.3)
    assert (standing.arr, standing.scored_at) == (12_000, AT)
    assert keys.check(KEY.text, store.keys.find, AT) == KEY.stored


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_a_backup_of_either_is_restored_into_either(
    database: Database, store: Store, new_url: Callable[[str], str], tmp_path: Path, kind: str
) -> None:
    fill(store)

    assert backup(database, tmp_path / "copy") == Copied(HEAD, FULL)
    other = Database(new_url(kind))
    assert restore(other, tmp_path / "copy") == Copied(HEAD, FULL)

    with Store.open(other.url) as restored:
        same(restored)
        restored.scores.add([told(2)])
        assert restored.scores.latest("r", "a") == told(2)
        with pytest.raises(StoreError, match="only ever added"), other.writing() as connection:
            connection.execute(sa.text("DELETE FROM scores"))
    other.close()


def test_a_store_in_use_goes_back_to_its_backup(
    database: Database, store: Store, tmp_path: Path
) -> None:
    fill(store)
    backup(database, tmp_path / "copy")
    store.scores.add([told(2), told(3)])
    store.keys.revoke(KEY.stored.id, AT)

    with pytest.raises(
        StoreError,
        match=r"there: 1 of audit, 1 of events, 1 of keys, 5 of scores, 1 of standings\.",
    ):
        restore(database, tmp_path / "copy")
    restore(database, tmp_path / "copy", replace=True)

    same(store)
    store.scores.add([told(4)])
    found = store.scores.latest("r", "a")
    assert found is not None
    assert (found.number, found.document["n"]) == (4, 4)


def test_a_backup_of_an_earlier_schema_is_brought_up(
    database: Database, store: Store, tmp_path: Path
) -> None:
    fill(store)
    downgrade(database, "0002", lose=True)

    assert backup(database, tmp_path / "copy").revision == "0002"
    done = restore(database, tmp_path / "copy", replace=True)

    assert done == Copied(HEAD, {**FULL, "audit": 0, "events": 0})
    same(store)


def test_a_backup_is_one_file_for_its_owner_and_replaces_none(
    database: Database, store: Store, tmp_path: Path
) -> None:
    folder = tmp_path / "backups"
    folder.mkdir()
    fill(store)
    backup(database, folder / "copy")

    with pytest.raises(ConfigError, match="is there already, and stays as it is"):
        backup(database, folder / "copy")

    assert [path.name for path in folder.iterdir()] == ["copy"]
    assert (folder / "copy").stat().st_mode & 0o777 == 0o600
    assert KEY.text.encode() not in (folder / "copy").read_bytes()
    with pytest.raises(ConfigError, match="cannot be written: No such file or directory"):
        backup(database, tmp_path / "nowhere" / "copy")


def test_there_must_be_something_to_copy(url: str, tmp_path: Path) -> None:
    database = Database(url)

    with pytest.raises(StoreError, match="there is no store here, and nothing to back up"):
        backup(database, tmp_path / "copy")
    with pytest.raises(ConfigError, match="copy: no such file; expected one that"):
        restore(database, tmp_path / "copy")

    assert not (tmp_path / "copy").exists()
    database.close()


def test_a_damaged_backup_replaces_nothing(
    database: Database, store: Store, tmp_path: Path
) -> None:
    fill(store)
    store.scores.add([told(number, f"account {number}") for number in range(3000)])
    backup(database, tmp_path / "copy")
    whole = (tmp_path / "copy").read_bytes()
    middle = len(whole) // 2
    for name, content in {
        "cut": whole[:middle],
        "line": whole[: whole.rfind(b"\n", 0, -1) + 1],
        "zeroed": whole[:middle] + bytes(8192) + whole[middle + 8192 :],
        "empty": b"",
        "text": b"some notes\n",
        "json": b"[1]\n",
    }.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(StoreError, match=rf"/{name}: "):
            restore(database, tmp_path / name, replace=True)

    assert store.scores.latest("r", "account 2999") == told(2999, "account 2999")
    same(store)


def test_what_was_altered_or_is_newer_is_not_restored(
    database: Database, store: Store, tmp_path: Path
) -> None:
    fill(store)
    loose, newer, other = (tmp_path / name for name in ("loose", "newer", "other"))
    for path in (loose, newer):
        made = Database(f"sqlite:///{path}")
        upgrade(made)
        made.close()
    with closing(sqlite3.connect(loose)) as connection:
        connection.execute("DROP TRIGGER scores_no_delete")
    with closing(sqlite3.connect(newer)) as connection:
        connection.execute("UPDATE churnml_schema SET version_num = '0999'")
        connection.commit()
    with closing(sqlite3.connect(other)) as connection:
        connection.execute("CREATE TABLE t (x)")

    for path, words in (
        (loose, f"loose: not as schema {HEAD} has it: scores_no_delete"),
        (newer, "newer: its schema '0999' is unknown to this version"),
        (other, "other: holds no store"),
    ):
        with pytest.raises(StoreError, match=words):
            restore(database, path, replace=True)

    same(store)


def test_lines_that_fit_no_schema_are_named(new_url: Callable[[str], str], tmp_path: Path) -> None:
    database = Database(new_url("sqlite"))
    for line, words in (
        ('{"table": "keys", "row": {"nme": 1}}', "line 2: no row of the schema"),
        ('{"table": "keys", "row": [1]}', "line 2: no row of the schema"),
        (None, "its schema '0999' is unknown"),
    ):
        revision = "0001" if line else "0999"
        head = json.dumps({"kind": "churnml store", "revision": revision})
        body = "".join(f"{item}\n" for item in (head, line) if item)
        end = json.dumps({"sha256": hashlib.sha256(body.encode()).hexdigest()})
        (tmp_path / "copy").write_text(f"{body}{end}\n", encoding="utf-8")
        with pytest.raises(StoreError, match=words):
            restore(database, tmp_path / "copy")
    assert database.revision() is None
    database.close()


def test_a_backup_is_of_one_instant_while_others_write(
    database: Database, store: Store, tmp_path: Path
) -> None:
    stop = threading.Event()

    def write() -> None:
        while not stop.is_set():
            store.scores.add([told(0), told(1)])  # never one without the other

    writer = threading.Thread(target=write)
    writer.start()
    try:
        done = [backup(database, tmp_path / f"copy{number}") for number in range(4)]
    finally:
        stop.set()
        writer.join()

    assert all(copied.rows["scores"] % 2 == 0 for copied in done)
    assert done[0].rows["scores"] < done[-1].rows["scores"]


def test_bringing_a_schema_where_it_is_changes_nothing(database: Database, store: Store) -> None:
    fill(store)

    with database.writing() as connection:
        bring(connection, HEAD)

    same(store)
