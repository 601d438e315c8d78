"""Many independent units of work, each kept as soon as it is done: stopped at any moment, it goes on where it was.

A unit is a file of arrays that appears whole or not at all, and follows from its name and the plan alone; so the number of
processes and their order change no byte, and more units can be asked for later.
"""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import os
import signal
import threading
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from importlib.resources import files
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from schemas.errors import WrongUsage
from streams.outputs import whole_file

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

    from numpy.typing import NDArray

__all__ = ["Arrays", "claim", "engine_digest", "finish", "load"]

Arrays = dict[str, "NDArray[Any]"]
U = TypeVar("U")

_PLAN_FILE = "plan.json"
_AHEAD = 2


def engine_digest() -> str:
    """SHA-256 over the source of `models`, but for the thresholds: units of other code are other units."""
    sha = hashlib.sha256()
    for file in sorted(files("models").iterdir(), key=lambda f: f.name):
        if file.name.endswith((".py", ".toml")) and file.name != "thresholds.toml":
            sha.update(file.name.encode() + hashlib.sha256(file.read_bytes()).digest())
    return sha.hexdigest()


def claim(folder: Path, digest: str) -> None:
    """Make the folder of units of one plan, or go on with it; raises WrongUsage when it holds units of another."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        plan = folder / _PLAN_FILE
        held = json.loads(plan.read_text("utf-8")).get("digest") if plan.exists() else None
    except (OSError, ValueError, AttributeError) as error:
        raise WrongUsage(f"--work {folder}: cannot be used. Name a directory of its own") from error
    if held is None:
        with whole_file(plan) as file:
            file.write(json.dumps({"digest": digest}).encode() + b"\n")
    elif held != digest:
        raise WrongUsage(f"--work {folder}: holds years of another seed, history or version. Delete it or name another directory")


def finish(
    units: Mapping[str, U], compute: Callable[[U], Mapping[str, NDArray[Any]]], folder: Path, *, jobs: int, done: Callable[[int, int], None]
) -> None:
    """Compute the units, by their file names, that are not in the folder yet; `done` is told how many of all are.

    compute: with several jobs it is sent to processes of its own.
    """
    left = [name for name in units if not (folder / name).exists()]
    count, total = len(units) - len(left), len(units)
    done(count, total)
    if jobs == 1:
        for name in left:
            _save(compute(units[name]), folder / name)
            count += 1
            done(count, total)
        return
    with ProcessPoolExecutor(jobs, multiprocessing.get_context("spawn"), initializer=_leave_to_the_parent) as pool:
        waiting: dict[Future[Mapping[str, NDArray[Any]]], str] = {}
        try:
            while left or waiting:
                while left and len(waiting) < _AHEAD * jobs:
                    name = left.pop(0)
                    waiting[pool.submit(compute, units[name])] = name
                for future in wait(waiting, return_when=FIRST_COMPLETED).done:
                    _save(future.result(), folder / waiting.pop(future))
                    count += 1
                    done(count, total)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _leave_to_the_parent() -> None:
    """A process of the pool ends its unit when Ctrl-C is pressed, since its parent asks for no other; it outlives no parent."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_the_parent, daemon=True).start()


def _end_with_the_parent() -> None:
    if (parent := multiprocessing.parent_process()) is not None:
        parent.join()
        os._exit(1)  # It holds nothing that is not a whole file.


def _save(arrays: Mapping[str, NDArray[Any]], path: Path) -> None:
    with whole_file(path) as file:
        np.savez_compressed(file, allow_pickle=False, **{name: arrays[name] for name in sorted(arrays)})


def load(folder: Path, names: Iterable[str]) -> list[Arrays]:
    """The finished units, in this order; raises WrongUsage for a file that is none of ours."""
    out = []
    for name in names:
        try:
            with np.load(folder / name, allow_pickle=False) as file:
                out.append({key: file[key] for key in file.files})
        except (OSError, ValueError) as error:
            raise WrongUsage(f"{folder / name}: cannot be read. Delete that file and start again") from error
    return out
