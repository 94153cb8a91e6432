"""Posted events."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
LOSES = ("events",)


def upgrade() -> None:
    """Add events, each named once by its source."""
    op.create_table(
        "events",
        sa.Column(
            "number",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            primary_key=True,
            autoincrement=True,
        ),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("event_id", sa.Text, nullable=False),
        sa.Column("table_name", sa.Text, nullable=False),
        sa.Column("account_id", sa.Text, nullable=False),
        sa.Column("row", sa.Text, nullable=False),
        sa.Column("digest", sa.LargeBinary, nullable=False),
        sa.Column("known_at", sa.DateTime, nullable=False),
        sa.Column("received_at", sa.DateTime, nullable=False),
        sa.Column("key_id", sa.Text),
        sa.Column("request_id", sa.Text),
        sa.UniqueConstraint("source", "event_id", name="events_named_once"),
        sqlite_autoincrement=True,
    )
    op.create_index("events_of_account", "events", ["account_id", "number"])
    op.create_index("events_of_table", "events", ["table_name", "number"])
    op.create_index("events_known", "events", ["table_name", "known_at"])


def downgrade() -> None:
    """Drop them."""
    op.drop_table("events")
