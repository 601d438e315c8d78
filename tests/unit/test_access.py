"""Who may speak to the intake: tokens for everyone, or this machine only."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from schemas.errors import WrongUsage
from streams.access import Access, is_loopback, tokens_from

if TYPE_CHECKING:
    from pathlib import Path

TOKEN, NEXT = "correct-horse-battery", "staple-paper-clip-19"


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.9.1", "::1", "[::1]", "localhost", "LOCALHOST"])
def test_a_loopback_address_needs_no_token(host: str) -> None:
    assert is_loopback(host)
    assert Access.on(host, ()) == Access()


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.1", "headway.example", "localhost.example", ""])
def test_no_other_address_is_listened_on_without_a_token(host: str) -> None:
    with pytest.raises(WrongUsage, match="HEADWAY_INTAKE_TOKENS"):
        Access.on(host, ())
    assert Access.on(host, (TOKEN,)).tokens == (TOKEN,)


@pytest.mark.parametrize("token", ["", "short", "with a blank in the middle", "not-ascii-\N{POUND SIGN}-at-all"])
def test_a_weak_token_is_refused(token: str) -> None:
    with pytest.raises(WrongUsage, match="at least 16 ASCII characters"):
        Access.on("127.0.0.1", (token,))


@pytest.mark.parametrize(
    ("header", "speaks"),
    [
        (f"Bearer {TOKEN}", True),
        (f"bearer {NEXT}", True),
        (f"Bearer {TOKEN}x", False),
        (f"Basic {TOKEN}", False),
        (TOKEN, False),
        ("Bearer", False),
        ("", False),
        ("Bearer \udcff", False),
    ],
)
def test_any_of_the_tokens_opens_and_nothing_else(header: str, speaks: bool) -> None:
    access = Access((TOKEN, NEXT))
    assert access.may_speak({"authorization": header, "host": "headway.example"}, "10.0.0.9") is speaks
    assert not access.may_speak({"host": "127.0.0.1"}, "127.0.0.1"), "with tokens, this machine needs one too"


@pytest.mark.parametrize(
    ("peer", "host", "speaks", "sentence"),
    [
        ("127.0.0.1", "127.0.0.1:8080", True, "this machine, by its address"),
        ("127.0.0.1", "localhost", True, "by its name"),
        ("::1", "[::1]:8080", True, "by the other address"),
        ("::1", "[::1]", True, "without a port"),
        ("127.0.0.1", "evil.example:8080", False, "a page of another site that resolves to this machine"),
        ("127.0.0.1", "", False, "no name at all"),
        ("10.0.0.9", "127.0.0.1", False, "another machine"),
    ],
)
def test_without_tokens_only_this_machine_under_its_own_name_may_speak(peer: str, host: str, speaks: bool, sentence: str) -> None:
    assert Access().may_speak({"host": host}, peer) is speaks, sentence


def test_what_came_through_a_proxy_is_not_told_the_expected_path_without_a_token() -> None:
    assert Access().sees_expected_path({})
    assert not Access().sees_expected_path({"x-forwarded-for": "10.0.0.9"})
    assert Access((TOKEN,)).sees_expected_path({"x-forwarded-for": "10.0.0.9"})


def test_a_token_does_not_print() -> None:
    assert TOKEN not in repr(Access((TOKEN,)))


def test_tokens_come_from_the_environment_or_a_file_of_lines(tmp_path: Path) -> None:
    file = tmp_path / "tokens"
    file.write_text(f"{TOKEN}\n{NEXT}\n")
    assert tokens_from(None, {}) == ()
    assert tokens_from(None, {"HEADWAY_INTAKE_TOKENS": f"{TOKEN} {NEXT}"}) == (TOKEN, NEXT)
    assert tokens_from(file, {}) == (TOKEN, NEXT)


@pytest.mark.parametrize("contents", [None, b"", b"\n \n", b"\xff\xfe"], ids=["no file", "empty", "blank", "binary"])
def test_a_token_file_that_gives_none_is_wrong_usage_and_never_no_token(tmp_path: Path, contents: bytes | None) -> None:
    file = tmp_path / "tokens"
    if contents is not None:
        file.write_bytes(contents)
    with pytest.raises(WrongUsage, match="tokens"):
        tokens_from(file, {"HEADWAY_INTAKE_TOKENS": TOKEN})
    with pytest.raises(WrongUsage, match="holds no intake token"):
        tokens_from(None, {"HEADWAY_INTAKE_TOKENS": " "})
