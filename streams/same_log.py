"""Whether a close can rest on the logs as they are: the same log as the last close, with all that this academic year was told.

Retention takes registers from the beginning of their topic when they are old enough. What lay before the last close of an
earlier academic year may go: the closes of this year then rest on what is left, and each names where that begins. Anything
else that is missing is an error with a name, never a shorter panel.
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

__all__ = ["check_same_log"]

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
            said = f"{place} begins at {first}: registers that closes of this academic year rest on are gone"
            remedy = "Restore the topic, and look at its retention: it must outlast the academic year"
            raise BadContents(said, file="the logs", remedy=remedy)
