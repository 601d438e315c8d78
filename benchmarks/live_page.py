"""The page of the live runner: what falls short first, goals, tables, the bill for all England, what else ran."""

from __future__ import annotations

import json
import operator
from dataclasses import asdict
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from benchmarks.evidence import EVIDENCE, provenance, table
from benchmarks.live_load import median
from streams import topology

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from benchmarks.live import Measured

__all__ = ["origin", "write_page"]

T = TypeVar("T")
SCHOOL_DAYS = 190
CLOSES_A_DAY = 2
COPIES = 3


class Goal(NamedTuple):
    """One row of the first table."""

    what: str
    value: float
    limit: float
    unit: str
    at_least: bool
    remark: str

    @property
    def met(self) -> bool:
        """Whether the goal is reached."""
        holds: Callable[[float, float], bool] = operator.ge if self.at_least else operator.le
        return holds(self.value, self.limit)

    def row(self) -> dict[str, Any]:
        """As it is printed."""
        sign = "at least" if self.at_least else "at most"
        return {
            "what": self.what,
            "measured": f"{_number(self.value)} {self.unit}",
            "goal": f"{sign} {_number(self.limit)}",
            "met": "yes" if self.met else "**no**",
            "remark": self.remark,
        }


def _number(x: float) -> str:
    return f"{x:,.0f}" if abs(x) >= 100 else f"{x:.1f}" if abs(x) >= 10 else f"{x:.2f}"


def _shown(numbers: Sequence[float]) -> str:
    return ", ".join(map(_number, numbers))


def _given(measured: T | None) -> T:
    if measured is None:
        raise ValueError("not all was measured")
    return measured


def goals(m: Measured) -> list[Goal]:
    """Each goal of the live runner beside what was measured."""
    return [*_throughput(m), *_waiting(m), *_closing(m)]


def _throughput(m: Measured) -> list[Goal]:
    rounds, nothing = next(iter(m.readers.values())), _given(m.nothing)
    (worker, worker_used), (ours, ours_used) = _medians(m.backlog), _medians(rounds)
    backlog, reading = _shown([a for a, _ in m.backlog]), _shown([a for a, _ in rounds])
    whole = f"segments are written meanwhile; {_core(1000 * nothing.reading_processor / m.registers)}"
    unit = "registers/s"
    return [
        Goal("one worker through Faust, event by event", worker, 4_000, unit, True, f"rounds: {backlog}; {_core(worker_used)}"),
        Goal("the closer's bulk reading", ours, 50_000, unit, True, f"decoded, added up, kept; rounds: {reading}; {_core(ours_used)}"),
        Goal("… over the whole year, in the closer", m.registers / nothing.reading, 50_000, unit, True, whole),
    ]


def _waiting(m: Measured) -> list[Goal]:
    quiet, closing = _given(m.quiet), _given(m.closing)
    burst, sent = _medians(m.burst)
    rounds = f"from the first send, by one worker; rounds: {_shown([a for a, _ in m.burst])}; to send them took {sent:.1f}"
    meanwhile = f"{_waits(closing)}; the close of {m.schools:,} schools took {_given(m.close_meanwhile).seconds:.1f} s meanwhile"
    return [
        Goal(f"burst of {m.burst_registers:,}, until every school has its reading", burst, 6, "s", False, rounds),
        Goal("register to provisional reading, p99", quiet.p99, 1, "s", False, _waits(quiet)),
        Goal("… while the closer closes a day", closing.p99, 1, "s", False, meanwhile),
    ]


def _closing(m: Measured) -> list[Goal]:
    nothing, corrected, days = _given(m.nothing), _given(m.corrected).seconds, [c.seconds for c in m.closes]
    used = median([sum(c.processor.values()) for c in m.closes])
    late = f"late in the year; {_shown(days)}; {used:.1f} s of processor time"
    again = f"from its start; {nothing.reading:.0f} s reading, {nothing.processor:.0f} s of processor time"
    first = f"scored and hashed from the first day; {sum(_given(m.corrected).processor.values()):.1f} s of processor time"
    return [
        Goal(f"close of a day, {m.schools:,} schools", median(days), 10, "s", False, late),
        Goal("… when registers of the first day were corrected", corrected, 10, "s", False, first),
        Goal("the year but its last week read from nothing, and a close", _given(m.first).seconds, 190, "s", False, "from the request"),
        Goal("the year read again from nothing, and a close", nothing.closed, 190, "s", False, again),
    ]


def _core(processor: float) -> str:
    """Processor seconds per 1,000, told so that other load does not show."""
    return f"{_number(1000 / processor)} in a second of processor time"


def _waits(waits: Any) -> str:  # noqa: ANN401 (a Waits)
    return f"p50 {waits.p50:.2f} s, longest {waits.longest:.2f} s, {waits.registers:,} registers, {waits.without} without a reading"


def _readers(m: Measured) -> list[dict[str, Any]]:
    rounds = m.readers | {"our worker through Faust: judged, held, answered": m.backlog}
    ours = _medians(next(iter(m.readers.values())))
    return [
        {
            "who": who,
            "registers/s": _number(rate),
            "of our closer's": f"{rate / ours[0]:.2f}",
            "processor s per 1,000": f"{used:.4f}",
            "of our closer's processor": f"{used / ours[1]:.2f}",
            "rounds, registers/s": _shown([a for a, _ in rounds[who]]),
        }
        for who, (rate, used) in ((who, _medians(got)) for who, got in rounds.items())
    ]


def _medians(rounds: Sequence[tuple[float, float]]) -> tuple[float, float]:
    return median([a for a, _ in rounds]), median([b for _, b in rounds])


def _parts(m: Measured) -> list[dict[str, Any]]:
    closes = m.closes
    rows = [
        {
            "part of a day's close": name,
            "s": f"{median([c.parts[name] for c in closes]):.2f}",
            "processor s": f"{median([c.processor[name] for c in closes]):.2f}" if name in closes[0].processor else "",
            "first day corrected, s": f"{_given(m.corrected).parts[name]:.2f}",
            "all but a week from nothing, s": f"{_given(m.first).parts[name]:.1f}",
        }
        for name in closes[0].parts
    ]
    whole = {"part of a day's close": "request to completed", "s": f"{median([c.seconds for c in closes]):.2f}"}
    whole["processor s"] = f"{median([sum(c.processor.values()) for c in closes]):.2f}"
    whole["first day corrected, s"] = f"{_given(m.corrected).seconds:.2f}"
    whole["all but a week from nothing, s"] = f"{_given(m.first).seconds:.1f}"
    return [*rows, whole]


def costs(m: Measured) -> dict[str, float]:
    """What one of each costs."""
    nothing = _given(m.nothing)
    disk = m.disk
    return {
        "worker, processor s per 1,000 registers, event by event": median([p for _, p in m.backlog]),
        "worker, processor s per 1,000 registers, bursts": m.burst_processor,
        "worker, processor s per 1,000 registers, at 200 a second": m.quiet.processor if m.quiet else 0.0,
        "closer, processor s per 1,000 registers read": 1000 * nothing.reading_processor / m.registers,
        "closer, processor s a day's close": median([sum(c.processor.values()) for c in m.closes]),
        "broker, processor s per 1,000 registers in": m.broker,
        "worker, peak MiB per 1,000 schools": m.worker_peak / 2**20 / (m.schools / 1000),
        "closer, peak MiB per 1,000 schools": m.closer_peak / 2**20 / (m.schools / 1000),
        "worker, peak MiB": m.worker_peak / 2**20,
        "closer, peak MiB": m.closer_peak / 2**20,
        "closer, segments on disk, GB": m.segments_bytes / 1e9,
        "a register, bytes of JSON": m.register_bytes,
        "a register, bytes on the broker's disk (key, headers)": disk[topology.REGISTERS.name],
        "a closed reading, bytes on the broker's disk": disk[topology.READINGS.name] / (m.closes_published * m.schools),
    }


def bill(m: Measured) -> list[dict[str, Any]]:
    """All of England, worked out from the costs."""
    cost, registers = costs(m), 2 * 24_000
    share = 24_000 / m.schools
    thousand = registers / 1000
    worker = thousand * cost["worker, processor s per 1,000 registers, at 200 a second"]
    closer = CLOSES_A_DAY * share * cost["closer, processor s a day's close"]
    broker = thousand * cost["broker, processor s per 1,000 registers in"]
    year = SCHOOL_DAYS * registers * cost["a register, bytes on the broker's disk (key, headers)"] / 1e9
    readings = SCHOOL_DAYS * CLOSES_A_DAY * 24_000 * cost["a closed reading, bytes on the broker's disk"] / 1e9
    burst = median([a for a, _ in m.burst])
    rows = [
        ("workers", "2", f"one does it: {m.burst_registers:,} registers at once are answered in {burst:.1f} s; the second is for restarts"),
        ("closers", "2", "one leads, one follows and computes the same"),
        ("worker, processor", f"{worker / 3600:.3f} h a school day", f"{registers:,} registers as they come at 200 a second"),
        ("closers, processor", f"{2 * closer / 3600:.3f} h a school day", f"two closers, {CLOSES_A_DAY} closes a day"),
        ("brokers, processor", f"{COPIES * broker / 3600:.4f} h a school day", f"{COPIES} copies; readers not counted"),
        ("memory", f"{(2 * share * (m.worker_peak + m.closer_peak)) / 2**30:.1f} GiB", "two workers and two closers at their peaks"),
        ("brokers' disk, registers", f"{COPIES * year:.0f} GB a year", f"{year:.1f} GB once; kept two school years"),
        ("brokers' disk, closed readings", f"{COPIES * readings:.0f} GB", f"{readings:.1f} GB once, kept one school year"),
        ("closer's disk, segments", f"{share * m.segments_bytes / 1e9:.1f} GB each", "in July; may be deleted at any moment"),
        ("after a loss of everything but the log", f"{_given(m.nothing).closed:.0f} s", "until a close stands again, from nothing"),
        ("after a restart", f"{_given(m.segments).closed:.0f} s", "the same from segments on disk"),
    ]
    return [{"for all England": a, "needs": b, "why": c} for a, b, c in rows]


NOTES = [
    "Broker, producer, worker and closer share these cores with whatever else runs on the machine: the last table says how much that was.",
    "Figures of a few seconds are medians of three rounds of this one run; the year and the steady rates were played once.",
    "A register has five year groups of six codes, and the headers that `headway produce` gives it. The broker keeps one copy.",
    "Plain loops and Quix read with their own settings. Quix is timed from its first record on, ours and the loops with connecting.",
    "Quix's state keeps no changelog here, which is the cheaper way.",
    "A register waits from its append to the append of its school's reading, by the broker's clock.",
    "Readings of a partition are appended at most every 250 ms.",
    "The backlog is appended while the worker is held still, so that the producer takes nothing from it; bulk reading is switched off.",
]


def _others(m: Measured) -> float:
    """Cores taken by others, over the whole run."""
    stages = [(stage["seconds"], stage["cores taken by others"]) for stage in m.noise]
    return float(sum(seconds * cores for seconds, cores in stages) / sum(seconds for seconds, _ in stages))


def origin(command: str) -> dict[str, Any]:
    """Where the figures come from."""
    return provenance(command) | {name: version(name) for name in ("aiokafka", "faust-streaming", "kafka-python")}


def write_page(m: Measured, source: dict[str, Any], *, keep: bool) -> None:
    """docs/evidence/live.md and .json with `keep`, and print it."""
    listed = goals(m)
    short = [g for g in listed if not g.met]
    first = [f"- {row['what']}: {row['measured']}; the goal is {row['goal']}" for row in (g.row() for g in short)]
    text = [
        "# The live runner, all of England",
        "",
        f"`{source['command']}` (seed 1) at commit {source['commit']}: {m.schools:,} schools, {m.days} days, {m.registers:,} registers.",
        f"Python {source['python']}, numpy {source['numpy']}, aiokafka {source['aiokafka']}, Faust {source['faust-streaming']}.",
        f"{source['cores']} cores ({source['machine']}), Apache Kafka as one process.",
        "",
        f"Meanwhile others took {_others(m):.1f} of them; what is said in processor time depends on that much less.",
        "",
        "**What falls short:**" if short else "Every goal was met.",
        *(["", *first] if short else []),
        "",
        table([g.row() for g in listed]),
        "",
        "## Reading the log, the same work side by side",
        "",
        table(_readers(m)),
        "",
        "## A close by its parts",
        "",
        table(_parts(m)),
        "",
        "## What one costs",
        "",
        table([{"what": what, "measured": _number(x) if x >= 1 else f"{x:.3f}"} for what, x in costs(m).items()]),
        "",
        "## The bill for all England",
        "",
        table(bill(m)),
        "",
        "## How it was measured",
        "",
        *NOTES,
        f"Produced at {m.produced:,.0f} registers a second.",
        "",
        table(m.noise),
        "",
    ]
    print("\n".join(text))
    if keep:
        (EVIDENCE / "live.md").write_text("\n".join(text), encoding="utf-8")
        raw = {"provenance": source, "measured": asdict(m), "costs": costs(m)}
        (EVIDENCE / "live.json").write_text(json.dumps(raw, indent=1) + "\n", encoding="utf-8")
