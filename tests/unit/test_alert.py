"""Alerts and readings as records: their fields, their ids, their canonical lines. (contracts.md section 5)"""

from __future__ import annotations

import json
from datetime import date
from typing import Any
from uuid import UUID

import pytest
from pydantic import ValidationError

from schemas.alert import Alert, AlertKind, AlertState, alert_id, record_id
from schemas.reading import READING_COLUMNS, Condition

DAY = date(2026, 11, 2)


def alert(**changes: Any) -> Alert:
    said: dict[str, Any] = {
        "alert_id": alert_id(AlertKind.LEVEL_DROP, "C", 123456, "2026/27", DAY),
        "urn": 123456,
        "area": None,
        "kind": AlertKind.LEVEL_DROP,
        "chart": "C",
        "state": AlertState.OPENED,
        "opened_on": DAY,
        "as_of": DAY,
        "onset_about": date(2026, 10, 12),
        "once_in_school_years": 12.5,
        "evidence": {"absences": 31, "newest_register": "2026-11-02", "excess_ratio": None},
        "attribution": None,
        "reason": "opened",
    }
    return Alert(**(said | changes))


def test_the_line_of_an_alert_is_canonical_and_reads_back() -> None:
    line = alert(reason="Größe").to_line()
    said = json.loads(line)
    fields = ["alert_id", "urn", "area", "kind", "chart", "state", "opened_on", "as_of", "onset_about", "once_in_school_years"]
    assert sorted(said) == sorted([*fields, "evidence", "attribution", "reason"])
    assert line == json.dumps(said, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    assert Alert.model_validate_json(line) == alert(reason="Größe")


def test_a_number_that_json_does_not_have_is_never_written() -> None:
    with pytest.raises(ValueError, match="JSON"):
        alert(evidence={"statistic": float("nan")}).to_line()


def test_an_alert_is_frozen_and_has_no_further_field() -> None:
    with pytest.raises(ValidationError):
        alert().reason = "another"  # type: ignore[misc]
    with pytest.raises(ValidationError):
        alert(urgency="high")


def test_the_text_of_an_alert_hides_what_a_target_could_follow_from() -> None:
    shown = repr(alert(evidence={"expected_absences": 0.918273}, once_in_school_years=918273.0, attribution={"Y7": 0.918273}))
    assert "918273" not in shown
    assert "level_drop" in shown


def test_the_id_of_an_alert_is_what_it_means_and_the_same_for_ever() -> None:
    one = alert_id(AlertKind.LEVEL_DROP, "C", 123456, "2026/27", DAY)
    assert one == UUID("c5da966e-d91a-52ad-b98c-839377247151")
    others = {
        alert_id(AlertKind.OFF_TRAJECTORY, "C", 123456, "2026/27", DAY),
        alert_id(AlertKind.LEVEL_DROP, "T", 123456, "2026/27", DAY),
        alert_id(AlertKind.LEVEL_DROP, None, 123456, "2026/27", DAY),
        alert_id(AlertKind.LEVEL_DROP, "C", 123457, "2026/27", DAY),
        alert_id(AlertKind.LEVEL_DROP, "C", "north", "2026/27", DAY),
        alert_id(AlertKind.LEVEL_DROP, "C", 123456, "2025/26", DAY),
        alert_id(AlertKind.LEVEL_DROP, "C", 123456, "2026/27", date(2026, 11, 3)),
    }
    assert len(others | {one}) == 8


def test_a_record_id_names_the_alert_the_close_and_the_state() -> None:
    one, other = alert().alert_id, alert_id(AlertKind.DATA, None, 1, "2026/27", DAY)
    made = {record_id(a, n, s) for a in (one, other) for n in (1, 2, 12) for s in AlertState}
    assert len(made) == 2 * 3 * 4
    assert record_id(one, 1, AlertState.OPENED) == UUID("2a602eb8-3cca-5aa9-96a1-b09cf9018589")


def test_conditions_stand_in_their_order_of_precedence() -> None:
    assert [str(c) for c in Condition] == (
        ["no_sessions", "missing", "partial", "implausible", "all_present", "no_peers", "warming_up", "out_of_control", "in_control"]
    )


def test_the_header_of_readings_is_the_contract_s() -> None:
    assert ",".join(READING_COLUMNS) == (
        "urn,attendance_date,possible_sessions,absences,absence_ratio,charted_possible_sessions,charted_absences,expected_ratio,"
        "common_effect_logit,residual_z,statistic_target,statistic_level,statistic_year_group,once_in_school_years_target,"
        "once_in_school_years_level,once_in_school_years_year_group,p_target,condition"
    )
