"""HTTP/1.1 to providers: kept-alive connections, absolute deadlines, bytes as they arrive.

It exists because a streamed answer is read in some 200 pieces: through a general client each costs
about 50 us of CPU before it is decoded, here about 10. No redirects, no compression.
Addresses are the operator's settings, so the rules for addresses that tenants give do not apply.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import SplitResult, urlsplit
from urllib.request import getproxies, proxy_bypass

import httptools

from coccinelle import __version__
from coccinelle.providers.model import Endpoint

MAX_BODY_BYTES = 32 * 1024 * 1024
HIGH_WATER_BYTES = 256 * 1024
DRAIN_SECONDS = 1.0
# After that long the host's next address is tried: one of its families may lead nowhere.
ADDRESS_SECONDS = 1.0

WireCode = Literal["unreachable", "disconnected", "timeout", "malformed"]


class WireError(Exception):
    """The exchange failed below HTTP's own answers."""

    def __init__(self, code: WireCode, detail: str = "") -> None:
        super().__init__(f"{code}: {detail}" if detail else code)
        self.code = code


@dataclass(frozen=True)
class Target:
    """A URL to ask, with everything of the request's head that does not change."""

    secure: bool
    host: str
    port: int
    head: bytes = field(repr=False)

    @property
    def origin(self) -> tuple[bool, str, int]:
        """What connections are shared by."""
        return self.secure, self.host, self.port


def target(endpoint: Endpoint, path: str, *, method: Literal["GET", "POST"] = "POST") -> Target:
    """How `path` of this endpoint is asked.

    Raises:
        ValueError: the base URL is not http(s), or a header holds a control character.
    """
    url = urlsplit(endpoint.base_url.rstrip("/") + path)
    if url.scheme not in ("http", "https") or not url.hostname:
        raise ValueError(f"not an http(s) URL: {endpoint.base_url!r}")
    secure = url.scheme == "https"
    head = _head(method, url, _headers(endpoint))
    return Target(secure, url.hostname, url.port or (443 if secure else 80), head)


def _headers(endpoint: Endpoint) -> dict[str, str]:
    headers = {
        "user-agent": f"coccinelle/{__version__}",
        "content-type": "application/json",
        "accept-encoding": "identity",
        **endpoint.headers,
    }
    if endpoint.api_key:
        headers["authorization"] = f"Bearer {endpoint.api_key}"
    return headers


def _head(method: str, url: SplitResult, headers: Mapping[str, str]) -> bytes:
    lines = [f"{method} {url.path}{'?' + url.query if url.query else ''} HTTP/1.1"]
    lines.append(f"host: {url.netloc.rpartition('@')[2]}")
    lines += [f"{name}: {value}" for name, value in headers.items()]
    if not all(line.isascii() and line.isprintable() for line in lines):
        raise ValueError("a header of a provider's endpoint holds a character that HTTP forbids")
    return ("\r\n".join(lines) + "\r\n").encode("ascii")


class Wire:
    """A pool of connections for one event loop; shared by every provider of the process.

    Args:
        connect_seconds: how long a connection and its TLS handshake may take.
        idle_seconds: how long an unused connection is kept.
    """

    def __init__(self, *, connect_seconds: float = 3.0, idle_seconds: float = 55.0) -> None:
        self._connect_seconds = connect_seconds
        self._idle_seconds = idle_seconds
        self._idle: dict[tuple[bool, str, int], list[_Connection]] = {}
        self._open: set[_Connection] = set()
        self._tls: ssl.SSLContext | None = None

    async def post(
        self,
        to: Target,
        body: bytes,
        *,
        until: float,
        on_sent: Callable[[], None] = lambda: None,
    ) -> Reply:
        """Send, and return once the response's headers are here. Close what is returned.

        A kept connection that the server had meanwhile closed is replaced once.

        Args:
            until: by when, on the event loop's clock.
            on_sent: called once the request is on its way; from then on it may have been acted on.

        Raises:
            WireError: nobody answered, not in time, or not in HTTP.
        """
        request = b"%bcontent-length: %d\r\n\r\n%b" % (to.head, len(body), body)
        return await self._exchange(to, request, until, on_sent)

    async def get(self, to: Target, *, until: float) -> Reply:
        """Ask, and return once the response's headers are here. Close what is returned.

        Raises:
            WireError: as `post`.
        """
        return await self._exchange(to, to.head + b"\r\n", until, lambda: None)

    async def _exchange(
        self, to: Target, request: bytes, until: float, on_sent: Callable[[], None]
    ) -> Reply:
        kept = self._take(to)
        if kept is not None:
            try:
                return await kept.exchange(request, until, on_sent)
            except WireError as error:
                if error.code != "disconnected" or kept.heard:
                    raise
        fresh = await self._connect(to, until)
        return await fresh.exchange(request, until, on_sent)

    async def aclose(self) -> None:
        """Close every connection, also those in use."""
        for connection in list(self._open):
            connection.abort()
        self._idle.clear()
        await asyncio.sleep(0)

    def _take(self, to: Target) -> _Connection | None:
        idle = self._idle.get(to.origin, [])
        now = asyncio.get_running_loop().time()
        while idle:
            connection = idle.pop()
            if not connection.lost and connection.idle_since + self._idle_seconds > now:
                return connection
            connection.abort()
        return None

    def keep(self, connection: _Connection) -> None:
        """Take back a connection whose exchange is complete."""
        self._idle.setdefault(connection.origin, []).append(connection)

    def forget(self, connection: _Connection) -> None:
        """A connection is gone."""
        self._open.discard(connection)
        idle = self._idle.get(connection.origin, [])
        if connection in idle:
            idle.remove(connection)

    async def _connect(self, to: Target, until: float) -> _Connection:
        loop = asyncio.get_running_loop()
        limit = min(until, loop.time() + self._connect_seconds)
        connection = _Connection(self, to.origin, loop)
        try:
            async with asyncio.timeout_at(limit):
                await self._dial(loop, to, connection)
        except TimeoutError as error:
            raise WireError("unreachable", "connecting took too long") from error
        except (OSError, UnicodeError) as error:
            raise WireError("unreachable", type(error).__name__) from error
        self._open.add(connection)
        return connection

    async def _dial(
        self, loop: asyncio.AbstractEventLoop, to: Target, connection: _Connection
    ) -> None:
        proxy = _proxy(to)
        if proxy is not None:
            await self._dial_through(loop, proxy, to, connection)
            return
        addresses = await _addresses(loop, to)
        for left, address in zip(reversed(range(len(addresses))), addresses, strict=True):
            try:
                async with asyncio.timeout(ADDRESS_SECONDS if left else None):
                    await self._dial_address(loop, to, address, connection)
                return
            except OSError:
                if not left:
                    raise

    async def _dial_address(
        self, loop: asyncio.AbstractEventLoop, to: Target, address: str, connection: _Connection
    ) -> None:
        context = self._context() if to.secure else None
        name = to.host if to.secure else None
        await loop.create_connection(
            lambda: connection, address, to.port, ssl=context, server_hostname=name
        )

    async def _dial_through(
        self,
        loop: asyncio.AbstractEventLoop,
        proxy: SplitResult,
        to: Target,
        connection: _Connection,
    ) -> None:
        """A tunnel through a proxy by CONNECT (RFC 9110, section 9.3.6)."""
        reader, writer = await asyncio.open_connection(proxy.hostname, proxy.port or 80)
        try:
            writer.write(
                f"CONNECT {to.host}:{to.port} HTTP/1.1\r\nhost: {to.host}\r\n\r\n".encode()
            )
            answer = await reader.readuntil(b"\r\n\r\n")
            if b" 200" not in answer.split(b"\r\n", 1)[0]:
                raise ConnectionError("the proxy refused the tunnel")
            transport = await loop.start_tls(
                writer.transport, connection, self._context(), server_hostname=to.host
            )
        except (OSError, asyncio.IncompleteReadError) as error:
            writer.transport.abort()
            raise ConnectionError("no tunnel through the proxy") from error
        if transport is None:
            raise ConnectionError("the proxy closed the tunnel")
        connection.tunnel = writer
        connection.connection_made(transport)

    def _context(self) -> ssl.SSLContext:
        if self._tls is None:
            self._tls = ssl.create_default_context()
        return self._tls


async def _addresses(loop: asyncio.AbstractEventLoop, to: Target) -> list[str]:
    """The host's addresses, as the system prefers them."""
    found = await loop.getaddrinfo(to.host, to.port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(info[4][0]) for info in found))


def _proxy(to: Target) -> SplitResult | None:
    proxy = getproxies().get("https") if to.secure else None
    return urlsplit(proxy) if proxy and not proxy_bypass(to.host) else None


class Reply:
    """A response whose body is still arriving. `close` it, whole or not."""

    def __init__(self, connection: _Connection) -> None:
        self._connection = connection
        self.status = connection.status
        self.headers = connection.headers

    async def read(self, until: float) -> bytes:
        """What has arrived since the last call, at least one byte; b"" at the body's end.

        Raises:
            WireError: `timeout` at `until` (the loop's clock), or the connection broke.
        """
        return await self._connection.read(until)

    async def body(self, until: float, limit_bytes: int = MAX_BODY_BYTES) -> bytes:
        """The whole body.

        Raises:
            WireError: as `read`; `malformed` when it is longer than `limit_bytes`.
        """
        parts: list[bytes] = []
        total = 0
        while part := await self._connection.read(until):
            total += len(part)
            if total > limit_bytes:
                raise WireError("malformed", "the body is too long")
            parts.append(part)
        return b"".join(parts)

    def close(self, *, drain: bool = False) -> None:
        """Give the connection back if the body is whole, else close it.

        Args:
            drain: the caller has all it wants and the rest is a few bytes; wait for it briefly, in
                the background, so that the connection can be kept.
        """
        self._connection.finish(drain=drain)


class _Connection(asyncio.Protocol):
    """One connection: at most one exchange at a time."""

    def __init__(
        self, wire: Wire, origin: tuple[bool, str, int], loop: asyncio.AbstractEventLoop
    ) -> None:
        self.origin = origin
        self.lost = False
        self.heard = False
        self.idle_since = 0.0
        self.status = 0
        self.headers: dict[bytes, bytes] = {}
        # Held because a StreamWriter that is dropped closes its transport.
        self.tunnel: asyncio.StreamWriter | None = None
        self._wire = wire
        self._loop = loop
        self._transport: asyncio.Transport | None = None
        self._parser = httptools.HttpResponseParser(self)
        self._pending: dict[bytes, bytes] = {}
        self._parts: list[bytes] = []
        self._buffered_bytes = 0
        self._paused = False
        self._busy = False
        self._draining = False
        self._whole = False
        self._reusable = False
        self._error: WireError | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._until = 0.0

    # What the exchange does.

    async def exchange(self, request: bytes, until: float, on_sent: Callable[[], None]) -> Reply:
        self._busy = True
        self.heard = self._whole = self._draining = False
        self.status, self.headers, self._error = 0, {}, None
        self._parts.clear()
        try:
            if self._transport is None or self.lost:
                raise WireError("disconnected")
            self._transport.write(request)
            on_sent()
            while not self.status:
                await self._wait(until)
            if self.headers.get(b"content-encoding", b"identity") != b"identity":
                raise WireError("malformed", "a compressed body was not asked for")
        except BaseException:
            self.abort()
            raise
        return Reply(self)

    async def read(self, until: float) -> bytes:
        while not self._parts:
            if self._whole:
                return b""
            await self._wait(until)
        data = self._parts[0] if len(self._parts) == 1 else b"".join(self._parts)
        self._parts.clear()
        self._buffered_bytes = 0
        if self._paused and self._transport is not None:
            self._paused = False
            self._transport.resume_reading()
        return data

    def finish(self, *, drain: bool) -> None:
        if self._whole and not self.lost and self._reusable:
            self.park()
        elif drain and not self.lost and not self._whole and self._error is None:
            self._draining = True
            self._parts.clear()
            self._loop.call_later(DRAIN_SECONDS, self._give_up_draining)
        else:
            self.abort()

    def park(self) -> None:
        """Wait in the pool for the next exchange."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._busy = self._draining = False
        self.idle_since = self._loop.time()
        self._wire.keep(self)

    def abort(self) -> None:
        self._busy = self._draining = False
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._transport is not None:
            self._transport.abort()

    def _give_up_draining(self) -> None:
        if self._draining:
            self.abort()

    # Waiting: one timer that is moved only when it rings too early.

    async def _wait(self, until: float) -> None:
        if self._error is not None:
            raise self._error
        if self._loop.time() >= until:
            raise WireError("timeout")
        self._until = until
        if self._timer is None or self._timer.when() > until:
            self._arm(until)
        self._waiter = self._loop.create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def _arm(self, when: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_at(when, self._ring)

    def _ring(self) -> None:
        self._timer = None
        if self._waiter is None or self._waiter.done():
            return
        if self._loop.time() + 0.001 >= self._until:
            self._waiter.set_exception(WireError("timeout"))
        else:
            self._arm(self._until)

    def _wake(self) -> None:
        waiter = self._waiter
        if waiter is not None and not waiter.done():
            if self._error is not None and not self._parts:
                waiter.set_exception(self._error)
            else:
                waiter.set_result(None)

    # What the event loop calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport) or hasattr(transport, "write")  # noqa: S101
        self._transport = transport  # type: ignore[assignment]

    def data_received(self, data: bytes) -> None:
        if not self._busy:
            self.abort()
            return
        self.heard = True
        if self._whole:
            self.abort()
            return
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            self._error = WireError("malformed", type(error).__name__)
            self._wake()
            self.abort()
            return
        if self._draining:
            if self._whole:
                self.finish(drain=False)
            return
        self._wake()

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost = True
        self._wire.forget(self)
        if self.status and not self._whole and self._ends_with_the_connection():
            self._whole = True
        elif not self._whole and self._error is None:
            self._error = WireError("disconnected")
        self._wake()

    def _ends_with_the_connection(self) -> bool:
        chunked = b"chunked" in self.headers.get(b"transfer-encoding", b"").lower()
        return not chunked and b"content-length" not in self.headers

    # What the parser calls.

    def on_header(self, name: bytes, value: bytes) -> None:
        self._pending[name.lower()] = value

    def on_headers_complete(self) -> None:
        status = self._parser.get_status_code()
        if self._whole:
            raise ValueError("a response that was not asked for")
        if status >= 200:
            self.status, self.headers = status, self._pending
        self._pending = {}

    def on_body(self, body: bytes) -> None:
        if self._draining:
            return
        self._parts.append(body)
        self._buffered_bytes += len(body)
        if self._buffered_bytes > HIGH_WATER_BYTES and not self._paused and self._transport:
            self._paused = True
            self._transport.pause_reading()

    def on_message_complete(self) -> None:
        if self.status:
            self._whole = True
            self._reusable = bool(self._parser.should_keep_alive())
