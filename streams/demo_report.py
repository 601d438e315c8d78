"""What the demo prints: planted against found, missed first; then the budget, what was withheld, what was taken back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich import box
from rich.markup import escape
from rich.table import Table

from streams import demo_words as words
from streams.demo_findings import EventFound, StretchFound

if TYPE_CHECKING:
    from rich.console import Console

    from streams.demo import Demo
    from streams.demo_findings import Story

__all__ = ["print_report"]


def print_report(demo: Demo, console: Console) -> None:
    """The tables, on a terminal or in a file."""
    planted = demo.hub.planted
    console.print(
        f"\n[bold]A hub of {len(demo.reference.schools)} schools, simulated[/bold], {words.full_date(planted.days[0])} to "
        f"{words.full_date(planted.days[-1])}, seed {demo.seed}",
        highlight=False,
    )
    _drifts(demo, console)
    _others(demo, console)
    _false(demo, console)
    _withdrawn(demo, console)
    _withheld(demo, console)
    _end(demo, console)


def _table(title: str, *columns: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, title=title, title_justify="left", title_style="bold", pad_edge=False)
    for name in columns:
        table.add_column(name, overflow="fold")
    return table


def _opened(story: Story | None) -> str:
    return "–" if story is None else words.table_date(story.opening.opened_on)


def _drifts(demo: Demo, console: Console) -> None:
    days, found = demo.hub.planted.days, demo.findings.drifts
    table = _table("Planted drops in attendance", "School", "Planted", "From", "Found", "Opened", "After")
    for f in found:
        name, onset = escape(demo.names[f.planted.urn]), words.table_date(days[f.planted.onset_day - 1])
        if f.story is None:
            table.add_row(name, words.drift_words(f.planted, brief=True), onset, f"[bold red]MISSED[/bold red]: {f.why}", "–", "–")
        else:
            by = words.found_by(f.story.opening)
            table.add_row(name, words.drift_words(f.planted, brief=True), onset, by, _opened(f.story), words.school_days(f.school_days))
    console.print(table)
    console.print(f"Missed: {words.missed_words(demo.findings)}\nFound: {words.found_words(demo.findings)}", highlight=False)


def _others(demo: Demo, console: Console) -> None:
    days, found = demo.hub.planted.days, demo.findings
    table = _table("\nThe hub as a whole, and registers", "Where", "Planted", "From", "Alert", "Opened", "After")
    mixed: list[EventFound | StretchFound] = [*found.events, *found.stretches]
    for f in sorted(mixed, key=lambda f: (f.story is not None, isinstance(f, StretchFound), f.planted.first_day)):
        name = escape(demo.names[f.planted.urn]) if isinstance(f, StretchFound) else "the hub"
        what = words.stretch_words(f.planted) if isinstance(f, StretchFound) else words.event_words(f.planted)
        said = (
            "[bold red]MISSED[/bold red]" if f.story is None else words.FOUND_BY_BRIEFLY.get(f.story.opening.kind, f.story.opening.reason)
        )
        table.add_row(name, what, words.table_date(days[f.planted.first_day - 1]), said, _opened(f.story), words.school_days(f.school_days))
    console.print(table)
    planted = demo.hub.planted
    console.print(
        f"{len(found.single_days)} further data alerts, each for a day whose registers were planted as “all present”.\n"
        f"Registers: {planted.late_registers:,} came days late, {planted.missing_registers:,} never; "
        f"{planted.corrections:,} were corrected later.",
        highlight=False,
    )


def _false(demo: Demo, console: Console) -> None:
    found = demo.findings
    console.print(
        f"\n[bold]False alerts[/bold]: expected {found.expected_false:.1f}, got {len(found.false_cases)}.\n"
        "The budget is 2 a hub and term: T has 55 % of it, C 15 %, and G, a year group against the rest of its school, 30 %.\n"
        "All alerts of a school are one case.",
        highlight=False,
    )
    for case in found.false_cases:
        taken = "; withdrawn" if case.withdrawn else ""
        charts = " and ".join(dict.fromkeys(s.opening.chart or "" for s in case.stories))
        console.print(f"  {escape(demo.names[case.urn])}, {words.full_date(case.opened_on)}, chart {charts}{taken}", highlight=False)
    console.print(f"  False area alerts {len(found.false_area)}, false data alerts {len(found.false_data)}.", highlight=False)


def _withdrawn(demo: Demo, console: Console) -> None:
    told = demo.findings.withdrawn
    console.print(f"\n[bold]Withdrawn[/bold]: {len(told)}", highlight=False)
    for story in told:
        where = story.opening.area if story.opening.urn is None else demo.names[story.opening.urn]
        said = f"{words.kind_words(story.opening)}, opened {words.full_date(story.opening.opened_on)}, {words.state_words(story)}"
        console.print(f"  {escape(where or '')}: {said}", highlight=False)


def _withheld(demo: Demo, console: Console) -> None:
    console.print("\n[bold]Withheld[/bold], in school-days of a chart above its decision interval", highlight=False)
    for key, count in demo.findings.withheld.items():
        chart, reason = words.withheld_words(key)
        console.print(f"  {count:>6,}  {chart}: {reason}", highlight=False)


def _end(demo: Demo, console: Console) -> None:
    console.print(
        f"\n{demo.summary['read']:,} registers read, {demo.summary['closes']} closes, {demo.seconds:.1f} seconds. State digest "
        f"{demo.summary['state_digest'][:16]}…",
        highlight=False,
    )
    console.print(f"A chart for every alert: {escape(str(demo.out / 'demo.html'))}", highlight=False, soft_wrap=True)
