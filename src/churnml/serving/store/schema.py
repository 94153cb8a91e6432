"""The tables of the store as they are now. How they became so stands in ``migrations``.

Scores and audit are only ever added to: triggers in the database itself refuse any change of them.
Standings follow from scores, and can be made anew of them.
"""

from __future__ import annotations

import datetime as dt

import sqlalchemy as sa

REVISIONS = ("0001", "0002", "0003", "0004", "0005")
HEAD = REVISIONS[-1]
# A name of our own: other programs that use Alembic may live in the same database.
VERSIONS = "churnml_schema"


class Instant(sa.TypeDecorator[dt.datetime]):
    """A time in UTC, naive as everywhere; one with a zone is refused, not shifted silently."""

    impl = sa.DateTime
    cache_ok = True

    def process_bind_param(self, value: dt.datetime | None, _: sa.Dialect) -> dt.datetime | None:
        """Take a naive time as it is.

        Raises
        ------
        ValueError
            If it has a zone.
        """
        if value is not None and value.tzinfo is not None:
            raise ValueError(f"{value.isoformat()} has a zone; expected naive times, in UTC")
        return value


# SQLite counts rows by its own integers alone.
_Number = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

METADATA = sa.MetaData()
FILTERED = (
    "risk_tier",
    "account_tier",
    "arr_at_risk",
    "probability",
)  # what standings are sought by

KEYS = sa.Table(
    "keys",
    METADATA,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("digest", sa.LargeBinary, nullable=False),
    sa.Column("scopes", sa.Text, nullable=False),
    sa.Column("created_at", Instant, nullable=False),
    sa.Column("expires_at", Instant),
    sa.Column("revoked_at", Instant),
    sa.Column("rate", sa.Double),
)

SCORES = sa.Table(
    "scores",
    METADATA,
    sa.Column("id", _Number, primary_key=True, autoincrement=True),
    sa.Column("account_id", sa.Text, nullable=False),
    sa.Column("recipe", sa.Text, nullable=False),
    sa.Column("bundle", sa.Text, nullable=False),
    sa.Column("cutoff", Instant),
    sa.Column("scored_at", Instant, nullable=False),
    sa.Column("document", sa.Text, nullable=False),
    sa.Index("scores_of_account", "recipe", "account_id", "scored_at", "id"),
    sqlite_autoincrement=True,
)

STANDINGS = sa.Table(
    "standings",
    METADATA,
    sa.Column("recipe", sa.Text, primary_key=True),
    sa.Column("account_id", sa.Text, primary_key=True),
    sa.Column("score_id", _Number, nullable=False),
    sa.Column("bundle", sa.Text, nullable=False),
    sa.Column("cutoff", Instant),
    sa.Column("scored_at", Instant, nullable=False),
    sa.Column("probability", sa.Double, nullable=False),
    sa.Column("low", sa.Double, nullable=False),
    sa.Column("high", sa.Double, nullable=False),
    sa.Column("risk_tier", sa.Text, nullable=False),
    sa.Column("account_tier", sa.Text),
    sa.Column("arr", sa.Double),
    sa.Column("arr_at_risk", sa.Double),
    # Each holds all that is filtered by, so that no row is fetched that is not shown.
    *(
        sa.Index(f"standings_by_{by}", *dict.fromkeys(("recipe", by, "account_id", *FILTERED)))
        for by in ("arr_at_risk", "probability", "scored_at", "account_id")
    ),
)

AUDIT = sa.Table(
    "audit",
    METADATA,
    sa.Column("id", _Number, primary_key=True, autoincrement=True),
    sa.Column("at", Instant, nullable=False),
    sa.Column("key_id", sa.Text),
    sa.Column("action", sa.Text, nullable=False),
    sa.Column("subject", sa.Text),
    sa.Column("request_id", sa.Text),
    sa.Index("audit_by_time", "at"),
    sqlite_autoincrement=True,
)

EVENTS = sa.Table(
    "events",
    METADATA,
    sa.Column("number", _Number, primary_key=True, autoincrement=True),
    sa.Column("source", sa.Text, nullable=False),
    sa.Column("event_id", sa.Text, nullable=False),
    sa.Column("table_name", sa.Text, nullable=False),
    sa.Column("account_id", sa.Text, nullable=False),
    sa.Column("row", sa.Text, nullable=False),
    sa.Column("digest", sa.LargeBinary, nullable=False),
    sa.Column("known_at", Instant, nullable=False),
    sa.Column("received_at", Instant, nullable=False),
    sa.Column("key_id", sa.Text),
    sa.Column("request_id", sa.Text),
    sa.UniqueConstraint("source", "event_id", name="events_named_once"),
    sa.Index("events_of_account", "account_id", "number"),
    sa.Index("events_of_table", "table_name", "number"),
    sa.Index("events_known", "table_name", "known_at"),
    sqlite_autoincrement=True,
)
