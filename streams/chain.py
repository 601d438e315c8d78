"""The control log, folded: completed closes in order, the request that is open, and the rejects that a person has accepted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from schemas.control import Abandoned, CloseCompleted, Decided, RejectsAccepted, Requested

if TYPE_CHECKING:
    from collections.abc import Iterable

    from schemas.control import AnyControlRecord

__all__ = ["Chain"]


class Chain:
    """Fold it record after record; the same log gives the same chain to everyone."""

    def __init__(self) -> None:
        self.completed: list[tuple[Requested, CloseCompleted]] = []
        self.open: Requested | None = None
        self.decided: Decided | None = None
        self.abandoned: dict[str, str] = {}
        """Why, by close id; a close asked for again later may still be completed."""
        self.accepted: dict[str, int] = {}
        """Positions up to which rejects have been looked at by a person."""

    @classmethod
    def of(cls, records: Iterable[AnyControlRecord]) -> Chain:
        """The fold of a whole control log."""
        chain = cls()
        for record in records:
            chain.add(record)
        return chain

    def add(self, record: AnyControlRecord) -> None:
        """Fold one record; a request beside an open one, or that does not follow the newest close, is void."""
        if isinstance(record, RejectsAccepted):
            self.accepted |= {at: max(upto, self.accepted.get(at, 0)) for at, upto in record.positions.items()}
        elif isinstance(record, Requested):
            if self.open is None and self._follows(record):
                self.open = record
        elif self.open is not None and record.close_id == self.open.close_id:
            self._move(self.open, record)

    def _follows(self, request: Requested) -> bool:
        """Whether it comes next: no day before the last closed one is ever closed."""
        last = self.completed[-1][0] if self.completed else None
        return (request.previous, request.number) == (self.newest, len(self.completed) + 1) and (last is None or last.day <= request.day)

    def _move(self, request: Requested, record: Decided | CloseCompleted | Abandoned) -> None:
        if isinstance(record, Decided):
            self.decided = self.decided or record
        elif isinstance(record, CloseCompleted):
            self.completed.append((request, record))
            self.open = self.decided = None
        elif self.decided is None:
            self.abandoned[record.close_id] = record.reason
            self.open = None

    @property
    def newest(self) -> str | None:
        """The id of the last completed close."""
        return self.completed[-1][0].close_id if self.completed else None

    def before(self, request: Requested) -> Requested | None:
        """The completed request that this one follows."""
        return next((held for held, _ in reversed(self.completed) if held.close_id == request.previous), None)
