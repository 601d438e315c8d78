"""The topology as a value: every stage with what it reads, the key, the step it calls and what it writes.

The only place where a log has a name: live a topic's, after a prefix; embedded, what is needed of them are SQLite tables.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["INPUTS", "LOGS", "REFERENCE", "STAGES", "Log", "Stage"]

_YEAR_DAYS = 380  # From one September into the next, with a fortnight to spare.


@dataclass(frozen=True, slots=True)
class Log:
    """An append-only log; confidential: it holds targets in some form. kept_days None: for ever."""

    name: str
    key: str
    carries: str
    confidential: bool = False
    partitions: int = 12
    kept_days: int | None = None
    record_bytes_max: int = 262_144


REGISTERS = Log("attendance.session.v1", "urn", "registers in, every revision", kept_days=2 * _YEAR_DAYS)
ACKNOWLEDGEMENTS = Log("attendance.acknowledgement.v1", "urn", "what people decided", kept_days=2 * _YEAR_DAYS)
SCHOOLS = Log("reference.school.v1", "urn", "schools of a version of the reference data")
CALENDAR = Log("reference.calendar.v1", "scope", "terms and closures of a version")
TARGETS = Log("reference.target.v1", "urn", "baselines and targets of a version", confidential=True, kept_days=2 * _YEAR_DAYS)
VERSIONS = Log("reference.version.v1", "", "manifests: which versions of the reference data are whole", partitions=1)
CONTROL = Log("attendance.close.v1", "", "closes: requested, decided, completed, abandoned; rejects accepted", partitions=1)
PROVISIONAL = Log("attendance.provisional.v1", "partition", "provisional readings", confidential=True, kept_days=2)
READINGS = Log("attendance.reading.v1", "urn", "closed readings", confidential=True, kept_days=_YEAR_DAYS)
ALERTS = Log("attendance.alert.v1", "urn", "alerts opened, updated, withdrawn, closed", confidential=True)
REJECTS = Log("attendance.rejected.v1", "source topic", "original bytes, origin, reason", kept_days=2 * _YEAR_DAYS, record_bytes_max=2**19)

INPUTS = (REGISTERS, ACKNOWLEDGEMENTS)  # What a close names positions of.
REFERENCE = (SCHOOLS, CALENDAR, TARGETS)  # A version's rows; its manifest stands in VERSIONS.
LOGS = (*INPUTS, *REFERENCE, VERSIONS, CONTROL, PROVISIONAL, READINGS, ALERTS, REJECTS)


@dataclass(frozen=True, slots=True)
class Stage:
    """One stage: the logs it reads, the step (module:function of the pure core) it calls, the logs it writes."""

    name: str
    reads: tuple[Log, ...]
    step: str
    writes: tuple[Log, ...]


STAGES = (
    Stage("intake", (), "schemas.register:parse", (REGISTERS, REJECTS)),
    Stage("provisional", (REGISTERS,), "models.provisional:read", (PROVISIONAL, REJECTS)),
    Stage("close", (*INPUTS, *REFERENCE, VERSIONS, CONTROL), "models.course:Course.close", (CONTROL, ALERTS, READINGS, REJECTS)),
)
