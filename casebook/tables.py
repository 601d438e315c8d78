"""The casebook's tables: what people did and were told, what was published, and the read model.

Only `event`, `free_text`, `silence`, `outbox`, `told`, people, `ledger` and `sign_in` are the truth; `case_` is a fold of
`event`, and `engine_tables` are made again from the engine's logs.
"""

from __future__ import annotations

import sqlalchemy as sa

from casebook.column_types import BIG_NUMBER, JSON, METADATA, Moment
from casebook.engine_tables import (
    READ_MODEL,
    alert_record,
    calendar,
    close_,
    control_record,
    feed,
    reading,
    reading_path,
    register,
    school,
    target,
)

__all__ = [
    "METADATA",
    "READ_MODEL",
    "acknowledgement",
    "alert_record",
    "calendar",
    "case_",
    "close_",
    "control_record",
    "deputy",
    "directory_version",
    "event",
    "feed",
    "free_text",
    "kept_form",
    "ledger",
    "ledger_head",
    "mark",
    "membership",
    "outbox",
    "person",
    "reading",
    "reading_path",
    "register",
    "school",
    "sign_in",
    "silence",
    "target",
    "told",
]

_OPEN = sa.text("status = 'open'")

mark = sa.Table(
    "mark",
    METADATA,
    sa.Column("name", sa.String(64), primary_key=True),
    sa.Column("value", sa.Text, nullable=False),
    comment="what kind of database this is: `demo`",
)

# What became of it, and what people did

event = sa.Table(
    "event",
    METADATA,
    sa.Column("number", BIG_NUMBER, primary_key=True, autoincrement=True),
    sa.Column("event_id", sa.Uuid, nullable=False, unique=True),
    sa.Column("urn", sa.Integer, nullable=False),
    sa.Column("case_id", sa.Uuid, nullable=True),
    sa.Column("kind", sa.String(24), nullable=False),
    sa.Column("epoch", sa.Integer, nullable=False),
    sa.Column("close_number", sa.Integer, nullable=False),
    sa.Column("at", Moment, nullable=False),
    sa.Column("actor", sa.String(200), nullable=False),
    sa.Column("said", JSON, nullable=False),
    sa.Column("effects", JSON, nullable=False),
    sa.Column("text_sha256", sa.LargeBinary(32), nullable=True),
    sa.Index("ix_event_urn_number", "urn", "number"),
    sa.Index("ix_event_case_id_number", "case_id", "number"),
    sa.Index("ix_event_at", "at"),
    comment="append-only: triggers refuse UPDATE and DELETE",
)

free_text = sa.Table(
    "free_text",
    METADATA,
    sa.Column("event_id", sa.Uuid, sa.ForeignKey("event.event_id"), primary_key=True),
    sa.Column("words", sa.Text, nullable=True),
    sa.Column("salt", sa.LargeBinary, nullable=True),
    sa.Column("redacted_at", Moment, nullable=True),
    sa.Column("redacted_by", sa.String(200), nullable=True),
    comment="what people wrote; redacted: words and salt gone, the row kept",
)

case_ = sa.Table(
    "case_",
    METADATA,
    sa.Column("case_id", sa.Uuid, primary_key=True),
    sa.Column("urn", sa.Integer, nullable=False),
    sa.Column("kind", sa.String(16), nullable=False),
    sa.Column("status", sa.String(16), nullable=False),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("opened_at", Moment, nullable=False),
    sa.Column("changed_at", Moment, nullable=False),
    sa.Column("holder", sa.String(200), nullable=True),
    sa.Column("snoozed", sa.Boolean, nullable=False),
    sa.Column("snoozed_until", sa.Date, nullable=True),
    sa.Column("rank", sa.Float, nullable=True),
    sa.Column("pupils_a_day", sa.Float, nullable=True),
    sa.Column("outcome", sa.String(16), nullable=True),
    sa.Column("last_reason", sa.String(32), nullable=True),
    sa.Column("leading_record", sa.Uuid, nullable=False),
    sa.Column("state", JSON, nullable=False),
    sa.Index(
        "uq_case__one_open",
        "urn",
        "kind",
        unique=True,
        sqlite_where=sa.text("status = 'open'"),
        postgresql_where=sa.text("status = 'open'"),
    ),
    sa.Index("ix_case__urn", "urn"),
    sa.Index("ix_case__status_changed_at", "status", "changed_at"),
    comment="the fold of `event` by case; at most one open case of a kind a school",
)

silence = sa.Table(
    "silence",
    METADATA,
    sa.Column("silence_id", sa.Uuid, primary_key=True),
    sa.Column("hub", sa.Text, nullable=False, index=True),
    sa.Column("matchers", JSON, nullable=False),
    sa.Column("author", sa.String(200), nullable=False),
    sa.Column("comment", sa.Text, nullable=False),
    sa.Column("starts_at", Moment, nullable=False),
    sa.Column("expires_at", Moment, nullable=False),
    sa.Column("ended_by", sa.String(200), nullable=True),
    sa.CheckConstraint("expires_at > starts_at", name="ck_silence_expires"),
    comment="Alertmanager's: author, comment and an expiry that cannot be left out",
)

acknowledgement = sa.Table(
    "acknowledgement",
    METADATA,
    sa.Column("urn", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("chart", sa.String(8), primary_key=True),
    sa.Column("effective_date", sa.Date, primary_key=True),
    sa.Column("revision", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("event_id", sa.Uuid, sa.ForeignKey("event.event_id"), nullable=False, index=True),
    sa.Column("verdict", sa.String(16), nullable=False),
    sa.Column("recorded_at", Moment, nullable=False),
    sa.Column("actor", sa.String(200), nullable=False),
    comment="what closing with an outcome and reopening say to the engine",
)

# What goes out

outbox = sa.Table(
    "outbox",
    METADATA,
    sa.Column("number", BIG_NUMBER, primary_key=True, autoincrement=True),
    sa.Column("message_id", sa.Uuid, nullable=False, unique=True),
    sa.Column("class", sa.String(24), nullable=False, key="class_"),
    sa.Column("key", sa.Text, nullable=False),
    sa.Column("recipient", sa.String(200), nullable=True),
    sa.Column("channel", sa.String(16), nullable=False),
    sa.Column("body", JSON, nullable=False),
    sa.Column("event_id", sa.Uuid, nullable=True),
    sa.Column("directory_version", sa.Integer, nullable=True),
    sa.Column("created_at", Moment, nullable=False),
    sa.Column("not_before", Moment, nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("sent_at", Moment, nullable=True),
    sa.Column("problem", sa.Text, nullable=True),
    sa.UniqueConstraint("class_", "key"),
    sa.Index("ix_outbox_state_not_before", "state", "not_before"),
    comment="everything that leaves: state waiting, sending, sent, failed, dropped; a key of a class is said once",
)

told = sa.Table(
    "told",
    METADATA,
    sa.Column("person", sa.String(200), primary_key=True),
    sa.Column("event_id", sa.Uuid, primary_key=True),
    sa.Column("message_id", sa.Uuid, nullable=False),
    comment="who has been told of which event, so that nobody is told twice",
)

# People

directory_version = sa.Table(
    "directory_version",
    METADATA,
    sa.Column("version", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("at", Moment, nullable=False),
    sa.Column("actor", sa.String(200), nullable=False),
    sa.Column("what", sa.Text, nullable=False),
    comment="every change of people or memberships is a version, kept with every send",
)

person = sa.Table(
    "person",
    METADATA,
    sa.Column("id", BIG_NUMBER, primary_key=True, autoincrement=True),
    sa.Column("person", sa.String(200), nullable=False, index=True),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("email", sa.Text, nullable=False, index=True),
    sa.Column("role", sa.String(16), nullable=False),
    sa.Column("scope", sa.Text, nullable=False),
    sa.Column("valid_from", sa.Date, nullable=False),
    sa.Column("valid_to", sa.Date, nullable=True),
    sa.Column("from_version", sa.Integer, nullable=False),
    sa.Column("until_version", sa.Integer, nullable=True),
    comment="one row a person and role; until_version NULL: stands now",
)

membership = sa.Table(
    "membership",
    METADATA,
    sa.Column("id", BIG_NUMBER, primary_key=True, autoincrement=True),
    sa.Column("urn", sa.Integer, nullable=False, index=True),
    sa.Column("hub", sa.Text, nullable=False, index=True),
    sa.Column("support", sa.String(16), nullable=False),
    sa.Column("consent_from", sa.Date, nullable=False),
    sa.Column("consent_to", sa.Date, nullable=True),
    sa.Column("from_version", sa.Integer, nullable=False),
    sa.Column("until_version", sa.Integer, nullable=True),
    comment="which hub may see which school, from when to when",
)

deputy = sa.Table(
    "deputy",
    METADATA,
    sa.Column("id", BIG_NUMBER, primary_key=True, autoincrement=True),
    sa.Column("hub", sa.Text, nullable=False),
    sa.Column("person", sa.String(200), nullable=False, index=True),
    sa.Column("deputy", sa.String(200), nullable=False, index=True),
    sa.Column("first_date", sa.Date, nullable=False),
    sa.Column("last_date", sa.Date, nullable=False),
    sa.Column("named_at", Moment, nullable=False),
    sa.Column("ended_at", Moment, nullable=True),
    comment="who stands in for whom, and is sent the digests in their place",
)

sign_in = sa.Table(
    "sign_in",
    METADATA,
    sa.Column("cookie_sha256", sa.LargeBinary(32), primary_key=True),
    sa.Column("person", sa.String(200), nullable=False, index=True),
    sa.Column("role", sa.String(16), nullable=False),
    sa.Column("scope", sa.Text, nullable=False),
    sa.Column("created_at", Moment, nullable=False),
    sa.Column("last_seen_at", Moment, nullable=False),
    sa.Column("rotated_at", Moment, nullable=False),
    comment="sign-ins; the cookie itself is nowhere",
)

kept_form = sa.Table(
    "kept_form",
    METADATA,
    sa.Column("person", sa.String(200), primary_key=True),
    sa.Column("address", sa.String(200), nullable=False),
    sa.Column("fields", JSON, nullable=False),
    sa.Column("kept_at", Moment, nullable=False),
    comment="what a person had typed when the sign-in ended, for an hour",
)

# The ledger

ledger = sa.Table(
    "ledger",
    METADATA,
    sa.Column("urn", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("at", Moment, nullable=False),
    sa.Column("actor", sa.String(200), nullable=False),
    sa.Column("role", sa.String(16), nullable=False),
    sa.Column("action", sa.String(32), nullable=False),
    sa.Column("purpose", sa.String(64), nullable=True),
    sa.Column("case_id", sa.Uuid, nullable=True),
    sa.Column("event_id", sa.Uuid, nullable=True),
    sa.Column("event_sha256", sa.LargeBinary(32), nullable=True),
    sa.Column("text_sha256", sa.LargeBinary(32), nullable=True),
    sa.Column("mac", sa.LargeBinary(32), nullable=False),
    comment="one HMAC chain a school; append-only: triggers refuse UPDATE and DELETE",
)

ledger_head = sa.Table(
    "ledger_head",
    METADATA,
    sa.Column("urn", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("rows", sa.Integer, nullable=False),
    sa.Column("head", sa.LargeBinary(32), nullable=False),
    sa.Column("exported", sa.Integer, nullable=False),
    comment="the end of each chain, and the lock under which a school's history is written",
)
