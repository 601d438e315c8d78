"""What a register is: every rule of contracts.md section 1 with an example on both sides."""

from __future__ import annotations

import base64
import hashlib
import json
from typing import Any

import pytest

from models.batch import canonical as row_canonical
from schemas.errors import InvalidRegister
from schemas.register import SessionAttendance, canonical, parse
from schemas.reject import Reject, RejectReason
from streams.decode import decode

EXAMPLE: dict[str, Any] = {
    "urn": 123456,
    "attendance_date": "2026-10-05",
    "session": "AM",
    "revision": 0,
    "recorded_at": "2026-10-05T09:41:07Z",
    "source": "arbor-export",
    "counts": {"7": {"/": 170, "L": 4, "I": 6, "O": 2}, "8": {"/": 165, "N": 3}},
}


def line(**fields: Any) -> bytes:
    return json.dumps({**EXAMPLE, **fields}, ensure_ascii=False).encode()


def reason(raw: bytes) -> str:
    with pytest.raises(InvalidRegister) as caught:
        parse(raw)
    quick = decode([raw])
    assert [r.reason for r in quick.rejects] == [caught.value.reason]
    assert caught.value.detail.isascii()
    return caught.value.reason.value


def accepted(raw: bytes) -> SessionAttendance:
    register = parse(raw)
    assert row_canonical(decode([raw]).batch, 0) == canonical(register)
    return register


BROKEN: list[tuple[str, str, bytes]] = [
    ("more than 64 KiB", "oversized", line(source="x" * 65_536)),
    ("a byte that is not UTF-8", "not_utf8", line().replace(b"arbor", b"\xff")),
    ("not JSON", "not_json", line()[:-1]),
    ("a byte order mark", "not_json", b"\xef\xbb\xbf" + line()),
    ("NaN", "not_json", line(urn=float("nan"))),
    ("nested beyond reason", "not_json", b"[" * 60_000),
    ("nested, never ending strings", "not_json", b"[" * 100 + b'"' + b'\\"' * 30_000),
    ("an array", "not_an_object", b"[" + line() + b"]"),
    ("a field twice", "duplicate_key", line().replace(b"{", b'{"urn": 123456, ', 1)),
    ("a year group twice", "duplicate_key", line().replace(b'"8"', b'"7"')),
    ("a code twice, once escaped", "duplicate_key", line().replace(b'"L": 4', b'"L": 4, "\\u004c": 4')),
    ("no source", "missing_field", json.dumps({k: v for k, v in EXAMPLE.items() if k != "source"}).encode()),
    ("a field too many", "unknown_field", line(pupil="x")),
    ("a URN of 0", "wrong_field", line(urn=0)),
    ("a URN of 2**31", "wrong_field", line(urn=2**31)),
    ("a boolean URN", "wrong_field", line(urn=True)),
    ("a quoted URN", "wrong_field", line(urn="123456")),
    ("a fractional revision", "wrong_field", line(revision=0.0)),
    ("a negative revision", "wrong_field", line(revision=-1)),
    ("a lower-case session", "wrong_field", line(session="am")),
    ("a date that is not", "wrong_field", line(attendance_date="2026-02-30")),
    ("a date in another form", "wrong_field", line(attendance_date="20261005")),
    ("an empty source", "wrong_field", line(source="")),
    ("a source of 201 characters", "wrong_field", line(source="é" * 201)),
    ("half a surrogate pair", "wrong_field", line().replace(b"arbor", b"\\ud83d")),
    ("a leap second", "wrong_field", line(recorded_at="2026-06-30T23:59:60Z")),
    ("before the year 1 in UTC", "wrong_field", line(recorded_at="0001-01-01T00:00:00+01:00")),
    ("counts of another kind", "wrong_field", line(counts=[])),
    ("no offset", "no_offset", line(recorded_at="2026-10-05T09:41:07")),
    ("no counts", "empty_counts", line(counts={})),
    ("zero counts only", "empty_counts", line(counts={"7": {"/": 0}, "8": {}})),
    ("all beside a year group", "all_beside_year_groups", line(counts={"all": {"/": 1}, "7": {}})),
    ("a year group of another country", "unknown_year_group", line(counts={"14": {"/": 1}})),
    ("an unknown year group without codes", "unknown_year_group", line(counts={"7": {"/": 1}, "S1": {}})),
    ("a code nobody knows, of nobody", "unknown_code", line(counts={"7": {"/": 1, "ZZ": 0}})),
    ("a code before its time", "unknown_code", line(attendance_date="2024-08-18", counts={"7": {"C1": 1}})),
    ("a negative count", "negative_count", line(counts={"7": {"/": -1}})),
    ("a huge negative count", "negative_count", line().replace(b"170", b"-" + b"9" * 5000)),
    ("a fractional count", "fractional_count", line(counts={"7": {"/": 1.0}})),
    ("an infinite count", "fractional_count", line().replace(b"170", b"1e999")),
    ("a boolean count", "boolean_count", line(counts={"7": {"/": True}})),
    ("a quoted count", "quoted_count", line(counts={"7": {"/": "1"}})),
    ("a count of a million", "count_too_large", line(counts={"7": {"/": 1_000_000}})),
    ("a count of 5,000 digits", "count_too_large", line().replace(b"170", b"9" * 5000)),
    ("no count at all", "wrong_count", line(counts={"7": {"/": None}})),
    ("two days ahead", "future_date", line(attendance_date="2026-10-07")),
    (
        "a day ahead by the sender's clock, two in London",
        "future_date",
        line(attendance_date="2026-10-07", recorded_at="2026-10-06T08:00:00+14:00"),
    ),
]

SOUND: list[tuple[str, bytes]] = [
    ("the example", line()),
    ("blanks around it", b" \t" + line() + b"\r"),
    ("64 KiB and blanks around it", b" " * 9 + line()[:-1] + b" " * (65_535 - len(line()[:-1])) + b"}" + b" " * 9),
    ("the largest numbers", line(urn=2**31 - 1, revision=2**31 - 1, counts={"13": {"/": 999_999}})),
    ("minus zero", line().replace(b'"N": 3', b'"N": -0')),
    ("escapes", line(source='a"\\\u0000\u2028').replace(b'"urn"', b'"\\u0075rn"')),
    ("a pair of surrogates", line().replace(b"arbor", b"\\ud83d\\ude00")),
    ("lower-case letters in a moment", line(recorded_at="2026-10-05t09:41:07z")),
    ("colons in its source", line(source="a:b:c")),
    ("a code from its first day", line(attendance_date="2024-08-19", counts={"7": {"C1": 1}})),
    ("a legacy code", line(counts={"all": {"J": 1}})),
    ("a day ahead in London", line(attendance_date="2026-10-07", recorded_at="2026-10-05T23:00:00Z")),
    ("a closure a year ahead", line(attendance_date="2027-10-05", counts={"7": {"#": 170, "/": 0}})),
    ("an attendance date of long ago", line(attendance_date="0001-01-01")),
]


@pytest.mark.parametrize(("said", "expected", "raw"), BROKEN, ids=[case[0] for case in BROKEN])
def test_a_broken_rule_is_named(said: str, expected: str, raw: bytes) -> None:
    assert reason(raw) == expected


@pytest.mark.parametrize(("said", "raw"), SOUND, ids=[case[0] for case in SOUND])
def test_a_sound_register_is_accepted_and_comes_back_from_its_canonical_bytes(said: str, raw: bytes) -> None:
    register = accepted(raw)
    once = canonical(register)
    assert canonical(accepted(once)) == once
    assert parse(once) == register.model_copy(update={"counts": parse(once).counts})


def test_canonical_bytes_are_as_the_contract_says() -> None:
    counts = {"8": {"N": 3, "/": 165, "I": 0}, "10": {"\\": 1}, "9": {}}
    raw = line(recorded_at="2026-10-05T10:41:07.12345678+01:00", source="é", counts=counts)
    expected = (
        '{"attendance_date":"2026-10-05","counts":{"10":{"\\\\":1},"8":{"/":165,"N":3}},'
        '"recorded_at":"2026-10-05T09:41:07.123456Z","revision":0,"session":"AM","source":"é","urn":123456}'
    )
    assert canonical(accepted(raw)) == expected.encode()


def test_a_built_register_is_held_to_its_types() -> None:
    with pytest.raises(ValueError, match="urn"):
        SessionAttendance(**{**dict(parse(line())), "urn": True})


def test_a_reject_keeps_the_line_without_its_blanks() -> None:
    original = line(urn=0)
    reject = decode([b"  " + original + b" \r"]).rejects[0]
    assert json.loads(reject.to_line()) == {
        "reason": "wrong_field",
        "sha256": hashlib.sha256(original).hexdigest(),
        "original": original.decode(),
    }


def test_a_reject_that_is_not_utf8_is_kept_in_base64() -> None:
    said = json.loads(decode([b"\xff{"]).rejects[0].to_line())
    assert (said["encoding"], base64.b64decode(said["original"])) == ("base64", b"\xff{")


def test_of_an_oversized_register_length_digest_and_beginning_are_kept() -> None:
    original = line(source="x" * 70_000)
    reject = decode([original]).rejects[0]
    assert (reject.length, reject.original) == (len(original), original[:4096])
    said = json.loads(reject.to_line())
    assert (said["length"], said["sha256"], len(said["original"])) == (len(original), hashlib.sha256(original).hexdigest(), 4096)


def test_a_reject_of_the_same_bytes_is_the_same_whoever_read_them() -> None:
    error = InvalidRegister(RejectReason.NOT_JSON, "x")
    assert Reject.of(b"{\r\n", error) == Reject.of(b" {", error)
