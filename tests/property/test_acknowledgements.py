"""Any bytes are an acknowledgement or a named reject, and a moment is read exactly as a register's is."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from schemas import register
from schemas.acknowledgement import Acknowledgement, canonical, parse, winner
from schemas.errors import InvalidRegister
from schemas.reject import Reject

GOOD: dict[str, Any] = {
    "urn": 1,
    "chart": "T",
    "effective_date": "1990-10-05",
    "verdict": "handled",
    "revision": 0,
    "recorded_at": "2026-10-05T17:00:00Z",
    "actor": "p",
}
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.sampled_from(["T", "G:7", "handled", "2026-10-05"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([*GOOD, "x"]), inner, max_size=4),
    max_leaves=6,
)
_CHANGED = st.dictionaries(st.sampled_from([*GOOD, "x"]), _JSON, max_size=3).map(lambda changes: json.dumps(GOOD | changes).encode())
_MOMENTS = st.from_regex(
    r"(0001|2026|9999)-(0[0-9]|1[0-3])-[0-3][0-9][Tt ][0-2][0-9]:[0-6][0-9]:[0-6][0-9]"
    r"(\.[0-9]{0,8})?(Z|z|[+-][0-2][0-9]:?[0-6][0-9])?",
    fullmatch=True,
) | st.text(max_size=30)


@pytest.mark.slow
@settings(max_examples=400, deadline=None)
@given(st.binary(max_size=200) | _JSON.map(json.dumps).map(str.encode) | _CHANGED)
def test_any_bytes_are_an_acknowledgement_or_a_named_reject(raw: bytes) -> None:
    said = _parsed(raw)
    if isinstance(said, InvalidRegister):
        assert said.detail.isascii()
        assert json.loads(Reject.of(raw, said).to_line())["reason"] == said.reason
    else:
        assert parse(canonical(said)) == said
        assert winner(said, said) == said


def _parsed(raw: bytes) -> Acknowledgement | InvalidRegister:
    try:
        return parse(raw)
    except InvalidRegister as error:
        return error


@settings(max_examples=400, deadline=None)
@given(_MOMENTS)
@example("0001-01-01T00:00:00Z")
@example("9999-12-31T23:59:59.9999999Z")
@example("2026-10-05t17:00:00.1234567z")
def test_a_moment_is_accepted_and_read_exactly_as_a_register_s_is(moment: str) -> None:
    beside = {"urn": 1, "session": "AM", "revision": 0, "source": "s", "counts": {"7": {"/": 1}}}
    here: object
    there: object
    try:
        here = parse(json.dumps(GOOD | {"effective_date": "0001-01-01", "recorded_at": moment}).encode()).recorded_at
    except InvalidRegister as error:
        here = error.reason
    try:
        there = register.parse(json.dumps(beside | {"attendance_date": "0001-01-01", "recorded_at": moment}).encode()).recorded_at
    except InvalidRegister as error:
        there = error.reason
    assert here == there
