"""The console as an ASGI application: the route table, signing in, the style sheet, and what every answer carries."""

from __future__ import annotations

from http import HTTPStatus
from importlib.resources import files
from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.sessions import SessionMiddleware
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from console.dispatch import Dispatcher
from console.headers import SecurityHeaders
from console.page_metrics import uncounted
from console.sign_in_pages import SignInPages

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from starlette.requests import Request

    from console.desk import Desk
    from console.visit import Page

__all__ = ["console_app"]

_GOING_SECONDS = 600
_TYPES = {".css": "text/css; charset=utf-8", ".svg": "image/svg+xml"}
_DAY_SECONDS = 86_400


def console_app(desk: Desk, table: Sequence[Page], begun: Callable[[str], Callable[[int], None]] = uncounted) -> Starlette:
    """table: every page there is; what is not in it, and is not about signing in, is not served. begun: see `Dispatcher`."""
    dispatch = Dispatcher(desk, table, begun)
    signing = SignInPages(desk, dispatch.errors)
    going = Middleware(
        SessionMiddleware,
        secret_key=desk.word(),
        session_cookie=f"{desk.cookie}-going",
        max_age=_GOING_SECONDS,
        same_site="lax",
        https_only=desk.https,
    )
    routes = [
        *(Route(page.path, dispatch.endpoint(page), methods=[page.method], name=page.name) for page in table),
        Route("/sign-in", signing.begin, methods=["GET"], middleware=[going]),
        Route("/sign-in/done", signing.done, methods=["GET"], middleware=[going]),
        Route("/sign-out", signing.end, methods=["POST"]),
        Route("/role", signing.change, methods=["POST"]),
        Route("/live", _alive, methods=["GET"]),
        *(Route(f"/static/{name}", _file(body, kind), methods=["GET"]) for name, body, kind in _static()),
    ]

    async def not_here(_: Request, __: Exception) -> Response:
        return dispatch.errors.page(HTTPStatus.NOT_FOUND)

    async def went_wrong(_: Request, __: Exception) -> Response:
        return dispatch.errors.page(HTTPStatus.INTERNAL_SERVER_ERROR)

    return Starlette(
        routes=routes,
        middleware=[Middleware(SecurityHeaders, https=desk.https)],
        exception_handlers={404: not_here, 405: not_here, 500: went_wrong},
    )


async def _alive(_: Request) -> Response:
    return PlainTextResponse("alive\n")


def _static() -> list[tuple[str, bytes, str]]:
    """The files by name: a fixed list, so that no path leads anywhere else."""
    folder = files("console").joinpath("static")
    return [(name, folder.joinpath(name).read_bytes(), _TYPES["." + name.rpartition(".")[2]]) for name in ("headway.css", "headway.svg")]


def _file(body: bytes, kind: str) -> Callable[[Request], Awaitable[Response]]:
    async def answer(_: Request) -> Response:
        return Response(body, media_type=kind, headers={"cache-control": f"public, max-age={_DAY_SECONDS}"})

    return answer
