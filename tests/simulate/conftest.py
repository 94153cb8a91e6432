"""Two small worlds that the tests of the simulator share."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from churnml.simulate import World, simulate
from churnml.simulate.clock import Clock
from churnml.simulate.scene import Scene
from churnml.simulate.simulation import END, STREAMS, TABLES, months_before, set_scene


@pytest.fixture(scope="session")
def world_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("world")
    simulate(folder, accounts=900, months=18, seed=11)
    return folder


@pytest.fixture(scope="session")
def tables(world_folder: Path) -> Mapping[str, pa.Table]:
    return {name: pq.read_table(world_folder / f"{name}.parquet") for name in TABLES}


@pytest.fixture(scope="session")
def frames(tables: Mapping[str, pa.Table]) -> Mapping[str, pd.DataFrame]:
    return {name: table.to_pandas() for name, table in tables.items()}


@pytest.fixture(scope="session")
def truth(world_folder: Path) -> pd.DataFrame:
    table = pq.read_table(world_folder / "truth" / "hazard.parquet")
    return pd.DataFrame(table.to_pandas())


@pytest.fixture(scope="session")
def scene_of() -> Callable[..., Scene]:
    """Set the scene of one batch in a world of one's own, without outages."""

    def scene(world: World, months: int = 18, batch: int = 0) -> Scene:
        clock = Clock.spanning(months_before(END, months), months)
        rng = {name: np.random.default_rng([batch, n]) for n, name in enumerate(STREAMS)}
        return set_scene(world, clock, np.zeros(clock.weeks, bool), batch, rng)

    return scene
