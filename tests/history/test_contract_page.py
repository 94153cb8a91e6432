from __future__ import annotations

from pathlib import Path

from churnml.history.contract_page import page


def test_the_page_is_what_the_code_says(root: Path) -> None:
    written = (root / "docs" / "data-contract.md").read_text(encoding="utf-8")

    assert written == page(), "run python -m churnml.history.contract_page > docs/data-contract.md"


def test_the_page_says_when_a_column_is_known() -> None:
    assert "| `csat` | number | at `csat_at` | ≥ 1; ≤ 5 | the customer's rating, 1 to 5 |" in page()
    assert "| `resolved_at` | time | at itself | not before `opened_at` |" in page()
