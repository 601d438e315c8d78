"""The fold of the control log: one chain, whoever writes what beside it."""

from __future__ import annotations

from datetime import UTC, date, datetime

from schemas.control import Abandoned, CloseCompleted, Decided, RejectsAccepted, Requested
from streams.chain import Chain

AT = datetime(2026, 10, 5, 17, 30, tzinfo=UTC)
DIGEST = "d" * 64


def _requested(previous: Requested | None = None, position: int = 1) -> Requested:
    return Requested(
        previous=None if previous is None else previous.close_id,
        number=1 if previous is None else previous.number + 1,
        day=date(2026, 10, 5),
        positions={"log/0": position},
        reference_version="r",
        parameters_digest="p",
        engine_version="e",
    )


def _decided(request: Requested, digest: str = DIGEST) -> Decided:
    return Decided(close_id=request.close_id, digest=digest, counts={})


def _completed(request: Requested) -> CloseCompleted:
    return CloseCompleted(close_id=request.close_id, state_digest="s", at=AT)


def test_two_closers_that_both_believe_they_lead_make_one_chain() -> None:
    one, other = _requested(position=1), _requested(position=2)
    chain = Chain.of([one, other, _decided(other), _decided(one), _completed(one), _completed(other), _completed(one)])
    assert [request for request, _ in chain.completed] == [one]
    assert chain.open is None


def test_the_first_decision_stands() -> None:
    one = _requested()
    chain = Chain.of([one, _decided(one), _decided(one, "f" * 64)])
    assert chain.decided is not None
    assert chain.decided.digest == DIGEST


def test_what_is_abandoned_makes_room_and_may_be_asked_for_again() -> None:
    one, other = _requested(position=1), _requested(position=2)
    chain = Chain.of([one, Abandoned(close_id=one.close_id, reason="why"), other])
    assert chain.open == other
    assert chain.abandoned == {one.close_id: "why"}
    chain = Chain.of([one, Abandoned(close_id=one.close_id, reason="why"), one, _completed(one)])
    assert chain.newest == one.close_id


def test_what_was_decided_is_not_abandoned() -> None:
    one = _requested()
    chain = Chain.of([one, _decided(one), Abandoned(close_id=one.close_id, reason="why")])
    assert chain.open == one


def test_a_request_after_another_close_or_of_another_number_is_void() -> None:
    one = _requested()
    second = _requested(one, 2)
    assert Chain.of([second]).open is None
    assert Chain.of([one, _completed(one), second.model_copy(update={"number": 3})]).open is None
    chain = Chain.of([one, _completed(one), second])
    assert chain.open == second
    assert chain.before(second) == one


def test_no_day_before_the_last_closed_one_is_ever_closed() -> None:
    one = _requested()
    earlier = _requested(one, 2).model_copy(update={"day": date(2026, 10, 4)})
    again = _requested(one, 2)
    assert Chain.of([one, _completed(one), earlier, again]).open == again


def test_accepted_rejects_only_move_forward() -> None:
    def accepted(**positions: int) -> RejectsAccepted:
        return RejectsAccepted(positions=positions, by="ops-1", reason="looked at", at=AT)

    assert Chain.of([accepted(a=5, b=1), accepted(a=3, b=2)]).accepted == {"a": 5, "b": 2}
