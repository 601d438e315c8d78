"""The settings as they are in force: each with its value, where it comes from, and what it means; secrets are never shown.

A name that begins with HEADWAY_ and is none of ours is told with the one that was probably meant: a typing error in an
environment says nothing by itself.
"""

from __future__ import annotations

import difflib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from pydantic import SecretStr, ValidationError

from casebook.settings import CasebookSettings
from console.settings import ConsoleSettings
from streams.finding import Finding, Standing
from streams.live_settings import LiveSettings

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pydantic_settings import BaseSettings

__all__ = ["Setting", "config", "effective"]

_OF = (("live", LiveSettings), ("casebook", CasebookSettings), ("console", ConsoleSettings))
_ELSEWHERE = {
    "HEADWAY_INTAKE_TOKENS": "of `headway serve`",
    "HEADWAY_LOG": "of the log lines: json or text",
    "HEADWAY_KAFKA_HOME": "of the broker for laptops and tests",
    "HEADWAY_DATA": "of tests and benchmarks",
}
_TESTS = "HEADWAY_REQUIRE_"
HIDDEN = "(hidden)"


@dataclass(frozen=True, slots=True)
class Setting:
    """name: of the environment variable. problem: why its value cannot be, empty where it can."""

    name: str
    value: str | None
    source: str
    parts: tuple[str, ...]
    means: str
    problem: str = ""


def effective(environment: Mapping[str, str]) -> list[Setting]:
    """Every setting in the order of the parts; one that several parts read stands there once."""
    out: dict[str, Setting] = {}
    for part, kind in _OF:
        problems = _problems(kind)
        values = kind().model_dump() if not problems else {}
        for field, info in kind.model_fields.items():
            name = f"HEADWAY_{field.upper()}"
            given = next((value for key, value in environment.items() if key.upper() == name), None)
            if name in out:
                before = out[name]
                problem = before.problem or problems.get(field, "")
                out[name] = Setting(
                    name, before.value, before.source, (*before.parts, part), before.means or info.description or "", problem
                )
                continue
            value = values.get(field, given if given is not None else info.default)
            secret = info.annotation is SecretStr or SecretStr in getattr(info.annotation, "__args__", ())
            source = "default" if given is None else "environment"
            out[name] = Setting(name, _shown(value, secret=secret), source, (part,), info.description or "", problems.get(field, ""))
    return list(out.values())


def config(environment: Mapping[str, str]) -> Iterator[Finding]:
    """Wrong values, names that nobody reads, secrets whose files cannot be read or are open to others."""
    known = effective(environment)
    names = {setting.name for setting in known}
    for setting in known:
        if setting.problem:
            yield Finding("config", Standing.WRONG, f"{setting.name}: {setting.problem}", "`headway config` says what it means")
        elif setting.name.endswith("_FILE") and setting.value is not None:
            yield from _secret_file(setting)
    strangers = sorted(n for n in environment if n.startswith("HEADWAY_") and n not in names | set(_ELSEWHERE) and not n.startswith(_TESTS))
    for name in strangers:
        meant = difflib.get_close_matches(name, names, 1)
        remedy = f"Did you mean {meant[0]}?" if meant else "Take it away; `headway config` names those there are"
        yield Finding("config", Standing.LOOK, f"{name}: there is no such setting", remedy)
    if not any(setting.problem for setting in known):
        given = sum(setting.source == "environment" for setting in known)
        yield Finding("config", Standing.WELL, f"{given} settings from the environment, {len(known) - given} by default")


def _secret_file(setting: Setting) -> Iterator[Finding]:
    file = Path(str(setting.value))
    if setting.name == "HEADWAY_LEDGER_HEADS_FILE":  # It is written, and no secret.
        return
    if not os.access(file, os.R_OK):
        said = f"{setting.name} {file}: cannot be read"
        yield Finding("config", Standing.WRONG, said, "Name a file that this user can read")
    elif setting.name != "HEADWAY_TLS_CA_FILE" and file.stat().st_mode & 0o077:
        yield Finding("config", Standing.LOOK, f"{setting.name} {file}: others on this machine may read it", "chmod 600 on it")


def _problems(kind: type[BaseSettings]) -> dict[str, str]:
    try:
        kind()
    except ValidationError as error:
        return {str(one["loc"][0]): one["msg"] for one in error.errors(include_url=False, include_input=False)}
    return {}


def _shown(value: Any, *, secret: bool) -> str | None:  # noqa: ANN401 (whatever the fields hold)
    if value is None:
        return None
    if secret:
        return HIDDEN
    text = str(value)
    if "://" in text:
        try:
            parts = urlsplit(text)
        except ValueError:
            return HIDDEN
        if parts.password is not None or "password" in parts.query:
            host = parts.netloc.rpartition("@")[2]
            query = f"?{HIDDEN}" if parts.query else ""
            return f"{parts.scheme}://{parts.username or ''}:{HIDDEN}@{host}{parts.path}{query}"
    return text
