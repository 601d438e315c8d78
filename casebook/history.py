"""A school's cases folded from its history: what the database holds is a cache of this.

Alerts of a close come before what people did after having seen it; an event that comes twice is one. So the order and the number
of deliveries do not matter.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from casebook.case_actions import act
from casebook.case_rules import hear
from casebook.events import AlertSaid
from schemas.alert import AlertState
from schemas.errors import BrokenPromise

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import date, datetime
    from uuid import UUID

    from casebook.case_state import Case
    from casebook.events import Event

__all__ = ["alerts_in_order", "fold"]


def fold(events: Iterable[Event], local_date: Callable[[datetime], date]) -> dict[UUID, Case]:
    """Cases by id, of one school's events in the order in which they were written; a repeat changes nothing."""
    cases: dict[UUID, Case] = {}
    seen: set[UUID] = set()
    for event in events:
        if event.event_id in seen:
            continue
        seen.add(event.event_id)
        if isinstance(event.said, AlertSaid):
            cases |= {case.case_id: case for case in hear(tuple(cases.values()), event).changed}
            continue
        if event.case_id is None or event.case_id not in cases:
            raise BrokenPromise(f"event {event.event_id} belongs to no case")
        cases[event.case_id] = act(cases[event.case_id], event, local_date(event.at))
    return cases


def alerts_in_order(events: Iterable[Event]) -> list[Event]:
    """Alert records in the order in which they are heard: by close, then as a close publishes them; each once."""
    once = {event.event_id: event for event in events if isinstance(event.said, AlertSaid)}
    return sorted(once.values(), key=_order)


def _order(event: Event) -> tuple[object, ...]:
    said = event.said
    if not isinstance(said, AlertSaid):
        raise BrokenPromise(f"{said.what} is no alert")
    over = said.state in {AlertState.CLOSED, AlertState.WITHDRAWN}  # Last, so that a case does not end and open again at one close.
    return (event.place.epoch, event.place.close_number, event.urn, over, said.kind, said.opened_on, said.state, str(event.event_id))
