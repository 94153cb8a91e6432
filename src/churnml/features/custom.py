"""Custom features: functions of a project's own, called through the as-of view."""

from __future__ import annotations

import importlib
import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from churnml.errors import FeatureError
from churnml.features.values import Type, Values
from churnml.history.asof import History, instant_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from churnml.features.entries import Feature
    from churnml.features.facts import Program
    from churnml.history.asof import AsOfView


def run_functions(
    program: Program, history: History, accounts: Sequence[str], cutoffs: NDArray[np.int64]
) -> dict[str, Values]:
    """Compute the custom features of a program, one cutoff at a time.

    Parameters
    ----------
    program : Program
        What to compute.
    history : History
        What the functions may see, as of each cutoff.
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
        If a function cannot be imported, or returns what is not one number or None an account.
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
    found = function(view, accounts)
    if len(found) != len(accounts):
        raise FeatureError(
            f"feature {feature.name!r}: {feature.entry.function} returned {len(found)} "
            f"values for {len(accounts)} accounts; expected one each, None where unknown."
        )
    numbers = []
    for account, value in zip(accounts, found, strict=True):
        try:
            number = math.nan if value is None else float(value)
        except (TypeError, ValueError) as error:
            raise _not_a_number(feature, account, value) from error
        if math.isinf(number):
            raise _not_a_number(feature, account, value)
        numbers.append(number)
    return numbers


def _not_a_number(feature: Feature, account: str, value: object) -> FeatureError:
    return FeatureError(
        f"feature {feature.name!r}: {feature.entry.function} returned {value!r} for account "
        f"{account!r}; expected a finite number, or None where unknown."
    )


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
        If there is no such module or function.
    """
    module, _, attribute = name.partition(":")
    try:
        function = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise FeatureError(
            f"custom feature function {name!r} cannot be imported: {error}. "
            'Expected "package.module:function" on the Python path.'
        ) from error
    if not callable(function):
        raise FeatureError(
            f"custom feature function {name!r} is a {type(function).__name__}, not a function."
        )
    return function  # type: ignore[no-any-return]
