from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from churnml.simulate import World
from churnml.simulate.clock import DAY, FAR
from churnml.simulate.latent import discontent
from churnml.simulate.scene import Scene
from churnml.simulate.truth import HORIZON, hazard_table
from churnml.simulate.world import SHOCKS

DAYS_90 = pd.Timedelta(days=HORIZON)
# Without chance in satisfaction the future is known, and the truth can be worked out by hand.
CALM = World(
    volatility=0.0,
    shocks=tuple(replace(shock, yearly=0.0) for shock in SHOCKS),
    card_failure=0.0,
)


def by_hand(scene: Scene, account: int, cutoff: int) -> float:
    """Probability of staying through every decision that would end service in 90 days."""
    stays = 1.0
    contract, mood = scene.contract, scene.mood
    for n in range(contract.decided.shape[1]):
        day, effect = int(contract.decided[account, n]), int(contract.effect[account, n])
        if cutoff <= day and effect < cutoff + HORIZON:
            week = (day - scene.clock.start) // 7
            moved = discontent(
                scene.world, mood.satisfaction[account, week], mood.regard[account, week]
            )
            stays *= 1.0 - 1.0 / (1.0 + np.exp(-(contract.odds[account, n] + moved)))
    return 1.0 - stays


def test_without_chance_the_truth_is_the_product_of_the_decisions(
    scene_of: Callable[..., Scene],
) -> None:
    scene = scene_of(CALM)
    table = hazard_table(scene, 128, np.random.default_rng(0)).to_pandas()
    cutoffs = scene.clock.cutoffs[3:14]  # decisions of the next 90 days lie within the span

    checked = 0
    for row in table.itertuples():
        cutoff = row.cutoff.value // 1000 // DAY
        account = scene.cohort.ids.index(row.account_id)
        if cutoff in cutoffs and scene.leaving.decided[account] >= cutoff:
            assert row.p_churn == pytest.approx(by_hand(scene, account, cutoff), abs=1e-12)
            checked += 1
    assert checked > 600


def test_an_open_bill_is_the_likelier_lost_the_longer_it_waits(
    scene_of: Callable[..., Scene],
) -> None:
    world = replace(
        CALM, annual=-99.0, monthly=-99.0, midterm=-99.0, card_failure=0.3, card_loss=0.2
    )
    scene = scene_of(world)
    contract = scene.contract
    table = hazard_table(scene, 128, np.random.default_rng(0)).to_pandas()

    seen = {}
    for row in table.itertuples():
        cutoff = row.cutoff.value // 1000 // DAY
        account = scene.cohort.ids.index(row.account_id)
        start = contract.month[account, :-1]
        open_ = contract.failed[account] & (start < cutoff)
        open_ &= (contract.settled[account] >= cutoff) & (start >= scene.clock.start)
        if open_.any():
            seen[cutoff - start[open_].max()] = 1.0 - row.survival[1]  # 30 days

    waits = sorted(seen)
    assert seen[waits[0]] < 0.5
    assert all(seen[wait] == pytest.approx(1.0) for wait in waits if wait > 18)
    middle = [seen[wait] for wait in waits if wait <= 18]
    assert middle == sorted(middle)


def test_one_row_for_each_account_and_cutoff_with_service(
    truth: pd.DataFrame, frames: Mapping[str, pd.DataFrame]
) -> None:
    assert not truth.duplicated(["account_id", "cutoff"]).any()
    churned = frames["outcomes"].query("kind == 'churned'").set_index("account_id").occurred_at
    gone = truth.account_id.map(churned)
    assert (gone.isna() | (gone >= truth.cutoff)).all()
    assert truth.cutoff.nunique() == 18
    assert not truth.isna().any(axis=None)


def test_survival_falls_and_gives_the_probability(truth: pd.DataFrame) -> None:
    survival = np.stack(truth.survival.to_list())

    assert survival.shape == (len(truth), 12)
    assert ((survival >= -1e-12) & (survival <= 1.0)).all()
    assert (np.diff(survival, axis=1) <= 1e-12).all()
    np.testing.assert_allclose(truth.p_churn, 1.0 - survival[:, 5])


def test_who_is_under_notice_is_certain_to_leave(
    truth: pd.DataFrame, frames: Mapping[str, pd.DataFrame]
) -> None:
    noticed = frames["subscriptions"].dropna(subset="cancelled_at")
    notice = truth.account_id.map(noticed.groupby("account_id").cancelled_at.min())

    pd.testing.assert_series_equal(truth.under_notice, notice < truth.cutoff, check_names=False)
    assert (truth.p_churn[truth.under_notice] == 1.0).all()
    assert (truth.p_churn[~truth.under_notice] < 1.0).mean() > 0.99


def test_probabilities_are_those_realised(
    truth: pd.DataFrame, frames: Mapping[str, pd.DataFrame]
) -> None:
    churned = frames["outcomes"].query("kind == 'churned'").set_index("account_id").occurred_at
    gone = truth.account_id.map(churned)
    # Five days more, as outcomes are entered late.
    last = truth.cutoff.max() - DAYS_90 - pd.Timedelta(days=5)
    rows = truth[~truth.under_notice & (truth.cutoff <= last)]
    left = ((gone >= truth.cutoff) & (gone < truth.cutoff + DAYS_90))[rows.index]

    # Rows of one account go together, so the surplus of deaths is summed by account.
    for group in (rows.p_churn < 0.03, rows.p_churn.between(0.03, 0.1), rows.p_churn > 0.1):
        surplus = (left - rows.p_churn)[group].groupby(rows.account_id[group]).sum()
        assert abs(surplus.sum()) < 4.0 * np.sqrt((surplus**2).sum())
    assert 0.78 < roc_auc_score(left, rows.p_churn) < 0.92


def test_the_futures_of_an_account_do_not_follow_its_fate(scene_of: Callable[..., Scene]) -> None:
    scene = scene_of(World())
    stayed = replace(
        scene, leaving=replace(scene.leaving, decided=np.full(128, FAR), gone=np.full(128, FAR))
    )

    fated = hazard_table(scene, 128, np.random.default_rng(0)).to_pandas()
    free = hazard_table(stayed, 128, np.random.default_rng(0)).to_pandas()

    both = fated[~fated.under_notice].merge(free, on=["account_id", "cutoff"])
    same = np.isclose(both.p_churn_x, both.p_churn_y)
    assert (same | (both.p_churn_x == 1.0)).all()  # decided in silence, on the last day
    assert same.mean() > 0.99
