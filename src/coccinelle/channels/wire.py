"""What the channels share: reading a body, attending to a turn, server-sent events."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Coroutine, Mapping
from typing import Any, Protocol, TypeVar

import msgspec
from pydantic import BaseModel, ValidationError
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from coccinelle.conversations import store
from coccinelle.conversations.model import Limits
from coccinelle.engine.live import LiveTurn
from coccinelle.engine.model import Inbound, TurnEvent
from coccinelle.foundation.database import Database
from coccinelle.foundation.errors import FieldError, Invalid, TooLarge, TooMany
from coccinelle.foundation.ids import TenantId
from coccinelle.foundation.problems import invalid_fields

HEARTBEAT_SECONDS = 15.0
HEARTBEAT = b": still here\n\n"
MAX_KEY_CHARS = 255
MAX_STREAM_SECONDS = 600.0
STREAM_HEADERS = {"Cache-Control": "no-cache, no-store", "X-Accel-Buffering": "no"}

Body = TypeVar("Body", bound=BaseModel)
Result = TypeVar("Result")


class Answering(Protocol):
    """What a channel needs of the engine."""

    async def start(self, inbound: Inbound) -> LiveTurn:
        """The turn of a message that is written by now; of a repeated one, the turn it has.

        Raises:
            NotFound, Conflict, TooMany, Unavailable: why there is none.
        """
        ...


class Bodies:
    """Reads requests' bodies; one that is rejected counts for its sender's address."""

    def __init__(self, db: Database, limits: Limits):
        self._db = db
        self._limits = limits

    @contextlib.asynccontextmanager
    async def rejecting(self, tenant_id: TenantId, address: str | None) -> AsyncIterator[None]:
        """Count for `address` whatever is refused as invalid or too large inside.

        Raises:
            TooMany: that address was counted too often.
        """
        try:
            yield
        except (Invalid, TooLarge) as error:
            if address is not None:
                await self._count(tenant_id, address, error)
            raise

    async def _count(self, tenant_id: TenantId, address: str, error: Exception) -> None:
        window, most = self._limits.window_seconds, self._limits.address_messages
        subject = f"address:{address}"
        async with self._db.tenant(tenant_id) as tx:
            hits = await store.count_hit(tx, subject=subject, window_seconds=window, most=most)
        if hits > most:
            raise TooMany(retry_after_seconds=window) from error


async def read_json(request: Request) -> object:
    """The body, which is JSON. Raises `Invalid` (not JSON) or `TooLarge`."""
    kind = request.headers.get("content-type", "application/json").partition(";")[0].strip()
    if kind.lower() != "application/json" and not kind.lower().endswith("+json"):
        raise Invalid("not_json")
    body = await request.body()
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Invalid("bad_json") from error


def parsed(value: object, model: type[Body]) -> Body:
    """`value` as a `model`. Raises `Invalid`, which says what is wrong with which field."""
    if not isinstance(value, dict):
        raise Invalid("not_an_object")
    try:
        return model.model_validate(value)
    except ValidationError as error:
        found = error.errors(include_url=False, include_input=False)
        raise invalid_fields(found) from None  # pydantic's own words quote the input.


def idempotency_key(request: Request) -> str | None:
    """The Idempotency-Key header, if there is one. Raises `Invalid` when it is too long."""
    key = request.headers.get("idempotency-key")
    if key is not None and not 1 <= len(key) <= MAX_KEY_CHARS:
        values = (("max_length", MAX_KEY_CHARS),)
        raise Invalid(errors=(FieldError("Idempotency-Key", "too_long", values),))
    return key


async def attended(request: Request, waiting: Coroutine[Any, Any, Result]) -> Result:
    """What `waiting` comes to, while the client is there.

    Raises:
        ClientDisconnect: the client hung up first, and `waiting` was cancelled.
    """
    result = asyncio.create_task(waiting)
    gone = asyncio.create_task(_hung_up(request.receive))
    try:
        await asyncio.wait({result, gone}, return_when=asyncio.FIRST_COMPLETED)
        if not result.done():
            raise ClientDisconnect
        return result.result()
    finally:
        await _end(result, gone)


class EventStream(Response):
    """Server-sent events, written as they come; a client that hangs up closes their source.

    So does one that keeps a stream open for longer than any turn may take.
    """

    media_type = "text/event-stream"

    def __init__(
        self, chunks: AsyncGenerator[bytes, None], headers: Mapping[str, str] | None = None
    ):
        self._chunks = chunks
        super().__init__(headers={**STREAM_HEADERS, **(headers or {})})
        del self.headers["content-length"]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        writing = asyncio.create_task(self._write(send))
        gone = asyncio.create_task(_hung_up(receive))
        try:
            await asyncio.wait(
                {writing, gone}, timeout=MAX_STREAM_SECONDS, return_when=asyncio.FIRST_COMPLETED
            )
            if writing.done():
                writing.result()
        finally:
            await _end(writing, gone)

    async def _write(self, send: Send) -> None:
        async with contextlib.aclosing(self._chunks) as chunks:
            start = {"type": "http.response.start", "status": 200, "headers": self.raw_headers}
            await send(start)
            async for chunk in chunks:
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
            await send({"type": "http.response.body", "body": b"", "more_body": False})


async def beating(
    events: AsyncGenerator[tuple[int, TurnEvent], None], *, seconds: float = HEARTBEAT_SECONDS
) -> AsyncGenerator[tuple[int, TurnEvent] | None, None]:
    """The events of a turn, and None whenever there was none for `seconds`."""
    async with contextlib.aclosing(events):
        coming = asyncio.ensure_future(anext(events))
        try:
            while True:
                await asyncio.wait({coming}, timeout=seconds)
                if not coming.done():
                    yield None
                    continue
                try:
                    event = coming.result()
                except StopAsyncIteration:
                    return
                coming = asyncio.ensure_future(anext(events))
                yield event
        finally:
            await _end(coming)


def sse(event: str, data: object, *, number: int) -> bytes:
    """One server-sent event: its data is JSON, which has no line break."""
    encoded = msgspec.json.encode(data)
    return b"id: %d\nevent: %b\ndata: %b\n\n" % (number, event.encode(), encoded)


async def _hung_up(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _end(*tasks: asyncio.Future[Any]) -> None:
    """Cancel what still runs, and wait until it has cleaned up."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
