"""Connections to providers: kept, replaced, encrypted, tunnelled, bounded."""

from __future__ import annotations

import asyncio
import shutil
import ssl
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from coccinelle.providers.model import Endpoint
from coccinelle.providers.wire import HIGH_WATER_BYTES, Wire, WireError, target

Client = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
ANSWER = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}"


@asynccontextmanager
async def listening(client: Client, tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    server = await asyncio.start_server(client, "127.0.0.1", 0, ssl=tls)
    async with server:
        yield server.sockets[0].getsockname()[1]


def soon() -> float:
    return asyncio.get_running_loop().time() + 5


async def posted(wire: Wire, url: str) -> bytes:
    reply = await wire.post(target(Endpoint(url), "/x"), b"{}", until=soon())
    try:
        return await reply.body(soon())
    finally:
        reply.close()


async def test_a_request_lost_with_its_kept_connection_is_sent_again(wire: Wire) -> None:
    seen: list[int] = []

    async def client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(0)
        await reader.readuntil(b"{}")
        writer.write(ANSWER)
        await reader.readuntil(b"{}")
        writer.close()

    async with listening(client) as port:
        for _ in range(2):
            assert await posted(wire, f"http://127.0.0.1:{port}") == b"{}"

    assert len(seen) == 2


async def test_a_request_lost_with_a_new_connection_is_not_sent_again(wire: Wire) -> None:
    seen: list[int] = []

    async def client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(0)
        await reader.readuntil(b"{}")
        writer.close()

    async with listening(client) as port:
        with pytest.raises(WireError) as caught:
            await posted(wire, f"http://127.0.0.1:{port}")

    assert caught.value.code == "disconnected"
    assert len(seen) == 1


@pytest.mark.parametrize("pause_seconds", [0.0, 0.05])
async def test_an_answer_that_was_not_asked_for_is_never_read(
    pause_seconds: float, wire: Wire
) -> None:
    async def client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"{}")
        writer.write(ANSWER)
        await asyncio.sleep(pause_seconds)
        writer.write(ANSWER.replace(b"{}", b"[]"))
        await reader.read()
        writer.close()

    async with listening(client) as port:
        for _ in range(2):
            assert await posted(wire, f"http://127.0.0.1:{port}") == b"{}"
            await asyncio.sleep(0.1)


async def test_an_interim_answer_is_passed_over(wire: Wire) -> None:
    async def client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"{}")
        writer.write(b"HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n" + ANSWER)
        await writer.drain()

    async with listening(client) as port:
        assert await posted(wire, f"http://127.0.0.1:{port}") == b"{}"


async def test_a_body_that_nobody_reads_is_not_gathered(wire: Wire) -> None:
    sent = 0

    async def client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        await reader.readuntil(b"{}")
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        for _ in range(400):
            writer.write(b"x" * 65536)
            await writer.drain()
            sent += 65536
        writer.close()

    async with listening(client) as port:
        to = target(Endpoint(f"http://127.0.0.1:{port}"), "/")
        reply = await wire.post(to, b"{}", until=soon())
        await asyncio.sleep(0.2)
        stalled = sent
        total = 0
        while data := await reply.read(soon()):
            assert len(data) < 4 * HIGH_WATER_BYTES
            total += len(data)
        reply.close()

    assert stalled < 400 * 65536
    assert total == 400 * 65536


async def test_a_body_longer_than_allowed_is_refused(wire: Wire) -> None:
    async def client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"{}")
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 5000)

    async with listening(client) as port:
        to = target(Endpoint(f"http://127.0.0.1:{port}"), "/")
        reply = await wire.post(to, b"{}", until=soon())
        with pytest.raises(WireError, match="too long"):
            await reply.body(soon(), limit_bytes=4000)
        reply.close()


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A key and a self-signed certificate for localhost in one file."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("no openssl to make a certificate with")
    pem = tmp_path_factory.mktemp("tls") / "loopback.pem"
    ask = (
        "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2"
        f" -subj /CN=localhost -addext subjectAltName=DNS:localhost -keyout {pem} -out {pem}.crt"
    )
    subprocess.run([openssl, *ask.split(" ")], check=True, capture_output=True)
    pem.write_text(pem.read_text() + Path(f"{pem}.crt").read_text())
    return pem


async def once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"{}")
    writer.write(ANSWER)
    await writer.drain()


async def test_a_certificate_that_the_system_trusts_is_accepted(
    certificate: Path, wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(certificate)
    async with listening(once, tls) as port:
        with pytest.raises(WireError) as caught:
            await posted(wire, f"https://localhost:{port}")
        assert caught.value.code == "unreachable"

        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        trusting = Wire()
        assert await posted(trusting, f"https://localhost:{port}") == b"{}"
        with pytest.raises(WireError):
            await posted(trusting, f"https://127.0.0.1:{port}")
        await trusting.aclose()


@pytest.mark.parametrize("allowed", [True, False])
async def test_https_goes_through_the_environments_proxy(
    allowed: bool, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(certificate)
    asked: list[bytes] = []

    async def proxy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append((await reader.readuntil(b"\r\n\r\n")).split(b"\r\n")[0])
        if not allowed:
            writer.write(b"HTTP/1.1 403 No\r\n\r\n")
            writer.close()
            return
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", port)
        await asyncio.gather(_copy(reader, far_writer), _copy(far_reader, writer))

    async with listening(once, tls) as port, listening(proxy) as proxy_port:
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{proxy_port}")
        monkeypatch.setenv("no_proxy", "")
        wire = Wire()
        if allowed:
            assert await posted(wire, f"https://localhost:{port}") == b"{}"
        else:
            with pytest.raises(WireError):
                await posted(wire, f"https://localhost:{port}")
        await wire.aclose()

    assert asked == [f"CONNECT localhost:{port} HTTP/1.1".encode()]


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65536):
        writer.write(data)
    writer.close()
