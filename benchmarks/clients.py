"""Customers, as one process that costs little CPU: asks, and notes when each answer came.

Run as a module it reads a `Load` as JSON on stdin and writes a `Measured` on stdout.
"""

from __future__ import annotations

import asyncio
import random
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import msgspec

TEXT = b"event: delta"
END_OF_CHUNKS = b"0\r\n\r\n"


class Load(msgspec.Struct):
    """What customers do.

    Args:
        keys: API keys, of one tenant each; customers are spread over them.
        questions: asked in turn; `{n}` becomes three letters that no other question has.
        turns: asked in all, by `customers` at once.
        conversation_turns: after so many a customer starts another conversation.
        spread_seconds: customers come at random within that time; 0: all at once.
        label: names the customers and their conversations.
        seed: with the label, what makes the questions new.
    """

    port: int
    keys: list[str]
    questions: list[str]
    label: str
    customers: int = 1
    turns: int = 10
    streamed: bool = True
    conversation_turns: int = 4
    spread_seconds: float = 0.0
    seed: str = ""


class Answered(msgspec.Struct, array_like=True):
    """One turn, in milliseconds from the first byte sent; `text_ms` 0 where nothing streams."""

    status: int
    first_text_ms: float
    last_text_ms: float
    end_ms: float
    events: int


class Measured(msgspec.Struct):
    """All turns, the time from the first question to the last answer, and what asking cost."""

    turns: list[Answered]
    wall_seconds: float
    cpu_seconds: float


@dataclass
class _Pending:
    """A request that waits for the rest of its answer."""

    began: float
    done: asyncio.Future[Answered]
    received: bytearray = field(default_factory=bytearray)
    first_text: float = 0.0
    last_text: float = 0.0
    events: int = 0


class _Connection(asyncio.Protocol):
    """One kept-alive connection, one request at a time."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._pending: _Pending | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]

    async def ask(self, request: bytes) -> Answered:
        """The answer to a request, when it is whole."""
        assert self._transport is not None
        done: asyncio.Future[Answered] = asyncio.get_running_loop().create_future()
        self._pending = _Pending(time.perf_counter(), done)
        self._transport.write(request)
        return await done

    def data_received(self, data: bytes) -> None:
        pending = self._pending
        if pending is None:
            return
        now = time.perf_counter()
        pending.received += data
        if count := data.count(TEXT):
            pending.first_text = pending.first_text or now
            pending.last_text = now
        pending.events += count
        if _is_whole(pending.received):
            self._pending = None
            pending.done.set_result(_answered(pending, now))

    def connection_lost(self, exc: Exception | None) -> None:
        if self._pending is not None and not self._pending.done.done():
            self._pending.done.set_exception(ConnectionError("the server closed the connection"))


def _is_whole(received: bytearray) -> bool:
    head, mark, body = received.partition(b"\r\n\r\n")
    if not mark:
        return False
    lower = head.lower()
    if b"transfer-encoding: chunked" in lower:
        return body.endswith(END_OF_CHUNKS)
    return len(body) >= int(lower.partition(b"content-length: ")[2].split(b"\r\n", 1)[0])


def _answered(pending: _Pending, now: float) -> Answered:
    end = (now - pending.began) * 1000
    return Answered(
        status=int(pending.received[9:12]),
        first_text_ms=max(0.0, pending.first_text - pending.began) * 1000,
        last_text_ms=max(0.0, pending.last_text - pending.began) * 1000,
        end_ms=end,
        events=pending.events,
    )


async def run(load: Load) -> Measured:
    """Let the customers of `load` ask."""
    left = iter(range(load.turns))
    turns: list[Answered] = []
    began = time.perf_counter()
    cpu = time.process_time()
    customers = [_customer(load, number, left, turns) for number in range(load.customers)]
    await asyncio.gather(*customers)
    wall = time.perf_counter() - began
    return Measured(turns, wall, time.process_time() - cpu)


async def _customer(load: Load, number: int, left: Iterator[int], turns: list[Answered]) -> None:
    loop = asyncio.get_running_loop()
    _, connection = await loop.create_connection(_Connection, "127.0.0.1", load.port)
    await asyncio.sleep(random.uniform(0, load.spread_seconds))
    for said, turn in enumerate(left):
        who = f"{load.label}-{number}-{said // load.conversation_turns}"
        turns.append(await connection.ask(_request(load, number, turn, who)))


def _request(load: Load, number: int, turn: int, who: str) -> bytes:
    body = msgspec.json.encode(
        {
            "user_id": who,
            "conversation_id": who,
            "message": question(load.questions, turn, load.label + load.seed),
        }
    )
    accept = "text/event-stream" if load.streamed else "application/json"
    key = load.keys[number % len(load.keys)]
    return (
        f"POST /api/chat HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer {key}\r\n"
        f"accept: {accept}\r\ncontent-type: application/json\r\n"
        f"content-length: {len(body)}\r\n\r\n"
    ).encode() + body


def question(questions: Sequence[str], turn: int, label: str) -> str:
    """The question of a turn: new to every cache, and yet as near to the same passages."""
    digits = "abcdefghijklmnopqrstuvwxyz0123456789"
    drawn = random.Random(f"{label}{turn}").choices(digits, k=6)
    new = f"{''.join(drawn[:3])} {''.join(drawn[3:])}"
    return questions[turn % len(questions)].format(n=new)


def main() -> None:
    import uvloop  # noqa: PLC0415

    load = msgspec.json.decode(sys.stdin.buffer.read(), type=Load)
    measured = uvloop.run(run(load))
    sys.stdout.buffer.write(msgspec.json.encode(measured))


if __name__ == "__main__":
    main()
