"""Pages for when something cannot be shown. What is not there and what is not this person's have the same bytes."""

from __future__ import annotations

import math
from http import HTTPStatus
from typing import TYPE_CHECKING
from urllib.parse import quote

from starlette.responses import HTMLResponse, Response

from console.views import Frame

if TYPE_CHECKING:
    from console.desk import Desk

__all__ = ["ErrorPages"]

_WORDS = {
    HTTPStatus.BAD_REQUEST: ("That form cannot be read", ("Open the page again and send it from there.",)),
    HTTPStatus.FORBIDDEN: ("That form was not sent from this service", ("Open the page again and send it from there.",)),
    HTTPStatus.NOT_FOUND: (
        "This page is not here",
        ("It may have been moved, or it may belong to a hub or school that your sign-in does not cover.",),
    ),
    HTTPStatus.INTERNAL_SERVER_ERROR: ("Something went wrong", ("Nothing was changed. Try again; if it stays so, ask for help.",)),
    HTTPStatus.SERVICE_UNAVAILABLE: (
        "Not now",
        ("The casebook does not answer at the moment. Nothing was changed; try again in a minute.",),
    ),
}


class ErrorPages:
    """Each says what to do, and nothing about what is there."""

    def __init__(self, desk: Desk) -> None:
        self._pages = desk.pages
        self._made = {status: self._render(status, *words).encode() for status, words in _WORDS.items()}

    def page(self, status: HTTPStatus) -> Response:
        """The page of a status; made once, so that it takes as long whatever was asked for."""
        return HTMLResponse(self._made[status], status)

    def too_often(self, wait_seconds: float) -> Response:
        """Slow down."""
        wait = max(1, math.ceil(wait_seconds))
        words = ("That was too often", (f"Wait {wait} seconds, then try again.",))
        return HTMLResponse(
            self._render(HTTPStatus.TOO_MANY_REQUESTS, *words), HTTPStatus.TOO_MANY_REQUESTS, headers={"retry-after": str(wait)}
        )

    def signed_out(self, back: str, *, kept: bool) -> Response:
        """A form came after the sign-in had ended. A link, not a redirect: a browser lets no form go to the issuer's origin."""
        said = ["You had not clicked for 30 minutes, or your sign-in was ended, so nothing was done."]
        if kept:
            said.append("What you typed is kept for an hour: sign in again and it stands in the form.")
        link = (f"/sign-in?next={quote(back, safe='')}", "Sign in again")
        html = self._render(HTTPStatus.UNAUTHORIZED, "You are signed out", tuple(said), link)
        return HTMLResponse(html, HTTPStatus.UNAUTHORIZED)

    def refused(self, words: str) -> Response:
        """The issuer, or our directory, does not know this person."""
        html = self._render(HTTPStatus.FORBIDDEN, "You cannot be signed in", (words,), ("/help", "Who can help"))
        return HTMLResponse(html, HTTPStatus.FORBIDDEN)

    def _render(
        self, status: HTTPStatus, heading: str, paragraphs: tuple[str, ...], link: tuple[str, str] = ("/", "Go to your first page")
    ) -> str:
        del status
        return self._pages.render("error.html", {"frame": Frame(), "heading": heading, "paragraphs": paragraphs, "link": link})
