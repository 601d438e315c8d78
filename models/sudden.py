"""The sudden flag: one session far outside its predictive law, judged at the arrival of a register and again at the close.

A morning stands against its beta-binomial, an afternoon against the two binomials that its morning gives (alone: against
its own beta-binomial). Everything that decides whether a session is flagged, and whether a flag could be an alert, lives here.
(detection.md 1.6)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from models import predictive_law
from models.numbers import Bools, exact, ratio
from models.phase_law import SESSION_LOGIT, Change

if TYPE_CHECKING:
    from models.numbers import Floats, Ints

__all__ = ["SESSIONS", "Expected", "Flag", "Sessions", "change_of", "flags", "rates"]

SESSIONS = ("AM", "PM")
PUPILS_LEAST = 30
FLAG_LOG10_TAIL, FLAG_PUPILS, FLAG_SHARE = -5.0, 10, 0.05
ALERT_LOG10_TAIL, ALERT_PUPILS, ALERT_SHARE = -6.0, 20, 0.10
_SPREADS = 4.0
"""Tails are worked out for sessions this many standard deviations out: at 1e-5 a normal law is at 4.26, a right-skewed further."""


class Sessions(NamedTuple):
    """One day's sessions, (2, schools) each: pupils and absent without study leave, and whether the session counts."""

    pupils: Ints
    absences: Ints
    counts: Bools


class Expected(NamedTuple):
    """The day's law, (schools,) each: logit eta of absence, variance V of it, and the share `stay` of a morning's absent."""

    eta: Floats
    variance: Floats
    stay: Floats


class Flag(NamedTuple):
    """One flagged session: school index, session (0 AM, 1 PM), pupils, absent, expected absent, log10 of the upper tail."""

    school: int
    session: int
    pupils: int
    absences: int
    expected: float
    log10_tail: float

    @property
    def excess(self) -> float:
        """Pupils absent beyond the expected."""
        return self.absences - self.expected

    @property
    def may_alert(self) -> bool:
        """Far and large enough for an alert."""
        return self.log10_tail < ALERT_LOG10_TAIL and self.excess >= max(ALERT_PUPILS, ALERT_SHARE * self.pupils)


def rates(eta: Floats) -> Floats:
    """Expected absence ratios of morning and afternoon, (2, schools), on the exact grid."""
    return exact(ratio(np.stack([eta - SESSION_LOGIT, eta + SESSION_LOGIT])))


def change_of(day: Sessions, rate: Floats, scored: Bools) -> Change:
    """How each school's afternoon followed its morning, given the expected absence ratios of both (2, schools)."""
    morning, afternoon = day.absences - day.pupils * rate
    return Change(afternoon - morning, day.pupils[0] * rate[0] * (1.0 - rate[0]), scored & day.counts[0] & day.counts[1])


def flags(day: Sessions, expected: Expected, judged: Bools, rate: Floats | None = None) -> tuple[Flag, ...]:
    """The flagged sessions of a day, by school and session. judged (2, schools): whether a flag may be raised (peers are in).

    An afternoon whose morning counts is judged given the morning. rate: of `rates`, where it has been worked out.
    """
    p = rates(expected.eta) if rate is None else rate
    pupils, absent = day.pupils, day.absences
    alone = pupils * p
    spread = alone * (1.0 - p)
    deviation2 = spread * spread * expected.variance
    new = predictive_law.afternoon_new(p[0], p[1], expected.stay)
    before = np.minimum(absent[0], pupils[1])
    stays = expected.stay + new
    given = day.counts[0] & day.counts[1]
    mean = np.stack([alone[0], np.where(given, before * stays + (pupils[1] - before) * new, alone[1])])
    two = before * stays * (1.0 - stays) + (pupils[1] - before) * new * (1.0 - new)
    deviation2 = np.stack([deviation2[0], np.where(given, two, deviation2[1])])
    excess = absent - mean
    far = judged & day.counts & (pupils >= PUPILS_LEAST) & (excess >= np.maximum(FLAG_PUPILS, FLAG_SHARE * pupils))
    far &= excess * excess >= _SPREADS * _SPREADS * deviation2
    session, school = np.nonzero(far)
    tails = np.zeros(len(school))
    for conditional in (False, True):
        some = np.flatnonzero((given[school] & (session == 1)) == conditional)
        at, who = session[some], school[some]
        if not len(some):
            continue
        if conditional:
            tails[some] = predictive_law.afternoon_tail(pupils[1, who], before[who], expected.stay[who], new[who], absent[1, who])
        else:
            law = predictive_law.beta_binomial(pupils[at, who], p[at, who], expected.variance[who])
            tails[some] = predictive_law.upper_tail(law, absent[at, who])
    log10 = np.round(np.log10(np.maximum(tails, 1e-300)), 6)
    found = [
        Flag(s, h, int(pupils[h, s]), int(absent[h, s]), round(float(mean[h, s]), 6), float(tail))
        for h, s, tail in zip(session.tolist(), school.tolist(), log10, strict=True)
        if tail < FLAG_LOG10_TAIL
    ]
    return tuple(sorted(found))
