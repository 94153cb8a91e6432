from __future__ import annotations

from pathlib import Path
from typing import Any

import lightgbm as lgb
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from churnml.errors import BundleError
from churnml.explain import kernels
from churnml.explain.treeshap import TreeShap
from churnml.training.merging import merge

Floats = npt.NDArray[np.float64]

ODD = (0.0, -0.0, 1e-40, -1e-36, 1e-30, np.nan, np.inf, -np.inf, 1e300, -0.5, -3.0, 2.7, 1e10)


def rows_of(seed: int, n_rows: int) -> Floats:
    """Four columns of numbers, of which some are often zero or missing, and two of codes."""
    rng = np.random.default_rng(seed)
    rows = rng.normal(size=(n_rows, 6))
    rows[:, 1] = np.round(rows[:, 1] * 2)
    rows[rng.random(n_rows) < 0.3, 2] = np.nan
    rows[rng.random(n_rows) < 0.2, 3] = 0.0
    rows[:, 4] = rng.integers(0, 4, n_rows)
    rows[:, 5] = rng.integers(0, 40, n_rows)
    rows[rng.random(n_rows) < 0.1, 5] = np.nan
    return rows


def odd(rows: Floats, seed: int) -> Floats:
    """The same with values strewn in that no training has seen."""
    rng = np.random.default_rng(seed)
    strewn = rng.choice(ODD, rows.shape)
    return np.where(rng.random(rows.shape) < 0.3, strewn, rows)


def trained(rows: Floats, seed: int, **given: Any) -> lgb.Booster:
    rng = np.random.default_rng(seed)
    known = np.nan_to_num(rows)
    odds = known[:, 0] + known[:, 1] * known[:, 3] + (known[:, 5] % 3) - np.isnan(rows[:, 2]) - 1
    label = rng.random(rows.shape[0]) < 1 / (1 + np.exp(-odds))
    parameters = {
        "objective": "binary",
        "verbose": -1,
        "num_threads": 1,
        "seed": seed,
        "min_data_in_leaf": 3,
        "min_data_in_bin": 1,
        **given,
    }
    data = lgb.Dataset(rows, label.astype(float), categorical_feature=[4, 5], params=parameters)
    return lgb.train(parameters, data, given.pop("rounds", 12))


def hold_alike(booster: lgb.Booster, rows: npt.NDArray[Any], **given: Any) -> None:
    shap = TreeShap.of(booster.model_to_string(), **given)
    margins, contributions = shap.explain(rows)
    expected = np.asarray(booster.predict(rows, pred_contrib=True))
    np.testing.assert_allclose(contributions, expected[:, :-1], rtol=0, atol=1e-9)
    assert shap.bases.sum() == pytest.approx(expected[0, -1], abs=1e-9)
    margin = np.asarray(booster.predict(rows, raw_score=True))
    np.testing.assert_allclose(margins.sum(axis=0), margin, rtol=0, atol=1e-9)
    total = shap.bases.sum() + contributions.sum(axis=1)
    np.testing.assert_allclose(margins.sum(axis=0), total, rtol=0, atol=1e-9)


def test_a_stump_by_hand() -> None:
    """Of a single split the left share of rows is 1/4: a row on the left has moved from the mean
    by what its leaf differs from it."""
    rows = np.zeros((400, 1))
    rows[100:] = 1.0
    label = (rows[:, 0] == 0) * 1.0
    label[::7] = 1 - label[::7]
    parameters = {"objective": "binary", "num_leaves": 2, "verbose": -1, "learning_rate": 1.0}
    booster = lgb.train(parameters, lgb.Dataset(rows, label), 1)
    shap = TreeShap.of(booster.model_to_string())
    margins, contributions = shap.explain(np.array([[0.0], [1.0], [np.nan]]))
    left, right, missing = margins[0]
    assert shap.bases[0] == pytest.approx(left / 4 + right * 3 / 4)
    np.testing.assert_allclose(contributions[:2, 0], margins[0, :2] - shap.bases[0])
    assert missing == left  # without a rule of its own, missing counts as zero


@settings(deadline=None, max_examples=60)
@given(
    seed=st.integers(0, 10_000),
    boosting=st.sampled_from(["gbdt", "dart"]),
    sampling=st.sampled_from(
        [
            {},
            {"data_sample_strategy": "goss"},
            {"bagging_fraction": 0.5, "bagging_freq": 1, "feature_fraction": 0.6},
        ]
    ),
    missing=st.sampled_from([{}, {"zero_as_missing": True}, {"use_missing": False}]),
    num_leaves=st.integers(2, 40),
    onehot=st.sampled_from([1, 4, 50]),
    extra=st.booleans(),
)
def test_random_models_are_explained_as_by_lightgbm(
    seed: int,
    boosting: str,
    sampling: dict[str, Any],
    missing: dict[str, Any],
    num_leaves: int,
    onehot: int,
    *,
    extra: bool,
) -> None:
    rows = rows_of(seed, 300)
    booster = trained(
        rows,
        seed,
        boosting=boosting,
        num_leaves=num_leaves,
        max_cat_to_onehot=onehot,
        extra_trees=extra,
        cat_smooth=1.0,
        min_data_per_group=5,
        **sampling,
        **missing,
    )
    hold_alike(booster, odd(rows, seed))
    hold_alike(booster, odd(rows, seed + 1)[:20], most_bytes=0)
    hold_alike(booster, rows[:3], most_bytes=20_000)


@pytest.mark.filterwarnings("ignore")  # what it says of matplotlib and of itself is not ours
def test_shap_itself_says_the_same() -> None:
    import shap

    rows = rows_of(3, 400)
    booster = trained(rows, 3, num_leaves=15)
    found = TreeShap.of(booster.model_to_string()).explain(rows)[1]
    expected = shap.TreeExplainer(booster).shap_values(rows)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-9)


def chains() -> tuple[lgb.Booster, Floats]:
    """Whoever has all of the first switches on is the likelier to leave: trees grow as chains."""
    rng = np.random.default_rng(5)
    rows = (rng.random((6000, 24)) < 0.9).astype(np.float64)
    first_off = np.argmin(np.c_[rows, np.zeros(6000)], axis=1)
    label = rng.random(6000) < first_off / 24
    parameters = {"objective": "binary", "num_leaves": 40, "verbose": -1, "num_threads": 1}
    return lgb.train(parameters, lgb.Dataset(rows, label), 5), rows


def test_deep_leaves_have_more_features_than_a_table() -> None:
    booster, rows = chains()
    shap = TreeShap.of(booster.model_to_string())
    assert shap.paths.deepest[-1] > 12
    hold_alike(booster, rows[:200])


def test_threads_share_out_whole_blocks() -> None:
    """Of few rows leaves without a table are summed in another order."""
    booster, rows = chains()
    shap = TreeShap.of(booster.model_to_string())
    for n_rows in (3 * 1024 + 3, 4 * 1024 + 4):
        one, several = (shap.explain(rows[:n_rows], threads=threads) for threads in (1, 3))
        np.testing.assert_array_equal(several[0], one[0])
        np.testing.assert_array_equal(several[1], one[1])


def test_parts_threads_and_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = np.concatenate([odd(rows_of(seed, 500), seed) for seed in range(5)])
    booster = trained(rows_of(1, 500), 1, num_leaves=9)
    whole, contributions = TreeShap.of(booster.model_to_string()).explain(rows)
    parted = TreeShap.of(booster.model_to_string(), [5, 0, 7])
    margins, same = parted.explain(rows, threads=2)
    np.testing.assert_allclose(same, contributions, rtol=0, atol=1e-12)
    assert margins.shape == (3, 2500)
    assert (margins[1] == 0).all()
    np.testing.assert_allclose(margins.sum(axis=0), whole[0], rtol=0, atol=1e-12)
    first = np.asarray(booster.predict(rows, raw_score=True, num_iteration=5))
    np.testing.assert_allclose(margins[0], first, rtol=0, atol=1e-9)
    singly = np.concatenate([parted.explain(rows[place : place + 1])[1] for place in range(50)])
    np.testing.assert_allclose(singly, contributions[:50], rtol=0, atol=1e-12)
    monkeypatch.setattr("churnml.explain.treeshap._BLOCK", 64)
    np.testing.assert_array_equal(parted.explain(rows)[1], same)


def test_the_loops_are_compiled_once_whatever_is_asked() -> None:
    rows = rows_of(6, 3000)
    shap = TreeShap.of(trained(rows, 6).model_to_string(), [4, 8])
    wanted = shap.explain(rows)[1]
    held = rows.copy()
    held.flags.writeable = False
    for asked in (held, np.asfortranarray(rows), rows[:, ::-1].copy()[:, ::-1]):
        np.testing.assert_array_equal(shap.explain(asked, threads=3)[1], wanted)
    assert len(kernels.explain.signatures) == len(kernels.fill.signatures) == 1


def test_where_nothing_can_be_kept_the_loops_are_compiled_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def nowhere(*_: object) -> None:
        raise RuntimeError("cannot cache function: no locator available")

    monkeypatch.setattr("numba.core.caching.CacheImpl.__init__", nowhere)
    assert kernels.compiled(_twice)(21) == 42


@pytest.mark.parametrize("ending", [".nbi", ".nbc"])
@pytest.mark.parametrize("left", [0, 20])
def test_what_was_kept_and_is_cut_off_is_compiled_anew(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, ending: str, left: int
) -> None:
    monkeypatch.setattr("numba.core.config.CACHE_DIR", str(tmp_path))
    assert kernels.compiled(_twice)(21) == 42
    (kept,) = tmp_path.rglob(f"*{ending}")
    whole = kept.read_bytes()
    kept.write_bytes(whole[:left])
    again = kernels.compiled(_twice)
    assert again(21) == 42
    assert again.stats.cache_hits == {}
    assert len(kept.read_bytes()) > left  # it is kept again


def test_where_the_disk_is_full_nothing_is_kept(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("numba.core.config.CACHE_DIR", str(tmp_path))
    monkeypatch.setattr("numba.core.caching.IndexDataCacheFile.save", full)
    assert kernels.compiled(_twice)(21) == 42


def _twice(number: int) -> int:
    return 2 * number


def test_trees_of_one_leaf_add_to_the_base_alone() -> None:
    rows = rows_of(0, 50)
    parameters = {"objective": "binary", "verbose": -1, "min_data_in_leaf": 40, "num_threads": 1}
    booster = lgb.train(parameters, lgb.Dataset(rows, np.arange(50) % 5 == 0), 2)
    margins, contributions = TreeShap.of(booster.model_to_string()).explain(rows)
    assert (contributions == 0).all()
    np.testing.assert_allclose(margins[0], booster.predict(rows, raw_score=True))


def test_no_rows_are_explained() -> None:
    booster = trained(rows_of(0, 200), 0)
    margins, contributions = TreeShap.of(booster.model_to_string()).explain(np.empty((0, 6)))
    assert (margins.shape, contributions.shape) == ((1, 0), (0, 6))


def test_tables_stay_below_what_they_may_take() -> None:
    booster = trained(rows_of(2, 400), 2, num_leaves=31)
    text = booster.model_to_string()
    free = TreeShap.of(text)
    tight = TreeShap.of(text, most_bytes=free.nbytes // 5)
    assert 0 < tight.nbytes <= free.nbytes // 5
    assert tight.tables.begins.size != free.tables.begins.size
    assert TreeShap.of(text, most_bytes=0).nbytes == 0


def test_linear_trees_are_refused() -> None:
    rows = np.nan_to_num(rows_of(4, 300))
    parameters = {"objective": "binary", "linear_tree": True, "verbose": -1}
    booster = lgb.train(parameters, lgb.Dataset(rows, rows[:, 0] > 0), 2)
    with pytest.raises(BundleError, match="linear"):
        TreeShap.of(booster.model_to_string())


def test_a_feature_that_is_number_and_category_is_refused() -> None:
    rows = np.arange(400.0)[:, None] % 9
    label = np.isin(rows[:, 0], [1, 4, 8]) * 1.0
    parameters = {"objective": "binary", "verbose": -1, "min_data_per_group": 5}
    boosters = [
        lgb.train(parameters, lgb.Dataset(rows, label, categorical_feature=named), 2)
        for named in ([0], [])
    ]
    mixed = merge([(booster.model_to_string(), 0.5) for booster in boosters])
    with pytest.raises(BundleError, match="feature 0 is split as a number and as a category"):
        TreeShap.of(mixed)
