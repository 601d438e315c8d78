"""`headway worker`: a live process that takes registers in and answers at once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from streams.closer_command import check_rights
from streams.live_settings import live_settings
from streams.log_lines import log_to_stderr

__all__ = ["worker_command"]


def worker_command(
    kafka: Annotated[str | None, typer.Option(help="Bootstrap servers; or HEADWAY_KAFKA.")] = None,
    parameters: Annotated[Path | None, typer.Option(help="A parameters file; or HEADWAY_PARAMETERS.")] = None,
    metrics_port: Annotated[int | None, typer.Option(help="Of /metrics, /live and /ready; or HEADWAY_METRICS_PORT.")] = None,
) -> None:
    """Take registers in from Kafka: dead letters for what is invalid, provisional readings for the rest. Run as many as you like."""
    from streams.worker_process import run_worker  # noqa: PLC0415 (Faust takes a second to import; only live processes pay it)

    log_to_stderr()
    settings = live_settings(kafka=kafka, parameters=parameters, metrics_port=metrics_port)
    check_rights(settings, "worker")
    raise typer.Exit(run_worker(settings))
