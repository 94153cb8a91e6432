"""Custom features: functions of a project's own, called through the as-of view."""

from __future__ import annotations

import importlib
import math
import sys
import traceback
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from churnml.errors import FeatureError
from churnml.features.values import Type, Values
from churnml.history.asof import History, instant_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from churnml.features.entries import Feature
    from churnml.features.facts import Program
    from churnml.history.asof import AsOfView


def run_functions(
    history: History, program: Program, accounts: Sequence[str], cutoffs: NDArray[np.int64]
) -> dict[str, Values]:
    """Compute the custom features of a program, one cutoff at a time.

    Parameters
    ----------
    history : History
        What the functions may see, as of each cutoff.
    program : Program
        What to compute.
    accounts : sequence of str, of length n_pairs
        The account of each pair.
    cutoffs : ndarray of int64 (n_pairs,)
        The cutoff of each pair, microseconds UTC.

    Returns
    -------
    dict of str to Values
        One column of numbers a custom feature.

    Raises
    ------
    FeatureError
        If a function cannot be imported, fails, or returns what is not one number or None for each
        account in their order.
    """
    columns = {}
    for feature in program.custom:
        function = load_function(feature.entry.function or "")
        data = np.full(len(accounts), np.nan)
        for cutoff in np.unique(cutoffs).tolist():
            places = np.flatnonzero(cutoffs == cutoff)
            asked = tuple(accounts[place] for place in places.tolist())
            data[places] = _called(feature, function, history.as_of(instant_of(cutoff)), asked)
        columns[feature.name] = Values(Type.NUMBER, data, ~np.isnan(data))
    return columns


def _called(
    feature: Feature,
    function: Callable[[AsOfView, tuple[str, ...]], Sequence[Any]],
    view: AsOfView,
    accounts: tuple[str, ...],
) -> list[float]:
    """Call a custom feature; NaN where it gives no value."""
    try:
        found = function(view, accounts)
    except Exception as error:  # it may raise anything, and whose code it was must be said
        raise FeatureError(
            f"feature {feature.name!r}: {feature.entry.function} failed at cutoff {view.cutoff}: "
            f"{_told(error, function.__module__)}."
        ) from error
    values = _listed(feature, found, accounts)
    if len(values) != len(accounts):
        raise FeatureError(
            f"feature {feature.name!r}: {feature.entry.function} returned {len(values)} "
            f"values for {len(accounts)} accounts; expected one each, None where unknown."
        )
    return [_number(feature, *pair) for pair in zip(accounts, values, strict=True)]


def _listed(feature: Feature, found: object, accounts: Sequence[str]) -> Sequence[Any]:
    """List what a custom feature returned, where its order can be trusted to be the accounts'."""
    if isinstance(found, pa.Array | pa.ChunkedArray):
        return found.to_pylist()  # type: ignore[no-any-return]
    # A function that returns a series has imported pandas; for others it is not worth the time.
    pandas = sys.modules.get("pandas")
    if pandas is not None and isinstance(found, pandas.Series):
        index = found.index.tolist()
        if index not in (list(range(len(found))), list(accounts)):
            raise FeatureError(
                f"feature {feature.name!r}: {feature.entry.function} returned a Series whose index "
                "is not the accounts in the order given, so that values would go to the wrong "
                "ones. Return it with `.reindex(list(accounts))`."
            )
        return [None if value is pandas.NA else value for value in found.tolist()]
    if isinstance(found, str | bytes) or not isinstance(found, Sequence | np.ndarray):
        raise FeatureError(
            f"feature {feature.name!r}: {feature.entry.function} returned a "
            f"{type(found).__name__}; expected a list of one number for each account, in the order "
            "given, None where unknown."
        )
    return list(found)


def _number(feature: Feature, account: str, value: Any) -> float:
    try:
        number = math.nan if value is None else float(value)
    except (TypeError, ValueError, OverflowError) as error:
        raise _not_a_number(feature, account, value) from error
    if math.isinf(number) or isinstance(value, str | bytes):
        raise _not_a_number(feature, account, value)
    return number


def _not_a_number(feature: Feature, account: str, value: object) -> FeatureError:
    return FeatureError(
        f"feature {feature.name!r}: {feature.entry.function} returned {value!r} for account "
        f"{account!r}; expected a finite number, or None where unknown."
    )


def _told(error: Exception, module: str) -> str:
    """Say what went wrong in a module of the project's own, and in which line of it."""
    file = getattr(sys.modules.get(module), "__file__", None)
    frames = traceback.extract_tb(error.__traceback__)
    lines = [frame.lineno for frame in frames if frame.filename == file]
    place = f" ({file}, line {lines[-1]})" if lines else ""
    return f"{type(error).__name__}: {str(error).rstrip('.')}{place}"


def load_function(name: str) -> Callable[[AsOfView, tuple[str, ...]], Sequence[float | None]]:
    """Import the function of a custom feature.

    Parameters
    ----------
    name : str
        ``"package.module:function"``. It is called with an as-of view and a tuple of accounts, and
        returns one number or None for each.

    Raises
    ------
    FeatureError
        If there is no such module or function, or the module fails while it is imported.
    """
    module, _, attribute = name.partition(":")
    try:
        function = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise FeatureError(
            f"custom feature function {name!r} cannot be imported: {error}. "
            'Expected "package.module:function" on the Python path.'
        ) from error
    except Exception as error:  # the module's own code runs, and may raise anything
        raise FeatureError(
            f"custom feature function {name!r} cannot be imported: {type(error).__name__}: {error}."
        ) from error
    if not callable(function):
        raise FeatureError(
            f"custom feature function {name!r} is a {type(function).__name__}, not a function."
        )
    return function  # type: ignore[no-any-return]
