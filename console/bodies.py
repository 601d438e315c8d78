"""The body of a form: `application/x-www-form-urlencoded`, small, in UTF-8; a file is never taken."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

if TYPE_CHECKING:
    from starlette.requests import Request

__all__ = ["BYTES_MAX", "BadForm", "read_form"]

BYTES_MAX = 64 * 1024
_FIELDS_MAX = 50


class BadForm(Exception):
    """A body that no form of ours sends."""


async def read_form(request: Request) -> dict[str, str]:
    """Fields by name, the first of each; raises BadForm for another media type, too much of it, or bytes that are no text."""
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != "application/x-www-form-urlencoded":
        raise BadForm("not a form")
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > BYTES_MAX:
            raise BadForm("too large")
    try:
        pairs = parse_qsl(body.decode("ascii"), keep_blank_values=True, max_num_fields=_FIELDS_MAX, errors="strict")
    except ValueError as error:
        raise BadForm("not a form that can be read") from error
    out: dict[str, str] = {}
    for name, value in pairs:
        out.setdefault(name, value)
    return out
