"""What of a changed row cannot be true beside the rest of it."""

from __future__ import annotations

import pytest

from churnml.explain.contradictions import ChangedRow, contradictions
from churnml.explain.levers import find_levers
from churnml.explain.reasons import Value
from churnml.features.catalogue import Catalogue, read_catalogue
from churnml.history.tables import STANDARD

OWN: dict[str, Value] = {
    "active_days_7d": 2.0,
    "active_days_28d": 9.0,
    "active_days_prev_28d": 10.0,
    "active_days_change_28d": -1.0,
    "tickets_91d": 3.0,
    "urgent_tickets_91d": 1.0,
    "csat_last": None,
    "plan": "basic",
}


def said(catalogue: Catalogue, given: dict[str, Value], **computed: Value) -> tuple[str, ...]:
    numbers = [name for name in catalogue.columns if name != "plan"]
    levers = find_levers(catalogue, catalogue.columns, numbers=numbers, texts=["plan"])
    row = ChangedRow(OWN, given, {**OWN, **given, **computed})
    return contradictions(row, catalogue, levers)


def test_what_can_be_true_is_let_alone(acting: Catalogue) -> None:
    assert said(acting, {}) == ()
    assert said(acting, {"urgent_tickets_91d": 3.0}) == ()
    assert said(acting, {"active_days_28d": 20.0}, active_days_change_28d=10.0) == ()


def test_a_count_is_not_above_one_that_counts_the_same_and_more(acting: Catalogue) -> None:
    (found,) = said(acting, {"urgent_tickets_91d": 4.0})
    assert found == (
        "'urgent_tickets_91d' would be 4 and 'tickets_91d' 3, which counts the same rows and more: "
        "it cannot be less."
    )
    (windows,) = said(acting, {"active_days_28d": 1.0}, active_days_change_28d=-9.0)
    assert windows.startswith("'active_days_7d' would be 2 and 'active_days_28d' 1,")


def test_what_a_formula_gives_is_not_given(acting: Catalogue) -> None:
    (found,) = said(acting, {"active_days_change_28d": 5.0})
    assert found == (
        "'active_days_change_28d' is computed from 'active_days_28d', 'active_days_prev_28d': "
        "change these, and it follows."
    )


def test_a_value_where_there_was_none_is_said_to_stand_alone(acting: Catalogue) -> None:
    (found,) = said(acting, {"csat_last": 5.0})
    assert found == (
        "'csat_last' had no value (never rated support), and the other features of its family "
        "still tell of an account of which it has none."
    )


@pytest.fixture(scope="module")
def hidden(tmp_path_factory: pytest.TempPathFactory) -> Catalogue:
    """Declare a share of tickets, and a formula that reads what is no column."""
    path = tmp_path_factory.mktemp("hidden") / "support.toml"
    entry = (
        '[[feature]]\nname = "{}"\ndescription = "x"\nunit = "count"\nsentence = "{{value}}"\n{}\n'
    )
    tickets = 'table = "tickets"\n'
    text = 'family = "support"\ntitle = "Support"\n' + "".join(
        entry.format(name, what)
        for name, what in (
            ("opened", tickets + 'aggregate = "count"'),
            ("urgent_share", tickets + 'aggregate = "share"\nhit = "priority = \'high\'"'),
            ("closed", tickets + 'aggregate = "count"\nat = "resolved_at"\ninternal = true'),
            ("open", 'formula = "opened - closed"'),
        )
    )
    path.write_text(text, encoding="utf-8")
    return read_catalogue([path], STANDARD)


def test_what_is_told_of_no_rows_and_what_cannot_follow_are_named(hidden: Catalogue) -> None:
    levers = find_levers(hidden, hidden.columns, numbers=hidden.columns, texts=())
    before: dict[str, Value] = {"opened": 2.0, "urgent_share": 0.5, "open": 1.0}
    given: dict[str, Value] = {"opened": 0.0}
    assert contradictions(ChangedRow(before, given, {**before, **given}), hidden, levers) == (
        "'open' is computed from 'opened' and from what is not at hand, so it stays as it was.",
        "'opened' would be 0, and 'urgent_share' still tells of such rows.",
    )
