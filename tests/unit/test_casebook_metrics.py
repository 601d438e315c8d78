"""What the casebook, the delivery and the console show to Prometheus: by hub and channel, never by school."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import UUID

import httpx
import pytest
import sqlalchemy as sa
from prometheus_client import generate_latest

from casebook import tables as t
from casebook.casebook_metrics import CasebookMetrics, metrics_port
from casebook.database import CasebookUnavailable, Database
from casebook.delivery import Delivery
from casebook.outbox import put
from casebook.settings import CasebookSettings
from console.page_metrics import PageMetrics
from schemas.alert import AlertKind, AlertState
from streams.metrics import Metrics
from tests.casebooks import HUB_A, HUB_B, Book, alert
from tests.desks import Seat
from tests.unit.test_delivery import NOW, Office, Postbox, smtp

if TYPE_CHECKING:
    from pathlib import Path


def seen(book: Book) -> tuple[CasebookMetrics, Metrics]:
    metrics = Metrics("serve")
    return CasebookMetrics(book.database, metrics, lambda: book.now, lambda moment: moment.date()), metrics


def value(metrics: Metrics, name: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(name, labels)


def test_open_cases_are_counted_by_hub_and_the_oldest_that_nobody_took_is_timed(database: Database) -> None:
    book = Book(database)
    book.close(1, alert(HUB_A[0], AlertKind.LEVEL_DROP, AlertState.OPENED, 1, 1))
    first = book.now
    drop, data = AlertKind.LEVEL_DROP, AlertKind.DATA
    book.close(3, alert(HUB_A[1], drop, AlertState.OPENED, 3, 3), alert(HUB_B[0], data, AlertState.OPENED, 3, 3))
    watched, metrics = seen(book)
    watched.read()
    assert value(metrics, "headway_cases_open", hub="hub A", kind="attendance", standing="waiting") == 2
    assert value(metrics, "headway_cases_open", hub="hub B", kind="data", standing="waiting") == 1
    assert value(metrics, "headway_cases_open", hub="hub B", kind="attendance", standing="taken") == 0
    assert value(metrics, "headway_case_waits_since_timestamp_seconds", hub="hub A") == first.timestamp()
    assert value(metrics, "headway_database_answers") == 1
    oldest = book.case(HUB_A[0])
    book.work.take(book.scope(), oldest.case_id, oldest.version, book.now)
    watched.read()
    assert value(metrics, "headway_cases_open", hub="hub A", kind="attendance", standing="taken") == 1
    assert value(metrics, "headway_case_waits_since_timestamp_seconds", hub="hub A") == book.now.timestamp()


def test_the_outbox_is_measured_by_channel_until_it_is_empty(database: Database) -> None:
    with smtp(Postbox()) as transport:
        office = Office(database, mail=transport)
        watched, metrics = seen(office.book)
        delivery = Delivery(database, {"mail": transport}, lambda: NOW, lambda moment: moment.date(), watched.sent)
        watched.read()
        assert value(metrics, "headway_outbox_messages", channel="mail", state="waiting") == 1
        assert value(metrics, "headway_outbox_waits_since_timestamp_seconds", channel="mail") == NOW.timestamp()
        assert delivery.step() == 1
    watched.read()
    assert value(metrics, "headway_outbox_messages", channel="mail", state="waiting") == 0
    assert value(metrics, "headway_outbox_waits_since_timestamp_seconds", channel="mail") is None
    assert value(metrics, "headway_messages_total", channel="mail", outcome="sent") == 1


def fill(database: Database, schools: int) -> Book:
    """Half of each of two hubs' schools has an open case, and a message waits for some of them."""
    book = Book(database)
    urns = range(300_000, 300_000 + schools - len(HUB_A) - len(HUB_B))
    member = {"support": "regional", "consent_from": book.now.date() - timedelta(days=1), "from_version": 1}
    case = {"kind": "attendance", "status": "open", "version": 1, "opened_at": book.now, "changed_at": book.now, "snoozed": False}
    cases = [case | {"case_id": UUID(int=n), "urn": n, "leading_record": UUID(int=n), "state": {}} for n in urns[::2]]
    with database.write() as connection:
        connection.execute(sa.insert(t.membership), [member | {"urn": urn, "hub": f"hub {'AB'[urn % 2]}"} for urn in urns])
        connection.execute(sa.insert(t.case_), cases)
        for n in urns[:: max(1, schools // 50)]:
            put(database, connection, class_="digest", key=str(n), channel="mail", body={}, at=book.now, recipient="ann")
    return book


@pytest.mark.slow
def test_no_series_of_the_casebook_grows_with_the_number_of_schools(tmp_path: Path) -> None:
    counted: dict[int, set[str]] = {}
    for schools in (57, 24_000):
        database = Database(str(tmp_path / f"{schools}.db"))
        database.migrate()
        watched, metrics = seen(fill(database, schools))
        watched.read()
        lines = generate_latest(metrics.registry).decode().splitlines()
        counted[schools] = {line.rpartition(" ")[0] for line in lines if not line.startswith("#") and "_created" not in line}
        total = sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith("headway_cases_open{"))
        assert total == (schools - 10 + 1) // 2
        database.close()
    assert counted[57] == counted[24_000]
    assert not [one for one in counted[24_000] if re.search(r"\d{6}", one)]


def test_a_database_that_does_not_answer_is_seen_and_what_was_read_stays(tmp_path: Path) -> None:
    database = Database(str(tmp_path / "casebook.db"))
    database.migrate()
    watched, metrics = seen(Book(database))
    watched.read()
    with database.write() as connection:
        connection.exec_driver_sql("ALTER TABLE membership RENAME TO elsewhere")
    with pytest.raises(CasebookUnavailable):
        watched.read()
    database.close()
    assert value(metrics, "headway_database_answers") == 0
    assert value(metrics, "headway_cases_open", hub="hub A", kind="data", standing="waiting") == 0


def test_a_process_of_its_own_has_its_port(tmp_path: Path) -> None:
    database = Database(str(tmp_path / "casebook.db"))
    database.migrate()
    problems: list[str] = []
    with metrics_port("deliver", CasebookSettings(), database, lambda: problems) as port:
        url = f"http://127.0.0.1:{port.health.port}"
        assert "headway_outbox_messages" in httpx.get(f"{url}/metrics").text
        assert httpx.get(f"{url}/ready").status_code == httpx.codes.OK
        problems.append("delivery failed")
        assert json.loads(httpx.get(f"{url}/ready").text)["reasons"] == ["delivery failed"]
    database.close()


@pytest.mark.parametrize(("path", "status"), [("/inbox", 200), ("/schools/999999", 404)])
def test_a_page_is_counted_by_its_name_and_status(database: Database, path: str, status: int) -> None:
    metrics, ticks = Metrics("console"), iter([1.0, 1.5])
    seat = Seat(Book(database), begun=PageMetrics(metrics, lambda: next(ticks)).answered)
    assert seat.caller("ann").get(path).status_code == status
    names = {page.path: page.name for page in seat.table if page.method == "GET"}
    name = names.get(path) or names["/schools/{urn}"]
    assert value(metrics, "headway_pages_total", page=name, status=str(status)) == 1
    assert value(metrics, "headway_page_seconds_sum") == 0.5
    assert "999999" not in generate_latest(metrics.registry).decode()
