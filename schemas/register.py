"""The register of one school session: what it holds, when it is valid, and its canonical bytes. (contracts.md section 1)

`parse` is the reference: any quicker reader accepts and rejects exactly what it does, for the same reason. The answer follows
from the bytes, the dated code table and the London time zone, never from a clock, a reader or the reference data.
"""

from __future__ import annotations

import json
import re
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any, Literal, NoReturn, cast
from zoneinfo import ZoneInfo

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from schemas.codes import ALL, CODE_IDS, CODES, PUPILS_MAX, YEAR_GROUP_IDS, YEAR_GROUPS
from schemas.errors import InvalidRegister
from schemas.reject import BLANKS, REGISTER_BYTES_MAX, RejectReason

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "FIELDS",
    "INT32_MAX",
    "SOURCE_CHARACTERS_MAX",
    "Session",
    "SessionAttendance",
    "canonical",
    "canonical_text",
    "iso_date",
    "parse",
]

INT32_MAX = 2**31 - 1
SOURCE_CHARACTERS_MAX = 200
NESTED_MAX = 64
"""Deep enough to name the fault of a nested value, far from any stack's limit; a register is three deep."""

Session = Literal["AM", "PM"]
_COUNTS_SCHEMA: dict[str, Any] = {
    "minProperties": 1,
    "propertyNames": {"enum": list(YEAR_GROUPS)},
    "additionalProperties": {
        "type": "object",
        "propertyNames": {"enum": list(CODE_IDS)},
        "additionalProperties": {"type": "integer", "minimum": 0, "maximum": PUPILS_MAX},
    },
}


class SessionAttendance(BaseModel):
    """One revision of the register of one school, date and session. Build it with `parse`, which knows every rule."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    urn: Annotated[int, Field(ge=1, le=INT32_MAX, description="the school's unique reference number")]
    attendance_date: Annotated[date, Field(description="the school day it describes, YYYY-MM-DD")]
    session: Annotated[Session, Field(description="the half-day")]
    revision: Annotated[int, Field(ge=0, le=INT32_MAX, description="0 for the first, greater for a correction")]
    recorded_at: Annotated[AwareDatetime, Field(description="RFC 3339 with offset; kept in UTC to the microsecond")]
    source: Annotated[str, Field(min_length=1, max_length=SOURCE_CHARACTERS_MAX, description="who sent it")]
    counts: Annotated[dict[str, dict[str, int]], Field(description="year group -> code -> pupils", json_schema_extra=_COUNTS_SCHEMA)]


FIELDS = tuple(SessionAttendance.model_fields)
_FIELD_SET = frozenset(FIELDS)
_LONDON = ZoneInfo("Europe/London")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_RECORDED_AT = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})[Tt]([01][0-9]|2[0-3]):([0-5][0-9]):([0-5][0-9])(?:\.([0-9]+))?"
    r"(?:([Zz])|([+-])([01][0-9]|2[0-3]):([0-5][0-9]))?"
)
# A string that never ends is one token up to the end, so that no byte is looked at twice.
_STRING = re.compile(rb'"(?:[^"\\]++|\\.)*+(?:"|\\?\Z)', re.DOTALL)
_DIGITS_MAX = 18


def parse(raw: bytes) -> SessionAttendance:
    """The register in one JSON object.

    Blanks around it do not count. Raises InvalidRegister; where several rules are broken the first found names it: size,
    UTF-8, JSON, repeated keys, unknown and missing fields, then the fields in their order.
    """
    fields = _object(raw)
    day = _attendance_date(fields["attendance_date"])
    register = SessionAttendance.model_construct(
        urn=_whole(fields["urn"], "urn", 1),
        attendance_date=day,
        session=_session(fields["session"]),
        revision=_whole(fields["revision"], "revision", 0),
        recorded_at=_recorded_at(fields["recorded_at"]),
        source=_source(fields["source"]),
        counts=_counts(fields["counts"], day),
    )
    _not_from_the_future(register)
    return register


def canonical(register: SessionAttendance) -> bytes:
    """The bytes whose SHA-256 breaks ties, and which the input log keeps: equal exactly when two registers say the same."""
    counts = {group: {code: n for code, n in codes.items() if n} for group, codes in register.counts.items()}
    return canonical_text(
        register.urn,
        register.attendance_date,
        register.session,
        register.revision,
        register.recorded_at,
        register.source,
        {group: codes for group, codes in counts.items() if codes},
    )


def canonical_text(
    urn: int,
    attendance_date: date,
    session: str,
    revision: int,
    recorded_at: datetime,
    source: str,
    counts: Mapping[str, Mapping[str, int]],
) -> bytes:
    """The same from its parts; `counts` without zeros and without empty year groups, in any order."""
    at = recorded_at.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"
    said = {
        "urn": urn,
        "attendance_date": attendance_date.isoformat(),
        "session": session,
        "revision": revision,
        "recorded_at": at,
        "source": source,
        "counts": counts,
    }
    return json.dumps(said, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()


def iso_date(text: str) -> date | None:
    """The date written as ``YYYY-MM-DD``, None for any other form or a day that is not."""
    if not _DATE.fullmatch(text):
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def _refuse(reason: RejectReason, detail: str) -> NoReturn:
    raise InvalidRegister(reason, detail)


def _shown(value: object) -> str:
    """What was found, short and in ASCII: it may be anything."""
    text = ascii(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _object(raw: bytes) -> dict[str, Any]:
    """The seven fields, each once, their values not yet looked at."""
    raw = raw.strip(BLANKS)
    if len(raw) > REGISTER_BYTES_MAX:
        _refuse(RejectReason.OVERSIZED, f"{len(raw)} bytes; at most {REGISTER_BYTES_MAX} are read")
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        _refuse(RejectReason.NOT_UTF8, f"byte {error.start} is not UTF-8")
    if _nested(raw) > NESTED_MAX:
        _refuse(RejectReason.NOT_JSON, f"nested more than {NESTED_MAX} deep")
    try:
        found = json.loads(text, object_pairs_hook=_once, parse_int=_integer, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        _refuse(RejectReason.NOT_JSON, _shown(str(error)))
    if not isinstance(found, dict):
        _refuse(RejectReason.NOT_AN_OBJECT, f"found {_shown(found)}")
    for name in found:
        if name not in _FIELD_SET:
            _refuse(RejectReason.UNKNOWN_FIELD, f"there is no field {_shown(name)}")
    for name in FIELDS:
        if name not in found:
            _refuse(RejectReason.MISSING_FIELD, f"the field {name} is missing")
    return cast("dict[str, Any]", found)


def _nested(raw: bytes) -> int:
    """How deep brackets stand in each other, strings left out; few brackets are not counted but taken as they are."""
    if raw.count(b"{") + raw.count(b"[") <= NESTED_MAX:
        return 0
    depth = deepest = 0
    for byte in _STRING.sub(b"", raw):
        if byte in b"{[":
            depth += 1
            deepest = max(deepest, depth)
        elif byte in b"}]":
            depth -= 1
    return deepest


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        seen: set[str] = set()
        twice = next(name for name, _ in pairs if name in seen or seen.add(name))  # type: ignore[func-returns-value]
        _refuse(RejectReason.DUPLICATE_KEY, f"the key {_shown(twice)} stands there twice")
    return found


def _integer(digits: str) -> int:
    """Any length; beyond 18 digits the size no longer matters, only that it is too large."""
    return int(digits) if len(digits) <= _DIGITS_MAX else int(digits[:_DIGITS_MAX])


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


def _wrong(field: str, value: object, wanted: str) -> NoReturn:
    _refuse(RejectReason.WRONG_FIELD, f"{field} is {_shown(value)}; write {wanted}")


def _whole(value: object, field: str, least: int) -> int:
    if type(value) is not int or not least <= value <= INT32_MAX:
        _wrong(field, value, f"a whole number from {least} to {INT32_MAX}")
    return value


def _attendance_date(value: object) -> date:
    day = iso_date(value) if isinstance(value, str) else None
    if day is None:
        _wrong("attendance_date", value, "a date as YYYY-MM-DD")
    return day


def _session(value: object) -> Session:
    if value == "AM":
        return "AM"
    if value == "PM":
        return "PM"
    _wrong("session", value, "AM or PM")


def _recorded_at(value: object) -> datetime:
    """RFC 3339, to the microsecond (what is finer is cut off), in UTC. A leap second is not read."""
    form = _RECORDED_AT.fullmatch(value) if isinstance(value, str) else None
    day = iso_date(form[1]) if form else None
    if form is None or day is None:
        _wrong("recorded_at", value, "a moment as YYYY-MM-DDThh:mm:ssZ or with an offset such as +01:00")
    if not (form[6] or form[7]):
        _refuse(RejectReason.NO_OFFSET, f"recorded_at is {_shown(value)}; add Z or an offset such as +01:00")
    local = datetime(
        day.year,
        day.month,
        day.day,
        int(form[2]),
        int(form[3]),
        int(form[4]),
        int((form[5] or "0")[:6].ljust(6, "0")),
        tzinfo=UTC,
    )
    offset = timedelta(hours=int(form[8] or 0), minutes=int(form[9] or 0))
    try:
        at = local + offset if form[7] == "-" else local - offset
        at.astimezone(_LONDON)
    except OverflowError:
        _wrong("recorded_at", value, "a moment of the years 1 to 9999")
    return at


def _source(value: object) -> str:
    if not isinstance(value, str) or not 1 <= len(value) <= SOURCE_CHARACTERS_MAX:
        _wrong("source", value, f"a text of 1 to {SOURCE_CHARACTERS_MAX} characters")
    if any("\ud800" <= c <= "\udfff" for c in value):
        _wrong("source", value, "text without lone surrogates")
    return value


def _counts(value: object, day: date) -> dict[str, dict[str, int]]:
    if not isinstance(value, dict):
        _wrong("counts", value, "an object: year group, code, pupils")
    for group, codes in value.items():
        if group not in YEAR_GROUP_IDS:
            _refuse(RejectReason.UNKNOWN_YEAR_GROUP, f"there is no year group {_shown(group)}")
        if not isinstance(codes, dict):
            _wrong(f"counts of year group {group}", codes, "an object: code, pupils")
        for code, pupils in codes.items():
            number = CODE_IDS.get(code)
            if number is None or not CODES[number].valid_on(day):
                _refuse(RejectReason.UNKNOWN_CODE, f"code {_shown(code)} has no meaning on {day}")
            if type(pupils) is not int or not 0 <= pupils <= PUPILS_MAX:
                _wrong_count(group, code, pupils)
    if ALL in value and len(value) > 1:
        _refuse(RejectReason.ALL_BESIDE_YEAR_GROUPS, "`all` stands beside year groups; send the one or the other")
    if not any(n for codes in value.values() for n in codes.values()):
        _refuse(RejectReason.EMPTY_COUNTS, "there is no pupil in counts")
    return value


def _wrong_count(group: str, code: str, pupils: object) -> NoReturn:
    where = f"year group {group}, code {code}: {_shown(pupils)}"
    match pupils:
        case bool():
            _refuse(RejectReason.BOOLEAN_COUNT, where)
        case int():
            reason = RejectReason.NEGATIVE_COUNT if pupils < 0 else RejectReason.COUNT_TOO_LARGE
            _refuse(reason, f"{where}; 0 to {PUPILS_MAX} is possible")
        case float():
            _refuse(RejectReason.FRACTIONAL_COUNT, f"{where}; write it without point and exponent")
        case str():
            _refuse(RejectReason.QUOTED_COUNT, f"{where}; write it without quotes")
        case _:
            _refuse(RejectReason.WRONG_COUNT, where)


def _not_from_the_future(register: SessionAttendance) -> None:
    """A register is taken at most a day ahead, in London; a planned closure may be said at any time before."""
    latest = register.recorded_at.astimezone(_LONDON).date().toordinal() + 1
    if register.attendance_date.toordinal() > latest and any(
        n and code != "#" for codes in register.counts.values() for code, n in codes.items()
    ):
        _refuse(RejectReason.FUTURE_DATE, f"{register.attendance_date} was more than a day ahead when it was recorded")
