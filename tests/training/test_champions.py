from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest

from churnml.errors import BundleError, ConfigError
from churnml.training.champions import (
    JOURNAL,
    Change,
    GateRecord,
    append,
    previous,
    read_changes,
    standing,
)

A, B, C = "a" * 64, "b" * 64, "c" * 64


def change(bundle: str, before: str | None, *, back: bool = False) -> Change:
    return Change(
        at=dt.datetime(2026, 1, 2, 3, 4, 5),
        by="ann",
        action="rollback" if back else "promote",
        bundle=bundle,
        before=before,
        gates=(GateRecord(name="skill", passed=None, said="ü", numbers={"auc": 0.5, "low": None}),),
        reason="because",
    )


def test_what_is_appended_is_read_again(tmp_path: Path) -> None:
    assert read_changes(tmp_path) == ()
    assert standing(()) is None
    append(tmp_path, change(A, None))
    first = (tmp_path / JOURNAL).read_bytes()
    append(tmp_path, change(B, A))
    assert (tmp_path / JOURNAL).read_bytes().startswith(first)
    assert read_changes(tmp_path) == (change(A, None), change(B, A))
    assert standing(read_changes(tmp_path)) == B


def test_going_back_twice_goes_back_two_champions() -> None:
    changes: tuple[Change, ...] = (change(A, None), change(B, A), change(C, B))
    assert previous(changes) == B
    changes = (*changes, change(B, C, back=True))
    assert previous(changes) == A
    changes = (*changes, change(A, B, back=True))
    assert previous(changes) is None
    assert previous((*changes, change(C, A))) == A
    assert previous(()) is None


def test_a_line_that_was_cut_off_never_counted(tmp_path: Path) -> None:
    append(tmp_path, change(A, None))
    whole = (tmp_path / JOURNAL).read_bytes()
    (tmp_path / JOURNAL).write_bytes(whole + whole[:50])
    assert standing(read_changes(tmp_path)) == A
    append(tmp_path, change(B, A))
    assert read_changes(tmp_path) == (change(A, None), change(B, A))


@pytest.mark.parametrize("line", ["{}", "[1]", "nonsense", '{"at": 3}'])
def test_a_damaged_journal_is_told_by_its_line(tmp_path: Path, line: str) -> None:
    append(tmp_path, change(A, None))
    with (tmp_path / JOURNAL).open("a") as file:
        file.write(line + "\n")
    with pytest.raises(BundleError, match=r"promotions\.jsonl, line 2"):
        read_changes(tmp_path)


def test_a_journal_that_cannot_be_read_or_written_is_said(tmp_path: Path) -> None:
    (tmp_path / JOURNAL).mkdir()
    with pytest.raises(BundleError, match="cannot be read"):
        read_changes(tmp_path)
    with pytest.raises(ConfigError, match=r"cannot be written.*Nothing has changed"):
        append(tmp_path, change(A, None))
