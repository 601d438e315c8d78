from __future__ import annotations

import csv
import io

import pytest

from console.csv_files import cell, csv_bytes
from schemas.small_numbers import Count, CountTable


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "\n", "\x00", " =", "\x00=", "\ufeff=", "＝", "|", "%"])
def test_nothing_that_a_spreadsheet_would_run_begins_a_cell(start: str) -> None:
    said = cell(f'{start}HYPERLINK("http://evil.example","x")')
    assert said.startswith("'")
    assert "\x00" not in said


@pytest.mark.parametrize("value", ["St Mary's, Upton", 'The "Oak" School', "Year 9\nYear 10", "7", "-3", "0.25", "", "Ash – Elm"])
def test_ordinary_cells_come_back_as_they_were(value: str) -> None:
    (row,) = csv.reader(io.StringIO(csv_bytes([[value, "end"]]).decode(), newline=""))
    assert row == [value, "end"]


def test_a_line_end_in_a_name_ends_no_row() -> None:
    rows = list(csv.reader(io.StringIO(csv_bytes([["Oak\r\nSet-Cookie: x=1", 1]]).decode(), newline="")))
    assert len(rows) == 1


def test_small_counts_are_marked_as_the_department_marks_them() -> None:
    table = CountTable.of([[7, 40, 60]])
    assert csv_bytes([[*table.cells[0], table.total, Count.exact(3)]]) == b"c,c,60,107,3\r\n"
