"""Log lines: JSON, one a line, with an allow-list of fields, so that nothing leaves in a field that nobody thought of.

What a line is about (which close, which alert) is said once, by `about`, and stands on every line that is written meanwhile in
the same thread or task. On a terminal, and with HEADWAY_LOG=text, lines are for people.
"""

from __future__ import annotations

import logging
import os
import re
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, TextIO

import structlog
from structlog.contextvars import bound_contextvars

from schemas.errors import BrokenPromise, WrongUsage
from streams import clock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from structlog.typing import EventDict

__all__ = ["FIELDS", "Seldom", "about", "formatter", "log_to_stderr"]

ABOUT = ("close_id", "alert_id")
FIELDS = frozenset({"at", "level", "logger", "event", "exception", "instance", *ABOUT})
"""Every field that a line may have; others are left out, whoever wrote them."""
SELDOM_SECONDS = 60.0
_SAID_MAX = 1_000
_WORDS_MAX = 200
_FIGURES = re.compile(r"0x[0-9a-f]+|[0-9]+")
_QUIET = ("aiokafka", "kafka", "faust", "mode")


def log_to_stderr(environment: Mapping[str, str] | None = None, stream: TextIO | None = None) -> None:
    """From now on lines go to standard error; the clients' own chatter only from warnings on. Raises WrongUsage for a HEADWAY_LOG
    that is neither json nor text."""
    environment, stream = os.environ if environment is None else environment, stream or sys.stderr
    form = environment.get("HEADWAY_LOG") or ("text" if stream.isatty() else "json")
    if form not in {"json", "text"}:
        raise WrongUsage(f"HEADWAY_LOG {form}: write json or text")
    handler = logging.StreamHandler(stream)
    handler.setFormatter(formatter(as_json=form == "json", instance=environment.get("HEADWAY_INSTANCE_ID", "")))
    handler.addFilter(Seldom(clock.monotonic_seconds))
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)


class Seldom(logging.Filter):
    """Lets a warning through once a minute: without a broker its clients say the same some fifty times a second.

    The same is what one logger says in the same words but for figures, with the same exception.
    """

    def __init__(self, seconds: Callable[[], float]) -> None:
        """seconds: a monotonic clock."""
        super().__init__()
        self._seconds = seconds
        self._said: dict[tuple[str, str, str], float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the line is written."""
        if record.levelno < logging.WARNING:
            return True
        kind = record.exc_info[0] if record.exc_info else None
        words = _FIGURES.sub("", record.getMessage())[:_WORDS_MAX]
        same, now = (record.name, words, "" if kind is None else kind.__name__), self._seconds()
        if now - self._said.get(same, -SELDOM_SECONDS) < SELDOM_SECONDS:
            return False
        if len(self._said) >= _SAID_MAX:
            self._said.clear()
        self._said[same] = now
        return True


def formatter(*, as_json: bool, instance: str = "") -> logging.Formatter:
    """Of lines that anybody writes by `logging`. instance: the name of this process, on every line."""

    def allowed(_: object, __: str, line: EventDict) -> EventDict:
        if instance:
            line["instance"] = instance
        return {name: value for name, value in line.items() if name in FIELDS}

    last = structlog.processors.JSONRenderer(sort_keys=True) if as_json else _text
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[
            structlog.contextvars.merge_contextvars,
            structlog.stdlib.ExtraAdder(),
            structlog.stdlib.add_log_level,
            structlog.stdlib.add_logger_name,
            structlog.processors.TimeStamper("iso", utc=True, key="at"),
        ],
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, structlog.processors.format_exc_info, allowed, last],
    )


@contextmanager
def about(**ids: str) -> Iterator[None]:
    """What the lines inside are about: `close_id`, `alert_id`."""
    if stranger := ids.keys() - set(ABOUT):
        raise BrokenPromise(f"lines are not about {sorted(stranger)}; those they may be about are {ABOUT}")
    with bound_contextvars(**ids):
        yield


def _text(_: object, __: str, line: EventDict) -> str:
    ids = "".join(f" {name}={line[name]}" for name in ABOUT if name in line)
    exception = f"\n{line['exception']}" if "exception" in line else ""
    return f"{line['at']} {line['level'].upper()} {line['logger']}: {line['event']}{ids}{exception}"
