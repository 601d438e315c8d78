"""What the engine said, and the read model that is made from its logs."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from casebook.column_types import BIG_NUMBER, JSON, Moment

__all__ = ["downgrade", "upgrade"]

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """To this version."""
    _alert_record()
    _calendar()
    _close()
    _control_record()
    _feed()
    _reading()
    _reading_path()
    _register()
    _school()
    _target()


def downgrade() -> None:
    """Refused: history would go with the tables."""
    raise NotImplementedError("the casebook's first tables are not taken away")


def _alert_record() -> None:
    op.create_table(
        "alert_record",
        sa.Column("record_id", sa.Uuid(), nullable=False),
        sa.Column("alert_id", sa.Uuid(), nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("close_number", sa.Integer(), nullable=False),
        sa.Column("urn", sa.Integer(), nullable=True),
        sa.Column("area", sa.Text(), nullable=True),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("chart", sa.String(length=8), nullable=True),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("opened_on", sa.Date(), nullable=False),
        sa.Column("as_of", sa.Date(), nullable=False),
        sa.Column("onset_about", sa.Date(), nullable=True),
        sa.Column("once_in_school_years", sa.Float(), nullable=True),
        sa.Column("evidence", JSON, nullable=False),
        sa.Column("attribution", JSON, nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("record_id", name=op.f("pk_alert_record")),
        comment="every published record with the evidence it was published with: as known then",
    )
    op.create_index(op.f("ix_alert_record_alert_id"), "alert_record", ["alert_id"], unique=False)
    op.create_index("ix_alert_record_area_as_of", "alert_record", ["area", "as_of"], unique=False)
    op.create_index("ix_alert_record_epoch_close_number", "alert_record", ["epoch", "close_number"], unique=False)
    op.create_index("ix_alert_record_urn_as_of", "alert_record", ["urn", "as_of"], unique=False)


def _calendar() -> None:
    op.create_table(
        "calendar",
        sa.Column("row", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("kind", sa.String(length=8), nullable=False),
        sa.Column("first_date", sa.Date(), nullable=False),
        sa.Column("last_date", sa.Date(), nullable=False),
        sa.PrimaryKeyConstraint("row", name=op.f("pk_calendar")),
    )


def _close() -> None:
    op.create_table(
        "close",
        sa.Column("epoch", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("close_id", sa.Text(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("engine_version", sa.Text(), nullable=False),
        sa.Column("parameters_digest", sa.Text(), nullable=False),
        sa.Column("reference_version", sa.Text(), nullable=False),
        sa.Column("alerts", sa.Integer(), nullable=False),
        sa.Column("completed_at", Moment(), nullable=False),
        sa.Column("state_digest", sa.Text(), nullable=False),
        sa.Column("applied_at", Moment(), nullable=True),
        sa.PrimaryKeyConstraint("epoch", "number", name=op.f("pk_close")),
        comment="the chain of closes: what is applied has become cases",
    )


def _control_record() -> None:
    op.create_table(
        "control_record",
        sa.Column("epoch", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("position", BIG_NUMBER, autoincrement=False, nullable=False),
        sa.Column("line", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("epoch", "position", name=op.f("pk_control_record")),
        comment="the control log as it was read: which closes there are follows from its fold",
    )


def _feed() -> None:
    op.create_table(
        "feed",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("applied", sa.Integer(), nullable=False),
        sa.Column("registers_upto", BIG_NUMBER, nullable=False),
        sa.Column("reference_version", sa.Text(), nullable=False),
        sa.Column("rebuilding", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_feed")),
        comment="one row: which log is followed, and the newest close that cases have seen; a new log begins a new epoch",
    )


def _reading() -> None:
    op.create_table(
        "reading",
        sa.Column("urn", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("attendance_date", sa.Date(), nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("close_number", sa.Integer(), nullable=False),
        sa.Column("possible_sessions", sa.Integer(), nullable=False),
        sa.Column("absences", sa.Integer(), nullable=False),
        sa.Column("absence_ratio", sa.Float(), nullable=True),
        sa.Column("charted_possible_sessions", sa.Integer(), nullable=False),
        sa.Column("charted_absences", sa.Integer(), nullable=False),
        sa.Column("common_effect_logit", sa.Float(), nullable=True),
        sa.Column("statistic_level", sa.Float(), nullable=True),
        sa.Column("statistic_year_group", sa.Float(), nullable=True),
        sa.Column("once_in_school_years_level", sa.Float(), nullable=True),
        sa.Column("once_in_school_years_year_group", sa.Float(), nullable=True),
        sa.Column("condition", sa.String(length=16), nullable=False),
        sa.PrimaryKeyConstraint("urn", "attendance_date", name=op.f("pk_reading")),
        comment="the newest closed reading of each school and day, without class T",
    )
    op.create_index("ix_reading_attendance_date", "reading", ["attendance_date"], unique=False)


def _reading_path() -> None:
    op.create_table(
        "reading_path",
        sa.Column("urn", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("attendance_date", sa.Date(), nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("close_number", sa.Integer(), nullable=False),
        sa.Column("expected_ratio", sa.Float(), nullable=True),
        sa.Column("residual_z", sa.Float(), nullable=True),
        sa.Column("statistic_target", sa.Float(), nullable=True),
        sa.Column("once_in_school_years_target", sa.Float(), nullable=True),
        sa.Column("p_target", sa.Float(), nullable=True),
        sa.PrimaryKeyConstraint("urn", "attendance_date", name=op.f("pk_reading_path")),
        comment="class T: what of a closed reading would give the target away",
    )


def _register() -> None:
    op.create_table(
        "register",
        sa.Column("urn", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("attendance_date", sa.Date(), nullable=False),
        sa.Column("session", sa.String(length=2), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("recorded_at", sa.String(length=32), nullable=False),
        sa.Column("sha256", sa.LargeBinary(length=32), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("counts", JSON, nullable=False),
        sa.PrimaryKeyConstraint("urn", "attendance_date", "session", name=op.f("pk_register")),
        comment="the winning revision of each register: year group -> code -> pupils",
    )


def _school() -> None:
    op.create_table(
        "school",
        sa.Column("urn", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("phase", sa.String(length=16), nullable=False),
        sa.Column("region", sa.Text(), nullable=False),
        sa.Column("local_authority", sa.Text(), nullable=False),
        sa.Column("hub", sa.Text(), nullable=False),
        sa.Column("roll", sa.Integer(), nullable=True),
        sa.PrimaryKeyConstraint("urn", name=op.f("pk_school")),
        comment="as the newest reference data name it; who may see it stands in `membership`",
    )
    op.create_index("ix_school_region", "school", ["region"], unique=False)


def _target() -> None:
    op.create_table(
        "target",
        sa.Column("urn", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("academic_year", sa.String(length=7), nullable=False),
        sa.Column("baseline_attendance", sa.Float(), nullable=True),
        sa.Column("target_attendance", sa.Float(), nullable=True),
        sa.Column("reference_version", sa.Text(), nullable=False),
        sa.Column("since", Moment(), nullable=False),
        sa.PrimaryKeyConstraint("urn", "academic_year", name=op.f("pk_target")),
        comment="class T",
    )
