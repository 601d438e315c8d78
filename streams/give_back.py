"""Memory that is free goes back to the system.

What a close makes and drops comes from many threads and lives for very different times, so that glibc is left with more and
more free pieces between what is held: nothing leaks, and the process grows all the same, by a tenth in a school year.
"""

from __future__ import annotations

import ctypes
import gc
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["give_back"]


def _trim() -> Callable[[int], object] | None:
    try:
        trim: Callable[[int], object] = ctypes.CDLL(None).malloc_trim
    except (OSError, TypeError, AttributeError):
        return None  # Another system, or another C library: it has its own ways.
    return trim


_MALLOC_TRIM = _trim()


def give_back() -> None:
    """Collect garbage and give free pages back; some tens of milliseconds, so after a close and not while registers wait."""
    gc.collect()
    if _MALLOC_TRIM is not None:
        _MALLOC_TRIM(0)
