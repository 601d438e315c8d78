"""Log lines: JSON, one a line, with an allow-list of fields, so that nothing leaves in a field that nobody thought of.

What a line is about (which close, which alert) is said once, by `about`, and stands on every line that is written meanwhile in
the same thread or task. On a terminal, and with HEADWAY_LOG=text, lines are for people.
"""

from __future__ import annotations

import logging
import os
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, TextIO

import structlog
from structlog.contextvars import bound_contextvars

from schemas.errors import BrokenPromise, WrongUsage

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from structlog.typing import EventDict

__all__ = ["FIELDS", "about", "formatter", "log_to_stderr"]

ABOUT = ("close_id", "alert_id")
FIELDS = frozenset({"at", "level", "logger", "event", "exception", "instance", *ABOUT})
"""Every field that a line may have; others are left out, whoever wrote them."""
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
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)


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
