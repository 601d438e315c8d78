"""`headway schema`: the records of the contracts as JSON Schema 2020-12."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import TypeAdapter

from schemas.acknowledgement import Acknowledgement
from schemas.alert import Alert
from schemas.calendar import CalendarRow
from schemas.control import ControlRecord
from schemas.errors import WrongUsage
from schemas.reading import Reading
from schemas.register import SessionAttendance
from schemas.reject import RejectReason
from schemas.school import School, Target

__all__ = ["RECORDS", "json_schemas", "schema_command", "write"]

RECORDS: dict[str, TypeAdapter[Any]] = {
    "acknowledgement": TypeAdapter(Acknowledgement),
    "alert": TypeAdapter(Alert),
    "calendar_row": TypeAdapter(CalendarRow),
    "control": TypeAdapter(ControlRecord),
    "reading": TypeAdapter(Reading),
    "school": TypeAdapter(School),
    "session_attendance": TypeAdapter(SessionAttendance),
    "target": TypeAdapter(Target),
}
"""Name -> the record."""
_REJECT: dict[str, Any] = {
    "title": "Reject",
    "description": "A line of rejects.jsonl; of an oversized original only the beginning is kept, and its length.",
    "type": "object",
    "additionalProperties": False,
    "required": ["reason", "sha256", "original"],
    "properties": {
        "reason": {"enum": [str(reason) for reason in RejectReason]},
        "sha256": {"type": "string", "pattern": "^[0-9a-f]{64}$"},
        "original": {"type": "string"},
        "encoding": {"const": "base64"},
        "length": {"type": "integer", "minimum": 1},
    },
}


def json_schemas() -> dict[str, dict[str, Any]]:
    """Every public record by name."""
    made = {name: record.json_schema() for name, record in RECORDS.items()} | {"reject": _REJECT}
    return {name: {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema} for name, schema in sorted(made.items())}


def write(directory: Path) -> int:
    """One file a record, `<name>.schema.json`; how many. Raises WrongUsage where the directory cannot be written."""
    made = json_schemas()
    try:
        directory.mkdir(parents=True, exist_ok=True)
        for name, schema in made.items():
            (directory / f"{name}.schema.json").write_text(json.dumps(schema, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    except OSError as error:
        raise WrongUsage(f"--out {directory}: {error.strerror}. Name a directory that can be written") from error
    return len(made)


def schema_command(
    out: Annotated[Path | None, typer.Option(help="Directory for one file a record; without it all are printed.")] = None,
) -> None:
    """Write the JSON Schemas of the records that go in and come out."""
    if out is None:
        typer.echo(json.dumps(json_schemas(), indent=2, sort_keys=True))
        return
    typer.echo(f"{write(out)} schemas written to {out}")
