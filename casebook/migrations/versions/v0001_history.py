"""What people did, said and were told, and who they are. History is append-only: triggers refuse to change or delete it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from casebook.column_types import BIG_NUMBER, JSON, Moment

__all__ = ["downgrade", "upgrade"]

revision = "0001"
down_revision = None

_APPEND_ONLY = ("event", "ledger")
_FUNCTION = """
CREATE FUNCTION append_only() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION 'this table is history: nothing in it is changed or deleted'; END $$
"""


def upgrade() -> None:
    """To this version."""
    _case()
    _deputy()
    _directory_version()
    _event()
    _ledger()
    _ledger_head()
    _mark()
    _membership()
    _outbox()
    _person()
    _sign_in()
    _silence()
    _told()
    _acknowledgement()
    _free_text()
    _keep_history()


def downgrade() -> None:
    """Refused: history would go with the tables."""
    raise NotImplementedError("the casebook's first tables are not taken away")


def _keep_history() -> None:
    sqlite = op.get_bind().dialect.name == "sqlite"
    if not sqlite:
        op.execute(_FUNCTION)
    for table in _APPEND_ONLY:
        for verb in ("UPDATE", "DELETE"):
            does = "BEGIN SELECT RAISE(ABORT, 'this table is history: nothing in it is changed or deleted'); END"
            name = f"{table}_refuses_{verb.lower()}"
            op.execute(f"CREATE TRIGGER {name} BEFORE {verb} ON {table} {does if sqlite else 'EXECUTE FUNCTION append_only()'}")


def _case() -> None:
    op.create_table(
        "case_",
        sa.Column("case_id", sa.Uuid(), nullable=False),
        sa.Column("urn", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("opened_at", Moment(), nullable=False),
        sa.Column("changed_at", Moment(), nullable=False),
        sa.Column("holder", sa.String(length=200), nullable=True),
        sa.Column("snoozed", sa.Boolean(), nullable=False),
        sa.Column("snoozed_until", sa.Date(), nullable=True),
        sa.Column("rank", sa.Float(), nullable=True),
        sa.Column("pupils_a_day", sa.Float(), nullable=True),
        sa.Column("outcome", sa.String(length=16), nullable=True),
        sa.Column("last_reason", sa.String(length=32), nullable=True),
        sa.Column("leading_record", sa.Uuid(), nullable=False),
        sa.Column("state", JSON, nullable=False),
        sa.PrimaryKeyConstraint("case_id", name=op.f("pk_case_")),
        comment="the fold of `event` by case; at most one open case of a kind a school",
    )
    op.create_index("ix_case__status_changed_at", "case_", ["status", "changed_at"], unique=False)
    op.create_index("ix_case__urn", "case_", ["urn"], unique=False)
    op.create_index(
        "uq_case__one_open",
        "case_",
        ["urn", "kind"],
        unique=True,
        sqlite_where=sa.text("status = 'open'"),
        postgresql_where=sa.text("status = 'open'"),
    )


def _deputy() -> None:
    op.create_table(
        "deputy",
        sa.Column("id", BIG_NUMBER, autoincrement=True, nullable=False),
        sa.Column("hub", sa.Text(), nullable=False),
        sa.Column("person", sa.String(length=200), nullable=False),
        sa.Column("deputy", sa.String(length=200), nullable=False),
        sa.Column("first_date", sa.Date(), nullable=False),
        sa.Column("last_date", sa.Date(), nullable=False),
        sa.Column("named_at", Moment(), nullable=False),
        sa.Column("ended_at", Moment(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_deputy")),
        comment="who stands in for whom, and is sent the digests in their place",
    )
    op.create_index(op.f("ix_deputy_deputy"), "deputy", ["deputy"], unique=False)
    op.create_index(op.f("ix_deputy_person"), "deputy", ["person"], unique=False)


def _directory_version() -> None:
    op.create_table(
        "directory_version",
        sa.Column("version", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("at", Moment(), nullable=False),
        sa.Column("actor", sa.String(length=200), nullable=False),
        sa.Column("what", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("version", name=op.f("pk_directory_version")),
        comment="every change of people or memberships is a version, kept with every send",
    )


def _event() -> None:
    op.create_table(
        "event",
        sa.Column("number", BIG_NUMBER, autoincrement=True, nullable=False),
        sa.Column("event_id", sa.Uuid(), nullable=False),
        sa.Column("urn", sa.Integer(), nullable=False),
        sa.Column("case_id", sa.Uuid(), nullable=True),
        sa.Column("kind", sa.String(length=24), nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("close_number", sa.Integer(), nullable=False),
        sa.Column("at", Moment(), nullable=False),
        sa.Column("actor", sa.String(length=200), nullable=False),
        sa.Column("said", JSON, nullable=False),
        sa.Column("effects", JSON, nullable=False),
        sa.Column("text_sha256", sa.LargeBinary(length=32), nullable=True),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_event")),
        sa.UniqueConstraint("event_id", name=op.f("uq_event_event_id")),
        comment="append-only: triggers refuse UPDATE and DELETE",
    )
    op.create_index("ix_event_at", "event", ["at"], unique=False)
    op.create_index("ix_event_case_id_number", "event", ["case_id", "number"], unique=False)
    op.create_index("ix_event_urn_number", "event", ["urn", "number"], unique=False)


def _ledger() -> None:
    op.create_table(
        "ledger",
        sa.Column("urn", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("at", Moment(), nullable=False),
        sa.Column("actor", sa.String(length=200), nullable=False),
        sa.Column("role", sa.String(length=16), nullable=False),
        sa.Column("action", sa.String(length=32), nullable=False),
        sa.Column("purpose", sa.String(length=64), nullable=True),
        sa.Column("case_id", sa.Uuid(), nullable=True),
        sa.Column("event_id", sa.Uuid(), nullable=True),
        sa.Column("event_sha256", sa.LargeBinary(length=32), nullable=True),
        sa.Column("text_sha256", sa.LargeBinary(length=32), nullable=True),
        sa.Column("mac", sa.LargeBinary(length=32), nullable=False),
        sa.PrimaryKeyConstraint("urn", "number", name=op.f("pk_ledger")),
        comment="one HMAC chain a school; append-only: triggers refuse UPDATE and DELETE",
    )


def _ledger_head() -> None:
    op.create_table(
        "ledger_head",
        sa.Column("urn", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("rows", sa.Integer(), nullable=False),
        sa.Column("head", sa.LargeBinary(length=32), nullable=False),
        sa.Column("exported", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("urn", name=op.f("pk_ledger_head")),
        comment="the end of each chain, and the lock under which a school's history is written",
    )


def _mark() -> None:
    op.create_table(
        "mark",
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_mark")),
        comment="what kind of database this is: `demo`",
    )


def _membership() -> None:
    op.create_table(
        "membership",
        sa.Column("id", BIG_NUMBER, autoincrement=True, nullable=False),
        sa.Column("urn", sa.Integer(), nullable=False),
        sa.Column("hub", sa.Text(), nullable=False),
        sa.Column("support", sa.String(length=16), nullable=False),
        sa.Column("consent_from", sa.Date(), nullable=False),
        sa.Column("consent_to", sa.Date(), nullable=True),
        sa.Column("from_version", sa.Integer(), nullable=False),
        sa.Column("until_version", sa.Integer(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_membership")),
        comment="which hub may see which school, from when to when",
    )
    op.create_index(op.f("ix_membership_hub"), "membership", ["hub"], unique=False)
    op.create_index(op.f("ix_membership_urn"), "membership", ["urn"], unique=False)


def _outbox() -> None:
    op.create_table(
        "outbox",
        sa.Column("number", BIG_NUMBER, autoincrement=True, nullable=False),
        sa.Column("message_id", sa.Uuid(), nullable=False),
        sa.Column("class", sa.String(length=24), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("recipient", sa.String(length=200), nullable=True),
        sa.Column("channel", sa.String(length=16), nullable=False),
        sa.Column("body", JSON, nullable=False),
        sa.Column("event_id", sa.Uuid(), nullable=True),
        sa.Column("directory_version", sa.Integer(), nullable=True),
        sa.Column("created_at", Moment(), nullable=False),
        sa.Column("not_before", Moment(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("sent_at", Moment(), nullable=True),
        sa.Column("problem", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_outbox")),
        sa.UniqueConstraint("class", "key", name=op.f("uq_outbox_class_key")),
        sa.UniqueConstraint("message_id", name=op.f("uq_outbox_message_id")),
        comment="everything that leaves: state waiting, sending, sent, failed, dropped; a key of a class is said once",
    )
    op.create_index("ix_outbox_state_not_before", "outbox", ["state", "not_before"], unique=False)


def _person() -> None:
    op.create_table(
        "person",
        sa.Column("id", BIG_NUMBER, autoincrement=True, nullable=False),
        sa.Column("person", sa.String(length=200), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("email", sa.Text(), nullable=False),
        sa.Column("role", sa.String(length=16), nullable=False),
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("valid_from", sa.Date(), nullable=False),
        sa.Column("valid_to", sa.Date(), nullable=True),
        sa.Column("from_version", sa.Integer(), nullable=False),
        sa.Column("until_version", sa.Integer(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_person")),
        comment="one row a person and role; until_version NULL: stands now",
    )
    op.create_index(op.f("ix_person_email"), "person", ["email"], unique=False)
    op.create_index(op.f("ix_person_person"), "person", ["person"], unique=False)


def _sign_in() -> None:
    op.create_table(
        "sign_in",
        sa.Column("cookie_sha256", sa.LargeBinary(length=32), nullable=False),
        sa.Column("person", sa.String(length=200), nullable=False),
        sa.Column("role", sa.String(length=16), nullable=False),
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("created_at", Moment(), nullable=False),
        sa.Column("last_seen_at", Moment(), nullable=False),
        sa.Column("rotated_at", Moment(), nullable=False),
        sa.PrimaryKeyConstraint("cookie_sha256", name=op.f("pk_sign_in")),
        comment="sign-ins; the cookie itself is nowhere",
    )
    op.create_index(op.f("ix_sign_in_person"), "sign_in", ["person"], unique=False)


def _silence() -> None:
    op.create_table(
        "silence",
        sa.Column("silence_id", sa.Uuid(), nullable=False),
        sa.Column("hub", sa.Text(), nullable=False),
        sa.Column("matchers", JSON, nullable=False),
        sa.Column("author", sa.String(length=200), nullable=False),
        sa.Column("comment", sa.Text(), nullable=False),
        sa.Column("starts_at", Moment(), nullable=False),
        sa.Column("expires_at", Moment(), nullable=False),
        sa.Column("ended_by", sa.String(length=200), nullable=True),
        sa.CheckConstraint("expires_at > starts_at", name="ck_silence_expires"),
        sa.PrimaryKeyConstraint("silence_id", name=op.f("pk_silence")),
        comment="Alertmanager's: author, comment and an expiry that cannot be left out",
    )
    op.create_index(op.f("ix_silence_hub"), "silence", ["hub"], unique=False)


def _told() -> None:
    op.create_table(
        "told",
        sa.Column("person", sa.String(length=200), nullable=False),
        sa.Column("event_id", sa.Uuid(), nullable=False),
        sa.Column("message_id", sa.Uuid(), nullable=False),
        sa.PrimaryKeyConstraint("person", "event_id", name=op.f("pk_told")),
        comment="who has been told of which event, so that nobody is told twice",
    )


def _acknowledgement() -> None:
    op.create_table(
        "acknowledgement",
        sa.Column("urn", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("chart", sa.String(length=8), nullable=False),
        sa.Column("effective_date", sa.Date(), nullable=False),
        sa.Column("revision", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("event_id", sa.Uuid(), nullable=False),
        sa.Column("verdict", sa.String(length=16), nullable=False),
        sa.Column("recorded_at", Moment(), nullable=False),
        sa.Column("actor", sa.String(length=200), nullable=False),
        sa.ForeignKeyConstraint(["event_id"], ["event.event_id"], name=op.f("fk_acknowledgement_event_id")),
        sa.PrimaryKeyConstraint("urn", "chart", "effective_date", "revision", name=op.f("pk_acknowledgement")),
        comment="what closing with an outcome and reopening say to the engine",
    )
    op.create_index(op.f("ix_acknowledgement_event_id"), "acknowledgement", ["event_id"], unique=False)


def _free_text() -> None:
    op.create_table(
        "free_text",
        sa.Column("event_id", sa.Uuid(), nullable=False),
        sa.Column("words", sa.Text(), nullable=True),
        sa.Column("salt", sa.LargeBinary(), nullable=True),
        sa.Column("redacted_at", Moment(), nullable=True),
        sa.Column("redacted_by", sa.String(length=200), nullable=True),
        sa.ForeignKeyConstraint(["event_id"], ["event.event_id"], name=op.f("fk_free_text_event_id")),
        sa.PrimaryKeyConstraint("event_id", name=op.f("pk_free_text")),
        comment="what people wrote; redacted: words and salt gone, the row kept",
    )
