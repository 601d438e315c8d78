"""`headway closer`: a live process that computes and publishes the closes."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Annotated

import typer

from streams.granting import require
from streams.live_settings import LiveSettings, live_settings
from streams.log_lines import log_to_stderr
from streams.log_reader import BrokerUnavailable

__all__ = ["check_rights", "closer_command"]


def closer_command(
    kafka: Annotated[str | None, typer.Option(help="Bootstrap servers; or HEADWAY_KAFKA.")] = None,
    state_dir: Annotated[Path | None, typer.Option(help="Snapshots, one directory for each closer; or HEADWAY_STATE_DIR.")] = None,
    parameters: Annotated[Path | None, typer.Option(help="A parameters file; or HEADWAY_PARAMETERS.")] = None,
    metrics_port: Annotated[int | None, typer.Option(help="Of /metrics, /live and /ready; or HEADWAY_METRICS_PORT.")] = None,
) -> None:
    """Close by schedule and by request, from the logs in Kafka; of several closers one leads and the others follow warm."""
    from streams.closer_process import run_closer  # noqa: PLC0415 (Faust takes a second to import; only live processes pay it)

    log_to_stderr()
    settings = live_settings(kafka=kafka, state_dir=state_dir, parameters=parameters, metrics_port=metrics_port)
    check_rights(settings, "closer")
    raise typer.Exit(run_closer(settings))


def check_rights(settings: LiveSettings, part: str) -> None:
    """Raise TopicMissing or NotAllowed before anything hangs on it; a broker that does not answer yet is waited for later."""
    try:
        require(settings, part)
    except BrokerUnavailable as error:
        logging.getLogger("headway").warning("%s", error)
