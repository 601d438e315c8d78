"""The casebook on a real broker: the same cases as beside the embedded runner, a rebuild, and people's word in the next close."""

from __future__ import annotations

import json
import threading
from contextlib import closing, contextmanager
from datetime import UTC, date, datetime, time
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa

from casebook import tables as t
from casebook.casework import Casework
from casebook.database import Database
from casebook.directory import Directory, Membership, Person
from casebook.embedded_feed import EmbeddedFeed
from casebook.feed import Feed
from casebook.inbox import inbox
from casebook.ledger import Ledger
from casebook.live_feed import LiveFeed, begin_anew, relay_to_topic
from casebook.relay import Relay
from casebook.scope import Role, Scope
from models.parameters import BUDGET, Parameters
from schemas.acknowledgement import Verdict
from schemas.errors import WrongUsage
from streams import casebook_consumer, clock, topology
from streams.reference_publish import publish_reference
from streams.sqlite_log import EmbeddedLogs
from tests.casebooks import KEY, salts
from tests.live.conformance import INTERLEAVINGS, Arrival, embedded, live, whole
from tests.live.fleet import Fleet
from tests.live.scripts import hub

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from streams.live_settings import LiveSettings
    from streams.replay import Reference

READ_MODEL = (t.reading, t.reading_path, t.register, t.school, t.calendar)


class Follower:
    """The live feed in a thread, as `headway casebook` runs it."""

    def __init__(self, settings: LiveSettings, database: Database) -> None:
        self.settings, self.database = settings, database
        self.feed = Feed(database, Ledger(database, KEY), clock.now)

    @contextmanager
    def following(self, *, anew: bool = False) -> Iterator[None]:
        live_feed = LiveFeed(self.feed, self.settings)
        if anew:
            begin_anew(self.settings)
        live_feed.follow(anew=anew)
        stop = threading.Event()
        thread = threading.Thread(target=casebook_consumer.run, args=(self.settings, live_feed.handle, stop))
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join(30)

    def until(self, holds: Callable[[], bool], seconds: float = 60) -> None:
        deadline = clock.monotonic_seconds() + seconds
        while not holds():
            assert clock.monotonic_seconds() < deadline, f"it did not come to pass: {self.feed.stands()}"
            threading.Event().wait(0.2)

    def heard(self, closes: int) -> bool:
        """So many closes have become cases, and every register that the topic holds is there."""
        stands = self.feed.stands()
        with self.database.read() as connection:
            readings = connection.execute(
                sa.select(sa.func.max(t.reading.c.close_number)).where(t.reading.c.epoch == stands.epoch)
            ).scalar()
        return stands.applied == closes and readings == closes and not stands.rebuilding


def rows(database: Database, *tables: sa.Table) -> dict[str, list[Any]]:
    """All rows, but for when, in which order, where in the log and in which epoch they were written."""
    passing = {"epoch", "number", "since", "applied_at", "opened_at", "changed_at", "at", "state", "row"}
    out = {}
    with database.read() as connection:
        for table in tables:
            columns = [column for column in table.columns if column.name not in passing]
            kept = connection.execute(sa.select(*columns)).all()
            out[table.name] = sorted((tuple(map(_plain, row)) for row in kept), key=repr)
    return out


def _plain(value: Any) -> Any:
    """The same of either database, which keep the keys of an object in orders of their own."""
    return json.dumps(value, sort_keys=True) if isinstance(value, dict | list) else value


def consent(database: Database, reference: Reference) -> Scope:
    """Everybody to one hub; its coordinator's scope."""
    first = date(2026, 1, 1)
    members = [Membership(int(school.urn), "hub", "regional", first) for school in reference.schools]
    Directory(database).load([Person("ann", "Ann", "ann@example.org", Role.COORDINATOR, "hub", first)], members, "test", clock.now())
    return Scope("ann", Role.COORDINATOR, "hub", clock.now().date())


@pytest.mark.timeout(600)
def test_live_and_embedded_make_the_same_cases_and_a_decision_reaches_the_next_close(
    settings: LiveSettings, topics: Any, tmp_path: Path, database: Database
) -> None:
    folder = tmp_path / "files"
    folder.mkdir()
    reference, arrivals = hub(folder)
    publish_reference(settings, reference)
    follower = Follower(settings, database)
    with Fleet(settings, tmp_path) as fleet:
        fleet.start("closer").ready()
        with follower.following():
            live(settings, arrivals[:5])
            follower.until(lambda: follower.heard(5))
        with follower.following():
            live(settings, arrivals[5:])
            follower.until(lambda: follower.heard(len(arrivals)))
            with pytest.raises(WrongUsage, match="is reading"):
                begin_anew(settings)
        before = rows(database, t.case_, t.event, *READ_MODEL)
        assert len(before["case_"]) > 1

        with closing(Database(str(tmp_path / "beside.db"))) as beside:
            beside.migrate()
            embedded(settings, reference, tmp_path / "embedded", INTERLEAVINGS["seeded"])
            with closing(EmbeddedLogs(tmp_path / "embedded" / "headway.db")) as logs:
                feed = Feed(beside, Ledger(beside, KEY), clock.now)
                EmbeddedFeed(feed, logs, reference, Parameters(), BUDGET, clock.now).catch_up()
            assert rows(beside, t.case_, t.event, *READ_MODEL) == before

        with follower.following(anew=True):
            follower.until(lambda: follower.heard(len(arrivals)))
        assert rows(database, t.case_, t.event, *READ_MODEL) == before

        scope = consent(database, reference)
        with database.read() as connection:
            case = next(one.case for one in inbox(connection, scope, clock.now()).cases if any(line.chart for line in one.case.open_lines))
        work = Casework(database, Ledger(database, KEY), salts())
        evening = datetime.combine(arrivals[-1].day, time(18), UTC)  # Simulated days may lie ahead; a word cannot.
        work.close(scope, case.case_id, case.version, evening, Verdict.HANDLED, arrivals[-1].day)
        assert Relay(database, relay_to_topic(settings), lambda: evening).step() > 0
        said = whole(settings, topology.ACKNOWLEDGEMENTS)
        assert {record.key for record in said} == {b"%d" % case.urn}
        assert all(dict(record.headers)["event_id"] for record in said)
        live(settings, [Arrival(arrivals[-1].day, [])])
        with follower.following():
            follower.until(lambda: follower.heard(len(arrivals) + 1))
    with database.read() as connection:
        a = t.alert_record.c
        reasons = connection.execute(sa.select(a.reason).where(a.urn == case.urn, a.close_number == len(arrivals) + 1)).scalars().all()
    assert "acknowledged" in reasons
