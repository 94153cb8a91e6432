"""Triggers that let rows be added to a table, and nothing else.

Revisions 0002 and 0003 share them; another kind of trigger comes with a revision of its own.
"""

from __future__ import annotations

from alembic import op


def keep(table: str) -> None:
    """Refuse any change of the table's rows from now on."""
    for statement in _SQLITE if op.get_context().dialect.name == "sqlite" else _POSTGRESQL:
        op.execute(statement.format(table=table))


def drop(table: str) -> None:
    """Drop the table with its triggers."""
    op.drop_table(table)
    if op.get_context().dialect.name == "postgresql":
        op.execute(f"DROP FUNCTION {table}_refuse()")


# REPLACE deletes without asking a trigger of DELETE, hence the one of INSERT.
_SQLITE = tuple(
    f"CREATE TRIGGER {{table}}_no_{change} "
    "BEGIN SELECT RAISE(ABORT, '{table}: rows are only ever added'); END"
    for change in (
        "update BEFORE UPDATE ON {table}",
        "delete BEFORE DELETE ON {table}",
        "replace BEFORE INSERT ON {table} WHEN EXISTS (SELECT 1 FROM {table} WHERE id = NEW.id)",
    )
)
_POSTGRESQL = (
    """
    CREATE FUNCTION {table}_refuse() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN RAISE EXCEPTION '{table}: rows are only ever added'; END $$
    """,
    """
    CREATE TRIGGER {table}_no_change BEFORE UPDATE OR DELETE ON {table}
    FOR EACH ROW EXECUTE FUNCTION {table}_refuse()
    """,
    """
    CREATE TRIGGER {table}_no_truncate BEFORE TRUNCATE ON {table}
    FOR EACH STATEMENT EXECUTE FUNCTION {table}_refuse()
    """,
)
