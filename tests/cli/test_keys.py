from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from churnml.serving import keys
from churnml.serving.keys import KeyRefused, Scope
from churnml.serving.store.store import Store

Call = Callable[..., tuple[int, str, str]]


def created(run: Call, project: Path, name: str = "crm", *options: object) -> str:
    status, out, err = run("keys", "create", name, "--scope", "score", "-C", project, *options)
    assert status == 0, err
    assert "It is shown this once: keep it where secrets are kept." in err
    return out.strip()


def test_a_key_is_shown_once_and_opens(run: Call, small_project: Path) -> None:
    key = created(run, small_project, "crm", "--scope", "act", "--expires", 90, "--rate", 5)

    file = small_project / "var" / "service.db"
    with Store.open(f"sqlite:///{file}") as store:
        stored = keys.check(key, store.keys.find)
    assert (stored.name, stored.rate) == ("crm", 5.0)
    assert stored.scopes == {Scope.ACT, Scope.SCORE}
    assert stored.expires_at is not None
    assert (stored.expires_at - stored.created_at).days == 90

    status, out, err = run("keys", "list", "-C", small_project)
    assert (status, err) == (0, "")
    assert out.splitlines()[1].split()[:4] == [stored.id, "crm", "act", "score"]
    assert out.split()[-2:] == ["5/s", "open"]
    secret = key.split("_")[2]
    written = b"".join(path.read_bytes() for path in file.parent.iterdir())
    assert secret not in out
    assert secret.encode() not in written
    assert bytes.fromhex(secret) not in written


def test_a_key_is_made_for_machines(run: Call, small_project: Path) -> None:
    status, out, err = run(
        "keys", "create", "etl", "--scope", "ingest", "-C", small_project, "--json"
    )

    document = json.loads(out)
    assert (status, err) == (0, "")
    assert document["key"].split("_")[1] == document["id"]
    assert (document["name"], document["scopes"], document["rate"]) == ("etl", ["ingest"], None)
    (listed,) = json.loads(run("keys", "list", "-C", small_project, "--json")[1])
    assert listed == {name: value for name, value in document.items() if name != "key"}


def test_a_revoked_key_opens_nothing(run: Call, small_project: Path) -> None:
    key = created(run, small_project)

    status, out, _ = run("keys", "revoke", "crm", "-C", small_project)

    assert status == 0
    assert out == f"key {key.split('_')[1]} ('crm') is revoked: it opens nothing any more.\n"
    with (
        Store.open(f"sqlite:///{small_project / 'var' / 'service.db'}") as store,
        pytest.raises(KeyRefused, match="revoked"),
    ):
        keys.check(key, store.keys.find)
    again = run("keys", "revoke", key.split("_")[1], "-C", small_project, "--json")
    assert json.loads(again[1])["state"] == "revoked"
    assert created(run, small_project) != key


def test_a_key_is_replaced_with_an_overlap(run: Call, small_project: Path) -> None:
    old = created(run, small_project, "crm", "--rate", 2)

    status, out, err = run("keys", "rotate", "crm", "-C", small_project, "--overlap", 1)

    assert status == 0
    assert f"{old.split('_')[1]} goes on until " in err
    with Store.open(f"sqlite:///{small_project / 'var' / 'service.db'}") as store:
        new = keys.check(out.strip(), store.keys.find)
        before = keys.check(old, store.keys.find)
    assert (new.name, new.rate, new.scopes) == ("crm", 2.0, before.scopes)
    assert before.revoked_at is not None
    assert (before.revoked_at - new.created_at).total_seconds() == 3600
    assert " ends 20" in run("keys", "list", "-C", small_project)[1]
    status, _, err = run("keys", "rotate", "crm", "-C", small_project)
    assert status == 2
    assert f"several keys are named 'crm'; give the id of one: {before.id}, {new.id}." in err


def test_what_was_done_with_keys_is_kept(run: Call, small_project: Path) -> None:
    first = created(run, small_project).split("_")[1]
    second = run("keys", "rotate", first, "-C", small_project)[1].split("_")[1]
    run("keys", "revoke", second, "-C", small_project)

    with closing(sqlite3.connect(small_project / "var" / "service.db")) as connection:
        done = connection.execute(
            "SELECT action, subject, key_id FROM audit ORDER BY id"
        ).fetchall()

    assert done == [
        ("keys.create", first, None),
        ("keys.rotate", f"{first} {second}", None),
        ("keys.revoke", second, None),
    ]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["create", "b", "--scope", "scores"], "no scope 'scores'. Did you mean 'score'?"),
        (["create", "crm", "--scope", "score"], "has the name 'crm'. `churnml keys rotate "),
        (["create", "b", "--scope", "act", "--expires", "0"], "would expire before it is made"),
        (["create", "b", "--scope", "act", "--expires", "1e300"], "1e+300 is no span of time"),
        (["create", "b", "--scope", "act", "--expires", "1e8"], "beyond the calendar"),
        (["create", "b", "--scope", "act", "--rate", "-1"], "rate -1.0: expected requests"),
        (["revoke", "crn"], "no key 'crn' that opens anything. Did you mean 'crm'?"),
        (["rotate", "crm", "--expires", "nan"], "nan is no span of time"),
    ],
)
def test_mistakes_are_told(
    run: Call, small_project: Path, arguments: list[str], message: str
) -> None:
    created(run, small_project)

    status, out, err = run("keys", *arguments, "-C", small_project)

    assert (status, out) == (2, "")
    assert message in err
    assert len(json.loads(run("keys", "list", "-C", small_project, "--json")[1])) == 1


def test_without_a_store_there_are_no_keys_to_show(run: Call, small_project: Path) -> None:
    status, _, err = run("keys", "list", "-C", small_project)

    assert status == 2
    assert "there is no store here yet. `churnml store upgrade` makes one." in err
    assert not (small_project / "var").exists()
    run("store", "upgrade", "-C", small_project)
    assert run("keys", "list", "-C", small_project)[1].startswith("No keys yet.")
    assert run("keys", "create", "a", "-C", small_project)[0] == 2
