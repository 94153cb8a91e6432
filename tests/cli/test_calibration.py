from __future__ import annotations

import io

from rich.console import Console

from churnml.cli import calibration
from churnml.training.segments import Segmentation, SegmentCheck

PLANS = (
    SegmentCheck(
        value="[basic]",
        rows=12_040,
        observed=540.0,
        expected=412.34,
        offset=0.31,
        pooled=0.29,
        low=0.2014,
        high=0.3786,
    ),
    SegmentCheck(
        value="pro",
        rows=1_200,
        observed=31.0,
        expected=33.0,
        offset=-0.066,
        pooled=-0.04,
        low=-0.29,
        high=0.21,
    ),
    SegmentCheck(
        value="(missing)",
        rows=0,
        observed=0.0,
        expected=0.0,
        offset=0.0,
        pooled=0.0,
        low=-0.5,
        high=0.5,
    ),
)
MOVED = Segmentation(
    feature="plan", bounds=(), gain=0.00123, error=0.0004, applied=True, segments=PLANS
)


def shown(*found: Segmentation) -> list[str]:
    console = Console(file=io.StringIO(), width=120)
    calibration.show(found, console)
    assert isinstance(console.file, io.StringIO)
    return [line.rstrip() for line in console.file.getvalue().splitlines()]


def test_each_segment_is_a_line_and_what_came_of_it_another() -> None:
    *table, note = shown(MOVED)
    assert table == [
        "",
        "held out, by plan    rows  churned  expected  offset      95% interval",
        "[basic]            12,040      540     412.3  +0.290  +0.201 to +0.379",
        "pro                 1,200       31      33.0  -0.040  -0.290 to +0.210",
    ]
    assert note == (
        "Scores are moved by these offsets of log-odds, which lowers the log loss of folds held "
        "out by 0.00123, standard error 0.00040."
    )


def test_what_is_not_applied_is_said_to_be() -> None:
    left = MOVED.model_copy(update={"gain": -0.0001, "error": 0.0002, "applied": False})
    assert shown(MOVED, left)[-1] == (
        "Scores are left as they are: these offsets of log-odds change the log loss of folds held "
        "out by +0.00010, standard error 0.00020."
    )


def test_of_many_values_the_largest_are_shown() -> None:
    many = tuple(PLANS[1].model_copy(update={"value": f"v{n}", "rows": n}) for n in range(20))
    lines = shown(MOVED.model_copy(update={"segments": many}))
    assert [line.split()[0] for line in lines[2:14]] == [f"v{n}" for n in range(8, 20)]
    assert lines[14] == "7 smaller ones are in --json."


def test_without_segments_nothing_is_said() -> None:
    assert shown() == []
