"""The service is killed while events are posted, and loses nothing that it acknowledged."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from churnml.project import Project


@pytest.mark.slow
def test_nothing_that_was_acknowledged_is_lost_by_a_kill(
    company: Project, elsewhere: Project, root: Path, tmp_path: Path
) -> None:
    home = tmp_path / "acme"
    shutil.copytree(company.root, home, ignore=shutil.ignore_patterns("var"))
    shutil.copytree(elsewhere.var, home / "var")
    shutil.copytree(company.bundles, home / "var" / "bundles")
    script = [sys.executable, str(root / "experiments" / "kills.py")]

    done = subprocess.run(
        [*script, "--project", str(home), "--kills", "3", "--json"],
        check=True, capture_output=True, text=True,
    )  # fmt: skip

    found = json.loads(done.stdout)
    assert (found["kills"], found["lost"], found["altered"], found["halves"]) == (3, 0, 0, 0)
    assert found["acknowledged"] > 3
