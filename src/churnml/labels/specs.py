"""What a recipe says of its label and its cutoffs."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Literal, Self, TypeAlias

from pydantic import Field, model_validator

from churnml.config import FrozenModel

Involuntary: TypeAlias = Literal["exclude", "churn", "retained"]


class HistoryLabel(FrozenModel):
    """What labels cut from history have in common.

    Parameters
    ----------
    lead_days : int
        Days between the cutoff and the label window. More lead gives the team time to act, and
        keeps out accounts that have all but left; it makes the task harder.
    horizon_days : int
        Days the label window lasts. A longer one finds more churn, and is observed later.
    settle_days : int
        Days after the label window (and the grace) that facts take to be recorded. Too few, and a
        churn that is recorded late is 0 in the newest rows, and teaches tests that it could not
        have been known at; too many cost the newest rows. The data sheet of a training tells how
        late this history is recorded.
    """

    lead_days: int = Field(default=0, ge=0, le=3650)
    horizon_days: int = Field(default=90, ge=1, le=3650)
    settle_days: int = Field(default=7, ge=0, le=3650)

    @property
    def reach_days(self) -> int:
        """Days past the cutoff that must be observed before the label is known."""
        return self.lead_days + self.horizon_days + self.settle_days

    @property
    def given(self) -> tuple[str, ...]:
        """What probabilities take for granted: rows are left out where it turned out otherwise."""
        return ()


class ContractLabel(HistoryLabel):
    """What labels have in common that know of ends, and of why.

    Parameters
    ----------
    involuntary : str
        What to do with churn for want of payment: count it as ``retained``, so that churn is
        leaving of one's own will; count it as ``churn``; or ``exclude`` its rows. Excluding picks
        rows by what happened later: probabilities then hold for accounts that will pay, and who
        they are nobody knows at the cutoff.
    """

    involuntary: Involuntary = "retained"

    @property
    def given(self) -> tuple[str, ...]:
        """What probabilities take for granted: rows are left out where it turned out otherwise."""
        lead = (f"the account stays through the lead of {self.lead_days} days",)
        paid = ("the account does not leave for want of payment in the label's window",)
        return lead * bool(self.lead_days) + paid * (self.involuntary == "exclude")


class SubscriptionLabel(ContractLabel):
    """Churn is the end of paid coverage.

    An account is covered by the union of its terms, each from ``started_at`` to ``terminated_at``
    or ``ends_at``; an open-ended term that was cancelled ends at ``cancelled_at``. It churns at the
    end of coverage that no term follows within the grace.

    Parameters
    ----------
    grace_days : int
        The longest gap between terms that is a late renewal and no churn. The label is known only
        after it has passed.
    exclude_under_notice : bool
        Whether accounts that had already given notice are left out. Scoring them is easy and
        pointless, and training on them teaches the model to find notices.
    """

    kind: Literal["subscriptions"] = "subscriptions"
    grace_days: int = Field(default=30, ge=0, le=365)
    exclude_under_notice: bool = True

    @property
    def reach_days(self) -> int:
        """Days past the cutoff that must be observed before the label is known."""
        return super().reach_days + self.grace_days


class InactivityLabel(HistoryLabel):
    """Churn is silence: an account active before the cutoff does nothing in the label window.

    Parameters
    ----------
    table : str
        The table whose rows are activity.
    events : tuple of str
        The values of the table's dimension that count; all when empty.
    active_days : int
        An account is in the population if it was active this many days before the cutoff. Shorter
        leaves out accounts that are long gone, which are easy to call.
    """

    kind: Literal["inactivity"]
    table: str = "usage"
    events: tuple[str, ...] = ()
    active_days: int = Field(default=180, ge=1, le=3650)


class OutcomeLabel(ContractLabel):
    """Churn is what the business recorded as churned in the table ``outcomes``.

    An account is in the population from its creation on, unless its last known outcome is a churn;
    a later outcome of another kind brings it back.
    """

    kind: Literal["outcomes"]

    @property
    def given(self) -> tuple[str, ...]:
        """What probabilities take for granted: rows are left out where it turned out otherwise."""
        return ("the account has not left already, without a record of it", *super().given)


class ColumnLabel(FrozenModel):
    """Churn is a column of a flat table that holds features and label together.

    Parameters
    ----------
    file : str
        The table, CSV or Parquet, relative to the project's root.
    column : str
        The column that holds the label.
    positive : bool, int or str
        Its value for churn; every other value is no churn, a missing one drops the row.
    id : str, optional
        The column that names the account; the row's number where there is none.
    time : str, optional
        The column that holds the cutoff of each row, as the clock showed it in the zone that the
        row names. Without one a test out of time is impossible.
    horizon_days : int, optional
        How far past its time a row's label looks; required with `time`, by which splits are purged.
    arr : str, optional
        The column that holds annual recurring revenue.
    """

    kind: Literal["column"]
    file: str
    column: str
    positive: bool | int | str
    id: str | None = None
    time: str | None = None
    horizon_days: int | None = Field(default=None, ge=0, le=3650)
    arr: str | None = None

    @model_validator(mode="after")
    def _time_has_a_horizon(self) -> Self:
        if (self.time is None) != (self.horizon_days is None):
            raise ValueError(
                "time and horizon_days go together: give both for a test out of time, or neither"
            )
        return self

    @property
    def reach_days(self) -> int:
        """Days past the cutoff that must be observed before the label is known."""
        return self.horizon_days or 0


HistorySpec: TypeAlias = SubscriptionLabel | InactivityLabel | OutcomeLabel
LabelSpec: TypeAlias = Annotated[HistorySpec | ColumnLabel, Field(discriminator="kind")]


class Every(FrozenModel):
    """A calendar of equal steps.

    Parameters
    ----------
    days : int
        The step, counted from `Cutoffs.first`, or from the first midnight of the data.
    """

    days: int = Field(ge=1, le=3650)


class Cutoffs(FrozenModel):
    """At which instants to predict; always 00:00 UTC.

    Parameters
    ----------
    every : "month" or Every, optional
        A calendar for all accounts alike; ``"month"`` is the first of each month, and the default.
    days_before_renewal : int, optional
        Instead of a calendar: each account this many days before the end of each of its terms, so
        far as the term was known by then. The model is then asked about no account whose renewal
        lies farther ahead.
    first, last : date, optional
        The earliest and the latest cutoff; as far as the data reaches when omitted. Give `first`
        to leave out a time in which history was not yet recorded fully.
    """

    every: Literal["month"] | Every | None = None
    days_before_renewal: int | None = Field(default=None, ge=1, le=3650)
    first: dt.date | None = None
    last: dt.date | None = None

    @model_validator(mode="after")
    def _one_of_two(self) -> Self:
        if self.every is not None and self.days_before_renewal is not None:
            raise ValueError("give every, or days_before_renewal, but not both")
        if self.first is not None and self.last is not None and self.last < self.first:
            raise ValueError(f"last = {self.last} is before first = {self.first}")
        return self
