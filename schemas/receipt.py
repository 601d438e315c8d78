"""The receipt of a figure: what it was made of, so that a school can lay it beside its own. No figure leaves without one.

(casework.md section 5, product.md section 1.3) A receipt holds observed counts and nothing that a target could be found from.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from schemas.errors import BrokenPromise
from schemas.small_numbers import Count, Shown

if TYPE_CHECKING:
    from datetime import date

__all__ = ["Receipt", "receipt_rows"]

_FEW_MOST = 9


@dataclass(frozen=True, slots=True)
class Receipt:
    """One figure's parts: absences over possible sessions, in pupil-sessions, of one school or one of its year groups ("" = all).

    `sessions` are the school's half-days with a register in the period, `pupils` the most that any one of these registers holds.
    `newest_register` is the newest included (date, AM or PM); `known_at` is the day that the close judged.
    A period without possible sessions has no figure and so no receipt; what cannot be raises `BrokenPromise`.
    """

    year_group: str
    numerator: int
    denominator: int
    sessions: int
    pupils: int
    first_date: date
    last_date: date
    code_rules_version: str
    newest_register: tuple[date, str]
    known_at: date

    def __post_init__(self) -> None:
        register, session = self.newest_register
        wrong = {
            "a numerator over its denominator": not 0 <= self.numerator <= self.denominator,
            "no possible sessions": self.denominator < 1,
            "more pupil-sessions than pupils and sessions give": self.denominator > self.sessions * self.pupils,
            "a period that ends before it begins": self.first_date > self.last_date,
            "a newest register outside its period": not self.first_date <= register <= self.last_date,
            "a register that is neither AM nor PM": session not in {"AM", "PM"},
            "a close before its newest register": self.known_at < register,
            "no version of the code rules": not self.code_rules_version,
        }
        found = [fault for fault, is_so in wrong.items() if is_so]
        if found:
            raise BrokenPromise(f"a receipt with {', '.join(found)}")

    @property
    def absence_ratio(self) -> float:
        """Absences over possible sessions, in [0, 1]."""
        return self.numerator / self.denominator


def receipt_rows(receipt: Receipt, *, exact: bool) -> tuple[tuple[str, str], ...]:
    """The receipt as label and value, in the order of every page and mail.

    exact: for the school itself. Elsewhere 1 to 9 absences are "fewer than 10", 1 to 9 presences hide the absences, and in both
    cases the rate, which would give the count back, is not shown.
    """
    absences = _absences(receipt, exact=exact)
    rate = f"{100 * receipt.absence_ratio:.2f} %" if absences.shown is Shown.EXACT else str(Count(0, Shown.HIDDEN))
    register, session = receipt.newest_register
    return (
        ("Of", f"Year group {receipt.year_group}" if receipt.year_group else "The whole school"),
        ("Absences (pupil-sessions)", str(absences)),
        ("Possible sessions (pupil-sessions)", f"{receipt.denominator:,}"),
        ("Rate of absence", rate),
        ("Sessions with a register", f"{receipt.sessions:,}"),
        ("Pupils in the largest register", str(Count.exact(receipt.pupils) if exact else Count.outside(receipt.pupils))),
        ("Period", f"{_day(receipt.first_date)} to {_day(receipt.last_date)}"),
        ("Rules for codes", receipt.code_rules_version),
        ("Newest register included", f"{_day(register)}, {session}"),
        ("Known at the close of", _day(receipt.known_at)),
    )


def _absences(receipt: Receipt, *, exact: bool) -> Count:
    if exact:
        return Count.exact(receipt.numerator)
    if 0 < receipt.denominator - receipt.numerator <= _FEW_MOST:
        return Count(receipt.numerator, Shown.HIDDEN)
    return Count.outside(receipt.numerator)


def _day(day: date) -> str:
    return f"{day.day} {day:%B %Y}"
