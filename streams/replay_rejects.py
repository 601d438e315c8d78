"""Rejects offered again through the rules of today, and the word of a person that the rest may stand.

What is valid now goes to the log that it was meant for, and only then is its letter marked as replayed: a process killed
between the two sends it twice, which the merge does not mind.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from pydantic import ValidationError

from schemas import acknowledgement, register
from schemas.control import RejectsAccepted
from schemas.errors import InvalidRegister, WrongUsage
from streams import clock, topology
from streams.dead_letters import fold, original_of, read_dead_letters
from streams.kafka_publish import Outgoing
from streams.kafka_tools import LogReader, Sender
from streams.produce import Offered, register_record

if TYPE_CHECKING:
    from collections.abc import Callable

    from streams.dead_letters import DeadLetter
    from streams.live_settings import LiveSettings

__all__ = ["Replayed", "accept_rejects", "replay_rejects"]

_WAITING_MAX = 1_000
"""Letters that were sent and are not marked yet."""


class Replayed(NamedTuple):
    """What came of it: in the log now; refused again; not offered, since neither topic holds all of the bytes."""

    accepted: int
    rejected: int
    incomplete: int


def replay_rejects(settings: LiveSettings, wanted: Callable[[DeadLetter], bool]) -> Replayed:
    """Offers again every letter that is wanted and was not replayed before."""
    left = {origin for origin, letter in fold(settings).items() if not letter.replayed and wanted(letter)}
    accepted = rejected = incomplete = 0
    waiting: list[DeadLetter] = []
    with LogReader(settings) as letters, LogReader(settings) as origins, Sender(settings) as sender:
        for letter in read_dead_letters(letters):
            if letter.origin not in left:
                continue
            left.discard(letter.origin)
            original = original_of(origins, letter)
            if original is None:
                incomplete += 1
                continue
            try:
                out = _judged(letter, original)
            except InvalidRegister:
                rejected += 1
                continue
            sender.send(out.log, out.value, out.key, list(out.headers))
            accepted += 1
            waiting.append(letter)
            if len(waiting) >= _WAITING_MAX:
                _mark(sender, waiting)
        _mark(sender, waiting)
    return Replayed(accepted, rejected, incomplete)


def _judged(letter: DeadLetter, original: bytes) -> Outgoing:
    """The original for the log that it was meant for; raises InvalidRegister when it is still none of its records."""
    if letter.source == topology.ACKNOWLEDGEMENTS.name:
        said = acknowledgement.parse(original)
        return Outgoing(topology.ACKNOWLEDGEMENTS, b"%d" % said.urn, original)
    read = register.parse(original)
    return register_record(Offered(read.urn, read.source, original))


def _mark(sender: Sender, waiting: list[DeadLetter]) -> None:
    sender.flush()
    at = clock.now().isoformat()
    for letter in waiting:
        out = letter.marked(at)
        sender.send(out.log, out.value, out.key, list(out.headers))
    waiting.clear()


def accept_rejects(settings: LiveSettings, by: str, reason: str) -> RejectsAccepted:
    """Writes to the control log that a person has looked: rejects up to the ends of the input logs stop nothing any more."""
    with LogReader(settings) as reader:
        ends = {place: next_ for place, (_, next_) in reader.bounds(*topology.INPUTS).items()}
    try:
        record = RejectsAccepted(positions=ends, by=by, reason=reason, at=clock.now())
    except ValidationError as error:
        wrong = error.errors(include_url=False, include_input=False)[0]
        raise WrongUsage(f"--{wrong['loc'][0]}: {wrong['msg']}. Write who has looked at the rejects, and why they may stand") from None
    with Sender(settings) as sender:
        sender.send(topology.CONTROL, record.to_line(), None)
    return record
