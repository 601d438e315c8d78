"""Tables of what the engine said: the log that is followed, closes, alert records, and the read model made from its logs.

Class T (casework.md section 3) stands in `target`, `reading_path` and in the alert records of kind `off_trajectory`, and nowhere else.
"""

from __future__ import annotations

import sqlalchemy as sa

from casebook.column_types import BIG_NUMBER, JSON, METADATA, Moment

__all__ = [
    "READ_MODEL",
    "alert_record",
    "calendar",
    "close_",
    "control_record",
    "feed",
    "reading",
    "reading_path",
    "register",
    "school",
    "target",
]

feed = sa.Table(
    "feed",
    METADATA,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("source", sa.Text, nullable=False),
    sa.Column("epoch", sa.Integer, nullable=False),
    sa.Column("applied", sa.Integer, nullable=False),
    sa.Column("registers_upto", BIG_NUMBER, nullable=False),
    sa.Column("reference_version", sa.Text, nullable=False),
    sa.Column("rebuilding", sa.Boolean, nullable=False),
    comment="one row: which log is followed, and the newest close that cases have seen; a new log begins a new epoch",
)

control_record = sa.Table(
    "control_record",
    METADATA,
    sa.Column("epoch", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("position", BIG_NUMBER, primary_key=True, autoincrement=False),
    sa.Column("line", sa.LargeBinary, nullable=False),
    comment="the control log as it was read: which closes there are follows from its fold",
)

close_ = sa.Table(
    "close",
    METADATA,
    sa.Column("epoch", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("close_id", sa.Text, nullable=False),
    sa.Column("day", sa.Date, nullable=False),
    sa.Column("engine_version", sa.Text, nullable=False),
    sa.Column("parameters_digest", sa.Text, nullable=False),
    sa.Column("reference_version", sa.Text, nullable=False),
    sa.Column("alerts", sa.Integer, nullable=False),
    sa.Column("completed_at", Moment, nullable=False),
    sa.Column("state_digest", sa.Text, nullable=False),
    sa.Column("applied_at", Moment, nullable=True),
    comment="the chain of closes: what is applied has become cases",
)

alert_record = sa.Table(
    "alert_record",
    METADATA,
    sa.Column("record_id", sa.Uuid, primary_key=True),
    sa.Column("alert_id", sa.Uuid, nullable=False, index=True),
    sa.Column("epoch", sa.Integer, nullable=False),
    sa.Column("close_number", sa.Integer, nullable=False),
    sa.Column("urn", sa.Integer, nullable=True),
    sa.Column("area", sa.Text, nullable=True),
    sa.Column("kind", sa.String(16), nullable=False),
    sa.Column("chart", sa.String(8), nullable=True),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("opened_on", sa.Date, nullable=False),
    sa.Column("as_of", sa.Date, nullable=False),
    sa.Column("onset_about", sa.Date, nullable=True),
    sa.Column("once_in_school_years", sa.Float, nullable=True),
    sa.Column("evidence", JSON, nullable=False),
    sa.Column("attribution", JSON, nullable=True),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Index("ix_alert_record_epoch_close_number", "epoch", "close_number"),
    sa.Index("ix_alert_record_urn_as_of", "urn", "as_of"),
    sa.Index("ix_alert_record_area_as_of", "area", "as_of"),
    comment="every published record with the evidence it was published with: as known then",
)

# The read model: made again from the engine's logs by `headway casebook --rebuild`

school = sa.Table(
    "school",
    METADATA,
    sa.Column("urn", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("phase", sa.String(16), nullable=False),
    sa.Column("region", sa.Text, nullable=False),
    sa.Column("local_authority", sa.Text, nullable=False),
    sa.Column("hub", sa.Text, nullable=False),
    sa.Column("roll", sa.Integer, nullable=True),
    sa.Index("ix_school_region", "region"),
    comment="as the newest reference data name it; who may see it stands in `membership`",
)

calendar = sa.Table(
    "calendar",
    METADATA,
    sa.Column("row", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("scope", sa.Text, nullable=False),
    sa.Column("kind", sa.String(8), nullable=False),
    sa.Column("first_date", sa.Date, nullable=False),
    sa.Column("last_date", sa.Date, nullable=False),
)

target = sa.Table(
    "target",
    METADATA,
    sa.Column("urn", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("academic_year", sa.String(7), primary_key=True),
    sa.Column("baseline_attendance", sa.Float, nullable=True),
    sa.Column("target_attendance", sa.Float, nullable=True),
    sa.Column("reference_version", sa.Text, nullable=False),
    sa.Column("since", Moment, nullable=False),
    comment="class T",
)

reading = sa.Table(
    "reading",
    METADATA,
    sa.Column("urn", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("attendance_date", sa.Date, primary_key=True),
    sa.Column("epoch", sa.Integer, nullable=False),
    sa.Column("close_number", sa.Integer, nullable=False),
    sa.Column("possible_sessions", sa.Integer, nullable=False),
    sa.Column("absences", sa.Integer, nullable=False),
    sa.Column("absence_ratio", sa.Float, nullable=True),
    sa.Column("charted_possible_sessions", sa.Integer, nullable=False),
    sa.Column("charted_absences", sa.Integer, nullable=False),
    sa.Column("common_effect_logit", sa.Float, nullable=True),
    sa.Column("statistic_level", sa.Float, nullable=True),
    sa.Column("statistic_year_group", sa.Float, nullable=True),
    sa.Column("once_in_school_years_level", sa.Float, nullable=True),
    sa.Column("once_in_school_years_year_group", sa.Float, nullable=True),
    sa.Column("condition", sa.String(16), nullable=False),
    sa.Index("ix_reading_attendance_date", "attendance_date"),
    comment="the newest closed reading of each school and day, without class T",
)

reading_path = sa.Table(
    "reading_path",
    METADATA,
    sa.Column("urn", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("attendance_date", sa.Date, primary_key=True),
    sa.Column("epoch", sa.Integer, nullable=False),
    sa.Column("close_number", sa.Integer, nullable=False),
    sa.Column("expected_ratio", sa.Float, nullable=True),
    sa.Column("residual_z", sa.Float, nullable=True),
    sa.Column("statistic_target", sa.Float, nullable=True),
    sa.Column("once_in_school_years_target", sa.Float, nullable=True),
    sa.Column("p_target", sa.Float, nullable=True),
    comment="class T: what of a closed reading would give the target away",
)

register = sa.Table(
    "register",
    METADATA,
    sa.Column("urn", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("attendance_date", sa.Date, primary_key=True),
    sa.Column("session", sa.String(2), primary_key=True),
    sa.Column("revision", sa.Integer, nullable=False),
    sa.Column("recorded_at", sa.String(32), nullable=False),
    sa.Column("sha256", sa.LargeBinary(32), nullable=False),
    sa.Column("source", sa.Text, nullable=False),
    sa.Column("counts", JSON, nullable=False),
    comment="the winning revision of each register: year group -> code -> pupils",
)

READ_MODEL = (reading, reading_path, register)
"""What `--rebuild` drops and makes again from the logs; schools, calendar and targets are replaced as a whole."""
