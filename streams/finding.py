"""What a check of the installation found: well, to be looked at, or wrong, with the remedy. No secret and no target is in it."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

from schemas.errors import HeadwayError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

__all__ = ["Finding", "Standing", "found"]


class Standing(StrEnum):
    """look: it works, and somebody should look; not_tried: what it stands on is wrong already."""

    WELL = "well"
    LOOK = "look"
    WRONG = "wrong"
    NOT_TRIED = "not tried"


class Finding(NamedTuple):
    """check: what was looked at, such as `topics`. remedy: empty where nothing need be done."""

    check: str
    standing: Standing
    said: str
    remedy: str = ""


def found(check: str, look: Callable[[], Iterable[Finding]]) -> list[Finding]:
    """What a check says; an error of ours is a finding, since its message names thing, value and remedy."""
    try:
        return list(look())
    except HeadwayError as error:
        said, _, remedy = str(error).partition(". ")
        return [Finding(check, Standing.WRONG, said, remedy or "Look at the log of that process")]
