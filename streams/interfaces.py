"""The interfaces as documents: AsyncAPI 3 of the topics, from the topology; OpenAPI 3.1 of the intake, from its routes' records.

`python -m deploy.interfaces` writes them to docs/interfaces, and a test holds the two equal.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from models import ENGINE_VERSION
from schemas.reject import RejectReason
from streams import topology
from streams.access_lists import ACCESS
from streams.envelopes import MEDIA_TYPES
from streams.schema_export import RECORDS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from streams.topology import Log

__all__ = ["asyncapi", "interfaces", "openapi"]

_CARRIES = {
    topology.REGISTERS: "session_attendance",
    topology.ACKNOWLEDGEMENTS: "acknowledgement",
    topology.SCHOOLS: "school",
    topology.CALENDAR: "calendar_row",
    topology.TARGETS: "target",
    topology.CONTROL: "control",
    topology.READINGS: "reading",
    topology.ALERTS: "alert",
}
"""Log -> the record whose schema its values have; the other logs are described in words."""
_HEADERS = {
    topology.ALERTS: ("record_id", "alert_id", "close_id", "close_number"),
    topology.READINGS: ("close_id", "close_number"),
    topology.PROVISIONAL: ("partition", "offset"),
    topology.REJECTS: ("origin", "reason"),
    topology.ACKNOWLEDGEMENTS: ("event_id",),
    **dict.fromkeys(topology.REFERENCE, ("version",)),
}


def interfaces() -> dict[str, str]:
    """By file name."""
    made = {"asyncapi.json": asyncapi(), "openapi.json": openapi()}
    return {name: json.dumps(one, indent=1, sort_keys=True) + "\n" for name, one in made.items()}


def _named(log: Log) -> str:
    return log.name.replace(".", "-")


def asyncapi() -> dict[str, Any]:
    """Channels are topics; operations are what each part of the service does with them, as the access lists have it."""
    operations = {}
    for access in ACCESS:
        for action, logs in (("receive", access.reads), ("send", access.writes)):
            for log in dict.fromkeys(logs):
                operations[f"{access.name}-{action}-{_named(log)}"] = {
                    "action": action,
                    "channel": {"$ref": f"#/channels/{_named(log)}"},
                    "summary": access.does,
                }
    return {
        "asyncapi": "3.0.0",
        "info": {"title": "Headway's topics", "version": ENGINE_VERSION, "license": {"name": "Apache-2.0"}},
        "defaultContentType": "application/json",
        "channels": {_named(log): _channel(log) for log in topology.LOGS},
        "operations": operations,
        "components": {"messages": {_named(log): _message(log) for log in topology.LOGS}, "schemas": _schemas(*_CARRIES.values())},
    }


def _schemas(*records: str) -> dict[str, Any]:
    """Records and all that they are made of, side by side, each by its name."""
    out: dict[str, Any] = {}
    for name in records:
        schema = RECORDS[name].json_schema(ref_template="#/components/schemas/{model}")
        schema.pop("discriminator", None)  # OpenAPI's is an object and AsyncAPI's a word; the constants say the same.
        out |= schema.pop("$defs", {}) | {name: schema}
    return out


def _channel(log: Log) -> dict[str, Any]:
    kept = "for ever" if log.kept_days is None else f"{log.kept_days} days"
    return {
        "address": log.name,
        "description": f"{log.carries}. Kept {kept}." + (" Confidential: it holds targets in some form." if log.confidential else ""),
        "messages": {"record": {"$ref": f"#/components/messages/{_named(log)}"}},
        "bindings": {"kafka": {"partitions": log.partitions, "bindingVersion": "0.5.0"}},
    }


def _message(log: Log) -> dict[str, Any]:
    out: dict[str, Any] = {"name": log.name, "summary": log.carries}
    if log.key:
        out["bindings"] = {"kafka": {"key": {"type": "string", "description": log.key}, "bindingVersion": "0.5.0"}}
    if log in _HEADERS:
        names = list(_HEADERS[log])
        out["headers"] = {"type": "object", "required": names, "properties": {name: {"type": "string"} for name in names}}
    if log in _CARRIES:
        out["payload"] = _ref(_CARRIES[log])
    return out


def openapi() -> dict[str, Any]:
    """The HTTP intake of `headway serve`."""
    schemas = _schemas("session_attendance") | {"Problem": _PROBLEM, "Result": _RESULT, "Batch": _BATCH}
    one, many = _ref("session_attendance"), {"type": "array", "items": {"type": "object"}}
    content = {kind: {"schema": many if "batch" in kind else {"type": "string"} if "ndjson" in kind else one} for kind in MEDIA_TYPES}
    answers = {
        "200": _answer("Kept, durably; of a batch, how many were and why the others were not.", {"oneOf": [_ref("Result"), _ref("Batch")]}),
        "422": _answer("Not a valid register: kept as a reject, with its reason.", _ref("Result")),
    }
    return {
        "openapi": "3.1.0",
        "info": {"title": "Headway's intake", "version": ENGINE_VERSION, "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"}},
        "security": [{"token": []}, {}],
        "paths": {
            "/v1/registers": {"post": _post(content, answers | _problems(400, 401, 408, 413, 415, 429, 503, 507))},
            "/v1/readings/{urn}": {"get": _READINGS | {"responses": {"200": _READING} | _problems(400, 401, 404, 503)}},
            "/live": {"get": {"operationId": "live", "security": [], "responses": {"200": _answer("It runs.", _OBJECT)}}},
            "/ready": {"get": {"operationId": "ready", "security": [], "responses": _READY}},
        },
        "components": {"schemas": schemas, "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}}},
    }


def _post(content: Mapping[str, Any], answers: Mapping[str, Any]) -> dict[str, Any]:
    body = {"required": True, "content": dict(content)}
    summary = "Take registers in; sending again is harmless."
    return {"operationId": "registers", "summary": summary, "requestBody": body, "responses": dict(answers)}


def _ref(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}


def _answer(means: str, schema: Mapping[str, Any]) -> dict[str, Any]:
    return {"description": means, "content": {"application/json": {"schema": dict(schema)}}}


def _problems(*statuses: int) -> dict[str, Any]:
    return {str(status): _answer(_MEANS[status], _ref("Problem")) for status in statuses}


_MEANS = {
    400: "Not readable; a body that is no JSON is kept as one reject.",
    401: "Send the intake token.",
    404: "There is no provisional reading.",
    408: "The body came too slowly.",
    413: "Too large, or too many events.",
    415: "A media type or encoding that is not taken.",
    429: "Too much is on its way in; Retry-After says when to come back.",
    503: "Not now; Retry-After says when to come back. Nothing was kept.",
    507: "The disk is full. Nothing was kept.",
}
_PROBLEM = {"type": "object", "required": ["error", "detail"], "properties": {"error": {"type": "string"}, "detail": {"type": "string"}}}
_RESULT = {
    "type": "object",
    "required": ["result", "duplicate"],
    "properties": {
        "result": {"enum": ["accepted", "rejected"]},
        "duplicate": {"type": "boolean"},
        "position": {"type": "integer"},
        "provisional": {"type": ["object", "null"]},
        "no_reading": {"type": "string"},
        "reject": {"type": "integer"},
        "reason": {"enum": sorted(map(str, RejectReason))},
        "detail": {"type": "string"},
        "sha256": {"type": "string"},
    },
}
_BATCH = {
    "type": "object",
    "required": ["accepted", "duplicate", "rejected", "events"],
    "properties": {
        "accepted": {"type": "integer"},
        "duplicate": {"type": "integer"},
        "rejected": {"type": "integer"},
        "events": {"type": "array", "items": {"$ref": "#/components/schemas/Result"}},
    },
}
_READINGS = {
    "operationId": "reading",
    "parameters": [
        {"name": "urn", "in": "path", "required": True, "schema": {"type": "integer", "minimum": 0, "maximum": 999_999_999}},
        {"name": "date", "in": "query", "schema": {"type": "string", "format": "date"}},
    ],
}
_OBJECT = {"type": "object"}
_READING = _answer("The provisional reading.", _OBJECT)
_READY = {"200": _answer("Send.", _OBJECT), "503": _answer("Why not to send.", _OBJECT)}
