"""A turn as it happens: many readers, a time of grace, and the same told again."""

from __future__ import annotations

import asyncio
from uuid import uuid4

import pytest

from coccinelle.engine.live import LiveTurn
from coccinelle.engine.model import (
    AgentSelected,
    TextDelta,
    TextReset,
    TurnEvent,
    TurnFailed,
    TurnFinished,
    TurnResult,
    TurnStarted,
)
from coccinelle.foundation import clock
from coccinelle.foundation.errors import Unavailable
from coccinelle.foundation.ids import TurnId
from tests.engine.setting import shown, told

ID = TurnId(uuid4())
NOW = clock.now()


def finished(text: str = "ab") -> TurnFinished:
    return TurnFinished(TurnResult(ID, "c", "answered", text, "a", "A", None, 1.0, "r", NOW))


def whole() -> list[TurnEvent]:
    selected = AgentSelected("a", "A", 1.0, "r")
    return [TurnStarted(ID), selected, TextDelta("a"), TextDelta("b"), finished()]


def live(*events: TurnEvent, **more: float) -> LiveTurn:
    made = LiveTurn(ID, **more)  # type: ignore[arg-type]
    for event in events:
        made.emit(event)
    return made


async def numbered(turn: LiveTurn, after: int = 0) -> list[tuple[int, TurnEvent]]:
    return [pair async for pair in turn.events(after)]


async def test_every_reader_gets_every_event_whenever_they_come() -> None:
    turn = live(*whole()[:3])
    early = [asyncio.create_task(numbered(turn)) for _ in range(3)]
    await asyncio.sleep(0)
    for event in whole()[3:]:
        turn.emit(event)
        await asyncio.sleep(0)
    late = await numbered(turn)

    assert [await reader for reader in early] == [late] * 3
    assert [number for number, _ in late] == [1, 2, 3, 4, 5]
    assert (await turn.result()).text == "ab"


async def test_a_reader_goes_on_after_the_event_that_they_saw() -> None:
    turn = live(*whole())

    for after in range(1, 6):
        assert await numbered(turn, after) == list(enumerate(whole(), 1))[after:]


@pytest.mark.parametrize("after", [6, 999])
async def test_a_reader_with_a_number_of_no_event_gets_the_whole_anew(after: int) -> None:
    events = await told(live(*whole()), after)

    assert isinstance(events[0], TextReset)
    assert events[1:] == whole()


async def test_a_turn_told_again_is_told_whole() -> None:
    turn = LiveTurn.replay(ID, whole())
    first = await numbered(turn)

    assert [event for _, event in first] == whole()
    assert turn.is_over
    assert (await told(turn, after=3))[0] == TextReset()
    assert shown(await told(turn, after=3)) == "ab"
    assert await told(turn, after=first[2][0]) == whole()[3:]


async def test_numbers_of_a_turn_that_is_answered_again_are_none_of_the_first_time() -> None:
    first = {number for number, _ in await numbered(live(*whole()))}
    again = {number for number, _ in await numbered(live(*whole(), again=True))}

    assert not first & again


async def test_a_turn_is_abandoned_once_nobody_attends_for_the_time_of_grace() -> None:
    gone: list[bool] = []
    turn = live(*whole()[:3], grace_seconds=0.02)
    turn.when_abandoned(lambda: gone.append(True))
    async for _ in turn.events():
        break
    await asyncio.sleep(0.1)

    assert gone == [True]


async def test_a_turn_that_somebody_attends_or_comes_back_to_is_not_abandoned() -> None:
    gone: list[bool] = []
    turn = live(*whole()[:3], grace_seconds=0.05)
    turn.when_abandoned(lambda: gone.append(True))
    other = asyncio.create_task(turn.result())
    async for _ in turn.events():
        break
    await asyncio.sleep(0.1)
    assert gone == []

    other.cancel()
    await asyncio.wait([other])
    back = asyncio.create_task(turn.result())
    await asyncio.sleep(0.1)
    turn.emit(finished())
    await back
    await asyncio.sleep(0.1)

    assert gone == []


async def test_a_turn_that_is_over_is_not_abandoned() -> None:
    gone: list[bool] = []
    turn = live(*whole()[:3], grace_seconds=0.02)
    turn.when_abandoned(lambda: gone.append(True))
    async for _ in turn.events():
        break
    turn.emit(finished())
    await asyncio.sleep(0.06)

    assert gone == []


async def test_a_turn_that_failed_raises_its_error() -> None:
    turn = live(TurnStarted(ID), TurnFailed(ID, Unavailable("answer_failed")))

    with pytest.raises(Unavailable) as failed:
        await turn.result()
    assert failed.value.code == "answer_failed"
