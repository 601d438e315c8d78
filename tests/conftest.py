"""Fixtures for all folders: casebook databases of both kinds."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from casebook.database import Database
from tests.postgres import Server, server

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="session")
def postgres() -> Iterator[Server]:
    """A PostgreSQL server."""
    yield from server()


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.slow)])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """An empty casebook, once of each kind; the fast tests take SQLite alone."""
    name = str(tmp_path / "casebook.db") if request.param == "sqlite" else request.getfixturevalue("postgres").fresh()
    with closing(Database(name)) as made:
        made.migrate()
        yield made
