from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from churnml.errors import ConfigError
from churnml.locks import locked

HOLD = (
    "import sys, pathlib; from churnml.locks import locked\n"
    "with locked(pathlib.Path(sys.argv[1])):\n"
    "    print('held', flush=True); sys.stdin.read()\n"
)


def holder(path: Path) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def test_a_free_lock_is_taken_at_once_and_again(tmp_path: Path) -> None:
    told: list[str] = []

    for _ in range(2):
        with locked(tmp_path / "var" / ".lock", lambda: told.append("waiting")):
            pass

    assert told == []
    assert (tmp_path / "var" / ".lock").stat().st_size == 0


def test_the_second_waits_for_the_first(tmp_path: Path) -> None:
    with holder(tmp_path / ".lock") as first:
        assert first.stdin is not None
        # It lets go as soon as the second says that it waits.
        with locked(tmp_path / ".lock", first.stdin.close):
            assert first.wait() == 0


def test_a_killed_holder_blocks_nobody(tmp_path: Path) -> None:
    with holder(tmp_path / ".lock") as first:
        first.kill()
        first.wait()

    with locked(tmp_path / ".lock"):
        pass


def test_an_error_inside_lets_go(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), locked(tmp_path / ".lock"):
        raise ZeroDivisionError
    with locked(tmp_path / ".lock"):
        pass


@pytest.mark.parametrize("path", ["file", "file/.lock", "folder"])
def test_what_cannot_be_locked_is_said(tmp_path: Path, path: str) -> None:
    (tmp_path / "file").write_text("in the way, and no database " * 99)
    (tmp_path / "folder").mkdir()

    lock = locked(tmp_path / path)
    with pytest.raises(ConfigError, match=r"cannot be written: .*name another folder as `var`"):
        lock.__enter__()
