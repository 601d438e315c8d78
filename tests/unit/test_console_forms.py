from __future__ import annotations

from datetime import date

import pytest

from console.forms import Action, Field, Wrong, a_choice, a_day, a_text, filled
from console.own_forms import ForeignForm, form_token, refuse_foreign
from console.rate_limits import RateLimit, RateLimits

ORIGIN = "https://desk.example"
COOKIE = "c" * 43
OURS = {"origin": ORIGIN, "sec-fetch-site": "same-origin"}


@pytest.mark.parametrize(
    ("headers", "token", "taken"),
    [
        pytest.param(OURS, form_token(COOKIE), True, id="our own page"),
        pytest.param({"origin": ORIGIN}, form_token(COOKIE), True, id="a browser that does not say where it comes from"),
        pytest.param({"sec-fetch-site": "same-origin"}, form_token(COOKIE), False, id="no origin"),
        pytest.param(OURS | {"origin": "null"}, form_token(COOKIE), False, id="a page without an origin"),
        pytest.param(OURS | {"origin": "https://evil.example"}, form_token(COOKIE), False, id="another origin"),
        pytest.param(OURS | {"origin": ORIGIN + ".evil.example"}, form_token(COOKIE), False, id="an origin that begins as ours"),
        pytest.param(OURS | {"sec-fetch-site": "cross-site"}, form_token(COOKIE), False, id="another site"),
        pytest.param(OURS | {"sec-fetch-site": "same-site"}, form_token(COOKIE), False, id="a neighbour on the same site"),
        pytest.param(OURS, form_token("d" * 43), False, id="the token of another sign-in"),
        pytest.param(OURS, "", False, id="no token"),
        pytest.param(OURS, "\udcff", False, id="no text"),
    ],
)
def test_only_our_own_forms_are_taken(headers: dict[str, str], token: str, *, taken: bool) -> None:
    if taken:
        refuse_foreign(headers, token, COOKIE, ORIGIN)
    else:
        with pytest.raises(ForeignForm):
            refuse_foreign(headers, token, COOKIE, ORIGIN)


def test_a_token_does_not_show_the_cookie_it_follows_from() -> None:
    assert COOKIE not in form_token(COOKIE)
    assert len(form_token(COOKIE)) == 64


def test_a_limit_lets_a_burst_through_then_so_many_a_minute() -> None:
    now = [0.0]
    limits, limit = RateLimits(lambda: now[0]), RateLimit(burst=3, per_minute=60)
    assert [limits.wait_seconds("sign-in", "a", limit) for _ in range(4)] == [0, 0, 0, pytest.approx(1.0)]
    assert limits.wait_seconds("sign-in", "b", limit) == 0
    now[0] = 1.0
    assert limits.wait_seconds("sign-in", "a", limit) == 0
    assert limits.wait_seconds("sign-in", "a", limit) > 0


def test_limits_forget_whoever_was_longest_away() -> None:
    limits, limit = RateLimits(lambda: 0.0, buckets_max=2), RateLimit(burst=1, per_minute=1)
    for who in ("a", "b", "c"):
        limits.wait_seconds("x", who, limit)
    assert len(limits._buckets) == 2
    assert limits.wait_seconds("x", "c", limit) > 0


def test_text_keeps_its_lines_and_loses_what_cannot_be_seen() -> None:
    said = a_text({"note": "  Rang the head.\r\nIllness\x00 in Year 9\u202e.  "}, "note", "a note")
    assert said == "Rang the head.\nIllness in Year 9."


@pytest.mark.parametrize("given", [{}, {"note": ""}, {"note": " \r\n\x00 "}, {"note": "x" * 2_001}])
def test_no_text_or_too_much_of_it_is_refused_with_what_to_do(given: dict[str, str]) -> None:
    with pytest.raises(Wrong, match="Write"):
        a_text(given, "note", "a note")


def test_only_offered_choices_and_days_are_taken() -> None:
    assert a_choice({"reason": "illness"}, "reason", ["illness"], "a reason") == "illness"
    with pytest.raises(Wrong):
        a_choice({"reason": "poverty"}, "reason", ["illness"], "a reason")
    first, last = date(2026, 11, 24), date(2026, 12, 23)
    assert a_day({"until": "2026-11-24"}, "until", first, last) == first
    for bad in ("2026-11-23", "2026-12-24", "tomorrow", ""):
        with pytest.raises(Wrong):
            a_day({"until": bad}, "until", first, last)


def test_a_form_comes_back_with_what_was_typed_and_what_was_wrong() -> None:
    action = Action("note", "Add a note", "/x", "Add", (Field("note", "Note"), Field("other", "Other")))
    back = filled(action, {"note": "<b>half"}, Wrong("note", "Write less"))
    assert back.open
    assert back.fields[0].value == "<b>half"
    assert back.fields[0].error == "Write less"
    assert not back.fields[1].error
