"""`headway config`: the effective settings of every part, secrets hidden; exit 1 where one of them cannot be."""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from typing import Annotated

import typer

from console.effective_settings import Setting, effective

__all__ = ["config_command"]


def config_command(
    as_json: Annotated[bool, typer.Option("--json", help="Print the settings as JSON.")] = False,
    changed: Annotated[bool, typer.Option("--changed", help="Only what the environment sets, or what is wrong.")] = False,
) -> None:
    """Print the settings in force, where each comes from, and what it means. Secrets are hidden."""
    settings = [one for one in effective(os.environ) if not changed or one.source != "default" or one.problem]
    typer.echo(json.dumps([asdict(one) for one in settings], sort_keys=True) if as_json else "\n".join(map(_line, settings)))
    raise typer.Exit(1 if any(one.problem for one in settings) else 0)


def _line(one: Setting) -> str:
    value = "(not set)" if one.value is None else one.value or "(empty)"
    problem = f"\n    WRONG: {one.problem}" if one.problem else ""
    means = f"\n    {one.means}" if one.means else ""
    return f"{one.name} = {value}   [{one.source}; {', '.join(one.parts)}]{means}{problem}"
