from __future__ import annotations

import json

import pytest

from churnml.errors import ConfigError, FeatureError
from churnml.features.snapshot import from_snapshot, keep, to_snapshot
from churnml.project import Project


def test_a_catalogue_survives_json_to_the_fingerprint(company: Project) -> None:
    catalogue = company.catalogue
    again = from_snapshot(json.loads(json.dumps(to_snapshot(catalogue))), "manifest")
    assert again.fingerprint == catalogue.fingerprint
    assert again.titles == catalogue.titles
    assert again.columns == catalogue.columns
    assert [f.bounds for f in again.features] == [f.bounds for f in catalogue.features]


def test_what_was_kept_survives_too(company: Project) -> None:
    formulas = [f for f in company.catalogue.features if f.entry.formula is not None]
    kept = keep(company.catalogue, tuple(f.name for f in formulas if not f.entry.internal)[:2])
    assert len(kept.columns) == 2
    assert len(kept.features) > 2  # what the formulas read, but no column
    again = from_snapshot(to_snapshot(kept), "manifest")
    assert again.fingerprint == kept.fingerprint
    assert again.columns == kept.columns


def test_keeping_an_unknown_column_names_the_nearest(company: Project) -> None:
    with pytest.raises(FeatureError, match=r"no feature 'events_28'\. Did you mean 'events_28d'\?"):
        keep(company.catalogue, ("events_28",))


def test_a_snapshot_of_another_version_is_refused(company: Project) -> None:
    content = to_snapshot(keep(company.catalogue, ("events_28d",)))
    content["features"][0]["entry"]["windws"] = [7]
    with pytest.raises(ConfigError, match=r"manifest: unknown key .*windws"):
        from_snapshot(content, "manifest")
