"""A close follows the last one on the same log, with all of it that this academic year rests on; else it is an error with a name."""

from __future__ import annotations

from datetime import date

import pytest

from schemas.control import Requested, read_control_record
from schemas.errors import BadContents
from streams.close_logs import Held
from streams.same_log import begins_of, check_same_log

LOG = "attendance.session.v1"
LONG_AGO, SUMMER, AUTUMN, TODAY = date(2025, 7, 18), date(2026, 7, 17), date(2026, 9, 8), date(2026, 9, 9)


def closed(day: date, reached: int, *, begins: int = 0, register_log: str | None = "topic@1") -> Requested:
    """A completed close that read one partition."""
    return Requested(
        previous=None,
        number=1,
        day=day,
        positions={f"{LOG}/0": reached},
        reference_version="r",
        parameters_digest="p",
        engine_version="e",
        register_log=register_log,
        begins={f"{LOG}/0": begins} if begins else {},
    )


def check(completed: list[Requested], *, ends: int = 500, begins: int = 0, register_log: str | None = "topic@1") -> None:
    check_same_log(completed, TODAY, {f"{LOG}/0": ends}, Held(register_log, {f"{LOG}/0": begins} if begins else {}))


@pytest.mark.parametrize("ends", [400, 500])
def test_the_same_log_with_more_or_nothing_more_goes_on(ends: int) -> None:
    check([closed(SUMMER, 300), closed(AUTUMN, 400)], ends=ends)


def test_a_log_that_lost_its_end_is_refused() -> None:
    with pytest.raises(BadContents, match="ends at 399, but the last close came to 400"):
        check([closed(AUTUMN, 400)], ends=399)


def test_another_topic_of_the_same_name_is_refused() -> None:
    with pytest.raises(BadContents, match="in topic@2, those of the last close were in topic@1"):
        check([closed(AUTUMN, 400)], register_log="topic@2")


def test_a_close_of_an_engine_that_did_not_name_its_log_is_followed() -> None:
    check([closed(AUTUMN, 400, register_log=None)], register_log="topic@2")


@pytest.mark.parametrize("begins", [1, 300])
def test_what_lay_before_the_last_close_of_an_earlier_year_may_go(begins: int) -> None:
    check([closed(SUMMER, 200), closed(SUMMER, 300), closed(AUTUMN, 400)], begins=begins)


@pytest.mark.parametrize("completed", [[closed(SUMMER, 300), closed(AUTUMN, 400)], [closed(AUTUMN, 400)]])
def test_registers_of_this_year_that_are_gone_are_refused(completed: list[Requested]) -> None:
    with pytest.raises(BadContents, match="begins at 301: records that closes of this academic year rest on are gone"):
        check(completed, begins=301)


def test_where_the_last_close_began_the_next_may_begin_too() -> None:
    check([closed(AUTUMN, 400, begins=120)], begins=120)
    with pytest.raises(BadContents, match="begins at 121"):
        check([closed(AUTUMN, 400, begins=120)], begins=121)


def test_the_first_close_rests_on_what_there_is() -> None:
    check([], begins=7)


def test_a_request_says_where_its_log_begins_only_where_it_does_not_begin_at_0() -> None:
    plain, cut = closed(AUTUMN, 400, register_log=None), closed(AUTUMN, 400, begins=7)
    assert b"begins" not in plain.to_line()
    assert b"register_log" not in plain.to_line()
    assert read_control_record(cut.to_line()) == cut
    assert plain.close_id != cut.close_id


def test_a_log_that_holds_everything_is_read_from_0() -> None:
    assert begins_of([closed(LONG_AGO, 100), closed(SUMMER, 300)], TODAY, Held("topic@1", {})) == {}


def test_where_a_close_begins_does_not_move_with_the_retention_from_day_to_day() -> None:
    def begins(completed: list[Requested], first: int) -> int:
        return begins_of(completed, TODAY, Held("topic@1", {f"{LOG}/0": first}))[f"{LOG}/0"]

    before = [closed(LONG_AGO, 100), closed(SUMMER, 300)]
    assert begins(before, 7) == 100, "behind the last close of the year before last: planned closures of last year stay"
    assert begins([*before, closed(AUTUMN, 400, begins=100)], 60) == 100
    assert begins([*before, closed(AUTUMN, 400, begins=100)], 120) == 120
    assert begins([closed(SUMMER, 300)], 7) == 7, "nothing was closed the year before last"
