"""The audit."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from churnml.serving.store.migrations import append_only

revision = "0003"
down_revision = "0002"
LOSES = ("audit",)


def upgrade() -> None:
    """Add the audit, to which rows are only ever added."""
    op.create_table(
        "audit",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            primary_key=True,
            autoincrement=True,
        ),
        sa.Column("at", sa.DateTime, nullable=False),
        sa.Column("key_id", sa.Text),
        sa.Column("action", sa.Text, nullable=False),
        sa.Column("subject", sa.Text),
        sa.Column("request_id", sa.Text),
        sqlite_autoincrement=True,
    )
    op.create_index("audit_by_time", "audit", ["at"])
    append_only.keep("audit")


def downgrade() -> None:
    """Drop it."""
    append_only.drop("audit")
