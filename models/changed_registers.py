"""Which registers changed after an alert was opened: what its withdrawal names. (detection.md 1.11, goal G14)

An opening says until when registers were known: the newest `recorded_at` among those that stood then, of the school or of the
area (`known_until`). A register counts as changed when it is about the opening day or an earlier one, stands now, and was
recorded after that. Both follow from the registers that stand, so a restart, another order of arrival and a computation from
nothing say the same. What was recorded before and arrived only later is not seen in this way.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from models.sudden import SESSIONS

if TYPE_CHECKING:
    from models.deployment import Deployment
    from models.evidence import Evidence
    from models.numbers import Ints
    from models.panel import Panel
    from models.school_cells import Registers

__all__ = ["NAMED_MOST", "Standing", "in_words"]

NAMED_MOST = 20
"""Registers named one by one, the latest days first; all are counted."""
_EPOCH = date(1970, 1, 1)
_MOMENT = datetime(1970, 1, 1, tzinfo=UTC)


class Standing(NamedTuple):
    """The registers of a panel that stand, and when each was recorded."""

    deployment: Deployment
    panel: Panel
    registers: Registers

    def known_until(self, schools: Ints, day: int) -> str | None:
        """When the newest register of some schools (indices) about day `day` or an earlier one was recorded, UTC; None without any."""
        *_, recorded = self._of(schools, day)
        return None if not len(recorded) else (_MOMENT + timedelta(microseconds=int(recorded.max()))).isoformat()

    def changed(self, schools: Ints, opened: int, known_until: str | None) -> Evidence:
        """What changed about some schools since an opening on day `opened`.

        `registers_changed`: how many; of one school `changed_registers`, the latest of them ("2025-10-06 PM, 2025-10-06 AM"),
        of an area `schools_changed`.
        """
        day, session, school, recorded = self._of(schools, opened)
        known = -1 if known_until is None else (datetime.fromisoformat(known_until) - _MOMENT) // timedelta(microseconds=1)
        later = recorded > known
        out: Evidence = {"registers_changed": int(later.sum())}
        if len(schools) > 1:
            return out | {"schools_changed": len(np.unique(school[later]))}
        latest = list(zip(day[later].tolist(), session[later].tolist(), strict=True))[::-1][:NAMED_MOST]
        named = [f"{_EPOCH + timedelta(days=int(self.deployment.days[d]))} {SESSIONS[s]}" for d, s in latest]
        return out | {"changed_registers": ", ".join(named)}

    def _of(self, schools: Ints, until: int) -> tuple[Ints, Ints, Ints, Ints]:
        """Day index, session, school and `recorded_at` of each register that stands about a day up to `until`, by day."""
        winner = self.panel.winner[: until + 1, :, schools]
        day, session, place = np.nonzero(winner >= 0)
        ranks = winner[day, session, place].astype(np.int64)
        rows = ranks if self.registers.rows is None else self.registers.rows[ranks]
        return day, session, schools[place], self.registers.batch.recorded_at[rows]


def in_words(changed: Evidence) -> str:
    """The same for the reason of a withdrawal."""
    count = changed["registers_changed"]
    if "schools_changed" in changed:
        return f"{count} registers of {changed['schools_changed']} schools changed since"
    return f"{count} of its registers changed since" if count else "none of its own registers changed since: what its area is told did"
