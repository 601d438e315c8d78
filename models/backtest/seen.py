"""What a challenger is given of a scored year: the raw rate, and what the same day's peers leave of it.

The peer-adjusted residual is that of our own charts, standardised by the daily variance of its phase; so a comparison on it
tells charts apart, not what is fed to them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from models.guards import Verdict
from models.numbers import Bools, Floats, half_logs, ratio

if TYPE_CHECKING:
    from models.close import YearModel

__all__ = ["Seen", "see"]


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """One scored year, (days, schools) unless said.

    rate: absences over possible sessions; pupils: possible sessions a register; eta: the path (logits of absence); effect: the
    common effect; residual: empirical logit less path and effect, as logits; z: the residual over its daily sd; measured: the
    day passed the guards; scored: it had peers too; warming_up: chart C's first 20 scored days. aim (schools,): target absence
    ratio; spread (schools,): daily variance of the logit beyond sampling; sampling: sampling variance.
    """

    rate: Floats
    pupils: Floats
    eta: Floats
    effect: Floats
    residual: Floats
    z: Floats
    sampling: Floats
    measured: Bools
    scored: Bools
    warming_up: Bools
    aim: Floats
    spread: Floats

    @property
    def raw_residual(self) -> Floats:
        """The residual with the common effect left in, (days, schools)."""
        return self.residual + self.effect


def see(model: YearModel) -> Seen:
    """Everything that a challenger may use of a year that `model` has scored."""
    here, parameters = model.deployment, model.parameters
    k, y, n = (a.astype(np.int64) for a in (model.registers, model.absences, model.possible))
    p0 = np.clip(ratio(model.path.eta), 1e-4, 0.95)
    pupils = n / np.maximum(k, 1)
    sampling = 1.0 / (1.05 * np.maximum(pupils, 0.5) * p0 * (1.0 - p0))
    residual = half_logs(np.maximum(2 * y + k, 1)) - half_logs(np.maximum(2 * (n - y) + k, 1)) - model.path.eta - model.effect
    a, b = (np.array(getattr(parameters, name))[here.phase] for name in ("a_short", "b_short"))
    return Seen(
        rate=y / np.maximum(n, 1),
        pupils=pupils,
        eta=model.path.eta,
        effect=model.effect,
        residual=residual,
        z=residual / np.sqrt(a + b * sampling),
        sampling=sampling,
        measured=model.verdict == Verdict.MEASURED,
        scored=model.scored,
        warming_up=model.warming_up,
        aim=np.clip(here.aim(parameters), 1e-4, 0.85),
        spread=a,
    )
