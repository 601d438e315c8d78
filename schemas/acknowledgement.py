"""What people decided about a chart: an input record, replayed like any register. (casework.md section 1)"""

from __future__ import annotations

import hashlib
import json
import re
from datetime import UTC, date, datetime
from enum import StrEnum
from typing import Annotated, Any, NoReturn
from zoneinfo import ZoneInfo

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from schemas.codes import YEAR_GROUP_IDS, YEAR_GROUPS
from schemas.errors import InvalidRegister
from schemas.register import INT32_MAX, iso_date
from schemas.reject import BLANKS, REGISTER_BYTES_MAX, RejectReason

__all__ = ["Acknowledgement", "Verdict", "canonical", "parse", "winner"]

_FIELDS = {"urn", "chart", "effective_date", "verdict", "revision", "recorded_at", "actor"}
_LONDON = ZoneInfo("Europe/London")
_ACTOR_CHARACTERS_MAX = 200
_BRACKETS_MAX = 256  # Nothing in an acknowledgement is nested; this many never meet the stack's limit.
_DIGITS_MAX = 18
_MOMENT = re.compile(
    r"([0-9-]{10})[Tt]((?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9])(?:\.([0-9]+))?"
    r"([Zz]|[+-](?:[01][0-9]|2[0-3]):[0-5][0-9])?"
)
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")


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

    urn: Annotated[int, Field(ge=1, le=INT32_MAX)]
    chart: Annotated[str, Field(json_schema_extra={"enum": ["T", "C", *(f"G:{group}" for group in YEAR_GROUPS)]})]
    effective_date: date
    verdict: Verdict
    revision: Annotated[int, Field(ge=0, le=INT32_MAX)]
    recorded_at: AwareDatetime
    actor: Annotated[str, Field(min_length=1, max_length=_ACTOR_CHARACTERS_MAX)]


def parse(raw: bytes) -> Acknowledgement:
    """One JSON object, held to the same strictness as a register; raises InvalidRegister with the named reason."""
    said = _object(raw.strip(BLANKS))
    recorded_at = _recorded_at(said["recorded_at"])
    return Acknowledgement(
        urn=_integer(said, "urn", 1),
        chart=_chart(said["chart"]),
        effective_date=_effective_date(said["effective_date"], recorded_at),
        verdict=_verdict(said["verdict"]),
        revision=_integer(said, "revision", 0),
        recorded_at=recorded_at,
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


def _object(raw: bytes) -> dict[str, Any]:
    """The seven fields, each once, their values not yet looked at."""
    if len(raw) > REGISTER_BYTES_MAX:
        raise InvalidRegister(RejectReason.OVERSIZED, f"{len(raw)} bytes; at most {REGISTER_BYTES_MAX} are read")
    if raw.count(b"[") + raw.count(b"{") > _BRACKETS_MAX:
        raise InvalidRegister(RejectReason.NOT_JSON, f"more than {_BRACKETS_MAX} brackets")
    try:
        said = json.loads(raw.decode("utf-8"), object_pairs_hook=_no_twice, parse_int=_number, parse_constant=_no_constant)
    except UnicodeDecodeError as error:
        raise InvalidRegister(RejectReason.NOT_UTF8, f"byte {error.start} is not UTF-8") from error
    except ValueError as error:
        raise InvalidRegister(RejectReason.NOT_JSON, ascii(str(error))[:200]) from error
    if not isinstance(said, dict):
        raise InvalidRegister(RejectReason.NOT_AN_OBJECT, "an acknowledgement is one JSON object")
    for reason, names in ((RejectReason.UNKNOWN_FIELD, said.keys() - _FIELDS), (RejectReason.MISSING_FIELD, _FIELDS - said.keys())):
        if names:
            raise InvalidRegister(reason, ascii(sorted(names))[:200])
    return said


def _no_twice(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    out = dict(pairs)
    if len(out) < len(pairs):
        raise InvalidRegister(RejectReason.DUPLICATE_KEY, "a key stands twice")
    return out


def _number(digits: str) -> int:
    """Any length; of a number this long only matters that it is too large."""
    return int(digits[:_DIGITS_MAX])


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


def _wrong(field: str, remedy: str) -> InvalidRegister:
    return InvalidRegister(RejectReason.WRONG_FIELD, f"{field}: {remedy}")


def _integer(said: dict[str, Any], field: str, least: int) -> int:
    value = said[field]
    if type(value) is not int or not least <= value <= INT32_MAX:
        raise _wrong(field, f"write a whole number from {least} to {INT32_MAX}")
    return value


def _chart(value: object) -> str:
    if isinstance(value, str) and (value in {"T", "C"} or (value.startswith("G:") and value[2:] in YEAR_GROUP_IDS)):
        return value
    raise _wrong("chart", "write T, C or G:<year group>")


def _verdict(value: object) -> Verdict:
    if isinstance(value, str) and value in set(Verdict):
        return Verdict(value)
    raise _wrong("verdict", f"write one of {', '.join(Verdict)}")


def _actor(value: object) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= _ACTOR_CHARACTERS_MAX or _CONTROL.search(value):
        raise _wrong("actor", f"write an opaque id of 1 to {_ACTOR_CHARACTERS_MAX} characters, none of them a control character")
    return value


def _recorded_at(value: object) -> datetime:
    """As in a register: RFC 3339 to the microsecond (what is finer is cut off), in UTC."""
    form = _MOMENT.fullmatch(value) if isinstance(value, str) else None
    day = iso_date(form[1]) if form else None
    if form is None or day is None:
        raise _wrong("recorded_at", "write a moment such as 2026-10-05T16:00:00Z")
    if not form[4]:
        raise InvalidRegister(RejectReason.NO_OFFSET, "recorded_at: add Z or an offset such as +01:00")
    try:
        moment = datetime.fromisoformat(f"{day}T{form[2]}.{(form[3] or '0')[:6].ljust(6, '0')}{form[4].upper()}").astimezone(UTC)
        moment.astimezone(_LONDON)
    except OverflowError as error:
        raise _wrong("recorded_at", "write a moment of the years 1 to 9999") from error
    return moment


def _effective_date(value: object, recorded_at: datetime) -> date:
    day = iso_date(value) if isinstance(value, str) else None
    if day is None:
        raise _wrong("effective_date", "write a date such as 2026-10-05")
    if day > recorded_at.astimezone(_LONDON).date():
        raise InvalidRegister(RejectReason.FUTURE_DATE, "effective_date lies after recorded_at: name the close that was seen")
    return day
