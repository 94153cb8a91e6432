from __future__ import annotations

import datetime as dt
from dataclasses import replace

import pytest

from churnml.errors import StoreError
from churnml.serving import keys
from churnml.serving.keys import KeyRefused, Scope
from churnml.serving.store.store import Store

AT = dt.datetime(2026, 3, 1, 12, 0, 0, 1)
HOUR = dt.timedelta(hours=1)


def test_keys_come_back_as_they_were_added(store: Store) -> None:
    first = keys.make("crm", [Scope.SCORE, Scope.ADMIN], AT, lifetime=HOUR, rate=0.1).stored
    second = keys.make("é “x”", list(Scope), AT + HOUR).stored

    store.keys.add(second)
    store.keys.add(first)

    assert store.keys.all() == [first, second]
    assert store.keys.find(first.id) == first
    assert store.keys.find("0" * 16) is None
    with pytest.raises(StoreError, match=r"(?i)unique"):
        store.keys.add(first)


def test_a_key_that_was_taken_back_stays_so(store: Store) -> None:
    key = keys.make("crm", [Scope.SCORE], AT).stored
    store.keys.add(key)

    assert store.keys.revoke(key.id, AT + HOUR)
    assert store.keys.revoke(key.id, AT)
    assert store.keys.revoke(key.id, AT + 2 * HOUR)

    assert store.keys.find(key.id) == replace(key, revoked_at=AT)
    assert not store.keys.revoke("0" * 16, AT)


def test_both_keys_open_while_they_overlap(store: Store) -> None:
    old = keys.make("crm", [Scope.SCORE], AT)
    store.keys.add(old.stored)
    new = keys.successor(old.stored, AT)

    store.keys.rotate(old.stored.id, new.stored, AT + HOUR)

    assert keys.check(old.text, store.keys.find, AT + HOUR / 2).name == "crm"
    assert keys.check(new.text, store.keys.find, AT + HOUR / 2) == new.stored
    with pytest.raises(KeyRefused, match="revoked"):
        keys.check(old.text, store.keys.find, AT + HOUR)
    assert keys.check(new.text, store.keys.find, AT + HOUR) == new.stored


def test_a_rotation_that_fails_leaves_the_old_key_alone(store: Store) -> None:
    old = keys.make("crm", [Scope.SCORE], AT).stored
    store.keys.add(old)

    with pytest.raises(StoreError):
        store.keys.rotate(old.id, old, AT + HOUR)

    assert store.keys.all() == [old]
