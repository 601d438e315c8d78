"""`headway schema`: every public record as JSON Schema."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from schemas.codes import CODE_IDS
from schemas.errors import WrongUsage
from schemas.reading import READING_COLUMNS
from schemas.register import FIELDS
from streams.schema_export import json_schemas, write

if TYPE_CHECKING:
    from pathlib import Path


def test_every_public_record_has_a_schema_of_2020_12() -> None:
    made = json_schemas()
    assert list(made) == [
        "acknowledgement",
        "alert",
        "calendar_row",
        "control",
        "reading",
        "reject",
        "school",
        "session_attendance",
        "target",
    ]
    for schema in made.values():
        assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"


def test_the_schemas_name_the_fields_of_the_contract() -> None:
    made = json_schemas()
    assert tuple(made["session_attendance"]["required"]) == FIELDS
    assert made["session_attendance"]["additionalProperties"] is False
    codes = made["session_attendance"]["properties"]["counts"]["additionalProperties"]["propertyNames"]["enum"]
    assert codes == list(CODE_IDS)
    assert tuple(made["reading"]["required"]) == READING_COLUMNS
    assert set(made["reject"]["required"]) == {"reason", "sha256", "original"}
    assert {"requested", "decided", "completed", "abandoned", "rejects_accepted"} == set(made["control"]["discriminator"]["mapping"])


def test_one_file_is_written_for_each_and_twice_the_same(tmp_path: Path) -> None:
    out = tmp_path / "new" / "schemas"
    assert write(out) == len(json_schemas()) == len(list(out.iterdir()))
    first = {path.name: path.read_bytes() for path in out.iterdir()}
    assert write(out) == len(first)
    assert first == {path.name: path.read_bytes() for path in out.iterdir()}
    assert json.loads(first["target.schema.json"])["title"] == "Target"


def test_a_directory_that_cannot_be_written_is_wrong_usage(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(WrongUsage, match="Name a directory"):
        write(tmp_path / "file" / "below")
