"""A dead letter as it is written: its id is its origin, and it always fits its topic."""

from __future__ import annotations

import json

import pytest

from schemas.errors import InvalidRegister
from schemas.reject import ORIGINAL_BYTES_KEPT, REGISTER_BYTES_MAX, Reject, RejectReason
from streams import topology
from streams.dead_letters import dead_letter, door_letter


def rejected(original: bytes, detail: str = "why") -> Reject:
    return Reject.of(original, InvalidRegister(RejectReason.NOT_JSON, detail))


def test_it_says_where_it_comes_from_and_why() -> None:
    out = dead_letter(f"{topology.REGISTERS.name}/3/17", topology.REGISTERS.name, rejected(b"nonsense"))
    assert (out.log, out.key) == (topology.REJECTS, topology.REGISTERS.name.encode())
    assert dict(out.headers) == {"origin": f"{topology.REGISTERS.name}/3/17".encode(), "reason": b"not_json", "detail": b"why"}
    assert out.value == rejected(b"nonsense").to_line()


def test_what_never_came_in_is_known_by_its_bytes() -> None:
    reject = rejected(b"nonsense")
    out = door_letter(topology.REGISTERS.name, reject)
    assert (dict(out.headers)["origin"], out.key) == (f"door/{reject.sha256}".encode(), topology.REGISTERS.name.encode())


def test_a_message_that_is_no_text_is_no_obstacle() -> None:
    assert dict(door_letter(topology.REGISTERS.name, rejected(b"x", "\ud800")).headers)["detail"] == b"?"


@pytest.mark.parametrize("byte", [b"\x01", b"\xff", b'"', b"a"])
def test_the_largest_original_of_any_bytes_fits_the_topic(byte: bytes) -> None:
    """JSON writes a control character as six bytes: 64 KiB of them are more than the topic takes."""
    out = door_letter(topology.REGISTERS.name, rejected(byte * REGISTER_BYTES_MAX))
    said = json.loads(out.value)
    assert len(out.value) + 2_048 <= topology.REJECTS.record_bytes_max
    if said.get("length"):
        assert (said["length"], said["original"]) == (REGISTER_BYTES_MAX, byte.decode() * ORIGINAL_BYTES_KEPT)
