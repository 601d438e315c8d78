"""How fast the console answers: over HTTP, with 57 schools, and with 24,000 schools and 10,000 cases.

usage: python -m benchmarks.console [--requests 200] [--postgres]
A casebook is filled by hand, the console serves it in a thread of this process, one signed-in coordinator asks page after page.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid5

import httpx2
import numpy as np
import sqlalchemy as sa
from pydantic import SecretStr

from benchmarks.evidence import write
from casebook import tables as t
from casebook.case_state import Case, CaseKind, CaseStatus, Line, Size, fingerprint
from casebook.case_store import write_cases
from casebook.database import Database
from casebook.directory import Directory, Membership, Person, roles_of
from casebook.ledger import Ledger
from casebook.scope import Role
from console.app import console_app
from console.desk import Helper
from console.oidc import OpenIdClient
from console.opening import open_desk
from console.rate_limits import RateLimits
from console.routes import TABLE
from console.serving import WebServer, listen
from schemas.alert import AlertKind, AlertState

if TYPE_CHECKING:
    from collections.abc import Iterator

HUB_SCHOOLS, DAYS = 57, 130
FIRST = date(2026, 9, 7)
NOW = datetime(2027, 3, 16, 8, 0, tzinfo=UTC)
_NAMESPACE = UUID(int=7)
_AT_ONCE = 2_000


@dataclass(frozen=True)
class Filled:
    """A casebook with so many schools in hubs of 57; cases spread over them, a third of them open."""

    database: Database
    schools: int
    cases: int
    case: UUID
    urn: int


def fill(database: Database, schools: int, cases: int) -> Filled:
    """The first hub has a whole year of readings and registers; every school has the newest ten days."""
    days = [day for i in range(400) if (day := FIRST + timedelta(days=i)).weekday() < 5][:DAYS]
    urns = [100_000 + i for i in range(schools)]
    hubs = [f"hub {i // HUB_SCHOOLS}" for i in range(schools)]
    rng = np.random.default_rng(1)
    since = datetime(2026, 9, 7, 17, tzinfo=UTC)
    members = [Membership(u, h, "enhanced" if i % 10 == 0 else "regional", FIRST) for i, (u, h) in enumerate(zip(urns, hubs, strict=True))]
    people = [
        Person(f"p{i}", f"Person {i}", f"p{i}@hub.example", Role.COORDINATOR, hub, FIRST) for i, hub in enumerate(dict.fromkeys(hubs))
    ]
    people.append(Person("ana", "Ana", "ana@hub.example", Role.ANALYST, "", FIRST))
    Directory(database).load(people, members, "benchmark", since)
    made = [_case(i, urns[i % schools], days, open_=i % 3 == 0) for i in range(cases)]
    with database.write() as db:
        database.upsert(db, t.school, (_school(u, h) for u, h in zip(urns, hubs, strict=True)))
        database.upsert(db, t.close_, [_close(n, day) for n, day in enumerate(days, 1)])
        span = {"row": 0, "scope": "all", "kind": "term", "first_date": FIRST, "last_date": date(2027, 7, 16)}
        database.upsert(db, t.calendar, [span])
        database.upsert(db, t.alert_record, (_alert(case) for case in made))
        write_cases(database, db, made)
        for i, urn in enumerate(urns):
            held = days if i < HUB_SCHOOLS else days[-10:]
            database.upsert(db, t.reading, (_reading(urn, day, rng) for day in held))
            database.upsert(db, t.reading_path, (_path(urn, day) for day in held))
            if i < HUB_SCHOOLS:
                database.upsert(db, t.register, (_register(urn, day, s, rng) for day in held for s in ("AM", "PM")))
        db.execute(sa.text("ANALYZE"))
    return Filled(database, schools, cases, made[0].case_id, urns[0])


def _school(urn: int, hub: str) -> dict[str, Any]:
    phase = ("primary", "primary", "secondary")[urn % 3]
    return {
        "urn": urn,
        "name": f"School {urn}",
        "phase": phase,
        "region": f"region {urn % 10}",
        "local_authority": "LA",
        "hub": hub,
        "roll": 400,
    }


def _close(number: int, day: date) -> dict[str, Any]:
    at = datetime(day.year, day.month, day.day, 17, 30, tzinfo=UTC)
    named = dict.fromkeys(("engine_version", "parameters_digest", "reference_version", "state_digest"), "x")
    return named | {"epoch": 1, "number": number, "close_id": str(number), "day": day, "alerts": 0, "completed_at": at, "applied_at": at}


def _case(i: int, urn: int, days: list[date], *, open_: bool) -> Case:
    opened = days[(i * 37) % DAYS]
    at = datetime(opened.year, opened.month, opened.day, 17, 30, tzinfo=UTC)
    alert = uuid5(_NAMESPACE, str(i))
    line = Line(
        alert_id=alert,
        record_id=uuid5(alert, "1"),
        fingerprint=fingerprint(urn, AlertKind.OFF_TRAJECTORY, "T"),
        kind=AlertKind.OFF_TRAJECTORY,
        chart="T",
        state=AlertState.OPENED if open_ else AlertState.CLOSED,
        opened_on=opened,
        as_of=opened,
        size=Size(rank=10.0 + i % 900, pupils_a_day=4.0),
        leading_cell="year_group:7",
        reason="chart T passed its decision interval",
    )
    return Case(
        case_id=uuid5(alert, "case"),
        urn=urn,
        kind=CaseKind.ATTENDANCE,
        status=CaseStatus.OPEN if open_ else CaseStatus.CLOSED,
        opened_at=at,
        opened_as_of=opened,
        changed_at=at,
        version=1,
        lines=(line,),
    )


def _alert(case: Case) -> dict[str, Any]:
    line = case.lines[0]
    evidence = {
        "statistic": 4.9,
        "decision_interval": 4.2,
        "school_days": 20,
        "sessions": 40,
        "possible_sessions": 16_000,
        "absences": 1_500,
    }
    evidence |= {
        "expected_absences": 1_300.0,
        "excess_absences": 200.0,
        "common_absences": 40.0,
        "excess_ratio": 0.0125,
        "pupils_a_day": 5.0,
    }
    return {
        "record_id": uuid5(line.alert_id, "1"),
        "alert_id": line.alert_id,
        "epoch": 1,
        "close_number": 1,
        "urn": case.urn,
        "area": None,
        "kind": str(line.kind),
        "chart": "T",
        "state": "opened",
        "opened_on": line.opened_on,
        "as_of": line.as_of,
        "onset_about": line.opened_on,
        "once_in_school_years": line.size.rank,
        "evidence": evidence,
        "attribution": {"own": 200.0, "year_group:7": 120.0, "year_group:8": 80.0, "code:I": 90.0, "code:O": 110.0},
        "reason": line.reason,
    }


def _reading(urn: int, day: date, rng: np.random.Generator) -> dict[str, Any]:
    absences = int(rng.integers(30, 80))
    named = dict.fromkeys((c.name for c in t.reading.columns), None)
    counts = {"possible_sessions": 800, "absences": absences, "charted_possible_sessions": 800, "charted_absences": absences}
    where = {
        "urn": urn,
        "attendance_date": day,
        "epoch": 1,
        "close_number": DAYS,
        "absence_ratio": absences / 800,
        "condition": "in_control",
    }
    return named | counts | where | {"statistic_level": 1.0}


def _path(urn: int, day: date) -> dict[str, Any]:
    named = dict.fromkeys((c.name for c in t.reading_path.columns), None)
    return named | {"urn": urn, "attendance_date": day, "epoch": 1, "close_number": DAYS, "expected_ratio": 0.06, "statistic_target": 2.0}


def _register(urn: int, day: date, session: str, rng: np.random.Generator) -> dict[str, Any]:
    counts = {str(g): {"/": 75, "I": int(rng.integers(1, 9)), "O": int(rng.integers(1, 6))} for g in range(7, 12)}
    when = {"urn": urn, "attendance_date": day, "session": session, "revision": 0, "recorded_at": f"{day}T10:00:00Z"}
    return when | {"sha256": b"0" * 32, "source": "x", "counts": counts}


def pages(filled: Filled) -> dict[str, str]:
    """What a coordinator opens."""
    case, urn = filled.case, filled.urn
    return {
        "inbox": "/inbox",
        "case": f"/cases/{case}",
        "then and now": f"/cases/{case}/then-and-now",
        "school": f"/schools/{urn}",
        "schools": "/schools",
        "areas": "/areas",
        "another hub's case": f"/cases/{UUID(int=1)}",
    }


def measure(filled: Filled, requests: int) -> Iterator[dict[str, Any]]:
    """Milliseconds of each page, over HTTP, one after the other, interleaved."""
    desk = open_desk(
        filled.database,
        Ledger(filled.database, b"k" * 32),
        OpenIdClient("http://127.0.0.1:9", "x", SecretStr("x")),
        "http://127.0.0.1:8097",
        Helper("hub", "H", "", ""),
        now=lambda: NOW,
    )
    ticks = iter(range(0, 10**9, 3_600))
    desk = replace(desk, limits=RateLimits(lambda: float(next(ticks))))
    listening = listen("127.0.0.1", 0)
    server = WebServer(console_app(desk, TABLE), listening)
    base = f"http://127.0.0.1:{listening.getsockname()[1]}"
    server.start()
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in (*pages(filled), "analysis")}
    with filled.database.read() as db:
        (coordinator,), (analyst,) = (roles_of(db, NOW.date(), person=who) for who in ("p0", "ana"))
    cookies = [desk.sign_ins.begin(person, NOW) for person in (coordinator, analyst)]
    with (
        httpx2.Client(base_url=base, cookies={desk.cookie: cookies[0]}) as one,
        httpx2.Client(base_url=base, cookies={desk.cookie: cookies[1]}) as two,
    ):
        for i in range(requests + 5):
            for name, path in pages(filled).items():
                _ask(one, path, times[name] if i >= 5 else [])
            if i % 10 == 0:
                _ask(two, "/analysis", times["analysis"])
    server.stop()
    for name, held in times.items():
        p50, p95 = np.percentile([wall for wall, _ in held], [50, 95])
        yield {
            "schools": filled.schools,
            "cases": filled.cases,
            "page": name,
            "requests": len(held),
            "p50 ms": round(float(p50), 1),
            "p95 ms": round(float(p95), 1),
            "slowest ms": round(max(wall for wall, _ in held), 1),
            "processor p95 ms": round(float(np.percentile([used for _, used in held], 95)), 1),
        }


def _ask(client: httpx2.Client, path: str, times: list[tuple[float, float]]) -> None:
    began, used = time.perf_counter(), time.process_time()
    answer = client.get(path)
    took, used = 1_000 * (time.perf_counter() - began), 1_000 * (time.process_time() - used)
    wanted = 404 if "/cases/00000000" in path else 200
    if answer.status_code != wanted:
        raise SystemExit(f"{path}: {answer.status_code}")
    times.append((took, used))


def main() -> None:
    """Both sizes, SQLite or PostgreSQL."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=200)
    parser.add_argument("--postgres", default="", help="an address of an empty database, in place of SQLite")
    given = parser.parse_args()
    rows = []
    for schools, cases in ((57, 24), (24_000, 10_000)):
        with tempfile.TemporaryDirectory() as folder:
            database = Database(given.postgres or str(Path(folder) / "casebook.db"))
            database.migrate()
            began = time.perf_counter()
            filled = fill(database, schools, cases)
            print(json.dumps({"schools": schools, "filled in s": round(time.perf_counter() - began, 1)}))
            rows += list(measure(filled, given.requests))
            database.close()
            if given.postgres:
                break
    goal = [
        "Goals: 100 ms at the 95th percentile with 57 schools, 300 ms with 24,000 schools and 10,000 cases.",
        "Processor: what this process used meanwhile, client included; where it is much less than the time, the machine did other work.",
        "Over HTTP in one process; opening a case or a school writes its row in the ledger, durably, before it is shown.",
    ]
    write("console", "The console's pages", f"python -m benchmarks.console --requests {given.requests}", rows, goal)


if __name__ == "__main__":
    main()
