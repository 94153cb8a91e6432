from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from churnml.history.store import put_back, replace_folder, workplace


def test_work_is_done_beside_and_cleared_away(tmp_path: Path) -> None:
    into = tmp_path / "var" / "history"

    with workplace(into) as work:
        assert work.parent == into.parent
        (work / "something").write_text("x")

    assert list(into.parent.iterdir()) == []


def test_what_a_killed_process_left_goes_when_it_is_a_day_old(tmp_path: Path) -> None:
    old, young = tmp_path / ".history-old", tmp_path / ".history-young"
    for folder in (old, young):
        folder.mkdir()
    yesterday = time.time() - 25 * 3600
    os.utime(old, (yesterday, yesterday))

    with workplace(tmp_path / "history"):
        assert not old.exists()
        assert young.exists()


def test_a_folder_takes_the_place_of_another_as_a_whole(tmp_path: Path) -> None:
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "gone").write_text("x")
    (tmp_path / "work" / "new").mkdir(parents=True)
    (tmp_path / "work" / "new" / "kept").write_text("y")

    replace_folder(tmp_path / "work" / "new", tmp_path / "old")

    assert [path.name for path in (tmp_path / "old").iterdir()] == ["kept"]
    assert list((tmp_path / "work").iterdir()) == []


def test_what_was_there_comes_back_when_the_new_cannot_be_put(
    tmp_path: Path,
) -> None:
    (tmp_path / "old").mkdir()
    (tmp_path / "work").mkdir()

    with pytest.raises(FileNotFoundError):
        replace_folder(tmp_path / "work" / "missing", tmp_path / "old")

    assert (tmp_path / "old").is_dir()


def left_by_a_killed_process(parent: Path, name: str, content: str) -> Path:
    replaced = parent / name / "replaced"
    replaced.mkdir(parents=True)
    (replaced / "kept").write_text(content)
    return replaced


def test_what_was_taken_away_and_not_replaced_is_put_back(tmp_path: Path) -> None:
    replaced = left_by_a_killed_process(tmp_path, ".history-old", "x")

    put_back(tmp_path / "history")

    assert (tmp_path / "history" / "kept").read_text() == "x"
    assert not replaced.exists()


def test_of_several_left_the_latest_is_put_back(tmp_path: Path) -> None:
    for name, age in ((".history-c", 30), (".history-a", 10), (".history-b", 20)):
        left_by_a_killed_process(tmp_path, name, name)
        os.utime(tmp_path / name, (1_000_000 - age, 1_000_000 - age))

    put_back(tmp_path / "history")

    assert (tmp_path / "history" / "kept").read_text() == ".history-a"


def test_what_is_in_place_stays(tmp_path: Path) -> None:
    replaced = left_by_a_killed_process(tmp_path, ".history-old", "x")
    (tmp_path / "history").mkdir()

    put_back(tmp_path / "history")

    assert list((tmp_path / "history").iterdir()) == []
    assert replaced.is_dir()


def test_where_nothing_was_left_nothing_is_put_back(tmp_path: Path) -> None:
    left_by_a_killed_process(tmp_path, ".other-old", "x")

    put_back(tmp_path / "history")
    put_back(tmp_path / "missing" / "history")

    assert not (tmp_path / "history").exists()
