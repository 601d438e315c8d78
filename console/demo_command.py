"""`headway demo`: a hub's school year with known drops, through the same code as `headway replay`; it ends in the console."""

from __future__ import annotations

import json
import os
import threading
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from console.console_command import PORT
from console.demo_console import show_console
from schemas.errors import WrongUsage
from streams.demo import as_json, run_demo
from streams.demo_page import render
from streams.demo_report import print_report
from streams.demo_view import DemoView
from streams.outputs import whole_file

__all__ = ["demo_command"]

_PLAIN_WIDTH = 120


def demo_command(
    console: Annotated[
        bool | None,
        typer.Option(help="Whether it ends in the console, signed in as the hub's coordinator, until Ctrl-C. Default: on a terminal."),
    ] = None,
    port: Annotated[int, typer.Option(help="The console's port on this machine.", min=0, max=65_535)] = PORT,
    out: Annotated[Path, typer.Option(help="Directory for what is simulated, the ordinary outputs and demo.html.")] = Path("demo-out"),
    seed: Annotated[int, typer.Option(help="One seed is one hub-year.", min=0)] = 1,
    as_json_: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Simulate a hub's school year with known drops, run it, print what it found, when, and what it should have found."""
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise WrongUsage(f"--out {out}: {error.strerror}. Name a directory that can be written") from error
    if not os.access(out, os.W_OK):
        raise WrongUsage(f"--out {out}: not writable. Name a directory that can be written")
    with DemoView(quiet=as_json_) as view:
        demo = run_demo(out, seed, view)
        page = render(demo)
        with whole_file(out / "demo.html") as file:
            file.write(page.encode())
    if as_json_:
        typer.echo(json.dumps(as_json(demo) | {"page": str(out / "demo.html")}, sort_keys=True))
        return
    terminal = Console()
    print_report(demo, terminal if terminal.is_terminal else Console(width=_PLAIN_WIDTH))
    if terminal.is_terminal if console is None else console:
        show_console(demo, out / "casebook.db", port, typer.echo, threading.Event())
    else:
        typer.echo(f"\nThe coordinator's console on this hub: headway demo --console{'' if seed == 1 else f' --seed {seed}'}")
