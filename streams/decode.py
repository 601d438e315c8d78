r"""JSON lines into columns, fast. What `schemas.register.parse` says, this says: whatever looks unusual is given to it.

The quick way leans on three facts. msgspec takes only UTF-8 and strict JSON of the right types. A key that stands twice adds a
colon, so a line without ``\u`` whose colons are its keys and those in its texts holds no key twice. London is never more
than 75 seconds behind UTC, so a date that is not ahead by that measure is not ahead.
"""

from __future__ import annotations

import re
from array import array
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Literal

import msgspec
import numpy as np

from models.batch import Batch, pack, sorted_cells
from schemas.codes import ALL, CODE_IDS, CODES, PUPILS_MAX, YEAR_GROUP_IDS
from schemas.errors import BrokenPromise, InvalidRegister
from schemas.register import FIELDS, INT32_MAX, SOURCE_CHARACTERS_MAX, iso_date, parse
from schemas.reject import BLANKS, REGISTER_BYTES_MAX, Reject

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["DAY_US", "LONDON_BEHIND_US", "Decoded", "decode"]

DAY_US = 86_400_000_000
LONDON_BEHIND_US = 75_000_000
"""Local time until 1847."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_EPOCH_DAY = date(1970, 1, 1).toordinal()
_YEARS = range(1900, 9999)
_TIME = re.compile(r"T([01][0-9]|2[0-3]):([0-5][0-9]):([0-5][0-9])(?:\.([0-9]{1,6}))?(?:Z|([+-])([01][0-9]|2[0-3]):([0-5][0-9]))")


@dataclass(frozen=True, slots=True)
class Decoded:
    """A stretch of a file: the registers accepted and the records rejected, each in the order in which they stand there."""

    batch: Batch
    rejects: list[Reject]

    @property
    def read(self) -> int:
        """Records; blank lines are none."""
        return len(self.batch) + len(self.rejects)


class _Line(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    urn: Annotated[int, msgspec.Meta(ge=1, le=INT32_MAX)]
    attendance_date: str
    session: Literal["AM", "PM"]
    revision: Annotated[int, msgspec.Meta(ge=0, le=INT32_MAX)]
    recorded_at: str
    source: Annotated[str, msgspec.Meta(min_length=1, max_length=SOURCE_CHARACTERS_MAX)]
    counts: dict[str, dict[str, Annotated[int, msgspec.Meta(ge=0, le=PUPILS_MAX)]]]


_read_line = msgspec.json.Decoder(_Line).decode


class _Shapes(dict[tuple[str, ...], bytes]):
    """(year group, its codes in their order) -> their cells without pupils, uint32; KeyError where one has no meaning."""

    def __init__(self, valid: frozenset[str]) -> None:
        self._valid = valid

    def __missing__(self, names: tuple[str, ...]) -> bytes:
        group, *codes = names
        number = YEAR_GROUP_IDS[group]  # An unknown group without codes is unknown too.
        if not self._valid.issuperset(codes):
            raise KeyError(names)
        self[names] = packed = array("I", [pack(number, CODE_IDS[code], 0) for code in codes]).tobytes()
        return packed


class _Dates(dict[str, tuple[int, int, _Shapes]]):
    """Text -> day since 1970, the first moment that is surely not too early to record it, the cells of its codes."""

    def __init__(self) -> None:
        self._shapes: dict[frozenset[str], _Shapes] = {}

    def __missing__(self, text: str) -> tuple[int, int, _Shapes]:
        found = iso_date(text)
        if found is None:
            raise KeyError(text)
        valid = frozenset(row.code for row in CODES if row.valid_on(found))
        day = found.toordinal() - _EPOCH_DAY
        self[text] = known = (day, (day - 1) * DAY_US + LONDON_BEHIND_US, self._shapes.setdefault(valid, _Shapes(valid)))
        return known


class _Midnights(dict[str, int]):
    """The date of a moment -> microseconds since 1970."""

    def __missing__(self, text: str) -> int:
        found = iso_date(text)
        if found is None or found.year not in _YEARS:
            raise KeyError(text)
        self[text] = at = (found.toordinal() - _EPOCH_DAY) * DAY_US
        return at


class _Times(dict[str, int]):
    """The rest of a moment, from its T on -> microseconds since midnight UTC of that date."""

    def __missing__(self, text: str) -> int:
        form = _TIME.fullmatch(text)
        if form is None:
            raise KeyError(text)
        hour, minute, second, fraction, sign, *offset = form.groups()
        at = (int(hour) * 3600 + int(minute) * 60 + int(second)) * 1_000_000
        if sign:
            behind = (int(offset[0]) * 60 + int(offset[1])) * 60_000_000
            at += behind if sign == "-" else -behind
        if fraction:  # Of these there are too many to keep.
            return at + int(fraction.ljust(6, "0"))
        self[text] = at
        return at


class _Sources(dict[str, tuple[int, int]]):
    """Source -> its number in the batch, its colons."""

    def __missing__(self, text: str) -> tuple[int, int]:
        self[text] = numbered = (len(self), text.count(":"))
        return numbered


class _Block:
    """What the lines have given so far: seven numbers a register in `head`, a cell in `prefixes` (bytes) and `pupils`."""

    __slots__ = ("head", "prefixes", "pupils", "rejects", "sources", "taken")

    def __init__(self) -> None:
        self.head: list[int] = []
        self.prefixes: list[bytes] = []
        self.pupils: list[int] = []
        self.taken: list[bytes] = []
        self.rejects: list[tuple[int, Reject]] = []
        self.sources = _Sources()

    def judge(self, line: bytes) -> None:
        """Take a line in the reference's way."""
        if not line.strip(BLANKS):
            return
        try:
            register = parse(line)
        except InvalidRegister as error:
            self.rejects.append((len(self.taken), Reject.of(line, error)))
            return
        for group, codes in register.counts.items():
            self.prefixes.append(array("I", [pack(YEAR_GROUP_IDS[group], CODE_IDS[code], 0) for code in codes]).tobytes())
            self.pupils += codes.values()
        self.head += (
            register.urn,
            register.attendance_date.toordinal() - _EPOCH_DAY,
            register.session == "PM",
            register.revision,
            (register.recorded_at - _EPOCH) // timedelta(microseconds=1),
            self.sources[register.source][0],
            len(self.pupils),
        )
        self.taken.append(line)


def decode(lines: Sequence[bytes]) -> Decoded:
    """The registers and the rejects of these lines, without their newlines; blank lines are skipped."""
    block = _Block()
    _read(lines, block)
    return _columns(block)


def _read(lines: Sequence[bytes], block: _Block) -> None:
    dates, midnights, times, sources = _Dates(), _Midnights(), _Times(), block.sources
    head, prefixes, pupils, taken = block.head, block.prefixes, block.pupils, block.taken
    fields = len(FIELDS)
    for line in lines:
        groups, before = len(prefixes), len(pupils)
        try:
            read = _read_line(line)
            day, earliest, shapes = dates[read.attendance_date]
            stamp = read.recorded_at
            at = midnights[stamp[:10]] + times[stamp[10:]]
            counts = read.counts
            for group, codes in counts.items():
                prefixes.append(shapes[(group, *codes)])
                pupils += codes.values()
            source, colons = sources[read.source]
        except (msgspec.MsgspecError, LookupError, ValueError):
            del prefixes[groups:], pupils[before:]
            block.judge(line)
            continue
        keys = fields + len(counts) + len(pupils) - before
        if (
            line.count(b":") == keys + colons + stamp.count(":")
            and (b"\\" not in line or b"\\u" not in line)
            and at >= earliest
            and len(line) <= REGISTER_BYTES_MAX
            and (ALL not in counts or len(counts) == 1)
        ):
            head += (read.urn, day, read.session == "PM", read.revision, at, source, len(pupils))
            taken.append(line)
        else:
            del prefixes[groups:], pupils[before:]
            block.judge(line)


def _columns(block: _Block) -> Decoded:
    """The batch, its cells in order and without zeros. What held no pupil at all is refused here."""
    head = np.frombuffer(array("q", block.head), np.int64).reshape(-1, len(FIELDS))
    start = np.concatenate([np.zeros(1, np.int64), head[:, 6]])
    packed = np.frombuffer(b"".join(block.prefixes), np.uint32) | np.frombuffer(array("I", block.pupils), np.uint32)
    cells, start = sorted_cells(packed, start)
    rejects = block.rejects
    held = start[1:] > start[:-1]
    if not held.all():
        for row in np.flatnonzero(~held).tolist():
            rejects.append((row, _refused(block.taken[row])))
        rejects.sort(key=lambda placed: placed[0])
        head, start = head[held], np.concatenate([start[:1], start[1:][held]])
    batch = Batch(
        head[:, 0].astype(np.int32),
        head[:, 1].astype(np.int32),
        head[:, 2].astype(np.uint8),
        head[:, 3].astype(np.int32),
        head[:, 4].copy(),
        head[:, 5].astype(np.int32),
        start,
        cells,
        tuple(block.sources),
    )
    return Decoded(batch, [reject for _, reject in rejects])


def _refused(line: bytes) -> Reject:
    try:
        parse(line)
    except InvalidRegister as error:
        return Reject.of(line, error)
    raise BrokenPromise(f"a register without pupils was accepted: {line!r}")
