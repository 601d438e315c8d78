"""Acknowledgements: as strict as registers, the greatest revision wins. (casework.md section 1)"""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from itertools import permutations
from typing import Any

import pytest

from schemas.acknowledgement import Acknowledgement, Verdict, canonical, parse, winner
from schemas.errors import InvalidRegister
from schemas.reject import Reject, RejectReason

GOOD: dict[str, Any] = {
    "urn": 123456,
    "chart": "G:7",
    "effective_date": "2026-10-05",
    "verdict": "handled",
    "revision": 0,
    "recorded_at": "2026-10-05T17:00:00+01:00",
    "actor": "p-17",
}
WRONG: dict[str, list[Any]] = {
    "urn": [0, -1, 1.0, True, "1", None, 2**31, []],
    "revision": [-1, 0.5, False, "0", 2**31],
    "chart": ["", "t", "G", "G:", "G:14", "G:7 ", "T\n", 1, None, [], {}],
    "verdict": ["", "Handled", "HANDLED", 1, None, [], {}],
    "actor": ["", "a" * 201, "\ud800", "a\nb", "\x7f", 17, None, []],
    "effective_date": ["", "2026-02-30", "20261005", "2026-W41-1", "2026-10-05T00:00:00Z", "\uff12026-10-05", 20261005, None, []],
    "recorded_at": [
        *("", "2026-10-05", "2026-10-05 17:00:00Z", "2026-10-05T17:00Z", "2026-10-05T24:00:00Z", "2026-10-05T17:00:60Z"),
        *("2026-10-05T17:00:00+24:00", "2026-10-05T17:00:00+01:00:30", "2026-W41-1T17:00:00Z", "2026-02-30T17:00:00Z"),
        *("0001-01-01T00:00:00Z", "0001-01-01T00:00:00+01:00", "9999-12-31T23:59:59-01:00", 1791216000, None, []),
    ],
}


def raw(**changes: Any) -> bytes:
    return json.dumps({k: v for k, v in (GOOD | changes).items() if v is not ...}).encode()


def test_an_acknowledgement_is_read_and_its_time_is_kept_in_utc() -> None:
    said = parse(b" \r\n" + raw() + b"\n")
    assert said == Acknowledgement(
        urn=123456,
        chart="G:7",
        effective_date=date(2026, 10, 5),
        verdict=Verdict.HANDLED,
        revision=0,
        recorded_at=datetime(2026, 10, 5, 16, tzinfo=UTC),
        actor="p-17",
    )


def test_canonical_bytes_have_sorted_keys_no_blanks_and_microseconds_in_utc() -> None:
    assert canonical(parse(raw())) == (
        b'{"actor":"p-17","chart":"G:7","effective_date":"2026-10-05","recorded_at":"2026-10-05T16:00:00.000000Z",'
        b'"revision":0,"urn":123456,"verdict":"handled"}'
    )
    assert parse(canonical(parse(raw()))) == parse(raw())


@pytest.mark.parametrize("chart", ["T", "C", "G:R", "G:N1", "G:13"])
@pytest.mark.parametrize("verdict", list(Verdict))
def test_every_chart_can_be_given_every_verdict(chart: str, verdict: Verdict) -> None:
    said = parse(raw(chart=chart, verdict=str(verdict)))
    assert (said.chart, said.verdict) == (chart, verdict)


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        (b"", RejectReason.NOT_JSON),
        (b"{", RejectReason.NOT_JSON),
        (b"\xff", RejectReason.NOT_UTF8),
        (b"\xef\xbb\xbf" + raw(), RejectReason.NOT_JSON),
        (raw() + b"}", RejectReason.NOT_JSON),
        (b"[" * 10_000, RejectReason.NOT_JSON),
        (b'{"urn":' * 9_000, RejectReason.NOT_JSON),
        (raw(revision=float("nan")), RejectReason.NOT_JSON),
        (b"[]", RejectReason.NOT_AN_OBJECT),
        (b"null", RejectReason.NOT_AN_OBJECT),
        (b'{"urn":1,"urn":1}', RejectReason.DUPLICATE_KEY),
        (raw(actor=...), RejectReason.MISSING_FIELD),
        (raw(note="x"), RejectReason.UNKNOWN_FIELD),
        (raw(**{"\ud800": 1}), RejectReason.UNKNOWN_FIELD),
        (raw(actor="x" * 70_000), RejectReason.OVERSIZED),
        (raw(urn=5).replace(b"5,", b"1" * 10_000 + b",", 1), RejectReason.WRONG_FIELD),
        *((raw(**{field: value}), RejectReason.WRONG_FIELD) for field, values in WRONG.items() for value in values),
        (raw(recorded_at="2026-10-05T17:00:00"), RejectReason.NO_OFFSET),
        (raw(effective_date="2026-10-06"), RejectReason.FUTURE_DATE),
        (raw(effective_date="2026-10-06", recorded_at="2026-10-05T22:59:59Z"), RejectReason.FUTURE_DATE),
    ],
)
def test_what_breaks_a_rule_is_refused_for_a_named_reason(given: bytes, reason: RejectReason) -> None:
    with pytest.raises(InvalidRegister) as caught:
        parse(given)
    assert caught.value.reason is reason
    assert caught.value.detail.isascii()
    json.loads(Reject.of(given, caught.value).to_line())


def test_the_day_of_an_acknowledgement_is_london_s() -> None:
    """23:00 UTC on 5 October is midnight of the 6th there."""
    assert parse(raw(effective_date="2026-10-06", recorded_at="2026-10-05T23:00:00Z")).effective_date == date(2026, 10, 6)


def test_the_greatest_revision_then_time_then_hash_wins_in_any_order() -> None:
    ascending = [
        parse(raw(revision=0, recorded_at="2026-10-09T09:00:00Z")),
        parse(raw(revision=1, recorded_at="2026-10-05T09:00:00Z", verdict="retracted")),
        parse(raw(revision=1, recorded_at="2026-10-05T09:00:00.000001Z")),
    ]
    for one, two, three in permutations(ascending):
        assert winner(winner(one, two), three) == winner(one, winner(two, three)) == ascending[2]
    tie, other = parse(raw(actor="a")), parse(raw(actor="b"))
    assert winner(tie, other) == winner(other, tie)
    assert winner(tie, tie) == tie
