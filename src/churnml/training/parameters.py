"""Parameters of the estimator, checked as those of a recipe are, and called by their own names."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, TypeVar

import numpy as np
from pydantic import ValidationError

from churnml.config import FrozenModel

Spec = TypeVar("Spec", bound=FrozenModel)

# What the estimator calls otherwise than a recipe does.
_CALLED = MappingProxyType(
    {"seed": "random_state", "num_threads": "n_jobs", "method": "calibration"}
)


def checked(spec: type[Spec], given: Mapping[str, Any]) -> Spec:
    """Build what a model is made by.

    Parameters
    ----------
    spec : type
        What to build.
    given : mapping
        Its values, by a recipe's names. Numbers and text may be numpy's, sequences of any kind.

    Raises
    ------
    ValueError
        If one is out of bounds, by the name that the estimator has for it.
    """
    try:
        return spec.model_validate({name: _python(value) for name, value in given.items()})
    except ValidationError as error:
        fault = error.errors()[0]
        name = str(fault["loc"][0]) if fault["loc"] else "shapes"  # alone judged as a whole
        said = fault["msg"].removeprefix("Value error, ").replace("Input should", "it should")
        raise ValueError(f"{_CALLED.get(name, name)} is {given[name]!r}; {said}.") from error


def _python(value: Any) -> Any:
    """Take numpy's numbers and text for Python's, and any sequence for a tuple."""
    if isinstance(value, np.generic):
        return value.item()
    return tuple(map(_python, value)) if isinstance(value, list | tuple | np.ndarray) else value
