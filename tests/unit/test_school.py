"""A school and its target as values; a target prints itself hidden."""

from __future__ import annotations

import copy

import pytest
from pydantic import ValidationError

from schemas.school import Confidential, Phase, School, Target, Urn

CANARY = 0.918273645


def target() -> Target:
    return Target(
        urn=Urn(123456), academic_year="2026/27", baseline_attendance=Confidential(CANARY), target_attendance=Confidential(CANARY)
    )


def test_no_text_of_a_target_shows_its_value() -> None:
    one, both = Confidential(CANARY), target()
    texts = [str(one), repr(one), f"{one}", f"{one:.2f}", "{:>9}".format(one), "%s %r" % (one, one)]  # noqa: UP031, UP032
    texts += [str(both), repr(both), f"{both}", str([both]), repr({"target": one}), repr(both.model_dump())]
    for text in texts:
        assert "918" not in text
        assert ".9" not in text
        assert "0.9" not in text


def test_a_confidential_ratio_is_shown_only_where_that_is_meant() -> None:
    one = Confidential(CANARY)
    assert float(one) == CANARY
    assert repr(float(one)) == "0.918273645"
    assert repr(copy.copy(one)) == "<confidential>"


def test_a_target_read_from_plain_numbers_is_hidden_too() -> None:
    read = Target.model_validate(
        {"urn": 1, "academic_year": "2026/27", "baseline_attendance": None, "target_attendance": CANARY},
    )
    assert type(read.target_attendance) is Confidential
    assert read.baseline_attendance is None
    assert "918" not in repr(read)


@pytest.mark.parametrize("wrong", [95.18273, -0.918273, float("nan"), float("inf"), "91.8273 %"])
def test_a_target_that_is_no_ratio_is_refused_without_showing_it(wrong: object) -> None:
    with pytest.raises(ValidationError) as caught:
        Target.model_validate({"urn": 1, "academic_year": "2026/27", "baseline_attendance": wrong, "target_attendance": None})
    assert "8273" not in str(caught.value)


def test_a_school_is_frozen_and_of_one_of_four_phases() -> None:
    school = School(urn=Urn(1), name="A", phase=Phase("alternative"), region="R", local_authority="L", hub="", roll=None)
    with pytest.raises(ValidationError):
        school.roll = 5  # type: ignore[misc]
    assert [str(phase) for phase in Phase] == ["primary", "secondary", "special", "alternative"]
    with pytest.raises(ValidationError):
        School.model_validate(school.model_dump() | {"phase": "nursery"})
