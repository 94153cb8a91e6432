from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from churnml.errors import ConfigError
from churnml.project import Project
from churnml.serving.store.location import store_url
from churnml.serving.store.schema import HEAD

Call = Callable[..., tuple[int, str, str]]


def settings(project: Path, text: str) -> Project:
    file = project / "pyproject.toml"
    file.write_text(f'[tool.churnml]\nname = "acme"\n[tool.churnml.store]\n{text}\n', "utf-8")
    return Project.load(project)


def test_a_store_is_made_copied_and_put_back(run: Call, small_project: Path) -> None:
    label = f"sqlite:///{small_project / 'var' / 'service.db'}"
    status, out, _ = run("store", "status", "-C", small_project)
    assert (status, out.splitlines()[1]) == (1, f"schema    none yet, expected {HEAD}")

    assert run("store", "upgrade", "-C", small_project)[:2] == (
        0, f"{label}: its schema is {HEAD}; it was not there.\n",
    )  # fmt: skip
    again = run("store", "upgrade", "-C", small_project)[1]
    assert again == f"{label}: its schema is {HEAD}, as it was.\n"
    run("keys", "create", "crm", "--scope", "score", "-C", small_project)
    copy = small_project / "copy"
    status, out, _ = run("store", "backup", copy, "-C", small_project)
    rows = "1 of audit, 0 of events, 1 of keys, 0 of scores, 0 of standings"
    assert (status, out) == (0, f"{label} is in {copy}: schema {HEAD}; {rows}.\n")
    run("keys", "create", "etl", "--scope", "ingest", "-C", small_project)

    status, _, err = run("store", "restore", copy, "-C", small_project)
    assert status == 2
    assert "rows are there: 2 of audit, 2 of keys." in err
    status, out, _ = run("store", "restore", copy, "-C", small_project, "--replace", "--json")
    assert json.loads(out) == {
        "schema": HEAD,
        "rows": {"audit": 1, "events": 0, "keys": 1, "scores": 0, "standings": 0},
    }  # fmt: skip
    status, out, _ = run("store", "status", "-C", small_project)
    assert (status, out.splitlines()) == (0, [
        f"store     {label}", f"schema    {HEAD}, expected {HEAD}", "audit     1", "events    0",
        "keys      1", "scores    0", "standings 0",
    ])  # fmt: skip


def test_a_store_is_downgraded_where_that_is_meant(run: Call, small_project: Path) -> None:
    url = f"sqlite:///{small_project / 'apart.db'}"
    run("keys", "create", "crm", "--scope", "score", "--url", url)

    status, _, err = run("store", "downgrade", "0002", "--url", url)
    assert status == 2
    assert "1 of audit. Nothing was changed." in err
    status, out, _ = run("store", "downgrade", "0002", "--url", url, "--lose")
    assert (status, out.splitlines()) == (0, [
        f"{url}: its schema is 0002; it was {HEAD}.", "lost: 1 of audit",
    ])  # fmt: skip
    status, _, err = run("keys", "list", "--url", url)
    assert status == 2
    assert f"its schema is 0002, expected {HEAD}. `churnml store upgrade` brings it there" in err
    status, out, _ = run("store", "status", "--url", url, "--json")
    assert (status, json.loads(out)) == (
        1, {"store": url, "schema": "0002", "expected": HEAD, "rows": {"keys": 1, "scores": 0}},
    )  # fmt: skip
    status, out, _ = run("store", "downgrade", "base", "--url", url, "--lose", "--json")
    assert json.loads(out) == {"store": url, "before": "0002", "after": None, "lost": {"keys": 1}}


def test_the_project_says_where_its_store_lies(
    small_project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def shown(text: str) -> str:
        return store_url(settings(small_project, text)).render_as_string(hide_password=False)

    monkeypatch.setenv("STORE", "postgresql+psycopg://me:s3cret@host/churnml")

    assert shown("") == f"sqlite:///{small_project / 'var' / 'service.db'}"
    assert shown('url = "sqlite:///kept/s.db"') == f"sqlite:///{small_project / 'kept' / 's.db'}"
    assert shown('url = "postgresql+psycopg://host/d"') == "postgresql+psycopg://host/d"
    assert shown('url_env = "STORE"') == "postgresql+psycopg://me:s3cret@host/churnml"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('url = "postgresql://me:pw@h/d"', r"store\]: url: a password does not belong in a proj"),
        ('url = "postgresql://me@h/d?sslpassword=pw"', "a password does not belong"),
        ('url = "nothing"', r"\[tool\.churnml\.store\]: url: not a database URL"),
        ('url_env = "NOT_SET"', "url_env: the environment variable 'NOT_SET' is not set"),
        ('url = "sqlite:///a.db"\nurl_env = "A"', "name either `url` or `url_env`, not both"),
        ('ulr = "sqlite:///a.db"', r"unknown key 'store\.ulr'\. Did you mean 'url'\?"),
    ],
)
def test_a_setting_that_cannot_be_is_told(small_project: Path, text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        store_url(settings(small_project, text))


def test_the_audit_is_listed_by_time_and_by_account(run: Call, small_project: Path) -> None:
    from churnml.serving.store.store import Store

    url = f"sqlite:///{small_project / 'apart.db'}"
    key = json.loads(run("keys", "create", "crm", "--scope", "act", "--url", url, "--json")[1])
    at = dt.datetime(2030, 1, 2, 3, 4, 5, 250_000)
    with Store.open(url) as store:
        store.audit.add(at, key["id"], "messages.read", "a", "r1")
        store.audit.add(at, key["id"], "texts.correct", "a messages/m-7", "r2")
        store.audit.add(at, "gone", "messages.read", "a%", "r3")
        store.audit.add(at, key["id"], "messages.read", "b\x1b[2J", "r4")

    status, out, _ = run("store", "audit", "--url", url)
    lines = out.splitlines()
    assert (status, len(lines)) == (0, 5)
    assert lines[0].endswith(f"  command line  keys.create  {key['id']}  –")
    assert lines[1] == f"2030-01-02T03:04:05  {key['id']} (crm)  messages.read  a  r1"
    assert "\x1b" not in out
    out = run("store", "audit", "--url", url, "--account", "a")[1]
    assert [line.split()[-1] for line in out.splitlines()] == ["r1", "r2"]
    out = run("store", "audit", "--url", url, "--since", "2030-01-02", "--json")[1]
    assert [item["request_id"] for item in json.loads(out)] == ["r1", "r2", "r3", "r4"]
    assert json.loads(out)[2] == {
        "at": "2030-01-02T03:04:05.250000Z", "key_id": "gone", "key_name": None,
        "action": "messages.read", "subject": "a%", "request_id": "r3",
    }  # fmt: skip
    assert run("store", "audit", "--url", url, "--since", "2031-01-01", "--json")[1] == "[]\n"
