"""How many rejects are too many: then what is sent is broken as a whole, and a person has to look before it counts. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from schemas.errors import HeadwayError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["RECORDS_LEAST", "RUN_MAX", "SHARE_MAX", "TooManyRejects", "too_many"]

SHARE_MAX = 0.05
RECORDS_LEAST = 1_000
"""A share of fewer records says little."""
RUN_MAX = 500
"""Rejects one after the other in one partition."""


class TooManyRejects(HeadwayError):
    """So much was rejected that nothing of the interval is used until a person has looked (`headway rejects accept`)."""


def too_many(rejected: Mapping[str, Sequence[int]], records: int) -> str | None:
    """The reason to stop, or None. rejected: offsets by partition, ascending, of an interval of so many records."""
    count = sum(map(len, rejected.values()))
    remedy = "Look with `headway rejects list`; go on with `headway rejects accept`"
    for place, offsets in rejected.items():
        if any(offsets[i + RUN_MAX - 1] - offsets[i] == RUN_MAX - 1 for i in range(len(offsets) - RUN_MAX + 1)):
            return f"{RUN_MAX} records one after the other were rejected in {place}. {remedy}"
    if records >= RECORDS_LEAST and count > SHARE_MAX * records:
        return f"{count} of {records} records were rejected, more than {SHARE_MAX:.0%}. {remedy}"
    return None
