"""`headway serve` as a process of its own, to be stopped or killed by a test: prints its URL when it takes connections."""

from __future__ import annotations

import sys
from pathlib import Path

from streams.serve import serve
from tests.serving import WrittenDown, judge, options


def main() -> None:
    """Serve the log named on the command line."""
    log = Path(sys.argv[1])
    serve(options(log.parent, log=log), WrittenDown, judge, lambda url: print(url, flush=True))


if __name__ == "__main__":
    main()
