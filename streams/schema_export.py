"""`headway schema`: the records of the contracts as JSON Schema 2020-12."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import BaseModel, TypeAdapter

from schemas.acknowledgement import Acknowledgement
from schemas.alert import Alert
from schemas.control import ControlRecord
from schemas.errors import WrongUsage
from schemas.reading import Reading
from schemas.register import SessionAttendance
from schemas.school import School

__all__ = ["json_schemas", "schema_command"]

_RECORDS: dict[str, type[BaseModel]] = {
    "session_attendance": SessionAttendance,
    "acknowledgement": Acknowledgement,
    "reading": Reading,
    "alert": Alert,
    "school": School,
}


def json_schemas() -> dict[str, dict[str, Any]]:
    """Every public record by name."""
    made = {name: model.model_json_schema() for name, model in _RECORDS.items()}
    made["control"] = TypeAdapter(ControlRecord).json_schema()
    return {name: {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema} for name, schema in sorted(made.items())}


def schema_command(
    out: Annotated[Path | None, typer.Option(help="Directory for one file a record; without it all are printed.")] = None,
) -> None:
    """Write the JSON Schemas of the records that go in and come out."""
    made = json_schemas()
    if out is None:
        typer.echo(json.dumps(made, indent=2, sort_keys=True))
        return
    try:
        out.mkdir(parents=True, exist_ok=True)
        for name, schema in made.items():
            (out / f"{name}.schema.json").write_text(json.dumps(schema, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    except OSError as error:
        raise WrongUsage(f"--out {out}: {error.strerror}. Name a directory that can be written") from error
    typer.echo(f"{len(made)} schemas written to {out}")
