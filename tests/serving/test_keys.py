from __future__ import annotations

import datetime as dt
import hashlib
import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from churnml.errors import ConfigError
from churnml.serving import keys
from churnml.serving.keys import KeyRefused, Scope, StoredKey

AT = dt.datetime(2026, 3, 1, 12)
DAY = dt.timedelta(days=1)
INSTANT = dt.timedelta(microseconds=1)


def find(*stored: StoredKey) -> dict[str, StoredKey]:
    return {key.id: key for key in stored}


def test_what_is_kept_of_a_key_does_not_hold_it() -> None:
    made = keys.make("crm", [Scope.SCORE, Scope.ACT], AT, lifetime=DAY, rate=2.5)

    prefix, key_id, secret = made.text.split("_")
    assert (prefix, key_id, len(secret)) == ("churnml", made.stored.id, 64)
    assert made.stored == StoredKey(
        id=key_id,
        name="crm",
        digest=hashlib.sha256(made.text.encode()).digest(),
        scopes=frozenset({Scope.SCORE, Scope.ACT}),
        created_at=AT,
        expires_at=AT + DAY,
        revoked_at=None,
        rate=2.5,
    )
    assert secret not in repr(made.stored)
    assert repr(made) == f"NewKey({key_id})"


def test_no_two_keys_are_alike() -> None:
    made = [keys.make("crm", [Scope.SCORE], AT) for _ in range(200)]

    assert len({key.text.split("_")[2] for key in made}) == 200
    assert len({key.stored.id for key in made}) == 200


def test_a_key_is_found_by_what_is_presented() -> None:
    made, other = (keys.make(name, [Scope.SCORE], AT) for name in ("a", "b"))
    kept = find(made.stored, other.stored)

    assert keys.check(made.text, kept.get, AT) == made.stored
    assert keys.check(other.text, kept.get) == other.stored


@given(presented=st.text() | st.from_regex(r"churnml_[0-9a-f]{16}_[0-9a-f]{64}\n?", fullmatch=True))
def test_what_was_never_handed_out_is_refused(presented: str) -> None:
    made = keys.make("crm", [Scope.SCORE], AT)

    for stored in (None, made.stored):
        with pytest.raises(KeyRefused, match=r"^not an API key of this service\.$"):
            keys.check(presented, lambda _, found=stored: found, AT)  # type: ignore[misc]


@given(place=st.integers(0, 63), digit=st.sampled_from("0123456789abcdef"))
def test_one_other_digit_is_another_key(place: int, digit: str) -> None:
    made = keys.make("crm", [Scope.SCORE], AT)
    head, secret = made.text[:-64], made.text[-64:]
    forged = head + secret[:place] + digit + secret[place + 1 :]

    if forged == made.text:
        assert keys.check(forged, find(made.stored).get, AT) == made.stored
    else:
        with pytest.raises(KeyRefused):
            keys.check(forged, find(made.stored).get, AT)


def test_digests_are_compared_in_constant_time_also_for_no_key(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    compared: list[tuple[bytes, bytes]] = []
    compare = hmac.compare_digest

    def watch(presented: bytes, kept: bytes) -> bool:
        compared.append((presented, kept))
        return compare(presented, kept)

    monkeypatch.setattr(hmac, "compare_digest", watch)
    made = keys.make("crm", [Scope.SCORE], AT)

    keys.check(made.text, find(made.stored).get, AT)
    with pytest.raises(KeyRefused):
        keys.check(made.text, find().get, AT)

    digest = made.stored.digest
    assert compared == [(digest, digest), (digest, hashlib.sha256(b"").digest())]


def test_a_key_ends_when_it_expires() -> None:
    made = keys.make("crm", [Scope.SCORE], AT, lifetime=DAY)
    kept = find(made.stored)

    assert keys.check(made.text, kept.get, AT + DAY - INSTANT) == made.stored
    with pytest.raises(KeyRefused, match=r"^this API key is expired\.$"):
        keys.check(made.text, kept.get, AT + DAY)


def test_a_revoked_key_is_told_so_to_its_holder_alone() -> None:
    made = keys.make("crm", [Scope.SCORE], AT)
    revoked = StoredKey(**{**vars(made.stored), "revoked_at": AT + DAY})
    kept = find(revoked)

    assert keys.check(made.text, kept.get, AT + DAY - INSTANT) == revoked
    with pytest.raises(KeyRefused, match=r"^this API key is revoked\.$"):
        keys.check(made.text, kept.get, AT + DAY)
    with pytest.raises(KeyRefused, match="not an API key"):
        keys.check(made.text[:-64] + "0" * 64, kept.get, AT + DAY)


def test_a_successor_opens_the_same_for_as_long() -> None:
    old = keys.make("crm", [Scope.ACT], AT, lifetime=7 * DAY, rate=3.0).stored

    new = keys.successor(old, AT + DAY)

    assert (new.stored.name, new.stored.scopes, new.stored.rate) == ("crm", old.scopes, 3.0)
    assert new.stored.expires_at == AT + 8 * DAY
    assert keys.successor(old, AT, DAY).stored.expires_at == AT + DAY
    assert new.stored.id != old.id


def test_what_opens_nothing_has_no_successor() -> None:
    old = keys.make("crm", [Scope.ACT], AT, lifetime=DAY).stored

    with pytest.raises(ConfigError, match=rf"key {old.id} \('crm'\) is expired: nothing to rep"):
        keys.successor(old, AT + DAY)
    with pytest.raises(ConfigError, match="is replaced already"):
        keys.successor(StoredKey(**{**vars(old), "revoked_at": AT + DAY / 2}), AT)


@pytest.mark.parametrize(
    ("given_", "message"),
    [
        ({"name": ""}, "expected 1 to 100 characters"),
        ({"name": "a\nb"}, "expected 1 to 100 characters on one line"),
        ({"name": " a"}, "without blanks around"),
        ({"name": "a" * 101}, "expected 1 to 100 characters"),
        ({"scopes": []}, "no scope; expected some of: score, ingest, act, admin"),
        ({"rate": 0.0}, r"rate 0\.0: expected requests per second, above 0"),
        ({"rate": float("nan")}, "rate nan"),
        ({"rate": float("inf")}, "rate inf"),
        ({"lifetime": dt.timedelta()}, "would expire before it is made"),
        (
            {"lifetime": dt.timedelta(days=9_999_999)},
            "9999999 days from now is beyond the calendar",
        ),
    ],
)
def test_a_key_that_makes_no_sense_is_not_made(given_: dict[str, object], message: str) -> None:
    asked = {"name": "crm", "scopes": [Scope.SCORE], "at": AT, **given_}

    with pytest.raises(ConfigError, match=message):
        keys.make(**asked)  # type: ignore[arg-type]
