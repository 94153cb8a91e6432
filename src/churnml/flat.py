"""A flat table, `account × features × label`, read from one file."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING, Any

from churnml.errors import ConfigError, SourceError, nearest
from churnml.transcoding import DAMAGES, STRAY, Utf8Stream, shown

if TYPE_CHECKING:
    import pyarrow as pa

# What spreadsheets and exports write for a value that is not there.
MISSING = ("", " ", "NA", "N/A", "n/a", "#N/A", "NaN", "nan", "null", "NULL")
DELIMITERS = {".csv": ",", ".tsv": "\t"}
QUOTE = '"'
_ZONE = r"(Z|UTC|[+-]\d\d(:?\d\d)?)"
_TIME = rf"\d{{4}}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d+)?)?( ?{_ZONE})?)?"
_ZONED = rf"(\d:\d\d(:\d\d(\.\d+)?)?) ?{_ZONE}$"
_NAMED = r"\d:\d\d(?::\d\d(?:\.\d+)?)? ?(?P<zone>Z|UTC|[+-]\d\d(?::?\d\d)?)$"
_SUMMER = 60  # minutes by which clocks of one zone differ
_FINER = r"(\.\d{6})\d+"
_SAVE = "Save the file as UTF-8; a spreadsheet calls it CSV UTF-8."
_SHOWN = 60  # characters of a value in a message


def read(path: Path, *, text: Collection[str] = (), zoned: Collection[str] = ()) -> pa.Table:
    """Read a flat table.

    Parameters
    ----------
    path : Path
        ``.csv`` or ``.tsv``, with or without ``.gz``, in UTF-8 with a header; or ``.parquet``.
    text : collection of str
        Columns to keep as the text in the file: identifiers, so that ``007`` is not 7.
    zoned : collection of str
        Columns to keep as text if they hold times with a zone, for `times` to read: as timestamps
        of a CSV file these would be in UTC, and their zones lost. None of them has to be there.

    Returns
    -------
    pyarrow.Table
        Its columns, types inferred; blank cells, the usual words for them and nan are missing.

    Raises
    ------
    SourceError
        If the file is missing, of another kind or encoding, malformed, cut off within quotes,
        empty, or repeats a column name.
    ConfigError
        If a column of `text` is not in the table.
    """
    import pyarrow as pa

    try:
        table = _parse(path, text)
        if apart := [name for name in zoned if _has_zone(table, name)]:
            table = _parse(path, {*text, *apart})
    except FileNotFoundError as error:
        beside = (item.name for item in path.parent.iterdir()) if path.parent.is_dir() else ()
        raise SourceError(f"{path}: no such file.{nearest(path.name, beside)}") from error
    except (*DAMAGES, pa.ArrowInvalid, pa.ArrowKeyError) as error:
        raise SourceError(f"{path}: cannot be read as a table: {error}.") from error
    names = table.column_names
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise SourceError(f"{path}: columns that appear twice: {', '.join(twice)}. Rename one.")
    if not table.num_rows:
        raise SourceError(
            f"{path}: has a header and no rows; expected one an account. Export it again."
        )
    for name in text:
        column(table, name, path)
    return without_nan(table)


def without_nan(table: pa.Table) -> pa.Table:
    """Take nan, by which some programs write a number that is not there, for missing.

    Left as it is, a label of nan would be one that differs from churn, and so a 0.

    Parameters
    ----------
    table : pyarrow.Table
        A flat table.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    for place, field in enumerate(table.schema):
        if pa.types.is_floating(field.type):
            column = table.column(place)
            blank = pc.is_nan(column.cast(pa.float64()))
            table = table.set_column(place, field, pc.if_else(blank, None, column))
    return table


def mixes_zones(column: pa.ChunkedArray) -> bool:
    """Tell whether text holds nothing but times, of which some have a zone and others none."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if not pa.types.is_string(column.type):
        return False
    held = column.unique().drop_null()
    if not pc.all(pc.match_substring_regex(held, f"^{_TIME}$"), min_count=1).as_py():
        return False
    zoned = pc.match_substring_regex(held, f":[^-+Z]*{_ZONE}$")
    return bool(pc.any(zoned).as_py() and not pc.all(zoned).as_py())


def times(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Read a column as the times that a clock showed in the zone that its values name, else in UTC.

    So a row of midnight of the first of a month is one of that month, wherever it was written.
    Where offsets lie more than an hour apart, which no summer time explains, all are read in UTC:
    clocks of several zones tell no order, and a later row could pass for an earlier one. What is
    finer than a microsecond is cut off.

    Parameters
    ----------
    column : pyarrow.ChunkedArray
        Dates, timestamps, or text of either.

    Raises
    ------
    pyarrow.ArrowInvalid, pyarrow.ArrowNotImplementedError
        If it holds none.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    held = column.type
    if pa.types.is_string(held):
        column = pc.replace_substring_regex(column, pattern=_FINER, replacement=r"\1")
        zones = pc.struct_field(pc.extract_regex(column, pattern=_NAMED), "zone")
        column = pc.replace_substring_regex(column, pattern=_ZONED, replacement=r"\1")
        offsets = {zone: _minutes(zone) for zone in zones.unique().to_pylist() if zone is not None}
        if offsets and max(offsets.values()) - min(offsets.values()) > _SUMMER:
            minutes = pa.array([offsets.get(zone, 0) for zone in zones.to_pylist()], pa.int64())
            ahead = pc.multiply(minutes, 60_000_000).cast(pa.duration("us"))
            return pc.subtract(column.cast(pa.timestamp("us")), ahead)
    elif pa.types.is_timestamp(held) and held.tz is not None:
        column = pc.local_timestamp(column)
    finer = pa.types.is_timestamp(held) and held.unit == "ns"  # pandas and CSV write such
    return column.cast(pa.timestamp("us"), safe=not finer)


def repeated(table: pa.Table) -> int:
    """Count the rows that repeat another in every column, but for those that hold lists."""
    import pyarrow as pa

    names = [field.name for field in table.schema if not pa.types.is_nested(field.type)]
    if not names:
        return 0
    return int(table.num_rows - table.group_by(names).aggregate([]).num_rows)


def column(table: pa.Table, name: str, where: Path | str) -> pa.ChunkedArray:
    """Look up a column of a flat table.

    Raises
    ------
    ConfigError
        If there is none of that name, with the nearest.
    """
    if name not in table.column_names:
        raise ConfigError(f"{where}: has no column {name!r}.{nearest(name, table.column_names)}")
    return table.column(name)


def values(table: pa.Table, name: str, where: Path | str) -> tuple[Any, ...]:
    """List the distinct values of a column, the missing one left out, in order.

    Raises
    ------
    ConfigError
        If there is no such column, with the nearest, or its values cannot be told apart.
    """
    held = column(table, name, where)
    if not is_plain(held.type):
        raise ConfigError(f"{where}: {unfit_label(name, held.type)}")
    return tuple(sorted(held.unique().drop_null().to_pylist()))


def is_plain(held: pa.DataType) -> bool:
    """Tell whether each value of a type is one word, number, truth or date, as a label's is."""
    import pyarrow.types as kinds

    if kinds.is_dictionary(held):
        held = held.value_type
    text = kinds.is_string(held) or kinds.is_large_string(held) or kinds.is_string_view(held)
    number = kinds.is_integer(held) or kinds.is_float32(held) or kinds.is_float64(held)
    number = number or kinds.is_decimal(held)  # no half floats: Arrow cannot compare them
    time = kinds.is_date(held) or kinds.is_timestamp(held)
    return bool(text or number or time or kinds.is_boolean(held) or kinds.is_null(held))


def unfit_label(name: str, held: pa.DataType) -> str:
    """Say, for the end of an error message, that a column holds what no label can."""
    return (
        f"column {name!r} holds {held}; expected text, numbers, booleans or dates in a label. Turn "
        "it into one of these, or name another column."
    )


def share(table: pa.Table, name: str, value: Any) -> float:
    """Tell which share of the rows that have a value in a column have this one."""
    told = table.column(name).drop_null().to_pylist()
    return float(told.count(value) / len(told))


def _minutes(zone: str) -> int:
    """Tell how far a zone's clocks are ahead of UTC."""
    if zone in {"Z", "UTC"}:
        return 0
    digits = zone[1:].replace(":", "").ljust(4, "0")
    return int(f"{zone[0]}1") * (60 * int(digits[:2]) + int(digits[2:]))


def _has_zone(table: pa.Table, name: str) -> bool:
    import pyarrow as pa

    if name not in table.column_names:
        return False
    held = table.schema.field(name).type
    return bool(pa.types.is_timestamp(held) and held.tz is not None)


def _parse(path: Path, text: Collection[str]) -> pa.Table:
    from pyarrow import parquet

    kinds = [suffix.lower() for suffix in path.suffixes]
    if kinds and kinds[-1] == ".parquet":
        table = parquet.read_table(path)
        for name in set(text) & set(table.column_names):
            at = table.column_names.index(name)
            table = table.set_column(at, name, _as_text(table.column(name), name, path))
        return table
    kind = kinds[-2] if len(kinds) > 1 and kinds[-1] == ".gz" else "".join(kinds[-1:])
    if kind not in DELIMITERS:
        raise SourceError(
            f"{path}: a flat table is a .csv, .tsv or .parquet file; got {kind or 'no ending'}."
        )
    with Utf8Stream(path, encoding="utf-8", quote=QUOTE) as stream:
        table = _parsed(path, stream, DELIMITERS[kind], text)
        if stream.stray:
            raise SourceError(f"{path}: {_stray(table)}, which is not UTF-8. {_SAVE}")
        if table.num_rows and stream.leaves_open(str(table.columns[-1][-1])):
            raise SourceError(
                f"{path}: record {table.num_rows + 1} or one before it opens a quote that is never "
                "closed. If the file was cut off, export it again; else close the quote."
            )
    return table


def _parsed(path: Path, stream: Utf8Stream, delimiter: str, text: Collection[str]) -> pa.Table:
    import pyarrow as pa
    from pyarrow import csv

    try:
        return csv.read_csv(
            stream,
            parse_options=csv.ParseOptions(
                delimiter=delimiter, quote_char=QUOTE, newlines_in_values=True
            ),
            convert_options=csv.ConvertOptions(
                null_values=list(MISSING),
                strings_can_be_null=True,
                column_types={name: pa.string() for name in text},
            ),
        )
    except pa.ArrowInvalid as error:
        if stream.stray:
            raise SourceError(f"{path}: is not UTF-8. {_SAVE}") from error
        raise


def _stray(table: pa.Table) -> str:
    """Say where bytes that are not UTF-8 stand first: in a name, or in a value, which is text."""
    import pyarrow as pa
    import pyarrow.compute as pc

    for name in table.column_names:
        if shown(name) != name:
            return f"the header names {_quoted(name)}"
    found = []
    for name, column in zip(table.column_names, table.columns, strict=True):
        if pa.types.is_string(column.type):
            place = pc.index(pc.match_substring_regex(column, STRAY), value=True).as_py()
            found += [(place, name)] if place >= 0 else []
    place, name = min(found)
    return f"record {place + 2} of column {name!r} is {_quoted(table[name][place].as_py())}"


def _quoted(text: str) -> str:
    return f"'{shown(text)[:_SHOWN]}'"


def _as_text(column: pa.ChunkedArray, name: str, path: Path) -> pa.ChunkedArray:
    import pyarrow as pa

    try:
        return column.cast(pa.string())
    except (pa.ArrowNotImplementedError, pa.ArrowInvalid) as error:
        raise SourceError(
            f"{path}: column {name!r} holds {column.type}, which cannot be read as text; expected "
            "a name or a number in each row. Turn it into one of these, or name another column."
        ) from error
