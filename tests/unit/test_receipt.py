"""Receipts: every part is there, what cannot be is refused, and small counts stay in the school."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from schemas.errors import BrokenPromise
from schemas.receipt import Receipt, receipt_rows

RECEIPT = Receipt("8", 131, 1640, 10, 170, date(2026, 11, 2), date(2026, 11, 6), "2024-08-19", (date(2026, 11, 6), "PM"), date(2026, 11, 6))


def test_a_receipt_shows_every_part_to_the_school_itself() -> None:
    assert receipt_rows(RECEIPT, exact=True) == (
        ("Of", "Year group 8"),
        ("Absences (pupil-sessions)", "131"),
        ("Possible sessions (pupil-sessions)", "1,640"),
        ("Rate of absence", "7.99 %"),
        ("Sessions with a register", "10"),
        ("Pupils in the largest register", "170"),
        ("Period", "2 November 2026 to 6 November 2026"),
        ("Rules for codes", "2024-08-19"),
        ("Newest register included", "6 November 2026, PM"),
        ("Known at the close of", "6 November 2026"),
    )


@pytest.mark.parametrize(
    ("absences", "possible", "shown", "rate"),
    [
        (0, 100, "0", "0.00 %"),  # nobody absent: nobody to find
        (9, 100, "fewer than 10", "not shown"),  # the rate times the possible sessions would give the nine back
        (10, 100, "10", "10.00 %"),
        (91, 100, "not shown", "not shown"),  # nine presences
        (100, 100, "100", "100.00 %"),
    ],
)
def test_outside_the_school_a_small_count_and_what_gives_it_back_stay_hidden(absences: int, possible: int, shown: str, rate: str) -> None:
    receipt = replace(RECEIPT, numerator=absences, denominator=possible)
    rows = dict(receipt_rows(receipt, exact=False))
    assert (rows["Absences (pupil-sessions)"], rows["Rate of absence"]) == (shown, rate)
    assert dict(receipt_rows(receipt, exact=True))["Absences (pupil-sessions)"] == str(absences)


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"numerator": 1641}, "numerator over"),
        ({"numerator": -1}, "numerator over"),
        ({"numerator": 0, "denominator": 0}, "no possible sessions"),
        ({"denominator": 1701}, "more pupil-sessions"),
        ({"last_date": date(2026, 11, 1)}, "ends before it begins"),
        ({"newest_register": (date(2026, 11, 7), "AM")}, "outside its period"),
        ({"newest_register": (date(2026, 11, 6), "pm")}, "neither AM nor PM"),
        ({"known_at": date(2026, 11, 5)}, "close before"),
        ({"code_rules_version": ""}, "no version"),
    ],
)
def test_a_receipt_that_cannot_be_is_refused(wrong: dict[str, Any], named: str) -> None:
    with pytest.raises(BrokenPromise, match=named):
        replace(RECEIPT, **wrong)


def test_the_largest_period_that_pupils_and_sessions_allow_is_taken() -> None:
    assert replace(RECEIPT, denominator=1700).denominator == 10 * 170
