"""Whether the faults of a data set that is known to be full of them are found and counted.

``python experiments/ravenstack/faults.py [FOLDER]`` reads RavenStack from FOLDER, or from
``ravenstack`` under the folder that CHURNML_DATA names.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

from rich.console import Console

from churnml.history.ingestion import ingest
from churnml.history.report import exit_code, render
from churnml.history.sources import read_sources

HERE = Path(__file__).resolve().parent
DATA = Path(os.environ.get("CHURNML_DATA", HERE.parents[2] / "shared" / "data"))


def main(folder: Path) -> int:
    """Check the data set, show what is wrong, and give the exit status of `churnml check`."""
    sources = read_sources(HERE / "sources.toml")
    with tempfile.TemporaryDirectory() as work:
        var = Path(work)
        aside = var / "quarantine"
        report = ingest(sources, base=folder, into=var / "history", quarantine=aside)
        render(report, Console(width=118))
        for path in sorted(aside.iterdir()):
            with path.open(encoding="utf-8") as lines:
                print(f"\n{path.name}:", *(next(lines).rstrip() for _ in range(2)), sep="\n  ")
    return exit_code(report)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]) if len(sys.argv) > 1 else DATA / "ravenstack"))
