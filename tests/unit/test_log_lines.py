"""Log lines: JSON by an allow-list, about a close and an alert where there is one, and never with a school's name or a target."""

from __future__ import annotations

import io
import json
import logging
import threading
from typing import TYPE_CHECKING, Any

import pytest

from schemas.alert import AlertKind, AlertState
from schemas.errors import BrokenPromise, WrongUsage
from streams.log_lines import FIELDS, SELDOM_SECONDS, Seldom, about, formatter, log_to_stderr
from tests.casebooks import CANARY, HUB_A, Book, alert

if TYPE_CHECKING:
    from collections.abc import Iterator

    from casebook.database import Database


@pytest.fixture
def written() -> Iterator[io.StringIO]:
    """What is logged under `headway`, as a process writes it."""
    out, logger = io.StringIO(), logging.getLogger("headway")
    handler = logging.StreamHandler(out)
    handler.setFormatter(formatter(as_json=True, instance="casebook-0"))
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    yield out
    logger.removeHandler(handler)
    logger.setLevel(level)


def lines(out: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in out.getvalue().splitlines()]


def test_a_field_that_nobody_allowed_is_left_out(written: io.StringIO) -> None:
    logging.getLogger("headway.test").info("a message %d", 7, extra={"target_attendance": CANARY, "close_id": "c", "urn": HUB_A[0]})
    (line,) = lines(written)
    assert set(line) <= FIELDS
    assert line.pop("at").endswith("Z")
    assert line == {"level": "info", "logger": "headway.test", "event": "a message 7", "instance": "casebook-0", "close_id": "c"}


def test_what_a_line_is_about_stands_on_every_line_inside_and_on_none_after(written: io.StringIO) -> None:
    log = logging.getLogger("headway.test")
    with about(close_id="c1"):
        log.info("outer")
        with about(alert_id="a1"):
            log.warning("inner")
        other = threading.Thread(target=lambda: log.info("another thread"))
        other.start()
        other.join()
    log.info("after")
    assert [(line.get("close_id"), line.get("alert_id")) for line in lines(written)] == [
        ("c1", None),
        ("c1", "a1"),
        (None, None),
        (None, None),
    ]
    with pytest.raises(BrokenPromise), about(urn="100001"):
        pass


def test_an_error_keeps_its_traceback_in_one_line(written: io.StringIO) -> None:
    try:
        _ = 1 // len(lines(written))
    except ZeroDivisionError:
        logging.getLogger("headway.test").exception("it failed")
    (line,) = lines(written)
    assert "ZeroDivisionError" in line["exception"]


def test_a_close_that_becomes_cases_is_told_with_its_id_and_its_alerts(written: io.StringIO, database: Database) -> None:
    book, said = Book(database), alert(HUB_A[0], AlertKind.OFF_TRAJECTORY, AlertState.OPENED, 1, 1)
    book.close(1, said)
    about_alerts = [line for line in lines(written) if "alert_id" in line]
    assert [(line["close_id"], line["alert_id"]) for line in about_alerts] == [(book.chain[0].close_id, str(said.alert_id))]
    assert str(HUB_A[0]) not in written.getvalue()
    assert "off_trajectory" not in written.getvalue()


def test_on_a_terminal_or_when_asked_lines_are_for_people(written: io.StringIO) -> None:
    handler = logging.getLogger("headway").handlers[-1]
    handler.setFormatter(formatter(as_json=False))
    with about(close_id="c1"):
        logging.getLogger("headway.test").info("a message")
    assert written.getvalue().endswith(" INFO headway.test: a message close_id=c1\n")
    with pytest.raises(WrongUsage, match="HEADWAY_LOG xml: write json or text"):
        log_to_stderr({"HEADWAY_LOG": "xml"})


def test_a_warning_that_only_differs_in_figures_is_written_once_a_minute() -> None:
    now = 0.0
    seldom = Seldom(lambda: now)

    def written(words: str, *, level: int = logging.WARNING, name: str = "aiokafka.conn", error: Exception | None = None) -> bool:
        told = None if error is None else (type(error), error, None)
        return seldom.filter(logging.LogRecord(name, level, "", 0, "%s", (words,), told))

    assert written("no connection to node 1 at 0x7f3a")
    assert not written("no connection to node 2 at 0x1b00")
    assert written("no connection to node 1", name="kafka.net")
    assert written("authentication failed")
    assert written("a close failed", error=ValueError())
    assert written("a close failed", error=KeyError())
    assert written("partitions [1]", level=logging.INFO)
    assert written("partitions [1]", level=logging.INFO), "what goes well is no flood"
    now = SELDOM_SECONDS
    assert written("no connection to node 3 at 0x7f3a")


def test_a_live_process_writes_seldom(monkeypatch: pytest.MonkeyPatch) -> None:
    root = logging.getLogger()
    monkeypatch.setattr(root, "handlers", [])
    monkeypatch.setattr(root, "level", root.level)
    quiet = [logging.getLogger(name) for name in ("aiokafka", "kafka", "faust", "mode")]
    levels = [one.level for one in quiet]
    out = io.StringIO()
    log_to_stderr({"HEADWAY_LOG": "text"}, out)
    for node in range(5):
        logging.getLogger("aiokafka.conn").warning("no connection to node %d", node)
    for one, level in zip(quiet, levels, strict=True):
        one.setLevel(level)
    assert out.getvalue().count("no connection") == 1
