from __future__ import annotations

import base64
import datetime as dt
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from churnml.actions.tiers import RiskTier
from churnml.errors import ConfigError
from churnml.explain.change import Change
from churnml.explain.counterfactual import Counterfactual, FamilyMove, Lowered, Move
from churnml.explain.reasons import Reason
from churnml.serving import explanation_page
from churnml.serving.explanation import Explanation
from churnml.serving.explanation_page import Origin, page, write_page
from churnml.serving.peers import Beside
from churnml.serving.scores import Scored

EMPTY = {"meta", "img", "source"}
NASTY = '<script>alert("x")</script> & Söhne'


class Page(HTMLParser):
    """What a page holds: its words, its tables, its pictures, and whether every tag is closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.words: list[tuple[str, str]] = []
        self.tables: list[tuple[str, list[list[str]]]] = []
        self.links: list[str] = []
        self.alts: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        told = {name: value or "" for name, value in attrs}
        self.links += [told[name] for name in ("src", "srcset", "href", "action") if name in told]
        if tag == "img":
            self.alts.append(told["alt"])
        if tag == "table":
            self.tables.append(("", []))
        if tag == "tr":
            self.tables[-1][1].append([])
        if tag in {"th", "td"}:
            self.tables[-1][1][-1].append("")
        if tag not in EMPTY:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append((self.open[-1] if self.open else "", data))
        if self.open and self.open[-1] in {"th", "td"}:
            self.tables[-1][1][-1][-1] += data
        if self.open and self.open[-1] == "caption":
            self.tables[-1] = (data, self.tables[-1][1])

    def said(self, tag: str) -> list[str]:
        return [words for within, words in self.words if within == tag]


ORIGIN = Origin(
    recipe="churn_90d",
    role="champion",
    bundle="ab12" * 16,
    catalogue="cd34" * 16,
    version="0.1.0",
    learned_until=dt.datetime(2026, 2, 1),
    asked="churn within 90 days",
    given=("the account stays through the lead of 7 days",),
)


def reason(title: str, contribution: float, sentence: str, *, actionable: bool = False) -> Reason:
    return Reason(title.lower(), title, contribution, "a_feature", sentence, actionable)


def scored(*reasons: Reason, when: dt.datetime = dt.datetime(2026, 3, 1, 12)) -> Scored:
    return Scored(
        account_id=NASTY,
        cutoff=when,
        probability=0.5,
        tier=RiskTier.HIGH,
        arr=12_312.4,
        survival=(0.5,),
        log_odds=0.0,
        base=-2.0,
        low=0.25,
        high=0.75,
        level=0.8,
        thin=None,
        reasons=reasons,
    )


def explanation() -> Explanation:
    score = scored(
        reason("Use", 2.5, "active on 3 of 28 days", actionable=True),
        reason("Plan", -0.5, "is on the plan <b>big</b>"),
        reason("Tone", 0.004, "said little"),
        reason("Support", -0.003, "had no ticket"),
        reason("Surveys", -0.001, "was not asked"),
    )
    return Explanation(score)


def test_the_page_is_whole_and_needs_nothing_beside_it() -> None:
    text = page(explanation(), ORIGIN)
    found = Page(text)
    assert text == page(explanation(), ORIGIN)
    dark, light = found.links
    for link in (dark, light):
        kind, _, content = link.partition(",")
        assert kind == "data:image/png;base64"
        assert base64.b64decode(content, validate=True).startswith(b"\x89PNG\r\n")
    (alt,) = found.alts
    assert alt == (
        "Waterfall of 5 bars from log-odds of −2.00, if nothing were known of the account, to "
        "+0.00. The tables below tell the same."
    )
    assert "url(" not in text
    assert "@import" not in text


@pytest.fixture
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Draw nothing, which takes a while, where the picture is not looked at."""
    monkeypatch.setattr(explanation_page, "waterfall", lambda *_: b"\x89PNG")


@pytest.mark.usefixtures("undrawn")
def test_an_account_s_name_and_values_are_no_markup() -> None:
    text = page(explanation(), ORIGIN)
    assert "<script" not in text
    assert "<b>" not in text
    assert Page(text).said("bdi") == [NASTY]
    assert Page(text).said("title") == [f"{NASTY}: 50% churn within 90 days"]


@pytest.mark.usefixtures("undrawn")
def test_reasons_are_told_apart_and_nothing_is_lost() -> None:
    head = ["reason", "what is known", "log-odds", "points", "actionable"]
    assert Page(page(explanation(), ORIGIN)).tables == [
        (
            "Raises the risk",
            [
                head,
                ["Use", "active on 3 of 28 days", "+2.50", "+47.6", "yes"],
                ["1 smaller one", "", "+0.00", "+0.1", ""],
            ],
        ),
        (
            "Lowers the risk",
            [
                head,
                ["Plan", "is on the plan <b>big</b>", "−0.50", "−9.5", ""],
                ["2 smaller ones", "", "−0.00", "−0.1", ""],
            ],
        ),
    ]


@pytest.mark.usefixtures("undrawn")
def test_score_times_and_versions_are_told() -> None:
    found = Page(page(explanation(), ORIGIN))
    assert found.said("strong") == ["50%"]
    assert " (80% within 25%–75%), high" in found.said("p")
    told = dict(zip(found.said("dt"), found.said("dd"), strict=True))
    assert told == {
        "as of": "2026-03-01 12:00 UTC",
        "annual recurring revenue": "12,312",
        "taken for granted": "the account stays through the lead of 7 days",
        "model": "churn_90d, champion ab12ab12ab12",
        "catalogue": "cd34cd34cd34",
        "churnml": "0.1.0",
        "learned what was known by": "2026-02-01 00:00 UTC",
    }
    assert not any("better than any" in words for words in found.said("p"))


@pytest.mark.usefixtures("undrawn")
def test_thin_history_and_hindsight_are_told() -> None:
    score = replace(explanation().score, thin="a customer for 10 days", arr=None)
    late = replace(ORIGIN, learned_until=dt.datetime(2026, 4, 1))
    said = Page(page(Explanation(score, None, None, None), late)).said("p")
    assert (
        "Too little history to go by, drawn to the rate of its segment: a customer for 10 days."
        in said
    )
    assert (
        "The model learned what was known by 2026-04-01, after 2026-03-01 12:00 UTC: what it says "
        "of then is better than any that could have been had."
    ) in said


@pytest.mark.usefixtures("undrawn")
def test_what_changed_is_told_with_all_its_parts() -> None:
    earlier = replace(scored(when=dt.datetime(2026, 1, 1)), probability=0.1)
    behaviour = (reason("Use", 1.5, "active on 3 (was 9) of 28 days"),)
    change = Change(-2.0, 0.0, behaviour, thinness=0.001, model=0.75, calibration=-0.251)
    found = Page(page(replace(explanation(), earlier=earlier, change=change), ORIGIN))
    assert "What changed since 2026-01-01 00:00 UTC" in found.said("h2")
    assert "It was 10% (80% within 25%–75%), high. The log-odds moved by +2.00." in found.said("p")
    assert [caption for caption, _ in found.tables[2:]] == ["Raised the risk", "Lowered the risk"]
    raised, lowered = (rows[1:] for _, rows in found.tables[2:])
    assert raised[0][:3] == ["Use", "active on 3 (was 9) of 28 days", "+1.50"]
    assert [row[0:3:2] for row in raised[1:]] == [
        ["Another model", "+0.75"],
        ["1 smaller one", "+0.00"],
    ]
    assert [row[0:3:2] for row in lowered] == [["Another calibration", "−0.25"]]
    # It learned what came after the earlier time.
    assert any("after 2026-01-01 00:00 UTC" in words for words in found.said("p"))


@pytest.mark.usefixtures("undrawn")
def test_what_sets_it_apart_from_peers_is_told() -> None:
    beside = Beside(
        {"tier": "business", "tenure": "up_to_three_years"},
        60,
        -4.0,
        0.25,
        (reason("Use", 2.0, "active on 3 (peers 19) of 28 days", actionable=True),),
    )
    told = Page(page(replace(explanation(), beside=beside), ORIGIN))
    assert "Beside 60 peers" in told.said("h2")
    assert any("They share tier business, tenure up to three years" in p for p in told.said("p"))
    rows = dict(told.tables)["Raises the risk beside them"]
    assert rows[1][:3] == ["Use", "active on 3 (peers 19) of 28 days", "+2.00"]
    assert rows[2][0:3:2] == ["Thin history", "+0.25"]


def test_hindsight_of_the_earlier_model_is_its_own() -> None:
    was = scored(when=dt.datetime(2025, 12, 1))
    change = Change(0.0, 0.5, (), 0.0, 0.5, 0.0)
    found = replace(explanation(), earlier=was, change=change)
    earlier = replace(ORIGIN, role="ef56", bundle="ef56" * 16, learned_until=None)
    assert "after 2025-12-01 00:00 UTC" in page(found, ORIGIN)
    text = page(found, ORIGIN, earlier=earlier)
    assert "after 2025-12-01 00:00 UTC" not in text
    assert "by churn_90d, ef56 ef56ef56ef56" in text


def test_a_score_of_no_time_names_none() -> None:
    found = explanation()
    text = page(replace(found, score=replace(found.score, cutoff=None)), ORIGIN)
    assert "as of" not in text


def test_what_would_help_is_told_as_no_promise() -> None:
    move = Move("f", 3.0, 9.0, 0.2, "active on 3 of 28 days", "active on 9 of 28 days")
    lowered = Lowered(0.2, RiskTier.LOW, 0.2, (FamilyMove("use", "Use", (move,), "said"),))
    lower = Counterfactual(0.5, RiskTier.HIGH, lowered, "… not what would come of it.")
    found = Page(page(replace(explanation(), lower=lower), ORIGIN))
    assert "… not what would come of it." in found.said("p")
    assert found.tables[-1] == (
        "What goes with 20.0% (low)",
        [
            ["of", "now", "with it"],
            ["Use", "active on 3 of 28 days", "active on 9 of 28 days"],
        ],
    )
    nothing = Counterfactual(0.5, RiskTier.HIGH, None, "Nothing goes with a lower tier.")
    assert len(Page(page(replace(explanation(), lower=nothing), ORIGIN)).tables) == 2


@pytest.mark.usefixtures("undrawn")
def test_an_account_without_reasons_has_a_page() -> None:
    found = Page(page(Explanation(scored(), None, None, None), ORIGIN))
    assert found.tables == []
    assert "No reason moves it." in found.said("p")


@pytest.mark.usefixtures("undrawn")
def test_a_page_replaces_what_was_there_and_leaves_nothing_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "pages" / "a.html"
    write_page(explanation(), ORIGIN, path)
    path.write_text("old")
    write_page(explanation(), ORIGIN, path)
    assert path.read_text(encoding="utf-8") == page(explanation(), ORIGIN)
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.usefixtures("undrawn")
def test_where_nothing_can_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "folder.html").mkdir()
    with pytest.raises(ConfigError, match=r"folder\.html: cannot be written: Is a directory\."):
        write_page(explanation(), ORIGIN, tmp_path / "folder.html")
    (tmp_path / "file").write_text("kept")
    with pytest.raises(ConfigError, match=r"a\.html: cannot be written: "):
        write_page(explanation(), ORIGIN, tmp_path / "file" / "a.html")
    assert (tmp_path / "file").read_text() == "kept"
    assert sorted(item.name for item in tmp_path.iterdir()) == ["file", "folder.html"]
