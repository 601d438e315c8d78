"""Columns that read the same from SQLite and PostgreSQL: moments in UTC, JSON, numbers that count up; how keys are named."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from schemas.errors import BrokenPromise

if TYPE_CHECKING:
    from sqlalchemy.engine import Dialect

__all__ = ["BIG_NUMBER", "JSON", "METADATA", "Moment"]

METADATA = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)
"""All tables of the casebook."""

JSON = sa.JSON(none_as_null=True).with_variant(postgresql.JSONB(none_as_null=True), "postgresql")
"""Compared and kept by PostgreSQL as JSONB; None is SQL's NULL."""

BIG_NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
"""64 bits; SQLite counts up by itself only in a column called INTEGER."""


class Moment(sa.types.TypeDecorator[datetime]):
    """A moment with its offset in, UTC out; SQLite, which knows no offsets, is given the moment in UTC. Refuses one without offset."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """To the database."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise BrokenPromise(f"{value} has no offset: give the moment in UTC")
        moment = value.astimezone(UTC)
        return moment.replace(tzinfo=None) if dialect.name == "sqlite" else moment

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """From the database."""
        del dialect
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
