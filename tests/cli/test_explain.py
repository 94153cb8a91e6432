from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path

import pytest

from churnml.project import Project
from churnml.serving.scores import ScoreList
from churnml.training.workflow import Trained

Call = Callable[..., tuple[int, str, str]]


def test_all_reasons_of_an_account_are_shown(
    run: Call, company: Project, trained: Trained, scores: ScoreList
) -> None:
    riskiest = scores.scores[0]
    status, out, err = run("explain", riskiest.account_id, "-C", str(company.root))
    assert status == 0, err
    assert out.startswith(f"{riskiest.account_id}: {riskiest.probability:.0%} (80% within ")
    first = riskiest.raising[0]
    assert f"{first.contribution:+.2f}" in out
    lowering = next(reason for reason in riskiest.reasons if reason.contribution < -0.005)
    assert f"{lowering.contribution:+.2f}" in out
    assert out.splitlines()[-1] == f"by the latest {trained.bundle.id[:12]}"


def test_what_changed_adds_up(
    run: Call, company: Project, trained: Trained, scores: ScoreList
) -> None:
    name = scores.scores[0].account_id
    given = ("explain", name, "-C", str(company.root), "--since", "2026-03-01")
    status, out, err = run(*given)
    assert status == 0, err
    assert "It was " in out
    assert "after the cutoff 2026-03-01: what it says of then is better" in err
    told = json.loads(run(*given, "--json")[1])
    change = told["change"]
    parts = [reason["contribution"] for reason in change["behaviour"]]
    parts += [change["thinness"], change["model"], change["calibration"]]
    assert math.fsum(parts) == pytest.approx(
        told["score"]["log_odds"] - told["earlier"]["log_odds"], abs=1e-9
    )


def test_what_would_help_is_told(
    run: Call, company: Project, trained: Trained, scores: ScoreList
) -> None:
    riskiest = scores.scores[0]
    given = ("explain", riskiest.account_id, "-C", str(company.root), "--lower")
    status, out, err = run(*given)
    assert status == 0, err
    assert "The model gives this account" in out
    lower = json.loads(run(*given, "--json")[1])["lower"]
    assert lower["tier"] == riskiest.tier
    assert lower["probability"] == pytest.approx(riskiest.probability, abs=1e-9)


def test_all_of_it_is_written_as_a_page(
    run: Call, company: Project, trained: Trained, scores: ScoreList, tmp_path: Path
) -> None:
    riskiest = scores.scores[0]
    page = tmp_path / "page.html"
    given = ("explain", riskiest.account_id, "-C", str(company.root), "--html", str(page))
    status, out, err = run(*given, "--since", "2026-03-01", "--lower")
    assert status == 0, err
    assert out.startswith(f"{riskiest.account_id}: ")
    assert out.splitlines()[-1] == f"page: {page}"
    text = page.read_text(encoding="utf-8")
    assert text.startswith("<!doctype html>\n")
    assert f"<bdi>{riskiest.account_id}</bdi>" in text
    assert riskiest.raising[0].sentence in text
    assert "<h2>What changed since 2026-03-01 00:00 UTC</h2>" in text
    assert "<h2>What would help</h2>" in text
    assert trained.bundle.id[:12] in text
    assert trained.bundle.manifest.training.fingerprints["catalogue"][:12] in text
    told = json.loads(run(*given, "--json")[1])
    assert told["score"]["account_id"] == riskiest.account_id
    assert "<h2>What would help</h2>" not in page.read_text(encoding="utf-8")


def test_a_page_that_cannot_be_written_is_told(
    run: Call, company: Project, trained: Trained, scores: ScoreList, tmp_path: Path
) -> None:
    given = ("explain", scores.scores[0].account_id, "-C", str(company.root), "--html")
    status, out, err = run(*given, str(tmp_path / "page.toml"))
    assert (status, out) == (2, "")
    assert "page.toml: expected a name that ends in .html." in err
    (tmp_path / "file").write_text("")
    status, out, err = run(*given, str(tmp_path / "file" / "page.html"))
    assert (status, out) == (2, "")
    assert "page.html: cannot be written: " in err


def test_an_account_that_is_not_there_is_named(
    run: Call, company: Project, trained: Trained, scores: ScoreList
) -> None:
    name = scores.scores[0].account_id
    status, out, err = run("explain", f"{name}x", "-C", str(company.root))
    assert (status, out) == (1, "")
    assert f"account '{name}x' is not scored as of" in err
    assert f"Did you mean '{name}'?" in err


def test_what_sets_it_apart_is_told(
    run: Call, company: Project, trained: Trained, scores: ScoreList
) -> None:
    riskiest = scores.scores[0]
    given = ("explain", riskiest.account_id, "-C", str(company.root), "--peers")
    status, out, err = run(*given)
    assert status == 0, err
    assert " peers (tier " in out
    told = json.loads(run(*given, "--json")[1])
    peers = told["peers"]
    parts = [reason["contribution"] for reason in peers["reasons"]]
    assert math.fsum([peers["base"], peers["thinness"], *parts]) == pytest.approx(
        riskiest.log_odds, abs=1e-9
    )


def test_another_model_of_the_same_time(
    run: Call, company: Project, trained: Trained, scores: ScoreList
) -> None:
    name, bundle = scores.scores[0].account_id, trained.bundle.id
    given = ("explain", name, "-C", str(company.root), "--earlier-model", bundle[:8], "--json")
    status, out, err = run(*given)
    assert status == 0, err
    told = json.loads(out)
    assert told["earlier_bundle"] == bundle
    out = run("explain", name, "-C", str(company.root), "--model", bundle[:8])[1]
    assert out.splitlines()[-1] == f"by the model {bundle[:12]}"
    assert told["earlier"]["probability"] == pytest.approx(told["score"]["probability"], abs=1e-9)
