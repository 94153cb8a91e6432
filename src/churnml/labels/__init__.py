"""Who can be predicted at each cutoff, and who then left."""

from churnml.labels.flat import label_column
from churnml.labels.specs import (
    ColumnLabel,
    Cutoffs,
    Every,
    HistorySpec,
    InactivityLabel,
    LabelSpec,
    OutcomeLabel,
    SubscriptionLabel,
)
from churnml.labels.table import Labels, asked, label, population, under_notice

__all__ = [
    "ColumnLabel",
    "Cutoffs",
    "Every",
    "HistorySpec",
    "InactivityLabel",
    "LabelSpec",
    "Labels",
    "OutcomeLabel",
    "SubscriptionLabel",
    "asked",
    "label",
    "label_column",
    "population",
    "under_notice",
]
