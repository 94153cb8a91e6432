"""Labels from a column of a flat table, for those who bring features and label in one file."""

from __future__ import annotations

from types import MappingProxyType

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from churnml import flat
from churnml.errors import LabelError, nearest
from churnml.flat import is_plain, unfit_label
from churnml.labels.pairs import Bools
from churnml.labels.specs import ColumnLabel
from churnml.labels.table import Labels

MISSING = "label missing"
_APART = " Name the column that tells them apart as `time`."


def label_column(table: pa.Table, spec: ColumnLabel) -> Labels:
    """Read labels from a flat table.

    Parameters
    ----------
    table : pyarrow.Table
        One row an account, or one for each account and time.
    spec : ColumnLabel
        Which column says what.

    Returns
    -------
    Labels
        ``row`` gives each label's position in `table`. Of downgrades and of the time of churn a
        flat table says nothing: ``downgraded`` and ``churned_at`` are null.

    Raises
    ------
    LabelError
        If a column is not there, the label never has its positive value or never another, ids or
        times are missing, or an account appears twice at one time.
    """
    wanted = (spec.column, spec.id, spec.time, spec.arr)
    for name in filter(None, wanted):
        if name not in table.column_names:
            raise LabelError(f"{spec.file}: no column {name!r}.{nearest(name, table.column_names)}")
    told = np.asarray(pc.is_valid(table[spec.column]))
    positive = _positive(table, spec)[told]
    rows = np.flatnonzero(told)
    columns = {"account_id": _ids(table, spec).take(pa.array(rows))}
    if spec.time is not None:
        columns["cutoff"] = _times(table, spec).take(pa.array(rows))
    nothing = pa.nulls(rows.size, pa.bool_())
    columns |= {
        "label": pa.array(positive.astype(np.int8)),
        "arr": _arr(table, spec).take(pa.array(rows)),
        "involuntary": pa.array(np.zeros(rows.size, dtype=bool)),
        "downgraded": nothing,
        "churned_at": pa.nulls(rows.size, pa.timestamp("us")),
        "row": pa.array(rows),
    }
    labels = pa.table(columns)
    key = ["cutoff", "account_id"] if spec.time is not None else ["account_id"]
    _check_unique(labels, key, spec, copies=flat.repeated(table.take(pa.array(rows))))
    labels = labels.sort_by([(name, "ascending") for name in key])
    return Labels(labels, MappingProxyType({MISSING: int((~told).sum())}), spec)


def _positive(table: pa.Table, spec: ColumnLabel) -> Bools:
    column = table[spec.column]
    if not is_plain(column.type):
        raise LabelError(f"{spec.file}: {unfit_label(spec.column, column.type)}")
    try:
        holds = pc.equal(column, pa.scalar(spec.positive).cast(column.type))
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise LabelError(
            f"{spec.file}: column {spec.column!r} holds {column.type}, but positive = "
            f"{spec.positive!r} does not fit that. It holds: {_values(column)}."
        ) from error
    positive = np.asarray(pc.fill_null(holds, fill_value=False))
    n_told = len(column) - column.null_count
    if positive.sum() in {0, n_told}:
        how = "no row" if not positive.any() else "every row"
        raise LabelError(
            f"{spec.file}: column {spec.column!r} equals positive = {spec.positive!r} in {how} of "
            f"{n_told}, so there is nothing to tell apart. It holds: {_values(column)}."
        )
    _check_spelling(column, spec)
    return positive


def _check_spelling(column: pa.ChunkedArray, spec: ColumnLabel) -> None:
    """Refuse a value that is the positive one but for its spelling, and would be called a 0."""
    wanted = str(spec.positive)
    for value in column.unique().drop_null().to_pylist() if pa.types.is_string(column.type) else ():
        if value != wanted and value.strip().casefold() == wanted.strip().casefold():
            raise LabelError(
                f"{spec.file}: column {spec.column!r} holds {value!r} beside positive = "
                f"{wanted!r}, and only the latter counts as churn. Write both alike."
            )


def _ids(table: pa.Table, spec: ColumnLabel) -> pa.ChunkedArray:
    if spec.id is None:
        width = len(str(max(table.num_rows - 1, 0)))
        names = [f"row-{row:0{width}d}" for row in range(table.num_rows)]
        return pa.chunked_array([pa.array(names, type=pa.string())])
    _check_complete(table, spec.id, spec)
    return table[spec.id].cast(pa.string())


def _times(table: pa.Table, spec: ColumnLabel) -> pa.ChunkedArray:
    name = str(spec.time)
    _check_complete(table, name, spec)
    if flat.mixes_zones(table[name]):
        raise LabelError(
            f"{spec.file}: column {name!r} holds times with a zone beside others without, which "
            "may be hours off. Write all with a zone, or all in UTC without."
        )
    if pa.types.is_integer(table[name].type):
        # Taken as microseconds since 1970, all of them would lie within a minute of one another.
        raise LabelError(
            f"{spec.file}: column {name!r} holds whole numbers, and not the times it is named for: "
            f"{_values(table[name])}. Write dates or timestamps such as 2024-01-31."
        )
    try:
        return flat.times(table[name])
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise LabelError(
            f"{spec.file}: column {name!r} cannot be read as times: {error}. Expected dates "
            "or timestamps such as 2024-01-31 or 2024-01-31T12:00:00."
        ) from error


def _arr(table: pa.Table, spec: ColumnLabel) -> pa.ChunkedArray:
    if spec.arr is None:
        return pa.chunked_array([pa.nulls(table.num_rows, pa.float64())])
    try:
        arr = table[spec.arr].cast(pa.float64())
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise LabelError(
            f"{spec.file}: column {spec.arr!r}, which arr names, is not a number: {error}."
        ) from error
    if count := pc.sum(pc.is_inf(arr)).as_py():
        raise LabelError(
            f"{spec.file}: column {spec.arr!r}, which arr names, is infinite in {count} rows. "
            "Leave it blank where it is not known."
        )
    return arr


def _check_complete(table: pa.Table, name: str, spec: ColumnLabel) -> None:
    if count := table[name].null_count:
        raise LabelError(
            f"{spec.file}: column {name!r} is missing in {count} of {table.num_rows} rows, and "
            "every row needs it. Fill it, or take those rows out."
        )


def _check_unique(labels: pa.Table, key: list[str], spec: ColumnLabel, *, copies: int) -> None:
    counts = labels.group_by(key).aggregate([([], "count_all")])
    twice = counts.filter(pc.greater(counts["count_all"], 1))
    if twice.num_rows:
        example = twice.sort_by([(name, "ascending") for name in key]).slice(0, 1).to_pylist()[0]
        shown = ", ".join(f"{name} {example[name]}" for name in reversed(key))
        if copies == labels.num_rows - counts.num_rows:
            hint = " Those rows are the same in every column: take the copies out."
        else:
            hint = "" if spec.time is not None else _APART
        raise LabelError(
            f"{spec.file}: {twice.num_rows} accounts appear more than once, for example {shown} "
            f"({example['count_all']} rows).{hint}"
        )


def _values(column: pa.ChunkedArray) -> str:
    values = pc.unique(column).drop_null().slice(0, 8).to_pylist()
    return ", ".join(repr(value) for value in values) or "nothing"
