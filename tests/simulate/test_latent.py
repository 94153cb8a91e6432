from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from churnml.errors import ConfigError
from churnml.simulate import World
from churnml.simulate.latent import advance, discontent, futures
from churnml.simulate.scene import Scene
from churnml.simulate.world import SHOCKS

numbers = st.floats(-3, 3)


def test_a_week_goes_a_part_of_the_way_back() -> None:
    world = World(reversion=0.1, memory=0.5)

    satisfaction, regard = advance(world, np.array([1.0]), np.array([0.0]), 0.0, -0.4)

    np.testing.assert_allclose(satisfaction, [0.5])  # 1 - 0.1 - 0.4
    np.testing.assert_allclose(regard, [0.25])


def test_a_fall_makes_discontent_beyond_the_level() -> None:
    world = World(level=1.0, fall=0.5)

    assert discontent(world, np.array([-1.0]), np.array([-1.0])).tolist() == [1.0]
    assert discontent(world, np.array([-1.0]), np.array([1.0])).tolist() == [2.0]


@settings(max_examples=50, deadline=None)
@given(numbers, numbers, numbers, st.lists(numbers, min_size=1, max_size=10))
def test_a_path_is_its_drift_plus_noise_that_all_share(
    satisfaction: float, regard: float, fit: float, pushes: list[float]
) -> None:
    world = World()
    whole = drift = (np.array([satisfaction]), np.array([regard]))
    noise = (np.zeros(1), np.zeros(1))

    for push in pushes:
        whole = advance(world, *whole, fit, push)
        drift = advance(world, *drift, fit, 0.0)
        noise = advance(world, *noise, 0.0, push)

    np.testing.assert_allclose(
        discontent(world, *whole), discontent(world, *drift) + discontent(world, *noise), atol=1e-9
    )


def test_futures_begin_at_nothing_and_widen() -> None:
    noise = futures(World(), 26, 512, np.random.default_rng(0))

    assert noise.shape == (27, 512)
    assert not noise[0].any()
    assert 0 < noise[1].std() < noise[8].std() < noise[26].std()


def test_futures_without_chance_are_nothing() -> None:
    calm = World(volatility=0.0, shocks=tuple(replace(shock, yearly=0.0) for shock in SHOCKS))

    assert not futures(calm, 5, 4, np.random.default_rng(0)).any()


def test_shocks_move_satisfaction_at_once(scene_of: Callable[..., Scene]) -> None:
    only = tuple(
        replace(shock, yearly=1.0 if shock.name == "incident" else 0.0, effect=-1.0)
        for shock in SHOCKS
    )
    quiet = World(volatility=0.0, fit_spread=0.0, shocks=only)
    mood = scene_of(quiet).mood

    step = np.diff(mood.satisfaction, axis=1)
    struck = mood.shocks["incident"][:, 1:]
    assert step[struck].mean() < -0.9
    assert abs(step[~struck].mean()) < 0.05


def test_a_world_knows_all_its_shocks() -> None:
    with pytest.raises(ConfigError, match="shocks incident, champion_left; expected incident,"):
        World(shocks=SHOCKS[:2])
