"""Kafka's jars: fetched by Maven once, whoever needs them first."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
from pathlib import Path

__all__ = ["Unavailable", "jars"]

_POM = Path(__file__).resolve().with_name("pom.xml")
_GOAL = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies"


class Unavailable(Exception):
    """Java, Maven, the jars or the broker are not to be had; says which and why."""


def jars() -> Path:
    """Their directory; fetched the first time, and again when `pom.xml` has changed."""
    if shutil.which("java") is None:
        raise Unavailable("java is not there: install a Java runtime of version 17 or newer")
    home = Path(os.environ.get("HEADWAY_KAFKA_HOME") or _POM.parents[2] / ".kafka").absolute()
    libs = home / f"libs-{hashlib.sha256(_POM.read_bytes()).hexdigest()[:12]}"
    if not libs.exists():
        home.mkdir(parents=True, exist_ok=True)
        with (home / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # Two who need them at once fetch them once.
            if not libs.exists():
                _fetch(libs)
    return libs


def _fetch(libs: Path) -> None:
    if shutil.which("mvn") is None:
        raise Unavailable("mvn is not there: install Maven, or set HEADWAY_KAFKA_HOME to a folder where the jars were fetched before")
    half = libs.with_suffix(".half")
    shutil.rmtree(half, ignore_errors=True)
    maven = ["mvn", "-q", "-B", "-f", str(_POM), _GOAL, "-DincludeScope=runtime", f"-DoutputDirectory={half}"]
    done = subprocess.run(maven, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Unavailable(f"Maven could not fetch Kafka's jars: {(done.stdout + done.stderr)[-500:]}")
    half.rename(libs)
