"""Acknowledgements read from a file, and what of them a close knows. (casework.md section 1)"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

import numpy as np

from models.year_group_counts import series_key
from schemas.acknowledgement import Acknowledgement, Verdict, parse, winner
from schemas.calendar import academic_year
from schemas.codes import YEAR_GROUP_IDS
from schemas.errors import InvalidRegister, WrongUsage
from schemas.reject import BLANKS, Reject

if TYPE_CHECKING:
    from pathlib import Path

    from models.close import Acknowledged
    from models.deployment import Deployment

__all__ = ["Acknowledgements", "read_acknowledgements"]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(slots=True)
class Acknowledgements:
    """Every acknowledgement accepted, in any order, and the rejects by SHA-256."""

    held: list[Acknowledgement] = field(default_factory=list)
    rejects: dict[str, Reject] = field(default_factory=dict)

    def known_before(self, cut: int | None, deployment: Deployment) -> Acknowledged:
        """By deployment day index, what is acknowledged (see `models.close.Acknowledged`) by what was recorded before `cut`
        (microseconds since 1970; None: ever). `retracted` means as if never said."""
        newest: dict[tuple[int, str, date], Acknowledgement] = {}
        for said in self.held:
            if cut is None or round((said.recorded_at - _EPOCH).total_seconds() * 1e6) < cut:
                key = (int(said.urn), said.chart, said.effective_date)
                newest[key] = winner(newest[key], said) if key in newest else said
        out: Acknowledged = {}
        for (urn, chart, when), said in sorted(newest.items()):
            school = int(np.searchsorted(deployment.urn, urn))
            day = int(np.searchsorted(deployment.days, (when - date(1970, 1, 1)).days, side="right")) - 1
            if said.verdict is Verdict.RETRACTED or day < 0 or academic_year(when) != deployment.academic_year:
                continue
            if school < len(deployment.urn) and deployment.urn[school] == urn:
                target, level, groups = out.setdefault(day, ([], [], []))
                if chart.startswith("G:"):
                    groups.append(series_key(school, YEAR_GROUP_IDS[chart[2:]]))
                else:
                    (target if chart == "T" else level).append(school)
        return out


def read_acknowledgements(path: Path | None) -> Acknowledgements:
    """A file of JSON lines; what breaks a rule is rejected with its reason, as a register is."""
    out = Acknowledgements()
    if path is None:
        return out
    try:
        lines = path.read_bytes().split(b"\n")
    except OSError as error:
        raise WrongUsage(f"{path}: {error.strerror}. Name a readable file of acknowledgements, one JSON object a line") from error
    for line in filter(None, (line.strip(BLANKS) for line in lines)):
        try:
            out.held.append(parse(line))
        except InvalidRegister as error:
            reject = Reject.of(line, error)
            out.rejects.setdefault(reject.sha256, reject)
    return out
