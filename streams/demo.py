"""The work of `headway demo`: a simulated hub-year written as files, read back and replayed by the ordinary code.

Nothing of the truth reaches the engine: it goes into `truth.json` and into the comparison at the end.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol
from zoneinfo import ZoneInfo

from models.parameters import Parameters
from streams.acknowledgements import read_acknowledgements
from streams.clock import monotonic_seconds
from streams.demo_findings import Findings, compare
from streams.demo_hub import Hub, plant
from streams.outputs import write_all
from streams.reference import read_reference
from streams.replay import Known, Reference, Replayed, learn_history, read_input, replay
from streams.simulate import write

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import date
    from pathlib import Path

    from schemas.alert import Alert
    from streams.demo_findings import Case, Story

__all__ = ["Demo", "Watcher", "as_json", "run_demo"]

_TIME_ZONE = "Europe/London"


class Watcher(Protocol):
    """Whoever shows how far the demo is."""

    def stage(self, what: str) -> None:
        """A stage without a measure begins."""

    def reading(self, paths: Sequence[Path], what: str) -> Callable[[int], None]:
        """A function to be told of bytes read from these files."""

    def closing(self, day: date, done: int, total: int) -> None:
        """So many of all closes are done; `day` is the last one closed."""


@dataclass(frozen=True, slots=True)
class Demo:
    """One demo: what was planted, what the engine made of the files, and how the two compare."""

    seed: int
    out: Path
    hub: Hub
    reference: Reference
    parameters: Parameters
    done: Replayed
    summary: dict[str, Any]
    findings: Findings
    seconds: float

    @property
    def names(self) -> dict[int, str]:
        """School names by URN, as `schools.csv` has them."""
        return {int(s.urn): s.name for s in self.reference.schools}


def run_demo(out: Path, seed: int, watch: Watcher, *, schools: int = 57, days: int = 190, processes: int = 2) -> Demo:
    """Simulate, write `out`/input, read it back, replay with what was known then, write the ordinary outputs to `out`."""
    began = monotonic_seconds()
    watch.stage(f"simulating {schools} schools over {days} school days and the year before")
    hub = plant(seed, schools, days)
    watch.stage("writing what they send")
    files = write(hub.year, out / "input", sent=hub.sent, history=True)
    history = [] if files.history is None else [files.history]
    reference = read_reference(files.schools, files.targets, files.calendar)
    shipped = Parameters()
    parameters = learn_history(reference, history, shipped, processes=processes, progress=watch.reading(history, "last year"))
    held = read_input([files.sessions], processes=processes, progress=watch.reading([files.sessions], "this year"))

    def closing(_: str, done: int, total: int) -> None:
        watch.closing(hub.planted.days[min(done, days) - 1], done, total)

    nobody = read_acknowledgements(None)
    done = replay(reference, held, parameters, known=Known.THEN, zone=ZoneInfo(_TIME_ZONE), acknowledgements=nobody, progress=closing)
    watch.stage("writing readings, alerts and the page")
    summary = write_all(out, done, held, parameters)
    findings = compare(hub.planted, done.alerts, done.withheld, done.budget, schools)
    return Demo(seed, out, hub, reference, parameters, done, summary, findings, monotonic_seconds() - began)


def _opening(story: Story | None) -> dict[str, object] | None:
    if story is None:
        return None
    alert: Alert = story.opening
    return {
        "alert_id": str(alert.alert_id),
        "kind": str(alert.kind),
        "chart": alert.chart,
        "opened_on": alert.opened_on.isoformat(),
        "state": str(story.state),
        "ended_on": story.ended_on.isoformat() if story.ended_on else None,
    }


def _case(case: Case) -> dict[str, object]:
    return {"urn": case.urn, "opened_on": case.opened_on.isoformat(), "alerts": [_opening(s) for s in case.stories]}


def as_json(demo: Demo) -> dict[str, Any]:
    """The findings as `--json` prints them; school_days 1 is an alert on the first day, None is missed."""
    found, days = demo.findings, demo.hub.planted.days
    return {
        "seed": demo.seed,
        "schools": len(demo.reference.schools),
        "school_days": len(days),
        "drifts": [
            {
                "urn": f.planted.urn,
                "kind": f.planted.kind,
                "size_points": f.planted.size_points,
                "year_group": f.planted.year_group,
                "onset": days[f.planted.onset_day - 1].isoformat(),
                "found": _opening(f.story),
                "school_days": f.school_days,
                "why": f.why,
            }
            for f in found.drifts
        ],
        "events": [
            {
                "kind": f.planted.kind,
                "first_date": days[f.planted.first_day - 1].isoformat(),
                "last_date": days[f.planted.last_day - 1].isoformat(),
                "logits": round(f.planted.logits, 6),
                "found": _opening(f.story),
                "school_days": f.school_days,
            }
            for f in found.events
        ],
        "registers": [
            {
                "urn": f.planted.urn,
                "kind": f.planted.kind,
                "first_date": days[f.planted.first_day - 1].isoformat(),
                "last_date": days[f.planted.last_day - 1].isoformat(),
                "found": _opening(f.story),
                "school_days": f.school_days,
            }
            for f in found.stretches
        ],
        "false_cases": {
            "expected": round(found.expected_false, 6),
            "got": len(found.false_cases),
            "cases": [*map(_case, found.false_cases)],
        },
        "false_area": len(found.false_area),
        "false_data": len(found.false_data),
        "single_day_data_alerts": len(found.single_days),
        "withdrawn": [_opening(s) for s in found.withdrawn],
        "withheld": found.withheld,
        "summary": demo.summary,
        "seconds": round(demo.seconds, 3),
    }
