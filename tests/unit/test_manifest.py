"""A manifest says of a version of the reference data that it is whole, and where its rows stand."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import ValidationError

from schemas.manifest import Manifest, digest_of_rows, digest_of_version, parse

SAID: dict[str, Any] = {
    "version": "a" * 64,
    "rows": {"schools": 2, "targets": 0},
    "sha256": {"schools": "b" * 64, "targets": "c" * 64},
    "positions": {"schools/0": [5, 7]},
    "published_at": datetime(2026, 9, 1, 8, 0, tzinfo=UTC),
}


def test_a_manifest_is_read_as_it_was_written() -> None:
    manifest = Manifest(**SAID)
    assert parse(manifest.to_line()) == manifest
    assert parse(manifest.to_line()).positions == {"schools/0": (5, 7)}
    assert b" " not in manifest.to_line()


@pytest.mark.parametrize(
    "changed",
    [
        {"version": "A" * 64},
        {"version": "a" * 63},
        {"sha256": {"schools": "no digest"}},
        {"rows": {"schools": -1}},
        {"positions": {"schools/0": [-1, 7]}},
        {"positions": {"schools/0": [1]}},
        {"published_at": "2026-09-01T08:00:00"},
        {"further": 1},
    ],
)
def test_what_is_no_manifest_is_refused(changed: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Manifest.model_validate({**SAID, **changed})


def test_the_digest_of_rows_knows_neither_their_order_nor_repeats() -> None:
    assert digest_of_rows([b"1", b"2"]) == digest_of_rows([b"2", b"1", b"2"])


def test_the_digest_of_rows_knows_where_a_row_ends() -> None:
    assert digest_of_rows([b"12", b"3"]) != digest_of_rows([b"1", b"23"])
    assert digest_of_rows([]) != digest_of_rows([b""])


def test_the_version_follows_from_the_digest_of_each_topic_by_name() -> None:
    one, other = {"schools": "a" * 64, "targets": "b" * 64}, {"targets": "b" * 64, "schools": "a" * 64}
    assert digest_of_version(one) == digest_of_version(other)
    assert digest_of_version(one) != digest_of_version({"schools": "b" * 64, "targets": "a" * 64})
