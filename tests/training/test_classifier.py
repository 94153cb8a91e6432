"""The estimator keeps scikit-learn's contract, and takes tables as they come."""

from __future__ import annotations

import datetime as dt
import pickle
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from sklearn.base import clone
from sklearn.model_selection import GroupKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import parametrize_with_checks

from churnml import ChurnClassifier, TrainingError
from churnml.training.classifier import ColumnWarning

N = 400


def quick(**changes: Any) -> ChurnClassifier:
    given = {"shapes": ("small",), "folds": 2, "max_rounds": 20}
    return ChurnClassifier(**{**given, **changes})


@parametrize_with_checks(  # type: ignore[untyped-decorator]
    [quick(), quick(shapes=("stump", "large"), most_shapes=1)]
)
def test_it_keeps_the_contract_of_scikit_learn(
    estimator: ChurnClassifier, check: Callable[[ChurnClassifier], None]
) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ColumnWarning)
        check(estimator)


@pytest.fixture(scope="module")
def rows() -> pd.DataFrame:
    generator = np.random.default_rng(1)
    tenure = generator.integers(0, 72, N)
    return pd.DataFrame(
        {
            "customer": [f"c-{n:04}" for n in range(N)],
            "tenure": tenure,
            "charges": [" " if n % 9 == 0 else f"{n % 100}.5" for n in range(N)],
            "contract": pd.Categorical(np.where(tenure > 30, "year", "month")),
            "auto": generator.random(N) < 0.5,
            "since": [dt.datetime(2024, 1, 1) - dt.timedelta(days=int(30 * t)) for t in tenure],
            "empty": np.full(N, np.nan),
        }
    )


@pytest.fixture(scope="module")
def left(rows: pd.DataFrame) -> np.ndarray:
    noise = np.random.default_rng(2).normal(size=N)
    return np.where(0.05 * (30 - rows["tenure"]) + noise > 0, "left", "stayed")


@pytest.fixture(scope="module")
def fitted(rows: pd.DataFrame, left: np.ndarray) -> ChurnClassifier:
    with pytest.warns(ColumnWarning):
        return quick().fit(rows, left)


def test_it_reads_a_table_as_it_comes_and_says_what_it_leaves_out(
    fitted: ChurnClassifier, rows: pd.DataFrame, left: np.ndarray
) -> None:
    assert fitted.columns_.features == ("tenure", "charges", "contract", "auto", "since")
    assert fitted.columns_.categorical == ("contract",)
    assert dict(fitted.left_out_) == {
        "customer": "names rather than describes: 400 values in 400 rows",
        "empty": "holds no value",
    }
    assert fitted.classes_.tolist() == ["left", "stayed"]
    assert np.mean(fitted.predict(rows) == left) > 0.7
    proba = fitted.predict_proba(rows)
    np.testing.assert_allclose(proba.sum(axis=1), 1)
    np.testing.assert_allclose(
        np.log(proba[:, 1] / proba[:, 0]), fitted.decision_function(rows), atol=1e-9
    )


def test_arrow_and_pandas_say_the_same(fitted: ChurnClassifier, rows: pd.DataFrame) -> None:
    table = pa.Table.from_pandas(rows, preserve_index=False)
    np.testing.assert_array_equal(fitted.predict_proba(table), fitted.predict_proba(rows))


def test_batches_and_streams_of_arrow_keep_their_names(
    fitted: ChurnClassifier, rows: pd.DataFrame
) -> None:
    batch = pa.RecordBatch.from_pandas(rows, preserve_index=False)
    reader = pa.RecordBatchReader.from_batches(batch.schema, [batch])
    wanted = fitted.predict_proba(rows)
    np.testing.assert_array_equal(fitted.predict_proba(batch), wanted)
    np.testing.assert_array_equal(fitted.predict_proba(reader), wanted)
    with pytest.raises(ValueError, match="must be in the same order"):
        fitted.predict_proba(batch.select(batch.schema.names[::-1]))


def test_reasons_add_up(fitted: ChurnClassifier, rows: pd.DataFrame) -> None:
    reasons = fitted.explain(rows.head(30))
    assert list(reasons) == ["base", *fitted.columns_.features]
    np.testing.assert_allclose(
        reasons.sum(axis=1), fitted.decision_function(rows.head(30)), atol=1e-9
    )


def test_categories_never_seen_are_told_and_taken_as_missing(
    fitted: ChurnClassifier, rows: pd.DataFrame
) -> None:
    odd = rows.head(3).assign(contract=np.array(["decade", "month", None], dtype=object))
    with pytest.warns(ColumnWarning, match=r"'contract' holds values .* missing: 'decade'\."):
        found = fitted.predict_proba(odd)
    none = odd.assign(contract=pd.Series([None, "month", None], dtype="str"))
    np.testing.assert_array_equal(found, fitted.predict_proba(none))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda rows: rows.drop(columns="tenure"), r"(?s)yet now missing.*tenure"),
        (lambda rows: rows.assign(more=1), r"(?s)unseen at fit time.*more"),
        (lambda rows: rows[rows.columns[::-1]], "same order"),
        (lambda rows: rows.assign(tenure="x"), r"'tenure' holds text \('x'\)"),
        (lambda rows: rows.assign(since=3), "'since' holds int64, but the model knows a date"),
        (lambda rows: rows.assign(tenure=np.inf), "'tenure' is infinite"),
        (lambda rows: rows.head(0), "0 samples"),
    ],
)
def test_rows_that_do_not_fit_are_refused_by_name(
    fitted: ChurnClassifier,
    rows: pd.DataFrame,
    change: Callable[[pd.DataFrame], pd.DataFrame],
    message: str,
) -> None:
    with pytest.raises(ValueError, match=message):
        fitted.predict_proba(change(rows))


def test_rows_of_an_account_stay_together(rows: pd.DataFrame, left: np.ndarray) -> None:
    """Each account is there five times: by heart, a model would know the one held out."""
    accounts = np.arange(N) // 5
    once = rows[["tenure"]].iloc[::5].loc[lambda kept: kept.index.repeat(5)]
    coin = np.repeat(np.arange(N // 5) % 2 == 0, 5)
    wild = {"shapes": ("wild",), "max_rounds": 200, "folds": 4}
    together = quick(**wild).fit(once, coin, groups=accounts).fitted_.ensemble
    apart = quick(**wild).fit(once, coin).fitted_.ensemble
    assert together.losses["wild"] > 0.65
    assert apart.losses["wild"] < 0.55
    with pytest.raises(
        ValueError, match=r"groups has shape \(3,\); expected one account a row \(400,\)"
    ):
        quick().fit(once, coin, groups=accounts[:3])


def test_it_goes_through_pipelines_clones_pickles_and_cross_validation(
    fitted: ChurnClassifier, rows: pd.DataFrame, left: np.ndarray
) -> None:
    again = pickle.loads(pickle.dumps(fitted))  # noqa: S301 - our own bytes
    np.testing.assert_array_equal(again.predict_proba(rows), fitted.predict_proba(rows))
    kept = rows[["tenure", "charges", "contract"]]
    scores = cross_val_score(
        make_pipeline(clone(fitted)),
        kept,
        left,
        groups=np.arange(N) // 2,
        cv=GroupKFold(3),
        scoring="roc_auc",
    )
    assert scores.min() > 0.75


def test_a_seed_gives_one_model_for_any_number_of_threads(
    rows: pd.DataFrame, left: np.ndarray
) -> None:
    kept = rows[["tenure", "charges"]]

    def said(**given: Any) -> np.ndarray:
        return quick(**given).fit(kept, left).predict_proba(kept)

    np.testing.assert_array_equal(said(), said(n_jobs=2))
    np.testing.assert_array_equal(said(), said(random_state=0))
    assert not np.array_equal(said(), said(random_state=1))
    drawn = said(random_state=np.random.RandomState(5))
    np.testing.assert_array_equal(drawn, said(random_state=np.random.RandomState(5)))


def test_directions_bind(rows: pd.DataFrame, left: np.ndarray) -> None:
    kept = rows[["tenure", "charges"]]
    bound = quick(monotone={"tenure": 1}).fit(kept, left)
    steps = pd.DataFrame({"tenure": np.arange(72), "charges": "50.5"})
    assert (np.diff(bound.decision_function(steps)) >= 0).all()
    with pytest.raises(ValueError, match="monotone names 'tenur', which is no column of X"):
        quick(monotone={"tenur": 1}).fit(kept, left)
    with pytest.raises(TypeError, match=r"monotone is \['tenure'\]; expected a mapping of columns"):
        quick(monotone=["tenure"]).fit(kept, left)
    with pytest.raises(ValueError, match="monotone gives 'tenure' 2; expected 1, -1 or 0"):
        quick(monotone={"tenure": 2}).fit(kept, left)
    with pytest.raises(ValueError, match="'contract', a category, whose values have no order"):
        quick(monotone={"contract": 1}).fit(rows[["tenure", "contract"]], left)


def test_numbers_of_numpy_are_numbers(rows: pd.DataFrame, left: np.ndarray) -> None:
    kept = rows[["tenure", "charges"]]
    plain = quick(monotone={"tenure": 1}).fit(kept, left)
    drawn = quick(
        shapes=np.array(["small"]),
        folds=np.int64(2),
        max_rounds=np.int32(20),
        max_bin=np.uint16(255),
        monotone={"tenure": np.int8(1)},
        calibration=np.str_("auto"),
        random_state=np.int64(0),
        n_jobs=np.int64(-1),
    ).fit(kept, left)
    np.testing.assert_array_equal(drawn.predict_proba(kept), plain.predict_proba(kept))
    numbered = quick(monotone={0: 1}).fit(pd.DataFrame({0: kept["tenure"]}), left)
    assert numbered.columns_.features == ("0",)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"folds": 1}, "folds is 1; it should be greater than or equal to 2."),
        ({"folds": np.float64(2.5)}, r"folds is np.float64\(2.5\); it should be a valid integer."),
        ({"max_rounds": np.True_}, r"max_rounds is np.True_; it should be a valid integer\."),
        ({"shapes": "small"}, "shapes is 'small'; it should be a valid tuple."),
        ({"shapes": ("smal",)}, r"shapes is \('smal',\); no shape 'smal'.* mean 'small'\?"),
        ({"random_state": -1}, "random_state is -1; it should be greater than or equal to 0."),
        ({"n_jobs": "all"}, "n_jobs is 'all'; it should be a valid integer."),
        ({"calibration": "plat"}, "calibration is 'plat'; it should be 'auto', 'platt',"),
    ],
)
def test_a_parameter_out_of_bounds_is_called_by_its_name(
    rows: pd.DataFrame, left: np.ndarray, given: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=f"^{message}"):
        quick(**given).fit(rows[["tenure"]], left)


@pytest.mark.parametrize(
    "column",
    [np.full(N, np.nan), [f"c-{n:04}" for n in range(N)], np.arange(N), np.full(N, "same")],
    ids=["empty", "names", "numbers of rows", "one value"],
)
def test_a_table_that_says_nothing_gives_the_base_rate(column: Any, left: np.ndarray) -> None:
    # Sorted by outcome, so that a number of rows would tell it.
    ordered, nothing = np.sort(left), pd.DataFrame({"x": column})
    with pytest.warns(ColumnWarning, match="'x' is left out"):
        model = quick().fit(nothing, ordered)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ColumnWarning)
        found = model.predict_proba(nothing)
    assert found[:, 1] == pytest.approx(np.mean(left == "stayed"), abs=0.01)


def test_numbers_beyond_all_integers_are_numbers() -> None:
    huge = pd.DataFrame({"x": pd.Series([2**70 + n % 7 * 2**60 for n in range(N)], dtype=object)})
    label = np.arange(N) % 7 > 3
    model = quick().fit(huge, label)
    assert model.columns_.categorical == ()
    assert np.mean(model.predict(huge) == label) > 0.95


@pytest.mark.parametrize("nobody", [None, np.nan, pd.NA, pd.NaT])
def test_rows_of_nobody_are_no_group(rows: pd.DataFrame, left: np.ndarray, nobody: Any) -> None:
    accounts = np.array([*range(N - 2), nobody, nobody], dtype=object)
    with pytest.raises(ValueError, match="groups is missing in 2 of 400 rows"):
        quick().fit(rows[["tenure"]], left, groups=accounts)


def test_outcomes_that_pandas_holds_as_objects_are_outcomes(
    rows: pd.DataFrame, left: np.ndarray
) -> None:
    kept = rows[["tenure"]]
    wanted = quick().fit(kept, left == "left").predict_proba(kept)
    told = pd.Series([*(left == "left"), None], dtype=object).dropna()
    model = quick().fit(kept, told)
    assert model.classes_.tolist() == [False, True]
    np.testing.assert_array_equal(model.predict_proba(kept), wanted)


@pytest.mark.parametrize(
    ("first", "message"),
    [
        (None, "Input y contains NaN or None in 1 of 400 rows; leave out rows of unknown outcome."),
        (pd.NA, "Input y contains NaN or None in 1 of 400 rows"),
        (1, "y holds outcomes of several kinds: int, str. Write all of them alike."),
    ],
)
def test_outcomes_that_cannot_be_told_are_refused(
    rows: pd.DataFrame, left: np.ndarray, first: Any, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        quick().fit(rows[["tenure"]], np.array([first, *left[1:].tolist()], dtype=object))


def test_what_cannot_be_read_is_refused(left: np.ndarray) -> None:
    with pytest.raises(TrainingError, match="columns appear twice: a"):
        quick().fit(pd.DataFrame(np.ones((N, 2)), columns=["a", "a"]), left)
    with pytest.raises(TrainingError, match=r"column 'a' holds values that are neither"):
        quick().fit(pd.DataFrame({"a": [[1], {2: 3}] * (N // 2)}), left)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            pa.table({"a": [[1], [2]]}),
            r"X has no column of numbers, .*: 'a' holds list<item: int64>",
        ),
        (pd.DataFrame(index=[0, 1]), "X has 0 features; a minimum of 1 is required"),
    ],
)
@pytest.mark.filterwarnings("ignore::churnml.training.classifier.ColumnWarning")
def test_a_table_without_a_column_to_read_is_refused(given: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        quick().fit(given, [0, 1])


def test_ranges_and_batches_are_read_alike() -> None:
    cut = pd.cut(np.arange(N) % 9, [-1, 3, 6, 9])
    label = np.arange(N) % 9 > 6
    model = quick().fit(pd.DataFrame({"x": cut}), label)
    batch = pa.record_batch({"x": cut.astype(str)})
    assert model.columns_.categorical == ("x",)
    np.testing.assert_array_equal(model.predict(batch), label)


@pytest.mark.parametrize("name", ["cutoff", "label", "account_id", 'a "quoted": [name], {x}'])
def test_a_column_may_be_called_anything(rows: pd.DataFrame, left: np.ndarray, name: str) -> None:
    given = rows[["tenure"]]
    wanted = quick().fit(given, left).predict_proba(given)
    named = given.rename(columns={"tenure": name})
    assert np.array_equal(quick().fit(named, left).predict_proba(named), wanted)


def test_a_named_index_that_pandas_wrote_to_arrow_is_a_column() -> None:
    label = np.arange(N) % 9 > 6
    frame = pd.DataFrame({"noise": np.arange(N) % 2, "x": np.arange(N) % 9})
    indexed = pa.Table.from_pandas(frame.set_index("x"))
    model = quick().fit(indexed, label)
    assert model.columns_.features == ("noise", "x")
    np.testing.assert_array_equal(model.predict(indexed.replace_schema_metadata()), label)
    numbered = pa.Table.from_pandas(frame[label])
    assert numbered.column_names == ["noise", "x", "__index_level_0__"]
    assert model.predict(numbered).all()


def test_mixed_values_are_text() -> None:
    generator = np.random.default_rng(4)
    mixed = pd.DataFrame(
        {"plan": np.array([1, "pro", None, 2.5], dtype=object)[generator.integers(0, 4, N)]}
    )
    label = (mixed["plan"].astype(str) == "pro").to_numpy() ^ (generator.random(N) < 0.1)
    model = quick().fit(mixed, label)
    assert model.columns_.categorical == ("plan",)
    assert np.mean(model.predict(mixed) == label) > 0.85


def test_intervals_hold_the_probability_and_widen_with_the_level(
    rows: pd.DataFrame, left: np.ndarray
) -> None:
    rows = rows.drop(columns=["customer", "empty"])
    model = quick().fit(rows, left)
    positive = model.predict_proba(rows)[:, 1]
    narrow, wide = model.predict_interval(rows, level=0.5), model.predict_interval(rows, level=0.95)
    assert narrow.shape == wide.shape == (len(rows), 2)
    assert (wide[:, 0] <= narrow[:, 0]).all()
    assert ((wide[:, 0] <= positive) & (positive <= wide[:, 1])).all()
    np.testing.assert_array_equal(
        model.predict_interval(rows), model.predict_interval(rows, level=0.8)
    )
    with pytest.raises(ValueError, match="above 0 and below 1"):
        model.predict_interval(rows, level=1.0)
