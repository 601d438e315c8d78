"""When a close is due: at its local time, once, in order, again for late registers, never on another day."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from schemas.errors import BrokenPromise
from streams.schedule import Arrived, CloseOrder, ClosingTimes, Completed, due

LONDON = ZoneInfo("Europe/London")
TIMES = ClosingTimes()
HELD = {"register": 10}
MONDAY = date(2026, 10, 5)
WEEK = [MONDAY + timedelta(days=n) for n in range(5)]
NEXT_WEEK = [day + timedelta(days=7) for day in WEEK]


def _at(day: date, hour: int, minute: int = 0) -> datetime:
    return datetime.combine(day, time(hour, minute), LONDON).astimezone(UTC)


def _arrived(end: int = 10, late: bool = False, began: date | None = MONDAY) -> Arrived:
    return Arrived({"register": end}, began, late)


def _day(order: CloseOrder | None) -> tuple[date, bool] | None:
    return None if order is None else (order.day, order.again)


@pytest.mark.parametrize(
    ("now", "closed", "expected", "sentence"),
    [
        (_at(WEEK[0], 17, 29), [], None, "a minute before its time nothing is due"),
        (_at(WEEK[0], 17, 30), [], WEEK[0], "at its time the day is due"),
        (_at(WEEK[0], 17, 30), [WEEK[0]], None, "a closed day is not due again by itself"),
        (_at(WEEK[3], 9, 0), [WEEK[0]], WEEK[1], "after a stop the first missed day comes first"),
        (_at(WEEK[3], 9, 0), [WEEK[0], WEEK[1]], WEEK[2], "then the next"),
        (_at(WEEK[3], 9, 0), WEEK[:3], None, "and today waits for its time"),
        (_at(WEEK[4] + timedelta(days=1), 20), WEEK, None, "no Saturday is closed"),
        (_at(NEXT_WEEK[0], 17, 30), WEEK, NEXT_WEEK[0], "after the weekend comes Monday"),
    ],
)
def test_each_school_day_is_closed_once_at_its_time_and_in_order(
    now: datetime, closed: list[date], expected: date | None, sentence: str
) -> None:
    order = due(now, WEEK + NEXT_WEEK, [Completed(day, HELD, now) for day in closed], _arrived(), TIMES)
    assert _day(order) == (None if expected is None else (expected, False)), sentence


def test_an_order_names_the_end_of_the_logs_and_since_when_it_is_due() -> None:
    order = due(_at(WEEK[2], 9), WEEK, [], _arrived(end=123), TIMES)
    assert order == CloseOrder(WEEK[0], {"register": 123}, again=False, due_at=_at(WEEK[0], 17, 30))


def test_days_before_the_first_register_came_are_not_closed() -> None:
    assert due(_at(WEEK[4], 20), WEEK, [], _arrived(began=None), TIMES) is None
    assert _day(due(_at(WEEK[4], 20), WEEK, [], _arrived(began=WEEK[3]), TIMES)) == (WEEK[3], False)


@pytest.mark.parametrize(
    ("now", "closed_at", "late", "again", "sentence"),
    [
        (_at(WEEK[0], 18, 29), _at(WEEK[0], 17, 30), True, False, "within the hour late registers wait"),
        (_at(WEEK[0], 18, 30), _at(WEEK[0], 17, 30), True, True, "after it the day is closed again"),
        (_at(WEEK[0], 18, 30), _at(WEEK[0], 17, 30), False, False, "what the last close has read is not late"),
        (_at(WEEK[1], 6, 59), _at(WEEK[1], 6, 30), True, False, "before seven nothing hurries"),
        (_at(WEEK[1], 7, 0), _at(WEEK[1], 6, 30), True, True, "at seven what is late is closed, whatever the hour"),
        (_at(WEEK[1], 7, 30), _at(WEEK[1], 7, 0), True, False, "and then the hour counts again"),
        (_at(WEEK[0], 17, 31), None, True, True, "when nobody knows when the last close was, it is now"),
    ],
)
def test_the_last_day_is_closed_again_when_late_registers_came(
    now: datetime, closed_at: datetime | None, late: bool, again: bool, sentence: str
) -> None:
    order = due(now, WEEK, [Completed(WEEK[0], HELD, closed_at)], _arrived(end=12, late=late), TIMES)
    assert _day(order) == ((WEEK[0], True) if again else None), sentence


def test_without_an_interval_late_registers_wait_for_the_morning() -> None:
    times = ClosingTimes(again_minutes=None)
    closed = [Completed(WEEK[0], HELD, _at(WEEK[0], 17, 30))]
    assert due(_at(WEEK[0], 23), WEEK, closed, _arrived(late=True), times) is None
    assert _day(due(_at(WEEK[1], 7), WEEK, closed, _arrived(late=True), times)) == (WEEK[0], True)


def test_a_new_day_goes_before_a_repeat_of_the_old_one() -> None:
    order = due(_at(WEEK[1], 17, 30), WEEK, [Completed(WEEK[0], HELD, _at(WEEK[0], 17, 30))], _arrived(late=True), TIMES)
    assert _day(order) == (WEEK[1], False)


@pytest.mark.parametrize(
    ("day", "utc", "sentence"),
    [
        (date(2026, 10, 23), datetime(2026, 10, 23, 16, 30, tzinfo=UTC), "the Friday before the clocks go back"),
        (date(2026, 10, 26), datetime(2026, 10, 26, 17, 30, tzinfo=UTC), "the Monday after it"),
        (date(2027, 3, 26), datetime(2027, 3, 26, 17, 30, tzinfo=UTC), "the Friday before the clocks go forward"),
        (date(2027, 3, 29), datetime(2027, 3, 29, 16, 30, tzinfo=UTC), "the Monday after it"),
        (date(2028, 2, 29), datetime(2028, 2, 29, 17, 30, tzinfo=UTC), "29 February is a day like another"),
        (date(2026, 8, 31), datetime(2026, 8, 31, 16, 30, tzinfo=UTC), "the last day of an academic year"),
        (date(2026, 9, 1), datetime(2026, 9, 1, 16, 30, tzinfo=UTC), "the first day of the next"),
    ],
)
def test_the_time_of_day_is_the_local_one_on_every_date(day: date, utc: datetime, sentence: str) -> None:
    arrived = _arrived(began=day)
    assert due(utc - timedelta(seconds=1), [day], [], arrived, TIMES) is None, sentence
    assert due(utc, [day], [], arrived, TIMES) == CloseOrder(day, {"register": 10}, again=False, due_at=utc), sentence


def test_the_hour_that_is_there_twice_does_not_close_twice_or_early() -> None:
    """A close at 01:30 summer time; half an hour later the clocks show 01:00 again."""
    sunday = date(2026, 10, 25)
    closed_at = datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
    closed = [Completed(sunday - timedelta(days=2), HELD, closed_at)]
    assert due(closed_at + timedelta(minutes=59), [], closed, _arrived(late=True), TIMES) is None
    assert due(closed_at + timedelta(minutes=60), [], closed, _arrived(late=True), TIMES) is not None


def test_a_clock_that_jumped_back_closes_nothing_twice() -> None:
    closed = [Completed(day, HELD, _at(WEEK[2], 17, 30)) for day in WEEK[:3]]
    assert due(_at(WEEK[0], 20), WEEK, closed, _arrived(late=True), TIMES) is None


def test_a_year_from_its_first_day_to_the_next_years_is_walked_without_a_gap() -> None:
    days = [date(2027, 8, 30) + timedelta(days=n) for n in range(370) if (date(2027, 8, 30) + timedelta(days=n)).weekday() < 5]
    completed: list[Completed] = []
    while (order := due(datetime(2028, 9, 10, tzinfo=UTC), days, completed, _arrived(began=days[0]), TIMES)) is not None:
        completed.append(Completed(order.day, HELD))
    assert [one.day for one in completed] == days
    assert date(2028, 2, 29) in days


def test_a_time_without_an_offset_is_a_broken_promise() -> None:
    with pytest.raises(BrokenPromise):
        due(datetime(2026, 10, 5, 17, 30), WEEK, [], _arrived(), TIMES)
