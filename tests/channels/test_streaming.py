"""Chat v2 as server-sent events: in order, resumable, alive, and drained when the server stops."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from typing import Any

import httpx2
import pytest

from coccinelle.engine.live import LiveTurn
from coccinelle.engine.model import (
    AgentSelected,
    HandoffOpened,
    Inbound,
    TextDelta,
    TextReset,
    TurnResult,
)
from coccinelle.foundation.errors import Unavailable

from .conftest import House, Shop, serving
from .scripted import PIECES, fail, result_of


@dataclass(frozen=True)
class Event:
    """A server-sent event, or a comment."""

    id: str
    name: str
    data: Any


def asked(shop: Shop, **changes: object) -> dict[str, Any]:
    headers = changes.pop("headers", {})
    body = {"user_id": shop.name("u"), "conversation_id": shop.name("c"), "message": "Bonjour"}
    told = {"Host": shop.host, "Accept": "text/event-stream", **headers}  # type: ignore[dict-item]
    return {"json": {**body, **changes}, "headers": told}


async def events(answer: httpx2.Response) -> AsyncIterator[Event]:
    fields: dict[str, str] = {}
    async for line in answer.aiter_lines():
        if line.startswith(":"):
            yield Event("", "comment", None)
        elif line:
            name, _, value = line.partition(": ")
            fields[name] = value
        elif fields:
            yield Event(fields["id"], fields["event"], json.loads(fields["data"]))
            fields = {}


async def all_events(client: httpx2.AsyncClient, asking: dict[str, Any]) -> list[Event]:
    async with client.stream("POST", "/api/chat", **asking) as answer:
        assert answer.status_code == 200, await answer.aread()
        return [event async for event in events(answer) if event.name != "comment"]


async def test_a_turn_arrives_event_by_event(
    client: httpx2.AsyncClient, house: House, shop: Shop
) -> None:
    async with client.stream("POST", "/api/v2/chat", **asked(shop)) as answer:
        headers = answer.headers
        seen = [event async for event in events(answer)]

    assert headers["content-type"].startswith("text/event-stream")
    assert headers["cache-control"] == "no-cache, no-store"
    assert headers["x-accel-buffering"] == "no"
    assert headers["x-visitor-token"]
    assert [event.name for event in seen] == ["turn", "agent", "delta", "delta", "done"]
    assert [event.id for event in seen] == ["1", "2", "3", "4", "5"]
    assert set(seen[0].data) == {"turn_id"}
    assert seen[1].data == {"agent": "audrey", "name": "Audrey", "confidence": 0.93}
    assert [event.data["text"] for event in seen[2:4]] == list(PIECES)
    assert seen[4].data["message"] == "".join(PIECES)
    assert seen[4].data["turn_id"] == seen[0].data["turn_id"]


async def test_a_reset_and_a_handoff_are_told(
    client: httpx2.AsyncClient, house: House, shop: Shop
) -> None:
    async def restarted(inbound: Inbound, live: LiveTurn) -> TurnResult:
        live.emit(TextDelta("Peut-être"))
        live.emit(TextReset())
        live.emit(AgentSelected("escalate", None, 0.0, ""))
        live.emit(TextDelta("Une personne\nva vous répondre."))
        live.emit(HandoffOpened("asked"))
        return replace(result_of(inbound, live), agent="escalate", handoff=True)

    house.engine.script = restarted
    seen = await all_events(client, asked(shop))

    names = ["turn", "delta", "reset", "agent", "delta", "handoff", "done"]
    assert [event.name for event in seen] == names
    assert seen[2].data == {}
    assert seen[4].data == {"text": "Une personne\nva vous répondre."}
    assert seen[5].data == {"reason": "asked"}
    assert seen[6].data["handoff"] is True


async def test_a_failed_turn_ends_with_a_problem(
    client: httpx2.AsyncClient, house: House, shop: Shop
) -> None:
    house.engine.script = fail
    seen = await all_events(client, asked(shop))

    assert seen[-1].name == "error"
    assert (seen[-1].data["status"], seen[-1].data["code"]) == (503, "answer_failed")
    assert seen[-1].data["request_id"]


async def test_what_is_refused_before_the_turn_is_a_plain_problem(
    client: httpx2.AsyncClient, house: House, shop: Shop
) -> None:
    house.engine.refusal = Unavailable("database_unavailable")
    answer = await client.post("/api/chat", **asked(shop))

    assert answer.status_code == 503
    assert answer.headers["content-type"] == "application/problem+json"


async def test_comments_keep_a_silent_stream_alive(
    client: httpx2.AsyncClient, house: House, shop: Shop
) -> None:
    heard = asyncio.Event()

    async def silent(inbound: Inbound, live: LiveTurn) -> TurnResult:
        await heard.wait()
        return result_of(inbound, live)

    house.engine.script = silent
    comments = 0
    async with client.stream("POST", "/api/chat", **asked(shop)) as answer:
        async for event in events(answer):
            comments += event.name == "comment"
            if comments == 3:
                heard.set()

    assert comments >= 3


async def test_a_stream_that_broke_goes_on_after_the_last_event(
    client: httpx2.AsyncClient, house: House, shop: Shop
) -> None:
    house.engine.grace_seconds = 10
    broken = asyncio.Event()
    lives: list[LiveTurn] = []

    async def slow(inbound: Inbound, live: LiveTurn) -> TurnResult:
        lives.append(live)
        live.emit(TextDelta(PIECES[0]))
        await broken.wait()
        live.emit(TextDelta(PIECES[1]))
        return result_of(inbound, live)

    house.engine.script = slow
    asking = asked(shop, message_id="m")
    async with client.stream("POST", "/api/chat", **asking) as answer:
        stream = events(answer)
        first = [await anext(stream), await anext(stream)]
        await stream.aclose()  # type: ignore[attr-defined]
    # The scripted engine finds a live turn by its rows alone: the real one keeps it in memory.
    start = house.engine.start

    async def again(inbound: Inbound) -> LiveTurn:
        return lives[0]

    house.engine.start = again  # type: ignore[method-assign]
    resumed = asyncio.create_task(
        all_events(client, asked(shop, message_id="m", headers={"Last-Event-ID": first[-1].id}))
    )
    await asyncio.sleep(0.05)
    broken.set()
    rest = await resumed
    house.engine.start = start  # type: ignore[method-assign]

    assert [event.name for event in first + rest] == ["turn", "delta", "delta", "done"]
    assert [event.id for event in first + rest] == ["1", "2", "3", "4"]


async def test_a_stored_answer_is_told_again(
    client: httpx2.AsyncClient, house: House, shop: Shop
) -> None:
    first = await all_events(client, asked(shop, message_id="m"))
    again = await all_events(client, asked(shop, message_id="m"))
    late = await all_events(client, asked(shop, message_id="m", headers={"Last-Event-ID": "3"}))

    assert [event.name for event in again] == ["turn", "agent", "delta", "done"]
    assert again[2].data["text"] == "".join(PIECES)
    assert again[-1].data["turn_id"] == first[-1].data["turn_id"]
    assert late[0].name == "reset"
    assert "".join(event.data["text"] for event in late if event.name == "delta") == "".join(PIECES)
    assert late[-1].name == "done"
    assert all(int(event.id) > 3 for event in late)


@pytest.mark.parametrize("last", ["", "x", "-1", "9" * 30, "1.5"])
async def test_a_last_event_that_is_no_number_starts_at_the_beginning(
    client: httpx2.AsyncClient, house: House, shop: Shop, last: str
) -> None:
    seen = await all_events(client, asked(shop, headers={"Last-Event-ID": last}))

    assert seen[0].name == "turn"


async def test_a_stream_that_is_closed_leaves_the_turn_unattended(
    client: httpx2.AsyncClient, house: House, shop: Shop
) -> None:
    async def forever(inbound: Inbound, live: LiveTurn) -> TurnResult:
        live.emit(TextDelta(PIECES[0]))
        await asyncio.sleep(60)
        raise AssertionError("unreachable: it is abandoned")

    house.engine.script = forever
    async with client.stream("POST", "/api/chat", **asked(shop)) as answer:
        stream = events(answer)
        await anext(stream)
        await stream.aclose()  # type: ignore[attr-defined]
    await asyncio.wait_for(house.engine.left.wait(), 5)


async def test_every_event_arrives_while_the_server_stops(house: House, shop: Shop) -> None:
    stopping = asyncio.Event()

    async def slow(inbound: Inbound, live: LiveTurn) -> TurnResult:
        live.emit(TextDelta(PIECES[0]))
        await stopping.wait()
        for _ in range(20):
            live.emit(TextDelta("."))
            await asyncio.sleep(0.02)
        return result_of(inbound, live)

    house.engine.script = slow
    server = serving(house.app)
    names = []
    async with (
        server as url,
        httpx2.AsyncClient(base_url=url, timeout=20) as client,
        client.stream("POST", "/api/chat", **asked(shop)) as answer,
    ):
        async for event in events(answer):
            names.append(event.name)
            if len(names) == 2:
                server.server.should_exit = True
                stopping.set()

    assert [name for name in names if name != "comment"] == ["turn", *["delta"] * 21, "done"]


async def test_a_hundred_streams_at_once_each_get_their_own_words(house: House, shop: Shop) -> None:
    async def echo(inbound: Inbound, live: LiveTurn) -> TurnResult:
        live.emit(TextDelta(inbound.user_id))
        await asyncio.sleep(0.01)
        return replace(result_of(inbound, live), text=inbound.user_id)

    house.engine.script = echo
    headers = {"Authorization": f"Bearer {shop.api_key}", "Host": "x.example"}
    async with httpx2.AsyncClient(base_url=house.url, timeout=60) as client:
        asking = [
            asked(
                shop,
                user_id=shop.name(f"u{number}"),
                conversation_id=shop.name(f"c{number}"),
                headers=headers,
            )
            for number in range(100)
        ]
        told = await asyncio.gather(*(all_events(client, one) for one in asking))

    for one, seen in zip(asking, told, strict=True):
        assert seen[-1].data["message"] == one["json"]["user_id"]


async def test_slow_senders_and_idle_readers_keep_nobody_waiting(
    client: httpx2.AsyncClient, house: House, shop: Shop
) -> None:
    async def silent(inbound: Inbound, live: LiveTurn) -> TurnResult:
        if inbound.text == "idle":
            await asyncio.sleep(60)
        return result_of(inbound, live)

    house.engine.script = silent
    host, port = house.url.removeprefix("http://").split(":")
    head = f"POST /api/chat HTTP/1.1\r\nHost: {shop.host}\r\nContent-Length: 999\r\n\r\n{{"
    slow = [await asyncio.open_connection(host, int(port)) for _ in range(100)]
    for _, writer in slow:
        writer.write(head.encode())
    headers = {"Authorization": f"Bearer {shop.api_key}", "Host": shop.host}
    async with httpx2.AsyncClient(base_url=house.url, timeout=30, limits=_MANY) as many:
        idle = [
            asyncio.create_task(
                all_events(
                    many,
                    asked(
                        shop,
                        user_id=shop.name(f"u{number}"),
                        conversation_id=shop.name(f"c{number}"),
                        message="idle",
                        headers=headers,
                    ),
                )
            )
            for number in range(50)
        ]
        async with asyncio.timeout(10):
            answer = await client.post("/api/chat", **asked(shop, headers={"Accept": "*/*"}))
        for reading in idle:
            reading.cancel()
        await asyncio.gather(*idle, return_exceptions=True)
    # Who sends too slowly is told so, and let go.
    refused = await asyncio.gather(*(reader.readline() for reader, _ in slow))
    for _, writer in slow:
        writer.close()

    assert answer.status_code == 200
    assert {line.split()[1] for line in refused} <= {b"422", b"429"}


_MANY = httpx2.Limits(max_connections=200)
