from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from churnml.errors import DataError
from churnml.explain.reference import Reference
from churnml.features.catalogue import Catalogue

ROWS = pa.table(
    {
        "active_days_7d": [0.0, 1.0, 5.0, 6.0],
        "active_days_28d": [0.0, 4.0, 20.0, 12.0],
        "active_days_prev_28d": [4.0, 10.0, 18.0, 12.0],
        "active_days_change_28d": [-4.0, -6.0, 2.0, 0.0],
        "tickets_91d": [9.0, 3.0, 3.0, 30.0],
        "urgent_tickets_91d": [9.0, 2.0, 0.0, 30.0],
        "csat_last": [None, 2.0, 4.0, 4.5],
        "plan": ["basic", "team", None, "basic"],
    }
)
A, B, BEFORE, CHANGE, TICKETS, URGENT, CSAT, PLAN = range(8)


@pytest.fixture
def reference(acting: Catalogue) -> Reference:
    return Reference.of(ROWS, ROWS.column_names, acting)


def changed(own: np.ndarray, **values: float) -> np.ndarray:
    row = own.copy()
    for name, value in values.items():
        row[ROWS.column_names.index(name)] = value
    return row


def test_it_knows_ranges_directions_and_what_is_whole(reference: Reference) -> None:
    assert reference.low[[A, B, CSAT]].tolist() == [0, 0, 2]
    assert reference.high[[A, B, CSAT]].tolist() == [6, 20, 4.5]
    assert reference.direction.tolist() == [1, 1, 0, 1, 0, -1, 1, 0]
    assert reference.whole.tolist() == [True] * 6 + [False, False]
    assert reference.codes == {"plan": ("basic", "team")}


def test_it_knows_what_never_stood_above_what(reference: Reference) -> None:
    orders = {tuple(pair) for pair in reference.orders.tolist()}
    assert {(A, B), (URGENT, TICKETS)} <= orders
    assert not {(B, A), (TICKETS, URGENT), (B, BEFORE), (BEFORE, B)} & orders
    assert not any(PLAN in pair for pair in orders)


def test_a_distance_is_the_share_of_accounts_between(reference: Reference) -> None:
    own = reference.matrix[1]
    found = reference.distance(own, reference.matrix, np.array([B, CSAT, PLAN]))
    assert found[:, 0].tolist() == [0.25, 0, 0.5, 0.25]
    np.testing.assert_allclose(found[:, 1], [1, 0, 1 / 3, 2 / 3])  # of three that have one
    assert found[:, 2].tolist() == [1, 0, 1, 1]


def test_rows_are_ordered_by_what_cannot_be_moved(reference: Reference) -> None:
    # Days before, tickets and plan: 1.625 away, 0, 1.5 (a missing plan is 1 away) and 1.875.
    assert reference.by_likeness(reference.matrix[1]).tolist() == [1, 2, 0, 3]


def test_rows_agree_in_values_and_in_having_none(reference: Reference) -> None:
    own = reference.matrix[0]
    assert reference.agreeing(own, np.array([CSAT, PLAN])).tolist() == [True, False, False, False]
    assert reference.agreeing(own, np.array([], np.intp)).tolist() == [True] * 4


def test_formulas_are_computed_anew_where_what_they_read_moved(reference: Reference) -> None:
    own = changed(reference.matrix[1], active_days_change_28d=-5.5)  # as somebody else told it
    rows = np.array([changed(own, active_days_28d=20), changed(own, urgent_tickets_91d=0)])
    reference.compute(own, rows)
    assert rows[:, CHANGE].tolist() == [10, -5.5]


@pytest.mark.parametrize(
    ("values", "possible"),
    [
        ({"active_days_28d": 12.0}, True),
        ({}, False),
        ({"active_days_28d": 3.0}, False),  # towards risk
        ({"urgent_tickets_91d": 3.0}, False),  # towards risk
        ({"urgent_tickets_91d": 1.0}, True),
        ({"urgent_tickets_91d": 1.5}, False),  # no whole number
        ({"csat_last": 3.5}, True),
        ({"csat_last": 5.0}, False),  # never seen, though declared
        ({"csat_last": np.nan}, False),  # would vanish
        ({"active_days_7d": 6.0}, False),  # more than of 28 days
        ({"active_days_7d": 6.0, "active_days_28d": 12.0}, True),
    ],
)
def test_what_an_account_could_turn_into(
    reference: Reference, values: dict[str, float], possible: bool
) -> None:
    own = reference.matrix[1]
    assert reference.possible(own, changed(own, **values)[None]).tolist() == [possible]


def test_a_declared_bound_holds_though_rows_lie_beyond(acting: Catalogue) -> None:
    rows = ROWS.set_column(0, "active_days_7d", pa.array([0.0, 1.0, 5.0, 9.0]))
    assert Reference.of(rows, rows.column_names, acting).high[A] == 7


def test_rows_come_back_as_they_were_but_for_what_moved(reference: Reference) -> None:
    row = ROWS.slice(1, 1)
    rows = np.array([changed(reference.matrix[1], active_days_28d=20), reference.matrix[1]])
    frame = reference.framed(row, rows)
    assert frame["active_days_28d"].to_pylist() == [20, 4]
    assert frame.drop_columns("active_days_28d").slice(1).to_pylist() == (
        row.drop_columns("active_days_28d").to_pylist()
    )
    assert reference.encoded(frame)[0].tolist() == rows[0].tolist()


def test_rows_without_a_feature_are_refused(acting: Catalogue, reference: Reference) -> None:
    with pytest.raises(DataError, match=r"1 of 8 features are missing, 'plan' the first\."):
        reference.encoded(ROWS.drop_columns("plan"))
    with pytest.raises(DataError, match="there is no row to compare with"):
        Reference.of(ROWS.slice(0, 0), ROWS.column_names, acting)


def test_text_that_nobody_had_stays_as_it_is(acting_on_plans: Catalogue) -> None:
    """A model may know it all the same, where its rows were others."""
    reference = Reference.of(ROWS, ROWS.column_names, acting_on_plans)
    row = pa.Table.from_pylist([{**ROWS.to_pylist()[1], "plan": "gold"}], ROWS.schema)
    (own,) = reference.encoded(row)
    rows = np.stack([changed(own, active_days_28d=20), changed(own, plan=0)])
    frame = reference.framed(row, rows)
    assert frame["plan"].to_pylist() == ["gold", "basic"]
    assert frame["active_days_28d"].to_pylist() == [20, 4]
