"""Files of registers, whatever their layout: the name's ending says which."""

from __future__ import annotations

from typing import TYPE_CHECKING

from schemas.errors import WrongUsage
from streams import jsonl, parquet

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from streams.decode import Decoded

__all__ = ["read_sessions"]

_LINES = (".jsonl", ".ndjson", ".jsonl.gz", ".ndjson.gz")


def read_sessions(path: Path, *, processes: int = 1, progress: Callable[[int], None] = lambda _: None) -> Iterator[Decoded]:
    """The registers and rejects of a file, in its order, a bounded stretch at a time.

    processes: how many may decode JSON lines; Parquet has threads of its own. progress: told of bytes of the file.
    Raises WrongUsage for another ending and for a file that cannot be read, BadContents for a damaged one.
    """
    name = path.name.lower()
    if name.endswith(_LINES):
        return jsonl.read(path, processes=processes, progress=progress)
    if name.endswith(".parquet"):
        return parquet.read(path, progress=progress)
    raise WrongUsage(f"{path}: this name ends in none of {', '.join(_LINES)}, .parquet. Name a file of registers in one of these layouts")
