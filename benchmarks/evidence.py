"""Where a measured figure comes from: machine, versions, commit, command; and tables in Markdown beside the raw JSON."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

__all__ = ["provenance", "table", "write"]

EVIDENCE = Path(__file__).resolve().parents[1] / "docs" / "evidence"


def _git(*words: str) -> str:
    return subprocess.run(["git", *words], capture_output=True, text=True, check=False).stdout.strip()  # noqa: S607 (git from the path)


def provenance(command: str) -> dict[str, Any]:
    """What a reader needs to judge the figure and to make it again."""
    dirty = ", with changes" if _git("status", "--porcelain", "--", "*.py", "*.toml") else ""
    return {
        "command": command,
        "commit": _git("rev-parse", "--short", "HEAD") + dirty,
        "cores": os.cpu_count(),
        "machine": platform.machine(),
        "system": platform.system(),
        "python": sys.version.split()[0],
        "numpy": version("numpy"),
    }


def table(rows: list[dict[str, Any]]) -> str:
    """A Markdown table of equal rows."""
    head = list(rows[0])
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    lines += ["| " + " | ".join(str(row[name]) for name in head) + " |" for row in rows]
    return "\n".join(lines)


def write(name: str, title: str, command: str, rows: list[dict[str, Any]], notes: list[str]) -> None:
    """docs/evidence/NAME.json and NAME.md."""
    EVIDENCE.mkdir(parents=True, exist_ok=True)
    source = provenance(command)
    (EVIDENCE / f"{name}.json").write_text(json.dumps({"provenance": source, "rows": rows}, indent=1) + "\n", encoding="utf-8")
    text = [
        f"# {title}",
        "",
        f"`{command}` at commit {source['commit']}.",
        f"Python {source['python']}, numpy {source['numpy']}, {source['cores']} cores ({source['machine']}).",
        "",
        table(rows),
        "",
        *notes,
        "",
    ]
    (EVIDENCE / f"{name}.md").write_text("\n".join(text), encoding="utf-8")
    print("\n".join(text))
