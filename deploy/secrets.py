"""Secrets of the compose file, made once: `python -m deploy.secrets`. What is there already stays as it is.

They stand in `.secrets`, which only its owner may enter; each file may be read by all, since the containers' users are others.
"""

from __future__ import annotations

import os
from pathlib import Path

from streams import unguessable

__all__ = ["NAMES", "make"]

NAMES = ("casebook-password", "ledger-key", "oidc-client-secret")
FOLDER = Path(__file__).parents[1] / ".secrets"


def make(folder: Path = FOLDER) -> list[Path]:
    """Those that were not there."""
    folder.mkdir(mode=0o700, exist_ok=True)
    made = []
    for path in (folder / name for name in NAMES):
        if not path.exists():
            with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o444), "w") as file:
                file.write(unguessable.word(48) + "\n")
            made.append(path)
    return made


if __name__ == "__main__":
    for one in make():
        print(f"made {one.name}")
