"""Risk tiers: bands of the calibrated probability of churn."""

from __future__ import annotations

from bisect import bisect_right
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Self

from pydantic import Field, model_validator

from churnml.config import FrozenModel, read_model
from churnml.errors import DataError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class RiskTier(StrEnum):
    """How likely an account is to leave, in four steps."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"


_NAMES = tuple(RiskTier)


class RiskTiers(FrozenModel):
    """The probability at which each tier begins; what is below `medium` is low.

    Parameters
    ----------
    medium, high, critical : float
        Calibrated probabilities, each above the one before. Raise one when its tier holds more
        accounts than its owners can attend to.
    """

    medium: float = Field(gt=0, lt=1)
    high: float = Field(gt=0, lt=1)
    critical: float = Field(gt=0, lt=1)

    @model_validator(mode="after")
    def _ascending(self) -> Self:
        if not self.medium < self.high < self.critical:
            raise ValueError(
                f"medium = {self.medium}, high = {self.high}, critical = {self.critical}; "
                "expected each above the one before"
            )
        return self

    def tiers(self, probabilities: NDArray[np.float64]) -> tuple[RiskTier, ...]:
        """Name the tier of every probability.

        Parameters
        ----------
        probabilities : ndarray (n_accounts,)
            Calibrated probabilities of churn.

        Returns
        -------
        tuple of RiskTier
            One for each; a probability equal to a bound belongs to the tier that begins there.

        Raises
        ------
        DataError
            If a value is missing or outside 0 to 1.
        """
        outside = ~((probabilities >= 0) & (probabilities <= 1))
        if outside.any():
            raise DataError(
                f"{int(outside.sum())} of {len(probabilities)} probabilities are no number between "
                f"0 and 1; the first is {probabilities[outside][0]}."
            )
        bounds = self.medium, self.high, self.critical
        return tuple(_NAMES[bisect_right(bounds, value)] for value in probabilities.tolist())


class _TiersFile(FrozenModel):
    risk: RiskTiers


def read_tiers(path: Path) -> RiskTiers:
    """Read the risk tiers of ``serving/tiers.toml``.

    Raises
    ------
    ConfigError
        If the file is missing, is not TOML, or its bounds do not ascend between 0 and 1.
    """
    return read_model(_TiersFile, path).risk
