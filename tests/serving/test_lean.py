"""What a process that serves takes along; each is looked at in a process of its own."""

from __future__ import annotations

import subprocess
import sys


def imported(code: str) -> set[str]:
    """Run code, and give the packages that it left imported."""
    shown = f"import sys\n{code}\nprint(*{{name.partition('.')[0] for name in sys.modules}})"
    done = subprocess.run(
        [sys.executable, "-c", shown], check=True, stdout=subprocess.PIPE, text=True
    )
    return set(done.stdout.split())


def test_lightgbm_comes_alone_and_others_may_come_after() -> None:
    there = imported("from churnml.serving.lean import import_lightgbm\nimport_lightgbm()")
    assert "lightgbm" in there
    assert not there & {"sklearn", "pandas"}

    both = "from churnml.serving.lean import import_lightgbm\nimport_lightgbm()\nimport pandas"
    assert {"lightgbm", "pandas"} <= imported(both)


def test_arrow_does_without_pandas() -> None:
    there = imported(
        "from churnml.serving.lean import do_without_pandas\ndo_without_pandas()\n"
        "import numpy as np, pyarrow as pa\n"
        "column = pa.chunked_array([[1.0, None], [float('nan')]])\n"
        "assert np.asarray(column).size == 3"
    )
    assert "pandas" not in there


def test_a_service_of_a_flat_table_takes_no_more_than_it_needs() -> None:
    there = imported(
        "from churnml.serving.lean import do_without_pandas, import_lightgbm\n"
        "import_lightgbm()\ndo_without_pandas()\n"
        "import churnml.serving.listen, churnml.serving.start, churnml.explain.treeshap"
    )
    assert not there & {"sklearn", "pandas", "mlflow", "shap", "matplotlib", "duckdb", "optuna"}
