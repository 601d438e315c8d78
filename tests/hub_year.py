"""A hub's autumn for pages to be drawn from: readings with a path, registers by year group, alerts with whole evidence. Made up."""

from __future__ import annotations

import json
from datetime import UTC, datetime, time
from typing import TYPE_CHECKING, Any
from uuid import UUID

import numpy as np

from casebook.feed import Arrival
from casebook.feed_records import PublishedReading
from schemas.alert import Alert, AlertKind, AlertState, alert_id
from schemas.reading import READING_COLUMNS
from schemas.register import canonical, parse
from tests.casebooks import HUB_A, day

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.casebooks import Book

__all__ = ["DROP", "area", "evidence", "last_year", "live", "spoken"]

DROP = 40
"""The school day from which the first school has lost three points."""
_GROUPS = ("R", "1", "2", "3", "4", "5", "6")


def live(book: Book, urns: Sequence[int] = HUB_A, days: int = 60) -> None:
    """Readings of the newest close and all registers, day 1 to `days`."""
    rng = np.random.default_rng(7)
    readings, registers = [], []
    for urn in urns:
        for n in range(1, days + 1):
            rate = 0.06 + 0.01 * np.sin(n / 9) + (0.03 if urn == urns[0] and n >= DROP else 0.0)
            absent = 0
            for session in ("AM", "PM"):
                counts = {g: {"/" if session == "AM" else "\\": 40} for g in _GROUPS}
                for group in _GROUPS:
                    away = int(rng.binomial(42, rate))
                    counts[group] |= {"I": away // 2, "O": away - away // 2, "/" if session == "AM" else "\\": 42 - away}
                    absent += away
                registers.append(_register(urn, n, session, counts))
            readings.append(_reading(urn, n, absent, 2 * 42 * len(_GROUPS), rate))
    number = len(book.chain)
    book.feed.take(Arrival(readings=[PublishedReading(number, line) for line in readings], registers=registers))


def last_year(book: Book, urn: int) -> None:
    """Registers of the same 60 school days a year before, 42 pupils of whom 7 are ill."""
    counts = {"5": {"/": 35, "I": 7}}
    book.feed.take(Arrival(registers=[_register(urn, n, session, counts) for n in range(-259, -199) for session in ("AM", "PM")]))


def _register(urn: int, n: int, session: str, counts: dict[str, dict[str, int]]) -> bytes:
    held = {group: {code: count for code, count in codes.items() if count} for group, codes in counts.items()}
    said = {
        "urn": urn,
        "attendance_date": day(n).isoformat(),
        "session": session,
        "revision": 0,
        "recorded_at": datetime.combine(day(n), time(10 if session == "AM" else 14), UTC).isoformat(),
        "source": "test",
        "counts": held,
    }
    return canonical(parse(json.dumps(said).encode()))


def _reading(urn: int, n: int, absent: int, possible: int, rate: float) -> bytes:
    after = max(n - DROP + 1, 0) if urn == HUB_A[0] else 0
    said: dict[str, Any] = dict.fromkeys(READING_COLUMNS)
    said |= {
        "urn": urn,
        "attendance_date": day(n).isoformat(),
        "possible_sessions": possible,
        "absences": absent,
        "absence_ratio": round(absent / possible, 6),
        "charted_possible_sessions": possible,
        "charted_absences": absent,
        "expected_ratio": round(min(rate, 0.07), 6),
        "common_effect_logit": 0.05,
        "statistic_target": round(0.35 * after, 6),
        "statistic_level": round(0.3 * after, 6),
        "p_target": 0.31,
        "condition": "in_control",
    }
    return json.dumps(said, sort_keys=True).encode()


def evidence(to: int, *, pupils: float, since: int = DROP) -> dict[str, float | int | str | None]:
    """As the engine publishes it, of the days from the onset to the n-th."""
    days = to - since + 1
    possible, excess = 588 * days, pupils * 2 * days
    return {
        "statistic": 4.9,
        "decision_interval": 4.2,
        "school_days": days,
        "sessions": 2 * days,
        "possible_sessions": possible,
        "absences": round(0.065 * possible + excess),
        "expected_absences": round(0.065 * possible, 3),
        "excess_absences": excess,
        "common_absences": round(0.004 * possible, 3),
        "excess_ratio": round(excess / possible, 6),
        "pupils_a_day": pupils,
        "newest_register": day(to).isoformat(),
        "code_rules_version": "2024-08-19",
        "leading_cell": "year_group:5",
        "second_opinion_adwin": None,
        "second_opinion_page_hinkley": day(to - 1).isoformat(),
    }


def spoken(urn: int, state: AlertState, opened: int, as_of: int, *, rank: float, pupils: float) -> Alert:
    """A T alert with everything that its page can say."""
    said = evidence(as_of, pupils=pupils)
    excess = float(said["excess_absences"] or 0.0)
    return Alert(
        alert_id=alert_id(AlertKind.OFF_TRAJECTORY, "T", urn, "2026/27", day(opened)),
        urn=urn,
        area=None,
        kind=AlertKind.OFF_TRAJECTORY,
        chart="T",
        state=state,
        opened_on=day(opened),
        as_of=day(as_of),
        onset_about=day(DROP),
        once_in_school_years=rank,
        evidence=said,
        attribution={
            "own": excess,
            "common": 3.0,
            "year_group:5": round(0.6 * excess, 3),
            "year_group:6": round(0.5 * excess, 3),
            "year_group:1": round(-0.1 * excess, 3),
            "code:I": round(0.3 * excess, 3),
            "code:O": round(0.7 * excess, 3),
        },
        reason="chart T passed its decision interval, against the path to the target",
    )


def area(name: str, opened: int, as_of: int, state: AlertState = AlertState.OPENED) -> Alert:
    """What hit everybody."""
    return Alert(
        alert_id=UUID(int=opened + 1_000 * sum(name.removeprefix("hub A").encode())),
        urn=None,
        area=name,
        kind=AlertKind.AREA,
        chart=None,
        state=state,
        opened_on=day(opened),
        as_of=day(as_of),
        onset_about=None,
        once_in_school_years=None,
        evidence={},
        attribution=None,
        reason="the common effect passed its limit",
    )
