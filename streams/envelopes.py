"""From an HTTP body to the exact bytes of each event in it: bare, an array, lines, CloudEvents of every mode.

A register is judged by its own bytes, so an array is cut into the byte ranges of its elements and never decoded and written
again: a duplicate key inside survives to be rejected, and one bad event does not take its neighbours with it. The cutting
looks at strings and brackets only; whether an element is JSON is for `schemas.register.parse` to say.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from typing import TYPE_CHECKING, NamedTuple

from schemas.errors import HeadwayError, InvalidRegister
from schemas.reject import BLANKS, RejectReason

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["BATCH_TYPES", "MEDIA_TYPES", "Offered", "TooManyEvents", "UnreadableBody", "is_batch", "split"]

JSON, LINES = "application/json", "application/x-ndjson"
CLOUD_EVENT, CLOUD_EVENTS = "application/cloudevents+json", "application/cloudevents-batch+json"
MEDIA_TYPES = (JSON, LINES, CLOUD_EVENT, CLOUD_EVENTS)
BATCH_TYPES = (LINES, CLOUD_EVENTS)
_ATTRIBUTES = ("specversion", "id", "source", "type")

# A string that never ends is one token up to the end, so that no byte is looked at twice.
_TOKEN = re.compile(rb'"(?:[^"\\]++|\\.)*+(?:"|\\?\Z)|[\[\]{},]', re.DOTALL)
_MEMBER = re.compile(rb'[ \t\r\n]*("(?:[^"\\]++|\\.)*+")[ \t\r\n]*:', re.DOTALL)
DEPTH_MAX = 1000
"""A register is three deep."""


class UnreadableBody(HeadwayError):
    """The body cannot be cut into events at all."""


class TooManyEvents(HeadwayError):
    """More events in one body than the limit."""


class Offered(NamedTuple):
    """One event: its register's bytes; or what was sent as one, and the fault for which its envelope gives none."""

    register: bytes
    fault: InvalidRegister | None = None


def is_batch(media_type: str, body: bytes, *, binary_mode: bool) -> bool:
    """Whether the answer lists events: lines, a CloudEvents batch, or a JSON array that is not one CloudEvent's data."""
    if binary_mode:
        return False
    return media_type in BATCH_TYPES or (media_type == JSON and body.lstrip(BLANKS)[:1] == b"[")


def split(media_type: str, headers: Mapping[str, str], body: bytes, events_max: int) -> list[Offered]:
    """The events of a body of one of `MEDIA_TYPES`, in their order.

    headers: lower case; ``ce-specversion`` among them makes it a CloudEvent in binary mode. Blank lines are no events.
    Raises UnreadableBody or TooManyEvents.
    """
    if "ce-specversion" in headers:
        return [_binary(headers, body)]
    if media_type == CLOUD_EVENT:
        return [_structured(body)]
    if media_type == LINES:
        lines = [line.rstrip(b"\r") for line in body.split(b"\n") if line.strip(BLANKS)]
        if len(lines) > events_max:
            raise TooManyEvents(f"a batch holds at most {events_max} events, this one {len(lines)}")
        return [Offered(line) for line in lines]
    if not is_batch(media_type, body, binary_mode=False):
        return [Offered(body)]
    elements = []
    for element in _elements(body, b"["):
        elements.append(element)
        if len(elements) > events_max:
            raise TooManyEvents(f"a batch holds at most {events_max} events, this one more")
    return [_structured(e) if media_type == CLOUD_EVENTS else Offered(e) for e in elements]


def _elements(body: bytes, opening: bytes) -> Iterator[bytes]:
    """The bytes between the top commas of an array (or of an object: its members)."""
    depth = start = end = 0
    for token in _TOKEN.finditer(body):
        mark = body[token.start() : token.start() + 1]
        if depth == 0 and (end or mark != opening or body[: token.start()].strip(BLANKS)):
            break
        if mark in b"[{":
            depth += 1
            if depth > DEPTH_MAX:
                raise UnreadableBody(f"this body is nested more than {DEPTH_MAX} deep")
            start = token.end() if depth == 1 else start
        elif mark in b"]}" or (mark == b"," and depth == 1):
            depth -= mark != b","
            if depth == 0 or mark == b",":
                element = body[start : token.start()].strip(BLANKS)
                if element or mark == b"," or body[start - 1 : start] == b",":
                    yield element
                start = token.end()
            end = token.end() if depth == 0 else 0
    if not end or body[end:].strip(BLANKS):
        raise UnreadableBody("this body is no whole JSON " + ("array" if opening == b"[" else "object"))


def _structured(event: bytes) -> Offered:
    """A CloudEvent whose attributes stand beside its `data` (or `data_base64`) in one JSON object."""
    try:
        members = [_member(part) for part in _elements(event, b"{")]
        values = dict(members)
        _check_members(members, values)
        attributes = {name: json.loads(value) for name, value in members if name not in {"data", "data_base64"}}
        _check({name: attributes.get(name) for name in (*_ATTRIBUTES, "datacontenttype")})
        if "data" in values:
            return Offered(values["data"])
        return Offered(base64.b64decode(json.loads(values["data_base64"]), validate=True))
    except InvalidRegister as fault:
        return Offered(event, fault)
    except UnreadableBody as error:
        return Offered(event, InvalidRegister(RejectReason.NOT_JSON, str(error)))
    except (ValueError, TypeError, RecursionError, binascii.Error) as error:
        return Offered(event, InvalidRegister(RejectReason.NOT_JSON, f"this is no CloudEvent ({type(error).__name__})"))


def _check_members(members: list[tuple[str, bytes]], values: Mapping[str, bytes]) -> None:
    if len(values) != len(members):
        raise InvalidRegister(RejectReason.DUPLICATE_KEY, "a CloudEvent names an attribute twice")
    if ("data" in values) == ("data_base64" in values):
        raise InvalidRegister(RejectReason.MISSING_FIELD, "a CloudEvent has either data or data_base64")


def _member(part: bytes) -> tuple[str, bytes]:
    key = _MEMBER.match(part)
    if key is None:
        raise InvalidRegister(RejectReason.NOT_AN_OBJECT, "a CloudEvent is a JSON object")
    return str(json.loads(key[1])), part[key.end() :].strip(BLANKS)


def _binary(headers: Mapping[str, str], body: bytes) -> Offered:
    """A CloudEvent whose attributes stand in the headers `ce-…`; the body is its data."""
    try:
        _check({name: headers.get(f"ce-{name}") for name in _ATTRIBUTES})
    except InvalidRegister as fault:
        return Offered(body, fault)
    return Offered(body)


def _check(attributes: Mapping[str, object]) -> None:
    for name in _ATTRIBUTES:
        if not isinstance(attributes[name], str) or not attributes[name]:
            raise InvalidRegister(RejectReason.MISSING_FIELD, f"a CloudEvent needs the attribute {name}")
    if attributes["specversion"] != "1.0":
        raise InvalidRegister(RejectReason.WRONG_FIELD, "only CloudEvents of specversion 1.0 are read")
    content = attributes.get("datacontenttype")
    if content is not None and str(content).split(";")[0].strip().lower() != JSON:
        raise InvalidRegister(RejectReason.WRONG_FIELD, f"a CloudEvent's data must be {JSON}")
