from __future__ import annotations

import pytest

from churnml.cli import console


def test_a_log_gets_a_line_a_step(capsys: pytest.CaptureFixture[str]) -> None:
    with console.progress() as bar:
        bar.start("Reading")
        bar.count(1, 2)
        bar.share("Reading", 0.5)
        bar.share("Checking", 0.7)
        bar.share("done", 1.0)

    out, err = capsys.readouterr()
    assert (out, err) == ("", "Reading …\nChecking …\n")


def test_a_terminal_gets_a_bar_that_goes_away(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")

    with console.progress() as bar:
        bar.start("Reading")
        bar.count(1, 2)
        bar.share("Checking", 0.7)

    out, err = capsys.readouterr()
    assert out == ""
    assert "Checking" in err
    assert err.endswith("\x1b[2K")  # the line is erased


def test_results_in_a_log_are_wide_unless_told_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    assert console.stdout().width == 120

    monkeypatch.setenv("COLUMNS", "60")
    assert console.stdout().width == 60


def test_json_is_plain_and_strict(capsys: pytest.CaptureFixture[str]) -> None:
    console.emit({"name": "Müller", "share": 0.5})

    assert capsys.readouterr().out == '{\n  "name": "Müller",\n  "share": 0.5\n}\n'
    with pytest.raises(ValueError, match="not JSON compliant"):
        console.emit({"share": float("nan")})
