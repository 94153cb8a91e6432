"""What the OpenAPI document says of bodies and answers.

Bodies are read by `churnml.serving.rows` and by these models; answers are made by
`churnml.serving.answers`, and tests hold them to these models.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

ID_LENGTH = 256  # characters of an account's name
ISO_TIME = r"^\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d{1,6})?)?(Z|[+-]\d\d:\d\d)?)?$"

AccountId = Annotated[str, Field(min_length=1, max_length=ID_LENGTH)]
# PostgreSQL keeps no NUL in a text.
EventName = Annotated[str, Field(min_length=1, max_length=ID_LENGTH, pattern=r"^[^\x00]*$")]
TIMES = "ISO 8601; UTC where no zone is given."
Time = Annotated[str, Field(pattern=ISO_TIME, description=TIMES)]
FeatureValue = float | bool | str | None
RiskTierName = Literal["low", "medium", "high", "critical"]


class Body(BaseModel):
    """What is sent: no unknown name, no other type, no number that is none."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class FeatureRow(Body):
    """One row of features: all that `GET /v1/model` lists, null where a value is not known."""

    features: dict[str, FeatureValue]
    account_id: AccountId | None = None
    as_of: Time | None = None
    arr: float | None = None


class FeatureRows(Body):
    """Rows of features."""

    rows: list[FeatureRow] = Field(min_length=1, max_length=1000)


class AccountsToScore(Body):
    """Accounts to score from history."""

    account_ids: list[AccountId] = Field(
        min_length=1, max_length=100, json_schema_extra={"uniqueItems": True}
    )
    as_of: Time | None = None


class HistoryToScore(Body):
    """All that is known of one account."""

    account_id: AccountId
    as_of: Time | None = Field(
        default=None, description="Just after the newest time known of the rows, if not given."
    )
    tables: dict[str, list[dict[str, Any]]] = Field(
        description="Rows by table: the columns of its contract, of which `account_id` may be left "
        "out; a time without a zone is UTC."
    )


class WhatIf(Body):
    """An account, by id or by all its features, and what would be another of it."""

    account_id: AccountId | None = None
    features: dict[str, FeatureValue] | None = None
    as_of: Time | None = None
    arr: float | None = Field(default=None, description="Beside `features` alone.")
    changes: dict[str, FeatureValue] = Field(
        min_length=1, description="Other values of features that somebody can act on."
    )


class Event(Body):
    """A row of history."""

    id: EventName = Field(description="Names it, among those of its source.")
    table: str = Field(max_length=ID_LENGTH, description="Of which table it is a row.")
    row: dict[str, Any] = Field(
        description="The columns of the table's contract; a time without a zone is UTC."
    )


class EventsToKeep(Body):
    """Rows of history, of one source."""

    source: EventName = Field(description="What posts them.")
    events: list[Event] = Field(min_length=1, max_length=1000)


class Document(BaseModel):
    """What is answered."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class IntervalDocument(Document):
    """Within which the account's own probability lies."""

    low: float
    high: float
    level: float


class BaseDocument(Document):
    """What would be said of an account of which nothing is known."""

    log_odds: float
    probability: float


class ReasonDocument(Document):
    """A family's share.

    With `base` all `log_odds` add up to that of the score, and all `points` to its per cent.
    """

    family: str
    title: str
    feature: str
    sentence: str
    actionable: bool
    log_odds: float
    points: float


class ModelName(Document):
    """What gave an answer."""

    recipe: str
    bundle: str
    role: str
    catalogue: str | None


class FamilyDifference(Document):
    """What a family says more than it did, in log-odds."""

    family: str
    title: str
    log_odds: float


class Difference(Document):
    """The plain difference of two answers; `base` and all families add up to `log_odds`."""

    points: float = Field(description="Of the probability, in percentage points.")
    log_odds: float
    base: float = Field(description="Log-odds that are of no family.")
    families: list[FamilyDifference] = Field(description="The heaviest first.")


class ChangedDocument(Difference):
    """What is another than in the last answer about the account, by the same recipe."""

    scored_at: str = Field(description="When that answer was given.")
    as_of: str | None
    bundle: str
    probability: float = Field(ge=0, le=1)
    risk_tier: RiskTierName


class ScoreDocument(Document):
    """A score."""

    account_id: str | None
    as_of: str | None
    scored_at: str | None = Field(description="When it was written to the ledger.")
    probability: float = Field(ge=0, le=1)
    interval: IntervalDocument
    risk_tier: RiskTierName
    account_tier: Literal["starter", "professional", "business", "enterprise", "vip"] | None
    arr: float | None
    arr_at_risk: float | None
    survival: list[float] = Field(description="Still there at the end of each period.")
    log_odds: float
    base: BaseDocument
    reasons: list[ReasonDocument]
    thin: str | None = Field(description="Why there is too little history to go by.")
    in_hindsight: bool = Field(description="Whether the model learnt what came after `as_of`.")
    unseen: dict[str, str] = Field(description="Values the model never learnt from, as missing.")
    stale: list[str] = Field(description="Tables that had gone quiet before `as_of`.")
    model: ModelName
    changed: ChangedDocument | None = Field(
        default=None,
        description="Since the last answer about the account, if there was one; by accounts alone.",
    )


class ScoreDocuments(Document):
    """Scores, in the order of the rows."""

    scores: list[ScoreDocument]


class NotScored(Document):
    """An account that is not scored."""

    account_id: str
    why: str


class AccountScoresDocument(Document):
    """Scores of accounts, in the order they were asked for, and who has none."""

    scores: list[ScoreDocument]
    not_scored: list[NotScored]


class ScoreHistory(Document):
    """Past answers, the last first."""

    scores: list[ScoreDocument]
    next: str | None = Field(description="The cursor of the next page; null on the last.")


class EventsKept(Document):
    """What became of events."""

    accepted: int = Field(description="Those that are new.")
    repeated: int = Field(description="Those that had been kept before.")


class MovedFeature(Document):
    """A feature whose value is another."""

    feature: str
    before: FeatureValue
    after: FeatureValue
    given: bool = Field(description="False where it was computed anew from what was given.")


class WhatIfDocument(Document):
    """Two answers, and what is between them."""

    before: ScoreDocument
    after: ScoreDocument
    difference: Difference
    moved: list[MovedFeature]
    warnings: list[str] = Field(description="What of the changed row cannot be true together.")


class FeatureDocument(Document):
    """A feature that the model reads."""

    name: str
    kind: Literal["number", "boolean", "category", "date"]
    family: str
    unit: str | None
    description: str | None
    actionable: bool
    values: list[str] | None


class MetricDocument(Document):
    """A metric, measured out of time, with its 95 % interval."""

    value: float | None
    low: float | None
    high: float | None


class Training(Document):
    """How the model came about."""

    at: str
    learned_until: str | None
    rows: int
    accounts: int
    churned: int
    fingerprints: dict[str, str]
    churnml: str
    lightgbm: str


class ModelCard(ModelName):
    """The model that answers."""

    predicts: dict[str, Any]
    given: list[str]
    periods: int
    tiers: dict[str, float]
    interval_level: float
    features: list[FeatureDocument]
    metrics: dict[str, MetricDocument]
    trained: Training


class ModelVersion(Document):
    """A version of the model."""

    bundle: str
    roles: list[Literal["champion", "latest"]]
    answers: bool = Field(description="Whether it is the one that answers now.")
    promoted_at: str | None = Field(description="When it was last put in charge.")
    trained_at: str
    learned_until: str | None
    rows: int
    accounts: int
    churned: int
    metrics: dict[str, MetricDocument]
    churnml: str


class ModelVersions(Document):
    """The versions of a recipe's model, the latest first."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "recipe": "churn_90d",
                    "models": [
                        {
                            "bundle": "7127df9c70b2c4a1e0d35f6f1b9a8e7d6c5b4a39281706f5e4d3c2b1",
                            "roles": ["champion", "latest"],
                            "answers": True,
                            "promoted_at": "2026-07-01T06:00:00Z",
                            "trained_at": "2026-07-01T05:00:00.125000Z",
                            "learned_until": "2026-03-25T00:00:00Z",
                            "rows": 9000,
                            "accounts": 1500,
                            "churned": 700,
                            "metrics": {"auc": {"value": 0.875, "low": 0.85, "high": 0.9}},
                            "churnml": "0.1.0",
                        }
                    ],
                    "damaged": [],
                }
            ]
        }
    )

    recipe: str
    models: list[ModelVersion]
    damaged: list[str] = Field(description="Folders of bundles that cannot be read.")


class FaultDocument(Document):
    """What is wrong at one place."""

    at: str
    why: str


class ProblemDocument(Document):
    """A problem, by RFC 9457."""

    type: str
    title: str
    status: int
    detail: str
    request_id: str
    faults: list[FaultDocument] = []


class Alive(Document):
    """That the process answers."""

    status: Literal["alive"]


class Check(Document):
    """One thing that answers depend on."""

    ok: bool
    says: dict[str, Any]


class Readiness(Document):
    """Whether answers can be given."""

    status: Literal["ready", "not ready"]
    checks: dict[str, Check]


BODIES = (
    FeatureRow,
    FeatureRows,
    AccountsToScore,
    HistoryToScore,
    WhatIf,
    EventsToKeep,
    ProblemDocument,
)
