"""What the pages say, and what they cost: as many statements for one case as for many, the same time for what is another's."""

from __future__ import annotations

import re
import statistics
from contextlib import contextmanager
from typing import TYPE_CHECKING
from uuid import UUID

import pytest
import sqlalchemy as sa

from casebook import tables as t
from casebook.database import Database
from casebook.directory import people_now
from casebook.pages_analysis import _within_phases, forecast_coverage, group_rates
from casebook.pages_budget import term_of
from casebook.scope import Role, Scope
from schemas.alert import AlertKind, AlertState
from streams import clock
from tests.casebooks import HUB_A, HUB_B, Book, alert, day
from tests.desks import Seat
from tests.hub_year import area, last_year, live, spoken

if TYPE_CHECKING:
    from collections.abc import Iterator

T, C, DATA = AlertKind.OFF_TRAJECTORY, AlertKind.LEVEL_DROP, AlertKind.DATA
OPENED, WITHDRAWN = AlertState.OPENED, AlertState.WITHDRAWN


@pytest.fixture
def book(database: Database) -> Book:
    return Book(database)


@contextmanager
def counted(database: Database) -> Iterator[list[str]]:
    """Statements that go to the database meanwhile."""
    said: list[str] = []

    def note(_: object, __: object, statement: str, *___: object) -> None:
        said.append(statement)

    sa.event.listen(database._engine, "before_cursor_execute", note)
    try:
        yield said
    finally:
        sa.event.remove(database._engine, "before_cursor_execute", note)


def test_the_inbox_asks_as_often_for_many_cases_as_for_one(book: Book) -> None:
    seat = Seat(book)
    book.close(20, alert(HUB_A[0], T, OPENED, 20, 20, rank=5.0), area("hub A", 20, 20))
    book.at(21, 8)
    one = seat.caller("ann")
    one.get("/inbox")
    with counted(book.database) as few:
        assert one.get("/inbox").text.count('class="hw-case"') == 2
    book.close(21, *(alert(urn, kind, OPENED, 21, 21) for urn in HUB_A for kind in (C, DATA)), area("hub A", 21, 21))
    book.at(22, 8)
    one = seat.caller("ann")
    one.get("/inbox")
    with counted(book.database) as many:
        assert one.get("/inbox").text.count('class="hw-case"') == 12
    assert len(many) == len(few)
    assert len(many) <= 18


def test_cases_stand_in_the_order_of_rarity_with_data_and_area_apart(book: Book) -> None:
    ranks = {HUB_A[0]: 3.0, HUB_A[1]: 2_000.0, HUB_A[2]: 40.0}
    book.close(20, *(alert(urn, T, OPENED, 20, 20, rank=rank) for urn, rank in ranks.items()), area("hub A", 20, 20), area("hub B", 20, 20))
    book.close(21, alert(HUB_A[3], DATA, OPENED, 21, 21, reason="silent"))
    book.at(22, 8)
    text = Seat(book).caller("ann").get("/inbox").text
    heading = text.index("Cases, the strongest first")
    places = [text.index(f"School {urn}<") for urn in (HUB_A[1], HUB_A[2], HUB_A[0])]
    assert places == sorted(places)
    assert heading < places[0]
    assert "once in more than 1,000 school-years" in text
    assert "once in 40 school-years" in text
    assert text.index("Registers to ask about") < text.index(f"School {HUB_A[3]}<")
    assert text.count("Hub A: absence up across the area") == 1
    assert "Hub B" not in text


def test_the_enhanced_schools_are_marked_and_can_be_shown_alone(book: Book) -> None:
    book.close(20, alert(HUB_A[0], T, OPENED, 20, 20), alert(HUB_A[1], T, OPENED, 20, 20))
    book.at(21, 8)
    one = Seat(book).caller("ann")
    everything, some = one.get("/inbox").text, one.get("/inbox?show=enhanced").text
    assert everything.count("Enhanced support</strong>") == 1
    assert f"School {HUB_A[1]}<" in everything
    assert f"School {HUB_A[0]}<" in some
    assert f"School {HUB_A[1]}<" not in some
    assert one.get("/inbox?show=everything").headers["location"] == "/inbox"


def test_the_budget_is_stated_and_judged_by_people(book: Book) -> None:
    from schemas.acknowledgement import Verdict

    book.close(20, *(alert(urn, C, OPENED, 20, 20) for urn in HUB_A[:3]))
    book.at(21, 8)
    for urn, verdict in zip(HUB_A, (Verdict.NOT_REAL, Verdict.KNEW_ALREADY), strict=False):
        case = book.case(urn)
        book.work.close(book.scope(), case.case_id, case.version, book.now, verdict, day(20))
    text = Seat(book).caller("ann").get("/inbox").text
    assert re.search(r"<dd>1 <span>found, 0\.\d expected</span>", text)
    assert "1 of 2 judged cases had something behind them, 1 were known already" in text
    assert "1 of at most 10" in text
    with book.database.read() as db:
        term = term_of(db, day(20))
    assert (term.name, term.first.isoformat(), term.last.isoformat()) == ("autumn term", "2026-09-01", "2026-12-31")
    assert 0.08 < term.share < 0.1, "20 of some 225 weekdays"


def test_a_withdrawn_case_says_why_and_keeps_its_history(book: Book) -> None:
    book.close(20, alert(HUB_A[0], T, OPENED, 20, 20))
    book.close(21, alert(HUB_A[0], T, WITHDRAWN, 20, 21, reason="the registers of 17 September were corrected"))
    book.at(22, 8)
    text = Seat(book).caller("ann").get(f"/cases/{book.case(HUB_A[0]).case_id}").text
    assert "Withdrawn: the registers of 17 September were corrected" in text
    assert "opened the case" in text


def test_a_referral_needs_two_named_people(book: Book) -> None:
    book.close(20, alert(HUB_A[0], T, OPENED, 20, 20))
    book.at(21, 8)
    seat = Seat(book)
    ann, lea, case = seat.caller("ann"), seat.caller("lea"), book.case(HUB_A[0])
    where = f"/cases/{case.case_id}"
    assert ann.post(f"{where}/refer", {"version": "1"}).status_code == 303
    assert ">Refer</strong>" not in ann.get(where).text
    again = ann.post(f"{where}/refer", {"version": "2"})
    assert again.status_code == 409
    assert "a second named person has to" in again.text
    assert lea.post(f"{where}/refer", {"version": "2"}).status_code == 303
    assert ">Refer</strong>" in ann.get(where).text


def test_what_changed_meanwhile_is_not_done_unseen(book: Book) -> None:
    book.close(20, alert(HUB_A[0], T, OPENED, 20, 20))
    book.at(21, 8)
    seat = Seat(book)
    where = f"/cases/{book.case(HUB_A[0]).case_id}"
    assert seat.caller("amy").post(f"{where}/take", {"version": "1"}).status_code == 303
    late = seat.caller("ann").post(f"{where}/note", {"version": "1", "words": "kept words"})
    assert late.status_code == 409
    assert "Something has happened to this case" in late.text
    assert "kept words</textarea>" in late.text


@pytest.mark.slow
@pytest.mark.parametrize(
    ("verb", "fields", "said"),
    [
        ("snooze", {"how": "date", "until": "2026-10-05"}, "Choose a date from"),
        ("snooze", {"how": "date", "until": ""}, "Write a date"),
        ("snooze", {"how": "for ever"}, "Choose what brings it back"),
        ("reason", {"reason": "poverty"}, "Choose what people say it is"),
        ("close", {"outcome": "retracted", "seen": "2026-10-02"}, "Choose how it ended"),
        ("close", {"outcome": "handled", "seen": "tomorrow"}, "Open the page again"),
        ("close", {"outcome": "handled", "seen": "2026-10-09"}, "No close of that day"),
        ("assign", {"to": ""}, "Choose who is to look after it"),
        ("assign", {"to": "bob"}, "Choose somebody of your hub"),
        ("note", {"words": " "}, "Write a note"),
        ("give_back", {}, "You do not hold it"),
        ("wake", {}, "The case is not snoozed"),
    ],
)
def test_what_cannot_be_done_is_said_and_nothing_is_done(book: Book, verb: str, fields: dict[str, str], said: str) -> None:
    book.close(20, alert(HUB_A[0], T, OPENED, 20, 20))
    book.at(21, 8)
    answer = Seat(book).caller("ann").post(f"/cases/{book.case(HUB_A[0]).case_id}/{verb}", {"version": "1", **fields})
    assert answer.status_code in {409, 422}
    assert said in answer.text
    assert book.case(HUB_A[0]).version == 1


def test_a_verb_that_there_is_not_is_not_here(book: Book) -> None:
    book.close(20, alert(HUB_A[0], T, OPENED, 20, 20))
    book.at(21, 8)
    assert Seat(book).caller("ann").post(f"/cases/{book.case(HUB_A[0]).case_id}/delete", {"version": "1"}).status_code == 404


def test_the_school_sees_its_own_figures_and_who_looked(book: Book) -> None:
    book.close(60, spoken(HUB_A[0], OPENED, 60, 60, rank=30.0, pupils=6.2))
    live(book)
    book.at(61, 8)
    seat = Seat(book)
    ann, head = seat.caller("ann"), seat.caller("head")
    outside, inside = ann.get(f"/schools/{HUB_A[0]}").text, head.get(f"/schools/{HUB_A[0]}").text
    assert "Counts under 10 are not shown" in outside
    assert "Counts under 10 are not shown" not in inside
    assert "fewer than 10" not in inside
    assert "Ann (coordinator)</b> opened the school&#39;s page" in inside
    assert "Take this case" not in head.get(f"/cases/{book.case(HUB_A[0]).case_id}").text
    assert "Code O, " in head.get(f"/cases/{book.case(HUB_A[0]).case_id}").text, "its own codes"
    assert "Code O, " not in ann.get(f"/cases/{book.case(HUB_A[0]).case_id}").text, "classes of codes outside"


def test_an_analyst_sees_no_group_under_ten_schools(book: Book) -> None:
    book.close(20, alert(HUB_A[0], T, OPENED, 20, 20), alert(HUB_B[0], T, OPENED, 20, 20))
    book.at(21, 8)
    seat = Seat(book)
    text = seat.caller("ana").get("/analysis").text
    assert "Schools that consent</dt><dd" in text
    assert ">10</dd>" in text, "ten schools in all: shown"
    assert re.search(r'hub A</th><td class="govuk-table__cell hw-number">–', text), "five: not shown"
    assert f"{HUB_A[0]}" not in text
    book.directory.withdraw_consent(HUB_B[0], "hub B", day(1), "test", book.now)
    assert "nothing is shown" in seat.caller("ana").get("/analysis").text, "nine schools"
    with book.database.read() as db:
        for role, of in ((Role.COORDINATOR, "hub A"), (Role.OPS, ""), (Role.SCHOOL, str(HUB_A[0]))):
            whole, splits = group_rates(db, Scope("x", role, of, book.now.date()), day(1), day(30))
            assert (whole.rates, splits) == (None, {})
            assert forecast_coverage(db, Scope("x", role, of, book.now.date()), day(30)) is None


def test_forecasts_are_held_against_what_came(book: Book) -> None:
    book.close(60)
    live(book, (*HUB_A, *HUB_B))
    p = t.reading_path.c
    with book.database.write() as db:
        db.execute(sa.update(t.reading_path).values(residual_z=1.0))
        db.execute(sa.update(t.reading_path).where(p.attendance_date == day(60)).values(residual_z=-1.7))
    book.at(61, 8)
    assert "90 % of 100 school days of the last two weeks" in Seat(book).caller("ana").get("/analysis").text
    with book.database.write() as db:
        db.execute(sa.update(t.reading_path).where(p.urn == HUB_B[0]).values(residual_z=None))
    assert "no forecast of ten schools yet" in Seat(book).caller("ana").get("/analysis").text


def test_no_size_band_gives_away_a_few_schools_of_its_phase() -> None:
    """40 primaries of which 25, 12 and 3: with 40, 25 and 12 shown, the three would follow."""
    schools = {("primary", band, "r"): n for band, n in (("a", 25), ("b", 12), ("c", 3))}
    others = {("secondary", "d", "r"): 11, ("secondary", "e", "r"): 4, ("special", "special", "r"): 5}
    both = schools | others
    shown = _within_phases(both, frozenset({"primary"}))
    assert shown == {"a"}, "of the phases that are not shown, 20 in all, 11 and the rest of nine would follow"
    assert _within_phases(both | {("special", "special", "r"): 9}, frozenset({"primary"})) == {"a", "d"}


def test_last_year_stands_beside_this_one_by_its_registers(book: Book) -> None:
    book.close(60)
    live(book)
    book.at(61, 8)
    head = Seat(book).caller("head")
    assert "there are no figures of last year" in head.get(f"/schools/{HUB_A[0]}").text
    last_year(book, HUB_A[0])
    assert "last year in the same weeks 16.7 %" in head.get(f"/schools/{HUB_A[0]}").text


def test_the_weekly_file_is_a_safe_download(book: Book) -> None:
    book.close(60)
    live(book, (*HUB_A, *HUB_B))
    book.at(61, 8)
    answer = Seat(book).caller("ana").get(f"/analysis/weekly.csv?week={day(58)}")
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.headers["content-disposition"] == f'attachment; filename="headway-week-{day(56)}.csv"'
    header, *rows = answer.text.split("\r\n")[:-1]
    assert header.startswith("time_period,time_identifier,geographic_level,")
    assert rows[0].startswith("2026,Week 48,National,E92000001,England,,2026-11-23,Total,10,")
    assert all(",c,c,c" in row for row in rows if ",Regional," in row), "five schools a region"


@pytest.mark.slow
@pytest.mark.parametrize("week", ["", "9999-12-31", "0001-01-01x", "2026-13-01", "2026-W48", "\u0662\u0660\u0662\u0666-01-01", "1e9"])
def test_a_week_that_is_none_is_not_here(book: Book, week: str) -> None:
    book.close(20)
    assert Seat(book).caller("ana").get(f"/analysis/weekly.csv?week={week}").status_code in ({404} if week != "2026-W48" else {200, 404})


def test_whoever_is_known_keeps_their_name(book: Book) -> None:
    """A lead of one hub cannot rename somebody in the histories of another."""
    lea = Seat(book).caller("lea")
    assert (
        lea.post("/people/grant", {"name": "Mallory", "email": "BOB@example.org", "role": "coordinator", "valid_to": ""}).status_code == 303
    )
    page = lea.get("/people").text
    assert "Mallory" not in page
    assert ">Bob<" in page


def test_a_name_is_one_line(book: Book) -> None:
    """It goes into the headers of mail."""
    lea = Seat(book).caller("lea")
    given = lea.post(
        "/people/grant", {"name": "Nia\r\nBcc: x@evil.example", "email": "n@example.org", "role": "coordinator", "valid_to": ""}
    )
    assert given.status_code == 303
    with book.database.read() as db:
        names = [p.name for p in people_now(db)]
    assert "Nia Bcc: x@evil.example" in names
    assert not [name for name in names if "\n" in name or "\r" in name]


def test_a_case_has_one_address(book: Book) -> None:
    book.close(20, alert(HUB_A[0], T, OPENED, 20, 20))
    book.at(21, 8)
    ann, case = Seat(book).caller("ann"), str(book.case(HUB_A[0]).case_id)
    assert ann.get(f"/cases/{case}").status_code == 200
    for spelling in (case.upper(), case.replace("-", ""), f"urn:uuid:{case}", "{" + case + "}"):
        assert ann.get(f"/cases/{spelling}").status_code == 404


def test_hub_leads_give_and_take_roles_of_their_own_hub_only(book: Book) -> None:
    seat = Seat(book)
    lea = seat.caller("lea")
    given = lea.post("/people/grant", {"name": "Nia", "email": "nia@example.org", "role": "coordinator", "valid_to": ""})
    assert (given.status_code, given.headers["location"]) == (303, "/people?done=grant")
    assert "nia@example.org" in lea.get("/people").text
    for fields, said in (
        ({"name": "X", "email": "x@example.org", "role": "analyst"}, "Choose a role"),
        ({"name": "X", "email": "no address", "role": "coordinator"}, "Write an e-mail address"),
        ({"name": "", "email": "x@example.org", "role": "coordinator"}, "Write a name"),
    ):
        refused = lea.post("/people/grant", fields)
        assert refused.status_code == 422
        assert said in refused.text
    assert lea.post("/people/revoke", {"person": "bob|coordinator"}).status_code == 422, "of another hub"
    assert lea.post("/people/revoke", {"person": "lea|hub_lead"}).status_code == 422, "her own"
    amy = seat.caller("amy")
    assert lea.post("/people/revoke", {"person": "amy|coordinator"}).status_code == 303
    assert amy.get("/inbox").status_code == 303
    named = lea.post("/people/deputy", {"person": "ann", "deputy": "lea", "first": str(book.now.date()), "last": str(book.now.date())})
    assert named.status_code == 303
    assert (
        lea.post(
            "/people/deputy", {"person": "ann", "deputy": "bob", "first": str(book.now.date()), "last": str(book.now.date())}
        ).status_code
        == 422
    )


@pytest.mark.slow
def test_anothers_case_takes_as_long_as_one_that_is_not_there(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Median over 600 interleaved pairs; a query or a ledger row more would show as milliseconds."""
    database = Database(str(tmp_path_factory.mktemp("time") / "casebook.db"))
    database.migrate()
    book = Book(database)
    book.close(20, alert(HUB_A[0], T, OPENED, 20, 20))
    book.at(21, 8)
    bob, case = Seat(book).caller("bob"), book.case(HUB_A[0]).case_id
    for theirs, nowhere in ((f"/cases/{case}", f"/cases/{UUID(int=7)}"), (f"/schools/{HUB_A[0]}", "/schools/999999")):
        differences = []
        for i in range(600):
            pair = (theirs, nowhere) if i % 2 else (nowhere, theirs)
            took = {}
            for where in pair:
                began = clock.monotonic_seconds()
                assert bob.get(where).status_code == 404
                took[where] = clock.monotonic_seconds() - began
            differences.append(took[theirs] - took[nowhere])
        assert abs(statistics.median(differences)) < 0.005, theirs
