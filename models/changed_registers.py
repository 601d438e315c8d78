"""Which registers changed after an alert was opened: what its withdrawal names. (detection.md 1.11, goal G14)

A register counts as changed when it is about the opening day or an earlier one, stands in the panel, and was recorded after
the opening day (UTC): a correction, or a register that came late. It follows from the registers that stand, so a restart,
another order of arrival and a computation from nothing name the same.
"""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING

import numpy as np

from models.sudden import SESSIONS

if TYPE_CHECKING:
    from models.deployment import Deployment
    from models.evidence import Evidence
    from models.panel import Panel
    from models.school_cells import Registers

__all__ = ["NAMED_MOST", "changed_since", "in_words"]

NAMED_MOST = 20
"""Registers named one by one, the latest days first; all are counted."""
_EPOCH = date(1970, 1, 1)
_DAY_MICROSECONDS = 86_400_000_000


def changed_since(here: Deployment, panel: Panel, registers: Registers, opened: int, *, school: int | None, area: int) -> Evidence:
    """What changed since the alert of deployment day `opened` about a school (index), or (None) about an area (index).

    `registers_changed`: how many, and of a school `changed_registers`: the latest of them, as "2025-10-06 PM, 2025-10-06 AM";
    `peers_registers_changed` of how many others in its area (`peers_changed`): they move the common effect, and so this school.
    Of an area `registers_changed` of `schools_changed`.
    """
    there = np.flatnonzero(here.area == area).astype(np.int32)
    day, session, place = np.nonzero(panel.winner[: opened + 1, :, there] >= 0)
    which = there[place]
    ranks = panel.winner[day, session, which].astype(np.int64)
    rows = ranks if registers.rows is None else registers.rows[ranks]
    later = registers.batch.recorded_at[rows] >= (int(here.days[opened]) + 1) * _DAY_MICROSECONDS
    day, session, which = day[later], session[later], which[later]
    if school is None:
        return {"registers_changed": len(which), "schools_changed": len(np.unique(which))}
    mine = which == school
    latest = list(zip(day[mine].tolist(), session[mine].tolist(), strict=True))[::-1][:NAMED_MOST]
    return {
        "registers_changed": int(mine.sum()),
        "changed_registers": ", ".join(f"{_EPOCH + timedelta(days=int(here.days[d]))} {SESSIONS[s]}" for d, s in latest),
        "peers_registers_changed": int((~mine).sum()),
        "peers_changed": len(np.unique(which[~mine])),
    }


def in_words(changed: Evidence) -> str:
    """The same for the reason of a withdrawal."""
    count = changed["registers_changed"]
    if "schools_changed" in changed:
        return f"{count} registers of {changed['schools_changed']} schools changed since"
    if count:
        return f"{count} of its registers changed since"
    return f"none of its registers changed since, but {changed['peers_registers_changed']} of {changed['peers_changed']} other schools did"
