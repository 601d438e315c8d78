"""The shipped national season: what a school year looks like in England where a school has no history of its own."""

from __future__ import annotations

import tomllib
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

import numpy as np

from models.parameters import PHASES

if TYPE_CHECKING:
    from models.numbers import Floats

__all__ = ["national_season"]


@cache
def national_season() -> Floats:
    """Logits of absence about the year's mean, (3 phases, ISO weeks 1 to 53); source and script in the file."""
    table = tomllib.loads(files("models").joinpath("national_season.toml").read_text("utf-8"))
    return np.array([table[phase] for phase in PHASES])
