from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from churnml.errors import ConfigError
from churnml.simulate import simulate
from churnml.simulate.writer import GROUP_ROWS, TableWriter


def test_rows_leave_memory_group_by_group(tmp_path: Path) -> None:
    piece = pa.table({"x": pa.array(range(GROUP_ROWS // 2))})

    with TableWriter(tmp_path, ("a", "deep/b")) as writer:
        for _ in range(5):
            writer.append({"a": piece})
        writer.append({"deep/b": piece.slice(0, 3)})

    groups = pq.read_metadata(tmp_path / "a.parquet")
    assert [groups.row_group(n).num_rows for n in range(groups.num_row_groups)] == [
        GROUP_ROWS,
        GROUP_ROWS,
        GROUP_ROWS // 2,
    ]
    assert writer.rows == {"a": 5 * (GROUP_ROWS // 2), "deep/b": 3}
    assert pq.read_table(tmp_path / "deep" / "b.parquet")["x"].to_pylist() == [0, 1, 2]


def test_an_interrupted_simulation_leaves_what_was_there(tmp_path: Path) -> None:
    simulate(tmp_path / "w", accounts=3, months=2, seed=1)
    before = {path: path.read_bytes() for path in (tmp_path / "w").rglob("*.parquet")}

    def interrupt(_done: int, _total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        simulate(tmp_path / "w", accounts=3, months=2, seed=2, progress=interrupt)

    assert {path: path.read_bytes() for path in before} == before
    assert len(list((tmp_path / "w").iterdir())) == 10


def test_an_earlier_simulation_is_replaced(tmp_path: Path) -> None:
    simulate(tmp_path / "w", accounts=3, months=2, seed=1)
    simulate(tmp_path / "w", accounts=4, months=2, seed=1)

    accounts = pq.read_table(tmp_path / "w" / "accounts.parquet")
    assert len(set(accounts["account_id"].to_pylist())) == 4


@pytest.mark.parametrize("own", [True, False])
def test_files_of_others_are_never_replaced(tmp_path: Path, own: bool) -> None:
    mine = tmp_path / "usage.parquet"
    if own:
        pq.write_table(pa.table({"mine": [1]}), mine)
    else:
        mine.write_text("not parquet", encoding="utf-8")
    before = mine.read_bytes()

    with pytest.raises(ConfigError, match=r"usage\.parquet: already there.*nothing was changed"):
        simulate(tmp_path, accounts=3, months=2, seed=1)

    assert mine.read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["usage.parquet"]
