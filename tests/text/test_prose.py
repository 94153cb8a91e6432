from __future__ import annotations

from html import unescape

import pytest
from hypothesis import given
from hypothesis import strategies as st

from churnml.text.prose import Span, blank, read_prose, seen, split, stems

# Pieces that the rules look for, so that chance puts them beside one another.
PIECES = st.sampled_from(
    [
        "Please cancel our subscription.",
        "don\u2019t",
        "\n",
        "\r\n",
        "> quoted",
        "-- ",
        "Best regards,",
        "On Mon, Jan 5, 2026, Support wrote:",
        "From: a@b.co\nSent: today\n",
        "<p>",
        "</blockquote>",
        "<!--",
        "https://x.y/z",
        "Re: ",
        "\u0130",
        "can\u200bcel",
        "don&#39;t",
        "&zwnj;",
        "\u00ad",
        "\U0001f621",
        "...",
        '"',
        "Opsnova",
    ]
)
MESSAGES = st.one_of(
    st.text(max_size=200),
    st.lists(st.one_of(PIECES, st.text(max_size=20)), max_size=12).map(" ".join),
    st.lists(PIECES, max_size=12).map("".join),
)


def test_every_closing_of_many_goes_with_what_is_below_it() -> None:
    """So many that a copy of the message for each would take minutes."""
    below = "Thanks,\nBob Stone\n"
    assert blank(below * 5000).strip() == ""
    text = blank(f"{below * 2}we still wait for a call\n{below}")
    assert text.strip() == "we still wait for a call"


@pytest.mark.parametrize("mark", '-!.?>_<("')
def test_no_run_of_marks_takes_time_without_end(mark: str) -> None:
    """So many that to look from each to the last, and back, would take hours."""
    message = f"See the message:\n{mark * 300_000}x"
    assert read_prose(message).sentences


def prose(text: str) -> str:
    return " ".join(blank(text).split())


@pytest.mark.parametrize(
    ("message", "written"),
    [
        ("All fine here.", "All fine here."),
        ("Re: Fwd: Invoice\n\nThanks!", "Invoice Thanks!"),
        ("Subject: Invoice\n\nAll fine.", "Invoice All fine."),
        ("> you said so\nI did not.", "I did not."),
        ("See https://example.com/cancel and mail me@example.com.", "See and mail ."),
        ("<p>Hello <b>there</b></p><style>p {x}</style>", "Hello there"),
        ("<div>Yes</div><blockquote>Please cancel</blockquote>", "Yes"),
        ("1 < 2 and 3 > 2", "1 < 2 and 3 > 2"),
        ("Fine.\n-- \nTom\nCancel Ltd", "Fine."),
        ("Fine.\n\nBest regards,\nTom Miller\nHead of Cancellations", "Fine."),
        ("Fine.\n\nSent from my iPhone", "Fine."),
        ("Fine, Best regards, Tom", "Fine,"),
        ("Fine.\nThanks,\nTom", "Fine."),
        ("Fine. Thanks!", "Fine. Thanks!"),
        (
            "Thanks.\nplease also cancel our account",
            "Thanks. please also cancel our account",
        ),
        ("Fine.\nCheers,\nTom\nPS: call me", "Fine. PS: call me"),
        ("No.\n\nOn Mon, Jan 5, 2026 at 3:00 PM, Ann wrote:\nPlease cancel.", "No."),
        (
            "On Mon, Jan 5, 2026 at 3:00 PM, Ann wrote:\n> Cancel?\n\nNo, thanks.",
            "No, thanks.",
        ),
        ("No.\n-----Original Message-----\nPlease cancel.", "No."),
        ("No.\n\nFrom: Ann\nSent: Monday\nTo: Tom\n\nPlease cancel.", "No."),
        ("No.\n\nAm 12.03.2026 um 10:15 schrieb Anna Muster <a@b.c>:\nBitte.", "No."),
        (
            "No.\n\nAm Mo., 12. Jan. 2026 um 10:15\u202fUhr schrieb Anna <\na@b.co>:\n> Ja?\n\nOk.",
            "No. Ok.",
        ),
        ("No. Am 12.03.2026 um 10:15 schrieb Anna Muster: Please cancel.", "No."),
        ("No.\n-----Ursprüngliche Nachricht-----\nPlease cancel.", "No."),
        ("No.\n-------- Weitergeleitete Nachricht --------\nPlease cancel.", "No."),
        ("No.\n\nVon: Anna\nGesendet: Montag\nAn: Tom\nBetreff: Ende\n\nPlease cancel.", "No."),
        ("No.\n\nAnfang der weitergeleiteten Nachricht:\n\nPlease cancel.", "No."),
        (
            "No.\n\nLe lun. 12 janv. 2026 à 10:15, Anna <a@b.co> a écrit\u00a0:\nOui.",
            "No.",
        ),
        ("No.\n-----Message d\u2019origine-----\nPlease cancel.", "No."),
        (
            "No.\n\nDe\u00a0: Anna\nEnvoyé\u00a0: lundi\n\u00c0\u00a0: Tom\n\nCancel.",
            "No.",
        ),
        ("No.\n\nEl lun, 12 ene 2026 a las 10:15, Anna (<a@b.co>)\nescribió:\nCancel.", "No."),
        ("No.\n\nDe: Anna\nEnviado el: lunes\nPara: Tom\nAsunto: fin\n\nCancel.", "No."),
        ("No.\n\nIl giorno lun 12 gen 2026 alle ore 10:15 Anna ha scritto:\nCancel.", "No."),
        ("No.\n\nOp ma 12 jan 2026 om 10:15 schreef Anna <a@b.co>:\nCancel.", "No."),
        ("No.\n\nVan: Anna\nVerzonden: maandag\nAan: Tom\n\nCancel.", "No."),
        ("No.\n\nEm seg., 12 de jan. de 2026 às 10:15, Anna escreveu:\nCancel.", "No."),
        ("No.\n\nVon meinem iPhone gesendet", "No."),
        (
            "Am I late? Anna wrote, and Herr Schrieb: hello.",
            "Am I late? Anna wrote, and Herr Schrieb: hello.",
        ),
        ("De: who is that?\nI never met them.", "De: who is that? I never met them."),
        ("I leave from: Rome\nNo date: yet", "I leave from: Rome No date: yet"),
        (
            "Please change\nFrom: 10 seats\nTo: 20 seats\nThe rest stays.",
            "Please change From: 10 seats To: 20 seats The rest stays.",
        ),
        ("No.\n\nFrom: Ann <a@b.co>\nTo: Tom\n\nPlease cancel.", "No."),
        ("No.\n\nFrom: Ann\nTo: Tom\nCc: Bob\nSubject: End\n\nPlease cancel.", "No."),
        (
            "On the call we agreed on what Ann wrote:\nno fee.",
            "On the call we agreed on what Ann wrote: no fee.",
        ),
        ("Ok.\n\nThis e-mail is confidential and intended only for Tom.", "Ok."),
        ("Ok.\n\nConfidentiality notice: terminate at once.", "Ok."),
        ("Ok.\nClick here to unsubscribe from this list.", "Ok."),
    ],
)
def test_what_a_person_did_not_write_is_blanked(message: str, written: str) -> None:
    assert prose(message) == written


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("One. Two! Three? four", ["One.", "Two!", "Three?", "four"]),
        ("It is 3.5, e.g. on Mr. Ray's list.", ["It is 3.5, e.g. on Mr. Ray's list."]),
        ("Hi Ann,\n\nall is well", ["Hi Ann,", "all is well"]),
        ("one line\nbroken by a program", ["one line\nbroken by a program"]),
        ("First\nSecond\n- third", ["First", "Second", "- third"]),
        ('He said "stop." Then left.', ['He said "stop."', "Then left."]),
        ("", []),
        (" \n ", []),
    ],
)
def test_sentences(text: str, sentences: list[str]) -> None:
    assert [text[start:end] for start, end in split(text)] == sentences


def test_what_goes_on_without_end_is_cut_between_words() -> None:
    words = "cancellation fee " * 300

    spans = [*split(words)]
    assert max(end - start for start, end in spans) <= 2000
    assert " ".join(words[start:end] for start, end in spans) == words.strip()
    lines = "1,2,3\n" * 500
    assert {text[:5] for text in (lines[start:end] for start, end in split(lines))} == {"1,2,3"}
    gap = f"Please{' ' * 3000}cancel"
    assert [*split(gap)] == [(0, len(gap))]
    assert [*split("x" * 4500)] == [(0, 2000), (2000, 4000), (4000, 4500)]


def test_plain_words_are_lower_case_with_straight_quotation_marks() -> None:
    read = read_prose("We DON\u2019T\n\u201cneed\u201d it.")

    assert read.plain == 'we don\'t "need" it.'
    assert read.stems == {"we", "don", "t", "need", "it"}
    assert read.span(3, 8) == Span(3, 8, "DON\u2019T")


def test_capitals_without_a_small_letter_of_one_character_keep_their_place() -> None:
    read = read_prose("\u0130stanbul: CANCEL")

    assert read.plain == "\u0130stanbul: cancel"


def test_characters_that_nobody_sees_part_no_words() -> None:
    read = read_prose("\ufeffPlease can\u200bcel our sub\u00adscrip\u2060tion\u200d!")

    assert read.text == "Please cancel our subscription!"
    assert read.plain[7:13] == "cancel"
    assert read.span(7, 13) == Span(8, 15, "can\u200bcel")
    assert read.span(18, 30) == Span(20, 34, "sub\u00adscrip\u2060tion")


@pytest.mark.parametrize("unseen", "\0\x08\x1b\x7f\u034f\u061c\u180e")
def test_controls_are_unseen(unseen: str) -> None:
    assert read_prose(f"re{unseen}fund").text == "refund"


@pytest.mark.parametrize("unseen", "\u00ad\u200b\u200c\u200d\u200e\u202e\u2060\u2066\ufeff")
def test_each_is_known(unseen: str) -> None:
    assert read_prose(f"re{unseen}fund").text == "refund"


def test_characters_that_mark_up_names_are_written_out() -> None:
    read = read_prose("I don&#39;t&nbsp;want caf&eacute;&zwnj;s &amp; co &nosuch; &#x1F621;")

    assert read.text == "I don't\u00a0want caf\u00e9s & co &nosuch; \U0001f621"
    assert read.plain.startswith("i don't want")
    assert read.span(2, 7) == Span(2, 11, "don&#39;t")
    assert read.span(13, 18) == Span(22, 40, "caf&eacute;&zwnj;s")
    code = read_prose("Put &lt;script&gt; there. Then please cancel.")
    assert code.text == "Put &lt;script> there. Then please cancel."
    assert read_prose("&gt; Please cancel\nNo").text.split() == ["No"]


def test_the_mark_of_a_competitor_is_no_ones() -> None:
    assert read_prose("\ue000 and \ue001").text == "\ufffd and \ufffd"


def test_emoji_that_are_joined_stay_one() -> None:
    technician, flaming = "\U0001f469\u200d\U0001f4bb", "\u2764\ufe0f\u200d\U0001f525"
    assert read_prose(f"{technician} {flaming}\u200b").text == f"{technician} {flaming}"


def test_stems_are_what_may_be_looked_up() -> None:
    read = read_prose("Cancellation of our subscription")

    assert stems("cancel renewal") == {"cance", "renew"}
    assert read.may_hold(stems("cancel"))
    assert not read.may_hold(stems("renewal"))


@given(MESSAGES)
def test_every_offset_points_into_the_message(message: str) -> None:
    read = read_prose(message)

    assert len(read.text) == len(read.plain) == len(seen(message))
    for place, written in enumerate(read.text):
        assert written in unescape(read.span(place, place + 1).text) or written in " \n\ufffd"
    ends = [0]
    for start, end in read.sentences:
        assert ends[-1] <= start < end <= len(read.text)
        ends.append(end)


@given(MESSAGES)
def test_what_was_blanked_stays_blank(message: str) -> None:
    once = blank(message)

    assert sum(not char.isspace() for char in blank(once)) <= sum(
        not char.isspace() for char in once
    )
