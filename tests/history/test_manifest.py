"""What ingestion says of clean history is read back, or refused."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
from pathlib import Path

import pytest

from churnml.errors import SourceError
from churnml.history.manifest import MANIFEST, read_manifest
from churnml.history.tables import STANDARD


def test_contracts_are_read_back_as_they_were(tmp_path: Path) -> None:
    tables = {
        name: {"rows": 1, "fingerprint": name * 2, "contract": dataclasses.asdict(table)}
        for name, table in STANDARD.items()
    }
    content = {"observed_until": "2026-01-01T00:00:00", "tables": tables}
    (tmp_path / MANIFEST).write_text(json.dumps(content), encoding="utf-8")
    manifest = read_manifest(tmp_path)
    assert manifest.observed_until == dt.datetime(2026, 1, 1)
    assert {name: entry.contract for name, entry in manifest.tables.items()} == STANDARD
    assert manifest.tables["usage"].fingerprint == "usageusage"


def test_no_manifest_means_no_history(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"no clean history here .*Run `churnml check`"):
        read_manifest(tmp_path)


HEAD = '{"observed_until": "2026-01-01", "tables": {"usage": {"fingerprint": "", '


@pytest.mark.parametrize(
    "content",
    [
        "{",
        "[]",
        '{"tables": {}}',
        '{"observed_until": "soon", "tables": {}}',
        '{"observed_until": "2026-01-01", "tables": {"usage": {"fingerprint": ""}}}',
        HEAD + '"contract": {"columns": [{"kind": "colour", "choices": []}]}}}}',
        HEAD + '"contract": {"columns": [], "key": [], "colour": 1}}}}',
    ],
)
def test_a_damaged_manifest_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / MANIFEST).write_text(content, encoding="utf-8")
    with pytest.raises(SourceError, match=r"manifest\.json: damaged, or written by another"):
        read_manifest(tmp_path)
