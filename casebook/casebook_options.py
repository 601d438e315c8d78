"""What the casebook's commands share: which casebook, and that the answer is JSON."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from casebook.opening import Opened, open_casebook
from casebook.settings import CasebookSettings, casebook_settings
from streams import unguessable

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["CasebookOption", "Json", "opened"]

CasebookOption = Annotated[str | None, typer.Option("--casebook", help="A file, or postgresql://…; or HEADWAY_CASEBOOK.")]
Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]


@contextmanager
def opened(casebook: str | None) -> Iterator[tuple[Opened, CasebookSettings]]:
    """The casebook that the environment and the option name, and its settings."""
    settings = casebook_settings(casebook=casebook)
    with open_casebook(settings, unguessable.word) as here:
        yield here, settings
