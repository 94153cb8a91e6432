"""Evidence: the words that show what was read in a text, by the column that they show."""

from __future__ import annotations

import json
from collections.abc import Mapping


def write_evidence(shown: Mapping[str, str]) -> str | None:
    """Write evidence for the table of readings; none where there is none."""
    return json.dumps(shown, ensure_ascii=False) if shown else None


def read_evidence(written: str | None) -> dict[str, str]:
    """Read evidence; what a source wrote otherwise shows nothing."""
    try:
        found = json.loads(written or "{}")
    except json.JSONDecodeError:
        return {}
    if not isinstance(found, dict):
        return {}
    return {name: words for name, words in found.items() if isinstance(words, str)}
