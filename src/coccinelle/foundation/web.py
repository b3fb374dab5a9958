"""What every request goes through: a number, bounds on its body, clean text, safe headers."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any
from urllib.parse import unquote_to_bytes

import structlog
from fastapi import FastAPI
from python_multipart.multipart import parse_options_header
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from coccinelle.foundation.errors import CoccinelleError, Invalid, TooLarge
from coccinelle.foundation.ids import uuid7
from coccinelle.foundation.problems import Refusals, request_id_of

MEGABYTE = 1024 * 1024
TAIL_BYTES = 4096
SAFE_HEADERS = {
    b"x-content-type-options": b"nosniff",
    b"referrer-policy": b"no-referrer",
    b"cache-control": b"no-store",
    b"content-security-policy": b"default-src 'none'; frame-ancestors 'none'; base-uri 'none'",
}

_RAW_UNSTORABLE = re.compile(rb"\x00|\xed[\xa0-\xbf][\x80-\xbf]")
_ESCAPE = re.compile(rb"\\(?:u([0-9a-fA-F]{4})|.)", re.DOTALL)


@dataclass(frozen=True)
class BodyLimit:
    """How large a request's body may be, and how long it may take to arrive."""

    max_bytes: int = MEGABYTE
    max_seconds: float = 30.0


@dataclass(frozen=True)
class BodyLimits:
    """The limit of each path: that of the first prefix that fits, else `otherwise`."""

    by_prefix: tuple[tuple[str, BodyLimit], ...] = ()
    otherwise: BodyLimit = BodyLimit()

    def of(self, path: str) -> BodyLimit:
        """The limit of a request to `path`."""
        for prefix, limit in self.by_prefix:
            if path.startswith(prefix):
                return limit
        return self.otherwise


def install(app: FastAPI, *, refusals: Refusals, limits: BodyLimits) -> None:
    """Put `Intake` and, outside of it, `Front` round `app`."""
    app.add_middleware(Intake, refusals=refusals, limits=limits)
    app.add_middleware(Front, refusals=refusals)


def add_header(scope: Scope, name: str, value: str) -> None:
    """Have whatever answer this request gets carry a header."""
    headers = scope.setdefault("state", {}).setdefault("headers", {})
    headers[name.lower().encode("latin-1")] = value.encode("latin-1")


def vary_on(scope: Scope, *names: str) -> None:
    """Have the answer say that these headers of the request decide it, beside those said before."""
    headers = scope.setdefault("state", {}).setdefault("headers", {})
    said = headers.get(b"vary", b"").decode("latin-1")
    known = [name for name in said.split(", ") if name]
    add_header(scope, "Vary", ", ".join(dict.fromkeys([*known, *names])))


class Front:
    """Outermost: numbers the request, answers when nothing inside could, completes the headers."""

    def __init__(self, app: ASGIApp, *, refusals: Refusals):
        self._app = app
        self._refusals = refusals

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        scope.setdefault("state", {})["request_id"] = uuid7().hex
        answer = _Answer(scope, send)
        with structlog.contextvars.bound_contextvars(request_id=request_id_of(scope)):
            await self._serve(scope, receive, answer)

    async def _serve(self, scope: Scope, receive: Receive, answer: _Answer) -> None:
        try:
            await self._app(scope, receive, answer.send)
        except ClientDisconnect:
            return
        except Exception as error:  # noqa: BLE001  (around a call: recorded, then answered or raised)
            response = self._refusals.response(scope, error)  # Logs it.
            if answer.started:
                raise AnswerCut from None
            await response(scope, receive, answer.send)


class AnswerCut(RuntimeError):
    """An answer failed after it began; why is in the log, without what people said."""


class _Answer:
    """Sends an answer, with the headers that every answer has."""

    def __init__(self, scope: Scope, send: Send):
        self._scope = scope
        self._send = send
        self.started = False

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.started = True
            message["headers"] = self._completed(message.get("headers", []))
        await self._send(message)

    def _completed(self, headers: Sequence[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
        state: dict[str, Any] = self._scope["state"]
        sent = {name.lower(): value for name, value in headers}
        added = {**state.get("headers", {}), b"x-request-id": state["request_id"].encode()}
        safe = dict(SAFE_HEADERS)
        if sent.get(b"content-type", b"").startswith(b"text/html"):
            safe[b"content-security-policy"] = b"frame-ancestors 'none'; base-uri 'none'"
        missing = {name: value for name, value in safe.items() if name not in sent}
        return [*headers, *missing.items(), *added.items()]


class Intake:
    """Refuses what no route could accept: a body too large or too slow, text that none can keep."""

    def __init__(self, app: ASGIApp, *, refusals: Refusals, limits: BodyLimits):
        self._app = app
        self._refusals = refusals
        self._limits = limits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
        elif _is_unstorable(scope):
            response = self._refusals.response(scope, Invalid("unstorable_characters"))
            await response(scope, receive, send)
        else:
            body = _Body(receive, self._limits.of(scope["path"]), scope)
            await self._app(scope, body.receive, send)


class _Body:
    """A request's body as it arrives: counted, timed, and checked at its end.

    JSON is checked for what cannot be kept, a form for its closing delimiter: a parser takes what
    comes before a cut for the whole.
    """

    def __init__(self, receive: Receive, limit: BodyLimit, scope: Scope) -> None:
        self._receive = receive
        self._limit = limit
        self._scope = scope
        self._announced = dict(scope["headers"]).get(b"content-length", b"")
        # Of several types, a route may read any.
        kinds = [value for name, value in scope["headers"] if name == b"content-type"] or [b""]
        self._is_json = any(not kind or b"json" in kind.lower() for kind in kinds)
        self._ending = _closing_delimiter(kinds[0])
        self._tail = b""
        self._parts: list[bytes] = []
        self._bytes = 0
        self._until: float | None = None
        self._is_complete = False
        self.refusal: CoccinelleError | None = None

    async def receive(self) -> Message:
        if self.refusal:
            raise self.refusal
        if self._is_complete:
            return await self._receive()
        if self._announced.isdigit() and int(self._announced[:20]) > self._limit.max_bytes:
            raise self._refuse(TooLarge("body_too_large", max_bytes=self._limit.max_bytes))
        message = await self._next()
        self._is_complete = not message.get("more_body", False)
        if message["type"] == "http.request":
            self._take(message.get("body", b""))
        return message

    async def _next(self) -> Message:
        if self._until is None:
            self._until = asyncio.get_running_loop().time() + self._limit.max_seconds
        try:
            async with asyncio.timeout_at(self._until):
                return await self._receive()
        except TimeoutError:
            # Or what it still sends would keep the connection for as long as it likes.
            add_header(self._scope, "Connection", "close")
            raise self._refuse(Invalid("body_too_slow")) from None

    def _take(self, part: bytes) -> None:
        self._bytes += len(part)
        if self._bytes > self._limit.max_bytes:
            raise self._refuse(TooLarge("body_too_large", max_bytes=self._limit.max_bytes))
        if self._ending:
            self._tail = (self._tail + part)[-TAIL_BYTES:]
        if self._is_json:
            self._parts.append(part)
        if self._is_complete:
            self._check_whole()

    def _check_whole(self) -> None:
        if self._ending not in self._tail:
            raise self._refuse(Invalid("bad_form"))
        if not is_storable_json(b"".join(self._parts)):
            raise self._refuse(Invalid("unstorable_characters"))

    def _refuse(self, error: CoccinelleError) -> CoccinelleError:
        self.refusal = error
        self._parts.clear()
        return error


def _closing_delimiter(content_type: bytes) -> bytes:
    """What ends a multipart body (RFC 2046, 5.1.1); nothing for any other."""
    kind, options = parse_options_header(content_type)
    boundary = options.get(b"boundary") if kind.startswith(b"multipart/") else None
    return b"--%b--" % boundary if boundary else b""


def is_storable_json(body: bytes) -> bool:
    """Whether no string of a JSON text has U+0000 or half a surrogate pair."""
    if _RAW_UNSTORABLE.search(body):
        return False
    if b"\\u" not in body:
        return True
    expected_at = -1  # Where the second half of a pair must begin.
    for escape in _ESCAPE.finditer(body):
        if expected_at not in (-1, escape.start()):
            return False
        unit = int(escape[1], 16) if escape[1] else 0x20
        is_second = 0xDC00 <= unit < 0xE000
        if unit == 0 or is_second != (expected_at == escape.start()):
            return False
        expected_at = escape.end() if 0xD800 <= unit < 0xDC00 else -1
    return expected_at == -1


def _is_unstorable(scope: Scope) -> bool:
    target = scope.get("raw_path", b"") + b"?" + scope.get("query_string", b"")
    if b"%" in target:
        plain = unquote_to_bytes(target)
        try:
            plain.decode()
        except UnicodeDecodeError:
            return True
        if b"\x00" in plain:
            return True
    return any(_RAW_UNSTORABLE.search(value) for _, value in scope["headers"])


class Proxies:
    """Who sent a request, and under which address of ours, behind the proxies that are trusted.

    Args:
        trusted: addresses or networks of proxies whose forwarded headers are believed.

    Raises:
        ValueError: one of them is neither.
    """

    def __init__(self, trusted: Sequence[str] = ()):
        self._trusted: tuple[IPv4Network | IPv6Network, ...] = tuple(
            ip_network(entry.strip(), strict=False) for entry in trusted
        )

    def client_address(self, scope: Scope) -> str:
        """The nearest address that is not a trusted proxy's; of an IPv6 one, its /64.

        Entries of X-Forwarded-For are read from the right, each believed only when the one that
        added it is trusted.
        """
        current = _address((scope.get("client") or ("", 0))[0])
        forwarded = _forwarded_for(scope)
        while forwarded and self._is_trusted(current):
            before = _address(forwarded.pop())
            if not before:
                break
            current = before
        return _shared_by_one_sender(current) if current else "unknown"

    def own_origin(self, scope: Scope) -> str:
        """`scheme://host[:port]` under which the client sees us."""
        scheme = str(scope.get("scheme", "http"))
        if self._is_trusted(_address((scope.get("client") or ("", 0))[0])):
            scheme = _header(scope, b"x-forwarded-proto").split(",")[-1].strip().lower() or scheme
        return f"{scheme}://{_header(scope, b'host').lower()}"

    def _is_trusted(self, address: str) -> bool:
        return bool(address) and any(ip_address(address) in network for network in self._trusted)


def _forwarded_for(scope: Scope) -> list[str]:
    lines = [v.decode("latin-1") for name, v in scope["headers"] if name == b"x-forwarded-for"]
    return [entry.strip() for line in lines for entry in line.split(",")]


def _header(scope: Scope, name: bytes) -> str:
    for key, value in scope["headers"]:
        if key == name:
            return str(value.decode("latin-1"))
    return ""


def _address(text: str) -> str:
    """An IP address in its one spelling, without port; nothing when it is none."""
    bare = text.strip().strip('"')
    if bare.startswith("["):
        bare = bare[1:].partition("]")[0]
    elif bare.count(":") == 1:
        bare = bare.partition(":")[0]
    try:
        found = ip_address(bare.partition("%")[0])
    except ValueError:
        return ""
    if isinstance(found, IPv6Address) and found.ipv4_mapped:
        return str(found.ipv4_mapped)
    return str(found)


def _shared_by_one_sender(address: str) -> str:
    if ":" not in address:
        return address
    return str(ip_network(f"{address}/64", strict=False))
