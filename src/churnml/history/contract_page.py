"""The page ``docs/data-contract.md``, written from the contract itself.

``python -m churnml.history.contract_page > docs/data-contract.md`` writes it anew.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator

from churnml.config import FrozenModel
from churnml.history.declarations import DeclaredColumn, DeclaredTable
from churnml.history.faults import MEANINGS, OF_THE_TABLE, Fault
from churnml.history.sources import CsvFormat, Sources, TableSource
from churnml.history.tables import STANDARD, Column, Table

_INTRODUCTION = """\
# The data contract

What churnml expects of history, table by table. This page is written from the code
(`python -m churnml.history.contract_page`), so it says what is checked, no more and no less.

All times are UTC inside. A row is **known** at its `recorded_at` where that is given and later than
its event time, else at its event time; a scheduled row, such as a term that starts next month, is
known when it was recorded. A column is known with its row unless the table below names another
time. A fact counts at a cutoff only if it was known strictly before.

No table but the one a feature or label reads has to be there, and no column but the required ones.
"""

_TIMES = """\
## Times

A time is read from a timestamp or date of Parquet; from a text in ISO 8601 (`2025-03-30`,
`2025-03-30 08:15`, `2025-03-30T08:15:00.5+02:00`, with `Z`, `UTC`, `+02`, `+02:00` or `+0200`);
or by a format that `formats` gives.

- A **date** is its first instant. A roll-up of a day is known only when the day is over: give it
  `recorded_at = "day::DATE + INTERVAL 1 DAY"` in `expressions`, or a cutoff at noon sees the
  afternoon.
- A time **without zone** is read in the table's `timezone`. A local time that summer time skips
  moves on by the hour that is skipped; one that comes twice is the later, so that nothing is known
  too early.
- A column with times of **both** sorts is the fault `mixed_zones`: those with a zone are right, the
  others are a guess and are set aside.
- An **event before its account** is judged by the day, since dates and instants meet there.
"""

_DATABASES = """\
### Databases

```toml
[tables.accounts]
database_env = "CRM"        # postgresql+psycopg://reader:p%40ss@crm.internal/crm
table = "sales.accounts"    # or query = "SELECT …"
columns = { account_id = "id" }
```

Any database that SQLAlchemy reaches will do; its driver has to be installed. SQLite needs none, and
`pip install 'churnml[postgresql]'` brings PostgreSQL's.

- Rows are **streamed**: memory does not grow with the table. A database is read anew by every
  `check`, `train` and `score`, since nothing tells whether it changed.
- A **password** stands in the environment alone; a URL in the file may hold none. In a URL, write
  `@`, `:` and `/` of a password as `%40`, `%3A` and `%2F`. No message, report or bundle holds it.
- Values become **texts**, as of CSV: `timestamptz` comes with its zone, `timestamp` is read in the
  table's `timezone`, numbers keep every digit, and JSON and arrays are written as JSON. What a
  driver cannot hold, such as the time `infinity`, is for the `query` to convert:
  `NULLIF(ends_at, 'infinity') AS ends_at`.
- **Ids** are taken as they are, blanks and zeros too. Where a column pads them (`char(10)`), give
  `account_id = "trim(id)"` in `expressions`.
"""

_CHECKS = """\
## What is checked

Every row that is read is either clean or in `var/quarantine/<table>.csv`, as the source has it,
beside the fault and the reason. A table is **refused** when a required column has no source, when
it is empty or none of its rows is both sound and recorded before the end of observation, or when
more than `max_faulty` of its rows (1 % unless said otherwise) are in error.
If any table is refused, `churnml check` exits with 1 and clean history stays what it was.

A CSV file that ends within quotes, or in a line that has too few fields and no line end, was cut
off: nothing is read. A cut that only shortens the last value, or falls between two lines, cannot be
seen.
"""


def page() -> str:
    """Write the page.

    Returns
    -------
    str
        Markdown.
    """
    parts = [
        _INTRODUCTION,
        *(_table(table) for table in STANDARD.values()),
        _TIMES,
        "\n".join(_sources()),
        "\n".join(_faults()),
    ]
    return "\n".join(parts)


def _table(table: Table) -> str:
    key = ", ".join(f"`{name}`" for name in table.key) or "none: rows have no identity"
    facts = [f"Key: {key}. Event time: `{table.time}`."]
    if table.scheduled:
        facts.append("It may lie in the future.")
    if table.dimension:
        facts.append(f"Events are told apart by `{table.dimension}`.")
    rows = [
        f"| `{item.name}` | {item.kind} | {_known(item)} | {_allowed(item)} | {item.doc} |"
        for item in table.columns
    ]
    return "\n".join(
        [
            f"## {table.name}\n",
            f"{table.doc} {' '.join(facts)}\n",
            "| column | kind | known | must be | meaning |",
            "| --- | --- | --- | --- | --- |",
            *rows,
            "",
        ]
    )


def _known(column: Column) -> str:
    if column.known is None:
        return "with its row"
    return "at itself" if column.known == column.name else f"at `{column.known}`"


def _allowed(column: Column) -> str:
    rules = ["given"] if column.required else []
    if column.minimum is not None:
        rules.append(f"≥ {column.minimum:,g}")
    if column.maximum is not None:
        rules.append(f"≤ {column.maximum:,.0f}")
    if column.choices:
        rules.append("one of " + ", ".join(f"`{choice}`" for choice in column.choices))
    if column.after is not None:
        rules.append(f"not before `{column.after}`")
    return "; ".join(rules)


def _sources() -> Iterator[str]:
    yield "## Where it comes from: `data/sources.toml`\n"
    yield "Paths are relative to the folder of the file.\n"
    sections: tuple[tuple[str, type[FrozenModel]], ...] = (
        ("At the top", Sources),
        ("`[tables.<table>]`", TableSource),
        ("`csv = { … }` of a table", CsvFormat),
        ("`[contracts.<table>]`", DeclaredTable),
        ("`columns = [{ … }]` of a contract", DeclaredColumn),
    )
    for title, model in sections:
        yield f"### {title}\n"
        yield "| key | meaning |"
        yield "| --- | --- |"
        for name, field in model.model_fields.items():
            yield f"| `{name}` | {field.description}{_default(field.default)} |"
        yield ""
        if model is TableSource:
            yield _DATABASES


def _default(default: object) -> str:
    """Say a default that is worth saying: not one that means nothing is given."""
    plain = isinstance(default, str | int | float) and not isinstance(default, bool)
    return f" (`{default}`)" if plain else ""


def _faults() -> Iterator[str]:
    yield _CHECKS
    yield "| fault | what is wrong | row | counts as | what to do |"
    yield "| --- | --- | --- | --- | --- |"
    for fault in Fault:
        meaning = MEANINGS[fault]
        row = "of the table" if fault in OF_THE_TABLE else "kept"
        row = "set aside" if meaning.quarantined else row
        severity = str(meaning.severity) + (", may be accepted" if meaning.acceptable else "")
        yield f"| `{fault}` | {meaning.doc} | {row} | {severity} | {meaning.remedy} |"
    yield ""


if __name__ == "__main__":
    sys.stdout.write(page())
