"""Windows from cells, by hand: two accounts, three cutoffs, one cell at a time."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from churnml.errors import FeatureError
from churnml.features.catalogue import Catalogue
from churnml.features.cells import LIMIT, Cells, Last, cells_of, millionths
from churnml.features.combine import combine
from churnml.features.entries import Aggregate, Feature, FeatureEntry
from churnml.features.facts import compile_catalogue
from churnml.features.measures import Cell, Fact, FactKey, Measure
from churnml.features.places import Pairs, Places
from churnml.features.segments import MASK_BITS, Window, plan
from churnml.features.stream import Stream
from churnml.features.values import DAY, NEVER, NULL_LEVEL, Type, Values
from churnml.history.tables import STANDARD, USAGE

FIRST = int(np.datetime64("2025-01-01", "us").astype(np.int64))
CUTOFFS = [FIRST, FIRST + 10 * DAY, FIRST + 20 * DAY]
W10, W20, BEFORE, EVER = Window(10), Window(20), Window(10, 10), Window(None)
# Segments of ten days: 1 and 2 before the first cutoff, then 3 and 4; 0 is all before.
PLAN = plan(CUTOFFS, [W10, W20, BEFORE, EVER])
PAIRS = Pairs(np.array([0, 0, 0, 1, 1, 1]), np.array([0, 1, 2, 0, 1, 2]), 2)
FACT = Fact(FactKey("usage", "occurred_at", ()), USAGE, (), by_level=True)


def stream(
    measure: Measure,
    *cells: tuple[Any, ...],
    levels: tuple[str, ...] = ("x", "y", NULL_LEVEL),
) -> Stream:
    """Cells of (account, segment, known, level, value)."""
    parts = [np.array(part, dtype=np.int64) for part in zip(*(c[:4] for c in cells), strict=True)]
    account, segment, known, level = parts or [np.zeros(0, dtype=np.int64)] * 4
    whole = measure.cell not in {Cell.MIN, Cell.MAX}
    column: Any = np.array([c[4] for c in cells], dtype=np.int64 if whole else np.float64)
    return Stream(
        Cells(FACT, account, segment, known, level, levels, {measure.over_levels: column}),
        Places(PLAN, PAIRS),
    )


ROWS = Measure(Cell.ROWS)


def test_the_plan_of_this_file() -> None:
    assert PLAN.n_segments == 5
    assert PLAN.ends().tolist() == [3, 4, 5]
    assert PLAN.ends(10).tolist() == [2, 3, 4]
    assert PLAN.starts(W20).tolist() == [1, 2, 3]


def test_totals_of_facts_known_in_time() -> None:
    found = stream(ROWS, (0, 2, 2, 0, 5), (0, 2, 2, 1, 1), (0, 4, 4, 0, 7), (1, 0, 0, 0, 2))
    assert found.total(ROWS, W10).tolist() == [6, 0, 7, 0, 0, 0]
    assert found.total(ROWS, W20).tolist() == [6, 6, 7, 0, 0, 0]
    assert found.total(ROWS, BEFORE).tolist() == [0, 6, 0, 0, 0, 0]
    assert found.total(ROWS, EVER).tolist() == [6, 6, 13, 2, 2, 2]


def test_totals_of_facts_known_late_begin_when_they_are_known() -> None:
    found = stream(ROWS, (0, 2, 3, 0, 5), (0, 2, 2, 0, 1), (1, 0, 4, 0, 3))
    assert found.total(ROWS, W10).tolist() == [1, 0, 0, 0, 0, 0]
    assert found.total(ROWS, W20).tolist() == [1, 6, 0, 0, 0, 0]
    assert found.total(ROWS, BEFORE).tolist() == [0, 6, 0, 0, 0, 0]
    assert found.total(ROWS, EVER).tolist() == [1, 6, 6, 0, 0, 3]


@pytest.mark.parametrize(
    ("levels", "totals"),
    [
        (frozenset("x"), [5, 5, 5, 0, 0, 0]),
        (frozenset("y"), [1, 3, 3, 0, 0, 0]),
        (frozenset("xy"), [6, 8, 8, 0, 0, 0]),
        (frozenset("z"), [0, 0, 0, 0, 0, 0]),
        (frozenset(), [0, 0, 0, 0, 0, 0]),
    ],
)
def test_levels_are_told_apart(levels: frozenset[str], totals: list[int]) -> None:
    measure = Measure(Cell.ROWS, levels=levels)
    found = stream(measure, (0, 2, 2, 0, 5), (0, 2, 2, 1, 1), (0, 2, 3, 1, 2), (0, 1, 1, 2, 9))
    assert found.total(measure, EVER).tolist() == totals


def test_a_day_is_counted_once_however_it_became_known() -> None:
    days = Measure(Cell.DAYS)
    found = stream(
        days,
        (0, 2, 2, 0, 0b0011),
        (0, 2, 2, 1, 0b0001),
        (0, 2, 4, 0, 0b1110),
        (0, 2, 3, 0, 0b0110),
        (0, 2, 3, 1, 0b0100),
        (0, 3, 3, 0, 0b0001),
    )
    assert found.days(days, EVER).tolist() == [2, 4, 5, 0, 0, 0]
    assert found.days(days, W20).tolist() == [2, 4, 1, 0, 0, 0]
    assert found.days(days, BEFORE).tolist() == [0, 3, 1, 0, 0, 0]


def test_extremes() -> None:
    low, high = Measure(Cell.MIN), Measure(Cell.MAX)
    cells = [(0, 2, 2, 0, 5.0), (0, 2, 3, 0, -1.0), (0, 3, 3, 1, 9.0), (0, 3, 3, 1, np.nan)]
    least = stream(low, *cells).extreme(low, W20)
    assert least.valid.tolist() == [True, True, True, False, False, False]
    assert least.data[:3].tolist() == [5.0, -1.0, 9.0]
    most = stream(high, *cells).extreme(high, BEFORE)
    assert most.valid.tolist() == [False, True, True, False, False, False]
    assert most.data[1:3].tolist() == [5.0, 9.0]
    only_x = Measure(Cell.MAX, levels=frozenset("x"))
    assert stream(only_x, *cells).extreme(only_x, EVER).data[:3].tolist() == [5.0, 5.0, 5.0]


def test_event_times() -> None:
    first, last = Measure(Cell.FIRST_AT), Measure(Cell.LAST_AT)
    cells = [(0, 2, 2, 0, -70), (0, 1, 3, 1, -90), (0, 1, 1, 2, NEVER)]
    assert stream(first, *cells).event(first).tolist() == [-70, -90, -90, *[NEVER] * 3]
    assert stream(last, *cells).event(last).tolist() == [-70, -70, -70, *[NEVER] * 3]
    only_y = Measure(Cell.LAST_AT, levels=frozenset("y"))
    assert stream(only_y, *cells).event(only_y)[:3].tolist() == [NEVER, -90, -90]


def test_distinct_levels() -> None:
    cells = [(0, 1, 1, 0, 1), (0, 2, 4, 0, 1), (0, 2, 2, 1, 1), (0, 3, 3, 2, 9), (1, 3, 3, 1, 0)]
    found = stream(ROWS, *cells)
    assert found.distinct(ROWS, EVER).tolist() == [2, 2, 2, 0, 0, 0]
    assert found.distinct(ROWS, W20).tolist() == [2, 1, 0, 0, 0, 0]
    assert found.distinct(ROWS, BEFORE).tolist() == [1, 1, 0, 0, 0, 0]
    assert found.distinct(ROWS, Window(20, 10)).tolist() == [1, 2, 2, 0, 0, 0]
    only_x = Measure(Cell.ROWS, levels=frozenset("x"))
    assert found.distinct(only_x, Window(20)).tolist() == [1, 0, 0, 0, 0, 0]
    assert found.distinct(only_x, Window(20, 10)).tolist() == [1, 1, 1, 0, 0, 0]


def test_distinct_values_of_a_split_are_masks_of_a_block() -> None:
    seen = Measure(Cell.SEEN)
    cells = [(0, 0, 0, 0, 0b110), (0, 0, 4, 0, 0b10000), (0, 0, 3, 1, 0b100), (1, 0, 0, 1, 0)]
    found = stream(seen, *cells)
    assert found.distinct(seen, W10).tolist() == [1, 0, 1, 0, 0, 0]
    assert found.distinct(seen, W20).tolist() == [1, 2, 1, 0, 0, 0]
    assert found.distinct(seen, BEFORE).tolist() == [1, 2, 0, 0, 0, 0]
    assert found.distinct(seen, EVER).tolist() == [1, 2, 2, 0, 0, 0]


@given(
    cells=st.lists(
        st.tuples(st.integers(0, 1), st.integers(0, 129), st.integers(0, 20), st.integers(0, 9)),
        max_size=40,
    ),
    masks=st.booleans(),
    window=st.sampled_from([Window(1), Window(64), Window(1, 1), Window(60, 60), Window(None)]),
)
def test_distinct_is_what_a_set_says(
    cells: list[tuple[int, int, int, int]], *, masks: bool, window: Window
) -> None:
    days = [Window(days) for days in range(128)]
    cut = plan([FIRST, FIRST + DAY, FIRST + 2 * DAY], [window, *days])  # segments of a day
    told = [(a, s, min(s + late, cut.n_segments - 1), level) for a, s, late, level in cells]
    parts = np.array(told, dtype=np.int64).reshape(-1, 4).T
    account, segment, known, level = parts
    measure, column = ROWS, np.ones_like(segment)
    if masks:
        measure, column = Measure(Cell.SEEN), 1 << (segment % MASK_BITS)
        segment = segment - segment % MASK_BITS
    names = tuple("abcdefghij")
    held = Cells(FACT, account, segment, known, level, names, {measure: column})
    expected = [
        len({v for a, s, k, v in told if a == who and start <= s < stop and k < end})
        for who in (0, 1)
        for start, stop, end in zip(
            cut.starts(window), cut.ends(window.offset), cut.ends(), strict=True
        )
    ]
    found = Stream(held, Places(cut, PAIRS)).distinct(measure, window)
    assert found.tolist() == expected


def test_the_last_value_is_the_greatest_of_the_latest_instant() -> None:
    last = Measure(Cell.LAST, (), "event")
    codes = Values(Type.STRING, np.array([0, 1, 2, 0]), np.ones(4, dtype=bool), ("b", "c", "a"))
    column = Last(np.array([10, 10, 20, NEVER]), codes)
    account, segment = np.zeros(4, dtype=np.int64), np.array([1, 1, 2, 4])
    known = np.array([1, 1, 4, 4])
    cells = Cells(FACT, account, segment, known, account, ("x",), {last: column})
    found = Stream(cells, Places(PLAN, PAIRS))
    ever = found.last(last, EVER)
    assert ever.valid.tolist() == [True] * 3 + [False] * 3
    assert [ever.levels[code] for code in ever.data[:3]] == ["c", "c", "a"]
    assert found.last(last, W20).valid.tolist() == [True, False, False, False, False, False]


def test_no_cells_mean_nothing_happened() -> None:
    for cell in (Cell.ROWS, Cell.SUM):
        measure = Measure(cell)
        assert stream(measure).total(measure, W10).tolist() == [0] * 6
    assert stream(Measure(Cell.DAYS)).days(Measure(Cell.DAYS), W10).tolist() == [0] * 6
    assert not stream(Measure(Cell.MAX)).extreme(Measure(Cell.MAX), W10).valid.any()
    assert stream(ROWS, levels=()).distinct(ROWS, W10).tolist() == [0] * 6
    assert stream(ROWS, levels=()).distinct(ROWS, BEFORE).tolist() == [0] * 6
    last = Measure(Cell.LAST)
    none = np.zeros(0, dtype=np.int64)
    column = Last(none, Values(Type.NUMBER, np.zeros(0), np.zeros(0, dtype=bool)))
    cells = Cells(FACT, none, none, none, none, (), {last: column})
    assert not Stream(cells, Places(PLAN, PAIRS)).last(last, EVER).valid.any()


def test_a_last_value_is_asked_of_cells_that_hold_one() -> None:
    with pytest.raises(TypeError, match="holds no last value"):
        stream(ROWS, (0, 1, 1, 0, 1)).last(ROWS, EVER)


def test_sums_are_exact_or_refused_account_by_account() -> None:
    half = int(LIMIT / 2)
    measure = Measure(Cell.SUM, (), "quantity")
    fine = stream(measure, (0, 1, 1, 0, half), (1, 2, 2, 0, half), (1, 2, 2, 0, 1))
    assert fine.total(measure, EVER).tolist() == [half] * 3 + [half + 1] * 3
    with pytest.raises(FeatureError, match=r"table 'usage': a sum of .* is out of range"):
        stream(measure, (0, 1, 1, 0, half), (0, 3, 3, 0, half)).total(measure, EVER)


def test_millionths_round_halves_up() -> None:
    values = np.array([0.0000005, -0.0000005, 1.25, 2.0000004])
    assert millionths(FACT, values).tolist() == [1, 0, 1_250_000, 2_000_000]
    with pytest.raises(FeatureError, match="out of range"):
        millionths(FACT, np.array([np.inf]))


def test_only_the_last_few_sums_are_held() -> None:
    measures = [Measure(Cell.ROWS, levels=frozenset(level)) for level in "xyzuv"]
    found = stream(measures[0], (0, 2, 2, 0, 5), levels=tuple("xyzuv"))
    for measure in measures:
        found.total(measure, W10)
    assert list(found._sums.held) == measures[2:]


def test_cells_of_a_result() -> None:
    measures = (
        Measure(Cell.SUM, (), "quantity"),
        Measure(Cell.LAST_AT),
        Measure(Cell.MAX, (), "occurred_at"),
        Measure(Cell.LAST, (), "quantity"),
    )
    fact = Fact(FactKey("usage", "occurred_at", ()), USAGE, measures, by_level=True)
    time, pair = (
        pa.timestamp("us"),
        pa.struct([("at", pa.timestamp("us")), ("value", pa.float64())]),
    )
    rows = pa.table(
        {
            "account": pa.array([7, 8], pa.int32()),
            "segment": pa.array([1, 2], pa.int32()),
            "level": ["x", None],
            "m0": pa.array([5, None], pa.int64()),
            "m1": pa.array([None, 9], time),
            "m2": pa.array([None, 9], time),
            "m3": pa.array([{"at": 3, "value": 2.5}, None], pair),
        }
    )
    cells = cells_of(fact, rows, 7)
    assert (cells.account.tolist(), cells.segment.tolist()) == ([0, 1], [1, 2])
    assert cells.known is cells.segment
    assert (cells.level.tolist(), cells.levels) == ([0, 1], ("x", NULL_LEVEL))
    assert cells.column(measures[0]).tolist() == [5, 0]
    assert cells.column(measures[1]).tolist() == [NEVER, 9]
    assert np.isnan(cells.column(measures[2])[0])
    assert cells.column(measures[2])[1] == 9.0
    assert cells.column(measures[3]).tolist() == [3, NEVER]
    assert len(cells.late) == 0
    late = cells_of(fact, rows.append_column("known", pa.array([1, 3])), 0)
    assert late.late.tolist() == [False, True]


def test_features_of_a_catalogue_with_what_is_given() -> None:
    def feature(name: str, window: int | None, **said: Any) -> Feature:
        content = {"name": name, "description": "d", "unit": "u", "sentence": "s", **said}
        return Feature(name, "test", FeatureEntry.model_construct(**content), window, 0, "f.toml")

    catalogue = Catalogue(
        (
            feature("twice", None, formula="2 * uses + own + cutoff_month * 100"),
            feature("uses", 10, aggregate=Aggregate.COUNT, table="usage"),
            feature("own", None, function="a:b"),
            feature("nothing", None, formula="1 / (uses - uses)"),
        ),
        {"test": "Test"},
    )
    program = compile_catalogue(catalogue, STANDARD)
    (key,) = program.facts
    found = stream(ROWS, (0, 2, 2, 0, 5))
    given = {"own": Values(Type.NUMBER, np.arange(6.0), np.array([True] * 5 + [False]))}
    columns = combine(program, PLAN, {key: found.cells}, PAIRS, given)
    assert columns["uses"].data.tolist() == [5, 0, 0, 0, 0, 0]
    assert columns["twice"].to_arrow().to_pylist() == [110, 101, 102, 103, 104, None]
    assert not columns["nothing"].valid.any()
