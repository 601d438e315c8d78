"""Workers and closers as processes of their own, as `headway` starts them; a log file and a metrics port for each."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Self

import httpx

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from types import TracebackType

    from streams.live_settings import LiveSettings

__all__ = ["HEADWAY", "Fleet", "Running"]

HEADWAY = [str(Path(sys.executable).with_name("headway"))]


@dataclass
class Running:
    """One process."""

    name: str
    command: str
    port: int
    log: Path
    process: subprocess.Popen[bytes]

    def ready(self, seconds: float = 60.0) -> None:
        """Wait until /ready says so; raises with the end of its log when it does not."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                break
            with suppress(httpx.HTTPError):
                if httpx.get(f"http://127.0.0.1:{self.port}/ready", timeout=2).status_code == httpx.codes.OK:
                    return
            time.sleep(0.1)
        raise TimeoutError(f"{self.name} is not ready (exit {self.process.poll()}):\n{self.tail()}")

    def tail(self) -> str:
        """The last lines that it wrote."""
        return "\n".join(self.log.read_text("utf-8", "replace").splitlines()[-25:])

    def kill(self) -> None:
        """SIGKILL, now."""
        self.process.kill()
        self.process.wait(30)

    def stop(self, seconds: float = 90.0) -> int:
        """SIGTERM; its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(seconds)

    def exit_code(self, seconds: float = 90.0) -> int:
        """Wait for it to end by itself."""
        return self.process.wait(seconds)


@dataclass
class Fleet:
    """The live processes of one installation; killed at the end."""

    settings: LiveSettings
    folder: Path
    running: list[Running] = field(default_factory=list)

    def start(
        self, command: str, *, name: str | None = None, environment: Mapping[str, str] | None = None, program: list[str] | None = None
    ) -> Running:
        """`headway worker` or `headway closer`; the same name again is the same instance and keeps its state."""
        name = name or f"{command}-{len(self.running)}"
        port = _free_port()
        settings = self.settings
        given = {
            "HEADWAY_KAFKA": settings.kafka,
            "HEADWAY_TOPIC_PREFIX": settings.topic_prefix,
            "HEADWAY_REPLICATION_FACTOR": "1",
            "HEADWAY_STATE_DIR": str(self.folder / name),
            "HEADWAY_INSTANCE_ID": name,
            "HEADWAY_METRICS_PORT": str(port),
            "HEADWAY_SCHEDULE": "false",
        }
        if settings.parameters is not None:
            given["HEADWAY_PARAMETERS"] = str(settings.parameters)
        log = self.folder / f"{name}.log"
        with log.open("ab") as file:
            process = subprocess.Popen(
                [*(program or HEADWAY), command], env=os.environ | given | dict(environment or {}), stdout=file, stderr=subprocess.STDOUT
            )
        one = Running(name, command, port, log, process)
        self.running.append(one)
        return one

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Whoever ends by itself is started again under its name, as by systemd, compose or Kubernetes."""
        stop = threading.Event()

        def watch() -> None:
            while not stop.wait(0.5):
                newest = {one.name: one for one in self.running}
                for one in newest.values():
                    if one.process.poll() is not None:
                        self.start(one.command, name=one.name)

        thread = threading.Thread(target=watch)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for one in self.running:
            if one.process.poll() is None:
                one.process.kill()
            one.process.wait(30)


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])
