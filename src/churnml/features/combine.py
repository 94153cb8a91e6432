"""The combine: every feature from the cells of its measures, in numpy, without an engine."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np

from churnml.features.cells import MICRO, Cells
from churnml.features.entries import CUTOFF_MONTH, Aggregate
from churnml.features.expressions import Expression
from churnml.features.facts import Aggregation, Program
from churnml.features.measures import FactKey, Measure
from churnml.features.places import Pairs, Places, Whole
from churnml.features.segments import SegmentPlan
from churnml.features.stream import Stream
from churnml.features.values import DAY, NEVER, Type, Values, numbers

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Pairs", "Patch", "aggregates", "combine"]

Streams = Mapping[FactKey, Stream]
Patch = tuple["NDArray[np.intp]", Values]  # which pairs, and their values
_NO_PATCHES: Mapping[str, Patch] = MappingProxyType({})


def combine(
    program: Program,
    plan: SegmentPlan,
    cells: Mapping[FactKey, Cells],
    pairs: Pairs,
    given: Mapping[str, Values],
    patches: Mapping[str, Patch] = _NO_PATCHES,
) -> dict[str, Values]:
    """Compute every feature of a program that is not a custom function.

    Parameters
    ----------
    program : Program
        What to compute.
    plan : SegmentPlan
        How time was cut.
    cells : mapping of FactKey to Cells
        The cells of every fact of the program, for the accounts of `pairs`.
    pairs : Pairs
        Where to compute.
    given : mapping of str to Values
        The features that are custom functions; formulas may read them.
    patches : mapping of str to Patch
        Aggregates of some pairs that cells cannot give, in place of those that they do.

    Returns
    -------
    dict of str to Values
        One column a feature, of length ``n_pairs``, internal and given ones among them, and the
        month that formulas may read.

    Raises
    ------
    FeatureError
        If a sum is too large to be exact.
    """
    columns = {CUTOFF_MONTH: _month(plan.cutoffs[pairs.cutoff]), **given}
    for name, found in aggregates(program, plan, cells, pairs).items():
        columns[name] = found.replaced_at(*patches[name]) if name in patches else found
    for name, formula in program.formulas.items():
        columns[name] = _formula(formula, columns, len(pairs))
    return columns


def aggregates(
    program: Program, plan: SegmentPlan, cells: Mapping[FactKey, Cells], pairs: Pairs
) -> dict[str, Values]:
    """Compute the features that are aggregates of the facts whose cells are given.

    Parameters
    ----------
    program, plan, pairs
        As for `combine`.
    cells : mapping of FactKey to Cells
        The cells of some facts.

    Returns
    -------
    dict of str to Values
        By feature, of length ``n_pairs``.

    Raises
    ------
    FeatureError
        If a sum is too large to be exact.
    """
    places = Places(plan, pairs)
    streams = {key: Stream(found, places) for key, found in cells.items()}
    columns = {}
    for asked in program.aggregates:
        if asked.terms[0].fact in streams:
            found = _AGGREGATES[asked.how](asked, streams)
            columns[asked.name] = _days_ahead(found, places.instants) if asked.is_time else found
    return columns


def _formula(formula: Expression, columns: Mapping[str, Values], size: int) -> Values:
    """Evaluate a formula; what is no finite number is not there."""
    found = formula.evaluate(columns, size)
    return Values(found.type, found.data, found.valid & np.isfinite(found.data))


def _month(instants: Whole) -> Values:
    months = instants.astype("datetime64[us]").astype("datetime64[M]").astype(np.int64)
    return numbers(months % 12 + 1)


def _days_ahead(found: Values, instants: Whole) -> Values:
    """Tell a time in days from the cutoff."""
    ahead = np.where(found.valid, found.data, 0).astype(np.int64) - instants
    return Values(Type.NUMBER, ahead / DAY, found.valid)


def _part(asked: Aggregation, streams: Streams, place: int = 0) -> tuple[Stream, Measure]:
    term = asked.terms[place]
    return streams[term.fact], term.measure


def _total(asked: Aggregation, streams: Streams, place: int = 0) -> Whole:
    stream, measure = _part(asked, streams, place)
    return stream.total(measure, asked.window)


def _count(asked: Aggregation, streams: Streams) -> Values:
    return numbers(_total(asked, streams))


def _sum(asked: Aggregation, streams: Streams) -> Values:
    return numbers(_total(asked, streams) / MICRO)


def _share(asked: Aggregation, streams: Streams) -> Values:
    return _ratio(_total(asked, streams).astype(np.float64), _total(asked, streams, 1))


def _mean(asked: Aggregation, streams: Streams) -> Values:
    return _ratio(_total(asked, streams) / MICRO, _total(asked, streams, 1))


def _ratio(above: NDArray[np.float64], below: Whole) -> Values:
    return Values(Type.NUMBER, above / np.maximum(below, 1), below > 0)


def _extreme(asked: Aggregation, streams: Streams) -> Values:
    stream, measure = _part(asked, streams)
    return stream.extreme(measure, asked.window)


def _last(asked: Aggregation, streams: Streams) -> Values:
    stream, measure = _part(asked, streams)
    return stream.last(measure, asked.window)


def _distinct(asked: Aggregation, streams: Streams) -> Values:
    stream, measure = _part(asked, streams)
    return numbers(stream.distinct(measure, asked.window))


def _days(asked: Aggregation, streams: Streams) -> Values:
    stream, measure = _part(asked, streams)
    return numbers(stream.days(measure, asked.window))


def _days_since(asked: Aggregation, streams: Streams) -> Values:
    stream, measure = _part(asked, streams)
    when = stream.event(measure)
    return Values(Type.NUMBER, (stream.places.instants - when) / DAY, when != NEVER)


def _streak(asked: Aggregation, streams: Streams) -> Values:
    (rows, every), (broken, breaks) = _part(asked, streams), _part(asked, streams, 1)
    return numbers(rows.rank(every) - broken.rank(breaks))


_AGGREGATES: Mapping[Aggregate, Callable[[Aggregation, Streams], Values]] = {
    Aggregate.COUNT: _count,
    Aggregate.SUM: _sum,
    Aggregate.MEAN: _mean,
    Aggregate.MIN: _extreme,
    Aggregate.MAX: _extreme,
    Aggregate.DISTINCT: _distinct,
    Aggregate.DISTINCT_DAYS: _days,
    Aggregate.SHARE: _share,
    Aggregate.LAST: _last,
    Aggregate.DAYS_SINCE_LAST: _days_since,
    Aggregate.DAYS_SINCE_FIRST: _days_since,
    Aggregate.STREAK: _streak,
}
