"""Where an alert's excess lies: by year group, code, weekday and session, in pupil-sessions; each split adds up exactly.

The school's excess from the onset to today is ``sum(y_d - E_d)``, E_d = N_d times the logistic of path and common effect (and
own level, for C). Each split shares out the *expected* absences by what was usual before the onset; a part's excess is what
was seen in it less its share, so the parts of a split add up to the excess whatever the shares are. (detection.md 1.9)

Usual shares are exponentially weighted (1/60 a scored day) up to the day before the onset, from a start that is worth 10 days:
pupils for year groups and sessions, scored days for weekdays, the national mix for codes. They follow who was there: a year
group on study leave is expected to have no absences, and a day with one register has none in the other session.
"""

from __future__ import annotations

from math import fsum
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from models.changed_registers import Standing
from models.evidence import Window, windows
from models.school_cells import ABSENCE_CODES, CellReader, Registers
from models.year_group_evidence import group_expected
from schemas.codes import YEAR_GROUP_IDS, YEAR_GROUPS
from schemas.errors import BrokenPromise

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from models.close import YearModel
    from models.numbers import Floats, Ints
    from models.panel import Panel
    from models.school_cells import SchoolCells
    from models.year_group_evidence import GroupDays

__all__ = ["Attributor", "Parts", "apportion", "shared_out"]

FORGETTING = 1.0 / 60.0
PRIOR_DAYS = 10.0
WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri")
SESSIONS = ("AM", "PM")
_MILLION = 1_000_000
_NATIONAL = (
    {"I": 1.66, "O": 0.62, "G": 0.58, "C": 0.32, "M": 0.23, "N": 0.18, "U": 0.11, "C2": 0.07},
    {"I": 2.13, "O": 1.76, "C": 0.41, "G": 0.40, "M": 0.31, "N": 0.24, "U": 0.17, "E": 0.15, "C2": 0.13},
    {"I": 3.17, "O": 2.02, "C": 1.71, "C2": 1.03, "M": 0.91},
)
"""Absences by code, per cent of possible sessions, by phase: first full week of 2024/25 (domain.md 6)."""
_UNLISTED = 0.01
NATIONAL_CODES = np.array([[row.get(code, _UNLISTED) for code in ABSENCE_CODES] for row in _NATIONAL])
"""The mix that code shares start from, (phases, codes); only the codes that a school has used count."""


class Parts(NamedTuple):
    """The parts of one excess, by key, in millionths of a pupil-session; and the leading one (None: no part is above its share)."""

    millionths: dict[str, int]
    leading: str | None

    @property
    def attribution(self) -> dict[str, float]:
        """As published: pupil-sessions of 6 decimals."""
        return {key: part / _MILLION for key, part in self.millionths.items()}


def shared_out(expected: Floats, observed: Ints, exposure: Floats, since: int) -> Floats:
    """What each part is expected to hold from day `since` on, (parts,); adds up to the expected absences of these days.

    expected (days,): absences expected of the whole; observed (days, parts): absences seen; exposure (days, parts): the parts'
    share in who was there, adding up to 1 on each day or 0. A part's relative rate is learned before `since`.
    """
    keep = (1.0 - FORGETTING) ** np.arange(since - 1, -1, -1.0)
    usual = fsum(expected.tolist()) / max(len(expected), 1)
    start = PRIOR_DAYS * (1.0 - FORGETTING) ** since * usual * exposure.sum(axis=0) / max(len(expected), 1)
    seen = start + (keep[:, None] * observed[:since]).sum(axis=0)
    due = start + ((keep * expected[:since])[:, None] * exposure[:since]).sum(axis=0)
    rate = np.divide(seen, due, out=np.ones_like(due), where=due > 0)
    raw = (expected[since:, None] * exposure[since:]).sum(axis=0) * rate
    total = fsum(raw.tolist())
    out: Floats = raw * (fsum(expected[since:].tolist()) / total) if total > 0 else raw
    return out


def apportion(parts: Sequence[float], total: int) -> list[int]:
    """Numbers of millionths that add up to `total` exactly, each less than one from its part (largest remainder; of equal
    ones the first). The parts add up to the total but for rounding."""
    floors = [int(np.floor(part * _MILLION)) for part in parts]
    left = total - sum(floors)
    if not 0 <= left <= len(floors):
        raise BrokenPromise(f"{len(floors)} parts add up to {sum(parts)!r}, not to {total / _MILLION!r}")
    remainder = [round(part * _MILLION - floor, 3) for part, floor in zip(parts, floors, strict=True)]
    for i in sorted(range(len(floors)), key=lambda i: -remainder[i])[:left]:
        floors[i] += 1
    return floors


class Attributor:
    """Splits the excess of schools at the close of one day, from the cells of their winning registers."""

    def __init__(self, reader: CellReader, model: YearModel, panel: Panel, registers: Registers, day: int) -> None:
        """day: the deployment day being closed, which the model has been scored through."""
        self._reader, self._model, self._panel, self._registers, self._day = reader, model, panel, registers, day
        self.standing = Standing(model.deployment, panel, registers)
        self._windows: dict[tuple[str, int], Window] = {}
        self._cells: dict[int, SchoolCells] = {}

    def prepare(self, asked: Sequence[tuple[str, int]]) -> None:
        """Read these (chart, school) of T and C at once, keep the cells of those of G, and forget all others; what is asked for
        besides is read then."""
        self._windows, self._cells = {}, {}
        self._reader.keep({school for _, school in asked})
        self._read([(chart, school) for chart, school in asked if chart != "G"])

    def _read(self, asked: Sequence[tuple[str, int]]) -> None:
        for chart in sorted({chart for chart, _ in asked}):
            schools = np.array(sorted(school for named, school in asked if named == chart), np.int32)
            held = windows(self._model, chart, schools, self._day)
            self._windows |= {(chart, school): window for school, window in zip(schools.tolist(), held, strict=True)}
        self._read_cells([school for _, school in asked])

    def _read_cells(self, schools: Iterable[int]) -> dict[int, SchoolCells]:
        """The cells of all schools read so far, these among them."""
        missing = np.array(sorted(set(schools) - self._cells.keys()), np.int32)
        self._cells |= self._reader.read(self._model, self._panel, self._registers, missing, self._day + 1)
        return self._cells

    def _of(self, chart: str, school: int) -> tuple[Window, SchoolCells]:
        if (chart, school) not in self._windows:
            self._read([(chart, school)])
        return self._windows[chart, school], self._cells[school]

    def leading(self, chart: str, school: int, onset: int) -> str | None:
        """The part of a school's T or C with the largest excess: a year group, or a code where its registers name no year
        groups; None where none has an excess."""
        window, cells = self._of(chart, school)
        split = self._year_groups(window, cells)
        if len(split.keys) < 2:
            split = self._codes(window, cells, school)
        since = int(np.searchsorted(window.days, onset))
        excess = split.observed[since:].sum(axis=0) - shared_out(window.expected, split.observed, split.exposure, since)
        most = np.round(excess, 6)
        return split.keys[int(most.argmax())] if len(most) and most.max() > 0 else None

    def parts(self, chart: str, school: int, onset: int) -> Parts:
        """All splits of a school's T or C from deployment day `onset` to the close."""
        window, cells = self._of(chart, school)
        held = [cells.session_absences[window.days].sum(axis=1), cells.session_possible[window.days].sum(axis=1)]
        if not np.array_equal([window.absences, window.possible], held):
            raise BrokenPromise(f"the cells of school {self._model.deployment.urn[school]} are not those of its panel")
        later = window.since(onset)
        splits = (
            self._year_groups(window, cells),
            self._codes(window, cells, school),
            self._weekdays(window),
            self._sessions(window, cells),
        )
        out: dict[str, int] = {}
        for split in splits:
            out |= _excess(window, later, split)
        out |= {"common": later.common_millionths, "own": later.excess_millionths}
        return Parts(out, self.leading(chart, school, onset))

    def year_group_parts(self, school: int, group: str, onset: int, seen: GroupDays) -> Parts:
        """The splits of a year group's excess over what it would have missed beside the rest of its school (chart G), from
        deployment day `onset` to the close: its own, whole, and within it by code, weekday and session.

        seen: what chart G took in of it from the first day to the close.
        """
        possible, absences = np.array(seen.possible, np.int64), np.array(seen.absences, np.int64)
        expected = group_expected(self._model, school, group, seen)
        window = Window(np.array(seen.day, np.int64), possible, absences, expected, expected)
        whole = self._read_cells([school])[school]
        cells = self._reader.read_year_group(whole, self._registers, YEAR_GROUP_IDS[group], self._day + 1)
        self._check(window, cells, school)
        later = window.since(onset)
        splits = (self._codes(window, cells, school), self._weekdays(window), self._sessions(window, cells))
        key = f"year_group:{group}"
        out = {key: later.excess_millionths}
        for split in splits:
            out |= _excess(window, later, split)
        return Parts({**out, "own": later.excess_millionths}, key)

    def _check(self, window: Window, cells: SchoolCells, school: int) -> None:
        held = [cells.session_absences[window.days].sum(axis=1), cells.session_possible[window.days].sum(axis=1)]
        if not np.array_equal([window.absences, window.possible], held):
            raise BrokenPromise(f"the cells of school {self._model.deployment.urn[school]} are not those of its panel")

    def _year_groups(self, window: Window, cells: SchoolCells) -> _Split:
        groups, absences, there = cells.groups()
        return _Split([f"year_group:{YEAR_GROUPS[i]}" for i in groups.tolist()], absences[window.days], there[window.days])

    def _sessions(self, window: Window, cells: SchoolCells) -> _Split:
        there = cells.session_possible[window.days]
        keys = [f"session:{name}" for name in SESSIONS]
        return _Split(keys, cells.session_absences[window.days], there / there.sum(axis=1, keepdims=True))

    def _codes(self, window: Window, cells: SchoolCells, school: int) -> _Split:
        mix = NATIONAL_CODES[self._model.deployment.phase[school]]
        seen = np.flatnonzero(cells.codes[window.days].any(axis=0))
        seen = seen if len(seen) else np.flatnonzero(mix > _UNLISTED)
        mix = mix[seen]
        exposure = np.broadcast_to(mix / fsum(mix), (len(window.days), len(seen)))
        return _Split([f"code:{ABSENCE_CODES[i]}" for i in seen.tolist()], cells.codes[window.days][:, seen], exposure)

    def _weekdays(self, window: Window) -> _Split:
        weekday = (self._model.deployment.days[window.days] + 3) % 7  # 1970-01-01 was a Thursday
        held = np.unique(weekday)
        exposure = (weekday[:, None] == held).astype(float)
        return _Split([f"weekday:{WEEKDAYS[i]}" for i in held.tolist()], exposure.astype(np.int64) * window.absences[:, None], exposure)


def _excess(window: Window, later: Window, split: _Split) -> dict[str, int]:
    """Excess in the `later` days of each part that held or was due anything in them, in millionths; `window` ends with them."""
    since = len(window.days) - len(later.days)
    expected, observed = shared_out(window.expected, split.observed, split.exposure, since), split.observed[since:].sum(axis=0)
    there = np.flatnonzero((observed > 0) | (expected > 0)).tolist()
    parts = apportion([int(observed[i]) - float(expected[i]) for i in there], later.excess_millionths)
    return dict(zip([split.keys[i] for i in there], parts, strict=True))


class _Split(NamedTuple):
    """One way of splitting a school: keys (parts,), absences seen and share in who was there (days, parts)."""

    keys: list[str]
    observed: Ints
    exposure: Floats
