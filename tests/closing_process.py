"""The embedded runner as a process of its own, closing the days of a plan, to be killed by a test: prints a line when it begins."""

from __future__ import annotations

import json
import sys
from datetime import UTC, date, datetime
from pathlib import Path

from models import second_opinion
from models.parameters import Budget, Parameters
from streams.reference import read_reference
from streams.runner import EmbeddedRunner
from streams.sqlite_log import EmbeddedLogs

NOW = datetime(2026, 12, 1, 18, tzinfo=UTC)


def main() -> None:
    """Close what of the plan (day, register position) is not completed yet; arguments: the log, the folder of reference files."""
    log, folder = Path(sys.argv[1]), Path(sys.argv[2])
    plan = json.loads((folder / "plan.json").read_text("utf-8"))
    reference = read_reference(*(folder / f"{name}.csv" for name in ("schools", "targets", "calendar")))
    logs = EmbeddedLogs(log, now=lambda: NOW)
    runner = EmbeddedRunner(logs, reference, Parameters(), Budget.of_rate(0.5), lambda: NOW)
    second_opinion.load()  # As the closer does: an import inside a close would count as its work.
    print("closing", flush=True)
    while len(runner.chain.completed) < len(plan):
        day, position = plan[len(runner.chain.completed)]
        runner.close(date.fromisoformat(day), {"register": position, "acknowledgement": 0})
    logs.close()


if __name__ == "__main__":
    main()
