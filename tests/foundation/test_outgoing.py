from __future__ import annotations

import asyncio
import base64
import gzip
import ipaddress
import os
import socket
import ssl
import sys
import tracemalloc
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import ExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest

from coccinelle.foundation.errors import Invalid
from coccinelle.foundation.outgoing import (
    USER_AGENT,
    AnswerTooLarge,
    BadAddress,
    Outgoing,
    RedirectRefused,
    TooSlow,
    Unreachable,
    gunzip,
)
from coccinelle.foundation.outgoing_addresses import is_public

PUBLIC = "93.184.215.14"

# Self-signed for bonjour.test, for these tests alone, valid until 2126.
CERTIFICATE = base64.b64decode(
    "MIIBnjCCAUSgAwIBAgIUdz7Iu2KAIZeLHH9D0Eq/RHWnTJQwCgYIKoZIzj0EAwIwFzEVMBMGA1UEAwwMYm9uam91ci50"
    "ZXN0MCAXDTI2MTEyMTIxNDY1OVoYDzIxMjYxMDI4MjE0NjU5WjAXMRUwEwYDVQQDDAxib25qb3VyLnRlc3QwWTATBgcq"
    "hkjOPQIBBggqhkjOPQMBBwNCAAS8RtXCgtSEQqYIhyMxmBRHzVuf2UfnekhqEAEKpoK0QgUKZzNCviVI4QbM7n3PFjTp"
    "OwX4sIgP03iDGuFAckg0o2wwajAdBgNVHQ4EFgQUbsO53WGi/6yYBuSScGivXihzlWQwHwYDVR0jBBgwFoAUbsO53WGi"
    "/6yYBuSScGivXihzlWQwFwYDVR0RBBAwDoIMYm9uam91ci50ZXN0MA8GA1UdEwEB/wQFMAMBAf8wCgYIKoZIzj0EAwID"
    "SAAwRQIhAN7BQmsFBbb4Am2Z0T2lQhAqz3Hy9B+Jm4D8cqsFBzp7AiAt9uNPnX3aQOtW8/N8jC7zHTyChZWXQgCXbiVb"
    "k8YgZw=="
)
KEY = base64.b64decode(
    "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgAN1IHH0N4fDBYuZ9EOAl4XTfdwzFX+2YPCmQwhK0dDGh"
    "RANCAAS8RtXCgtSEQqYIhyMxmBRHzVuf2UfnekhqEAEKpoK0QgUKZzNCviVI4QbM7n3PFjTpOwX4sIgP03iDGuFAckg0"
)


class Wire:
    """Every TCP connection that this process tries, as the interpreter reports it.

    One that leaves loopback is refused, so that a broken guard cannot reach the internet.
    """

    def __init__(self) -> None:
        self.connects: list[tuple[str, int]] | None = None
        sys.addaudithook(self._saw)

    def _saw(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event != "socket.connect" or self.connects is None:
            return
        address = arguments[1]
        if not isinstance(address, tuple):
            return
        self.connects.append((address[0], address[1]))
        if not ip_address(address[0]).is_loopback:
            raise ConnectionRefusedError


WIRE = Wire()


@pytest.fixture(autouse=True)
def connects() -> Iterator[list[tuple[str, int]]]:
    WIRE.connects = []
    yield WIRE.connects
    WIRE.connects = None


@dataclass
class Names:
    """A stub resolver: each look-up of a name takes its next answer, the last one for ever."""

    answers: dict[str, list[list[str]]]
    asked: list[str] = field(default_factory=list)

    async def resolve(self, host: str, port: int) -> Sequence[str]:
        self.asked.append(host)
        found = self.answers.get(host)
        if not found:
            raise OSError("unknown")
        return found.pop(0) if len(found) > 1 else found[0]


class SilentNames:
    async def resolve(self, host: str, port: int) -> Sequence[str]:
        await asyncio.sleep(3600)
        return []


@contextmanager
def filtered_port() -> Iterator[int]:
    """A port of 127.0.0.1 whose queue is full: a connection is neither accepted nor refused."""
    with socket.socket() as listener, ExitStack() as stack:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(4):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(listener.getsockname())
        yield listener.getsockname()[1]


@dataclass
class Listener:
    port: int
    requests: list[bytes] = field(default_factory=list)
    connections: int = 0


Answer = Callable[[bytes, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def listening(
    answer: Answer, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1", port: int = 0
) -> AsyncIterator[Listener]:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        listener.connections += 1
        with suppress(OSError, asyncio.IncompleteReadError):
            request = await reader.readuntil(b"\r\n\r\n")
            listener.requests.append(request)
            await answer(request, writer)
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, host, port, ssl=tls)
    listener = Listener(server.sockets[0].getsockname()[1])
    try:
        yield listener
    finally:
        server.close()


def says(body: bytes, *headers: str, status: str = "200 OK") -> Answer:
    lines = [f"HTTP/1.1 {status}", *headers, f"Content-Length: {len(body)}", "", ""]

    async def answer(_request: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write("\r\n".join(lines).encode() + body)

    return answer


@asynccontextmanager
async def client(
    *,
    allow: Sequence[str] = (),
    names: dict[str, list[list[str]]] | None = None,
    max_bytes: int = 100_000,
    timeout_seconds: float = 20,
) -> AsyncIterator[tuple[Outgoing, Names]]:
    resolver = Names(names or {})
    outgoing = Outgoing(
        allow=frozenset(allow),
        max_bytes=max_bytes,
        timeout_seconds=timeout_seconds,
        resolver=resolver,
    )
    try:
        yield outgoing, resolver
    finally:
        await outgoing.aclose()


async def refusal(outgoing: Outgoing, url: str) -> Invalid:
    with pytest.raises(Invalid) as refused:
        await outgoing.get(url)
    return refused.value


SPECIAL = """
0.0.0.0 0.1.2.3 10.0.0.1 10.255.255.255 100.64.0.1 100.100.100.200 127.0.0.1 127.255.255.254
169.254.0.1 169.254.169.254 172.16.0.1 172.31.255.255 192.0.0.1 192.0.0.192 192.0.2.1
192.88.99.1 192.168.0.1 198.18.0.1 198.19.255.255 198.51.100.7 203.0.113.7 224.0.0.1
239.255.255.255 240.0.0.1 255.255.255.255 168.63.129.16
:: ::1 ::7f00:1 ::ffff:127.0.0.1 ::ffff:8.8.8.8 ::ffff:0:127.0.0.1 64:ff9b::7f00:1
64:ff9b::808:808 64:ff9b:1::a00:1 100::1 2001::1 2001:0:7f00:1::1 2001:2::1 2001:10::1 2001:20::1
2001:db8::1 2002:7f00:1:: 2002:a00:1::1 2002:808:808::1 3fff::1 3ffe::1 5f00::1 fc00::1
fd00:ec2::254 fe80::1 febf::1 fec0::1 ff02::1 ff0e::1 4000::1
""".split()  # noqa: SIM905 (the list reads better so)


@pytest.mark.parametrize("address", SPECIAL)
def test_no_special_address_is_public(address: str) -> None:
    assert not is_public(ip_address(address))


@pytest.mark.parametrize(
    "address",
    [
        *("8.8.8.8", "93.184.215.14", "172.15.255.255", "172.32.0.1", "100.128.0.1", "192.0.1.1"),
        *("2606:2800:21f:cb07:6820:80da:af6b:8b2c", "2a01:e0a::1", "2001:4860:4860::8888"),
    ],
)
def test_an_ordinary_address_is_public(address: str) -> None:
    assert is_public(ip_address(address))


def test_nothing_that_the_language_calls_private_is_public() -> None:
    for network in (ipaddress.ip_network("0.0.0.0/0"), ipaddress.ip_network("2000::/3")):
        step = network.num_addresses // 65_536
        for index in range(65_536):
            address = network[index * step + 1]
            assert address.is_global or not is_public(address), address


def literal_urls() -> list[str]:
    return [f"http://[{a}]/" if ":" in a else f"http://{a}/" for a in SPECIAL]


ENCODED = """
http://2130706433/ http://017700000001/ http://0x7f000001/ http://0x7f.0.0.1/ http://0x7F.1/
http://0177.0.0.1/ http://127.1/ http://127.0.1/ http://00127.0.0.1/ http://127.0.0.1./
http://127.0.0.1../ http://0/ http://0x0/ http://3232235521/ http://0xA9FEA9FE/
http://2852039166/ http://169.254.43518/ http://127.0.0.1%2f/ http://127%2e0%2e0%2e1/
http://127。0。0。1/ http://127．0．0．1/ http://127｡0｡0｡1/ http://①②⑦.0.0.1/ http://１２７.0.0.1/
http://[::1%25lo]/ http://[::1%lo]/ http://[fe80::1%25eth0]/ http://[0:0:0:0:0:0:0:1]/
http://[::ffff:7f00:1]/ http://[::ffff:127.0.0.1]/ http://[::127.0.0.1]/ https://[::1]:443/
http://[0000::1]/ http://[1::]/ http://[::1/ http://::1/ http://[]/ http://[127.0.0.1]/
http://%31%32%37.0.0.1/ http://127.0.0.1:80/ https://127.0.0.1:443/ http://127.0.0.1:443/
""".split()  # noqa: SIM905 (the list reads better so)

MALFORMED = [
    "",
    "   ",
    "127.0.0.1",
    "//127.0.0.1/",
    "http:127.0.0.1",
    "http:///127.0.0.1",
    "http://",
    "http://:80/",
    "http://@127.0.0.1/",
    "http://127.0.0.1\\@example.org/",
    "http://example.org\\@127.0.0.1/",
    "http://user:secret@127.0.0.1/",
    "http://example.org@127.0.0.1/",
    "http://example.org:80@127.0.0.1/",
    "http://127.0.0.1#@example.org/",
    "http://127.0.0.1?@example.org/",
    "http://exa mple.org/",
    "http://127.0.0.1\t/",
    "http://127.0.0.1\r\nHost: a/",
    "http://loop_back..test/",
    "http://-loopback.test/",
    "http://" + "a" * 64 + ".test/",
    "http://loopback.test/" + "a" * 3_000,
    "http://loopback.test:99999999999/",
    "http://loopback.test:-80/",
    "http://loopback.test:x/",
    "file:///etc/passwd",
    "file://127.0.0.1/etc/passwd",
    "gopher://127.0.0.1:80/_x",
    "ftp://127.0.0.1/",
    "dict://127.0.0.1:80/",
    "ldap://127.0.0.1/",
    "ws://127.0.0.1/",
    "unix:///var/run/docker.sock",
    "http+unix://%2Fvar%2Frun%2Fdocker.sock/",
    "data:text/html,hello",
    "javascript:alert(1)",
    "jar:http://127.0.0.1!/",
    "HTTP://127.0.0.1/",
    "hTTpS://127.0.0.1/",
]


NAMES_OF_LOOPBACK = ("2130706433", "0", "127.1", "loopback.test", "xn--cho-9la.test")


@pytest.fixture(scope="module")
async def guarded() -> AsyncIterator[tuple[Outgoing, Names]]:
    """One client for all the spellings; the names of loopback are known to it."""
    async with client(names={name: [["127.0.0.1"]] for name in NAMES_OF_LOOPBACK}) as pair:
        yield pair


@pytest.mark.parametrize("url", literal_urls() + ENCODED + MALFORMED)
async def test_no_spelling_of_an_address_that_is_not_public_is_connected_to(
    url: str, guarded: tuple[Outgoing, Names], connects: list[tuple[str, int]]
) -> None:
    assert isinstance(await refusal(guarded[0], url), BadAddress | Unreachable)
    assert connects == []


@pytest.mark.parametrize(
    "host",
    [
        *("loopback.test", "LOOPBACK.test", "loopback.test.", "Loopback.Test", "loopback。test"),
        *("ｌｏｏｐｂａｃｋ.test", "loopback．test", "écho.test", "xn--cho-9la.test"),
    ],
)
@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_no_spelling_of_a_name_of_loopback_is_connected_to(
    host: str,
    scheme: str,
    guarded: tuple[Outgoing, Names],
    connects: list[tuple[str, int]],
) -> None:
    await refusal(guarded[0], f"{scheme}://{host}/")
    assert connects == []


@pytest.mark.parametrize("address", [*SPECIAL, "fe80::1%eth0", "not an address", ""])
async def test_a_name_is_refused_for_what_it_resolves_to(
    address: str, guarded: tuple[Outgoing, Names], connects: list[tuple[str, int]]
) -> None:
    outgoing, resolver = guarded
    resolver.answers["site.test"] = [[address]]
    assert isinstance(await refusal(outgoing, "http://site.test/"), Unreachable)
    assert resolver.asked[-1] == "site.test"
    assert connects == []


@pytest.mark.parametrize(
    "addresses", [[PUBLIC, "127.0.0.1"], ["127.0.0.1", PUBLIC], [PUBLIC, "::1"], []]
)
async def test_one_address_that_is_not_public_refuses_the_whole_answer(
    addresses: list[str], connects: list[tuple[str, int]]
) -> None:
    async with client(names={"mixed.test": [addresses]}) as (outgoing, _):
        assert isinstance(await refusal(outgoing, "http://mixed.test/"), Unreachable)
    assert connects == []


async def test_a_name_is_resolved_once_and_the_checked_address_is_connected_to(
    connects: list[tuple[str, int]],
) -> None:
    async with client(names={"flip.test": [[PUBLIC], ["127.0.0.1"]]}) as (outgoing, resolver):
        assert isinstance(await refusal(outgoing, "http://flip.test/"), Unreachable)
    assert resolver.asked == ["flip.test"]
    assert connects == [(PUBLIC, 80)]


async def test_each_address_of_a_public_name_is_tried(connects: list[tuple[str, int]]) -> None:
    async with client(names={"two.test": [["2a01:e0a::1", PUBLIC]]}) as (outgoing, _):
        await refusal(outgoing, "https://two.test/")
    assert connects == [("2a01:e0a::1", 443), (PUBLIC, 443)]


async def test_an_address_that_does_not_answer_leaves_time_for_the_next() -> None:
    with filtered_port() as port:
        async with listening(says(b"ok"), host="127.0.0.2", port=port):
            names = {"two.test": [["127.0.0.1", "127.0.0.2"]]}
            async with client(allow=[f"two.test:{port}"], names=names, timeout_seconds=4) as (
                outgoing,
                _,
            ):
                assert (await outgoing.get(f"http://two.test:{port}/")).body == b"ok"


@pytest.mark.parametrize("port", [0, 1, 22, 25, 79, 81, 444, 5432, 6379, 8000, 8080, 8443, 65535])
async def test_only_the_ports_of_the_web_are_read(
    port: int, connects: list[tuple[str, int]]
) -> None:
    async with client(names={"site.test": [[PUBLIC]]}) as (outgoing, resolver):
        assert isinstance(await refusal(outgoing, f"http://site.test:{port}/"), BadAddress)
    assert resolver.asked == []
    assert connects == []


@pytest.mark.parametrize(
    "url",
    [
        *("http://2130706433/", "http://0x7f000001/", "http://0177.0.0.1/", "http://127.1/"),
        *("http://1.2.3.4.5/", "http://site.0x/", "http://[2a01:e0a::1%25eth0]/"),
        *("http://user:secret@site.test/", "http://user@site.test/", "http://:secret@site.test/"),
        *(
            "ws://site.test:80/",
            "gopher://site.test:80/_x",
            "ftp://site.test:443/",
            "x://site.test:80",
        ),
        *("http://site.test/" + "a" * 3_000, "http://site.test/a\\b", "http://site.test\\@a.test/"),
        *("http://site..test/", "http://site.test../", "http://site%2etest/", "http://sïte!.test/"),
    ],
)
async def test_what_is_no_plain_web_address_is_refused_before_its_name_is_looked_up(
    url: str, connects: list[tuple[str, int]]
) -> None:
    names = {host: [[PUBLIC]] for host in ("site.test", "2130706433", "127.1", "1.2.3.4.5")}
    async with client(names=names) as (outgoing, resolver):
        assert isinstance(await refusal(outgoing, url), BadAddress)
    assert resolver.asked == []
    assert connects == []


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_checked_like_the_first_address(
    status: int, connects: list[tuple[str, int]]
) -> None:
    targets = [*literal_urls(), *ENCODED, *MALFORMED[4:], "//127.0.0.1/", "//loopback.test/"]
    names = {"site.test": [["127.0.0.1"]], "loopback.test": [["127.0.0.1"]]}
    target = ""

    async def redirect(_request: bytes, writer: asyncio.StreamWriter) -> None:
        lines = [f"HTTP/1.1 {status} Moved", f"Location: {target}", "Content-Length: 0", "", ""]
        writer.write("\r\n".join(lines).encode())

    async with listening(redirect) as listener:
        allow = [f"site.test:{listener.port}"]
        async with client(names=names, allow=allow) as (outgoing, _):
            for target in targets:
                if "\n" in target or target.strip() == "http:127.0.0.1":
                    continue
                connects.clear()
                refused = await refusal(outgoing, f"http://site.test:{listener.port}/")
                assert isinstance(refused, Unreachable), target
                assert set(connects) == {("127.0.0.1", listener.port)}, target


async def test_redirects_are_followed_five_times_and_no_more() -> None:
    async def count_down(request: bytes, writer: asyncio.StreamWriter) -> None:
        left = int(request.split(b" ")[1][1:])
        answer = (
            says(b"arrived") if left == 0 else says(b"", f"Location: /{left - 1}", status="302 F")
        )
        await answer(request, writer)

    async with listening(count_down) as listener:
        here = f"127.0.0.1:{listener.port}"
        async with client(allow=[here]) as (outgoing, _):
            arrived = await outgoing.get(f"http://{here}/5")
            assert (arrived.body, arrived.url) == (b"arrived", f"http://{here}/0")
            assert isinstance(await refusal(outgoing, f"http://{here}/6"), Unreachable)


async def test_a_redirect_that_the_caller_does_not_want_is_not_followed() -> None:
    async with (
        listening(says(b"elsewhere")) as elsewhere,
        listening(
            says(b"", f"Location: http://127.0.0.1:{elsewhere.port}/x", status="302 F")
        ) as at,
        client(allow=[f"127.0.0.1:{at.port}", f"127.0.0.1:{elsewhere.port}"]) as (outgoing, _),
    ):
        asked: list[str] = []

        def refuse(url: str) -> bool:
            asked.append(url)
            return False

        with pytest.raises(RedirectRefused):
            await outgoing.get(f"http://127.0.0.1:{at.port}/", may_follow=refuse)
        assert asked == [f"http://127.0.0.1:{elsewhere.port}/x"]
        assert elsewhere.connections == 0


async def test_what_is_denied_closed_silent_or_no_web_server_reads_the_same() -> None:
    async def babble(_request: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(b"SSH-2.0-OpenSSH_9.2\r\n")

    async def cut(_request: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")

    async with listening(babble) as gone:
        closed = gone.port
    with filtered_port() as filtered:
        async with listening(babble) as babbling, listening(cut) as cutting:
            urls = [
                "http://127.0.0.1/",
                "http://denied.test/",
                "http://unknown.test/",
                f"http://127.0.0.1:{closed}/",
                f"http://127.0.0.1:{filtered}/",
                f"http://127.0.0.1:{babbling.port}/",
                f"http://127.0.0.1:{cutting.port}/",
                f"https://127.0.0.1:{cutting.port}/",
            ]
            allow = [url.split("/")[2] for url in urls[3:]]
            names = {"denied.test": [["10.0.0.1"]]}
            async with client(allow=allow, names=names, timeout_seconds=3) as (outgoing, _):
                refusals = [await refusal(outgoing, url) for url in urls]
    silent = Outgoing(max_bytes=1, timeout_seconds=0.2, resolver=SilentNames())
    refusals.append(await refusal(silent, "http://silent.test/"))
    assert {(type(e), e.code, str(e), repr(e), repr(e.values)) for e in refusals} == {
        (Unreachable, "address_unreachable", "address_unreachable", repr(Unreachable()), "{}")
    }


async def test_what_the_operator_allows_is_reached_by_name_and_by_number() -> None:
    answer = says(
        b"bonjour",
        "Content-Type: Text/HTML; Charset=UTF-8",
        'ETag: "1"',
        "Last-Modified: yesterday",
        "X-Robots-Tag: NoIndex",
        "x-robots-tag: nofollow",
        "Retry-After: 3",
    )
    async with listening(answer) as listener:
        allow = [f"Wiki.test:{listener.port}", f"127.0.0.1:{listener.port}"]
        async with client(allow=allow, names={"wiki.test": [["127.0.0.1"]]}) as (outgoing, _):
            fetched = await outgoing.get(f"HTTP://WIKI.test.:{listener.port}/a?b#c")
            by_number = await outgoing.get(f"http://127.0.0.1:{listener.port}", accept="text/html")
    assert fetched.url == f"http://wiki.test:{listener.port}/a?b"
    assert (fetched.status, fetched.body, fetched.etag) == (200, b"bonjour", '"1"')
    assert (fetched.media_type, fetched.charset) == ("text/html", "utf-8")
    assert (fetched.robots, fetched.retry_after_seconds) == ("noindex, nofollow", 3)
    assert by_number.body == b"bonjour"
    lines = listener.requests[0].decode().split("\r\n")
    assert lines[0] == "GET /a?b HTTP/1.1"
    assert f"Host: wiki.test:{listener.port}" in lines
    assert f"User-Agent: {USER_AGENT}" in lines
    assert b"Accept: text/html\r\n" in listener.requests[1]


async def test_a_host_is_allowed_on_its_port_only(connects: list[tuple[str, int]]) -> None:
    async with (
        listening(says(b"")) as listener,
        client(allow=["site.test:1", "127.0.0.1"], names={"site.test": [["127.0.0.1"]]}) as (
            out,
            _,
        ),
    ):
        await refusal(out, f"http://site.test:{listener.port}/")
        await refusal(out, "http://site.test/")
        await refusal(out, f"http://127.0.0.1:{listener.port}/")
    assert connects == []


@pytest.mark.parametrize(
    "charset", ["", "nonsense", "zlib", "idna", "utf-7", "unicode_escape", "a\0"]
)
async def test_a_charset_that_is_no_text_encoding_is_not_passed_on(charset: str) -> None:
    answer = says(b"x", f"Content-Type: text/html; charset={charset}".replace("\0", "%00"))
    async with listening(answer) as at, client(allow=[f"127.0.0.1:{at.port}"]) as (outgoing, _):
        assert (await outgoing.get(f"http://127.0.0.1:{at.port}/")).charset == ""


async def test_each_request_is_checked_anew_and_opens_its_own_connection() -> None:
    connections = 0

    async def keep_open(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        with suppress(OSError, asyncio.IncompleteReadError):
            while request := await reader.readuntil(b"\r\n\r\n"):
                await says(b"ok")(request, writer)
        writer.close()

    server = await asyncio.start_server(keep_open, "127.0.0.1", 0)
    here = f"site.test:{server.sockets[0].getsockname()[1]}"
    async with client(allow=[here], names={"site.test": [["127.0.0.1"]]}) as (outgoing, resolver):
        for _ in range(3):
            await outgoing.get(f"http://{here}/")
    server.close()
    assert (connections, len(resolver.asked)) == (3, 3)


async def test_the_environment_names_no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    async with listening(says(b"proxy")) as proxy, listening(says(b"site")) as site:
        for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        async with client(allow=[f"127.0.0.1:{site.port}"]) as (outgoing, _):
            assert (await outgoing.get(f"http://127.0.0.1:{site.port}/")).body == b"site"
        assert proxy.connections == 0


async def test_a_body_may_fill_its_bound_and_not_pass_it() -> None:
    async with listening(says(b"x" * 1_000)) as at:
        here = f"127.0.0.1:{at.port}"
        async with client(allow=[here], max_bytes=1_000) as (outgoing, _):
            assert len((await outgoing.get(f"http://{here}/")).body) == 1_000
            with pytest.raises(AnswerTooLarge):
                await outgoing.get(f"http://{here}/", max_bytes=999)
        async with client(allow=[here], max_bytes=999) as (outgoing, _):
            with pytest.raises(AnswerTooLarge):
                await outgoing.get(f"http://{here}/", max_bytes=1_000_000)


async def test_a_body_without_end_or_length_is_cut_off_at_the_bound() -> None:
    sent = 0

    async def pour(_request: bytes, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            writer.write(b"x" * 65_536)
            await writer.drain()
            sent += 65_536

    async with listening(pour) as at, client(allow=[f"127.0.0.1:{at.port}"]) as (outgoing, _):
        assert isinstance(await refusal(outgoing, f"http://127.0.0.1:{at.port}/"), AnswerTooLarge)
    assert sent < 50_000_000


async def test_a_gzip_bomb_does_not_unfold() -> None:
    bomb = gzip.compress(b"0" * 50_000_000)
    async with listening(says(bomb, "Content-Encoding: gzip")) as at:
        here = f"127.0.0.1:{at.port}"
        async with client(allow=[here], max_bytes=1_000_000) as (outgoing, _):
            assert len(bomb) < 1_000_000
            assert isinstance(await refusal(outgoing, f"http://{here}/"), AnswerTooLarge)


def test_a_gzip_bomb_takes_no_memory() -> None:
    bomb = gzip.compress(b"0" * 50_000_000)
    tracemalloc.start()
    with pytest.raises(AnswerTooLarge):
        gunzip(bomb, max_bytes=1_000_000)
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak_bytes < 5_000_000


async def test_a_body_announced_as_too_large_is_not_waited_for() -> None:
    async def announce(_request: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n")
        await writer.drain()
        await asyncio.sleep(3600)

    async with listening(announce) as at, client(allow=[f"127.0.0.1:{at.port}"]) as (outgoing, _):
        refused = await refusal(outgoing, f"http://127.0.0.1:{at.port}/")
    assert isinstance(refused, AnswerTooLarge)
    assert refused.values == {"received_bytes": 0}


async def test_a_compressed_body_arrives_whole() -> None:
    text = "Épilation à la cire, 12 €".encode() * 5_000
    members = gzip.compress(text[:60_000]) + gzip.compress(text[60_000:]) + b"\0" * 100
    async with listening(says(members, "Content-Encoding: gzip")) as at:
        here = f"127.0.0.1:{at.port}"
        async with client(allow=[here], max_bytes=len(text)) as (outgoing, _):
            assert (await outgoing.get(f"http://{here}/")).body == text


@pytest.mark.parametrize(
    ("body", "coding"),
    [
        (gzip.compress(b"a" * 900, mtime=0)[:-9], "gzip"),
        (b"no gzip", "gzip"),
        (b"x", "br"),
        (b"x", "gzip, br"),
    ],
)
async def test_a_body_that_cannot_be_decompressed_is_no_answer(body: bytes, coding: str) -> None:
    async with listening(says(body, f"Content-Encoding: {coding}")) as at:
        here = f"127.0.0.1:{at.port}"
        async with client(allow=[here]) as (outgoing, _):
            assert isinstance(await refusal(outgoing, f"http://{here}/"), Unreachable)


async def test_a_body_of_an_unwanted_kind_is_not_received() -> None:
    async with listening(says(b"x" * 200_000, "Content-Type: video/mp4")) as at:
        here = f"127.0.0.1:{at.port}"
        async with client(allow=[here]) as (outgoing, _):
            fetched = await outgoing.get(f"http://{here}/", only=frozenset({"text/html"}))
    assert (fetched.media_type, fetched.body) == ("video/mp4", b"")


async def test_a_body_that_drips_ends_at_the_deadline() -> None:
    async def drip(_request: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
        while True:
            writer.write(b"x")
            await writer.drain()
            await asyncio.sleep(0.02)

    async with listening(drip) as at:
        here = f"127.0.0.1:{at.port}"
        async with client(allow=[here], timeout_seconds=0.3) as (outgoing, _):
            assert isinstance(await refusal(outgoing, f"http://{here}/"), TooSlow)


async def test_a_server_that_never_answers_ends_at_the_deadline() -> None:
    async def hang(_request: bytes, _writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(3600)

    async with listening(hang) as at:
        here = f"127.0.0.1:{at.port}"
        async with client(allow=[here], timeout_seconds=1.0) as (outgoing, _):
            assert isinstance(await refusal(outgoing, f"http://{here}/"), TooSlow)


async def test_no_more_than_sixteen_requests_are_under_way() -> None:
    under_way = most = 0

    async def count(request: bytes, writer: asyncio.StreamWriter) -> None:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        await asyncio.sleep(0.02)
        under_way -= 1
        await says(b"ok")(request, writer)

    async with listening(count) as at, client(allow=[f"127.0.0.1:{at.port}"]) as (outgoing, _):
        url = f"http://127.0.0.1:{at.port}/"
        answers = await asyncio.gather(*(outgoing.get(url) for _ in range(60)))
    assert len(answers) == 60
    assert most == 16


@pytest.fixture
def certified(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ssl.SSLContext:
    """A server's TLS for bonjour.test, whose certificate this machine is told to trust."""
    certificate, key = tmp_path / "certificate.pem", tmp_path / "key.pem"
    certificate.write_text(ssl.DER_cert_to_PEM_cert(CERTIFICATE))
    lines = base64.encodebytes(KEY).decode()
    key.write_text(f"-----BEGIN {'PRIVATE'} KEY-----\n{lines}-----END {'PRIVATE'} KEY-----\n")
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context


async def test_the_certificate_is_checked_for_the_host_and_not_for_its_address(
    certified: ssl.SSLContext,
) -> None:
    asked_for: list[str | None] = []
    certified.sni_callback = lambda _tls, name, _context: asked_for.append(name)
    names = {"bonjour.test": [["127.0.0.1"]], "autre.test": [["127.0.0.1"]]}
    async with listening(says(b"chiffr\xc3\xa9"), certified) as at:
        allow = [f"{host}:{at.port}" for host in (*names, "127.0.0.1")]
        async with client(allow=allow, names=names) as (outgoing, _):
            fetched = await outgoing.get(f"https://bonjour.test:{at.port}/")
            assert fetched.body == "chiffré".encode()
            for host in ("autre.test", "127.0.0.1"):
                refused = await refusal(outgoing, f"https://{host}:{at.port}/")
                assert isinstance(refused, Unreachable)
    assert asked_for == ["bonjour.test", "autre.test", None]
    assert len(at.requests) == 1


async def test_a_connection_that_stops_speaking_tls_is_no_answer(certified: ssl.SSLContext) -> None:
    async def break_off(_request: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
        await writer.drain()
        os.write(writer.get_extra_info("socket").fileno(), b"this is no TLS record " * 9)

    async with listening(break_off, certified) as at:
        here = f"bonjour.test:{at.port}"
        async with client(allow=[here], names={"bonjour.test": [["127.0.0.1"]]}) as (outgoing, _):
            assert isinstance(await refusal(outgoing, f"https://{here}/"), Unreachable)
