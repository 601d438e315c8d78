"""CSV that a spreadsheet shows and does not run: what could begin a formula is quoted and marked, line ends stay within cells."""

from __future__ import annotations

import csv
import io
import re
from typing import TYPE_CHECKING

from schemas.small_numbers import Count

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = ["cell", "csv_bytes"]

_STARTS_A_FORMULA = re.compile("^[\\s\x00\ufeff]*[=+\\-@\t\r\n\x00|%＝＋－＠]")
_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?")
_INVISIBLE = re.compile("[\x00-\x08\x0b-\x1f\x7f]")


def cell(value: object) -> str:
    """Text of one cell. A number stays one; other text that a spreadsheet might run gets an apostrophe before it.

    >>> cell(-1.5), cell("=1+1"), cell("-2"), cell("- none"), cell(None)
    ('-1.5', "'=1+1", '-2', "'- none", '')
    """
    if value is None:
        return ""
    if isinstance(value, Count):
        return value.csv
    said = str(value)
    if _NUMBER.fullmatch(said):
        return said
    risky = _STARTS_A_FORMULA.match(said) is not None
    said = _INVISIBLE.sub(" ", said)
    return f"'{said}" if risky else said


def csv_bytes(rows: Iterable[Sequence[object]]) -> bytes:
    """RFC 4180 in UTF-8, lines ended by CR LF."""
    out = io.StringIO(newline="")
    csv.writer(out, lineterminator="\r\n").writerows([cell(value) for value in row] for row in rows)
    return out.getvalue().encode("utf-8", "replace")
