"""The casebook's reader on a real broker, with a real SQLite database: nothing lost, nothing doubled, wherever it dies."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import threading
import uuid
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from kafka import KafkaAdminClient, TopicPartition

from streams import clock, topology
from streams.casebook_consumer import READ, Arrived, run
from streams.connecting import TopicMissing
from streams.kafka_tools import LogReader, Sender
from streams.log_reader import PositionLost

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from streams.live_settings import LiveSettings

ROOT = Path(__file__).parents[2]
SCHOOLS = 40
PROGRAM = """
import os, signal, sys, threading
from pathlib import Path
from streams.casebook_consumer import run
from streams.live_settings import LiveSettings
from tests.live.test_casebook_consumer import Casebook
book, deaths = Casebook(Path(sys.argv[1])), int(sys.argv[2])
def handle(arrived):
    book.take(arrived)
    if book.batches() <= deaths:
        os.kill(os.getpid(), signal.SIGKILL)
run(LiveSettings(), handle, threading.Event())
"""


class Casebook:
    """The least of a casebook: what is published, once by its id; and every arrival, so that a repeat can be seen."""

    def __init__(self, path: Path) -> None:
        self.path = path
        with closing(self.connect()) as connection, connection:
            connection.execute("CREATE TABLE IF NOT EXISTS said (id TEXT PRIMARY KEY, log TEXT NOT NULL, value BLOB NOT NULL)")
            connection.execute("CREATE TABLE IF NOT EXISTS arrival (id TEXT NOT NULL)")
            connection.execute("CREATE TABLE IF NOT EXISTS batch (pid INTEGER NOT NULL)")

    def connect(self) -> sqlite3.Connection:
        return sqlite3.connect(self.path, timeout=30)

    def take(self, arrived: Sequence[Arrived]) -> None:
        """One transaction; committed when it returns."""
        ids = [self.id_of(record) for record in arrived]
        with closing(self.connect()) as connection, connection:
            rows = [(id_, record.log.name, record.value) for id_, record in zip(ids, arrived, strict=True)]
            connection.executemany("INSERT INTO said VALUES (?, ?, ?) ON CONFLICT (id) DO NOTHING", rows)
            connection.executemany("INSERT INTO arrival VALUES (?)", [(id_,) for id_ in ids])
            connection.execute("INSERT INTO batch VALUES (?)", (os.getpid(),))

    def batches(self) -> int:
        with closing(self.connect()) as connection:
            return int(connection.execute("SELECT count(*) FROM batch").fetchone()[0])

    def said(self) -> dict[str, bytes]:
        with closing(self.connect()) as connection:
            return dict(connection.execute("SELECT id, value FROM said"))

    def arrivals(self) -> int:
        with closing(self.connect()) as connection:
            return int(connection.execute("SELECT count(*) FROM arrival").fetchone()[0])

    @staticmethod
    def id_of(record: Arrived) -> str:
        if record.log == topology.ALERTS:
            return record.headers["record_id"].decode()
        return f"{record.log.name}/{record.partition}/{record.offset}"


def publish(settings: LiveSettings, close: int) -> int:
    """What a close says of every school; how many records."""
    which = [("close_id", b"c" * 64), ("close_number", str(close).encode())]
    with Sender(settings) as sender:
        for n in range(SCHOOLS):
            record_id = str(uuid.uuid5(uuid.NAMESPACE_OID, f"{close} {n}")).encode()
            for _ in range(2):  # A closer that crashed says it again, with the same id.
                sender.send(topology.ALERTS, b'{"alert":%d}' % n, b"%d" % n, [("record_id", record_id), *which])
            sender.send(topology.READINGS, b'{"reading":%d}' % n, b"%d" % n, which)
        sender.send(topology.CONTROL, b'{"record":"completed"}', None)
    return 2 * SCHOOLS + 1


def ends(settings: LiveSettings) -> int:
    with LogReader(settings) as reader:
        return sum(next_ for _, next_ in reader.bounds(*READ).values())


def committed(settings: LiveSettings) -> int:
    """The sum of the group's offsets."""
    admin = KafkaAdminClient(**settings.client())
    found = admin.list_group_offsets(settings.group("casebook"))
    admin.close()
    offsets = found.get(settings.group("casebook"), found)
    return sum(at.offset for at in offsets.values())


def eventually(holds: Callable[[], bool], seconds: float = 60) -> None:
    deadline = clock.monotonic_seconds() + seconds
    while not holds():
        assert clock.monotonic_seconds() < deadline, "it did not come to pass"
        threading.Event().wait(0.1)


@contextmanager
def reading(settings: LiveSettings, handle: Callable[[Sequence[Arrived]], None]) -> Iterator[tuple[threading.Event, threading.Thread]]:
    stop = threading.Event()
    thread = threading.Thread(target=run, args=(settings, handle, stop))
    thread.start()
    try:
        yield stop, thread
    finally:
        stop.set()
        thread.join(30)
        assert not thread.is_alive()


def test_a_new_group_reads_all_there_is_and_goes_on_where_it_was(settings: LiveSettings, topics: Any, tmp_path: Path) -> None:
    book, published = Casebook(tmp_path / "db"), publish(settings, 1)
    with reading(settings, book.take):
        eventually(lambda: len(book.said()) == published)
        eventually(lambda: committed(settings) == ends(settings))
    arrivals, published = book.arrivals(), published + publish(settings, 2)
    with reading(settings, book.take):
        eventually(lambda: len(book.said()) == published)
    assert arrivals == ends(settings) // 2
    assert book.arrivals() == ends(settings)


def test_it_stops_within_seconds_idle_or_not(settings: LiveSettings, topics: Any, tmp_path: Path) -> None:
    book, published = Casebook(tmp_path / "db"), publish(settings, 1)
    with reading(settings, book.take) as (stop, thread):
        eventually(lambda: len(book.said()) == published)
        stop.set()
        thread.join(5)
        assert not thread.is_alive()
    with reading(settings, book.take) as (stop, thread):
        stop.set()
        thread.join(5)
        assert not thread.is_alive()


@pytest.mark.parametrize("instance_id", ["casebook-0", None])
def test_killed_between_the_database_and_the_offset_nothing_is_lost_or_doubled(
    settings: LiveSettings, topics: Any, tmp_path: Path, instance_id: str | None
) -> None:
    book, published = Casebook(tmp_path / "db"), publish(settings, 1)
    environment = {"HEADWAY_KAFKA": settings.kafka, "HEADWAY_TOPIC_PREFIX": settings.topic_prefix, "PYTHONPATH": str(ROOT)}
    if instance_id:
        environment["HEADWAY_INSTANCE_ID"] = instance_id
    deaths = 2
    for _ in range(deaths):
        died = subprocess.run([sys.executable, "-c", PROGRAM, book.path, str(deaths)], env=environment, cwd=ROOT, timeout=60, check=False)
        assert died.returncode < 0
    assert committed(settings) == 0, "what it had written, it had not committed"
    with subprocess.Popen([sys.executable, "-c", PROGRAM, book.path, str(deaths)], env=environment, cwd=ROOT) as process:
        eventually(lambda: committed(settings) == ends(settings))
        process.kill()
    assert len(book.said()) == published
    assert book.arrivals() > ends(settings), "what was written before the kill came again"


def test_what_the_casebook_cannot_write_is_not_committed(settings: LiveSettings, topics: Any, tmp_path: Path) -> None:
    book, published = Casebook(tmp_path / "db"), publish(settings, 1)

    def refuse(arrived: Sequence[Arrived]) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    with pytest.raises(sqlite3.OperationalError):
        run(settings, refuse, threading.Event())
    with reading(settings, book.take):
        eventually(lambda: len(book.said()) == published)


def test_readers_share_the_work_and_take_over(settings: LiveSettings, topics: Any, tmp_path: Path) -> None:
    book, published = Casebook(tmp_path / "db"), publish(settings, 1)
    seen: dict[str, set[str]] = {"one": set(), "other": set()}

    def handle(name: str) -> Callable[[Sequence[Arrived]], None]:
        def taken(arrived: Sequence[Arrived]) -> None:
            book.take(arrived)
            seen[name] |= {f"{record.log.name}/{record.partition}" for record in arrived}

        return taken

    with reading(settings, handle("one")):
        eventually(lambda: len(book.said()) == published)
        with reading(settings, handle("other")):
            close = 1
            while len(seen["other"]) < 2:
                close += 1
                assert close < 60
                published += publish(settings, close)
                threading.Event().wait(0.5)
            eventually(lambda: len(book.said()) == published)
        mine = {name for name in seen["other"] if topology.ALERTS.name in name}
        assert {name.replace(topology.ALERTS.name, topology.READINGS.name) for name in mine} & seen["other"]
        published += publish(settings, close + 1)
        eventually(lambda: len(book.said()) == published)
        eventually(lambda: committed(settings) == ends(settings))


def test_records_that_went_away_unread_are_a_named_error(settings: LiveSettings, topics: Any, tmp_path: Path) -> None:
    book, published = Casebook(tmp_path / "db"), publish(settings, 1)
    with reading(settings, book.take):
        eventually(lambda: len(book.said()) == published)
        eventually(lambda: committed(settings) == ends(settings))
    publish(settings, 2)
    admin = KafkaAdminClient(**settings.client())
    admin.delete_records({TopicPartition(settings.topic(topology.READINGS), p): -1 for p in range(topology.READINGS.partitions)})
    admin.close()
    with pytest.raises(PositionLost, match="headway casebook --rebuild"):
        run(settings, book.take, threading.Event())


def test_without_its_topics_it_does_not_begin(settings: LiveSettings) -> None:
    with pytest.raises(TopicMissing, match="headway topics"):
        run(settings, lambda _: None, threading.Event())
