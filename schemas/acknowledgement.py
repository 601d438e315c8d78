"""What people decided about a chart: an input record, replayed like any register. (casework.md section 1)"""

from __future__ import annotations

import hashlib
import json
import re
from datetime import UTC, date, datetime
from enum import StrEnum
from typing import Any
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict

from schemas.codes import YEAR_GROUP_IDS
from schemas.errors import InvalidRegister
from schemas.reject import RejectReason

__all__ = ["Acknowledgement", "Verdict", "canonical", "parse", "winner"]

_FIELDS = {"urn", "chart", "effective_date", "verdict", "revision", "recorded_at", "actor"}
_LONDON = ZoneInfo("Europe/London")
_INTEGER_MAX = 2**31 - 1
_DATE = re.compile(r"\d{4}-\d\d-\d\d\Z", re.ASCII)


class Verdict(StrEnum):
    """What a person says of an alert; retracted means as if never said."""

    HANDLED = "handled"
    KNEW_ALREADY = "knew_already"
    NOT_REAL = "not_real"
    RETRACTED = "retracted"


class Acknowledgement(BaseModel):
    """One acknowledgement; identity is (urn, chart, effective_date), the greatest (revision, recorded_at, SHA-256) wins.

    chart: `T`, `C` or `G:<year group>`. effective_date: the `as_of` of the close that the person saw. actor: an opaque id.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    urn: int
    chart: str
    effective_date: date
    verdict: Verdict
    revision: int
    recorded_at: datetime
    actor: str


def parse(raw: bytes) -> Acknowledgement:
    """One JSON object, held to the same strictness as a register; raises InvalidRegister with the named reason."""
    try:
        said = json.loads(raw.decode("utf-8"), object_pairs_hook=_no_twice)
    except UnicodeDecodeError as error:
        raise InvalidRegister(RejectReason.NOT_UTF8, str(error)) from error
    except (ValueError, RecursionError) as error:
        raise InvalidRegister(RejectReason.NOT_JSON, str(error)[:200]) from error
    if not isinstance(said, dict):
        raise InvalidRegister(RejectReason.NOT_AN_OBJECT, "an acknowledgement is one JSON object")
    for reason, names in ((RejectReason.MISSING_FIELD, _FIELDS - said.keys()), (RejectReason.UNKNOWN_FIELD, said.keys() - _FIELDS)):
        if names:
            raise InvalidRegister(reason, ", ".join(sorted(names))[:200])
    return Acknowledgement(
        urn=_integer(said, "urn", 1),
        chart=_chart(said["chart"]),
        effective_date=_effective_date(said),
        verdict=_verdict(said["verdict"]),
        revision=_integer(said, "revision", 0),
        recorded_at=_moment(said["recorded_at"]),
        actor=_actor(said["actor"]),
    )


def canonical(said: Acknowledgement) -> bytes:
    """Sorted keys, no blanks, recorded_at in UTC with microseconds."""
    moment = said.recorded_at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
    fields = said.model_dump(mode="json") | {"recorded_at": moment}
    return json.dumps(fields, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def winner(one: Acknowledgement, other: Acknowledgement) -> Acknowledgement:
    """The one of two with the same identity that counts."""
    return max(one, other, key=lambda a: (a.revision, a.recorded_at, hashlib.sha256(canonical(a)).digest()))


def _no_twice(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    out = dict(pairs)
    if len(out) < len(pairs):
        raise InvalidRegister(RejectReason.DUPLICATE_KEY, "a key stands twice")
    return out


def _wrong(field: str, remedy: str) -> InvalidRegister:
    return InvalidRegister(RejectReason.WRONG_FIELD, f"{field}: {remedy}")


def _integer(said: dict[str, Any], field: str, least: int) -> int:
    value = said[field]
    if type(value) is not int or not least <= value <= _INTEGER_MAX:
        raise _wrong(field, f"write a whole number from {least}")
    return value


def _chart(value: object) -> str:
    if value in {"T", "C"} or (isinstance(value, str) and value.startswith("G:") and value[2:] in YEAR_GROUP_IDS):
        return str(value)
    raise _wrong("chart", "write T, C or G:<year group>")


def _verdict(value: object) -> Verdict:
    if isinstance(value, str) and value in set(Verdict):
        return Verdict(value)
    raise _wrong("verdict", f"write one of {', '.join(Verdict)}")


def _actor(value: object) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= 200 or not value.isprintable():
        raise _wrong("actor", "write an opaque id of at most 200 characters")
    return value


def _moment(value: object) -> datetime:
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        moment = None
    if moment is None:
        raise _wrong("recorded_at", "write an RFC 3339 time such as 2026-10-05T16:00:00Z")
    if moment.tzinfo is None:
        raise InvalidRegister(RejectReason.NO_OFFSET, "recorded_at has no offset from UTC")
    try:
        return moment.astimezone(UTC)
    except OverflowError as error:
        raise _wrong("recorded_at", "out of range") from error


def _effective_date(said: dict[str, Any]) -> date:
    value = said["effective_date"]
    try:
        day = date.fromisoformat(value) if isinstance(value, str) and _DATE.match(value) else None
    except ValueError:
        day = None
    if day is None:
        raise _wrong("effective_date", "write a date such as 2026-10-05")
    if day > _moment(said["recorded_at"]).astimezone(_LONDON).date():
        raise InvalidRegister(RejectReason.FUTURE_DATE, "effective_date lies after recorded_at: name the close that was seen")
    return day
