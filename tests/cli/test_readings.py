from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from churnml.text.reading import RULES

Call = Callable[..., tuple[int, str, str]]

WORDS = {
    "m1": "Please cancel our subscription at the end of the month.",
    "m2": "Thank you, the new export works great.",
    "m3": "We are looking at Fieldstack as well.",
}


@pytest.fixture
def used(small_project: Path) -> Path:
    """A project whose account ``a`` used the product."""
    usage = "account_id,occurred_at,event\na,2024-01-05 10:00:00,view\n"
    (small_project / "data" / "usage.csv").write_text(usage, encoding="utf-8")
    return small_project


@pytest.fixture
def inbox(used: Path, root: Path) -> Path:
    """A project whose account ``a`` wrote three messages."""
    data = used / "data"
    rows = [
        f'{key},a,2024-02-0{day} 10:00:00,inbound,"{text}"'
        for day, (key, text) in enumerate(WORDS.items(), start=1)
    ]
    header = "message_id,account_id,sent_at,direction,text"
    (data / "messages.csv").write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    with (data / "sources.toml").open("a", encoding="utf-8") as file:
        file.write('\n[tables.messages]\nfiles = "messages.csv"\n')
    (data / "text.toml").write_bytes((root / "data" / "text.toml").read_bytes())
    return used


def test_what_an_account_said_is_shown_and_corrected(run: Call, inbox: Path) -> None:
    status, out, err = run("text", "show", "a", "-C", inbox)
    assert status == 0, err
    lines = out.splitlines()
    assert lines[0].startswith("2024-02-01  messages/m1  ")
    assert "cancel_request" in lines[0]
    assert lines[0].endswith("(model)")
    assert any("Fieldstack evaluating" in line for line in lines)
    assert any(line.startswith("    cancel_request: “cancel our subscription") for line in lines)

    given = "text", "correct", "messages/m1", "cancel_request=no", "sentiment=concerned"
    status, out, err = run(*given, "--by", "ann", "-C", inbox)
    assert status == 0, err
    assert out.splitlines() == [
        "messages/m1: cancel_request is no, says ann",
        "messages/m1: sentiment is concerned, says ann",
    ]
    status, out, err = run("text", "show", "a", "-C", inbox, "--json", "--as-of", "2024-03-01")
    # What was said today was not known then.
    assert (status, json.loads(out)[0]["reader"]) == (0, "model"), err
    status, out, err = run("text", "show", "a", "-C", inbox, "--json")
    first = json.loads(out)[0]
    assert (first["reader"], first["version"], first["sentiment"]) == ("person", "ann", "concerned")
    assert "cancel_request" not in first["found"]
    status, out, err = run("text", "show", "a", "-C", inbox, "--as-of", "2024-02-02")
    assert [line for line in out.splitlines() if "messages/" in line] == [lines[0]]


def test_what_cannot_be_corrected_is_said(run: Call, inbox: Path) -> None:
    def corrected(text: str, part: str) -> tuple[int, str]:
        status, _, err = run("text", "correct", text, part, "--by", "ann", "-C", inbox)
        return status, err

    status, err = corrected("messages/m9", "refund=yes")
    assert (status, "no text 'messages/m9' in history" in err) == (1, True)
    status, err = corrected("messages/m1", "refund")
    assert (status, "expected PART=VALUE" in err) == (2, True)
    status, err = corrected("messages/m1", "refnd=yes")
    assert (status, "Did you mean 'refund'" in err) == (1, True)
    assert not (inbox / "data" / "corrections.csv").exists()
    status, _, err = run("text", "show", "zed", "-C", inbox)
    assert (status, "account 'zed' has said nothing" in err) == (1, True)


def test_a_history_without_words_says_so(run: Call, used: Path) -> None:
    status, _, err = run("text", "show", "a", "-C", used)
    assert (status, "history has no words of customers" in err) == (1, True)


def test_what_a_source_says_of_texts_is_not_corrected_here(run: Call, used: Path) -> None:
    given = (
        "text_id,account_id,said_at,origin,sentiment,evidence\nm1,a,2024-01-03,messages,hostile,x\n"
    )
    (used / "data" / "given.csv").write_text(given, encoding="utf-8")
    with (used / "data" / "sources.toml").open("a", encoding="utf-8") as file:
        file.write('\n[tables.readings]\nfiles = "given.csv"\n')
    status, out, err = run("text", "show", "a", "-C", used)
    assert (status, out) == (0, "2024-01-03  m1  hostile  (None)\n"), err
    status, _, err = run("text", "correct", "m1", "refund=yes", "--by", "ann", "-C", used)
    assert (status, "a source gives readings: correct them there" in err) == (2, True)


def test_a_damaged_table_of_readings_is_laid_out_anew(run: Call, inbox: Path) -> None:
    shown = run("text", "show", "a", "-C", inbox)[1]
    (table,) = (inbox / "var" / "readings").glob("readings-*.parquet")
    whole = table.read_bytes()
    table.write_bytes(whole[:4] + b"\0" * 600 + whole[604:])
    status, _, err = run("text", "show", "a", "-C", inbox)
    assert (status, "Run `churnml check` again" in err) == (2, True)
    run("check", "-C", inbox)
    assert run("text", "show", "a", "-C", inbox)[:2] == (0, shown)


def test_history_is_read_anew_when_asked(run: Call, inbox: Path) -> None:
    assert run("text", "show", "a", "-C", inbox)[0] == 0
    words = inbox / "data" / "text.toml"
    words.write_text(words.read_text(encoding="utf-8").replace("Fieldstack", "Fieldstone"), "utf-8")
    messages = inbox / "data" / "messages.csv"
    with messages.open("a", encoding="utf-8") as file:
        file.write("m4,a,2024-02-09 10:00:00,inbound,Hello there\n")
    status, _, err = run("text", "show", "a", "-C", inbox)
    assert (status, "churnml text reread" in err) == (2, True)
    status, out, err = run("text", "reread", "-C", inbox)
    assert status == 0, err
    assert out.startswith(f"4 texts read by version {RULES}.")
    status, out, err = run("text", "show", "a", "-C", inbox)
    assert (status, "Fieldstack" in out.replace(WORDS["m3"], "")) == (0, False), err


def test_corrections_are_learned(run: Call, inbox: Path, tmp_path: Path) -> None:
    model = tmp_path / "tone.npz"
    status, _, err = run("text", "adapt", model, "-C", inbox)
    assert (status, "nobody has corrected the tone" in err) == (1, True)
    given = "text", "correct", "messages/m3", "sentiment=hostile", "--by", "ann", "-C", inbox
    assert run(*given)[0] == 0
    with (inbox / "data" / "corrections.csv").open("a", encoding="utf-8") as file:
        file.write("messages/gone,sentiment,hostile,ann,2024-03-01T00:00:00Z\n")
    status, out, err = run("text", "adapt", model, "-C", inbox)
    assert status == 0, err
    assert out.startswith("Learned 1 corrected texts beside the shipped ones.")
    assert "1 more texts were corrected that teach nothing" in err
    message = tmp_path / "one.txt"
    message.write_text(WORDS["m3"] + "\n", encoding="utf-8")

    def hostile(*more: object) -> float:
        out = run("text", "read", message, "-C", inbox, "--json", *more)[1]
        return float(json.loads(out)["reading"]["probabilities"]["hostile"])

    assert hostile("--model", model) > hostile() + 0.05


def test_corrected_intents_are_learned(run: Call, inbox: Path, tmp_path: Path) -> None:
    model = inbox / "data" / "own.npz"
    given = "text", "adapt", model, "--of", "intents", "-C", inbox
    status, _, err = run(*given)
    assert (status, "nobody has corrected the intents" in err) == (1, True)
    correct = "text", "correct", "messages/m2", "expansion_interest=yes", "--by", "ann", "-C", inbox
    assert run(*correct)[0] == 0
    status, out, err = run(*given)
    assert status == 0, err
    assert out.startswith("Learned 1 corrected texts beside the shipped ones.")

    message = tmp_path / "one.txt"
    message.write_text(WORDS["m2"] + "\n" + WORDS["m1"] + "\n", encoding="utf-8")

    def found() -> list[list[str]]:
        out = run("text", "read", message, "-C", inbox, "--json")[1]
        readings = [json.loads(line)["reading"] for line in out.splitlines()]
        return [[item["name"] for item in reading["intents"]] for reading in readings]

    words = inbox / "data" / "text.toml"
    assert found() == [[], ["cancel_request"]]
    words.write_text('intents = "own.npz"\n' + words.read_text("utf-8"), encoding="utf-8")
    assert found() == [["expansion_interest"], ["cancel_request"]]
    words.write_text(words.read_text("utf-8").replace("own.npz", "gone.npz"), encoding="utf-8")
    status, _, err = run("text", "read", message, "-C", inbox)
    assert (status, "gone.npz: no model of phrases" in err) == (1, True)


def test_corrected_levels_are_learned(run: Call, inbox: Path, tmp_path: Path) -> None:
    model = inbox / "data" / "levels.npz"
    given = "text", "adapt", model, "--of", "levels", "-C", inbox
    status, _, err = run(*given)
    assert (status, "nobody has corrected the level" in err) == (1, True)
    correct = "text", "correct", "messages/m3", "competitor_level=switched", "--by", "ann"
    assert run(*correct, "-C", inbox)[0] == 0
    status, out, err = run(*given)
    assert status == 0, err
    assert out.startswith("Learned 1 corrected texts beside the shipped ones.")

    message = tmp_path / "one.txt"
    message.write_text(WORDS["m3"] + "\n", encoding="utf-8")
    words = inbox / "data" / "text.toml"

    def level() -> str:
        out = run("text", "read", message, "-C", inbox, "--json")[1]
        return str(json.loads(out)["reading"]["competitors"][0]["level"])

    assert level() == "evaluating"
    words.write_text('levels = "levels.npz"\n' + words.read_text("utf-8"), encoding="utf-8")
    assert level() == "switched"
    words.write_text(words.read_text("utf-8").replace("levels.npz", "gone.npz"), encoding="utf-8")
    status, _, err = run("text", "read", message, "-C", inbox)
    assert (status, "gone.npz: no model of phrases" in err) == (1, True)


def test_responses_and_the_mix_are_shown(run: Call, inbox: Path, root: Path) -> None:
    levels = root / "serving" / "responses.toml"
    status, _, err = run("responses", "-C", inbox)
    assert (status, "responses.toml" in err) == (2, True)
    (inbox / "serving" / "responses.toml").write_bytes(levels.read_bytes())
    status, out, err = run("responses", "-C", inbox)
    assert status == 0, err
    assert out.splitlines()[:2] == [
        "a  level 3, due 2024-02-01 14:00 (overdue): VP customer success",
        "    2024-02-01 10:00  messages/m1  neutral, cancel_request: “cancel our subscription”",
    ]
    status, out, err = run("responses", "a", "-C", inbox, "--json", "--all")
    assert status == 0, err
    assert [(item["text_id"], item["level"], item["state"]) for item in json.loads(out)] == [
        ("messages/m1", 3, "overdue"),
        ("messages/m2", 1, None),
        ("messages/m3", 1, None),
    ]
    status, out, err = run("mix", "-C", inbox, "--weeks", "2")
    assert status == 0, err
    assert out.splitlines()[1].startswith("2024-01-22      0")
    assert out.splitlines()[2].endswith("0.0%  green (0.0% to 56.1%)  so far")
    status, out, err = run("mix", "-C", inbox, "--weeks", "1", "--json")
    (week,) = json.loads(out)
    assert (week["texts"], sum(week["counts"].values()), week["band"]) == (3, 3, "green")
    assert run("mix", "-C", inbox, "--as-of", "2030-01-01")[0] == 1


@pytest.mark.parametrize("command", ["indicators", "responses"])
def test_an_account_that_history_does_not_know_is_refused(
    run: Call, inbox: Path, root: Path, command: str
) -> None:
    file = Path("serving") / f"{command}.toml"
    (inbox / file).write_bytes((root / file).read_bytes())
    with (inbox / "data" / "usage.csv").open("a", encoding="utf-8") as usage:
        usage.write("acme-1,2024-02-02 10:00:00,view\n")

    status, out, err = run(command, "acme-2", "-C", inbox)
    assert (status, out) == (1, "")
    assert "account 'acme-2': history knows of none by that name before 2024-02-03" in err
    assert err.endswith("Did you mean 'acme-1'?\n")
    status, out, err = run(command, "acme-1", "-C", inbox, "--json")
    assert (status, out) == (0, "[]\n"), err
    assert run(command, "acme-1", "-C", inbox, "--as-of", "2024-02-01")[0] == 1


def test_texts_that_nobody_read_are_counted(run: Call, inbox: Path, root: Path) -> None:
    levels = root / "serving" / "responses.toml"
    (inbox / "serving" / "responses.toml").write_bytes(levels.read_bytes())
    status, _, err = run("responses", "-C", inbox)
    assert (status, "not read" in err) == (0, False)
    with (inbox / "data" / "messages.csv").open("a", encoding="utf-8") as file:
        file.write("m4,a,2024-02-03 11:00:00,inbound,Wir verklagen euch wegen Betrugs\n")
    status, out, err = run("responses", "-C", inbox, "--all", "--json")
    assert status == 0, err
    assert "1 texts were not read, in another language" in err
    unread = [item["text_id"] for item in json.loads(out) if item["sentiment"] is None]
    assert unread == ["messages/m4"]


def test_signs_of_leaving_are_shown(run: Call, inbox: Path, root: Path) -> None:
    signs = root / "serving" / "indicators.toml"
    (inbox / "serving" / "indicators.toml").write_bytes(signs.read_bytes())
    status, out, err = run("indicators", "-C", inbox)
    assert status == 0, err
    assert out.splitlines() == [
        "a  critical  cancel_request: asked to cancel once in 91 days",
        "    2024-02-01  messages/m1: “cancel our subscription”",
        "a  high  competitor: named a competitor once in 91 days",
        "    2024-02-03  messages/m3: “looking at Fieldstack”",
        "2 signs at 1 accounts as of 2024-02-03 10:00 UTC",
    ]
    status, out, err = run("indicators", "a", "-C", inbox, "--as-of", "2024-02-02", "--json")
    (found,) = json.loads(out)
    assert (found["indicator"], found["level"]) == ("cancel_request", "critical"), err
    assert found["evidence"][0]["source"] == "messages/m1"
    status, _, err = run("indicators", "-C", inbox, "--as-of", "2030-01-01")
    assert (status, "beyond what was observed" in err) == (1, True)


def test_what_a_person_says_shows_at_once(run: Call, inbox: Path, root: Path) -> None:
    for name in ("indicators.toml", "responses.toml"):
        (inbox / "serving" / name).write_bytes((root / "serving" / name).read_bytes())
    given = "text", "correct", "messages/m1", "cancel_request=no", "sentiment=hostile"
    assert run(*given, "--by", "ann", "-C", inbox)[0] == 0

    def said(*command: str) -> list[dict[str, object]]:
        found: list[dict[str, object]] = json.loads(run(*command, "-C", inbox, "--json")[1])
        return found

    signs = said("indicators", "a")
    assert [item["indicator"] for item in signs] == ["competitor"]
    (due, *_) = said("responses", "a")
    assert (due["text_id"], due["level"], due["intents"]) == ("messages/m1", 4, [])
    (week,) = said("mix", "--weeks", "1")
    assert week["negative"] == pytest.approx(1 / 3)
    # What was said today was not known then.
    then = said("indicators", "a", "--as-of", "2024-02-03")
    assert then[0]["indicator"] == "cancel_request"
    assert said("mix", "--weeks", "1", "--as-of", "2024-02-03")[0]["negative"] == 0
