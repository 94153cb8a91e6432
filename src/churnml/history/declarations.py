"""Tables and columns that a project declares beside the standard ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

from pydantic import Field

from churnml.config import FrozenModel
from churnml.errors import ConfigError
from churnml.history.tables import ACCOUNT_ID, RECORDED_AT, STANDARD, Column, Kind, Table


class DeclaredColumn(FrozenModel):
    """One column of a declared table; the fields are those of `tables.Column`."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_]*$", description="its name, in lower case")
    kind: Kind = Field(description="one of " + ", ".join(f"`{kind}`" for kind in Kind))
    doc: str = Field(description="what it says, with its unit")
    known: str | None = Field(
        None, description="the time column at which it becomes known; with its row if not given"
    )
    required: bool = Field(False, description="whether a row without a value is faulty")
    minimum: float | None = Field(None, description="least possible number")
    maximum: float | None = Field(None, description="greatest possible number")
    choices: tuple[str, ...] = Field((), description="the allowed texts")
    after: str | None = Field(None, description="a time of the row that this one may not precede")

    def column(self) -> Column:
        """Build the column of the contract."""
        return Column(**{name: getattr(self, name) for name in type(self).model_fields})


class DeclaredTable(FrozenModel):
    """A further table, or further columns of a standard one."""

    doc: str | None = Field(None, description="what one row is; required for a further table")
    key: tuple[str, ...] = Field(
        (),
        description="the columns that identify a row. `usage`, which has none, may be given one, "
        "so that rows which were delivered twice are found",
    )
    time: str | None = Field(
        None,
        description="the event time, required for a further table; a required time column when it "
        "is not among `columns`",
    )
    dimension: str | None = Field(
        None, description="the text column by which events are told apart"
    )
    scheduled: bool = Field(False, description="whether the event time may lie in the future")
    label_only: bool = Field(False, description="whether labels alone may read the table")
    columns: tuple[DeclaredColumn, ...] = Field(
        (), description="its columns; `account_id` and `recorded_at` are there by themselves"
    )
    after: dict[str, str] = Field(
        default_factory=dict,
        description="for a standard table: standard time = declared time it may not precede",
    )

    def table(self, name: str) -> Table:
        """Build the contract.

        Parameters
        ----------
        name : str
            The table's name; a standard one is extended.

        Raises
        ------
        ConfigError
            If something is missing or contradicts the standard table.
        """
        if name in STANDARD:
            return self._extend(STANDARD[name])
        if self.doc is None or self.time is None:
            lost = "doc" if self.doc is None else "time"
            raise ConfigError(f"contracts.{name}: a further table needs {lost!r}; it is missing.")
        if self.after:
            raise ConfigError(
                f"contracts.{name}.after: is for standard tables; say it in the column itself."
            )
        declared = tuple(item.column() for item in self.columns)
        names = {column.name for column in declared}
        implied = (
            Column(ACCOUNT_ID, Kind.ID, "the account the row belongs to", required=True),
            Column(self.time, Kind.TIME, "when it happened", required=True),
            Column(
                RECORDED_AT, Kind.TIME, "when the row reached the system; the event time if absent"
            ),
        )
        columns = (*(column for column in implied if column.name not in names), *declared)
        return Table(
            name=name,
            doc=self.doc,
            key=self.key,
            time=self.time,
            # A row without its event time or its account cannot be placed, whatever was declared.
            columns=tuple(
                replace(item, required=True) if item.name in (ACCOUNT_ID, self.time) else item
                for item in columns
            ),
            dimension=self.dimension,
            scheduled=self.scheduled,
            label_only=self.label_only,
        )

    def _extend(self, standard: Table) -> Table:
        fixed = {"doc", "time", "dimension", "scheduled", "label_only"} & self.model_fields_set
        if fixed:
            raise ConfigError(
                f"contracts.{standard.name}: {min(fixed)!r} of a standard table is fixed; "
                "only 'columns' and 'after' may be added, and a 'key' where it has none."
            )
        if self.key and standard.key:
            raise ConfigError(
                f"contracts.{standard.name}: its key is ({', '.join(standard.key)}) and is fixed."
            )
        added = tuple(item.column() for item in self.columns)
        for column in added:
            if standard.has(column.name):
                raise ConfigError(
                    f"contracts.{standard.name}: column {column.name!r} is a standard one and "
                    "cannot be declared again; give yours another name."
                )
        for name in self.after:
            before = standard.column(name).after
            if before is not None:
                raise ConfigError(
                    f"contracts.{standard.name}.after: {name!r} must follow {before!r} already."
                )
        columns = (
            replace(column, after=self.after.get(column.name, column.after))
            for column in standard.columns
        )
        return replace(standard, key=standard.key or self.key, columns=(*columns, *added))


def all_contracts(declared: Mapping[str, DeclaredTable]) -> Mapping[str, Table]:
    """Join the standard tables with what a project declares.

    Parameters
    ----------
    declared : mapping of str to DeclaredTable
        The ``[contracts.…]`` of a project.

    Returns
    -------
    mapping of str to Table
        Standard tables first, in their order.

    Raises
    ------
    ConfigError
        If a declaration is incomplete or contradicts a standard table.
    """
    tables = dict(STANDARD)
    for name, declaration in declared.items():
        tables[name] = declaration.table(name)
    return MappingProxyType(tables)
