"""Register lines as nobody should send them: from a numpy Generator, sound lines and what can be done to one."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, TypeVar

from models.batch import canonical as row_canonical
from schemas.codes import CODE_IDS, YEAR_GROUPS
from schemas.errors import InvalidRegister
from schemas.register import FIELDS, canonical, parse
from schemas.reject import BLANKS, Reject

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

    from streams.decode import Decoded

__all__ = ["fuzzed", "oversized", "reference", "said", "sound"]

T = TypeVar("T")
_CODES = tuple(CODE_IDS)
_SOURCES = ("arbor-export", "sims", "école: nº 1", "a:b:c", 'q"uote\\', "𝄞", "x" * 200, " ", "\x7f", "\n")
_MOMENTS = (
    "2026-10-05T09:41:07Z",
    "2026-10-05T09:41:07.5Z",
    "2026-10-05T09:41:07.123456Z",
    "2026-10-05T09:41:07.123456789Z",
    "2026-10-05T10:41:07+01:00",
    "2026-10-05T00:00:00-00:00",
    "2026-10-05t09:41:07z",
    "2026-10-05T23:30:00-12:00",
)
_ODD_MOMENTS = (
    "2026-10-05T09:41:07",
    "2026-10-05 09:41:07Z",
    "2026-10-05T24:00:00Z",
    "2026-10-05T09:41:60Z",
    "2026-10-05T09:41Z",
    "0001-01-01T00:00:00Z",
    "0001-01-01T00:00:00+01:00",
    "9999-12-31T23:59:59Z",
    "9999-12-31T23:59:59-01:00",
    "1800-01-01T00:01:00Z",
    "2026-10-05T09:41:07+0100",
    "2026-10-05T09:41:07+24:00",
    "2026-02-30T09:41:07Z",
    "٢٠٢٦-10-05T09:41:07Z",
    "",
    "2026-10-03T22:59:59Z",
    "2026-10-03T23:00:00Z",
    "2026-10-05T09:41:07.Z",
    "2026-W41-1T09:41:07Z",
    "20261005T094107Z",
    "2026-10-05T09:41:07Z ",
)
_DATES = ("2026-10-05", "2026-10-06", "2024-08-18", "2024-08-19", "1969-12-31", "0001-01-01")
_ODD_DATES = (
    "2026-10-07",
    "2027-10-05",
    "9999-12-31",
    "2026-13-01",
    "2026-1-5",
    "2026-W41-1",
    "20261005",
    "05/10/2026",
    "",
    "2026-10-05T00:00:00Z",
)
_TOKENS = (
    "NaN",
    "Infinity",
    "-Infinity",
    "1e308",
    "1e999",
    "-1",
    "-0",
    "-0.0",
    "1.0",
    "1e2",
    "1.5",
    "true",
    "false",
    "null",
    '"1"',
    '"N/A"',
    "[]",
    "[1]",
    "{}",
    "9223372036854775808",
    "-9223372036854775809",
    "999999",
    "1000000",
    "2147483647",
    "2147483648",
    "01",
    "+1",
    "0x1",
    "9" * 5000,
    "[" * 70,
    "[" * 5000,
    '{"a":' * 100,
    '"\\ud800"',
    '"\\udc00x"',
    '"\\u0000"',
    '""',
    "0",
    '"\\u0041M"',
    '"AM "',
    '"am"',
    "[[[[]]]]",
    "1.",
    ".5",
    "1e",
    "--1",
)
_KEYS = (
    "Z9",
    "all",
    "ALL",
    "14",
    "R",
    "\\u0037",
    "7",
    "8",
    "/",
    "\\\\",
    "\\/",
    "\\u002f",
    "C1",
    "J",
    "",
    "urn",
    "counts",
    "URN",
    "\\ud800",
    "é",
    "#",
    "schools:7",
    "\\u003a",
)
_BYTES = (
    b"\xff",
    b"\xc0\x80",
    b"\xed\xa0\x80",
    b"\xf4\x90\x80\x80",
    b"\x00",
    b"\x01",
    b"\t",
    b"\x0c",
    b"\x85",
    b"\xa0",
    b'"',
    b"\\",
    b"{",
    b"}",
    b":",
    b",",
)
_WRAPPINGS = (b"[%b]", b"\xef\xbb\xbf%b", b'"%b"', b"%b{}", b'{"data":%b}', b"%b,", b"\x0c%b", b"%b\xa0")
_ESCAPES = (b"\\\\u003a", b"\\\\ud83d\\\\ude00", b"\\\\ud83d", b"\\\\\\\\u", b"\\\\x")
_VALUE = re.compile(rb'(?<=[:,\[])\s*("(?:[^"\\]|\\.)*"|-?[0-9][0-9.eE+-]*|true|false|null)(?=\s*[,}\]])')
_KEY = re.compile(rb'"((?:[^"\\]|\\.)*)"(?=\s*:)')
_MEMBER = re.compile(rb'"(?:[^"\\]|\\.)*"\s*:\s*(?:"(?:[^"\\]|\\.)*"|-?[0-9]+)')


def _any(rng: np.random.Generator, choices: Sequence[T]) -> T:
    return choices[int(rng.integers(len(choices)))]


def sound(rng: np.random.Generator) -> bytes:
    """A register that is usually accepted, in one of many spellings: blanks, order, escapes, zero counts."""
    groups = ["all"] if rng.random() < 0.1 else [YEAR_GROUPS[g] for g in rng.permutation(16)[: rng.integers(1, 6)]]
    counts = {
        group: {_CODES[c]: int(rng.integers(0, 4)) * int(rng.integers(0, 90)) for c in rng.permutation(len(_CODES))[: rng.integers(0, 8)]}
        for group in groups
    }
    fields: dict[str, Any] = {
        "urn": int(rng.integers(1, 2**31)) if rng.random() < 0.1 else int(rng.integers(100_000, 150_000)),
        "attendance_date": _any(rng, _DATES if rng.random() < 0.2 else _DATES[:2]),
        "session": _any(rng, ("AM", "PM")),
        "revision": int(rng.integers(0, 3)),
        "recorded_at": _any(rng, _MOMENTS),
        "source": _any(rng, _SOURCES),
        "counts": counts,
    }
    order = rng.permutation(7) if rng.random() < 0.2 else range(7)
    line = json.dumps(
        {FIELDS[i]: fields[FIELDS[i]] for i in order},
        ensure_ascii=bool(rng.random() < 0.3),
        separators=_any(rng, ((",", ":"), (", ", ": "), (" ,\t", " : "))),
    ).encode()
    return _any(rng, (b"", b"", b" ", b"\t")) + line + _any(rng, (b"", b"", b"\r", b"  "))


def fuzzed(rng: np.random.Generator) -> bytes:
    """A sound register to which nothing to four things have been done."""
    line = sound(rng)
    for _ in range(int(rng.choice([0, 1, 1, 1, 2, 4]))):
        line = _any(rng, _DEEDS)(rng, line)
    return line.replace(b"\n", b" ")


def oversized(rng: np.random.Generator, length: int) -> bytes:
    """A sound register with so many bytes of something: blanks inside, or a text."""
    line = sound(rng).strip()
    if rng.random() < 0.5:
        return b"{" + b" " * length + line[1:]
    return b'{"x":"' + b"a" * length + b'",' + line[1:]


def _another_value(rng: np.random.Generator, line: bytes) -> bytes:
    return _replaced(rng, _VALUE, line, _any(rng, _TOKENS).encode())


def _another_text(rng: np.random.Generator, line: bytes) -> bytes:
    field, texts = _any(rng, ((b"recorded_at", _ODD_MOMENTS), (b"attendance_date", _ODD_DATES), (b"recorded_at", _MOMENTS)))
    text = json.dumps(_any(rng, texts), ensure_ascii=False).encode()
    return re.sub(b'"' + field + rb'"(\s*:\s*)"[^"]*"', lambda m: b'"' + field + b'"' + m[1] + text, line)


def _another_key(rng: np.random.Generator, line: bytes) -> bytes:
    return _replaced(rng, _KEY, line, b'"' + _any(rng, _KEYS).encode() + b'"')


def _key_escaped(rng: np.random.Generator, line: bytes) -> bytes:
    found = list(_KEY.finditer(line))
    if not found:
        return line
    key = _any(rng, found)
    return line[: key.start(1)] + b"".join(b"\\u%04x" % byte for byte in key[1]) + line[key.end(1) :]


def _member_twice(rng: np.random.Generator, line: bytes) -> bytes:
    found = [m[0] for m in _MEMBER.finditer(line)]
    if not found:
        return line
    member = _any(rng, found)
    again = re.sub(rb"[0-9]+$", b"5", member) if rng.random() < 0.5 else member
    if rng.random() < 0.3:
        again = again.replace(b'"', b'"\\u0020', 1)
    return line.replace(member, member + b"," + again, 1)


def _member_gone(rng: np.random.Generator, line: bytes) -> bytes:
    return _replaced(rng, _MEMBER, line, b"").replace(b",,", b",").replace(b"{,", b"{")


def _bytes_in(rng: np.random.Generator, line: bytes) -> bytes:
    place = int(rng.integers(len(line) + 1))
    return line[:place] + _any(rng, _BYTES) + line[place + int(rng.integers(2)) :]


def _cut(rng: np.random.Generator, line: bytes) -> bytes:
    first, last = sorted(rng.integers(0, len(line) + 1, 2).tolist())
    return _any(rng, (line[:first], line[first:], line[:first] + line[last:], line[:last] + line[first:]))


def _wrapped(rng: np.random.Generator, line: bytes) -> bytes:
    return _any(rng, _WRAPPINGS) % line


def _escaped_source(rng: np.random.Generator, line: bytes) -> bytes:
    return re.sub(rb'"source"(\s*:\s*)"', b'"source"\\1"' + _any(rng, _ESCAPES), line)


_DEEDS = (
    _another_value,
    _another_value,
    _another_value,
    _another_text,
    _another_key,
    _another_key,
    _key_escaped,
    _member_twice,
    _member_gone,
    _bytes_in,
    _cut,
    _wrapped,
    _escaped_source,
)


def _replaced(rng: np.random.Generator, pattern: re.Pattern[bytes], line: bytes, new: bytes) -> bytes:
    found = list(pattern.finditer(line))
    if not found:
        return line
    place = _any(rng, found)
    return line[: place.start()] + new + line[place.end() :]


def reference(lines: Sequence[bytes]) -> tuple[list[bytes], list[tuple[str, str]]]:
    """What `parse` says of lines: canonical bytes of the accepted, (reason, SHA-256) of the rejected."""
    accepted, rejected = [], []
    for line in lines:
        if line.strip(BLANKS):
            try:
                accepted.append(canonical(parse(line)))
            except InvalidRegister as error:
                rejected.append((error.reason.value, Reject.of(line, error).sha256))
    return accepted, rejected


def said(decoded: Sequence[Decoded]) -> tuple[list[bytes], list[tuple[str, str]]]:
    """The same of what a reader gave."""
    accepted = [row_canonical(d.batch, row) for d in decoded for row in range(len(d.batch))]
    return accepted, [(r.reason.value, r.sha256) for d in decoded for r in d.rejects]
