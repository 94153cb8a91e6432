"""The ledger of scores."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from churnml.serving.store.migrations import append_only

revision = "0002"
down_revision = "0001"
LOSES = ("scores",)


def upgrade() -> None:
    """Add the ledger, to which rows are only ever added."""
    op.create_table(
        "scores",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            primary_key=True,
            autoincrement=True,
        ),
        sa.Column("account_id", sa.Text, nullable=False),
        sa.Column("recipe", sa.Text, nullable=False),
        sa.Column("bundle", sa.Text, nullable=False),
        sa.Column("cutoff", sa.DateTime),
        sa.Column("scored_at", sa.DateTime, nullable=False),
        sa.Column("document", sa.Text, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("scores_of_account", "scores", ["recipe", "account_id", "scored_at", "id"])
    append_only.keep("scores")


def downgrade() -> None:
    """Drop it."""
    append_only.drop("scores")
