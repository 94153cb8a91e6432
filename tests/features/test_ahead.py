from __future__ import annotations

from pathlib import Path

from churnml.features.ahead import days_ahead
from churnml.project import Project


def test_of_the_shipped_features_the_renewal_lies_ahead(root: Path) -> None:
    project = Project.load(root)
    contracts = project.sources.tables_declared()
    assert days_ahead(project.catalogue, contracts) == ("days_to_renewal",)
    assert days_ahead(project.catalogue, {}) == ()
