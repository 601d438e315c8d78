"""Whether a form was sent by our own page in the signed-in person's browser, and by no other.

Three signs, each of which alone refuses: where the browser says the request comes from (Sec-Fetch-Site), the page's origin, and
a token that only a page made for this sign-in holds. The cookie's SameSite comes on top.
"""

from __future__ import annotations

import hashlib
import hmac
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["ForeignForm", "form_token", "refuse_foreign"]

_PURPOSE = b"headway form"


class ForeignForm(Exception):
    """A form that was not sent from our own page."""


def form_token(cookie: str) -> str:
    """The hidden field of every form: it follows from the sign-in's cookie, and the cookie does not follow from it."""
    return hmac.new(cookie.encode(), _PURPOSE, hashlib.sha256).hexdigest()


def refuse_foreign(headers: Mapping[str, str], form_value: str, cookie: str, origin: str) -> None:
    """Raises ForeignForm; `origin` is ours, such as https://desk.example.org."""
    site = headers.get("sec-fetch-site")
    if site is not None and site != "same-origin":
        raise ForeignForm(f"sent from another site ({site[:20]!r})")
    if headers.get("origin") != origin:
        raise ForeignForm("sent from a page of another origin")
    if not hmac.compare_digest(form_value.encode("utf-8", "replace"), form_token(cookie).encode()):
        raise ForeignForm("its token is not of this sign-in")
