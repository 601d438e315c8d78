"""The control log: a request's id is the digest of all that its close follows from. (design.md section 3)"""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from typing import Any

import pytest
from pydantic import ValidationError

from schemas.control import Abandoned, CloseCompleted, Decided, Requested, read_control_record


def requested(**changes: Any) -> Requested:
    said: dict[str, Any] = {
        "previous": None,
        "number": 1,
        "day": date(2026, 10, 5),
        "positions": {"attendance.session": 41, "attendance.acknowledgement": 0},
        "reference_version": "r",
        "parameters_digest": "p",
        "engine_version": "0.1.0",
    }
    return Requested(**(said | changes))


def test_every_record_reads_back_from_its_line() -> None:
    close = requested().close_id
    for record in (
        requested(),
        Decided(close_id=close, digest="d", counts={"opened": 2}),
        CloseCompleted(close_id=close, state_digest="s", at=datetime(2026, 10, 5, 17, tzinfo=UTC)),
        Abandoned(close_id=close, reason="the reference names no school"),
    ):
        line = record.to_line()
        assert read_control_record(line) == record
        assert line == json.dumps(json.loads(line), sort_keys=True, separators=(",", ":")).encode()


@pytest.mark.parametrize(
    "change",
    [
        {"previous": "a"},
        {"number": 2},
        {"day": date(2026, 10, 6)},
        {"positions": {"attendance.session": 42, "attendance.acknowledgement": 0}},
        {"reference_version": "R"},
        {"parameters_digest": "P"},
        {"engine_version": "0.1.1"},
    ],
    ids=lambda change: next(iter(change)),
)
def test_the_id_of_a_close_changes_with_everything_it_follows_from(change: dict[str, Any]) -> None:
    assert requested(**change).close_id != requested().close_id


def test_the_id_of_a_close_does_not_depend_on_the_order_of_its_positions() -> None:
    assert requested(positions={"attendance.acknowledgement": 0, "attendance.session": 41}).close_id == requested().close_id
    assert len(requested().close_id) == 64


@pytest.mark.parametrize("line", [b"", b"{}", b'{"record":"requested"}', b'{"record":"withdrawn","close_id":"a","reason":"b"}', b"null"])
def test_a_line_that_is_no_control_record_is_refused(line: bytes) -> None:
    with pytest.raises(ValidationError):
        read_control_record(line)


def test_a_control_record_is_frozen() -> None:
    with pytest.raises(ValidationError):
        requested().number = 3  # type: ignore[misc]
