"""What River's detectors say of a school when its case opens: published beside our charts, and never deciding anything.

Both read the school's residuals of the year so far, standardised as the charts standardise a day: path and common effect
removed, over the daily spread, cut at 3.5. Page-Hinkley's threshold of 20 gives .11 false alarms a school-year on simulated
years in which nothing is wrong, ADWIN's delta of .001 gives .02 (1,200 school-years, docs/statistics.md). On the predictor's
innovations both are blind: what they would find has been learned away. (detection.md 1.13)
"""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING

import numpy as np

from models.numbers import Floats, exact, half_logs, published, ratio

if TYPE_CHECKING:
    from collections.abc import Sequence

    from models.close import YearModel
    from models.evidence import Evidence

__all__ = ["adwin_alarms", "load", "page_hinkley_alarms", "second_opinions", "standardised"]

PAGE_HINKLEY_DELTA, PAGE_HINKLEY_INSTANCES, PAGE_HINKLEY_THRESHOLD = 0.3, 30, 20.0
ADWIN_DELTA = 1e-3
_WINSOR = 3.5
_EPOCH = date(1970, 1, 1)


def standardised(model: YearModel, school: int, day: int) -> tuple[list[int], list[float]]:
    """A school's scored deployment days up to `day`, and the standardised residual of each, to 6 decimals.

    The spread is the daily one of the school's phase and size by chart C's noise scale of today, without the variance of the
    common effect.
    """
    days = np.flatnonzero(model.scored[: day + 1, school])
    phase = int(model.deployment.phase[school])
    k, n, y = (a[days, school].astype(np.int64) for a in (model.registers, model.possible, model.absences))
    eta = model.path.eta[days, school]
    residual = half_logs(np.maximum(2 * y + k, 1)) - half_logs(np.maximum(2 * (n - y) + k, 1)) - eta - model.effect[days, school]
    p0 = np.clip(exact(ratio(eta)), 1e-4, 0.95)
    sampling = exact(1.0 / (1.05 * np.maximum(n / np.maximum(k, 1), 0.5) * p0 * (1.0 - p0)))
    state = model.state
    scale = min(max(float(state.level.squares[school] / (30.0 + state.scored_days[school])), 0.5), 4.0)
    spread = np.sqrt((model.parameters.a_short[phase] + model.parameters.b_short[phase] * sampling) * scale)
    z: Floats = published(np.clip(residual / spread, -_WINSOR, _WINSOR))
    return days.tolist(), z.tolist()


def load() -> None:
    """Have River at hand, which takes a second and its memory; else the first opening of a case does."""
    page_hinkley_alarms([])
    adwin_alarms([])


def page_hinkley_alarms(z: Sequence[float]) -> list[int]:
    """Places in `z` at which River's PageHinkley raises an alarm; as it does, it starts again after each."""
    from river.drift import PageHinkley  # noqa: PLC0415 (River brings SciPy, which only an opening needs)

    detector = PageHinkley(mode="up", delta=PAGE_HINKLEY_DELTA, min_instances=PAGE_HINKLEY_INSTANCES, threshold=PAGE_HINKLEY_THRESHOLD)
    out = []
    for place, value in enumerate(z):
        detector.update(value)
        if detector.drift_detected:
            out.append(place)
    return out


def adwin_alarms(z: Sequence[float]) -> list[int]:
    """Places in `z` at which River's ADWIN finds a change to a higher mean: its window's mean rises as it drops the past."""
    from river.drift import ADWIN  # noqa: PLC0415 (as above)

    detector = ADWIN(delta=ADWIN_DELTA, clock=1)
    out = []
    for place, value in enumerate(z):
        before = detector.estimation
        detector.update(value)
        if detector.drift_detected and detector.estimation > before:
            out.append(place)
    return out


def second_opinions(model: YearModel, school: int, day: int) -> Evidence:
    """Evidence: the date of each detector's newest alarm in the year so far, None without any."""
    days, z = standardised(model, school, day)
    out: Evidence = {}
    for name, alarms in (("adwin", adwin_alarms(z)), ("page_hinkley", page_hinkley_alarms(z))):
        newest = _EPOCH + timedelta(days=int(model.deployment.days[days[alarms[-1]]])) if alarms else None
        out[f"second_opinion_{name}"] = None if newest is None else newest.isoformat()
    return out
