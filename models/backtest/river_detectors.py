"""River's ADWIN and KSWIN as they are, one object a school, with a statistic that a limit can be chosen on.

Both alarm on any change; only a rise of absence counts here. ADWIN has its sensitivity inside, so a ladder of detectors runs
side by side and the statistic is the strictest of them that has alarmed. KSWIN never resets here: its statistic is minus
the log of its p-value. River and its dependencies take a second to import, so this happens when they are first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from models.numbers import Bools, Floats

__all__ = ["ADWIN_DELTAS", "KSWIN_RECENT", "KSWIN_WINDOW", "adwin", "kswin"]

ADWIN_DELTAS = tuple(10.0**-k for k in (0.01, 0.1, 0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 1.75, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0))
"""From the most sensitive to the strictest; the statistic is the number of the strictest that alarmed, from 1."""
KSWIN_WINDOW, KSWIN_RECENT = 60, 20
"""Days; River's own 100 and 30 would say nothing before the second half of a school year."""


def adwin(x: Floats, on: Bools) -> Floats:
    """Days x schools: the strictest rung of `ADWIN_DELTAS` that has alarmed on a rise so far, 0 for none; looks every day."""
    from river import drift  # noqa: PLC0415 (a second to import)

    out = np.zeros(x.shape)
    for school in range(x.shape[1]):
        days = np.flatnonzero(on[:, school])
        values = x[days, school].tolist()
        for rung, delta in enumerate(ADWIN_DELTAS, 1):
            alarmed = _first_rise(drift.ADWIN(delta=delta, clock=1), values)
            if alarmed is None:
                continue
            first = int(days[alarmed])
            out[first:, school] = np.maximum(out[first:, school], rung)
    return out


def _first_rise(detector: Any, values: list[float]) -> int | None:  # noqa: ANN401 (River ships no types)
    """The place of the first value at which the detector drops what was lower than what it keeps."""
    for i, value in enumerate(values):
        before = detector.estimation
        detector.update(value)
        if detector.drift_detected and detector.estimation > before:
            return i
    return None


def kswin(x: Floats, on: Bools, seed: int) -> Floats:
    """Days x schools: -log p of KSWIN's test that day where the recent days are higher, else 0; seeded by school."""
    from river import drift  # noqa: PLC0415 (a second to import)

    out = np.zeros(x.shape)
    for school in range(x.shape[1]):
        detector = drift.KSWIN(alpha=0.0, window_size=KSWIN_WINDOW, stat_size=KSWIN_RECENT, seed=seed + school)
        days, value = np.flatnonzero(on[:, school]), 0.0
        held = dict(zip(days.tolist(), x[days, school].tolist(), strict=True))
        for d in range(len(x)):
            if d in held:
                value = _kswin_day(detector, held[d])
            out[d, school] = value
    return out


def _kswin_day(detector: Any, value: float) -> float:  # noqa: ANN401 (River ships no types)
    detector.update(value)
    window = list(detector.window)
    if len(window) < KSWIN_WINDOW:
        return 0.0
    recent, before = window[-KSWIN_RECENT:], window[:-KSWIN_RECENT]
    rises = sum(recent) / len(recent) > sum(before) / len(before)
    return float(-np.log(max(detector.p_value, 1e-300))) if rises else 0.0
