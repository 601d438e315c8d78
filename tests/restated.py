"""The statistics of detection.md once more, in plain Python: dicts, loops and `math`, no numpy, nothing shared with `models`.

Written from the page, not from the code: every school's own row is really left out of the sums, every chart is a few floats.
Used by tests as the floor that the vectorised kernel must equal, and by benchmarks as the floor it must beat.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Protocol

HALF = (8, 5, 8)
GRID = 2.0**30


def on_grid(x: float) -> float:
    """Nearest multiple of 2**-30, halves to even."""
    return round(x * GRID) / GRID


@dataclass
class School:
    """What one school is: phase, area, target absence, and its constants sigma_u, a_L, b_L, a_S, b_S."""

    phase: int
    area: int
    aim: float
    constants: tuple[float, float, float, float, float]


@dataclass
class Chart:
    """One chart of one school."""

    deltas: list[float]
    own_level: bool
    beta: float = 0.0
    p: float = 0.04
    ss: float = 30.0
    ns: int = 30
    m: float = 0.0
    n: int = 20
    w: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.w = [0.0] * len(self.deltas)

    def take(self, e0: float, g: float, long_run: float, daily: float) -> None:
        """One scored day."""
        scale = min(max(self.ss / self.ns, 0.5), 4.0)
        e = e0 - self.beta * g - (self.m if self.own_level else 0.0)
        spread = math.sqrt(daily * scale)
        z = min(max(e / spread, -3.5), 3.5)
        e = z * spread
        warm = not self.own_level or self.ns - 30 >= 20
        for j, d in enumerate(self.deltas):
            if warm:
                self.w[j] = max(0.0, self.w[j] + (e * d - d * d / 2) / (long_run * scale))
        if self.own_level:
            self.n += 1
            self.m += e / self.n
        k = self.p * g / (long_run * scale + g * g * self.p)
        self.beta += k * e
        self.p *= 1 - k * g
        self.ss += min(z * z, 9.0)
        self.ns += 1

    def statistic(self) -> float:
        """log mean exp."""
        return math.log(sum(math.exp(min(x, 200.0)) for x in self.w) / len(self.w))


def deltas(aim: float, points: tuple[float, ...]) -> list[float]:
    """Sizes of the shifts on the logit scale."""
    p0 = min(max(aim, 1e-4), 0.85)

    def lg(p: float) -> float:
        return math.log(p / (1 - p))

    return [on_grid(lg(min(p0 + d, 0.9)) - lg(p0)) for d in points]


@dataclass
class Row:
    """One school's quantised row of a day."""

    phase: int
    area: int
    x: int
    w: int


def pooled(rows: list[Row]) -> dict[tuple[int, int], tuple[int, int]]:
    """Winsorising limits of each cell, from the binned median of all its rows."""
    limits = {}
    for cell in {(r.phase, r.area) for r in rows}:
        bins = sorted((r.x >> 17) + 32 for r in rows if (r.phase, r.area) == cell)
        median = next(b for b in range(64) if 2 * sum(x <= b for x in bins) >= len(bins))
        limits[cell] = ((median - 32 - HALF[cell[0]]) * 2**17, (median - 32 + HALF[cell[0]] + 1) * 2**17)
    return limits


def effect_of(
    rows: list[Row], limits: dict[tuple[int, int], tuple[int, int]], phase: int, area: int, t1: float, t2: float
) -> tuple[float, float, float]:
    """c, v_c and the area effect R for a school of this phase and area, from the other schools' rows."""
    k: dict[tuple[int, int], float] = {}
    kx: dict[tuple[int, int], float] = {}
    for r in rows:
        cell = (r.phase, r.area)
        low, high = limits[cell]
        k[cell] = k.get(cell, 0) + r.w
        kx[cell] = kx.get(cell, 0) + r.w * min(max(r.x, low), high)
    k = {c: v / 2**8 for c, v in k.items()}
    kx = {c: v / 2**28 for c, v in kx.items()}
    total = sum(k.values())
    a = sum(kx.values()) / total if total else 0.0
    t0 = 0.15**2
    n = [(sum(v for c, v in kx.items() if c[0] == f) + a / t0) / (sum(v for c, v in k.items() if c[0] == f) + 1 / t0) for f in range(3)]
    w1 = sum(k.get((f, area), 0.0) for f in range(3))
    s1 = sum(kx.get((f, area), 0.0) - n[f] * k.get((f, area), 0.0) for f in range(3))
    tau1 = max(t1, min((s1 / w1) ** 2 - 1 / w1, 1)) if w1 else t1
    r_area = s1 / (w1 + 1 / tau1) if w1 else 0.0
    k2 = k.get((phase, area), 0.0)
    s2 = kx.get((phase, area), 0.0) - (n[phase] + r_area) * k2
    tau2 = max(t2, min((s2 / k2) ** 2 - 1.5 / k2, 1)) if k2 else t2
    q = s2 / (k2 + 1 / tau2) if k2 else 0.0
    v = 1 / (k2 + 1 / tau2) + (1 / (w1 + 1 / tau1)) * ((1 / tau2) / (k2 + 1 / tau2)) ** 2
    return n[phase] + r_area + q, v, r_area


def shrinkage(rows: list[Row], limits: dict[tuple[int, int], tuple[int, int]], t1: float, t2: float) -> tuple[float, float]:
    """t1 and t2 that the day leaves to the next."""
    cells = sorted({(r.phase, r.area) for r in rows})
    if len(cells) <= 4:
        return t1, t2
    k = {c: sum(r.w for r in rows if (r.phase, r.area) == c) / 2**8 for c in cells}
    kx = {c: sum(r.w * min(max(r.x, limits[c][0]), limits[c][1]) for r in rows if (r.phase, r.area) == c) / 2**28 for c in cells}
    t0 = 0.15**2
    a = sum(kx.values()) / sum(k.values())
    n = [(sum(v for c, v in kx.items() if c[0] == f) + a / t0) / (sum(v for c, v in k.items() if c[0] == f) + 1 / t0) for f in range(3)]
    areas = sorted({c[1] for c in cells})
    x1, wj, rj = {}, {}, {}
    for j in areas:
        wj[j] = sum(v for c, v in k.items() if c[1] == j)
        s1 = sum(kx[c] - n[c[0]] * k[c] for c in cells if c[1] == j)
        x1[j] = s1 / wj[j]
        tau1 = max(t1, min(x1[j] ** 2 - 1 / wj[j], 1))
        rj[j] = s1 / (wj[j] + 1 / tau1)
    moved = sorted(max(x1[j] ** 2 - 1 / wj[j], 0.0) for j in areas)
    middle = len(moved) // 2
    median = moved[middle] if len(moved) % 2 else (moved[middle - 1] + moved[middle]) / 2
    spread = [((kx[c] - (n[c[0]] + rj[c[1]]) * k[c]) / k[c]) ** 2 - 1 / k[c] for c in cells]
    mean = max(0.0, math.fsum(spread) / len(spread))
    return min(max(0.97 * t1 + 0.06 * median, 0.03**2), 0.3**2), min(max(0.97 * t2 + 0.03 * mean, 0.02**2), 0.2**2)


class Watch(Protocol):
    """Who sees each school's day before chart C takes it in, and the end of each day (`tests/restated_law.py`)."""

    def scored(self, d: int, i: int, e0: float, g: float, vb: float, v: float, chart: Chart) -> None:
        """A scored school's residual, common signal, sampling variance, variance of the effect, and its chart C."""

    def unscored(self, i: int) -> None:
        """A school day without a score."""

    def end(self, d: int, effects: list[float], charts: list[Chart], sampling: list[float]) -> None:
        """Every school has taken the day in."""


def run(
    schools: list[School],
    eta: list[list[float]],
    about: list[list[float]],
    counts: list[list[tuple[int, int, int] | None]],
    watch: Watch | None = None,
) -> tuple[list[list[float]], list[list[float]], list[list[float]]]:
    """Common effect, statistic of T and of C by day and school; counts[day][school] is (k, y, N), or None for no measurement."""
    size = len(schools)
    t_charts = [Chart(deltas(s.aim, (0.01, 0.02)), own_level=False) for s in schools]
    c_charts = [Chart(deltas(s.aim, (0.01, 0.02, 0.03)), own_level=True) for s in schools]
    slow = [0.0] * size
    slow_by_day: list[list[float]] = []
    t1, t2 = 0.10**2, 0.05**2
    effects, t_out, c_out = [], [], []
    for d, day in enumerate(counts):
        lag = slow_by_day[d - 15] if d >= 15 else [0.0] * size
        rows: list[Row | None] = []
        residual, sampling = [0.0] * size, [1.0] * size
        for i, (s, seen) in enumerate(zip(schools, day, strict=True)):
            if seen is None:
                rows.append(None)
                continue
            k, y, n = seen
            residual[i] = on_grid(math.log(y + k / 2)) - on_grid(math.log(n - y + k / 2)) - eta[d][i]
            p0 = min(max(on_grid(1 / (1 + math.exp(-eta[d][i]))), 1e-4), 0.95)
            sampling[i] = on_grid(1 / (1.05 * (n / k) * p0 * (1 - p0)))
            x = round(2**20 * min(max(residual[i] - lag[i], -3.999), 3.999))
            rows.append(Row(s.phase, s.area, x, round(2**8 / (s.constants[0] ** 2 + 2 * sampling[i]))))
        present = [r for r in rows if r is not None]
        limits = pooled(present)
        c_day = []
        for i, s in enumerate(schools):
            others = [r for j, r in enumerate(rows) if r is not None and j != i]
            c, v, _ = effect_of(others, limits, s.phase, s.area, t1, t2)
            c_day.append(c)
            if rows[i] is not None and len(others) >= 8:
                v += (0.2 * max(0.0, abs(c) - 0.15)) ** 2
                e0, g = residual[i] - c, about[d][i] + c
                _, a_l, b_l, a_s, b_s = s.constants
                long_run, daily = a_l + b_l * sampling[i] + 3 * v, a_s + b_s * sampling[i] + v
                if watch:
                    watch.scored(d, i, e0, g, sampling[i], v, c_charts[i])
                t_charts[i].take(e0, g, long_run, daily)
                c_charts[i].take(e0, g, long_run, daily)
                slow[i] += 0.03 * min(max(e0 - slow[i], -0.6), 0.6)
            elif watch:
                watch.unscored(i)
        if watch:
            watch.end(d, c_day, c_charts, sampling)
        if present:
            t1, t2 = shrinkage(present, limits, t1, t2)
        slow_by_day.append(list(slow))
        effects.append(c_day)
        t_out.append([chart.statistic() for chart in t_charts])
        c_out.append([chart.statistic() for chart in c_charts])
    return effects, t_out, c_out


@dataclass
class GroupChart:
    """Chart G of one year group: chart C with a shorter memory, without a loading, warm by its school's scored days."""

    deltas: list[float]
    sampling: float
    constants: tuple[float, float, float, float]
    ss: float = 20.0
    ns: int = 20
    m: float = 0.0
    n: int = 13
    w: list[float] = field(default_factory=lambda: [0.0, 0.0])

    def take(self, own: tuple[int, int], rest: tuple[int, int], k: int, warm: bool) -> None:
        """One measured day; own and rest are (y, N) of the year group and of the rest of its school over k registers."""
        (y, n), (y_rest, n_rest) = own, rest
        e0 = on_grid(math.log(y + k / 2)) - on_grid(math.log(n - y + k / 2))
        e0 -= on_grid(math.log(y_rest + k / 2)) - on_grid(math.log(n_rest - y_rest + k / 2))
        vb = self.sampling / (n / k) + self.sampling / (n_rest / k)
        a_l, b_l, a_s, b_s = self.constants
        long_run, daily = a_l + b_l * vb, a_s + b_s * vb
        scale = min(max(self.ss / self.ns, 0.5), 4.0)
        spread = math.sqrt(daily * scale)
        z = min(max((e0 - self.m) / spread, -3.5), 3.5)
        e = z * spread
        if warm:
            self.w = [max(0.0, w + (e * d - d * d / 2) / (long_run * scale)) for w, d in zip(self.w, self.deltas, strict=True)]
        self.n += 1
        self.m += e / self.n
        self.ss += min(z * z, 9.0)
        self.ns += 1

    def statistic(self) -> float:
        """log mean exp."""
        return math.log(sum(math.exp(min(x, 200.0)) for x in self.w) / len(self.w))


GroupDay = dict[str, tuple[int, int]]
"""Year group -> (y, N) of one session, study leave left out."""


def run_groups(
    school: School, constants: tuple[float, float, float, float], days: list[tuple[bool, list[GroupDay]]]
) -> list[tuple[float, str | None]]:
    """The statistic of one school's chart G and who leads it, by day; a day is (scored, the sessions that the guards left)."""
    p0 = min(max(school.aim, 1e-4), 0.95)
    charts: dict[str, GroupChart] = {}
    warm_days, out = 0, []
    for scored, sessions in days:
        broken = [s for s in sessions if s]
        k = len(broken)
        total = [(sum(y for y, _ in s.values()), sum(n for _, n in s.values())) for s in broken]
        y_all, n_all = sum(y for y, _ in total), sum(n for _, n in total)
        names = {g for s in broken for g in s}
        own = {g: (sum(s[g][0] for s in broken if g in s), sum(s[g][1] for s in broken if g in s)) for g in names}
        large = sorted(g for g, (_, n) in own.items() if n / k >= 5)
        if scored and len(large) >= 2:
            for g in large:
                y, n = own[g]
                if g not in charts:
                    charts[g] = GroupChart(deltas(school.aim, (0.025, 0.04)), 1 / (1.05 * p0 * (1 - p0)), constants)
                charts[g].take((y, n), (y_all - y, n_all - n), k, warm_days >= 20)
        warm_days += scored
        said = {g: round(chart.statistic(), 6) for g, chart in charts.items()}
        most = max(said.values(), default=0.0)
        out.append((most, min((g for g, x in said.items() if x == most), key=_AGES.index) if most > 0 else None))
    return out


_AGES = ("N1", "N2", "R", *map(str, range(1, 14)))
