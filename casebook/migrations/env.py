"""What Alembic runs: the migrations, on the connection and in the transaction that `casebook.database` holds."""

from __future__ import annotations

from alembic import context

from casebook.tables import METADATA

__all__ = ()

context.configure(connection=context.config.attributes["connection"], target_metadata=METADATA, render_as_batch=True)
context.run_migrations()
