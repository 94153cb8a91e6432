"""The latest score of each account, by which accounts are listed."""

from __future__ import annotations

import json
from itertools import islice
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
LOSES = ()  # all of it stands in the ledger

_BATCH = 500  # answers, each some kilobytes
_FILTERED = ("risk_tier", "account_tier", "arr_at_risk", "probability")


def upgrade() -> None:
    """Add the table, and fill it from the ledger."""
    number = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    standings = op.create_table(
        "standings",
        sa.Column("recipe", sa.Text, primary_key=True),
        sa.Column("account_id", sa.Text, primary_key=True),
        sa.Column("score_id", number, nullable=False),
        sa.Column("bundle", sa.Text, nullable=False),
        sa.Column("cutoff", sa.DateTime),
        sa.Column("scored_at", sa.DateTime, nullable=False),
        sa.Column("probability", sa.Double, nullable=False),
        sa.Column("low", sa.Double, nullable=False),
        sa.Column("high", sa.Double, nullable=False),
        sa.Column("risk_tier", sa.Text, nullable=False),
        sa.Column("account_tier", sa.Text),
        sa.Column("arr", sa.Double),
        sa.Column("arr_at_risk", sa.Double),
    )
    _fill(op.get_bind(), standings)
    for by in ("arr_at_risk", "probability", "scored_at", "account_id"):
        columns = list(dict.fromkeys(("recipe", by, "account_id", *_FILTERED)))
        op.create_index(f"standings_by_{by}", "standings", columns)


def downgrade() -> None:
    """Drop it."""
    op.drop_table("standings")


def _fill(connection: sa.Connection, standings: sa.Table) -> None:
    scores = sa.Table("scores", sa.MetaData(), autoload_with=connection)
    c = scores.c
    last = sa.func.row_number().over(
        partition_by=(c.recipe, c.account_id), order_by=(c.scored_at.desc(), c.id.desc())
    )
    ranked = sa.select(c.id, last.label("place")).subquery()
    numbers = iter(connection.scalars(sa.select(ranked.c.id).where(ranked.c.place == 1)).all())
    while batch := list(islice(numbers, _BATCH)):
        found = connection.execute(sa.select(scores).where(c.id.in_(batch))).mappings()
        if rows := [row for row in map(_row, found) if row is not None]:
            connection.execute(sa.insert(standings), rows)


def _row(score: sa.RowMapping) -> dict[str, Any] | None:
    """Take from an answer what is listed; nothing of one that tells no score."""
    told = json.loads(score["document"])
    try:
        return {
            **{name: score[name] for name in ("recipe", "account_id", "bundle")},
            **{name: score[name] for name in ("cutoff", "scored_at")},
            "score_id": score["id"],
            "low": told["interval"]["low"],
            "high": told["interval"]["high"],
            **{name: told[name] for name in ("probability", "risk_tier")},
            **{name: told[name] for name in ("account_tier", "arr", "arr_at_risk")},
        }
    except (KeyError, TypeError):
        return None
