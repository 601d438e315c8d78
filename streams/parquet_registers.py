"""Runs of Parquet rows into registers, under the rules of `schemas.register.parse`: what looks unusual is written as JSON and given to it.

Two runs of a file with the same urn, date, session and revision are repeats of one register or rivals, unless they look like parts
of one: they name no year group in common (`all` aside), or they agree in recorded_at and source too and name different year
groups. Then all of them are rejected as `split_register`, wherever they stand.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np

from models.batch import CODE_BITS, PUPILS_BITS, Batch, sorted_cells
from schemas.codes import ALL, CODES, PUPILS_MAX, YEAR_GROUP_IDS, YEAR_GROUPS
from schemas.errors import InvalidRegister
from schemas.register import INT32_MAX, SOURCE_CHARACTERS_MAX, parse
from schemas.reject import Reject, RejectReason
from streams.decode import DAY_US, LONDON_BEHIND_US, Decoded
from streams.parquet_rows import GROUPS_KNOWN, HEAD, SESSIONS

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date

    from numpy.typing import NDArray

    from streams.parquet_rows import Rows

    Bools = NDArray[np.bool_]
    Longs = NDArray[np.int64]
    Digests = NDArray[np.uint64]

__all__ = ["among", "register_digests", "registers", "split_among"]

_ALL = YEAR_GROUP_IDS[ALL]
_EPOCH_ORDINAL = 719_163
_SURE_US = (-70 * 365 * DAY_US, 8_000 * 365 * DAY_US)
"""Moments of these bounds lie in the years 1900 to 9998."""


def registers(rows: Rows, start: Longs, split: Digests) -> Decoded:
    """The registers of complete runs, in the order of the file, and the rejects.

    start: as `streams.parquet_rows.runs` gives it. split: ascending digests (`register_digests`) of registers that are split.
    """
    first = start[:-1]
    doubtful = _doubtful_register(rows, start)
    doubtful_row = _doubtful_row(rows)
    if doubtful_row.any():
        doubtful |= np.logical_or.reduceat(doubtful_row, first)
    torn = among(register_digests(rows, first)[0], split) if len(split) else np.zeros(len(first), bool)
    rejects = []
    accepted = np.ones(len(first), bool)
    for register in np.flatnonzero(doubtful | torn).tolist():
        reject = _judge(rows, int(start[register]), int(start[register + 1]), torn=bool(torn[register]))
        if reject is not None:
            rejects.append(reject)
            accepted[register] = False
    if not accepted.all():
        kept = np.repeat(accepted, np.diff(start))
        rows, start = _chosen(rows, kept), np.append(0, np.cumsum(np.diff(start)[accepted]))
    return Decoded(_batch(rows, start), rejects)


def _chosen(rows: Rows, kept: Bools) -> Rows:
    return type(rows)(tuple(c[kept] for c in rows.head), rows.nulls[kept], rows.codes, rows.counts[kept], rows.names)


def _doubtful_row(rows: Rows) -> Bools:
    """A null in the head, an unknown year group, a count out of range, a code without meaning on that day."""
    doubtful: Bools = (rows.nulls != 0) | (rows.group >= GROUPS_KNOWN)
    unsigned: Any = rows.counts.view(np.uint32 if rows.counts.dtype == np.int32 else np.uint64)
    if unsigned.size and unsigned.max() > PUPILS_MAX:
        doubtful |= (unsigned > PUPILS_MAX).any(axis=1)
    for j, code in enumerate(rows.codes):
        since = CODES[code].valid_from
        if since is not None:
            too_early = rows.head[1] < _day(since)
            if too_early.any():
                doubtful |= too_early & (rows.counts[:, j] != 0)
    return doubtful


def _day(day: date) -> int:
    return day.toordinal() - _EPOCH_ORDINAL


def _doubtful_register(rows: Rows, start: Longs) -> Bools:
    """A number, moment or text out of range, a date ahead, no pupil at all, `all` beside another."""
    first = start[:-1]
    urn, day, session, revision, at, source = (column[first] for column in rows.head[:6])
    doubtful: Bools = (urn < 1) | (urn > INT32_MAX) | (revision < 0) | (revision > INT32_MAX) | (session >= len(SESSIONS))
    doubtful |= (at < _SURE_US[0]) | (at > _SURE_US[1]) | (day < 1 - _EPOCH_ORDINAL)
    doubtful |= at < (day.astype(np.int64) - 1) * DAY_US + LONDON_BEHIND_US
    strange = [number for number, text in rows.names.items() if not _plain(text)]
    if strange:
        doubtful |= np.isin(source, strange)
    filled = np.zeros(len(rows), bool)
    for j in range(len(rows.codes)):
        filled |= rows.counts[:, j] != 0
        if filled.all():
            break
    else:
        doubtful |= ~np.logical_or.reduceat(filled, first)
    undivided = rows.group == _ALL
    if undivided.any():
        doubtful |= (np.diff(start) > 1) & np.logical_or.reduceat(undivided, first)
    return doubtful


def _plain(text: bytes) -> bool:
    try:
        return 1 <= len(text.decode("utf-8")) <= SOURCE_CHARACTERS_MAX
    except UnicodeDecodeError:
        return False


def _judge(rows: Rows, first: int, last: int, *, torn: bool) -> Reject | None:
    line = _line(rows, first, last)
    try:
        parse(line)
    except InvalidRegister as error:
        return Reject.of(line, error)
    if torn:
        detail = "its rows do not stand together, or do not agree; write the rows of a register one after the other"
        return Reject.of(line, InvalidRegister(RejectReason.SPLIT_REGISTER, detail))
    return None


def _line(rows: Rows, first: int, last: int) -> bytes:
    """The run as the JSON line that would say the same; null and 0 counts are not in it."""
    at = {name: _said(rows, place, first) for place, name in enumerate(HEAD[:6])}
    counts = {}
    for row in range(first, last):
        found = rows.counts[row].tolist()
        group = _said(rows, 6, row)
        counts["null" if group is None else str(group)] = {CODES[code].code: n for code, n in zip(rows.codes, found, strict=True) if n}
    text = json.dumps({**at, "counts": counts}, ensure_ascii=False, separators=(",", ":"))
    return text.encode("utf-8", "surrogateescape")


def _said(rows: Rows, place: int, row: int) -> str | int | None:
    """A value of the head as JSON has it."""
    if rows.nulls[row] >> place & 1:
        return None
    value = int(rows.head[place][row])
    match HEAD[place]:
        case "attendance_date":
            return str(np.datetime64(value, "D"))
        case "recorded_at":
            return f"{np.datetime64(value, 'us')}Z"
        case "session" if value < len(SESSIONS):
            return list(SESSIONS)[value]
        case "year_group" if value < GROUPS_KNOWN:
            return YEAR_GROUPS[value]
        case "session" | "source" | "year_group":
            return rows.names[value].decode("utf-8", "surrogateescape")
        case _:
            return value


def _batch(rows: Rows, start: Longs) -> Batch:
    first = start[:-1]
    urn, day, session, revision, at, source, group = rows.head
    prefix = (group << (PUPILS_BITS + CODE_BITS)).astype(np.uint32)
    codes = np.array(rows.codes, np.uint32) << np.uint32(PUPILS_BITS)
    cells = rows.counts.astype(np.uint32)
    cells += prefix[:, None]
    cells += codes
    packed, starts = sorted_cells(cells.ravel(), start * len(rows.codes))
    numbers, which = _numbered(source[first])
    return Batch(
        urn[first].astype(np.int32),
        day[first].astype(np.int32),
        session[first].astype(np.uint8),
        revision[first].astype(np.int32),
        at[first].astype(np.int64),
        which,
        starts,
        packed,
        tuple(rows.names[n].decode() for n in numbers),
    )


def _numbered(source: Longs) -> tuple[list[int], NDArray[np.int32]]:
    if len(source) and (source == source[0]).all():
        return [int(source[0])], np.zeros(len(source), np.int32)
    numbers, which = np.unique(source, return_inverse=True)
    return numbers.tolist(), which.astype(np.int32)


def _mixed(value: Digests) -> Digests:
    """Spread the bits (splitmix64); one to one."""
    value = (value ^ (value >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    value = (value ^ (value >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return value ^ (value >> np.uint64(31))


def register_digests(rows: Rows, first: Longs) -> tuple[Digests, Digests]:
    """64 bits of (urn, date, session, revision), and of recorded_at and source with them, of the runs that begin there."""
    urn, day, session, revision, at, source = (column[first].astype(np.int64).view(np.uint64) for column in rows.head[:6])
    identity = _mixed(_mixed(_mixed(urn << np.uint64(32) ^ day) ^ session) ^ revision)
    return identity, _mixed(_mixed(identity ^ at) ^ source)


def among(digests: Digests, ascending: Digests) -> Bools:
    """Whether each is one of these, of which there is at least one."""
    place = np.searchsorted(ascending, digests)
    return np.asarray(ascending[np.minimum(place, len(ascending) - 1)] == digests)


def split_among(identity: Digests, whole: Digests, groups: Sequence[int] | Longs) -> Digests:
    """Of runs with their digests and their year groups as bits: the identities that are split, ascending."""
    bits = np.asarray(groups, np.int64)
    order = np.lexsort((bits, whole, identity))
    identity, whole, bits = identity[order], whole[order], bits[order]
    same = identity[1:] == identity[:-1]
    parts = identity[1:][same & (whole[1:] == whole[:-1]) & (bits[1:] != bits[:-1])]
    begin = np.flatnonzero(np.append(True, ~same))
    common = np.bitwise_and.reduceat(np.where(bits == 1 << _ALL, -1, bits), begin)
    return np.unique(np.append(parts, identity[begin][common == 0]))
