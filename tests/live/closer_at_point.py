"""A closer that ends itself, as by SIGKILL, the n-th time it stands at a named point: `HEADWAY_TEST_KILL_AT=decided:1`.

Before it goes it writes the point into `HEADWAY_TEST_REACHED`, so that a test sees that the point was reached.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from streams.closer_process import run_closer
from streams.live_settings import live_settings


def main() -> int:
    """`headway closer`, with a mine under one point."""
    point, _, times = os.environ["HEADWAY_TEST_KILL_AT"].rpartition(":")
    left = int(times)

    def at(where: str) -> None:
        nonlocal left
        if where == point:
            left -= 1
            if left == 0:
                Path(os.environ["HEADWAY_TEST_REACHED"]).write_text(point, "utf-8")
                os.kill(os.getpid(), signal.SIGKILL)

    return run_closer(live_settings(), at=at)


if __name__ == "__main__":
    sys.exit(main())
