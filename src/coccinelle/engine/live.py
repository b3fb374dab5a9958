"""A turn while it happens: its events, who attends to them, and its end when nobody does."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing

from coccinelle.engine.model import (
    TextReset,
    TurnEvent,
    TurnFailed,
    TurnFinished,
    TurnResult,
)
from coccinelle.foundation.ids import TurnId

FIRST_READER_SECONDS = 2.0


class LiveTurn:
    """The events of one turn, numbered upwards, for any number of readers at any time.

    While somebody reads, or waits for the result, the turn is attended. When nobody has for
    `grace_seconds` it is abandoned, once; the first reader has `FIRST_READER_SECONDS` at least.

    Args:
        again: the turn is answered once more; its events have numbers that no reader of the turn
            can have seen.
    """

    def __init__(
        self,
        turn_id: TurnId,
        *,
        grace_seconds: float = 0.0,
        again: bool = False,
    ):
        self.turn_id = turn_id
        self._grace_seconds = grace_seconds
        self._abandon: Callable[[], object] = bool
        self._events: list[TurnEvent] = []
        self._changed = asyncio.Event()
        self._attending = 0
        self._leaving: asyncio.TimerHandle | None = None
        self._before_first = time.time_ns() // 1_000_000 if again else 0

    @classmethod
    def replay(cls, turn_id: TurnId, events: Sequence[TurnEvent]) -> LiveTurn:
        """A turn that has ended, told again."""
        told = cls(turn_id, again=True)
        told._events = list(events)
        return told

    def when_abandoned(self, act: Callable[[], object]) -> None:
        """Call `act` when nobody has attended for the time of grace, counted from now at first."""
        self._abandon = act
        if self._attending == 0 and not self.is_over:
            self._abandon_after(max(self._grace_seconds, FIRST_READER_SECONDS))

    @property
    def is_over(self) -> bool:
        """Whether the last event has happened."""
        return bool(self._events) and isinstance(self._events[-1], TurnFinished | TurnFailed)

    def emit(self, event: TurnEvent) -> None:
        """Let every reader know."""
        self._events.append(event)
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()
        if self.is_over and self._leaving is not None:
            self._leaving.cancel()

    async def events(self, after: int = 0) -> AsyncGenerator[tuple[int, TurnEvent], None]:
        """What happens from the event after number `after` on, until the turn is over.

        Who comes back with a number that is not of these events (the turn is told again from its
        record, or answered once more) is told to drop the text so far, and gets the whole.
        """
        position = after - self._before_first
        is_lost = after > 0 and not 0 <= position <= len(self._events)
        self._attend()
        try:
            if is_lost:
                yield self._before_first, TextReset()
            async for numbered in self._from(0 if is_lost else max(0, position)):
                yield numbered
        finally:
            self._leave()

    async def result(self) -> TurnResult:
        """What the turn came to, attending until then. Raises the error of a turn that failed."""
        async with aclosing(self.events()) as events:
            async for _, event in events:
                if isinstance(event, TurnFinished):
                    return event.result
                if isinstance(event, TurnFailed):
                    raise event.error
        raise AssertionError("unreachable: the last event of a turn is its end")

    async def _from(self, position: int) -> AsyncGenerator[tuple[int, TurnEvent], None]:
        for place in itertools.count(position):
            while place >= len(self._events):
                if self.is_over:
                    return
                await self._changed.wait()
            yield self._before_first + place + 1, self._events[place]

    def _attend(self) -> None:
        self._attending += 1
        if self._leaving is not None:
            self._leaving.cancel()
            self._leaving = None

    def _leave(self) -> None:
        self._attending -= 1
        if self._attending == 0 and not self.is_over:
            self._abandon_after(self._grace_seconds)

    def _abandon_after(self, seconds: float) -> None:
        self._leaving = asyncio.get_running_loop().call_later(seconds, self._abandon)
