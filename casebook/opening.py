"""Opens the casebook that the settings name: database with its newest tables, ledger with its key, the file of its heads."""

from __future__ import annotations

import os
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from casebook.database import Database
from casebook.ledger import Ledger
from schemas.errors import WrongUsage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from casebook.settings import CasebookSettings

__all__ = ["Opened", "open_casebook"]

_KEY_CHARACTERS_MIN = 43


@dataclass(frozen=True, slots=True)
class Opened:
    """An open casebook. heads: where closes export the ledger's heads."""

    database: Database
    ledger: Ledger
    heads: Path


@contextmanager
def open_casebook(settings: CasebookSettings, word: Callable[[int], str]) -> Iterator[Opened]:
    """word: what nobody can guess, of so many bytes (`streams.unguessable.word`). Raises WrongUsage, BadContents or
    CasebookUnavailable with nothing left open."""
    database = Database(settings.casebook, settings.password())
    try:
        database.migrate()
        beside = Path(settings.casebook) if database.is_sqlite and "://" not in settings.casebook else None
        key = settings.ledger_key_file or _beside(beside, ".ledger-key", "HEADWAY_LEDGER_KEY_FILE")
        heads = settings.ledger_heads_file or _beside(beside, ".ledger-heads", "HEADWAY_LEDGER_HEADS_FILE")
        if settings.ledger_key_file is None and not key.exists():
            _make(key, word(48))
        yield Opened(database, Ledger(database, _key(key)), heads)
    finally:
        database.close()


def _beside(file: Path | None, ending: str, name: str) -> Path:
    if file is None:
        raise WrongUsage(f"{name}: name a file outside the database; with PostgreSQL none is made for you")
    return file.with_name(file.name + ending)


def _make(file: Path, key: str) -> None:
    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return  # Another process was quicker; its key is everybody's.
    except OSError as error:
        raise WrongUsage(f"{file}: cannot be written ({error.strerror}). Name a key with HEADWAY_LEDGER_KEY_FILE") from error
    try:
        os.write(descriptor, key.encode() + b"\n")
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _key(file: Path) -> bytes:
    try:
        key = file.read_bytes().strip()
    except OSError as error:
        raise WrongUsage(f"HEADWAY_LEDGER_KEY_FILE {file}: cannot be read ({error.strerror}). Name a readable file") from error
    if len(key) < _KEY_CHARACTERS_MIN:
        raise WrongUsage(
            f"HEADWAY_LEDGER_KEY_FILE {file}: at least {_KEY_CHARACTERS_MIN} characters, such as `openssl rand -base64 48` gives"
        )
    return key
