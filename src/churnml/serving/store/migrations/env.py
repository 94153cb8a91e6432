"""Runs migrations in the transaction of whoever asks for them, so that all are done or none."""

from __future__ import annotations

from alembic import context

from churnml.serving.store.schema import METADATA, VERSIONS

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=METADATA,
    version_table=VERSIONS,
    transactional_ddl=True,
)
context.run_migrations()
