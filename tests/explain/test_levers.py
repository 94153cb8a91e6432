from __future__ import annotations

from pathlib import Path

from churnml.explain.levers import Lever, Levers, find_levers
from churnml.features.catalogue import Catalogue, read_catalogue
from churnml.history.tables import STANDARD

ENTRY = """
[[feature]]
name = "{name}"
{what}
description = "{name}"
unit = "count"
sentence = "{{value}}"
actionable = {acted}
internal = {hidden}
"""
COUNT = 'table = "usage"\naggregate = "count"'


def of(folder: Path, *entries: tuple[str, str, bool, bool]) -> Levers:
    text = 'family = "usage"\ntitle = "Use"\n' + "".join(
        ENTRY.format(name=name, what=what, acted=str(acted).lower(), hidden=str(hidden).lower())
        for name, what, acted, hidden in entries
    )
    path = folder / "usage.toml"
    path.write_text(text, encoding="utf-8")
    catalogue = read_catalogue([path], STANDARD)
    return find_levers(catalogue, catalogue.columns, numbers=catalogue.columns, texts=())


def test_windows_move_together_and_what_a_formula_makes_of_them_is_computed(
    acting: Catalogue,
) -> None:
    numbers = [name for name in acting.columns if name != "plan"]
    found = find_levers(acting, acting.columns, numbers=numbers, texts=["plan"])
    assert found.families == (
        Lever("usage", "Use", ("active_days_7d", "active_days_28d"), ()),
        Lever("support", "Support", ("urgent_tickets_91d", "csat_last"), ("tickets_91d",)),
    )
    (formula,) = found.formulas
    assert (formula.name, formula.is_column) == ("active_days_change_28d", True)
    assert formula.reads == {"active_days_28d", "active_days_prev_28d"}
    assert "plan" not in found.movable


def test_what_a_formula_makes_of_hidden_columns_is_taken_over(tmp_path: Path) -> None:
    found = of(
        tmp_path,
        ("opened", COUNT, False, True),
        ("closed", COUNT, False, True),
        ("open", 'formula = "opened - closed"', True, False),
    )
    assert found.families[0].features == ("open",)
    assert found.formulas == ()


def test_a_formula_of_what_stays_and_of_hidden_columns_stays(tmp_path: Path) -> None:
    found = of(
        tmp_path,
        ("people", COUNT, False, False),
        ("most", COUNT, False, True),
        ("logins", COUNT, True, False),
        ("share", 'formula = "(logins + people) / most"', True, False),
    )
    assert found.movable == frozenset()


def test_what_a_formula_that_stays_reads_stays(tmp_path: Path) -> None:
    found = of(
        tmp_path,
        ("logins", COUNT, True, False),
        ("edits", COUNT, True, False),
        ("halved", 'formula = "logins / 2"', True, False),
        ("quartered", 'formula = "halved / 2"', False, False),
    )
    assert found.families[0].features == ("edits",)
    assert found.formulas == ()


def test_a_step_that_is_no_column_is_computed_on_the_way(tmp_path: Path) -> None:
    found = of(
        tmp_path,
        ("people", COUNT, False, False),
        ("target", 'formula = "people / 2"', False, True),
        ("logins", COUNT, True, False),
        ("gap", 'formula = "logins - target"', True, False),
    )
    assert [(item.name, item.is_column) for item in found.formulas] == [
        ("target", False),
        ("gap", True),
    ]
    assert found.formulas[1].reads == {"people", "logins"}


def test_what_holds_neither_numbers_nor_text_stays(acting: Catalogue) -> None:
    found = find_levers(acting, acting.columns, numbers=["csat_last"], texts=["plan"])
    assert [lever.features for lever in found.families] == [("csat_last",)]
