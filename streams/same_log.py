"""Whether a close can rest on the logs as they are: the same log as the last close, with all that this academic year was told.

Retention takes records from the beginning of an input log when they are old enough. What lay before the last close of an
earlier academic year may go: the closes of this year then rest on what is left, and each names where that begins. Anything
else that is missing is an error with a name, never a shorter panel.

Where something is gone, closes begin behind the last close of the year before last at once: else that place would move with
the retention from day to day, and each time all of the log would have to be read again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from schemas.calendar import academic_year
from schemas.errors import BadContents

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import date

    from schemas.control import Requested
    from streams.close_logs import Held

__all__ = ["begins_of", "check_same_log"]

_ANEW = "One that was made anew needs a control log that begins anew too"


def check_same_log(completed: Sequence[Requested], day: date, positions: Mapping[str, int], held: Held) -> None:
    """Raise BadContents unless a close of `day` at these positions can follow the completed ones on these logs."""
    if not completed:
        return
    last = completed[-1]
    if last.register_log is not None and held.register_log != last.register_log:
        said = f"the registers are in {held.register_log}, those of the last close were in {last.register_log}"
        raise BadContents(said, file="the logs", remedy=f"It is another topic of that name. {_ANEW}")
    for place, reached in sorted(last.positions.items()):
        if positions.get(place, 0) < reached:
            said = f"{place} ends at {positions.get(place, 0)}, but the last close came to {reached}"
            raise BadContents(said, file="the logs", remedy=f"Is it the same log? {_ANEW}")
    earlier = next((one.positions for one in reversed(completed) if academic_year(one.day) != academic_year(day)), {})
    for place, first in sorted(held.begins.items()):
        if first > max(last.begins.get(place, 0), earlier.get(place, 0)):
            said = f"{place} begins at {first}: records that closes of this academic year rest on are gone"
            remedy = "Restore the topic, and look at its retention: it must outlast the academic year"
            raise BadContents(said, file="the logs", remedy=remedy)


def begins_of(completed: Sequence[Requested], day: date, held: Held) -> dict[str, int]:
    """Where a close of `day` begins to read; a place that is not named begins at 0. `check_same_log` has let it pass."""
    if not held.begins:
        return {}
    last = completed[-1].begins if completed else {}
    year_before = int(academic_year(day)[:4]) - 1
    old = next((one.positions for one in reversed(completed) if int(academic_year(one.day)[:4]) < year_before), {})
    begins = {place: max(some.get(place, 0) for some in (held.begins, last, old)) for place in {*held.begins, *last, *old}}
    return {place: first for place, first in sorted(begins.items()) if first}
