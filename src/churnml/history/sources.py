"""``data/sources.toml``: where each table of history comes from."""

from __future__ import annotations

import datetime as dt
import zoneinfo
from collections.abc import Iterable, Mapping
from pathlib import Path

from pydantic import Field, field_validator

from churnml.config import FrozenModel, read_model
from churnml.errors import ConfigError, nearest
from churnml.history.declarations import DeclaredTable, all_contracts
from churnml.history.faults import MEANINGS, Fault
from churnml.history.tables import Kind, Table

EPOCHS = ("epoch_s", "epoch_ms", "epoch_us")


def _checked_zone(zone: str | None) -> str | None:
    try:
        if zone is not None:
            zoneinfo.ZoneInfo(zone)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        near = nearest(zone or "", zoneinfo.available_timezones())
        raise ValueError(f"no such time zone.{near}") from None
    return zone


class CsvFormat(FrozenModel):
    """How the CSV files of a table are written; every value is read as text first."""

    delimiter: str = Field(",", min_length=1, max_length=1, description="between two fields")
    quote: str = Field('"', min_length=1, max_length=1, description="around a field; doubled in it")
    encoding: str = Field("utf-8", description="of the characters, such as `latin-1`")


class TableSource(FrozenModel):
    """Where one table comes from and how its columns are filled."""

    files: str | tuple[str, ...] | dict[str, str] | None = Field(
        None,
        description="CSV (also `.gz`) or Parquet: a file, a folder (hive partitions become "
        "columns), a pattern, or several; relative to the folder of the TOML file. For `sql`, a "
        "table of names and files",
    )
    sql: str | None = Field(
        None,
        description="DuckDB SQL over the named `files`, for joins and unions. CSV columns are text",
    )
    database: str | None = Field(
        None, description="SQLAlchemy URL without a password; SQLite paths are relative as `files`"
    )
    database_env: str | None = Field(
        None, description="the environment variable that holds the URL of the database"
    )
    query: str | None = Field(None, description="what to select from the database")
    table: str | None = Field(None, description="the table or view to read from the database")
    derive: bool = Field(
        False,
        description="for `accounts` alone: every account of the other tables, created when its "
        "first row was known",
    )
    timezone: str | None = Field(
        None, description="of times without a zone; the file's `timezone` if not given"
    )
    columns: dict[str, str] = Field(
        default_factory=dict,
        description="churnml column = source column; columns of equal name need none",
    )
    expressions: dict[str, str] = Field(
        default_factory=dict,
        description="churnml column = DuckDB SQL over the source's columns. CSV and database "
        "columns are text: cast them, `start::DATE + INTERVAL 1 YEAR`",
    )
    constants: dict[str, str | bool | int | float] = Field(
        default_factory=dict, description="churnml column = one value for all rows"
    )
    values: dict[str, dict[str, str]] = Field(
        default_factory=dict, description="for a churnml column: source value = churnml value"
    )
    formats: dict[str, str] = Field(
        default_factory=dict,
        description="for a time column that is not ISO 8601: `epoch_s`, `epoch_ms`, `epoch_us`, "
        "or a strptime format",
    )
    missing: tuple[str, ...] = Field(("",), description="texts that mean a missing value")
    where: str | None = Field(None, description="DuckDB SQL: which source rows belong to the table")
    csv: CsvFormat = Field(default_factory=CsvFormat, description="how its CSV files are written")
    accept: tuple[Fault, ...] = Field(
        (), description="faults that are reported as warnings and whose rows are kept"
    )
    max_faulty: float = Field(
        0.01, ge=0, le=1, description="share of rows in error beyond which the table is refused"
    )
    stale_days: float = Field(
        30.0, gt=0, description="age of the newest row, in days, that is worth a warning"
    )

    _zone = field_validator("timezone")(_checked_zone)

    @field_validator("accept")
    @classmethod
    def _checked_accept(cls, faults: tuple[Fault, ...]) -> tuple[Fault, ...]:
        for fault in faults:
            if not MEANINGS[fault].acceptable:
                able = ", ".join(item for item in Fault if MEANINGS[item].acceptable)
                raise ValueError(f"{fault.value!r} cannot be accepted; only {able}")
        return faults


class Sources(FrozenModel):
    """Where history comes from, as ``data/sources.toml`` says."""

    observed_until: dt.datetime | None = Field(
        None,
        description="the end of observation: nothing from here on is recorded yet. The second "
        "after the newest time that anything happened or became known, if not given",
    )
    timezone: str = Field("UTC", description="of times without a zone")
    tables: dict[str, TableSource] = Field(
        default_factory=dict, description="the source of each table"
    )
    contracts: dict[str, DeclaredTable] = Field(
        default_factory=dict,
        description="further tables, and further columns of standard ones",
    )

    _zone = field_validator("timezone")(_checked_zone)

    def tables_declared(self) -> Mapping[str, Table]:
        """Give the contracts of all tables, standard and declared.

        Raises
        ------
        ConfigError
            If a declaration is incomplete or contradicts a standard table.
        """
        return all_contracts(self.contracts)

    def zone(self, table: str) -> str:
        """Give the zone of a table's times that have none."""
        return self.tables[table].timezone or self.timezone


def read_sources(path: Path) -> Sources:
    """Read ``sources.toml`` and check it against the contracts.

    Parameters
    ----------
    path : Path
        The file; the paths in it are relative to its folder.

    Returns
    -------
    Sources
        Checked, though no source has been opened yet.

    Raises
    ------
    ConfigError
        Naming the file, the key and the nearest allowed name.
    """
    sources = read_model(Sources, path)
    try:
        check_sources(sources)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from error
    return sources


def check_sources(sources: Sources) -> None:
    """Check that every source fits the contract of its table.

    Parameters
    ----------
    sources : Sources
        What ``sources.toml`` says.

    Raises
    ------
    ConfigError
        Naming the key and the nearest allowed name.
    """
    contracts = sources.tables_declared()
    for name, source in sources.tables.items():
        if name not in contracts:
            raise ConfigError(
                f"tables.{name}: no such table.{nearest(name, contracts)} "
                f"A further table is declared in [contracts.{name}]."
            )
        _check_origin(name, source)
        _check_columns(contracts[name], source)
    if not any(not source.derive for source in sources.tables.values()):
        raise ConfigError("tables: no table has a source; history needs at least one.")


def _check_origin(name: str, source: TableSource) -> None:
    if source.derive and name != "accounts":
        raise ConfigError(f"tables.{name}.derive: only accounts can be derived from other tables.")
    given = [key for key in ("files", "database", "database_env", "derive") if getattr(source, key)]
    if len(given) != 1:
        got = " and ".join(given) or "none"
        expected = "files, database, database_env" + (", derive" if name == "accounts" else "")
        raise ConfigError(f"tables.{name}: got {got}; expected one of: {expected}.")
    named = isinstance(source.files, dict)
    if named != (source.sql is not None):
        raise ConfigError(
            f"tables.{name}: `sql` and a table of named `files` belong together: "
            'files = { u = "usage.csv" }, sql = "select … from u".'
        )
    from_database = given[0].startswith("database")
    if from_database and (source.query is None) == (source.table is None):
        raise ConfigError(f"tables.{name}: a database needs one of: query, table.")
    if not from_database and (source.query or source.table):
        key = "query" if source.query else "table"
        raise ConfigError(f"tables.{name}.{key}: only a database has it; for files use `sql`.")


def _check_columns(table: Table, source: TableSource) -> None:
    where = f"tables.{table.name}"
    for section in ("columns", "expressions", "constants", "values", "formats"):
        _check_names(f"{where}.{section}", getattr(source, section), table.names)
    filled = [*source.columns, *source.expressions, *source.constants]
    twice = sorted({name for name in filled if filled.count(name) > 1})
    if twice:
        raise ConfigError(
            f"{where}: column {twice[0]!r} is filled twice; "
            "it may be in one of: columns, expressions, constants."
        )
    for name in source.formats:
        kind = table.column(name).kind
        if kind is not Kind.TIME:
            raise ConfigError(f"{where}.formats: {name!r} is of kind {kind}; only times have one.")


def _check_names(where: str, names: Iterable[str], allowed: tuple[str, ...]) -> None:
    for name in names:
        if name not in allowed:
            raise ConfigError(
                f"{where}: no such column {name!r} in the contract.{nearest(name, allowed)} "
                "A further column is declared in [contracts.…]."
            )
