from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

Call = Callable[..., tuple[int, str, str]]

MESSAGES = [
    {"id": 1, "body": "Thank you so much, the import is fantastic!"},
    {"id": 2, "body": "Please cancel our subscription at the end of the month."},
    {"id": 3, "body": "Wo ist meine Rechnung? Ich warte seit drei Wochen darauf."},
    {"id": 4, "body": ""},
]


@pytest.fixture
def inbox(tmp_path: Path) -> Path:
    path = tmp_path / "inbox.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in MESSAGES), encoding="utf-8")
    return path


def test_messages_are_read_for_people(run: Call, inbox: Path) -> None:
    status, out, err = run("text", "read", inbox, "--column", "body")
    assert status == 0, err
    lines = out.splitlines()
    assert lines[0] == MESSAGES[0]["body"]
    assert lines[1].startswith("  positive ")
    assert any(line.startswith("  cancel_request: “") for line in lines)
    assert "  not read: language de" in lines


def test_messages_are_read_for_machines(run: Call, inbox: Path, tmp_path: Path) -> None:
    status, out, err = run("text", "read", inbox, "--column", "body", "--json")
    assert status == 0, err
    documents = [json.loads(line) for line in out.splitlines()]
    assert [item["id"] for item in documents] == [1, 2, 3, 4]
    assert documents[0]["reading"]["sentiment"] == "positive"
    assert [x["name"] for x in documents[1]["reading"]["intents"]] == ["cancel_request"]
    assert documents[2]["reading"]["language"] == "de"
    kept = tmp_path / "read.jsonl"
    status, summed, err = run("text", "read", inbox, "--column", "body", "--out", kept)
    assert status == 0, err
    assert kept.read_text(encoding="utf-8") == out
    assert summed.startswith(f"4 messages read into {kept}")
    assert not list(tmp_path.glob(".*unfinished"))


def test_a_number_that_is_none_is_nothing_in_json(run: Call, tmp_path: Path) -> None:
    file = tmp_path / "inbox.parquet"
    columns = {"text": ["Fine."], "score": [math.nan], "more": [[1.5, -math.inf]]}
    pq.write_table(pa.table(columns), file)
    status, out, err = run("text", "read", file, "--json")
    assert status == 0, err
    document = json.loads(out, parse_constant=pytest.fail)
    assert (document["score"], document["more"]) == (None, [1.5, None])


def test_half_a_character_is_read_and_given_back(run: Call, tmp_path: Path) -> None:
    half = tmp_path / "half.jsonl"
    half.write_text('{"text": "Please cancel our subscription \\ud83d"}\n', encoding="utf-8")
    status, out, err = run("text", "read", half, "--json")
    assert status == 0, err
    (document,) = map(json.loads, out.splitlines())
    assert document["text"] == "Please cancel our subscription \ud83d"
    assert document["reading"]["shown_by"] == document["text"]
    status, out, err = run("text", "read", half)
    assert (status, out.splitlines()[0]) == (0, "Please cancel our subscription"), err


def test_what_steers_a_terminal_is_not_shown(run: Call, tmp_path: Path) -> None:
    inbox = tmp_path / "inbox.jsonl"
    text = "\x1b[2J\x07Please cancel our subscription \u202e now."
    inbox.write_text(json.dumps({"text": text}) + "\n", encoding="utf-8")
    status, out, err = run("text", "read", inbox)
    assert status == 0, err
    assert out.splitlines()[0] == "[2J Please cancel our subscription now."
    assert not {"\x1b", "\x07", "\u202e"} & set(out)


def test_faults_are_told(run: Call, inbox: Path, tmp_path: Path) -> None:
    status, _, err = run("text", "read", inbox)
    assert (status, "no column 'text'" in err) == (2, True)
    status, _, err = run("text", "read", tmp_path / "none.csv")
    assert (status, "cannot be read" in err) == (2, True)
    status, _, err = run("text", "read", inbox, "--column", "body", "--model", inbox)
    assert (status, "no model of tone" in err) == (1, True)
    status, _, err = run("text", "read", inbox, "--column", "body", "-C", tmp_path)
    assert (status, "not in a churnml project" in err) == (2, True)
    for out in (tmp_path / "none" / "x.jsonl", inbox / "x.jsonl", tmp_path / ("n" * 300)):
        status, _, err = run("text", "read", inbox, "--column", "body", "--out", out)
        assert (status, "cannot be written" in err) == (2, True)


def test_messages_are_not_written_over(run: Call, inbox: Path) -> None:
    before = inbox.read_bytes()
    for given in (
        ("read", inbox, "--out", inbox),
        ("train", inbox, inbox.parent / "." / inbox.name),
    ):
        status, _, err = run("text", *given, "--column", "body")
        assert (status, "would take the place of the messages" in err) == (2, True)
    assert inbox.read_bytes() == before


def test_a_model_is_learned_and_used(run: Call, inbox: Path, tmp_path: Path) -> None:
    table = tmp_path / "labelled.csv"
    words = {"positive": "lovely great thanks nice super", "negative": "awful broken bad poor slow"}
    rows = [
        f"{word} indeed {n},{label}"
        for n in range(3)
        for label, group in words.items()
        for word in group.split()
    ]
    table.write_text("body,tone\n" + "\n".join(rows) + "\n", encoding="utf-8")
    model = tmp_path / "tone.npz"
    status, out, err = run("text", "train", table, model, "--column", "body", "--label", "tone")
    assert status == 0, err
    assert out.startswith("Learned 30 messages, positive, negative. On messages it had not seen: ")
    status, out, err = run("text", "read", inbox, "--column", "body", "--model", model, "--json")
    assert status == 0, err
    assert json.loads(out.splitlines()[0])["reading"]["probabilities"]["neutral"] == 0.0
    status, _, err = run("text", "train", table, model, "--column", "body", "--label", "mood")
    assert (status, "no column 'mood'" in err) == (2, True)
