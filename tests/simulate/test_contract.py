from __future__ import annotations

from collections.abc import Callable

import numpy as np

from churnml.simulate import World
from churnml.simulate.clock import FAR, NEVER
from churnml.simulate.scene import Scene

SceneOf = Callable[..., Scene]


def test_terms_are_months_or_years_without_gaps(scene_of: SceneOf) -> None:
    scene = scene_of(World())
    contract, annual = scene.contract, scene.cohort.annual

    length = contract.term_end - contract.month[:, :-1]
    begins = contract.place == 0
    assert begins[~annual].all()
    assert set(length[annual & True][begins[annual]].tolist()) <= {365, 366}
    assert set(length[~annual].ravel().tolist()) == {28, 29, 30, 31}
    # The next term begins on the day the last one ends.
    rows, columns = np.nonzero(begins[:, 12:])
    ended = contract.term_end[rows, columns + 11]
    np.testing.assert_array_equal(contract.month[rows, columns + 12], ended)


def test_decisions_fall_before_what_they_decide(scene_of: SceneOf) -> None:
    contract = scene_of(World()).contract
    real = contract.decided < FAR

    assert (contract.decided[real] <= contract.effect[real]).all()
    assert (contract.effect[real] <= contract.term_end[real]).all()
    assert (contract.term_end - contract.decided)[real & contract.silent[:, None]].min() >= 1
    silent_renewals = real & contract.silent[:, None] & (contract.effect == contract.term_end)
    assert set((contract.term_end - contract.decided)[silent_renewals].tolist()) == {1}


def test_nobody_decides_before_having_joined(scene_of: SceneOf) -> None:
    scene = scene_of(World())

    assert (scene.contract.decided >= scene.cohort.joined[:, None]).all()
    assert (scene.contract.decided >= scene.clock.start).all()


def test_in_a_world_without_reasons_nobody_leaves(scene_of: SceneOf) -> None:
    leaving = scene_of(World(annual=-99.0, monthly=-99.0, midterm=-99.0, card_failure=0.0)).leaving

    assert (leaving.gone == FAR).all()
    assert (leaving.notice == NEVER).all()
    assert not leaving.early.any()
    assert not leaving.involuntary.any()


def test_in_a_world_of_unpaid_cards_all_card_accounts_are_stopped(scene_of: SceneOf) -> None:
    world = World(annual=-99.0, monthly=-99.0, midterm=-99.0, card_failure=1.0, card_loss=1.0)
    scene = scene_of(world)

    billed_early = scene.cohort.card & (scene.cohort.bill == 1)
    billed_early &= scene.cohort.joined < scene.clock.end - 60
    assert scene.leaving.involuntary[billed_early].all()
    assert scene.leaving.early[billed_early].all()
    assert not scene.leaving.involuntary[~scene.cohort.card].any()


def test_in_a_hopeless_world_everyone_leaves_at_the_first_decision(scene_of: SceneOf) -> None:
    scene = scene_of(World(annual=99.0, monthly=99.0, midterm=99.0, card_failure=0.0))

    first = scene.contract.decided.min(axis=1)
    np.testing.assert_array_equal(
        scene.leaving.decided, np.where(first < scene.clock.end, first, FAR)
    )


def test_the_unhappy_leave_more(scene_of: SceneOf) -> None:
    scenes = [scene_of(World(), batch=batch) for batch in range(6)]
    fit = np.concatenate([scene.cohort.fit for scene in scenes])
    left = np.concatenate([scene.leaving.gone < FAR for scene in scenes])

    assert left[fit < -0.3].mean() > 1.5 * left[fit > 0.5].mean()


def test_the_months_of_contract_are_found_by_day(scene_of: SceneOf) -> None:
    scene = scene_of(World())
    account = np.array([3, 3, 3])
    month = scene.contract.month[3]

    column = scene.column(account, np.array([month[2] - 1, month[2], month[0] - 50]))

    assert column.tolist() == [1, 2, 0]
