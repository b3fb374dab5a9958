"""HTTP requests to addresses that a tenant or a visitor gave: to the public internet, and bounded.

Every connection is opened by `_GuardedNetwork`, which resolves a host once, refuses it if any of
its addresses is not public, and connects to a checked numeric address. What is refused, closed
and silent ends in the same error, so that nobody can map our network through it.
"""

from __future__ import annotations

import codecs
import socket
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from typing import Protocol

import anyio
import httpcore2
import httpx2
import structlog

import coccinelle
from coccinelle.foundation.errors import Invalid
from coccinelle.foundation.outgoing_addresses import is_host_name, is_public, numeric_address

PRODUCT = "CoccinelleBot"
USER_AGENT = f"{PRODUCT}/{coccinelle.__version__}"

MAX_URL_CHARS = 2_048
MAX_REDIRECTS = 5

_PORTS = {"http": 80, "https": 443}
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_CONCURRENT = 16
_ADDRESSES_TRIED = 4
_INFLATE_STEP_BYTES = 256 * 1024
_NOT_FOR_PAGES = frozenset(
    {
        "idna",
        "punycode",
        "unicode-escape",
        "raw-unicode-escape",
        "undefined",
        "utf-7",
        "mbcs",
        "oem",
    }
)
_FAILURES = (
    httpcore2.NetworkError,
    httpcore2.ProtocolError,
    httpcore2.TimeoutException,
    httpcore2.UnsupportedProtocol,
    OSError,
    zlib.error,
)

log = structlog.get_logger(__name__)


class BadAddress(Invalid):
    """Not an address that we read: http or https, a host, no password, port 80 or 443."""

    default_code = "bad_address"


class Unreachable(Invalid):
    """Nothing answers there, or it is not ours to reach; it is not said which."""

    default_code = "address_unreachable"


class AnswerTooLarge(Invalid):
    """The answer has more bytes than are accepted, as received or once decompressed.

    `received_bytes` is how many had arrived; none if the server had announced too many.
    """

    default_code = "answer_too_large"


class TooSlow(Invalid):
    """The whole answer did not arrive in time."""

    default_code = "too_slow"


class RedirectRefused(Invalid):
    """The address leads to another one, which the caller does not want to follow."""

    default_code = "redirect_refused"


class Resolver(Protocol):
    """Where the addresses of a host come from."""

    async def resolve(self, host: str, port: int) -> Sequence[str]:
        """Every address of `host`, numeric, the preferred one first.

        Raises:
            OSError: there is none.
        """
        ...


class SystemResolver:
    """The resolver of the machine: its hosts file, its DNS."""

    async def resolve(self, host: str, port: int) -> Sequence[str]:
        found = await anyio.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        return list(dict.fromkeys(str(sockaddr[0]) for *_, sockaddr in found))


@dataclass(frozen=True)
class Fetched:
    """What an address answered.

    Args:
        url: where the answer came from, after redirects, without a fragment.
        status: of HTTP; every status is an answer.
        media_type: lower case, without parameters; empty when the server gave none.
        charset: a codec that Python knows, as the server gave it; else empty.
        body: decompressed; empty when `only` did not want this media type.
        robots: the `X-Robots-Tag` header, lower case.
        retry_after_seconds: how long the server asks to be left alone.
    """

    url: str
    status: int
    media_type: str
    charset: str
    body: bytes
    etag: str = ""
    last_modified: str = ""
    robots: str = ""
    retry_after_seconds: int | None = None


class Outgoing:
    """The HTTP client for addresses that a tenant or a visitor gave.

    Proxies of the environment are not used, cookies are not kept, and at most 16 requests are
    under way at once.

    Args:
        allow: `host:port` that the operator permits although they are not public, or on another
            port than 80 and 443. IPv6 in brackets.
        max_bytes: of one answer, as received and once decompressed.
        timeout_seconds: for everything: waiting for a turn, names, redirects, the last byte.
    """

    def __init__(
        self,
        *,
        allow: frozenset[str] = frozenset(),
        max_bytes: int,
        timeout_seconds: float,
        resolver: Resolver | None = None,
    ) -> None:
        self._allow = frozenset(entry.lower() for entry in allow)
        self.max_bytes = max_bytes
        self._timeout_seconds = timeout_seconds
        self._pool = httpcore2.AsyncConnectionPool(
            ssl_context=httpcore2.default_ssl_context(),
            max_connections=_CONCURRENT,
            # Each request is resolved and checked anew, and none meets a connection that its
            # server is about to close.
            max_keepalive_connections=0,
            network_backend=_GuardedNetwork(self._allow, resolver or SystemResolver()),
        )

    async def get(
        self,
        url: str,
        *,
        accept: str = "*/*",
        max_bytes: int | None = None,
        only: frozenset[str] | None = None,
        may_follow: Callable[[str], bool] | None = None,
    ) -> Fetched:
        """What `url` answers to GET, after at most 5 redirects, each checked like `url` itself.

        Args:
            max_bytes: less than the client's own bound.
            only: media types (`""` for none given) whose body is wanted.
            may_follow: asked with the address of each redirect.

        Raises:
            BadAddress: not an address that we read.
            Unreachable: denied, closed, filtered, unknown, not speaking HTTP, or redirecting on
                and on; with one and the same text.
            AnswerTooLarge: more than `max_bytes`.
            TooSlow: more than the client's `timeout_seconds`.
            RedirectRefused: `may_follow` said no.
        """
        wanted = _Wanted(
            accept=accept,
            max_bytes=min(self.max_bytes, max_bytes or self.max_bytes),
            only=only,
            may_follow=may_follow,
        )
        return await self._exchanged(url, wanted)

    async def post(
        self, url: str, body: bytes, *, headers: Mapping[str, str], accept: str = "*/*"
    ) -> Fetched:
        """What `url` answers to POST. It is asked once; what is sent follows no redirect.

        Raises:
            BadAddress, Unreachable, AnswerTooLarge, TooSlow: as `get`.
            RedirectRefused: it leads elsewhere.
        """
        wanted = _Wanted(accept=accept, max_bytes=self.max_bytes, sends=_Sent(body, headers))
        return await self._exchanged(url, wanted)

    async def aclose(self) -> None:
        """Close every connection."""
        await self._pool.aclose()

    async def _exchanged(self, url: str, wanted: _Wanted) -> Fetched:
        start = self._checked(url)
        try:
            with anyio.fail_after(self._timeout_seconds):
                return await self._follow(start, wanted)
        except TimeoutError as error:
            raise TooSlow from error
        except _FAILURES as error:
            raise Unreachable from error

    async def _follow(self, url: httpx2.URL, wanted: _Wanted) -> Fetched:
        for _ in range(MAX_REDIRECTS + 1):
            answer = await self._request(url, wanted)
            if isinstance(answer, Fetched):
                return answer
            if wanted.sends is not None:
                raise RedirectRefused
            url = self._redirected(url, answer)
            if wanted.may_follow and not wanted.may_follow(str(url)):
                raise RedirectRefused
        raise Unreachable

    async def _request(self, url: httpx2.URL, wanted: _Wanted) -> Fetched | str:
        """One exchange: the answer, or the `Location` that it redirects to."""
        target = httpcore2.URL(
            scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path
        )
        headers: list[tuple[bytes | str, bytes | str]] = [
            ("Host", url.netloc),
            ("User-Agent", USER_AGENT),
            ("Accept", wanted.accept),
            ("Accept-Encoding", "gzip"),
        ]
        method, content = "GET", None
        if wanted.sends is not None:
            method, content = "POST", wanted.sends.body
            headers += [("Content-Length", str(len(content))), *wanted.sends.headers.items()]
        patience = {"timeout": {"connect": self._timeout_seconds / 2}}
        async with self._pool.stream(
            method, target, headers=headers, content=content, extensions=patience
        ) as response:
            received = _headers(response.headers)
            if response.status in _REDIRECTS and received.get("location"):
                return received["location"]
            return await _fetched(url, response, received, wanted)

    def _redirected(self, url: httpx2.URL, location: str) -> httpx2.URL:
        try:
            return self._checked(str(url.join(location)))
        except (httpx2.InvalidURL, ValueError, BadAddress) as error:
            raise Unreachable from error

    def _checked(self, url: str) -> httpx2.URL:
        """The address as it will be asked: one spelling of the host, no fragment.

        Raises:
            BadAddress: refused for what it says, before any name is looked up.
        """
        parsed = _parsed(url)
        host = _one_spelling(parsed.raw_host.decode("ascii"))
        port = _PORTS.get(parsed.scheme, 0) if parsed.port is None else parsed.port
        usual = port in _PORTS.values() or _authority(host, port) in self._allow
        if parsed.scheme not in _PORTS or parsed.userinfo or not usual:
            raise BadAddress
        return parsed.copy_with(host=host, fragment=None)


@dataclass(frozen=True)
class _Sent:
    body: bytes
    headers: Mapping[str, str]


@dataclass(frozen=True)
class _Wanted:
    accept: str
    max_bytes: int
    only: frozenset[str] | None = None
    may_follow: Callable[[str], bool] | None = None
    sends: _Sent | None = None


class _GuardedNetwork(httpcore2.AsyncNetworkBackend):
    """Opens TCP connections to checked numeric addresses only."""

    def __init__(self, allow: frozenset[str], resolver: Resolver) -> None:
        self._allow = allow
        self._resolver = resolver
        self._network = httpcore2.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 (the signature is httpcore's)
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        try:
            with anyio.fail_after(timeout):
                addresses = await self._permitted(host, port)
                return await self._first_open(addresses[:_ADDRESSES_TRIED], port, timeout)
        except OSError as error:
            raise httpcore2.ConnectError from error

    async def connect_unix_socket(
        self,
        path: str,
        timeout: float | None = None,  # noqa: ASYNC109 (the signature is httpcore's)
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        raise httpcore2.ConnectError

    async def sleep(self, seconds: float) -> None:
        await anyio.sleep(seconds)

    async def _permitted(self, host: str, port: int) -> list[str]:
        """Every address of `host`; all of them are public, or the operator allows the host."""
        literal = numeric_address(host)
        named = [host] if literal else await self._resolver.resolve(host, port)
        found = [numeric_address(name.partition("%")[0]) for name in named]
        if not (all(map(_is_public, found)) or _authority(host, port) in self._allow):
            log.warning("outgoing_denied", host=host, port=port)
            raise httpcore2.ConnectError
        return [str(address) for address in found if address]

    async def _first_open(
        self, addresses: Sequence[str], port: int, seconds: float | None
    ) -> httpcore2.AsyncNetworkStream:
        each_seconds = None if seconds is None else seconds / 2
        for address in addresses:
            try:
                return await self._network.connect_tcp(address, port, timeout=each_seconds)
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout):
                continue
        raise httpcore2.ConnectError


def gunzip(data: bytes, *, max_bytes: int) -> bytes:
    """`data` decompressed (RFC 1952, any number of members), never more than `max_bytes`.

    Raises:
        AnswerTooLarge: it would be more.
        zlib.error: `data` is not gzip, or is cut.
    """
    inflated = _Gunzip(max_bytes)
    inflated.add(data)
    return inflated.whole()


class _Plain:
    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._body = bytearray()

    def add(self, part: bytes) -> None:
        self._body += part
        if len(self._body) > self._max_bytes:
            raise AnswerTooLarge(received_bytes=len(self._body))

    def whole(self) -> bytes:
        return bytes(self._body)


class _Gunzip(_Plain):
    def __init__(self, max_bytes: int) -> None:
        super().__init__(max_bytes)
        self._member = _gzip_member()
        self._received_bytes = 0

    def add(self, part: bytes) -> None:
        self._received_bytes += len(part)
        if self._received_bytes > self._max_bytes:
            raise AnswerTooLarge(received_bytes=self._received_bytes)
        while part:
            if self._member.eof:
                if not part.startswith(b"\x1f"):
                    return  # padding after the last member
                self._member = _gzip_member()
            super().add(self._member.decompress(part, _INFLATE_STEP_BYTES))
            part = self._member.unconsumed_tail or self._member.unused_data

    def whole(self) -> bytes:
        if self._received_bytes and not self._member.eof:
            raise zlib.error("cut")
        return super().whole()


def _gzip_member() -> zlib._Decompress:
    return zlib.decompressobj(zlib.MAX_WBITS | 16)


async def _fetched(
    url: httpx2.URL, response: httpcore2.Response, received: Mapping[str, str], wanted: _Wanted
) -> Fetched:
    media_type, charset = _content_type(received.get("content-type", ""))
    unwanted = wanted.only is not None and media_type not in wanted.only
    retry_after = received.get("retry-after", "")
    return Fetched(
        url=str(url),
        status=response.status,
        media_type=media_type,
        charset=charset,
        body=b"" if unwanted else await _body(response, received, wanted.max_bytes),
        etag=received.get("etag", ""),
        last_modified=received.get("last-modified", ""),
        robots=received.get("x-robots-tag", "").lower(),
        retry_after_seconds=int(retry_after) if _is_small_number(retry_after) else None,
    )


async def _body(response: httpcore2.Response, received: Mapping[str, str], max_bytes: int) -> bytes:
    announced = received.get("content-length", "")
    if announced.isdecimal() and int(announced[:20]) > max_bytes:
        raise AnswerTooLarge(received_bytes=0)
    coding = received.get("content-encoding", "").strip().lower()
    if coding not in {"", "identity", "gzip", "x-gzip"}:
        raise httpcore2.RemoteProtocolError
    body = _Gunzip(max_bytes) if "gzip" in coding else _Plain(max_bytes)
    async for part in response.aiter_stream():
        body.add(part)
    return body.whole()


def _headers(raw: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    """Headers by lower-case name; repeated ones are joined by a comma, as HTTP allows."""
    headers: dict[str, str] = {}
    for name, value in raw:
        key, text = name.decode("latin-1").lower(), _text(value)
        headers[key] = f"{headers[key]}, {text}" if key in headers else text
    return headers


def _text(value: bytes) -> str:
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        return value.decode("latin-1")


def _content_type(value: str) -> tuple[str, str]:
    media_type, *parameters = (part.strip() for part in value.lower().split(";"))
    named = dict(parameter.partition("=")[::2] for parameter in parameters)
    return media_type, _known_charset(named.get("charset", "").strip("\"' "))


def _known_charset(name: str) -> str:
    try:
        "".encode(name)
        codec = codecs.lookup(name).name
    except (LookupError, ValueError):
        return ""
    return "" if codec in _NOT_FOR_PAGES else name


def _is_small_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 10


def _parsed(url: str) -> httpx2.URL:
    text = url.strip()
    if len(text) > MAX_URL_CHARS or "\\" in text:
        raise BadAddress
    try:
        return httpx2.URL(text)
    except (httpx2.InvalidURL, ValueError) as error:
        raise BadAddress from error


def _one_spelling(host: str) -> str:
    """`host` without the dot of the root, an address in its shortest form."""
    host = host.removesuffix(".")
    literal = numeric_address(host)
    if not literal and not is_host_name(host):
        raise BadAddress
    return str(literal or host)


def _authority(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _is_public(address: IPv4Address | IPv6Address | None) -> bool:
    return address is not None and is_public(address)
