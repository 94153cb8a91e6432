"""CSV files copied to Parquet as text, line by line accounted for."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq

from churnml.errors import SourceError
from churnml.history.sources import CsvFormat
from churnml.transcoding import DAMAGES, STRAY, Utf8Stream, shown

SOURCE, ROW, LINE, REASON = "_source", "_row", "_line", "_reason"
MALFORMED_SCHEMA = pa.schema(
    [(SOURCE, pa.string()), (ROW, pa.int64()), (LINE, pa.string()), (REASON, pa.string())]
)
_BLOCK = 4 << 20


@dataclass(frozen=True)
class CsvFile:
    """One CSV file.

    Parameters
    ----------
    path : Path
        The file, or its ``.gz``.
    label : str
        What messages and the quarantine call it.
    partition : mapping of str to str
        Columns given by the names of its folders.
    """

    path: Path
    label: str
    partition: Mapping[str, str] = field(default_factory=dict)


def copy_csv(
    files: Sequence[CsvFile],
    form: CsvFormat,
    *,
    into: Path,
    malformed: Path,
    note: Callable[[str], None],
) -> int:
    """Copy CSV files to one Parquet file of text columns.

    Parameters
    ----------
    files : sequence of CsvFile
        Files of one table; columns are joined by name.
    form : CsvFormat
        How they are written.
    into : Path
        The Parquet file to write: the columns, ``_source`` and ``_row``, the number of the record
        in its file, the header being 1.
    malformed : Path
        The Parquet file to write with the lines that are no rows, and why.
    note : callable
        Told of each file before it is read.

    Returns
    -------
    int
        How many lines were malformed.

    Raises
    ------
    SourceError
        If a file cannot be read as CSV at all.
    """
    headers = [_header(file, form) for file in files]
    names = list(dict.fromkeys(n for f, h in zip(files, headers, strict=True) for n in _all(f, h)))
    columns = [(name, pa.string()) for name in names]
    schema = pa.schema([*columns, (SOURCE, pa.string()), (ROW, pa.int64())])
    count = 0
    with (
        pq.ParquetWriter(into, schema, compression="zstd") as rows,
        pq.ParquetWriter(malformed, MALFORMED_SCHEMA) as lines,
    ):
        for file, header in zip(files, headers, strict=True):
            note(file.label)
            for good, bad in _batches(file, header, form):
                if good.num_rows:
                    rows.write_table(_aligned(good, schema))
                if bad.num_rows:
                    lines.write_table(bad)
                    count += bad.num_rows
    return count


def _all(file: CsvFile, header: Sequence[str]) -> list[str]:
    # A repaired quarantine file may be read again; where its rows once came from is then past.
    return [name for name in dict.fromkeys([*header, *file.partition]) if name not in {SOURCE, ROW}]


def _aligned(table: pa.Table, schema: pa.Schema) -> pa.Table:
    absent = [name for name in schema.names if name not in table.column_names]
    for name in absent:
        table = table.append_column(name, pa.nulls(table.num_rows, pa.string()))
    return table.select(schema.names)


def _header(file: CsvFile, form: CsvFormat) -> list[str]:
    """Read the names in the first line; an unreadable or ambiguous header is no table."""
    try:
        with io.TextIOWrapper(io.BufferedReader(_stream(file, form)), "utf-8", newline="") as text:
            reader = csv.reader(text, delimiter=form.delimiter, quotechar=form.quote)
            header = next(reader, [])
    except (*DAMAGES, csv.Error) as error:
        raise SourceError(f"{file.label}: cannot be read: {error}.") from error
    if not header:
        raise SourceError(
            f"{file.label}: the file is empty; expected a header line. Export it again."
        )
    if any("\0" in name for name in header):
        raise SourceError(
            f"{file.label}: it is no text in {form.encoding}: its first line holds zero bytes. "
            "Save a spreadsheet as CSV; for UTF-16 set csv = { encoding = 'utf-16' }."
        )
    twice = sorted({name for name in header if header.count(name) > 1})
    if twice:
        raise SourceError(
            f"{file.label}: the header names column {twice[0]!r} twice; rename one of them."
        )
    if len(header) == 1:
        other = next((c for c in ";\t|," if c in header[0] and c != form.delimiter), None)
        if other is not None:
            raise SourceError(
                f"{file.label}: the header is one column, {header[0]!r}, when split at "
                f"{form.delimiter!r}. Set csv = {{ delimiter = {other!r} }}."
            )
    return header


def _batches(
    file: CsvFile, header: Sequence[str], form: CsvFormat
) -> Iterator[tuple[pa.Table, pa.Table]]:
    """Yield the rows of a file, and the lines that are none, a block at a time."""
    refused: list[tuple[int, str, str]] = []
    short: pa.csv.InvalidRow | None = None
    last = (1, "")

    def refuse(row: pa.csv.InvalidRow) -> str:
        nonlocal last, short
        reason = f"expected {row.expected_columns} fields, got {row.actual_columns}"
        refused.append((row.number, row.text, reason))
        last = max(last, (row.number, row.text))
        if row.actual_columns < row.expected_columns:
            short = row
        return "skip"

    stream = _stream(file, form)
    number = 2
    try:
        with stream, _open(stream, header, form, refuse) as reader:
            for batch in reader:
                table = pa.Table.from_batches([batch])
                table = table.select([name for name in header if name not in {SOURCE, ROW}])
                numbers, number = _numbers(table.num_rows, number, refused)
                if table.num_rows:
                    last = max(last, (number - 1, str(table[-1][-1])))
                table = table.append_column(ROW, pa.array(numbers))
                table, stray = _without_stray(table, form) if stream.stray else (table, [])
                # Arrow may have parsed ahead: lines beyond this block wait for theirs.
                bad = [*(item for item in refused if item[0] < number), *stray]
                refused[:] = [item for item in refused if item[0] >= number]
                yield _labelled(table, file), _lines(bad, file)
    except pa.ArrowInvalid as error:
        raise SourceError(_unreadable(file, number, error)) from error
    except DAMAGES as error:
        raise SourceError(f"{file.label}: cannot be read: {error}.") from error
    if stream.leaves_open(last[1]):
        raise SourceError(_unclosed(file, last[0]))
    if short is not None and short.number == last[0] and not stream.ended:
        raise SourceError(_cut_off(file, short))
    yield _labelled(pa.table({ROW: pa.array([], pa.int64())}), file), _lines(refused, file)


def _stream(file: CsvFile, form: CsvFormat) -> Utf8Stream:
    try:
        return Utf8Stream(file.path, encoding=form.encoding, quote=form.quote)
    except LookupError as error:
        raise SourceError(
            f"{file.label}: no such encoding {form.encoding!r} in `csv.encoding`; "
            "expected one that Python knows, such as 'utf-8', 'latin-1', 'cp1252', 'utf-16'."
        ) from error


def _open(
    stream: Utf8Stream,
    header: Sequence[str],
    form: CsvFormat,
    refuse: Callable[[pa.csv.InvalidRow], str],
) -> pa.csv.CSVStreamingReader:
    return pa.csv.open_csv(
        stream,
        read_options=pa.csv.ReadOptions(use_threads=False, block_size=_BLOCK),
        parse_options=pa.csv.ParseOptions(
            delimiter=form.delimiter,
            quote_char=form.quote,
            newlines_in_values=True,
            invalid_row_handler=refuse,
        ),
        convert_options=pa.csv.ConvertOptions(
            column_types=dict.fromkeys(header, pa.string()), strings_can_be_null=False
        ),
    )


def _unreadable(file: CsvFile, number: int, error: pa.ArrowInvalid) -> str:
    if "straddl" in str(error) or "block" in str(error):
        return _unclosed(file, number)
    return f"{file.label}: cannot be read as CSV: {error}."


def _unclosed(file: CsvFile, number: int) -> str:
    return (
        f"{file.label}: record {number} or one after it opens a quote that is never closed. "
        "Repair it, or set `csv.quote`."
    )


def _cut_off(file: CsvFile, row: pa.csv.InvalidRow) -> str:
    return (
        f"{file.label}: ends in the middle of record {row.number}: {row.actual_columns} of "
        f"{row.expected_columns} fields, and no line end. It was cut off: export it again. Where "
        "that line is meant so, end it, and it is set aside."
    )


def _numbers(
    rows: int, first: int, refused: Sequence[tuple[int, str, str]]
) -> tuple[npt.NDArray[np.int64], int]:
    """Number the rows of a block, leaving out the numbers of lines that were refused."""
    gaps = sorted(item[0] for item in refused if item[0] >= first)
    numbers = np.arange(first, first + rows + len(gaps), dtype=np.int64)
    numbers = numbers[~np.isin(numbers, gaps)][:rows]
    return numbers, (int(numbers[-1]) + 1 if rows else first)


def _without_stray(table: pa.Table, form: CsvFormat) -> tuple[pa.Table, list[tuple[int, str, str]]]:
    """Take out the rows with bytes that the encoding does not know."""
    names = [name for name in table.column_names if name != ROW]
    stray = np.zeros(table.num_rows, dtype=bool)
    for name in names:
        stray |= pc.match_substring_regex(table[name], STRAY).to_numpy()
    places = pa.array(np.flatnonzero(stray))
    bad = [
        (row[ROW], _written([row[name] for name in names], form), f"bytes not {form.encoding}")
        for row in table.take(places).to_pylist()
    ]
    return table.filter(pa.array(~stray)), bad


def _written(values: Sequence[str], form: CsvFormat) -> str:
    line = io.StringIO()
    csv.writer(line, delimiter=form.delimiter, quotechar=form.quote).writerow(values)
    return line.getvalue().rstrip("\r\n")


def _labelled(table: pa.Table, file: CsvFile) -> pa.Table:
    for name, value in file.partition.items():
        if name not in table.column_names:
            table = table.append_column(name, pa.repeat(pa.scalar(value), table.num_rows))
    return table.append_column(SOURCE, pa.repeat(pa.scalar(file.label), table.num_rows))


def _lines(bad: Sequence[tuple[int, str, str]], file: CsvFile) -> pa.Table:
    rows = [
        {SOURCE: file.label, ROW: number, LINE: shown(text), REASON: reason}
        for number, text, reason in sorted(bad)
    ]
    return pa.Table.from_pylist(rows, schema=MALFORMED_SCHEMA)
