"""ChurnClassifier: the model as a scikit-learn estimator, for any flat table."""

from __future__ import annotations

import copyreg
import re
import warnings
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils import assert_all_finite, check_random_state
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_array, check_is_fitted, column_or_1d, validate_data

from churnml.errors import TrainingError
from churnml.training.columns import Columns
from churnml.training.encoding import FeatureKind, kind_of
from churnml.training.estimator import FittedModel, Scores, learn
from churnml.training.frames import from_array, from_pandas
from churnml.training.parameters import checked
from churnml.training.recipes import CalibrationSpec, ModelSpec
from churnml.training.shapes import SHAPES

if TYPE_CHECKING:
    import pandas as pd

Floats = npt.NDArray[np.float64]

_UNNAMED_INDEX = r"__index_level_\d+__"  # numbers of rows, as pandas writes them to Arrow


# Frozen models hold read-only mappings, which pickle does not know by itself; scikit-learn's users
# send estimators to other processes.
def _read_only(content: dict[Any, Any]) -> MappingProxyType[Any, Any]:
    return MappingProxyType(content)


copyreg.pickle(MappingProxyType, lambda held: (_read_only, (dict(held),)))


class ColumnWarning(UserWarning):
    """Something about a column that changes what a model learns or says."""


class ChurnClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """A calibrated mix of LightGBM models for one outcome of two, from a table as it is.

    Columns may hold numbers, numbers written as text, booleans, dates, strings, categories and
    missing values, as pandas, Arrow or numpy. Identifiers, text that hardly repeats and columns
    that say nothing are left out, with a warning and in `left_out_`.

    Parameters
    ----------
    shapes : tuple of str
        Kinds of trees to try; see `churnml.training.shapes`. One alone is quicker.
    most_shapes : int
        How many kinds may be mixed. More are a little better, and slower.
    folds : int
        Parts into which accounts are dealt; each kind gives a member for each part.
    max_rounds, early_stopping_rounds : int
        Most trees of a member, and how many that better nothing end it.
    max_bin : int
        Steps into which a column's values are cut.
    monotone : mapping of str to int, optional
        Columns that may only raise (1) or only lower (−1) the risk. Say so where you know it: a
        score that falls when usage falls is believed by nobody.
    calibration : "auto", "platt", "beta", "isotonic" or "none"
        How margins become probabilities; see `CalibrationSpec`.
    random_state : int, RandomState or None
        Fixes all chance. None is 0: churnml gives the same model twice unless told otherwise.
    n_jobs : int, optional
        Threads; None for one, −1 for all. The model is the same for any number.

    Attributes
    ----------
    classes_ : ndarray (2,)
        The outcomes, sorted; the second is the one whose probability is modelled.
    n_features_in_, feature_names_in_
        What was given.
    columns_ : Columns
        What is learnt from, and what was left out.
    left_out_ : mapping of str to str
        Columns that were left out, and why.
    fitted_ : FittedModel
        The model and how it came about.

    Examples
    --------
    >>> import numpy as np
    >>> generator = np.random.default_rng(0)
    >>> x = generator.normal(size=(400, 2))
    >>> y = np.where(x[:, 0] + generator.normal(size=400) > 0, "left", "stayed")
    >>> model = ChurnClassifier(shapes=("small",), folds=3).fit(x, y)
    >>> model.predict_proba(x).shape
    (400, 2)
    """

    def __init__(
        self,
        *,
        shapes: tuple[str, ...] = tuple(SHAPES),
        most_shapes: int = 3,
        folds: int = 8,
        max_rounds: int = 2000,
        early_stopping_rounds: int = 50,
        max_bin: int = 255,
        monotone: Mapping[str, int] | None = None,
        calibration: str = "auto",
        random_state: int | np.random.RandomState | None = None,
        n_jobs: int | None = None,
    ) -> None:
        self.shapes = shapes
        self.most_shapes = most_shapes
        self.folds = folds
        self.max_rounds = max_rounds
        self.early_stopping_rounds = early_stopping_rounds
        self.max_bin = max_bin
        self.monotone = monotone
        self.calibration = calibration
        self.random_state = random_state
        self.n_jobs = n_jobs

    def fit(self, X: Any, y: Any, groups: Any = None) -> Self:  # noqa: N803 - scikit-learn's name
        """Learn.

        Parameters
        ----------
        X : pandas.DataFrame, pyarrow.Table or array-like (n, n_features)
            Rows.
        y : array-like (n,)
            Two outcomes, of any type; the second in order is the one that is predicted.
        groups : array-like (n,), optional
            The account of each row. Give it where accounts have several rows: rows of an account
            then stay together wherever rows are held out.

        Returns
        -------
        ChurnClassifier
            Itself.

        Raises
        ------
        ValueError
            If a parameter is out of bounds, there are not two outcomes or too few rows of either,
            or a column cannot be read; a `TrainingError` where the rows, not the call, are at
            fault.
        """
        model, calibration = self._specs()
        table = self._table(X, y=y, reset=True)
        label = self._label(y, table.num_rows)
        accounts = _accounts(groups, table.num_rows)
        columns = Columns.choose(table, table.column_names)
        for name, why in columns.left_out.items():
            warnings.warn(f"column {name!r} is left out: it {why}.", ColumnWarning, stacklevel=2)
        for name, why in columns.doubted.items():
            said = f"column {name!r} is learnt as a category: it {why}."
            warnings.warn(said, ColumnWarning, stacklevel=2)
        signs = self._signs(table, columns)
        if not columns.features:
            table, columns = _blank(table, columns)
        self.fitted_: FittedModel = learn(
            table,
            label,
            accounts,
            features=columns.features,
            categorical=columns.categorical,
            monotone=signs,
            spec=model,
            calibration=calibration,
        )
        self.columns_ = columns
        self.left_out_ = columns.left_out
        return self

    def predict_proba(self, X: Any) -> Floats:  # noqa: N803
        """Calibrated probabilities of both outcomes.

        Parameters
        ----------
        X : pandas.DataFrame, pyarrow.Table or array-like (n, n_features)
            Rows, with the columns that were learnt from.

        Returns
        -------
        ndarray (n, 2)
            In the order of `classes_`.

        Raises
        ------
        ValueError
            If a column is missing, new, in another place, or of another kind.
        """
        positive = self._scores(X).probability
        return np.column_stack([1.0 - positive, positive])

    def predict_interval(self, X: Any, *, level: float = 0.8) -> Floats:  # noqa: N803
        """Where the probability of the second outcome lies for each row by itself.

        Parameters
        ----------
        X : pandas.DataFrame, pyarrow.Table or array-like (n, n_features)
            Rows.
        level : float
            Share of rows whose own probability shall lie within, above 0 and below 1.

        Returns
        -------
        ndarray (n, 2)
            Low and high. Wider than want of data alone would have it: rows that look alike are not
            alike, by an assumption that `IntervalSpec` states.

        Raises
        ------
        ValueError
            If `level` is out of bounds; else as `predict_proba`.
        """
        if not 0 < level < 1:
            raise ValueError(f"level is {level!r}; expected a number above 0 and below 1.")
        scores = self._scores(X, level=level)
        return np.column_stack([scores.low, scores.high])

    def decision_function(self, X: Any) -> Floats:  # noqa: N803
        """Calibrated log-odds (n,) of the second outcome; raises as `predict_proba` does."""
        return self._scores(X).log_odds

    def predict(self, X: Any) -> npt.NDArray[Any]:  # noqa: N803
        """The likelier outcome (n,); raises as `predict_proba` does."""
        chosen = self.decision_function(X) > 0
        return np.asarray(self.classes_[chosen.astype(np.intp)])

    def explain(self, X: Any) -> pd.DataFrame:  # noqa: N803
        """Exact SHAP values of the calibrated log-odds.

        Parameters
        ----------
        X : pandas.DataFrame, pyarrow.Table or array-like (n, n_features)
            Rows.

        Returns
        -------
        pandas.DataFrame (n, 1 + n_features)
            ``base`` and a column for each feature that is learnt from; a row sums to
            `decision_function`.

        Raises
        ------
        ValueError
            As `predict_proba`.
        """
        import pandas as pd

        scores = self._scores(X, contributions=True)
        assert scores.contributions is not None  # noqa: S101 - asked for above
        shares = pd.DataFrame(scores.contributions, columns=list(self.columns_.features))
        shares.insert(0, "base", scores.base, allow_duplicates=True)
        return shares

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_class = False
        tags.input_tags.allow_nan = True
        tags.input_tags.string = True
        tags.input_tags.categorical = True
        return tags

    def _scores(
        self,
        X: Any,  # noqa: N803
        *,
        contributions: bool = False,
        level: float | None = None,
    ) -> Scores:
        check_is_fitted(self)
        table = self._table(X, y="no_validation", reset=False)
        model = self.fitted_.model
        scores = model.score(table, contributions=contributions, level=level)
        for item in model.encoding.unseen(table):
            warnings.warn(str(item), ColumnWarning, stacklevel=3)
        return scores

    def _table(self, X: Any, *, y: Any, reset: bool) -> pa.Table:  # noqa: N803
        """Read rows of whatever kind as Arrow, having checked their names and number."""
        # Of Arrow are tables, batches of rows, and the frames of libraries that hand them over.
        if hasattr(X, "__arrow_c_stream__") and not hasattr(X, "iloc"):
            X = _frame(pa.table(X))  # noqa: N806
        if hasattr(X, "columns") and hasattr(X, "dtypes"):
            table = from_pandas(X)
            validate_data(self, X, y, reset=reset, skip_check_array=True)
            for count, what in ((table.num_columns, "features"), (len(X), "samples")):
                if count == 0:
                    raise ValueError(f"X has 0 {what}; a minimum of 1 is required.")
            return table
        array = check_array(X, dtype=None, ensure_all_finite=False, estimator=self, input_name="X")
        if array.dtype.kind in "fiub":
            array = check_array(array, ensure_all_finite="allow-nan", estimator=self)
        validate_data(self, array, y, reset=reset, skip_check_array=True)
        return from_array(array, self._names(array.shape[1]))

    def _names(self, n_features: int) -> list[str]:
        names = getattr(self, "feature_names_in_", None)
        return [f"x{place}" for place in range(n_features)] if names is None else list(names)

    def _label(self, y: Any, n_rows: int) -> Floats:
        y = _outcomes(y)
        assert_all_finite(y, input_name="y")
        check_classification_targets(y)
        if len(y) != n_rows:
            raise ValueError(f"X has {n_rows} rows and y has {len(y)}.")
        self.classes_, codes = np.unique(y, return_inverse=True)
        if self.classes_.size != 2:
            found = ", ".join(map(str, self.classes_[:5]))
            what = "1 class" if self.classes_.size == 1 else f"{self.classes_.size} classes"
            raise ValueError(
                f"y holds {what}: {found}. Only binary classification is supported: expected two, "
                "those who left and those who stayed."
            )
        return codes.astype(np.float64)

    def _signs(self, table: pa.Table, columns: Columns) -> Mapping[str, int]:
        given: Any = {} if self.monotone is None else self.monotone
        if not isinstance(given, Mapping):
            raise TypeError(f"monotone is {given!r}; expected a mapping of columns to 1, -1 or 0.")
        signs = {str(name): sign for name, sign in given.items()}
        unknown = sorted(set(signs) - set(table.column_names))
        if unknown:
            raise ValueError(
                f"monotone names {unknown[0]!r}, which is no column of X: "
                f"{', '.join(table.column_names[:8])}."
            )
        for name, sign in signs.items():
            if sign not in {-1, 0, 1}:
                raise ValueError(f"monotone gives {name!r} {sign!r}; expected 1, -1 or 0.")
            if sign and name in columns.categorical:
                raise ValueError(
                    f"monotone names {name!r}, a category, whose values have no order. Leave it "
                    "out, or turn the column into numbers."
                )
        return MappingProxyType({name: int(sign) for name, sign in signs.items()})

    def _specs(self) -> tuple[ModelSpec, CalibrationSpec]:
        state, threads = self.random_state, self.n_jobs
        if state is not None and not isinstance(state, int | np.integer):
            state = check_random_state(state).randint(2**31 - 1)
        if isinstance(threads, int | np.integer):
            threads = max(threads, 0)
        given = {
            "shapes": self.shapes,
            "most_shapes": self.most_shapes,
            "folds": self.folds,
            "max_rounds": self.max_rounds,
            "early_stopping_rounds": self.early_stopping_rounds,
            "max_bin": self.max_bin,
            "seed": 0 if state is None else state,
            "num_threads": 1 if threads is None else threads,
        }
        model = checked(ModelSpec, given | {"monotone": self.monotone is not None})
        return model, checked(CalibrationSpec, {"method": self.calibration})


def _outcomes(y: Any) -> npt.NDArray[Any]:
    """Read outcomes as numbers, truths or text, where pandas holds them as objects too."""
    import pandas as pd

    held = column_or_1d(y, warn=True)
    if unknown := int(pd.isna(held).sum()):
        raise ValueError(
            f"Input y contains NaN or None in {unknown} of {len(held)} rows; leave out rows of "
            "unknown outcome."
        )
    told = np.asarray(pd.Series(held).infer_objects()) if held.dtype == object else held
    kinds = sorted({type(value).__name__ for value in told}) if told.dtype == object else []
    if len(kinds) > 1:
        raise ValueError(
            f"y holds outcomes of several kinds: {', '.join(kinds)}. Write all of them alike."
        )
    return told


def _blank(table: pa.Table, columns: Columns) -> tuple[pa.Table, Columns]:
    """Give a model a column without values: everyone then gets the share of those who left."""
    readable = [x for x in table.schema if kind_of(x.type) or pa.types.is_null(x.type)]
    if not readable:
        faults = "; ".join(f"{name!r} {why}" for name, why in columns.left_out.items())
        raise TrainingError(
            f"X has no column of numbers, booleans, text or dates, so that there is nothing to "
            f"learn from: {faults}."
        )
    name, held = readable[0].name, readable[0].type
    text = (name,) if kind_of(held) is FeatureKind.CATEGORY else ()
    nothing = pa.table({name: pa.nulls(table.num_rows, held)})
    return nothing, Columns((name,), text, columns.left_out)


def _accounts(groups: Any, n_rows: int) -> npt.NDArray[np.object_]:
    import pandas as pd

    if groups is None:
        return np.array([str(row) for row in range(n_rows)], dtype=object)
    accounts = np.asarray(groups)
    if accounts.shape != (n_rows,):
        raise ValueError(
            f"groups has shape {accounts.shape}; expected one account a row ({n_rows},)."
        )
    if nobody := int(pd.isna(accounts).sum()):
        raise ValueError(f"groups is missing in {nobody} of {n_rows} rows; every row has one.")
    return np.array([str(name) for name in accounts], dtype=object)


def _frame(table: pa.Table) -> pd.DataFrame:
    """Hold every column in pandas, a named index that was written from there among them."""
    import pandas as pd

    numbers = [name for name in table.column_names if re.fullmatch(_UNNAMED_INDEX, name)]
    held: pd.DataFrame = table.drop_columns(numbers).to_pandas(
        ignore_metadata=True, types_mapper=pd.ArrowDtype
    )
    return held
