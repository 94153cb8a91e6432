from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from churnml.errors import SourceError
from churnml.history.dialect import run

MUCH = "CREATE TEMP TABLE much AS SELECT hash(range) AS a, hash(range + 1) AS b FROM range(5000000)"


def test_a_full_disk_is_said_with_what_to_do(tmp_path: Path) -> None:
    with duckdb.connect(":memory:") as connection:
        connection.execute(f"SET temp_directory = '{tmp_path}'")
        connection.execute("SET memory_limit = '60MB'")
        connection.execute("SET max_temp_directory_size = '1MB'")
        with pytest.raises(
            SourceError, match=r"tables\.usage: .* The disk is full: free space .*TMP"
        ):
            run(connection, "usage", MUCH)


def test_memory_that_does_not_suffice_is_said_with_what_to_do() -> None:
    with duckdb.connect(":memory:") as connection:
        connection.execute("SET memory_limit = '60MB'")
        connection.execute("SET temp_directory = ''")
        with pytest.raises(
            SourceError, match=r"tables\.usage: .* Memory does not suffice: end other"
        ):
            run(connection, "usage", MUCH)
