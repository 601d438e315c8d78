"""What a person had typed when the sign-in ended."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from casebook.column_types import JSON, Moment

__all__ = ["downgrade", "upgrade"]

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """To this version."""
    op.create_table(
        "kept_form",
        sa.Column("person", sa.String(length=200), nullable=False),
        sa.Column("address", sa.String(length=200), nullable=False),
        sa.Column("fields", JSON, nullable=False),
        sa.Column("kept_at", Moment(), nullable=False),
        sa.PrimaryKeyConstraint("person", name=op.f("pk_kept_form")),
        comment="what a person had typed when the sign-in ended, for an hour",
    )


def downgrade() -> None:
    """Back to the version before."""
    op.drop_table("kept_form")
