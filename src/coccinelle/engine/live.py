"""A turn while it happens: its events, who attends to them, and its end when nobody does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence

from coccinelle.engine.model import (
    TextReset,
    TurnEvent,
    TurnFailed,
    TurnFinished,
    TurnResult,
)
from coccinelle.foundation.ids import TurnId


class LiveTurn:
    """The events of one turn, numbered from 1, for any number of readers at any time.

    While somebody reads, or waits for the result, the turn is attended. When nobody has for
    `grace_seconds` it is abandoned, once.
    """

    def __init__(
        self,
        turn_id: TurnId,
        *,
        grace_seconds: float = 0.0,
    ):
        self.turn_id = turn_id
        self._grace_seconds = grace_seconds
        self._abandon: Callable[[], object] = bool
        self._events: list[TurnEvent] = []
        self._changed = asyncio.Event()
        self._attending = 0
        self._leaving: asyncio.TimerHandle | None = None
        self._is_replay = False

    @classmethod
    def replay(cls, turn_id: TurnId, events: Sequence[TurnEvent]) -> LiveTurn:
        """A turn that has ended, told again."""
        told = cls(turn_id)
        told._events = list(events)
        told._is_replay = True
        return told

    def when_abandoned(self, act: Callable[[], object]) -> None:
        """Call `act` when nobody has attended for the time of grace."""
        self._abandon = act

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

        A reader who comes back to a turn that is told again cannot know which part of the text it
        has: it is told to drop it, and gets the whole.
        """
        if self._is_replay and after:
            for number, event in enumerate([TextReset(), *self._events[2:]], after + 1):
                yield number, event
            return
        self._attend()
        try:
            async for numbered in self._from(after):
                yield numbered
        finally:
            self._leave()

    async def result(self) -> TurnResult:
        """What the turn came to, attending until then. Raises the error of a turn that failed."""
        async for _, event in self.events():
            if isinstance(event, TurnFinished):
                return event.result
            if isinstance(event, TurnFailed):
                raise event.error
        raise AssertionError("unreachable: the last event of a turn is its end")

    async def _from(self, after: int) -> AsyncGenerator[tuple[int, TurnEvent], None]:
        position = after
        while True:
            while position < len(self._events):
                event = self._events[position]
                position += 1
                yield position, event
            if self.is_over:
                return
            await self._changed.wait()

    def _attend(self) -> None:
        self._attending += 1
        if self._leaving is not None:
            self._leaving.cancel()
            self._leaving = None

    def _leave(self) -> None:
        self._attending -= 1
        if self._attending == 0 and not self.is_over:
            loop = asyncio.get_running_loop()
            self._leaving = loop.call_later(self._grace_seconds, self._abandon)
