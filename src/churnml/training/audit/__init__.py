"""The leakage audit: what a training table could not have known at its cutoffs."""

from __future__ import annotations

from churnml.training.audit.findings import Audit, Check, Finding, Level, Looked
from churnml.training.audit.inspection import audit

__all__ = ["Audit", "Check", "Finding", "Level", "Looked", "audit"]
