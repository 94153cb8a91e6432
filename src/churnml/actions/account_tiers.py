"""Account tiers: how large an account is, by what it pays a year."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Self

import numpy as np
from pydantic import Field, model_validator

from churnml.config import FrozenModel

if TYPE_CHECKING:
    from numpy.typing import ArrayLike


class AccountTier(StrEnum):
    """How large an account is, the smallest first."""

    STARTER = "starter"
    PROFESSIONAL = "professional"
    BUSINESS = "business"
    ENTERPRISE = "enterprise"
    VIP = "vip"


class AccountTiers(FrozenModel):
    """The annual recurring revenue that bounds each tier; below `professional` lie starters.

    Parameters
    ----------
    professional, business, enterprise : float
        The least ARR of the tier.
    vip : float
        The ARR above which an account is a VIP; just so much is still enterprise.
    """

    professional: float = Field(default=1_000.0, gt=0)
    business: float = Field(default=10_000.0, gt=0)
    enterprise: float = Field(default=50_000.0, gt=0)
    vip: float = Field(default=100_000.0, gt=0)

    @model_validator(mode="after")
    def _ascending(self) -> Self:
        bounds = self.professional, self.business, self.enterprise, self.vip
        if sorted(set(bounds)) != list(bounds):
            raise ValueError(f"bounds {', '.join(map(str, bounds))}; expected each above the last")
        return self

    def tiers(self, arr: ArrayLike) -> tuple[AccountTier | None, ...]:
        """Name the tier of every account.

        Parameters
        ----------
        arr : array-like (n_accounts,)
            Annual recurring revenue; nan where it is not known.

        Returns
        -------
        tuple of AccountTier or None
            None where ARR is not known.
        """
        values = np.asarray(arr, dtype=np.float64)
        lower = self.professional, self.business, self.enterprise
        places = np.searchsorted(lower, values, side="right") + (values > self.vip)
        names = tuple(AccountTier)
        known = np.isfinite(values)
        return tuple(
            names[int(place)] if there else None for place, there in zip(places, known, strict=True)
        )
