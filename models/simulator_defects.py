"""Each defect of detection.md section 2 as a pure function on what a simulated year sends.

Put those that write registers (`all_present_registers`, `provisional_codes`) before those that delay them or take them away
(`late_registers`, `silent_schools`, `missing_registers`). What was planted stands in the `notes`.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from models.simulator_registers import MORNING, OFFICE, Note, Sent, law, moments, together

if TYPE_CHECKING:
    from models.numbers import Ints
    from models.simulator import SimulatedYear

__all__ = ["all_present_registers", "all_present_stretches", "late_registers", "missing_registers", "provisional_codes", "silent_schools"]

HALF_LIFE_DAYS = 10.0


def _decay(rng: np.random.Generator, size: int) -> Ints:
    """School days until something is put right: exponential with the half-life, rounded up."""
    return np.ceil(rng.exponential(HALF_LIFE_DAYS / np.log(2.0), size)).astype(np.int32)


def _chosen(rng: np.random.Generator, schools: int, share: float) -> Ints:
    return np.sort(rng.permutation(schools)[: round(share * schools)]).astype(np.int32)


def all_present_registers(year: SimulatedYear, sent: Sent, seed: int = 0, share: float = 0.01) -> Sent:
    """A share of the registers says that every pupil is present, and is never put right (all its revisions say so)."""
    schools, days = year.absences.shape[:2]
    hit = law(year, seed, 1).random((schools, days, 2)) < share
    marked = sent.all_present | hit[sent.school, sent.day, sent.session]
    return replace(sent, all_present=marked).noted(Note("all present", -1, 1, days, float(hit.sum())))


def all_present_stretches(year: SimulatedYear, sent: Sent, seed: int = 0, share: float = 0.02, length_days: int = 5) -> Sent:
    """A share of the schools sends registers that say "all present" for some days, once, and never puts them right."""
    rng = law(year, seed, 6)
    schools, days = year.absences.shape[:2]
    chosen = _chosen(rng, schools, share)
    first = rng.integers(0, max(1, days - length_days + 1), len(chosen))
    begin, end = np.full(schools, days, np.int32), np.full(schools, days, np.int32)
    begin[chosen], end[chosen] = first, np.minimum(first + length_days, days)
    hit = (sent.day >= begin[sent.school]) & (sent.day < end[sent.school])
    notes = [Note("all present", int(s), int(begin[s]) + 1, int(end[s]), float(end[s] - begin[s])) for s in chosen]
    return replace(sent, all_present=sent.all_present | hit).noted(*notes)


def provisional_codes(
    year: SimulatedYear,
    sent: Sent,
    seed: int = 0,
    *,
    excess: float = 0.06,
    spread: float = 0.03,
    bad_share: float = 0.2,
    bad_times: float = 3.0,
    corrected: bool = True,
) -> Sent:
    """First revisions hold too many absences, under N; unless `corrected` is false, a second one takes them out later.

    A school's excess over its absences is N(excess, spread), not negative, and `bad_times` that in `bad_share` of the schools.
    Both sessions of a day are corrected together, after a time with a half-life of 10 school days.
    """
    rng = law(year, seed, 2)
    schools, days = year.absences.shape[:2]
    ratio = np.maximum(rng.normal(excess, spread, schools), 0.0)
    bad = _chosen(rng, schools, bad_share)
    ratio[bad] *= bad_times
    wrong = np.minimum(rng.binomial(year.absences, np.minimum(ratio, 1.0)[:, None, None, None]), year.possible - year.absences)
    delay = _decay(rng, schools * days).reshape(schools, days)
    extra = np.where((sent.revision == 0)[:, None], wrong[sent.school, sent.day, sent.session], 0).astype(np.int16)
    first = replace(sent, provisional=extra)
    notes = [Note("provisional codes", int(i), 1, days, float(ratio[i])) for i in bad]
    if not corrected:
        return first.noted(*notes)
    again = first.rows((extra.sum(axis=1) > 0) & ~sent.all_present)
    at = moments(year, again.day + delay[again.school, again.day], OFFICE, rng)
    again = replace(again, revision=again.revision + 1, provisional=np.zeros_like(again.provisional), recorded_at=at)
    return together(first, again).noted(*notes)


def late_registers(year: SimulatedYear, sent: Sent, seed: int = 0, share: float = 0.05) -> Sent:
    """A share of the registers comes late by the same half-life; their corrections are as much later."""
    rng = law(year, seed, 3)
    schools, days = year.absences.shape[:2]
    late = rng.random((schools, days, 2)) < share
    delay = np.where(late, _decay(rng, late.size).reshape(late.shape), 0)[sent.school, sent.day, sent.session]
    at = moments(year, sent.day + delay, OFFICE, rng)
    moved = np.where((sent.revision == 0) & (delay > 0), at, sent.recorded_at)
    first = np.zeros((schools, days, 2), np.int64)
    is_first = sent.revision == 0
    first[sent.school[is_first], sent.day[is_first], sent.session[is_first]] = moved[is_first]
    # A correction cannot come before the register that it corrects.
    moved = np.where(is_first, moved, np.maximum(moved, first[sent.school, sent.day, sent.session] + 60_000_000))
    return replace(sent, recorded_at=moved).noted(Note("late registers", -1, 1, days, float(late.sum())))


def missing_registers(year: SimulatedYear, sent: Sent, seed: int = 0, share: float = 0.02, outage_share: float = 0.05) -> Sent:
    """A share of the registers never comes, and a share of the schools sends nothing for 5 days, once."""
    rng = law(year, seed, 4)
    schools, days = year.absences.shape[:2]
    lost = rng.random((schools, days, 2)) < share
    chosen = _chosen(rng, schools, outage_share)
    start = rng.integers(0, max(1, days - 4), len(chosen))
    for school, first in zip(chosen, start, strict=True):
        lost[school, first : first + 5] = True
    notes = [Note("outage", int(s), int(f) + 1, min(int(f) + 5, days), 5.0) for s, f in zip(chosen, start, strict=True)]
    kept = sent.rows(~lost[sent.school, sent.day, sent.session])
    return kept.noted(Note("missing registers", -1, 1, days, float(lost.sum())), *notes)


def silent_schools(
    year: SimulatedYear, sent: Sent, seed: int = 0, share: float = 0.05, silence_days: int = 25, *, sent_after: bool = True
) -> Sent:
    """A share of the schools is silent for 25 days; then it sends what it held back, with its corrections, or never does."""
    rng = law(year, seed, 5)
    schools, days = year.absences.shape[:2]
    chosen = _chosen(rng, schools, share)
    first = rng.integers(0, max(1, days - silence_days + 1), len(chosen))
    begin, end = np.full(schools, days, np.int32), np.full(schools, days, np.int32)
    begin[chosen], end[chosen] = first, first + silence_days
    held = (sent.day >= begin[sent.school]) & (sent.day < end[sent.school])
    last = np.minimum(first + silence_days, days)
    notes = [Note("silent", int(s), int(f) + 1, int(e), float(e - f)) for s, f, e in zip(chosen, first, last, strict=True)]
    if not sent_after:
        return sent.rows(~held).noted(*notes)
    opening = moments(year, end[sent.school], MORNING, rng) + sent.revision.astype(np.int64) * 3_600_000_000
    moved = np.where(held, np.maximum(sent.recorded_at, opening), sent.recorded_at)
    return replace(sent, recorded_at=moved).noted(*notes)
