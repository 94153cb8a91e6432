from __future__ import annotations

import contextlib
import datetime as dt
import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from churnml.errors import StoreError
from churnml.serving.store.database import Database
from churnml.serving.store.revisions import upgrade
from churnml.serving.store.scores import ScoreRecord, Scores
from churnml.serving.store.store import Store

AT = dt.datetime(2026, 3, 1, 12, 0, 0, 250_001)
CUTOFF = dt.datetime(2026, 3, 1)

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)  # fmt: skip


def record(account: str = "a", at: dt.datetime = AT, **document: Any) -> ScoreRecord:
    return ScoreRecord(account, "churn_90d", "b1", CUTOFF, at, document)


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    url = f"sqlite:///{tmp_path_factory.mktemp('kept') / 's.db'}"
    database = Database(url)
    upgrade(database)
    database.close()
    with Store.open(url) as opened:
        yield opened


def test_an_answer_comes_back_as_it_was_told(store: Store) -> None:
    told = record(
        probability=0.1 + 0.2, z=[1, 1.0, None, "é\u0000\ud800"], a={"b": -0.0, "big": 2**80}
    )

    store.scores.add([told])

    found = store.scores.latest("churn_90d", "a")
    assert found == told
    assert json.dumps(found.document) == json.dumps(told.document)
    assert found.number == 1


@given(document=st.dictionaries(st.text(), json_values, max_size=5))
@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_document_comes_back_exactly(kept: Store, document: dict[str, Any]) -> None:
    kept.scores.add([ScoreRecord("h", "r", "b", None, AT, document)])

    found = kept.scores.latest("r", "h")

    assert found is not None
    assert json.dumps(found.document) == json.dumps(document)
    assert found.cutoff is None


def test_the_latest_is_the_one_told_last_of_that_recipe_and_account(store: Store) -> None:
    later = AT + dt.timedelta(microseconds=1)
    other = ScoreRecord("a", "other", "b1", CUTOFF, later, {"n": 9})
    store.scores.add([record(at=later, n=1), record(n=0), record("b", n=5), other])

    found = store.scores.latest("churn_90d", "a")

    assert found is not None
    assert found.document == {"n": 1}
    assert store.scores.latest("churn_90d", "c") is None


def test_history_is_paged_without_losing_what_was_told_at_one_instant(store: Store) -> None:
    second = AT + dt.timedelta(seconds=1)
    store.scores.add([record(n=0), record(n=1), record(n=2), record(at=second, n=3)])

    pages = []
    page = store.scores.history("churn_90d", "a", 2)
    while page:
        pages.append([told.document["n"] for told in page])
        last = page[-1]
        page = store.scores.history("churn_90d", "a", 2, last.scored_at, last.number)

    assert pages == [[3, 2], [1, 0]]
    assert [told.document["n"] for told in store.scores.history("churn_90d", "a", 9, second)] == [
        2, 1, 0,
    ]  # fmt: skip


def test_answers_are_kept_together_or_not_at_all(store: Store) -> None:
    aware = AT.replace(tzinfo=dt.UTC)

    with pytest.raises(StoreError, match=r"\+00:00 has a zone; expected naive times, in UTC"):
        store.scores.add([record(n=1), record(at=aware, n=2)])
    with pytest.raises(ValueError, match="not JSON compliant"):
        store.scores.add([record(n=1), record(n=float("nan"))])
    store.scores.add([])

    assert store.scores.history("churn_90d", "a") == []


CHANGES = {
    "scores": ("UPDATE scores SET bundle = 'x'", "DELETE FROM scores"),
    "audit": ("UPDATE audit SET action = 'x'", "DELETE FROM audit WHERE id = 1"),
}
OWN = {
    "sqlite": (
        "REPLACE INTO {0} SELECT * FROM {0}",
        "INSERT INTO {0} SELECT * FROM {0} WHERE true ON CONFLICT (id) DO UPDATE SET id = 7",
    ),
    "postgresql": ("TRUNCATE {0}", "DELETE FROM ONLY {0}"),
}


@pytest.mark.parametrize("table", ["scores", "audit"])
def test_the_database_itself_refuses_changes(database: Database, store: Store, table: str) -> None:
    store.scores.add([record(n=1)])
    store.audit.add(AT, "k", "score.read", "a", "r1")
    own = [statement.format(table) for statement in OWN[database.engine.dialect.name]]

    for statement in (*CHANGES[table], *own):
        with (
            pytest.raises(StoreError, match=f"{table}: rows are only ever added"),
            database.writing() as connection,
        ):
            connection.execute(sa.text(statement))

    found = store.scores.latest("churn_90d", "a")
    assert found == record(n=1)
    with database.reading() as connection:
        assert connection.execute(sa.text("SELECT * FROM audit")).one()[2:] == (
            "k", "score.read", "a", "r1",
        )  # fmt: skip


def test_a_file_that_cannot_be_written_is_told_in_words(tmp_path: Path) -> None:
    (tmp_path / "s.db").write_bytes(b"no database at all, but long enough to be looked at" * 30)

    with pytest.raises(StoreError, match=r"s\.db: file is not a database\."):
        Store.open(f"sqlite:///{tmp_path / 's.db'}")


def test_the_last_answers_of_several_accounts_are_given_at_once(store: Store) -> None:
    later = AT + dt.timedelta(seconds=1)
    store.scores.add([record("a", n=1), record("b", n=2), record("a", later, n=3)])
    store.scores.add([record("b", n=4)])  # at the same instant, after

    found = store.scores.latest_of("churn_90d", ["a", "b", "nobody"])

    assert {name: item.document for name, item in found.items()} == {"a": {"n": 3}, "b": {"n": 4}}
    assert store.scores.latest_of("another", ["a"]) == {}


def test_what_is_at_hand_is_what_was_told_last(database: Database, store: Store) -> None:
    later = AT + dt.timedelta(microseconds=1)
    store.scores.add([record(at=later, n=1, é="\ud800"), record(n=0), record("b", n=5)])

    kept = store.scores.latest_text("churn_90d", "a")

    assert kept == b'{"n":1,"\\u00e9":"\\ud800"}'
    assert store.scores.latest_text("churn_90d", "c") is None
    on_file = database.path is not None
    assert store.scores.at_hand("churn_90d", "a") == (kept if on_file else None)
    assert store.scores.at_hand("churn_90d", "c") is None
    store.scores.add([record(at=later, n=2)])
    assert store.scores.at_hand("churn_90d", "a") == (b'{"n":2}' if on_file else None)


def test_nothing_is_at_hand_where_somebody_has_the_file_to_himself(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    with _stored(path, 1):
        pass
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("PRAGMA locking_mode = EXCLUSIVE")
        other.execute("BEGIN IMMEDIATE")
        database = Database(f"sqlite:///{path}")
        assert Scores(database).at_hand("churn_90d", "a") is None
        other.execute("ROLLBACK")
    assert Scores(database).at_hand("churn_90d", "a") == b'{"n":1}'
    database.close()


def test_another_file_in_the_place_of_the_old_is_noticed(tmp_path: Path) -> None:
    with _stored(tmp_path / "other.db", 2):
        pass
    with _stored(tmp_path / "s.db", 1) as store:
        assert store.scores.at_hand("churn_90d", "a") == b'{"n":1}'
        for name in ("s.db", "s.db-wal", "s.db-shm"):
            (tmp_path / name).unlink(missing_ok=True)
        assert store.scores.at_hand("churn_90d", "a") is None
        (tmp_path / "other.db").rename(tmp_path / "s.db")
        assert store.scores.at_hand("churn_90d", "a") == b'{"n":2}'


@contextlib.contextmanager
def _stored(path: Path, n: int) -> Iterator[Store]:
    url = f"sqlite:///{path}"
    database = Database(url)
    upgrade(database)
    database.close()
    with Store.open(url) as opened:
        opened.scores.add([record(n=n)])
        yield opened
