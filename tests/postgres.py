"""A real PostgreSQL for tests: Debian's, started as the user postgres where we are root; every test gets a database of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest

from casebook.database import Database

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Server", "server"]


class Server:
    """One cluster, reached through a socket in a folder of its own; it survives nothing: fsync is off."""

    def __init__(self, folder: Path, programs: Path) -> None:
        self._folder, self._programs = folder, programs
        self._as = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []

    def start(self) -> None:
        """Make the cluster, start it, make the template with the casebook's tables."""
        if self._as:
            shutil.chown(self._folder, "postgres")
        data, log = str(self._folder / "data"), str(self._folder / "log")
        self._run("initdb", "-D", data, "-U", "postgres", "-A", "trust", "--no-sync", "-E", "UTF8", "--locale=C.UTF-8")
        options = f"-k {self._folder} -c listen_addresses='' -c fsync=off -c full_page_writes=off -c max_connections=60"
        self._run("pg_ctl", "-D", data, "-w", "-l", log, "-o", options, "start")
        self.execute("CREATE DATABASE tables")
        made = Database(self.url("tables"))
        made.migrate()
        made.close()

    def stop(self) -> None:
        """At once."""
        self._run("pg_ctl", "-D", str(self._folder / "data"), "-m", "immediate", "-w", "stop")

    def url(self, name: str) -> str:
        """The address of a database."""
        return f"postgresql://postgres@/{name}?host={self._folder}"

    def empty(self) -> str:
        """The address of a new database without tables."""
        name = f"t{uuid.uuid4().hex}"
        self.execute(f"CREATE DATABASE {name}")
        return self.url(name)

    def fresh(self) -> str:
        """The address of a new database with the casebook's tables."""
        name = f"t{uuid.uuid4().hex}"
        self.execute(f"CREATE DATABASE {name} TEMPLATE tables STRATEGY file_copy")
        return self.url(name)

    def execute(self, statement: str) -> None:
        """One statement about databases."""
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(statement.encode())

    def _run(self, program: str, *arguments: str) -> None:
        subprocess.run([*self._as, str(self._programs / program), *arguments], check=True, stdout=subprocess.DEVNULL, cwd=self._folder)


def server() -> Iterator[Server]:
    """A started server; skips where PostgreSQL is not installed, and fails there when HEADWAY_REQUIRE_POSTGRES is 1."""
    programs = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name))
    found = programs[-1] if programs else Path(shutil.which("pg_ctl") or "missing/missing").parent
    if not (found / "initdb").exists():
        if os.environ.get("HEADWAY_REQUIRE_POSTGRES") == "1":
            pytest.fail("PostgreSQL is required and not installed")
        pytest.skip("PostgreSQL is not installed")
    folder = Path(tempfile.mkdtemp(prefix="headway-postgres-"))
    one = Server(folder, found)
    try:
        one.start()
        yield one
        one.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
