"""The tables on both databases: as the code has them, history that nothing changes, a demo that is marked."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from casebook import tables as t
from casebook.casework import Casework
from casebook.database import Database
from schemas.alert import AlertKind, AlertState
from schemas.errors import BadContents, WrongUsage
from tests.casebooks import HUB_A, Book, alert, salts

if TYPE_CHECKING:
    from pathlib import Path


def test_the_migrations_make_the_tables_that_the_code_uses(database: Database) -> None:
    with database.read() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, t.METADATA) == []


def test_to_migrate_twice_changes_nothing_and_a_newer_casebook_is_left_alone(database: Database) -> None:
    database.migrate()
    with database.write() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(BadContents, match="9999"):
        database.migrate()


@pytest.mark.parametrize(
    "statement", ["UPDATE event SET actor = 'me'", "DELETE FROM event", "UPDATE ledger SET actor = 'me'", "DELETE FROM ledger"]
)
def test_history_is_neither_changed_nor_deleted(database: Database, statement: str) -> None:
    book = Book(database)
    book.close(20, alert(HUB_A[0], AlertKind.DATA, AlertState.OPENED, 20, 20))
    case = book.case(HUB_A[0])
    Casework(database, book.ledger, salts()).take(book.scope(), case.case_id, case.version, book.now)
    with pytest.raises(sa.exc.DBAPIError, match="history"), database.write() as connection:
        connection.execute(sa.text(statement))


def test_a_school_has_at_most_one_open_case_of_a_kind_whatever_the_code_does(database: Database) -> None:
    book = Book(database)
    book.close(20, alert(HUB_A[0], AlertKind.DATA, AlertState.OPENED, 20, 20))
    with database.read() as connection:
        row = dict(connection.execute(sa.select(t.case_)).mappings().one())
    other = sa.insert(t.case_).values(row | {"case_id": row["leading_record"]})
    with database.write() as connection, pytest.raises(sa.exc.IntegrityError):
        connection.execute(other)


def test_only_what_is_marked_as_a_demo_is_one(database: Database) -> None:
    assert not database.is_demo()
    database.mark_demo()
    assert database.is_demo()


def test_a_casebook_file_is_its_owners_alone(tmp_path: Path) -> None:
    with closing(Database(str(tmp_path / "deep" / "casebook.db"))) as made:
        made.migrate()
    assert (tmp_path / "deep" / "casebook.db").stat().st_mode & 0o777 == 0o600


def test_an_address_that_is_none_is_named_without_its_password() -> None:
    with pytest.raises(WrongUsage) as refused:
        Database("oracle+nothing://me:secret@host/db")
    assert "secret" not in str(refused.value)
