"""The end of `headway demo` on a terminal: the console on the simulated hub, signed in as its coordinator, until Ctrl-C."""

from __future__ import annotations

from typing import TYPE_CHECKING

from console.demo_casebook import fill
from console.demo_desk import DemoDesk
from streams.demo_words import full_date

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable
    from pathlib import Path

    from streams.demo import Demo

__all__ = ["show_console"]


def show_console(demo: Demo, file: Path, port: int, say: Callable[[str], None], stop: threading.Event) -> None:
    """Fills a casebook at `file`, serves it on this machine and says where; returns when `stop` is set or on Ctrl-C."""
    say("filling the casebook with the year, and with people in it …")
    held = fill(demo, file, lambda what: say(f"  {what}"))
    desk = DemoDesk.open(held.database, held.ledger, port=port, now=held.now)
    desk.start()
    try:
        say(f"\nThe console stands on the morning of {full_date(held.morning.date())}, you are its coordinator:\n\n  {desk.url}\n")
        say("Everything there is simulated. To sign in as a school, an analyst or a lead, sign out first. Ctrl-C ends it.")
        stop.wait()
    except KeyboardInterrupt:
        say("ended; the casebook stays in " + str(file))
    finally:
        desk.stop()
        held.database.close()
