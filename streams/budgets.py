"""Budgets of false alerts and tables of thresholds as a command line or the environment gives them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from models.parameters import BUDGET, RATE_MAX, Budget
from models.thresholds import Thresholds, read_thresholds
from schemas.errors import BadContents, BrokenPromise, WrongUsage

if TYPE_CHECKING:
    from pathlib import Path

    from streams.replay import Reference

__all__ = ["budget_of", "hubs_named", "thresholds_from"]


def budget_of(rate: float | None = None, false_alerts_per_hub_term: float | None = None, hub_schools: int | None = None) -> Budget:
    """One nominal rate for every chart, or so many false alerts a hub-term; neither: the default budget.

    hub_schools: how many schools such a hub has; None: each hub as many as the reference data say. Raises WrongUsage.
    """
    if rate is not None:
        if false_alerts_per_hub_term is not None or hub_schools is not None:
            raise WrongUsage("--alarms-per-school-year: give it, or --false-alerts-per-hub-term, not both")
        if not 0 < rate <= RATE_MAX:
            raise WrongUsage(f"--alarms-per-school-year {rate}: write a rate over 0 and at most {RATE_MAX}")
        return Budget.of_rate(rate)
    if false_alerts_per_hub_term is None:
        if hub_schools is not None:
            raise WrongUsage("--hub-schools: give --false-alerts-per-hub-term beside it, the budget that so many schools share")
        return BUDGET
    if hub_schools is not None and hub_schools < 1:
        raise WrongUsage(f"--hub-schools {hub_schools}: a hub has at least one school")
    try:
        return Budget.of_hub(false_alerts_per_hub_term, hub_schools)
    except BrokenPromise:
        among = "" if hub_schools is None else f" among {hub_schools} schools"
        raise WrongUsage(
            f"--false-alerts-per-hub-term {false_alerts_per_hub_term}{among}: write a number over 0 that leaves "
            f"no chart more than {RATE_MAX} alarms a school-year"
        ) from None


def hubs_named(budget: Budget, reference: Reference) -> None:
    """A budget of each hub needs hubs; raises WrongUsage where no school names one."""
    if budget.of_a_hub and not any(school.hub for school in reference.schools):
        raise WrongUsage("--false-alerts-per-hub-term: no school of schools.csv names a hub. Give --hub-schools too")


def thresholds_from(path: Path) -> Thresholds:
    """A file that `headway calibrate` wrote; WrongUsage when it cannot be read, BadContents when it is something else."""
    try:
        return read_thresholds(path.read_text("utf-8"))
    except OSError as error:
        raise WrongUsage(f"--thresholds {path}: {error.strerror}. Name a file that `headway calibrate` wrote") from error
    except ValueError as error:
        raise BadContents(str(error), file=str(path), remedy="Name a file that `headway calibrate` wrote") from error
