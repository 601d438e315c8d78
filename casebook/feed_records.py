"""What both feeds give the casebook, whichever runner said it: closes, alert records, readings, registers, reference data.

Each is written idempotently by its own identity, in any order; a close becomes cases once it is completed and all its alerts are
there (`close_application`).
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from casebook import tables as t
from schemas.alert import Alert

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime
    from uuid import UUID

    from sqlalchemy.engine import Connection

    from casebook.database import Database
    from streams.replay import Reference

__all__ = ["PublishedAlert", "PublishedReading", "write_alerts", "write_control", "write_readings", "write_reference", "write_registers"]

_PATH = ("expected_ratio", "residual_z", "statistic_target", "once_in_school_years_target", "p_target")
_PLAIN = (
    "possible_sessions",
    "absences",
    "absence_ratio",
    "charted_possible_sessions",
    "charted_absences",
    "common_effect_logit",
    "statistic_level",
    "statistic_year_group",
    "once_in_school_years_level",
    "once_in_school_years_year_group",
    "condition",
)
_NEWER_CLOSE = "({0}.epoch, {0}.close_number) <= (excluded.epoch, excluded.close_number)"
_NEWER_REVISION = "(register.revision, register.recorded_at, register.sha256) < (excluded.revision, excluded.recorded_at, excluded.sha256)"


@dataclass(frozen=True, slots=True)
class PublishedAlert:
    """An alert record as it was published: its record id, its close, its canonical bytes."""

    record_id: UUID
    close_number: int
    line: bytes


@dataclass(frozen=True, slots=True)
class PublishedReading:
    """A closed reading as it was published: its close, its canonical bytes."""

    close_number: int
    line: bytes


def write_control(database: Database, connection: Connection, epoch: int, records: Iterable[tuple[int, bytes]]) -> None:
    """(position, record) of the control log."""
    rows = [{"epoch": epoch, "position": position, "line": line} for position, line in records]
    database.insert_new(connection, t.control_record, rows)


def write_alerts(database: Database, connection: Connection, epoch: int, alerts: Iterable[PublishedAlert]) -> None:
    """By record id; what a former log had published is now this one's."""
    rows = {}
    for published in alerts:
        alert = Alert.model_validate_json(published.line)
        said = alert.model_dump(mode="python")
        rows[published.record_id] = said | {
            "record_id": published.record_id,
            "epoch": epoch,
            "close_number": published.close_number,
            "kind": str(alert.kind),
            "state": str(alert.state),
        }
    database.upsert(connection, t.alert_record, rows.values())


def write_readings(database: Database, connection: Connection, epoch: int, readings: Iterable[PublishedReading]) -> None:
    """By school and day, of the newest close; class T apart from the rest."""
    newest: dict[tuple[int, str], tuple[int, dict[str, Any]]] = {}
    for published in readings:
        said = json.loads(published.line)
        key = (int(said["urn"]), str(said["attendance_date"]))
        if key not in newest or newest[key][0] <= published.close_number:
            newest[key] = (published.close_number, said)
    for table, names in ((t.reading, _PLAIN), (t.reading_path, _PATH)):
        rows = [
            {"urn": urn, "attendance_date": date.fromisoformat(day), "epoch": epoch, "close_number": number}
            | {name: said[name] for name in names}
            for (urn, day), (number, said) in newest.items()
        ]
        database.upsert(connection, table, rows, newer=_NEWER_CLOSE.format(table.name))


def write_registers(database: Database, connection: Connection, registers: Iterable[bytes]) -> None:
    """Canonical bytes; by school, day and session the winning revision."""
    best: dict[tuple[int, date, str], dict[str, Any]] = {}
    for body in registers:
        said = json.loads(body)
        row = {
            "urn": said["urn"],
            "attendance_date": date.fromisoformat(said["attendance_date"]),
            "session": said["session"],
            "revision": said["revision"],
            "recorded_at": said["recorded_at"],
            "sha256": hashlib.sha256(body).digest(),
            "source": said["source"].replace("\0", ""),  # PostgreSQL keeps no NUL.
            "counts": said["counts"],
        }
        key = (row["urn"], row["attendance_date"], row["session"])
        if key not in best or _rank(best[key]) < _rank(row):
            best[key] = row
    database.upsert(connection, t.register, best.values(), newer=_NEWER_REVISION)


def write_reference(database: Database, connection: Connection, reference: Reference, at: datetime) -> None:
    """The whole reference data in place of the former; a target that has not changed keeps the moment since which it stands."""
    known = {(row.urn, row.academic_year): row for row in connection.execute(sa.select(t.target))}
    targets = []
    for target in reference.targets:
        values = (_shown(target.baseline_attendance), _shown(target.target_attendance))
        row = known.get((target.urn, target.academic_year))
        same = row is not None and (row.baseline_attendance, row.target_attendance) == values
        supplied = (row.reference_version, row.since) if row is not None and same else (reference.version, at)
        names = ("urn", "academic_year", "baseline_attendance", "target_attendance", "reference_version", "since")
        targets.append(dict(zip(names, (target.urn, target.academic_year, *values, *supplied), strict=True)))
    for table in (t.school, t.calendar, t.target):
        connection.execute(sa.delete(table))
    schools = [school.model_dump(mode="json") for school in reference.schools]
    database.upsert(connection, t.school, [{column.name: row[column.name] for column in t.school.columns} for row in schools])
    rows = [
        {"row": i, "scope": row.scope, "kind": str(row.kind), "first_date": row.first_date, "last_date": row.last_date}
        for i, row in enumerate(reference.calendar.rows)
    ]
    database.upsert(connection, t.calendar, rows)
    database.upsert(connection, t.target, targets)
    connection.execute(sa.update(t.feed).values(reference_version=reference.version))


def _shown(ratio: float | None) -> float | None:
    """In the open: the table of targets is one of the places that may hold them."""
    return None if ratio is None else float(ratio)


def _rank(row: Mapping[str, Any]) -> tuple[int, str, bytes]:
    return row["revision"], row["recorded_at"], row["sha256"]
