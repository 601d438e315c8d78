"""Every reader says what the reference says: JSON lines by the quick way, Parquet by columns."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.codes import CODE_IDS, YEAR_GROUPS
from schemas.register import canonical, parse
from streams import parquet
from streams.decode import decode
from streams.write_registers import parquet_schema
from tests.hostile_registers import reference, said

_GROUPS = st.sampled_from([*YEAR_GROUPS[:16], *YEAR_GROUPS[8:10]])
_CODES = st.sampled_from([*CODE_IDS, *"/LION#"])
_PUPILS = st.sampled_from([0, 1, 7, 170, 999_999])
_DATES = st.sampled_from(["2026-10-05", "2026-10-06", "2024-08-18", "1999-12-31"])
_MOMENTS = st.sampled_from(
    [
        "2026-10-05T09:41:07Z",
        "2026-10-05T23:59:59.999999Z",
        "2026-10-06T09:00:00.25+01:00",
        "2030-01-01T00:00:00-05:30",
    ]
)
_COUNTS = st.dictionaries(_GROUPS, st.dictionaries(_CODES, _PUPILS, max_size=6), max_size=4) | st.fixed_dictionaries(
    {"all": st.dictionaries(_CODES, _PUPILS, max_size=4)}
)
FIELDS: dict[str, st.SearchStrategy[Any]] = {
    "urn": st.integers(1, 3) | st.just(2**31 - 1),
    "attendance_date": _DATES,
    "session": st.sampled_from(["AM", "PM"]),
    "revision": st.sampled_from([0, 1, 2**31 - 1]),
    "recorded_at": _MOMENTS,
    "source": st.sampled_from(["a", "b:c", "é"]),
    "counts": _COUNTS,
}
HOSTILE: dict[str, st.SearchStrategy[Any]] = {
    "urn": st.sampled_from([0, -1, 2**31, 1.0, True, None, "1"]),
    "attendance_date": st.sampled_from(["2027-01-01", "20261005", 5, None]),
    "session": st.sampled_from(["am", "", None]),
    "revision": st.sampled_from([-1, 2**31, 0.0, False]),
    "recorded_at": st.sampled_from(["2026-10-05T09:41:07", "x", 0, "0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z"]),
    "source": st.sampled_from(["", "x" * 201, None, "\ud800"]),
    "counts": st.sampled_from(
        [
            {},
            [],
            None,
            {"all": {"/": 1}, "7": {}},
            {"7": []},
            {"7": {"/": -1}},
            {"7": {"/": 1.5}},
            {"7": {"/": 2**63}},
            {"7": {"QQ": 1}},
            {"14": {}},
        ]
    ),
}


@st.composite
def lines(draw: st.DrawFn) -> bytes:
    """A register in any spelling, or one with one field wrong, missing, too many or twice."""
    fields = draw(st.fixed_dictionaries(FIELDS))
    odd = draw(st.sampled_from([None] * 6 + list(FIELDS)))
    if odd is not None:
        fields[odd] = draw(HOSTILE[odd])
    if draw(st.integers(0, 30)) == 0:
        fields.pop(draw(st.sampled_from(list(FIELDS))))
    separators = draw(st.sampled_from([(",", ":"), (", ", ": "), ("\t,", " :\r")]))
    text = json.dumps(dict(draw(st.permutations(list(fields.items())))), ensure_ascii=draw(st.booleans()), separators=separators)
    if draw(st.integers(0, 10)) == 0:
        place = draw(st.integers(0, len(text)))
        text = text[:place] + draw(st.text(max_size=2) | st.sampled_from(['"', ":", ',"7":{}', "\\u003a", "e1"])) + text[place:]
    return text.encode("utf-8", "surrogatepass").replace(b"\n", b" ")


@pytest.mark.slow
@given(st.lists(lines(), max_size=8))
@settings(max_examples=300, deadline=None)
def test_the_quick_way_is_the_reference(some: list[bytes]) -> None:
    assert said([decode(some)]) == reference(some)


@given(lines())
@settings(max_examples=100, deadline=None)
def test_canonical_bytes_of_canonical_bytes_are_the_same(line: bytes) -> None:
    for once in reference([line])[0]:
        assert canonical(parse(once)) == once


@st.composite
def tables(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Registers of distinct keys as they stand in a Parquet file, some with one thing wrong that its types allow."""
    out = []
    for number in range(draw(st.integers(0, 7))):
        fields = draw(st.fixed_dictionaries(FIELDS))
        fields["urn"] = number + 1
        faults = ["urn", "date", "session", "revision", "early", "late", "source", "count", "large", "group", "all"]
        match draw(st.sampled_from([""] * 8 + faults)):
            case "urn":
                fields["urn"] = -number
            case "date":
                fields["attendance_date"] = "2031-06-01"
            case "session":
                fields["session"] = "noon"
            case "revision":
                fields["revision"] = -1 - number
            case "early":
                fields["recorded_at"] = "0001-01-01T00:00:00Z"
            case "late":
                fields["recorded_at"] = "9999-12-31T23:59:59Z"
            case "source":
                fields["source"] = "x" * 201
            case "count":
                fields["counts"] = {**fields["counts"], "7": {"/": -1}}
            case "large":
                fields["counts"] = {**fields["counts"], "7": {"/": 2_000_000_000}}
            case "group":
                fields["counts"] = {**fields["counts"], "14": {"/": 1}}
            case "all":
                fields["counts"] = {**fields["counts"], "all": {"/": 1}}
        fields["counts"] = fields["counts"] or {"9": {}}
        out.append(fields)
    return out


def rows(register: dict[str, Any]) -> list[dict[str, Any]]:
    """The rows of a register in the contract's layout."""
    moment = datetime.fromisoformat(register["recorded_at"]).astimezone(UTC)
    head = {**register, "attendance_date": date.fromisoformat(register["attendance_date"]), "recorded_at": moment}
    del head["counts"]
    return [{**head, "year_group": group, **codes} for group, codes in register["counts"].items()]


def as_line(register: dict[str, Any]) -> bytes:
    """The line that says the same as those rows: nothing that is 0."""
    at = datetime.fromisoformat(register["recorded_at"]).astimezone(UTC) - datetime(1970, 1, 1, tzinfo=UTC)
    moment = (datetime(1970, 1, 1) + at).isoformat(timespec="microseconds") + "Z"
    counts = {group: {c: codes[c] for c in CODE_IDS if codes.get(c)} for group, codes in register["counts"].items()}
    said = {**register, "recorded_at": moment, "counts": counts}
    return json.dumps({name: said[name] for name in FIELDS}, ensure_ascii=False, separators=(",", ":")).encode()


@pytest.mark.slow
@given(tables(), st.integers(1, 9), st.integers(1, 9), st.booleans())
@settings(max_examples=150, deadline=None)
def test_parquet_is_accepted_and_refused_like_the_lines_that_say_the_same(
    registers: list[dict[str, Any]], group_rows: int, batch_rows: int, dense: bool
) -> None:
    table = pa.Table.from_pylist([row for register in registers for row in rows(register)], schema=parquet_schema())
    if not dense:
        table = table.select([n for n in table.schema.names if n not in CODE_IDS or table.column(n).null_count < len(table)])
    with TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(parquet, "BATCH_ROWS", batch_rows)
        path = Path(folder) / "s.parquet"
        pq.write_table(table, path, row_group_size=group_rows, use_dictionary=dense)
        assert said(list(parquet.read(path))) == reference([as_line(register) for register in registers])


# Rivals that agree in all but their counts cannot be told from one register when they stand side by side: not in Parquet.
_RIVALS = st.lists(
    st.fixed_dictionaries({**FIELDS, "urn": st.integers(1, 2), "counts": _COUNTS.filter(bool)}),
    max_size=8,
    unique_by=lambda register: tuple(register[name] for name in FIELDS if name != "counts"),
)


@pytest.mark.slow
@given(_RIVALS, st.randoms())
@settings(max_examples=100, deadline=None)
def test_what_a_parquet_file_says_does_not_depend_on_the_order_of_its_registers(registers: list[dict[str, Any]], order: Any) -> None:
    def told(these: list[dict[str, Any]], batch_rows: int) -> tuple[set[bytes], set[tuple[str, str]]]:
        with TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
            patch.setattr(parquet, "BATCH_ROWS", batch_rows)
            path = Path(folder) / "s.parquet"
            pq.write_table(pa.Table.from_pylist([row for r in these for row in rows(r)], schema=parquet_schema()), path)
            accepted, rejected = said(list(parquet.read(path)))
            return set(accepted), set(rejected)

    first = told(registers, 1000)
    order.shuffle(registers)
    assert told(registers + registers[:1], 3) == first


def test_a_moment_at_the_end_of_time_is_judged_alike() -> None:
    far = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)
    some = [
        json.dumps(
            {
                "urn": 1,
                "attendance_date": "9999-12-31",
                "session": "AM",
                "revision": 0,
                "source": "x",
                "counts": {"7": {"/": 1}},
                "recorded_at": (far - timedelta(hours=h)).isoformat(),
            }
        ).encode()
        for h in range(50)
    ]
    assert said([decode(some)]) == reference(some)
    assert len(reference(some)[0]) == 48
