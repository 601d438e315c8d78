"""One casebook database: SQLite (write-ahead log) or PostgreSQL, opened, brought to the newest tables, read and written.

A write is one transaction. SQLite has one writer at a time, so that a write begins with the lock it needs; in PostgreSQL whoever
writes a school's history first locks its row in `ledger_head`.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import ArgumentError, DBAPIError, OperationalError

from casebook import tables as t
from schemas.errors import BadContents, HeadwayError, WrongUsage

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from pydantic import SecretStr
    from sqlalchemy.engine import Connection

__all__ = ["CasebookUnavailable", "Database", "database_url"]

_MIGRATIONS = Path(__file__).parent / "migrations"
_BUSY_SECONDS = 20
_ROWS_AT_ONCE = 500  # SQLite takes at most 32,766 values in one statement.
_MIGRATING = 0x4865_6164  # The number of the lock under which one process at a time changes PostgreSQL's tables.


class CasebookUnavailable(HeadwayError):
    """The casebook database does not answer now, or its disk refuses."""

    temporary = True


def database_url(name: str) -> str:
    """A file's name as an SQLite address, another address as it is; PostgreSQL is always spoken to by psycopg 3."""
    if "://" not in name:
        return f"sqlite:///{name}"
    kind, _, rest = name.partition("://")
    return f"postgresql+psycopg://{rest}" if kind in {"postgres", "postgresql"} else name


class Database:
    """A casebook database; safe to use from several threads."""

    def __init__(self, name: str, password: SecretStr | None = None) -> None:
        """name: a file, or `postgresql://…`. Opens nothing yet; raises WrongUsage for an address that is none."""
        try:
            url = sa.engine.make_url(database_url(name))
            url = url if password is None else url.set(password=password.get_secret_value())
            self._engine = sa.create_engine(url, **_options(url.get_backend_name()))
        except (ArgumentError, sa.exc.NoSuchModuleError) as error:
            raise WrongUsage("the casebook's address cannot be read. Write a file name or postgresql://user@host/database") from error
        self.is_sqlite = url.get_backend_name() == "sqlite"
        self.name = url.render_as_string(hide_password=True)
        self._file = Path(url.database or "") if self.is_sqlite else None
        if self.is_sqlite:
            sa.event.listen(self._engine, "connect", _prepare_sqlite)
            sa.event.listen(self._engine, "begin", _begin_sqlite)
        self._writing = self._engine.execution_options(headway_write=True)

    def close(self) -> None:
        """Lets go of every connection."""
        self._engine.dispose()

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """One snapshot."""
        with self._named_errors(), self._engine.connect() as connection, connection.begin():
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """One transaction: all or nothing, durable at the end."""
        with self._named_errors(), self._writing.begin() as connection:
            yield connection

    def migrate(self) -> None:
        """Make or bring up the tables; raises BadContents for a database of a newer Headway."""
        if self._file is not None and str(self._file) not in {"", ":memory:"}:
            _make_private(self._file)
        config, script = _script()
        with self.write() as connection:
            if not self.is_sqlite:
                connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_MIGRATING)))
            now = MigrationContext.configure(connection).get_current_revision()
            if now is not None and now not in {step.revision for step in script.walk_revisions()}:
                raise BadContents(
                    f"its tables are of version {now}", file=self.name, remedy="Run the Headway that made them, or a newer one"
                )
            if now != script.get_current_head():
                config.attributes["connection"] = connection
                command.upgrade(config, "head")

    def versions(self) -> tuple[str | None, str | None]:
        """Which tables are there (None: none), and which are the newest; changes nothing."""
        with self.read() as connection:
            return MigrationContext.configure(connection).get_current_revision(), _script()[1].get_current_head()

    def upsert(self, connection: Connection, table: sa.Table, rows: Iterable[Mapping[str, Any]], *, newer: str | None = None) -> None:
        """Insert rows, or replace those with the same primary key; newer: SQL over the row there (the table's name) and `excluded`
        that must hold for a replacement."""
        insert = sqlite.insert if self.is_sqlite else postgresql.insert
        statement = insert(table)
        rest = {column.name: statement.excluded[column.name] for column in table.columns if not column.primary_key}
        where = None if newer is None else sa.text(newer)
        statement = statement.on_conflict_do_update(index_elements=list(table.primary_key.columns), set_=rest, where=where)
        for block in _blocks(rows):
            # Row by row in the driver: the statement is compiled once, where one with many rows of values is compiled anew.
            connection.execute(statement, block)

    def insert_new(self, connection: Connection, table: sa.Table, rows: Iterable[Mapping[str, Any]]) -> int:
        """Insert the rows that are not there by any of the table's keys; how many were new."""
        insert = sqlite.insert if self.is_sqlite else postgresql.insert
        return sum(connection.execute(insert(table).values(block).on_conflict_do_nothing()).rowcount for block in _blocks(rows))

    def mark_demo(self) -> None:
        """Mark it as a demo, for good: only then may the development issuer sign people in, and nothing is ever sent."""
        with self.write() as connection:
            self.upsert(connection, t.mark, [{"name": "demo", "value": "yes"}])

    def is_demo(self) -> bool:
        """Whether it is marked as a demo."""
        with self.read() as connection:
            return connection.execute(sa.select(t.mark.c.value).where(t.mark.c.name == "demo")).scalar() == "yes"

    @contextmanager
    def _named_errors(self) -> Iterator[None]:
        try:
            yield
        except OperationalError as error:
            raise CasebookUnavailable(f"{self.name}: {_first_line(error)}. Is it there, and is there room on its disk?") from error
        except DBAPIError as error:
            if error.connection_invalidated:
                raise CasebookUnavailable(f"{self.name}: the connection was lost. It is made anew at the next try") from error
            raise


def _script() -> tuple[Config, ScriptDirectory]:
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    return config, ScriptDirectory.from_config(config)


def _options(backend: str) -> dict[str, Any]:
    if backend == "sqlite":
        return {"connect_args": {"timeout": _BUSY_SECONDS}}
    return {"pool_pre_ping": True, "pool_size": 5, "max_overflow": 10}


def _first_line(error: DBAPIError) -> str:
    return str(error.orig).splitlines()[0] if str(error.orig) else type(error.orig).__name__


def _prepare_sqlite(connection: Any, _: object) -> None:  # noqa: ANN401 (a DB-API connection)
    connection.isolation_level = None  # Transactions are begun by `_begin_sqlite`, not by the driver.
    for pragma in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON"):
        connection.execute(f"PRAGMA {pragma}").fetchall()


def _begin_sqlite(connection: Connection) -> None:
    writes = connection.get_execution_options().get("headway_write", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _make_private(file: Path) -> None:
    """Names and alerts stand in it: nobody else may read it."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        os.close(os.open(file, os.O_CREAT | os.O_RDWR, 0o600))
    except OSError as error:
        raise WrongUsage(f"{file}: cannot be opened for writing ({error.strerror}). Name a file in a folder of yours") from error


def _blocks(rows: Iterable[Mapping[str, Any]]) -> Iterator[list[Mapping[str, Any]]]:
    block: list[Mapping[str, Any]] = []
    for row in rows:
        block.append(row)
        if len(block) == _ROWS_AT_ONCE:
            yield block
            block = []
    if block:
        yield block
