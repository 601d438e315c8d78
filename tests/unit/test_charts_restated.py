"""The vectorised kernel equals the page restated in plain Python, on random input."""

from __future__ import annotations

import numpy as np
import pytest

from models.guards import Verdict
from models.parameters import Parameters
from tests import deployments, restated


@pytest.mark.parametrize("seed", range(4))
def test_common_effect_and_both_charts_equal_the_plain_restatement(seed: int) -> None:
    """Tolerance 1e-9 for the effect (the sums are exact, the order of a few + and * differs), 2e-6 for a rounded statistic."""
    rng = np.random.default_rng(seed)
    made = deployments.deployment(30, 45, rng)
    held = deployments.panel(made, rng)
    model = deployments.scored(made, held)
    model.score(held, 0, 44, {})
    constants = Parameters()
    schools = [
        restated.School(
            int(f),
            int(j),
            float(aim),
            (constants.sigma_u[f], constants.a_long[f], constants.b_long[f], constants.a_short[f], constants.b_short[f]),
        )
        for f, j, aim in zip(made.phase, made.area, made.aim(constants), strict=True)
    ]
    counts = [
        [
            (int(k), int(y), int(n)) if v == Verdict.MEASURED else None
            for v, k, y, n in zip(model.verdict[d], model.registers[d], model.absences[d], model.possible[d], strict=True)
        ]
        for d in range(45)
    ]
    effects, target, level = restated.run(schools, model.path.eta.tolist(), model.path.about.tolist(), counts)
    np.testing.assert_allclose(model.effect, effects, atol=1e-9, rtol=0)
    np.testing.assert_allclose(model.target_statistic, target, atol=2e-6, rtol=0)
    np.testing.assert_allclose(model.level_statistic, level, atol=2e-6, rtol=0)
    assert (model.level_statistic > 0).any()


@pytest.mark.parametrize("block_days", [1, 7])
def test_the_size_of_a_block_changes_no_byte(block_days: int) -> None:
    rng = np.random.default_rng(7)
    made = deployments.deployment(40, 60, rng)
    held = deployments.panel(made, rng)
    models = [deployments.scored(made, held, block_days=size) for size in (15, block_days)]
    for model in models:
        model.score(held, 0, 59, {})
    for name in ("effect", "target_statistic", "level_statistic", "verdict", "area_effect", "area_limit"):
        assert getattr(models[0], name).tobytes() == getattr(models[1], name).tobytes(), name
