"""The whole `headway` command: the streams' commands, and those of the casebook and the console that stand above them."""

from __future__ import annotations

from casebook.casebook_command import casebook_command
from casebook.deliver_command import deliver_command
from casebook.ledger_command import ledger_app, redact_command
from casebook.people_command import people_app
from casebook.retention_command import retention_command
from console.config_command import config_command
from console.console_command import console_command
from console.demo_command import demo_command
from console.doctor_command import doctor_command
from console.serve_command import serve_command
from streams.command import app
from streams.command import main as run

__all__ = ["app", "main"]

app.command("serve")(serve_command)
app.command("console")(console_command)
app.command("demo")(demo_command)
app.command("config")(config_command)
app.command("doctor")(doctor_command)
app.command("casebook")(casebook_command)
app.command("deliver")(deliver_command)
app.command("retention")(retention_command)
app.command("redact")(redact_command)
app.add_typer(people_app, name="people")
app.add_typer(ledger_app, name="ledger")


def main() -> None:
    """The entry point: as `streams.command.main`, with every command."""
    run()
