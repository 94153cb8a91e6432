"""Readings in history: read once, kept by version, corrected by people from when they say so."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from churnml.errors import ConfigError, SourceError
from churnml.history.asof import History
from churnml.history.memory import ARROW_TYPES
from churnml.history.tables import INTENTS, READINGS, STANDARD, THEMES
from churnml.text import archive as archives
from churnml.text.archive import SCHEMA, Archive
from churnml.text.corrections import Correction
from churnml.text.intents import Intent
from churnml.text.moves import CompetitorLevel
from churnml.text.reading import RULES, Reader, read_reader
from churnml.text.readings import KEPT, LAYOUT, Readings
from churnml.text.themes import Theme

UNTIL = dt.datetime(2026, 1, 1)
SAID = dt.datetime(2025, 6, 1)
Row = dict[str, Any]


def days(n: float) -> dt.timedelta:
    return dt.timedelta(days=n)


@pytest.fixture(scope="module")
def reader(root: Path) -> Reader:
    return read_reader(root / "data" / "text.toml")


def message(number: int, text: str | None, **more: Any) -> Row:
    return {
        "message_id": f"m{number}",
        "account_id": "a",
        "sent_at": SAID + days(number),
        "direction": "inbound",
        "text": text,
        **more,
    }


def history(**tables: list[Row]) -> History:
    held = {}
    for name, rows in tables.items():
        contract = STANDARD[name]
        columns = [c for c in contract.names if any(c in row for row in rows)]
        kinds = {c: ARROW_TYPES[contract.column(c).kind] for c in columns}
        held[name] = pa.table({c: pa.array([r.get(c) for r in rows], kinds[c]) for c in columns})
    return History.from_tables(held, observed_until=UNTIL)


def silent(what: str, share: float) -> None:
    pass


def rows_of(found: History) -> list[Row]:
    rows: list[Row] = found.hindsight("readings").to_pylist()
    return rows


def never() -> Reader:
    raise AssertionError("nothing was to be read")


def test_the_contract_names_what_is_read() -> None:
    assert set(INTENTS) == {intent.value for intent in Intent}
    assert set(THEMES) == {theme.value for theme in Theme}
    levels = {level.value for level in CompetitorLevel}
    assert set(READINGS.column("competitor_level").choices) == levels


def test_words_of_every_table_are_read_once(reader: Reader, tmp_path: Path) -> None:
    held = history(
        messages=[
            message(1, "Please cancel our subscription."),
            message(2, "Please cancel our subscription.", sentiment="hostile"),
            message(3, "Bonjour, nous voudrions résilier notre abonnement aujourd'hui, merci."),
            message(4, None, sentiment="positive"),
            message(5, "Sent by us.", direction="outbound"),
        ],
        tickets=[{"ticket_id": "t1", "account_id": "b", "opened_at": SAID, "text": "Thank you!"}],
        surveys=[
            {
                "survey_id": "s1",
                "account_id": "b",
                "sent_at": SAID,
                "responded_at": SAID + days(4),
                "recorded_at": SAID + days(5),
                "kind": "nps",
                "comment": "We moved to Fieldstack.",
            },
            {"survey_id": "s2", "account_id": "b", "sent_at": SAID, "kind": "nps"},
        ],
    )
    joined = Readings(tmp_path, lambda: reader).joined(held, silent)
    rows = {row["text_id"]: row for row in rows_of(joined)}
    assert list(rows) == [
        *(f"messages/m{n}" for n in (1, 2, 3, 4)), "tickets/t1", "surveys/s1",
    ]  # fmt: skip
    first, told = rows["messages/m1"], rows["messages/m2"]
    assert (first["cancel_request"], first["refund"], first["reader"]) == (True, False, "model")
    assert first["version"] == reader.version
    assert first["recorded_at"] == first["said_at"] == SAID + days(1)
    assert '"cancel_request": "cancel our subscription' in first["evidence"]
    assert (told["sentiment"], told["reader"], told["cancel_request"]) == (
        "hostile",
        "source",
        True,
    )
    french = rows["messages/m3"]
    assert (french["language"], french["sentiment"], french["cancel_request"]) == ("fr", None, None)
    bare = rows["messages/m4"]
    assert (bare["sentiment"], bare["version"], bare["cancel_request"]) == ("positive", None, None)
    survey = rows["surveys/s1"]
    assert (survey["competitor"], survey["competitor_level"]) == ("Fieldstack", "switched")
    assert (survey["said_at"], survey["recorded_at"]) == (SAID + days(4), SAID + days(5))
    assert rows["tickets/t1"]["sentiment"] == "positive"
    kept = pq.read_table(tmp_path / archives.ARCHIVE)
    assert kept.num_rows == 4  # m1 and m2 have one text

    again = Readings(tmp_path, never).joined(held, silent)
    assert again.fingerprint == joined.fingerprint
    assert joined.fingerprint != held.fingerprint


def test_words_of_another_tone_than_a_source_tells_show_nothing(
    reader: Reader, tmp_path: Path
) -> None:
    glad, cancels = "Thank you, it works great!", "Please cancel our subscription."
    held = history(
        messages=[
            message(1, glad, sentiment="hostile"),
            message(2, glad, sentiment="positive"),
            message(3, cancels, sentiment="hostile"),
            message(4, "Hm.", sentiment="hostile"),
            message(5, None, sentiment="hostile"),
        ]
    )
    rows = rows_of(Readings(tmp_path, lambda: reader).joined(held, silent))
    shown = [set(json.loads(row["evidence"] or "{}")) for row in rows]
    assert shown == [
        {"about_positive"},
        {"sentiment", "about_positive"},
        {"cancel_request"},
        set(),
        set(),
    ]
    assert (rows[3]["evidence"], rows[4]["evidence"]) == (None, None)


def test_a_history_in_memory_is_read_as_it_would_be_kept_and_nothing_is_written(
    reader: Reader, tmp_path: Path
) -> None:
    held = history(
        messages=[
            message(1, "Please cancel our subscription."),
            message(2, "Please cancel our subscription.", sentiment="hostile"),
            message(3, "Bonjour, nous voudrions résilier notre abonnement aujourd'hui, merci."),
            message(4, None, sentiment="positive"),
        ],
        tickets=[{"ticket_id": "t1", "account_id": "b", "opened_at": SAID, "text": "Thank you!"}],
    )
    corrections = (correction(SAID + days(9), "cancel_request", "no"),)
    nowhere, kept = tmp_path / "nowhere", tmp_path / "kept"
    found = Readings(nowhere, lambda: reader, corrections).read(held)
    joined = Readings(kept, lambda: reader, corrections).joined(held, silent)
    assert found.to_pylist() == rows_of(joined)
    assert found.schema.names == list(READINGS.names)
    assert not nowhere.exists()

    before = {path: path.stat().st_mtime_ns for path in kept.iterdir()}
    again = Readings(kept, lambda: reader, corrections).read(held)
    assert again.equals(found)
    assert {path: path.stat().st_mtime_ns for path in kept.iterdir()} == before


def test_a_history_in_memory_without_words_has_no_readings(tmp_path: Path) -> None:
    quiet = history(usage=[{"account_id": "a", "occurred_at": SAID, "event": "view"}])
    assert Readings(tmp_path, never).read(quiet).num_rows == 0
    toned = history(messages=[message(1, None, sentiment="hostile")])
    (row,) = Readings(tmp_path, never).read(toned).to_pylist()
    assert (row["sentiment"], row["reader"], row["version"]) == ("hostile", "source", None)


def test_a_history_in_memory_is_read_by_the_version_of_the_archive_alone(
    reader: Reader, tmp_path: Path
) -> None:
    held = history(messages=[message(1, "Thank you, it works great.")])
    Readings(tmp_path, lambda: reader).joined(held, silent)
    other = Reader(reader._vocabulary.model_copy(update={"competitor": ()}), reader.model)
    with pytest.raises(ConfigError, match=r"1 texts are new.*churnml text reread"):
        Readings(tmp_path, lambda: other).read(held)


def test_only_what_is_new_is_read(
    reader: Reader, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archives, "_CHUNK", 2)
    texts = [message(n, f"Thank you for number {n}, it works great.") for n in range(5)]
    Readings(tmp_path, lambda: reader).joined(history(messages=texts), silent)
    seen: list[str] = []

    class Listening(Reader):
        def stream(self, texts: Any) -> Any:
            told = list(texts)
            seen.extend(told)
            return super().stream(told)

    listening = Listening(reader._vocabulary, reader.model)
    more = history(messages=[*texts, message(9, "The export is broken, this is awful.")])
    joined = Readings(tmp_path, lambda: listening).joined(more, silent)
    assert seen == ["The export is broken, this is awful."]
    assert [row["sentiment"] for row in rows_of(joined)] == ["positive"] * 5 + ["negative"]


def test_readings_of_two_versions_never_meet(reader: Reader, tmp_path: Path) -> None:
    held = history(messages=[message(1, "Thank you, it works great.")])
    first = Readings(tmp_path, lambda: reader).joined(held, silent)
    words = reader._vocabulary.model_copy(update={"competitor": ()})
    other = Reader(words, reader.model)
    assert other.version != reader.version
    # What was read stays as it was read, and is used as it is.
    same = Readings(tmp_path, lambda: other).joined(held, silent)
    assert same.fingerprint == first.fingerprint
    more = history(messages=[message(1, "Thank you, it works great."), message(2, "Hello there!")])
    with pytest.raises(ConfigError, match=r"1 texts are new.*churnml text reread"):
        Readings(tmp_path, lambda: other).joined(more, silent)
    Archive(tmp_path).forget()
    anew = Readings(tmp_path, lambda: other).joined(more, silent)
    assert {row["version"] for row in rows_of(anew)} == {other.version}


def test_what_a_reader_learned_of_people_goes_with_its_readings(
    reader: Reader, tmp_path: Path
) -> None:
    held = history(messages=[message(1, "Thank you, it works great.")])
    plain = Readings(tmp_path / "plain", lambda: reader).joined(held, silent)
    assert dict(plain.learned_until) == {}
    until = SAID + days(30)
    taught = replace(reader.model, about={"learned_until": until.isoformat()})
    other = Reader(reader._vocabulary, taught)
    assert other.version != reader.version
    joined = Readings(tmp_path / "own", lambda: other).joined(held, silent)
    assert dict(joined.learned_until) == {"readings": until}
    again = Readings(tmp_path / "own", never).joined(held, silent)
    assert dict(again.learned_until) == {"readings": until}


def correction(at: dt.datetime, part: str, value: str, by: str = "ann") -> Correction:
    return Correction("messages/m1", part, value, by, at)


def test_a_person_wins_from_when_it_was_said(reader: Reader, tmp_path: Path) -> None:
    held = history(messages=[message(1, "Please cancel our subscription."), message(2, "Hello.")])
    first, second = SAID + days(10), SAID + days(20)
    corrections = (
        correction(first, "cancel_request", "no"),
        correction(first, "sentiment", "hostile"),
        correction(second, "competitor", "Opsnova", "bob"),
        correction(second, "competitor_level", "evaluating", "bob"),
        Correction("messages/gone", "sentiment", "hostile", "ann", first),
    )
    joined = Readings(tmp_path, lambda: reader, corrections).joined(held, silent)
    rows = [row for row in rows_of(joined) if row["text_id"] == "messages/m1"]
    assert [row["reader"] for row in rows] == ["model", "person", "person"]
    assert [row["recorded_at"] for row in rows] == [SAID + days(1), first, second]
    assert [row["replaced_at"] for row in rows] == [first, second, None]
    assert [row["cancel_request"] for row in rows] == [True, False, False]
    assert [row["sentiment"] for row in rows][1:] == ["hostile", "hostile"]
    assert [row["competitor"] for row in rows] == [None, None, "Opsnova"]
    assert [row["version"] for row in rows] == [reader.version, "ann", "bob"]
    assert rows[1]["evidence"] is None
    assert rows_of(joined)[-1]["text_id"] == "messages/m2"

    plain = Readings(tmp_path, never).joined(held, silent)
    assert plain.fingerprint != joined.fingerprint
    seen = joined.as_of(first).table("readings").to_pylist()
    assert [row["cancel_request"] for row in seen] == [True, False]


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({"competitor": "Opsnova"}, ("Opsnova", "switched")),
        ({"competitor": "", "competitor_level": "evaluating"}, (None, "evaluating")),
        ({"competitor": "Opsnova", "competitor_level": "switching"}, ("Opsnova", "switching")),
        ({"competitor_level": "evaluating"}, ("Fieldstack", "evaluating")),
        ({"competitor_level": ""}, (None, None)),
        ({"competitor": ""}, (None, None)),
    ],
)
def test_a_competitor_and_its_level_go_together(
    reader: Reader, tmp_path: Path, said: dict[str, str], expected: tuple[str | None, str | None]
) -> None:
    held = history(messages=[message(1, "We have moved to Fieldstack.")])
    corrections = tuple(correction(SAID + days(9), *item) for item in said.items())
    joined = Readings(tmp_path, lambda: reader, corrections).joined(held, silent)
    last = rows_of(joined)[-1]
    assert (last["competitor"], last["competitor_level"]) == expected
    assert rows_of(joined)[0]["competitor_level"] == "switched"


def test_whom_a_person_names_is_mentioned(reader: Reader, tmp_path: Path) -> None:
    held = history(messages=[message(1, "Hello.")])
    named = (correction(SAID + days(9), "competitor", "Opsnova"),)
    joined = Readings(tmp_path, lambda: reader, named).joined(held, silent)
    last = rows_of(joined)[-1]
    assert (last["competitor"], last["competitor_level"]) == ("Opsnova", "mentioned")


def test_whoever_computes_from_a_table_goes_on_with_it(reader: Reader, tmp_path: Path) -> None:
    held = history(messages=[message(1, "Hello.")])
    begun = Readings(tmp_path, lambda: reader).joined(held, silent)
    for n in range(1, KEPT + 2):
        more = (correction(SAID + days(n), "sentiment", "hostile"),)
        Readings(tmp_path, never, more).joined(held, silent)
        if n < KEPT:
            assert [row["reader"] for row in rows_of(begun)] == ["model"]
    assert len(list(tmp_path.glob("readings-*.parquet"))) == KEPT
    with pytest.raises(SourceError, match="cannot be read"):
        begun.hindsight("readings")  # never another's rows in its place


def test_messages_of_nobody_knows_whom_are_not_read(tmp_path: Path) -> None:
    held = history(messages=[{"message_id": "m", "account_id": "a", "sent_at": SAID, "text": "Hi"}])
    assert Readings(tmp_path, never).joined(held, silent) is held


def test_a_correction_from_before_the_text_was_known_counts_with_it(
    reader: Reader, tmp_path: Path
) -> None:
    held = history(messages=[message(1, "Hello.", recorded_at=SAID + days(5))])
    early = (correction(SAID, "sentiment", "negative"),)
    joined = Readings(tmp_path, lambda: reader, early).joined(held, silent)
    (row,) = rows_of(joined)
    assert (row["sentiment"], row["recorded_at"]) == ("negative", SAID + days(5))
    assert row["replaced_at"] is None


def test_what_a_source_gives_or_nobody_wrote_stays_as_it_is(tmp_path: Path) -> None:
    silent_ones = history(usage=[{"account_id": "a", "occurred_at": SAID, "event": "view"}])
    assert Readings(tmp_path, never).joined(silent_ones, silent) is silent_ones
    given = history(
        messages=[message(1, "Hello.")],
        readings=[
            {
                "text_id": "messages/m1",
                "account_id": "a",
                "said_at": SAID,
                "origin": "messages",
                "sentiment": "neutral",
            }
        ],
    )
    assert Readings(tmp_path, never).joined(given, silent) is given
    assert list(tmp_path.iterdir()) == []
    corrected = Readings(tmp_path, never, (correction(SAID, "sentiment", "hostile"),))
    with pytest.raises(ConfigError, match="a source gives these: correct them there"):
        corrected.joined(given, silent)


def test_a_damaged_archive_is_named(reader: Reader, tmp_path: Path) -> None:
    (tmp_path / archives.ARCHIVE).write_bytes(b"PAR1 and no more")
    held = history(messages=[message(1, "Hello.")])
    with pytest.raises(SourceError, match=r"archive\.parquet: cannot be read.*text reread"):
        Readings(tmp_path, lambda: reader).joined(held, silent)
    pq.write_table(pa.table({"digest": ["a"]}), tmp_path / archives.ARCHIVE)
    with pytest.raises(SourceError, match=r"other columns than this version.*text reread"):
        Readings(tmp_path, lambda: reader).joined(held, silent)


def test_a_reading_that_is_damaged_can_be_made_anew(reader: Reader, tmp_path: Path) -> None:
    held = history(messages=[message(1, "Hello.")])
    Readings(tmp_path, lambda: reader).joined(held, silent)
    kept = tmp_path / archives.ARCHIVE
    at = pq.read_metadata(kept).row_group(0).column(SCHEMA.names.index("evidence")).data_page_offset
    whole = kept.read_bytes()
    kept.write_bytes(whole[:at] + bytes(20) + whole[at + 20 :])
    corrected = Readings(tmp_path, lambda: reader, (correction(SAID, "sentiment", "hostile"),))
    with pytest.raises(SourceError, match=r"cannot be laid out: .*`churnml text reread` makes"):
        corrected.joined(held, silent)


# What is found in the messages of intents_seen.jsonl, by the version of the rules; another, too,
# where the shipped models are made anew.
FOUND = {6: "4d59ce7cfb8662ec"}


def test_rules_that_read_otherwise_are_another_version(reader: Reader, root: Path) -> None:
    lines = (root / "tests" / "text" / "intents_seen.jsonl").read_text(encoding="utf-8")
    texts = [json.loads(line)["text"] for line in lines.splitlines()]
    digest = hashlib.sha256()
    for reading in reader.read(texts):
        document = reading.document()
        said = {name: document[name] for name in ("language", "intents", "competitors", "themes")}
        digest.update(json.dumps(said, sort_keys=True).encode())
    assert digest.hexdigest()[:16] == FOUND[RULES], "raise RULES of churnml.text.reading"


# How words, readings and corrections are put together, by the version of the layout.
LAID_OUT = {2: "2263361044d95a8d"}


def test_another_layout_is_another_version(reader: Reader, tmp_path: Path) -> None:
    survey = {
        "survey_id": "s1",
        "account_id": "b",
        "sent_at": SAID,
        "responded_at": SAID + days(4),
        "kind": "nps",
        "comment": "We moved to Fieldstack.",
        "sentiment": "neutral",
    }
    ticket = {"ticket_id": "t1", "account_id": "b", "opened_at": SAID, "text": "Thank you!"}
    held = history(
        messages=[message(1, "Please cancel our subscription.", recorded_at=SAID + days(3))],
        tickets=[ticket],
        surveys=[survey],
    )
    corrections = (
        correction(SAID, "sentiment", "hostile"),
        correction(SAID + days(5), "competitor", "Opsnova"),
    )
    rows = rows_of(Readings(tmp_path, lambda: reader, corrections).joined(held, silent))
    told = [{name: str(row[name]) for name in sorted(row) if name != "version"} for row in rows]
    digest = hashlib.sha256(json.dumps(told).encode()).hexdigest()[:16]
    assert digest == LAID_OUT[LAYOUT], "raise LAYOUT of churnml.text.readings"
