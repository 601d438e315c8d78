"""The predictive law and the chance of the target once more, in plain Python from detection.md 1.6 and 1.10.

Tails are exact: log-gamma and whole sums, term by term. Nothing is shared with `models`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from tests.restated import Chart, School, on_grid


def sigma(x: float) -> float:
    """The logistic function."""
    return 1 / (1 + math.exp(-x))


def log_choose(n: int, k: int) -> float:
    return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)


def log_beta(a: float, b: float) -> float:
    return math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b)


def morning_law(n: int, p: float, variance: float) -> list[float]:
    """Beta-binomial with the count's variance (n p (1 - p))^2 V."""
    total = (n * p * (1 - p)) ** 2 * variance
    rho = min(max((total / (n * p * (1 - p)) - 1) / (n - 1), 1e-5), 0.5)
    a, b = p * (1 - rho) / rho, (1 - p) * (1 - rho) / rho
    return [math.exp(log_choose(n, k) + log_beta(k + a, n - k + b) - log_beta(a, b)) for k in range(n + 1)]


def binomial_law(n: int, p: float) -> list[float]:
    return [math.exp(log_choose(n, k) + k * math.log(p) + (n - k) * math.log(1 - p)) for k in range(n + 1)]


def afternoon_law(n: int, absent: int, stay: float, b: float) -> list[float]:
    """Bin(absent, stay + b) + Bin(n - absent, b)."""
    one, other = binomial_law(absent, stay + b), binomial_law(n - absent, b)
    return [math.fsum(one[i] * other[k - i] for i in range(absent + 1) if 0 <= k - i <= n - absent) for k in range(n + 1)]


def new_absence(am: float, pm: float, stay: float) -> float:
    return min(max(pm - stay * am, 0.0005), 0.1, 1 - stay)


@dataclass
class Law:
    """Follows `tests.restated.run`. sessions[day][school]: (pupils, absent) of AM and PM, None where one does not count."""

    schools: list[School]
    eta: list[list[float]]
    sessions: list[list[tuple[tuple[int, int] | None, tuple[int, int] | None]]]
    phi: tuple[float, ...]
    share: tuple[float, ...]
    targets: list[float]
    z: list[list[float | None]] = field(default_factory=list)
    p_target: list[list[float]] = field(default_factory=list)
    flagged: list[tuple[int, int, int, float]] = field(default_factory=list)

    def __post_init__(self) -> None:
        size = len(self.schools)
        self.u, self.p, self.last = [0.0] * size, [0.0] * size, [0.0] * size
        self.log_kappa = [0.0] * 3
        self.new = [0.08**2, 0.08**2, 0.15**2]
        self.stay_moments: list[tuple[float, float] | None] = [None] * 3
        self.before = [0.0] * size
        self.today: dict[int, tuple[float, float]] = {}
        self.behind: list[list[tuple[int, int, int, float]]] = [[] for _ in range(size)]

    def stay(self, f: int) -> float:
        held = self.stay_moments[f]
        return 0.9 if held is None else min(max(1 - held[0] / (2 * held[1]), 0.5), 0.99)

    def scored(self, d: int, i: int, e0: float, g: float, vb: float, v: float, chart: Chart) -> None:
        f = self.schools[i].phase
        _, a_l, b_l, a_s, b_s = self.schools[i].constants
        phi, s = self.phi[f], self.share[f]
        b = a_s + b_s * vb
        p = phi**2 * self.p[i] + s * b * (1 - phi**2) if self.last[i] else s * b
        u = phi * self.u[i]
        scale = min(max(chart.ss / chart.ns, 0.5), 4.0)
        mean = chart.m + chart.beta * g + u
        kappa = on_grid(math.exp(self.log_kappa[f]))
        variance = kappa * ((p + (1 - s) * b) * scale + v + (a_l + b_l * vb + 3 * v) * scale / chart.n)
        reach = 4 * math.sqrt(variance)
        iota = min(max(e0 - mean, -reach), reach)
        gain = p / (p + (1 - s) * b + v)
        self.u[i], self.p[i], self.last[i] = u + gain * iota, p * (1 - gain), b
        self.today[i] = (iota / math.sqrt(variance), mean)
        self.judge(d, i, mean, variance)

    def judge(self, d: int, i: int, mean: float, variance: float) -> None:
        """Flags; the common effect is added at the end of the day, so the law waits for it."""
        self.pending = [*getattr(self, "pending", []), (d, i, mean, variance, self.stay(self.schools[i].phase))]

    def unscored(self, i: int) -> None:
        f = self.schools[i].phase
        if self.last[i]:
            phi = self.phi[f]
            self.u[i] *= phi
            self.p[i] = phi**2 * self.p[i] + self.share[f] * self.last[i] * (1 - phi**2)

    def end(self, d: int, effects: list[float], charts: list[Chart], sampling: list[float]) -> None:
        self.z.append([round(self.today[i][0], 6) if i in self.today else None for i in range(len(self.schools))])
        moments: list[list[tuple[float, float]]] = [[] for _ in range(3)]
        for _, i, mean, variance, stay in self.pending:
            am, pm = self.sessions[d][i]
            eta = self.eta[d][i] + effects[i] + mean
            p_am, p_pm = on_grid(sigma(eta - 0.015)), on_grid(sigma(eta + 0.015))
            self.flag(d, i, am, pm, p_am, p_pm, variance, stay)
            if am and pm:
                change = round(64 * ((pm[1] - pm[0] * p_pm) - (am[1] - am[0] * p_am))) / 64
                moments[self.schools[i].phase].append((change**2, round(64 * am[0] * p_am * (1 - p_am)) / 64))
        for f in range(3):
            mine = [i for i in self.today if self.schools[i].phase == f]
            if len(moments[f]) >= 10:
                change2, chance = (sum(column) / len(moments[f]) for column in zip(*moments[f], strict=True))
                held = self.stay_moments[f]
                was = held or (0.2 * chance, chance)
                now = was if held is None else (was[0] + 0.03 * (change2 - was[0]), was[1] + 0.03 * (chance - was[1]))
                self.stay_moments[f] = now
            if len(mine) < 10:
                continue
            squares = sum(round(2**24 * min((effects[i] - 0.8 * self.before[i]) ** 2, 16)) for i in mine) / 2**24
            self.new[f] += 0.03 * (squares / len(mine) - self.new[f])
            outside = sum(abs(self.today[i][0]) > 1.2816 for i in mine)
            self.log_kappa[f] += 0.5 * (outside / len(mine) - 0.2)
        self.before = effects
        self.p_target.append([self.chance(d, i, charts[i], sampling[i]) for i in range(len(self.schools))])
        self.pending, self.today = [], {}

    def flag(
        self,
        d: int,
        i: int,
        am: tuple[int, int] | None,
        pm: tuple[int, int] | None,
        p_am: float,
        p_pm: float,
        variance: float,
        stay: float,
    ) -> None:
        for session, seen, p in ((0, am, p_am), (1, pm, p_pm)):
            if seen is None:
                continue
            n, y = seen
            if session and am and pm:
                b = new_absence(p_am, p_pm, stay)
                morning = min(am[1], n)
                expected = morning * (stay + b) + (n - morning) * b
            else:
                expected = n * p
            if n < 30 or y - expected < max(10, 0.05 * n):
                continue
            law = afternoon_law(n, morning, stay, b) if session and am and pm else morning_law(n, p, variance)
            tail = math.fsum(law[y:])
            if tail < 1e-5:
                self.flagged.append((d, i, session, math.log10(max(tail, 1e-300))))

    def chance(self, d: int, i: int, chart: Chart, vb: float) -> float:
        """P(target) with every school day planned; vb of a future day at the absence expected of that day."""
        am, pm = self.sessions[d][i]
        held = [s for s in (am, pm) if s]
        if held:
            self.behind[i].append((sum(y for _, y in held), sum(n for n, _ in held), len(held), vb))
        if not self.behind[i]:
            return math.nan
        y, n, k, _ = (sum(x) for x in zip(*self.behind[i], strict=True))
        days, left = len(self.behind[i]), len(self.eta) - d - 1
        a_day, pupils = n / days, n / k
        _, a_l, b_l, a_s, b_s = self.schools[i].constants
        b0 = 0.03 * min(1, left / 70)
        spare, slope, own = self.targets[i] * (n + a_day * left) - y, 0.0, 0.0
        for later in range(d + 1, len(self.eta)):
            p = sigma(self.eta[later][i] + chart.m + b0)
            q = p * (1 - p)
            sampling = 1 / (1.05 * pupils * q)
            spare -= a_day * (p + 0.5 * q * (1 - 2 * p) * (a_s + b_s * sampling - 0.8 * sampling))
            slope += a_day * q
            own += (a_day * q) ** 2 * (a_l + b_l * sampling)
        long_run = sum(a_l + b_l * x for _, _, _, x in self.behind[i]) / days
        common = 0.035 + 0.025 * max(0, d + 1 - 80) / 80
        variance = slope**2 * (long_run / chart.n + common**2) + own
        if left == 0:
            return float(spare >= 0)
        return 0.5 * math.erfc(-spare / math.sqrt(2 * variance))
