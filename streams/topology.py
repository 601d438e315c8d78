"""The topology as a value: every stage with what it reads, the key, the step it calls and what it writes.

The only place where a log has a name. The embedded runner keeps registers, acknowledgements, rejects, the control log and
alerts as SQLite tables (in a replay, as files); readings are computed again when they are asked for. The live runner keeps
each as a topic of the same name.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["LOGS", "STAGES", "Log", "Stage"]


@dataclass(frozen=True, slots=True)
class Log:
    """An append-only log: its name, its key and what it carries; confidential ones hold targets in some form."""

    name: str
    key: str
    carries: str
    confidential: bool = False


REGISTERS = Log("attendance.session.v1", "urn", "registers in, every revision")
ACKNOWLEDGEMENTS = Log("attendance.acknowledgement.v1", "urn", "what people decided")
CONTROL = Log("attendance.close.v1", "", "closes: requested, decided, completed, abandoned")
PROVISIONAL = Log("attendance.provisional.v1", "urn", "provisional readings", confidential=True)
READINGS = Log("attendance.reading.v1", "urn", "closed readings", confidential=True)
ALERTS = Log("attendance.alert.v1", "urn", "alerts opened, updated, withdrawn, closed", confidential=True)
REJECTS = Log("attendance.rejected.v1", "source", "original bytes, origin, reason")

LOGS = (REGISTERS, ACKNOWLEDGEMENTS, CONTROL, PROVISIONAL, READINGS, ALERTS, REJECTS)


@dataclass(frozen=True, slots=True)
class Stage:
    """One stage: the logs it reads, the step (module:function of the pure core) it calls, the logs it writes."""

    name: str
    reads: tuple[Log, ...]
    step: str
    writes: tuple[Log, ...]


STAGES = (
    Stage("intake", (), "schemas.register:parse", (REGISTERS, REJECTS)),
    Stage("provisional", (REGISTERS,), "models.provisional:read", (PROVISIONAL,)),
    Stage("close", (REGISTERS, ACKNOWLEDGEMENTS, CONTROL), "models.course:Course.close", (CONTROL, ALERTS, READINGS)),
)
