"""`headway closer` that writes down when it stands where: `python -m benchmarks.live_marked closer`, for `live_closer`.

A line for each point in the file that HEADWAY_BENCH_MARKS names: seconds since 1970, processor seconds of the process, the point.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from models import panels
from streams.closer_process import run_closer
from streams.live_settings import live_settings

if TYPE_CHECKING:
    from collections.abc import Iterator


def main() -> int:
    """Run it as the command line does, and split scoring from digests besides."""
    with Path(os.environ["HEADWAY_BENCH_MARKS"]).open("a", encoding="utf-8", buffering=1) as file:

        def at(where: str) -> None:
            file.write(f"{time.time():.4f} {time.process_time():.3f} {where}\n")

        inner, settled = vars(panels)["school_digests"], vars(panels)["Settled"]
        advance = settled.advance

        def marked(*given: Any, **named: Any) -> Iterator[Any]:  # noqa: ANN401 (passed on)
            at("digest")
            yield from inner(*given, **named)

        def advanced(*given: Any) -> None:  # noqa: ANN401 (passed on)
            at("digest")
            advance(*given)

        vars(panels)["school_digests"] = marked
        settled.advance = advanced
        return run_closer(live_settings(), at=at)


if __name__ == "__main__":
    sys.exit(main())
