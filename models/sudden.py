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
    mean = pupils * p
    given = day.counts[0] & day.counts[1]
    new = predictive_law.afternoon_new(p[0], p[1], expected.stay)
    before = np.minimum(absent[0], pupils[1])
    np.copyto(mean[1], before * expected.stay + pupils[1] * new, where=given)
    large = absent - mean >= np.maximum(FLAG_PUPILS, FLAG_SHARE * pupils)
    session, school = np.nonzero(judged & day.counts & (pupils >= PUPILS_LEAST) & large)
    found: list[Flag] = []
    for afternoon in (False, True):
        some = (given[school] & (session == 1)) == afternoon
        at, who = session[some], school[some]
        n, y, expect = pupils[at, who], absent[at, who], mean[at, who]
        if afternoon:
            tails = _afternoon_tails(n, y, before[who], expected.stay[who], new[who])
        else:
            tails = _morning_tails(n, y, p[at, who], expected.variance[who])
        log10 = np.round(np.log10(np.maximum(tails, 1e-300)), 6)
        columns = (who.tolist(), at.tolist(), n.tolist(), y.tolist(), np.round(expect, 6).tolist(), log10.tolist())
        found += [Flag(*row) for row in zip(*columns, strict=True) if row[5] < FLAG_LOG10_TAIL]
    return tuple(sorted(found))


def _morning_tails(pupils: Ints, absent: Ints, p: Floats, variance: Floats) -> Floats:
    """Upper tails of the beta-binomial; 1 where a normal law skewed like it, and so surely this one, has more than 1e-5.

    At 1e-5 a normal law is at 4.26 standard deviations, one with skewness g some 2.9 g further, unless it comes to its end.
    """
    out = np.ones(len(pupils))
    spread, skewness = predictive_law.beta_binomial_shape(pupils, p, variance)
    reach = np.minimum((_SPREADS + 1.5 * np.maximum(skewness, 0.0)) * spread, 0.5 * pupils * (1.0 - p))
    far = np.flatnonzero(absent - pupils * p >= reach)
    if len(far):
        out[far] = predictive_law.upper_tail(predictive_law.beta_binomial(pupils[far], p[far], variance[far]), absent[far])
    return out


def _afternoon_tails(pupils: Ints, absent: Ints, before: Ints, stay: Floats, new: Floats) -> Floats:
    """Upper tails of the two binomials; 1 nearer than 4 standard deviations."""
    out = np.ones(len(pupils))
    stays, others = stay + new, pupils - before
    excess = absent - before * stays - others * new
    far = np.flatnonzero(excess * excess >= _SPREADS**2 * (before * stays * (1.0 - stays) + others * new * (1.0 - new)))
    if len(far):
        out[far] = predictive_law.afternoon_tail(pupils[far], before[far], stay[far], new[far], absent[far])
    return out
