"""A withdrawal names the registers that changed since the opening: the school's own, by session; an area's are counted."""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING

import numpy as np

from models.changed_registers import NAMED_MOST, in_words
from schemas.alert import AlertState
from tests.unit.test_attribution import run

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from models.evidence import Evidence
    from schemas.alert import Alert
    from tests.streams_of_registers import Event

_FIRST, DAYS = date(2026, 9, 7), 50
URN = 100_000


def _day(number: int) -> date:
    return _FIRST + timedelta(days=7 * (number // 5) + number % 5)


def _register(urn: int, day: int, session: str, ill: int, *, recorded: int, revision: int = 0) -> Event:
    return {
        "urn": urn,
        "attendance_date": str(_day(day)),
        "session": session,
        "revision": revision,
        "recorded_at": f"{_day(recorded)}T{'08' if session == 'AM' else '12'}:40:00Z",
        "source": "test",
        "counts": {"7": {"/" if session == "AM" else "\\": 300 - ill, "I": ill}},
    }


def _year(*, corrected: range, on: int, of: int = URN) -> tuple[list[Event], set[str]]:
    """Sixteen schools; in one, far too many are ill from day 30 to 34, of which `corrected` is mended on day `on`."""
    rng = np.random.default_rng(4)
    events, mended = [], set()
    for urn in range(URN, URN + 16):
        for day in range(DAYS):
            for session in ("AM", "PM"):
                usual = 17 + int(rng.integers(0, 4))
                wrong = urn == URN and 30 <= day < 35
                events.append(_register(urn, day, session, usual + 60 * wrong, recorded=day))
                if urn == of and day in corrected:
                    events.append(_register(urn, day, session, usual, recorded=on, revision=1))
                    mended.add(f"{_day(day)} {session}")
    return events, mended


def _of(alerts: Sequence[Alert]) -> tuple[Alert, Alert]:
    """The opening of the school's level alert and its withdrawal."""
    withdrawn = next(a for a in alerts if a.urn == URN and a.chart == "C" and a.state is AlertState.WITHDRAWN)
    return next(a for a in alerts if a.alert_id == withdrawn.alert_id), withdrawn


def test_a_withdrawal_names_the_school_s_registers_that_were_corrected(tmp_path: Path) -> None:
    events, mended = _year(corrected=range(30, 35), on=36)
    opened, withdrawn = _of(run(events, tmp_path, days=DAYS).alerts)
    until = {named for named in mended if named[:10] <= str(opened.opened_on)}
    assert withdrawn.evidence["registers_changed"] == len(until) > 0
    assert set(str(withdrawn.evidence["changed_registers"]).split(", ")) == until
    assert withdrawn.reason.endswith(f"; {len(until)} of its registers changed since")
    assert "registers_changed" not in opened.evidence


def test_what_only_peers_corrected_is_said_so() -> None:
    changed: Evidence = {"registers_changed": 0, "changed_registers": ""}
    assert in_words(changed) == "none of its own registers changed since: what its area is told did"


def test_what_was_recorded_on_the_evening_of_the_opening_and_known_at_its_close_has_not_changed(tmp_path: Path) -> None:
    """The opening knows of corrections of that evening (recorded at 19:00); those of midnight, by London's clock, come later."""
    events, _ = _year(corrected=range(30, 35), on=36)
    opened, _ = _of(run(events, tmp_path, days=DAYS).alerts)
    evening = [e | {"revision": 2, "recorded_at": f"{opened.opened_on}T18:00:00Z"} for e in events if _about(e, 29)]
    midnight = [e | {"revision": 2, "recorded_at": f"{opened.opened_on}T23:30:00Z"} for e in events if _about(e, 28)]
    again, withdrawn = _of(run([*events, *evening, *midnight], tmp_path, days=DAYS).alerts)
    named = str(withdrawn.evidence["changed_registers"])
    assert again.opened_on == opened.opened_on
    assert str(again.evidence["known_until"]) == f"{opened.opened_on}T18:00:00+00:00"
    assert str(_day(29)) not in named
    assert named.count(str(_day(28))) == 2


def _about(event: Event, day: int) -> bool:
    return bool(event["urn"] == URN and event["attendance_date"] == str(_day(day)))


def test_many_are_counted_and_the_latest_named(tmp_path: Path) -> None:
    events, mended = _year(corrected=range(15, 35), on=36)
    opened, withdrawn = _of(run(events, tmp_path, days=DAYS).alerts)
    until = sorted(named for named in mended if named[:10] <= str(opened.opened_on))
    assert withdrawn.evidence["registers_changed"] == len(until) > NAMED_MOST
    assert str(withdrawn.evidence["changed_registers"]).split(", ") == until[::-1][:NAMED_MOST]


def test_an_area_s_withdrawal_counts_them_and_their_schools(tmp_path: Path) -> None:
    """All schools of the area have too many ill on day 31, and are corrected on day 32."""
    events, _ = _year(corrected=range(0), on=0)
    here = run(events[:1], tmp_path, days=DAYS).courses[0].deployment
    area = set(here.urn[here.area == here.area[1]].tolist())
    mine = [e for e in events if e["urn"] in area and e["attendance_date"] == str(_day(31))]
    for event in mine:
        row = event["counts"]["7"]
        present = next(code for code in row if code != "I")
        wrong = {"7": {present: row[present] - 80, "I": row["I"] + 80}}
        events.append({**event, "revision": 1, "counts": wrong})
        events.append({**event, "revision": 2, "recorded_at": f"{_day(32)}T15:00:00Z"})
    withdrawn = [a for a in run(events, tmp_path, days=DAYS).alerts if a.area and a.state is AlertState.WITHDRAWN]
    assert withdrawn
    assert {(a.evidence["registers_changed"], a.evidence["schools_changed"]) for a in withdrawn} == {(len(mine), len(area))}
