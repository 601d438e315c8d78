"""Writes docs/interfaces anew: the AsyncAPI and OpenAPI documents as the code is now. `python -m deploy.interfaces`."""

from __future__ import annotations

from pathlib import Path

from streams.interfaces import interfaces

__all__ = ["FOLDER"]

FOLDER = Path(__file__).parents[1] / "docs" / "interfaces"

if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for name, text in interfaces().items():
        (FOLDER / name).write_text(text, "utf-8")
