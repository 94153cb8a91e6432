"""SQL that reads a source's value as a kind of the contract; null where that cannot be done.

What is read as a time: a timestamp or date of Parquet; a text in ISO 8601, be it a date alone or
with minutes, seconds, a fraction, and a zone (``Z``, ``UTC``, ``+02``, ``+02:00``, ``+0200``);
anything else by a format. A date is its first instant. A time without zone is read in the table's
zone: in the hour that summer time skips it moves on by that hour, in the hour that comes twice it
is the later one, so that nothing is known too early.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from churnml.history.dialect import literal
from churnml.history.tables import Kind

_ISO = (
    r"\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2}(\.\d{1,9})?)?( ?([Zz]|UTC|[+-]\d{2}(:?\d{2})?))?)?"
)
_INTEGERS = frozenset(
    f"{sign}{size}INT" for sign in ("", "U") for size in ("TINY", "SMALL", "", "BIG", "HUGE")
) | {"INTEGER", "UINTEGER"}
_FLOATS = frozenset({"FLOAT", "DOUBLE"})
_NAIVE = frozenset({"DATE", "TIMESTAMP", "TIMESTAMP_S", "TIMESTAMP_MS", "TIMESTAMP_NS"})
_ZONED = frozenset({"TIMESTAMP WITH TIME ZONE", "TIMESTAMPTZ"})
_EPOCH_MICROS: Mapping[str, int] = MappingProxyType(
    {"epoch_s": 1_000_000, "epoch_ms": 1_000, "epoch_us": 1}
)
# Beyond these DuckDB's own arithmetic overflows; the checks refuse what is far narrower.
_MOST_MICROS = 9_000_000_000_000_000
_TRUE, _FALSE = "('true', 't', 'yes', 'y', '1')", "('false', 'f', 'no', 'n', '0')"

EXPECTED: Mapping[Kind, str] = MappingProxyType(
    {
        Kind.ID: "a text or a whole number",
        Kind.STRING: "a text",
        Kind.NUMBER: "a number with a decimal point",
        Kind.INTEGER: "a whole number",
        Kind.BOOLEAN: "true or false (also yes/no, t/f, y/n, 1/0)",
        Kind.TIME: "a time in ISO 8601",
    }
)


@dataclass(frozen=True)
class Conversion:
    """How a value is read.

    Parameters
    ----------
    value : str
        SQL of the value in its kind; null where it is missing or cannot be read.
    naive, zoned : str, optional
        SQL that says of a text time whether it came without or with a zone.
    nan : str, optional
        SQL that says whether a number was NaN, which `value` takes as missing.
    """

    value: str
    naive: str | None = None
    zoned: str | None = None
    nan: str | None = None


def is_scalar(sql_type: str) -> bool:
    """Say whether a DuckDB type holds one value, which is what a column of history can be."""
    return not sql_type.startswith(("STRUCT", "MAP", "UNION")) and not sql_type.endswith("]")


def conversion(
    kind: Kind, sql_type: str, value: str, *, zone: str, form: str | None = None
) -> Conversion:
    """Write how a value is read as a kind.

    Parameters
    ----------
    kind : Kind
        What the contract says.
    sql_type : str
        The DuckDB type of `value`.
    value : str
        SQL of the source's value, null where it is missing.
    zone : str
        The zone of times that have none.
    form : str, optional
        ``epoch_s``, ``epoch_ms``, ``epoch_us`` or a strptime format of a time.
    """
    if kind is Kind.TIME:
        return _time(sql_type, value, zone, form)
    if kind is Kind.NUMBER:
        number = (
            value if sql_type in _FLOATS else f"try_cast({_trimmed(sql_type, value)} AS DOUBLE)"
        )
        nan = f"isnan({number})" if sql_type in _FLOATS or _is_text(sql_type) else None
        clean = f"CASE WHEN NOT {nan} THEN CAST({number} AS DOUBLE) END" if nan else number
        return Conversion(clean, nan=nan)
    if kind is Kind.INTEGER:
        return _integer(sql_type, value)
    if kind is Kind.BOOLEAN:
        return Conversion(_boolean(sql_type, value))
    if (
        kind is Kind.ID and sql_type in _FLOATS
    ):  # ids that pandas made floats for want of a missing integer
        whole = _integer(sql_type, value)
        return Conversion(f"CAST({whole.value} AS VARCHAR)", nan=whole.nan)
    return Conversion(value if sql_type == "VARCHAR" else f"CAST({value} AS VARCHAR)")


def _is_text(sql_type: str) -> bool:
    return sql_type == "VARCHAR" or sql_type.startswith("ENUM")


def _trimmed(sql_type: str, value: str) -> str:
    return f"trim({value})" if _is_text(sql_type) else value


def _integer(sql_type: str, value: str) -> Conversion:
    if sql_type in _INTEGERS or sql_type == "BOOLEAN":
        return Conversion(f"try_cast({value} AS BIGINT)")
    number = f"try_cast({_trimmed(sql_type, value)} AS DOUBLE)"
    # A text cast straight to BIGINT would be rounded; 2^53 is where doubles stop being exact.
    whole = (
        f"CASE WHEN {number} = trunc({number}) AND abs({number}) <= 9007199254740992 "
        f"THEN try_cast({number} AS BIGINT) END"
    )
    if not _is_text(sql_type):
        return Conversion(whole, nan=f"isnan({number})" if sql_type in _FLOATS else None)
    digits = f"regexp_full_match(trim({value}), '[+-]?\\d+')"
    exact = f"CASE WHEN {digits} THEN try_cast(trim({value}) AS BIGINT) ELSE {whole} END"
    return Conversion(exact, nan=f"isnan({number})")


def _boolean(sql_type: str, value: str) -> str:
    if sql_type == "BOOLEAN":
        return value
    if _is_text(sql_type):
        word = f"lower(trim({value}))"
        return f"CASE WHEN {word} IN {_TRUE} THEN true WHEN {word} IN {_FALSE} THEN false END"
    number = f"try_cast({value} AS DOUBLE)"
    return f"CASE WHEN {number} = 1 THEN true WHEN {number} = 0 THEN false END"


def _time(sql_type: str, value: str, zone: str, form: str | None) -> Conversion:
    if form is not None and form in _EPOCH_MICROS:
        micros = f"round(try_cast({_trimmed(sql_type, value)} AS DOUBLE) * {_EPOCH_MICROS[form]})"
        safe = f"CASE WHEN abs({micros}) < {_MOST_MICROS} THEN CAST({micros} AS BIGINT) END"
        return Conversion(f"make_timestamp({safe})")
    if form is not None:
        parsed = f"try_strptime(trim(CAST({value} AS VARCHAR)), {literal(form)})"
        has_zone = "%z" in form or "%Z" in form
        return Conversion(_finite(f"timezone('UTC', {parsed})" if has_zone else _utc(parsed, zone)))
    if sql_type in _ZONED:
        return Conversion(_finite(f"timezone('UTC', {value})"))
    if sql_type in _NAIVE:
        return Conversion(_finite(_utc(f"CAST({value} AS TIMESTAMP)", zone)))
    if not _is_text(sql_type):
        return Conversion("CAST(NULL AS TIMESTAMP)")
    return _iso(f"trim({value})", zone)


def _iso(value: str, zone: str) -> Conversion:
    iso = f"regexp_full_match({value}, '{_ISO}')"
    marked = f"regexp_matches(substr({value}, 17), '[ZzC+-]')"
    seconds = f"if(substr({value}, 17, 1) = ':', '', ':00')"
    zone_text = f"replace(replace(upper(substr({value}, 17)), ' ', ''), 'UTC', 'Z')"
    instant = f"try_cast(concat(substr({value}, 1, 16), {seconds}, {zone_text}) AS TIMESTAMPTZ)"
    local = _utc(f"try_cast({value} AS TIMESTAMP)", zone)
    return Conversion(
        value=f"CASE WHEN NOT {iso} THEN NULL WHEN {marked} THEN timezone('UTC', {instant}) "
        f"ELSE {local} END",
        naive=f"({iso} AND NOT {marked})",
        zoned=f"({iso} AND {marked})",
    )


def _utc(local: str, zone: str) -> str:
    if zone == "UTC":
        return local
    return f"timezone('UTC', timezone({literal(zone)}, {local}))"


def _finite(time: str) -> str:
    return f"CASE WHEN isfinite({time}) THEN {time} END"
