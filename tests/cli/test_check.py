"""What `churnml check` leaves to others and takes from none."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from churnml.cli.console import Bar
from churnml.history.asof import History

if TYPE_CHECKING:
    import pytest

Call = Callable[..., tuple[int, str, str]]

HOLD = (
    "import sys, pathlib; from churnml.locks import locked\n"
    "with locked(pathlib.Path(sys.argv[1])):\n"
    "    print('held', flush=True); sys.stdin.read()\n"
)


def test_check_waits_while_another_process_reads_history(
    run: Call, small_project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = "account_id,occurred_at,event\na,2024-12-31,e\n"
    (small_project / "data" / "usage.csv").write_text(rows, encoding="utf-8")
    var, told = small_project / "var", []
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(var / ".history.lock")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as other:
        assert other.stdin is not None
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        let_go = other.stdin.close

        def start(_: Bar, step: str) -> None:
            told.append(step)
            if step.startswith("waiting"):
                assert not (var / "history").exists()
                let_go()

        monkeypatch.setattr(Bar, "start", start)
        status, _, err = run("check", "-C", small_project)

    assert status == 0, err
    assert told[0] == "waiting: history is being read"
    assert History.open(var / "history").contracts.keys() == {"usage"}
