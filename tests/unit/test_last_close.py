"""What an overlay is told of the last close: the embedded runner's and the live worker's, from what the close published, are one."""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from models.parameters import Budget, Parameters
from streams.intake import judge
from streams.last_close_topics import Base
from streams.reference import read_reference
from streams.runner import EmbeddedRunner
from streams.sqlite_log import EmbeddedLogs
from tests.streams_of_registers import line, small_year, write_reference

if TYPE_CHECKING:
    from pathlib import Path

    from streams.closer import Closer
    from streams.provisional import LastClose
    from streams.replay import Reference

NOW = datetime(2026, 12, 1, 18, tzinfo=UTC)


def _published(runner: Closer, day: date) -> list[bytes]:
    """The closed readings of the day closed last."""
    from streams.closed_readings import closed_readings

    request = runner.chain.completed[-1][0]
    assert request.day == day
    return [said for _, said in closed_readings(runner.compute(request), Budget.of_rate(0.5))]


def _same(one: LastClose, other: LastClose, reference: Reference, days: list[date]) -> int:
    """Every school and day; how many have an outset."""
    found = 0
    for school in reference.schools:
        assert one.last_effect(school.urn) == pytest.approx(other.last_effect(school.urn), abs=1e-6)
        for day in days:
            mine, its = (last.outset(school.urn, day.isoformat()) for last in (one, other))
            assert mine == its
            found += mine is not None
    return found


def test_a_worker_stands_on_what_the_close_published_exactly_as_the_embedded_runner_does(tmp_path: Path) -> None:
    year = small_year(1, days=14, schools=16)
    reference = read_reference(*write_reference(year, tmp_path))
    dates = sorted({date.fromisoformat(e["attendance_date"]) for e in year.events})
    ahead = [dates[0], *dates[9:], *(dates[-1] + timedelta(days=n) for n in range(1, 8)), date(2027, 10, 4)]
    with closing(EmbeddedLogs(tmp_path / "log.db", now=lambda: NOW)) as logs:
        runner = EmbeddedRunner(logs, reference, Parameters(), Budget.of_rate(0.5), lambda: NOW)
        base = Base(reference, Parameters())
        first = _same(runner.last_close(), base.last_close(dates[0]), reference, ahead)
        assert first > 0, "before the first close the law stands on the constants"
        logs.append_registers([judge(line(e)) for e in year.events])
        ends = runner.ends()
        for day in dates[:10]:
            runner.close(day, ends)
        day = dates[9]
        later = runner.last_close()
        found = _same(later, base.last_close(day, day, _published(runner, day)), reference, ahead)
    assert 0 < found < first
    outset = next(o for s in reference.schools if (o := later.outset(s.urn, dates[11].isoformat())) is not None)
    assert outset.days_on == 2
    assert outset.footing.scored_days > 0
    assert later.outset(reference.schools[0].urn, dates[9].isoformat()) is None, "a closed day has no law any more"


def test_what_an_earlier_version_published_gives_no_law_and_no_error(tmp_path: Path) -> None:
    year = small_year(1, days=14, schools=16)
    reference = read_reference(*write_reference(year, tmp_path))
    urn, day = reference.schools[0].urn, date(2026, 9, 8)
    old = b'{"urn":%d,"slow_level_logit":0.1,"effect_logit":0.2,"shrinkage":[0.01,0.002],"p_target":null}' % urn
    last = Base(reference, Parameters()).last_close(day, day, [old])
    assert last.slow_level(urn) == 0.1
    assert all(last.outset(urn, f"2026-09-{n:02}") is None for n in range(8, 31))
