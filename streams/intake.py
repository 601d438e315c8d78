"""Registers in over HTTP: validated, durable in the log, answered; sent again they are answered again.

==========================  =============================================================================
POST /v1/registers          one event or a batch, bare or as CloudEvents (`streams.envelopes`)
GET /v1/readings/{urn}      the provisional reading; ``?date=YYYY-MM-DD``, else the newest day held
GET /live, GET /ready       the process runs; it takes registers in and closes
==========================  =============================================================================

200 taken (a batch: each event has its own result); 422 rejected, 413 too large; 400, 401, 408, 415 not understood;
429 wait a moment; 503 stopping; 507 disk full. After 4xx but 422 and 413 of one event, and after 5xx, nothing was kept.
"""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from schemas.errors import HeadwayError, InvalidRegister, WrongUsage
from schemas.register import canonical, iso_date, parse
from schemas.reject import Reject, RejectReason
from streams import envelopes
from streams.group_commit import GroupCommit, QueueFull, Stopped
from streams.provisional import Counted
from streams.sqlite_log import LogUnavailable

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping, Sequence
    from concurrent.futures import Future

    from models.provisional import ProvisionalReading
    from streams.access import Access
    from streams.envelopes import Offered
    from streams.group_commit import Kept
    from streams.intake_metrics import IntakeMetrics
    from streams.provisional import Overlay
    from streams.sqlite_log import Appended, EmbeddedLogs

__all__ = ["Intake", "Limits", "judge"]


def judge(original: bytes) -> bytes:
    """An event's bytes to canonical bytes; raises InvalidRegister."""
    return canonical(parse(original))


@dataclass(frozen=True, slots=True)
class Limits:
    """What the intake holds at once; beyond it the sender waits."""

    batch_bytes_max: int = 16 * 1024 * 1024
    batch_events_max: int = 10_000
    pending_registers_max: int = 20_000
    pending_bytes_max: int = 64 * 1024 * 1024
    body_seconds_max: float = 30.0
    provisional_events_max: int = 200
    """A larger batch is taken in without a provisional reading of each event."""

    def __post_init__(self) -> None:
        if self.pending_registers_max < self.batch_events_max or self.pending_bytes_max < self.batch_bytes_max:
            raise WrongUsage("the limits on what is pending must hold at least one whole batch.")


class _Refused(HeadwayError):
    """The request as a whole is answered with a problem."""

    def __init__(self, status: int, error: str, detail: str, retry_after_seconds: int | None = None) -> None:
        super().__init__(detail)
        self.status, self.error, self.detail = status, error, detail
        self.headers = {} if retry_after_seconds is None else {"Retry-After": str(retry_after_seconds)}


class Intake:
    """The HTTP intake over the embedded logs; `app` is given to the server."""

    def __init__(
        self,
        logs: EmbeddedLogs,
        overlay: Overlay,
        judge: Callable[[bytes], bytes],
        access: Access,
        limits: Limits | None = None,
        problems: Callable[[], list[str]] = list,
        metrics: IntakeMetrics | None = None,
    ) -> None:
        """judge: an event's bytes -> canonical bytes, or InvalidRegister. problems: why the rest is not ready, in words."""
        self._logs, self._overlay, self._judge_one, self._access = logs, overlay, judge, access
        self._limits = limits or Limits()
        self._problems = problems
        self._metrics = metrics
        self._stopping = False
        self._bytes = 0
        self._writer: GroupCommit | None = None
        routes = [
            Route("/v1/registers", self._registers, methods=["POST"]),
            Route("/v1/readings/{urn}", self._readings, methods=["GET"]),
            Route("/live", self._live, methods=["GET"]),
            Route("/ready", self._ready, methods=["GET"]),
        ]
        self.app = Starlette(routes=routes, lifespan=self._lifespan)

    def refuse_new(self) -> None:
        """From now on answer 503; what was taken is still written."""
        self._stopping = True

    @asynccontextmanager
    async def _lifespan(self, _: Starlette) -> AsyncIterator[None]:
        self._writer = GroupCommit(self._logs, pending_registers_max=self._limits.pending_registers_max)
        try:
            yield
        finally:
            self._stopping = True
            await asyncio.to_thread(self._writer.stop)

    @property
    def pending(self) -> int:
        """Registers and rejects that wait for the disk."""
        return 0 if self._writer is None else self._writer.pending

    def problems(self) -> list[str]:
        """Why nothing should be sent here now, in words."""
        problems = self._problems()
        if self._stopping or self._writer is None:
            return [*problems, "stopping"]
        return [*problems, "the last write to the log failed"] if self._writer.failed is not None else problems

    # Answers

    async def _live(self, _: Request) -> Response:
        return _answer(200, {"live": True})

    async def _ready(self, _: Request) -> Response:
        problems = self.problems()
        return _answer(503 if problems else 200, {"ready": not problems, "problems": problems})

    async def _readings(self, request: Request) -> Response:
        try:
            self._admit(request)
            urn, asked = _asked(request)
            day = asked or self._overlay.newest_date(urn)
            reading = "no_register" if day is None else self._overlay.reading(urn, day)
        except _Refused as refused:
            return _refusal(refused)
        if isinstance(reading, str):
            return _answer(404, {"error": reading, "detail": "there is no provisional reading"})
        return _answer(200, self._shown(reading, request))

    async def _registers(self, request: Request) -> Response:
        began = 0.0 if self._metrics is None else self._metrics.seconds()
        response = await self._taken(request)
        if self._metrics is not None:
            self._metrics.answered(response.status_code, began)
        return response

    async def _taken(self, request: Request) -> Response:
        held = [0]
        try:
            self._admit(request)
            media_type, headers = _media_type(request), dict(request.headers)
            body = await self._body(request, held)
            batch = envelopes.is_batch(media_type, body, binary_mode="ce-specversion" in headers)
            bodies, rejects, places = await self._judged(media_type, headers, body, large=batch)
            kept = await self._kept(bodies, rejects)
            events = await self._results(bodies, rejects, places, kept, request)
        except _Refused as refused:
            return _refusal(refused)
        except ClientDisconnect:
            return Response(status_code=400)
        finally:
            self._bytes -= held[0]
        if batch:
            return _answer(200, _counted(events))
        return _answer(_status(events[0]), events[0])

    # Steps

    def _admit(self, request: Request) -> None:
        peer = request.client.host if request.client else ""
        if not self._access.may_speak(request.headers, peer):
            raise _Refused(401, "unauthorised", "send the intake token: Authorization: Bearer …")
        if self._stopping:
            raise _Refused(503, "stopping", "headway is stopping; try again when it is back", 5)

    async def _body(self, request: Request, held: list[int]) -> bytes:
        """The body, never more of it than the limits allow; `held[0]` counts the bytes for the caller to give back."""
        limits, chunks = self._limits, []
        too_large = _Refused(413, "too_large", f"a body has at most {limits.batch_bytes_max} bytes")
        declared = request.headers.get("content-length", "0")
        if not declared.isdigit() or int(declared) > limits.batch_bytes_max:
            raise too_large
        try:
            async with asyncio.timeout(limits.body_seconds_max):
                async for chunk in request.stream():
                    if held[0] + len(chunk) > limits.batch_bytes_max:
                        raise too_large
                    if self._bytes + len(chunk) > limits.pending_bytes_max:
                        raise _Refused(429, "busy", "too much is on its way in; try again in a moment", 1)
                    held[0] += len(chunk)
                    self._bytes += len(chunk)
                    chunks.append(chunk)
        except TimeoutError as error:
            raise _Refused(408, "too_slow", f"the body took more than {limits.body_seconds_max:g} seconds") from error
        return b"".join(chunks)

    async def _judged(
        self, media_type: str, headers: Mapping[str, str], body: bytes, *, large: bool
    ) -> tuple[list[bytes], list[Reject], list[tuple[bool, int]]]:
        """Canonical bytes, rejects, and for each event (accepted, its place among them)."""

        def step() -> tuple[list[bytes], list[Reject], list[tuple[bool, int]]]:
            return self._judge(envelopes.split(media_type, headers, body, self._limits.batch_events_max))

        try:
            return await asyncio.to_thread(step) if large else step()
        except envelopes.TooManyEvents as error:
            raise _Refused(413, "too_many_events", str(error)) from error
        except envelopes.UnreadableBody as error:
            await self._kept([], [Reject.of(body, InvalidRegister(RejectReason.NOT_JSON, str(error)))])
            raise _Refused(400, "not_json", f"{error}; the body was kept as one reject") from error

    def _judge(self, events: Sequence[Offered]) -> tuple[list[bytes], list[Reject], list[tuple[bool, int]]]:
        bodies: list[bytes] = []
        rejects: list[Reject] = []
        places = []
        for event in events:
            try:
                if event.fault is not None:
                    raise event.fault
                bodies.append(self._judge_one(event.register))
                places.append((True, len(bodies) - 1))
            except InvalidRegister as error:
                rejects.append(Reject.of(event.register, error))
                places.append((False, len(rejects) - 1))
        return bodies, rejects, places

    async def _kept(self, bodies: list[bytes], rejects: list[Reject]) -> Kept:
        """Durable in the log, or refused as a whole."""
        if self._writer is None:
            raise _Refused(503, "stopping", "headway is not started", 5)
        try:
            future: Future[Kept] = self._writer.submit(bodies, rejects)
            # Shielded: what is queued is written, whether or not the sender waits for the answer.
            kept = await asyncio.shield(asyncio.wrap_future(future))
        except QueueFull as error:
            raise _Refused(429, "busy", str(error), 1) from error
        except Stopped as error:
            raise _Refused(503, "stopping", str(error), 5) from error
        except LogUnavailable as error:
            detail = "the disk is full; nothing was kept" if error.full else "the log cannot be written; nothing was kept"
            raise _Refused(507 if error.full else 503, "log_unavailable", detail, 60) from error
        except HeadwayError as error:
            raise _Refused(503, "log_unavailable", "the log is damaged; nothing was kept", 60) from error
        if self._metrics is not None:
            self._metrics.kept(kept, rejects)
        return kept

    async def _results(
        self, bodies: list[bytes], rejects: list[Reject], places: list[tuple[bool, int]], kept: Kept, request: Request
    ) -> list[dict[str, Any]]:
        few = len(bodies) <= self._limits.provisional_events_max
        if few:
            readings = self._readings_of(bodies)
        else:
            await asyncio.to_thread(lambda: self._overlay.fill(Counted.of(body) for body in bodies))
            readings = ["large_batch"] * len(bodies)
        registers, refused = kept
        return [
            self._accepted(registers[i], readings[i], request) if accepted else _rejected(refused[i], rejects[i]) for accepted, i in places
        ]

    def _readings_of(self, bodies: list[bytes]) -> list[ProvisionalReading | str]:
        """All are in before the first is read, so that the events of a batch are each other's peers."""
        registers = [Counted.of(body) for body in bodies]
        self._overlay.fill(registers)
        return [self._overlay.reading(one.urn, one.attendance_date) for one in registers]

    def _accepted(self, at: Appended, reading: ProvisionalReading | str, request: Request) -> dict[str, Any]:
        said: dict[str, Any] = {"result": "accepted", "duplicate": at.duplicate, "position": at.position}
        if isinstance(reading, str):
            return {**said, "provisional": None, "no_reading": reading}
        return {**said, "provisional": self._shown(reading, request)}

    def _shown(self, reading: ProvisionalReading, request: Request) -> dict[str, Any]:
        shown = asdict(reading)
        if not self._access.sees_expected_path(request.headers):
            del shown["expected_ratio"], shown["common_effect_logit"]
            for flagged in shown["sudden"]:
                del flagged["expected_absences"]
        return shown


def _asked(request: Request) -> tuple[int, str | None]:
    """The school and the date of a question for a reading."""
    urn, day = request.path_params["urn"], request.query_params.get("date")
    if not (urn.isascii() and urn.isdigit() and len(urn) <= 9):
        raise _Refused(400, "bad_urn", "a URN is a whole number")
    if day is not None and iso_date(day) is None:
        raise _Refused(400, "bad_date", "a date has the form YYYY-MM-DD")
    return int(urn), day


def _media_type(request: Request) -> str:
    media_type, _, parameters = request.headers.get("content-type", "").partition(";")
    media_type = media_type.strip().lower()
    charset = [p.split("=", 1)[1].strip(' "').lower() for p in parameters.split(";") if p.strip().lower().startswith("charset=")]
    if media_type not in envelopes.MEDIA_TYPES or any(c not in {"utf-8", "utf8", "us-ascii"} for c in charset):
        raise _Refused(415, "media_type", "send one of " + ", ".join(envelopes.MEDIA_TYPES) + " in UTF-8")
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise _Refused(415, "content_encoding", "send the body uncompressed")
    return media_type


def _rejected(at: Appended, reject: Reject) -> dict[str, Any]:
    return {
        "result": "rejected",
        "duplicate": at.duplicate,
        "reject": at.position,
        "reason": reject.reason.value,
        "detail": reject.detail,
        "sha256": reject.sha256,
    }


def _status(event: Mapping[str, Any]) -> int:
    if event["result"] == "accepted":
        return 200
    return 413 if event["reason"] == RejectReason.OVERSIZED.value else 422


def _counted(events: list[dict[str, Any]]) -> dict[str, Any]:
    accepted = [e for e in events if e["result"] == "accepted"]
    return {
        "accepted": len(accepted),
        "duplicate": sum(e["duplicate"] for e in accepted),
        "rejected": len(events) - len(accepted),
        "events": events,
    }


def _refusal(refused: _Refused) -> Response:
    return _answer(refused.status, {"error": refused.error, "detail": refused.detail}, refused.headers)


def _answer(status: int, said: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> Response:
    # ASCII: a lone surrogate in a sender's own text has no UTF-8.
    text = json.dumps(said, allow_nan=False, separators=(",", ":"))
    fixed = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
    return Response(text, status, {**fixed, **(headers or {})}, "application/json")
