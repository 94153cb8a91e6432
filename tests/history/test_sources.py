from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest

from churnml.errors import ConfigError
from churnml.history.faults import Fault
from churnml.history.sources import Sources, read_sources
from churnml.history.tables import STANDARD


def read(folder: Path, text: str) -> Sources:
    path = folder / "sources.toml"
    path.write_text(text, encoding="utf-8")
    return read_sources(path)


def test_a_source_says_where_a_table_comes_from(tmp_path: Path) -> None:
    sources = read(
        tmp_path,
        """
        observed_until = 2026-01-01T00:00:00Z
        timezone = "Europe/Berlin"
        [tables.usage]
        files = ["a.csv", "b/*.csv"]
        timezone = "America/New_York"
        columns = { account_id = "CustomerID" }
        constants = { event = "purchase", quantity = 1 }
        accept = ["before_account"]
        csv = { delimiter = ";" }
        [tables.accounts]
        derive = true
        """,
    )

    usage = sources.tables["usage"]
    assert sources.observed_until == dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    assert usage.files == ("a.csv", "b/*.csv")
    assert usage.columns == {"account_id": "CustomerID"}
    assert usage.constants == {"event": "purchase", "quantity": 1}
    assert usage.accept == (Fault.BEFORE_ACCOUNT,)
    assert usage.csv.delimiter == ";"
    assert usage.csv.encoding == "utf-8"
    assert usage.missing == ("",)
    assert (sources.zone("usage"), sources.zone("accounts")) == (
        "America/New_York",
        "Europe/Berlin",
    )
    assert dict(sources.tables_declared()) == dict(STANDARD)


FILES = '[tables.usage]\nfiles = "u.csv"\n'


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            '[tables.usages]\nfiles = "u.csv"',
            r"tables\.usages: no such table\. Did you mean 'usage'",
        ),
        (FILES + "colums = {}", r"unknown key 'tables\.usage\.colums'\. Did you mean 'columns'"),
        (
            FILES + 'columns = { acount_id = "x" }',
            r"tables\.usage\.columns: no such column 'acount_id'.*Did you mean 'account_id'",
        ),
        (FILES + 'timezone = "Europe/Berlinn"', r"timezone.*Did you mean 'Europe/Berlin'"),
        (FILES + 'accept = ["missing_value"]', r"'missing_value' cannot be accepted; only empty, "),
        (FILES + 'accept = ["nonsense"]', r"accept.*nonsense"),
        (FILES + "max_faulty = 1.5", r"max_faulty.*less than or equal to 1"),
        (FILES + 'database = "sqlite:///x.db"', r"got files and database; expected one of: files"),
        ("[tables.usage]\ntimezone = 'UTC'", r"tables\.usage: got none; expected one of: files"),
        (FILES + "derive = true", r"usage\.derive: only accounts can be derived"),
        (
            FILES + 'query = "select 1"',
            r"usage\.query: only a database has it; for files use `sql`",
        ),
        (FILES + 'sql = "select 1"', r"`sql` and a table of named `files` belong together"),
        ('[tables.usage]\nfiles = { u = "u.csv" }', r"`sql` and a table of named `files` belong"),
        ('[tables.usage]\ndatabase_env = "URL"', r"a database needs one of: query, table"),
        (
            FILES + 'columns = { event = "x" }\nconstants = { event = "y" }',
            r"column 'event' is filled twice",
        ),
        (FILES + 'formats = { event = "%d" }', r"'event' is of kind string; only times have one"),
        ("[tables.accounts]\nderive = true", r"no table has a source"),
        ("", r"no table has a source"),
    ],
)
def test_a_mistake_is_named_with_its_file_key_and_remedy(
    tmp_path: Path, text: str, message: str
) -> None:
    with pytest.raises(ConfigError, match=message) as raised:
        read(tmp_path, text)

    assert str(raised.value).startswith(f"{tmp_path / 'sources.toml'}: ")
