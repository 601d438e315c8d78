"""The DfE's daily local-authority file, its code counts put through our code table, gives the DfE's own totals.

The file holds several vintages of a day, and national and regional rows beside the local ones: every row is checked by
itself, nothing is added over rows. Needs HEADWAY_DATA.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models.guards import Counts, Usual, Verdict, judge
from schemas.codes import CODES, CodeClass

DATA = os.environ.get("HEADWAY_DATA")
pytestmark = pytest.mark.skipif(DATA is None, reason="HEADWAY_DATA does not name the real data")

COLUMNS = {
    "/": ["reason_present_am"],
    "\\": ["reason_present_pm"],
    "L": ["reason_l_present_late_before_registers_closed"],
    "I": ["reason_i_authorised_illness"],
    "M": ["reason_m_authorised_medical_dental"],
    "R": ["reason_r_authorised_religious_observance"],
    "S": ["reason_s_authorised_study_leave"],
    "T": ["reason_t_authorised_grt_absence", "reason_t_authorised_mobile_child"],
    "H": ["reason_h_authorised_holiday"],
    "E": ["reason_e_authorised_excluded"],
    "C": ["reason_c_authorised_other"],
    "C1": ["reason_c1_authorised_regulated_performance"],
    "J1": ["reason_j1_authorised_interview"],
    "C2": ["reason_c2_authorised_temp_reduced_timetable"],
    "B": ["reason_b_aea_education_off_site"],
    "J": ["reason_j_aea_interview"],
    "P": ["reason_p_aea_approved_sporting_activity"],
    "V": ["reason_v_aea_educational_visit_trip"],
    "W": ["reason_w_aea_work_experience"],
    "K": ["reason_k_aea_education_arranged_by_la"],
    "G": ["reason_g_unauthorised_holiday"],
    "U": ["reason_u_unauthorised_late_after_registers_closed"],
    "O": ["reason_o_other_unauthorised"],
    "N": ["reason_n_no_reason_yet"],
    "D": ["reason_d_aea_dual_registration"],
    "X": ["reason_x_not_attending_covid_non_compulsory"],
    "Y": ["reason_y_not_attending_enforced_closure"],
    "Z": ["reason_z_not_attending_not_on_roll"],
    "#": ["reason_not_attending_planned_closed"],
    "F": ["reason_f_legacy_family_holiday"],
}
SHORT_ROWS = {
    # vintage (file, blob): rows whose coded authorised absence falls short of the published one. All other rows are exact.
    ("data/export_2022_09_26.csv", "cbdd03c0c8"): 1_344,
    ("data/workaround_151_data_v5.csv", "08970aeaca"): 3_746,
    ("data/export_2022_10_25.csv", "dd008f3ba5"): 6_204,
    ("data/EES_daily_data.csv", "2b0d21efe8"): 1_332,  # 2022, without an F column, as the next three
    ("data/EES_daily_data.csv", "50d534e542"): 1_332,
    ("data/EES_daily_data.csv", "9f92c2b21d"): 3_589,
    ("data/EES_daily_data.csv", "af8ccf0243"): 3_589,
    ("data/EES_daily_data.csv", "3d3f6c2457"): 29,  # 2023, without an F column
    ("data/EES_daily_data.csv", "3aeb639507"): 76,  # 2024, without an F column
}
FUNERAL = "2022-09-19"


@dataclass(frozen=True)
class Daily:
    """The file as columns; a suppressed cell is NaN."""

    columns: dict[str, np.ndarray[Any, Any]]

    def number(self, name: str) -> np.ndarray[Any, np.dtype[np.float64]]:
        return np.array([float("nan") if v in {None, "c", "x", "z"} else float(v) for v in self.columns[name]])

    def counts(self, code: str) -> np.ndarray[Any, np.dtype[np.float64]]:
        out: np.ndarray[Any, np.dtype[np.float64]] = np.sum([np.nan_to_num(self.number(name)) for name in COLUMNS[code]], axis=0)
        return out

    def by_class(self, kind: CodeClass) -> np.ndarray[Any, np.dtype[np.float64]]:
        rows = [self.counts(c.code) for c in CODES if c.kind is kind and c.code in COLUMNS]
        out: np.ndarray[Any, np.dtype[np.float64]] = np.sum(rows, axis=0)
        return out


@pytest.fixture(scope="module")
def daily() -> Daily:
    import pyarrow.parquet as pq

    path = Path(str(DATA)) / "england/dfe_daily_by_la_2022_24.parquet"
    wanted = {name for names in COLUMNS.values() for name in names} | {
        "vintage_path",
        "vintage_blob",
        "time_period",
        "attendance_date",
        "present_sessions",
        "overall_attendance",
        "authorised_absence",
        "unauthorised_absence",
        "possible_sessions",
        "overall_absence",
        "school_type",
        "geographic_level",
        "new_la_code",
        "num_schools",
    }
    table = pq.read_table(path, columns=sorted(wanted))
    return Daily({name: np.array(table[name].to_pylist(), dtype=object) for name in table.column_names})


def known(daily: Daily) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Rows that are not suppressed: possible sessions are published."""
    out: np.ndarray[Any, np.dtype[np.bool_]] = ~np.isnan(daily.number("possible_sessions"))
    return out


def test_present_attendance_and_unauthorised_absence_are_exact_in_every_row(daily: Daily) -> None:
    ok = known(daily)
    assert len(ok) == 78_549
    present, educational = daily.by_class(CodeClass.PRESENT), daily.by_class(CodeClass.APPROVED)
    for name, ours in (
        ("present_sessions", present),
        ("overall_attendance", present + educational),
        ("unauthorised_absence", daily.by_class(CodeClass.UNAUTHORISED)),
    ):
        assert np.array_equal(ours[ok], daily.number(name)[ok]), name


def test_authorised_absence_is_never_more_and_short_only_where_the_file_leaves_codes_out(daily: Daily) -> None:
    ok = known(daily)
    rest = (daily.number("authorised_absence") - daily.by_class(CodeClass.AUTHORISED))[ok]
    assert rest.min() == 0
    vintages = list(zip(daily.columns["vintage_path"][ok], daily.columns["vintage_blob"][ok], strict=True))
    short: dict[tuple[str, str], int] = {}
    for vintage, value in zip(vintages, rest, strict=True):
        if value > 0:
            short[vintage] = short.get(vintage, 0) + 1
    assert short == SHORT_ROWS
    assert sum(short.values()) == 21_241
    year = daily.columns["time_period"][ok][rest > 0]
    assert [int((year == y).sum()) for y in (2022, 2023, 2024)] == [21_136, 29, 76]


def test_suppressed_rows_stand_apart(daily: Daily) -> None:
    ok = known(daily)
    marked = np.array([v == "c" for v in daily.columns["reason_c2_authorised_temp_reduced_timetable"]])
    assert (int((~ok).sum()), int(marked.sum()), int((marked & ok).sum())) == (68, 18, 0)


def test_the_state_funeral_is_not_read_as_absence(daily: Daily) -> None:
    """19 September 2022 stands in the file with 80 to 87 % "absence" of some 1 % of the usual sessions: the number of
    possible sessions is compared with the usual one before a rate is trusted. Local authority x phase stands in for a school."""
    here = (daily.columns["vintage_blob"] == "dd008f3ba5") & (daily.columns["geographic_level"] == "Local authority")
    here &= np.isin(daily.columns["school_type"], ["Primary", "Secondary"]) & known(daily)
    possible, absence = daily.number("possible_sessions"), daily.number("overall_absence")
    by_unit: dict[tuple[str, str], list[int]] = {}
    for i in np.flatnonzero(here).tolist():
        by_unit.setdefault((daily.columns["new_la_code"][i], daily.columns["school_type"][i]), []).append(i)
    days = {str(date(2022, 9, 19) + timedelta(days=n)) for n in range(1, 15)}
    refused = trusted = 0
    for rows in by_unit.values():
        usual = Usual.start(1)
        for i in rows:
            if daily.columns["attendance_date"][i] in days and possible[i] > 0:
                usual.push(np.array([2 * int(possible[i])]), np.array([True]))
        funeral = [i for i in rows if daily.columns["attendance_date"][i] == FUNERAL and possible[i] > 0]
        for i in funeral:
            column = np.array([[int(possible[i])], [0]])
            counts = Counts(np.array([[True], [False]]), column, np.array([[int(absence[i])], [0]]), np.zeros((2, 1), int))
            verdict = int(judge(counts, np.array([True]), np.array([0.06]), np.array([np.nan]), usual).verdict[0])
            refused += bool(verdict == Verdict.PARTIAL)
            trusted += bool(verdict == Verdict.MEASURED)
    assert trusted == 0
    assert refused > 200
