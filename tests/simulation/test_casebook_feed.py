"""The casebook fed by the real embedded runner: the same cases however it is fed; people's word reaches the next close."""

from __future__ import annotations

import json
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa

from casebook import tables as t
from casebook.acknowledgements import acknowledgements_sent
from casebook.beside_serve import relay_to
from casebook.case_actions import charts_answered
from casebook.casework import Casework
from casebook.database import Database
from casebook.directory import Directory, Membership, Person
from casebook.embedded_feed import EmbeddedFeed
from casebook.feed import Feed
from casebook.inbox import inbox
from casebook.ledger import Ledger
from casebook.relay import Relay
from casebook.scope import Role, Scope
from models.parameters import Budget, Parameters
from schemas.acknowledgement import Verdict
from streams.acknowledgements import read_acknowledgements
from streams.intake import judge
from streams.outputs import summary
from streams.reference import read_reference
from streams.replay import midnight_after, read_input, replay
from streams.runner import EmbeddedRunner
from streams.sqlite_log import EmbeddedLogs
from tests.casebooks import KEY, salts
from tests.streams_of_registers import SmallYear, line, small_year, write_reference

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from casebook.case_state import Case
    from streams.replay import Reference

LONDON = ZoneInfo("Europe/London")
SCHOOLS = 20
SENSITIVE = Budget.of_rate(0.5)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
HISTORY = (t.event, t.free_text, t.case_, t.acknowledgement, t.ledger, t.silence, t.outbox)
DERIVED = (t.reading, t.reading_path, t.register, t.school, t.calendar)


@dataclass
class Service:
    """An embedded runner on a small year, and a casebook that follows its log; its time is the evening of the day it closes."""

    year: SmallYear
    reference: Reference
    logs: EmbeddedLogs
    book: Database
    moment: list[datetime] = field(default_factory=lambda: [datetime(2026, 9, 1, tzinfo=UTC)])

    def __post_init__(self) -> None:
        self.runner = EmbeddedRunner(self.logs, self.reference, Parameters(), SENSITIVE, self.now)
        self.ledger = Ledger(self.book, KEY)
        self.work = Casework(self.book, self.ledger, salts())
        self.registers = sorted((datetime.fromisoformat(e["recorded_at"]), judge(line(e))) for e in self.year.events)
        self.days = sorted({date.fromisoformat(e["attendance_date"]) for e in self.year.events})
        self.sent = 0

    def now(self) -> datetime:
        return self.moment[0]

    def feed(self) -> EmbeddedFeed:
        """A new one, as after a restart."""
        return EmbeddedFeed(Feed(self.book, self.ledger, self.now), self.logs, self.reference, Parameters(), SENSITIVE, self.now)

    def close(self, day: date, *, everything: bool = False) -> None:
        """What was recorded before the day's midnight comes in, and the day is closed."""
        cut = _EPOCH + timedelta(microseconds=midnight_after((day - _EPOCH.date()).days, LONDON))
        until = sum(everything or at < cut for at, _ in self.registers)
        self.logs.append_registers([body for _, body in self.registers[self.sent : until]])
        self.sent = until
        self.moment[0] = datetime(day.year, day.month, day.day, 17, 30, tzinfo=UTC)
        self.runner.close(day, self.logs.end_positions())

    def members(self) -> None:
        """Everybody consents to one hub, with one coordinator."""
        first = date(2026, 9, 1)
        people = [Person("ann", "Ann", "ann@example.org", Role.COORDINATOR, "hub", first)]
        members = [Membership(int(s.urn), "hub", "regional", first) for s in self.reference.schools]
        Directory(self.book).load(people, members, "test", self.now())

    def scope(self) -> Scope:
        return Scope("ann", Role.COORDINATOR, "hub", self.now().date())


@contextmanager
def service(folder: Path, database: Database, seed: int = 3, *, days: int = 30) -> Iterator[Service]:
    folder.mkdir(exist_ok=True)
    year = small_year(seed, days=days, schools=SCHOOLS)
    reference = read_reference(*write_reference(year, folder))
    with closing(EmbeddedLogs(folder / "headway.db", now=lambda: datetime(2026, 9, 1, tzinfo=UTC))) as logs:
        yield Service(year, reference, logs, database)


@contextmanager
def another(folder: Path) -> Iterator[Database]:
    folder.mkdir(exist_ok=True)
    with closing(Database(str(folder / "casebook.db"))) as made:
        made.migrate()
        yield made


def rows(database: Database, *tables: sa.Table) -> dict[str, list[Any]]:
    """All rows, but for what says when and in which epoch they were written."""
    out = {}
    with database.read() as connection:
        for table in tables:
            columns = [c for c in table.columns if c.name not in {"epoch", "number", "since", "applied_at"}]
            kept = [tuple(_comparable(value) for value in row) for row in connection.execute(sa.select(*columns))]
            out[table.name] = sorted(kept, key=repr)
    return out


def _comparable(value: object) -> object:
    return json.dumps(value, sort_keys=True) if isinstance(value, dict | list) else value


@pytest.mark.slow
@pytest.mark.parametrize("seed", [3, 5])
def test_fed_after_each_close_after_restarts_or_all_at_once_the_cases_are_the_same(database: Database, tmp_path: Path, seed: int) -> None:
    with service(tmp_path / "one", database, seed) as here:
        feed = here.feed()
        for day in here.days:
            here.close(day)
            feed = here.feed() if day.toordinal() % 3 == 0 else feed
            feed.catch_up()
            assert feed.catch_up() == [], "a second look finds nothing new"
        with another(tmp_path / "late") as late:
            there = EmbeddedFeed(Feed(late, Ledger(late, KEY), here.now), here.logs, here.reference, Parameters(), SENSITIVE, here.now)
            assert len(there.catch_up()) == len(here.days)
            assert rows(late, t.event, t.case_, *DERIVED) == rows(database, t.event, t.case_, *DERIVED)
        kept = rows(database, t.case_, *DERIVED)
        assert len(kept["case_"]) > 5
        assert len(kept["reading"]) == len(here.days) * SCHOOLS
        assert len(kept["register"]) > 300


@pytest.mark.slow
def test_a_rebuild_gives_the_same_rows_and_leaves_what_people_did_alone(database: Database, tmp_path: Path) -> None:
    with service(tmp_path / "one", database) as here:
        here.members()
        for day in here.days:
            here.close(day)
            here.feed().catch_up()
        _work_on_some(here)
        before, derived = rows(database, *HISTORY), rows(database, *DERIVED)
        here.feed().rebuild()
        assert rows(database, *HISTORY) == before
        assert rows(database, *DERIVED) == derived
        with database.write() as connection:
            connection.execute(sa.update(t.reading).values(absences=-1))
        here.feed().rebuild()
        assert rows(database, *DERIVED) == derived


@pytest.mark.slow
def test_what_a_new_log_does_not_say_any_more_is_withdrawn_and_its_history_stays(database: Database, tmp_path: Path) -> None:
    """As after an upgrade whose engine, replaying the registers into a new log, gives fewer alerts."""
    with service(tmp_path / "one", database) as here:
        here.members()
        for day in here.days:
            here.close(day)
        here.feed().catch_up()
        _work_on_some(here)
        cases = _cases(database)
    with service(tmp_path / "other", database) as there:
        there.runner = EmbeddedRunner(there.logs, there.reference, Parameters(), Budget.of_rate(0.001), there.now)
        for day in there.days:
            there.close(day)
        there.feed().catch_up()
        left = _cases(database)
        assert left.keys() >= cases.keys()
        with database.read() as connection:
            said = {alert for (alert,) in connection.execute(sa.select(t.alert_record.c.alert_id).where(t.alert_record.c.epoch == 2))}
            human = connection.execute(sa.select(sa.func.count()).where(t.event.c.actor == "ann")).scalar_one()
        gone = [line for case in left.values() for line in case["lines"] if line["reason"] == "method version"]
        assert gone
        assert all(line["state"] == "withdrawn" and line["alert_id"] not in {str(one) for one in said} for line in gone)
        assert human == 8
        still = {line["alert_id"] for case in left.values() for line in case["lines"] if line["state"] in {"opened", "updated"}}
        assert still <= {str(one) for one in said}


@pytest.mark.slow
def test_closing_a_case_reaches_the_next_close_and_a_replay_of_the_export_says_the_same(database: Database, tmp_path: Path) -> None:
    with service(tmp_path / "one", database) as here:
        here.members()
        relay = Relay(database, relay_to(here.logs), here.now)
        closed: dict[int, Case] = {}
        reopened = None
        for day in here.days:
            here.close(day)
            here.feed().catch_up()
            here.moment[0] += timedelta(hours=1)
            with database.read() as connection:
                found = inbox(connection, here.scope(), here.now())
            for line_ in found.cases:
                case = line_.case
                if case.urn in closed or not charts_answered(case) or len(closed) == 4:
                    continue
                closed[case.urn] = case = here.work.close(here.scope(), case.case_id, case.version, here.now(), Verdict.HANDLED, day)
                if len(closed) == 2:
                    reopened = here.work.reopen(here.scope(), case.case_id, case.version, here.now())
            relay.step()
            assert relay.step() == 0
        assert len(closed) >= 3
        assert reopened is not None
        here.close(here.days[-1], everything=True)
        here.feed().catch_up()
        digest = here.runner.chain.completed[-1][1].state_digest
        lines = [json.loads(body) for _, _, body in here.logs.read_alerts()]
        answered = {one["urn"] for one in lines if one["reason"] == "acknowledged"}
        assert answered >= closed.keys() - {reopened.urn}
        assert reopened.urn not in {one["urn"] for one in lines if one["reason"] == "acknowledged" and one["as_of"] <= str(here.days[-1])}

        sessions, said = tmp_path / "sessions.jsonl", tmp_path / "said.jsonl"
        sessions.write_bytes(b"".join(line(e) for e in here.year.events))
        with database.read() as connection:
            said.write_bytes(b"".join(body + b"\n" for body in acknowledgements_sent(connection)))
        assert _replayed(here.reference, sessions, said) == digest
        assert _replayed(here.reference, sessions, None) != digest, "or the acknowledgements would have changed nothing"


@pytest.mark.slow
def test_an_outage_of_the_log_loses_no_acknowledgement_and_a_crash_doubles_none(database: Database, tmp_path: Path) -> None:
    from streams.sqlite_log import LogUnavailable

    with service(tmp_path / "one", database) as here:
        here.members()
        for day in here.days[:20]:
            here.close(day)
        here.feed().catch_up()
        with database.read() as connection:
            case = next(one.case for one in inbox(connection, here.scope(), here.now()).cases if one.case.open_lines)
        here.work.close(here.scope(), case.case_id, case.version, here.now(), Verdict.NOT_REAL, here.days[19])

        def away(_: Any) -> None:
            raise LogUnavailable(tmp_path / "headway.db", "SQLITE_FULL (database or disk is full)")

        class Killed(BaseException):
            pass

        def written_and_killed(messages: Any) -> None:
            relay_to(here.logs)(messages)
            raise Killed

        for put in (away, away):
            assert Relay(database, put, here.now).step() == 0
            here.moment[0] += timedelta(days=1)
        with pytest.raises(Killed):
            Relay(database, written_and_killed, here.now).step()
        here.moment[0] += timedelta(minutes=5)
        assert Relay(database, relay_to(here.logs), here.now).step() == len(case.open_lines)
        assert here.logs.end_positions()["acknowledgement"] == len(case.open_lines)


def _work_on_some(here: Service) -> None:
    """Eight things that people do."""
    here.moment[0] += timedelta(hours=1)
    with here.book.read() as connection:
        found = inbox(connection, here.scope(), here.now()).cases[:4]
    for i, one in enumerate(found):
        case = here.work.take(here.scope(), one.case.case_id, one.case.version, here.now(), "words")
        if i:
            here.work.note(here.scope(), case.case_id, case.version, here.now(), "more words")
        else:
            here.work.close(here.scope(), case.case_id, case.version, here.now(), Verdict.HANDLED, here.days[-1])


def _cases(database: Database) -> dict[str, Any]:
    with database.read() as connection:
        return {str(key): state for key, state in connection.execute(sa.select(t.case_.c.case_id, t.case_.c.state))}


def _replayed(reference: Reference, sessions: Path, said: Path | None) -> str:
    held = read_input([sessions], processes=1, progress=lambda _: None)
    acknowledgements = read_acknowledgements(said)
    done = replay(reference, held, Parameters(), budget=SENSITIVE, zone=LONDON, acknowledgements=acknowledgements, progress=lambda *_: None)
    return str(summary(done, held, Parameters())["state_digest"])
