"""What every request goes through, over a real server where sockets matter."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator

import httpx2
import pytest
import uvicorn
from fastapi import FastAPI, Request
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel
from starlette.responses import Response, StreamingResponse

from coccinelle.foundation import problems, web
from coccinelle.foundation.problems import Refusals
from coccinelle.foundation.web import BodyLimit, BodyLimits, Proxies, is_storable_json
from tests.listening import listening

SMALL = 1024


class Note(BaseModel):
    """A body."""

    text: str


def built() -> FastAPI:
    app = FastAPI()

    @app.post("/notes")
    async def write(note: Note) -> dict[str, int]:
        return {"length": len(note.text)}

    @app.post("/raw")
    async def raw(request: Request) -> dict[str, int]:
        return {"length": len(await request.body())}

    @app.post("/uploads")
    async def upload(request: Request) -> dict[str, int]:
        form = await request.form()
        return {"fields": len(form)}

    @app.get("/page")
    async def page() -> Response:
        return Response("<p>", media_type="text/html", headers={"Cache-Control": "max-age=60"})

    @app.get("/late")
    async def late() -> Response:
        async def parts() -> AsyncIterator[bytes]:
            yield b"one"
            raise ZeroDivisionError

        return StreamingResponse(parts())

    refusals = Refusals()
    problems.install(app, refusals)
    small = BodyLimit(SMALL, 0.5)
    limits = BodyLimits((("/uploads", BodyLimit(10 * SMALL, 5.0)),), small)
    web.install(app, refusals=refusals, limits=limits)
    return app


@pytest.fixture(scope="module")
async def url() -> AsyncIterator[str]:
    listener = listening()
    config = uvicorn.Config(built(), log_config=None, lifespan="off", proxy_headers=False)
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server._serve([listener]))
    while not server.started:  # noqa: ASYNC110  (uvicorn has no event for it)
        await asyncio.sleep(0.01)
    yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    server.should_exit = True
    await serving


@pytest.fixture
async def client(url: str) -> AsyncIterator[httpx2.AsyncClient]:
    async with httpx2.AsyncClient(base_url=url, timeout=20) as opened:
        yield opened


async def spoken(url: str, said: bytes, *, more: bytes = b"") -> bytes:
    """What the server answers to bytes on a socket."""
    host, port = url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(said)
    await writer.drain()
    if more:
        await asyncio.sleep(0.05)
        writer.write(more)
    answer = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10)
    writer.close()
    return answer


async def test_every_answer_has_a_number_and_safe_headers(client: httpx2.AsyncClient) -> None:
    for path in ("/page", "/nothing"):
        answer = await client.get(path)
        assert len(answer.headers["x-request-id"]) == 32
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"
    problem = await client.get("/nothing")

    assert problem.headers["cache-control"] == "no-store"
    assert problem.json()["request_id"] == problem.headers["x-request-id"]


async def test_an_answer_keeps_the_cache_rule_that_it_gives_itself(
    client: httpx2.AsyncClient,
) -> None:
    assert (await client.get("/page")).headers["cache-control"] == "max-age=60"


async def test_two_requests_have_two_numbers(client: httpx2.AsyncClient) -> None:
    first, second = await client.get("/page"), await client.get("/page")

    assert first.headers["x-request-id"] != second.headers["x-request-id"]


@pytest.mark.parametrize("path", ["/notes", "/raw"])
async def test_a_body_at_the_limit_is_read_and_one_byte_more_is_not(
    client: httpx2.AsyncClient, path: str
) -> None:
    filler = SMALL - len(json.dumps({"text": ""}))
    fits = await client.post(path, json={"text": "x" * filler}, headers=_compact())
    content = json.dumps({"text": "x" * (filler + 1)}).encode()
    over = await client.post(path, content=content, headers={"Content-Type": "application/json"})

    assert fits.status_code == 200
    assert (over.status_code, over.json()["code"]) == (413, "body_too_large")
    assert str(SMALL) in over.json()["detail"]


def _compact() -> dict[str, str]:
    return {"Content-Type": "application/json"}


async def test_a_chunked_body_is_counted_as_it_comes(client: httpx2.AsyncClient) -> None:
    async def endless() -> AsyncIterator[bytes]:
        for _ in range(64):
            yield b"x" * 256

    answer = await client.post("/raw", content=endless())

    assert answer.status_code == 413


async def test_an_announced_length_is_refused_before_the_body_comes(url: str) -> None:
    said = b"POST /raw HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999\r\n\r\n"

    assert (await spoken(url, said)).startswith(b"HTTP/1.1 413")


async def test_a_length_that_lies_does_not_let_more_in(url: str) -> None:
    said = b"POST /raw HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n" + b"x" * 5000

    assert (await spoken(url, said)).startswith((b"HTTP/1.1 200", b"HTTP/1.1 400"))


async def test_a_body_that_drips_is_given_up(url: str) -> None:
    said = b"POST /raw HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nx"

    assert (await spoken(url, said, more=b"x")).startswith(b"HTTP/1.1 422")


async def test_uploads_have_a_limit_of_their_own(client: httpx2.AsyncClient) -> None:
    fits = await client.post("/uploads", files={"file": b"\x00" * 5 * SMALL})
    over = await client.post("/uploads", files={"file": b"\x00" * 11 * SMALL})

    assert (fits.status_code, over.status_code) == (200, 413)


@pytest.mark.parametrize(
    "content", [b'{"text": "\\u0000"}', b'{"text": "\\ud800"}', b'{"text": "\xed\xa0\x80"}']
)
async def test_text_that_nobody_can_keep_is_422_on_every_route(
    client: httpx2.AsyncClient, content: bytes
) -> None:
    for path in ("/notes", "/raw"):
        answer = await client.post(
            path, content=content, headers={"Content-Type": "application/json"}
        )
        assert (answer.status_code, answer.json()["code"]) == (422, "unstorable_characters")


async def test_a_header_with_half_a_character_is_422(client: httpx2.AsyncClient) -> None:
    answer = await client.get("/page", headers=[(b"X-Any", b"a\xed\xa0\x80")])

    assert answer.status_code == 422


async def test_nul_in_a_header_is_422_when_a_server_lets_it_through() -> None:
    transport = httpx2.ASGITransport(built())
    async with httpx2.AsyncClient(transport=transport, base_url="http://x") as client:
        answer = await client.get("/page", headers=[(b"X-Any", b"a\x00b")])

    assert answer.status_code == 422


async def test_a_failure_after_the_first_byte_cuts_the_answer(client: httpx2.AsyncClient) -> None:
    with pytest.raises(httpx2.RemoteProtocolError):
        await client.get("/late")


@given(st.recursive(st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)))
def test_json_is_storable_exactly_when_its_text_is(value: object) -> None:
    encoded = json.dumps(value, ensure_ascii=True).encode()
    plain = json.dumps(value, ensure_ascii=False)

    assert is_storable_json(encoded) == ("\\u0000" not in encoded.decode().replace("\\\\", ""))
    if "\\u0000" not in plain:
        assert is_storable_json(plain.encode())


@given(st.text(st.characters(categories=["Cs", "Ll"]), min_size=1))
def test_half_a_pair_is_never_storable(text: str) -> None:
    is_whole = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace").count("\ufffd")
    encoded = json.dumps(text).encode()

    assert is_storable_json(encoded) == (is_whole == 0)


TRUSTED = ["10.0.0.0/8", "192.0.2.1", "fd00::/8"]


@pytest.mark.parametrize(
    ("peer", "forwarded", "address"),
    [
        ("203.0.113.7", [], "203.0.113.7"),
        ("203.0.113.7", ["198.51.100.1"], "203.0.113.7"),
        ("10.0.0.1", ["198.51.100.1"], "198.51.100.1"),
        ("10.0.0.1", ["6.6.6.6, 198.51.100.1"], "198.51.100.1"),
        ("10.0.0.1", ["6.6.6.6, 198.51.100.1, 192.0.2.1"], "198.51.100.1"),
        ("10.0.0.1", ["6.6.6.6", "198.51.100.1", "10.9.9.9"], "198.51.100.1"),
        ("10.0.0.1", ["198.51.100.1:4711"], "198.51.100.1"),
        ("10.0.0.1", ['"[2001:db8:1:2:3::4]:80"'], "2001:db8:1:2::/64"),
        ("10.0.0.1", ["garbage"], "10.0.0.1"),
        ("10.0.0.1", ["6.6.6.6, garbage"], "10.0.0.1"),
        ("10.0.0.1", [""], "10.0.0.1"),
        ("10.0.0.1", ["10.0.0.2"], "10.0.0.2"),
        ("fd00::1", ["2001:db8::1"], "2001:db8::/64"),
        ("2001:db8:1:2:aaaa::1", [], "2001:db8:1:2::/64"),
        ("2001:db8:1:2:bbbb::9", [], "2001:db8:1:2::/64"),
        ("::ffff:203.0.113.7", [], "203.0.113.7"),
        ("::ffff:10.0.0.1", ["198.51.100.1"], "198.51.100.1"),
        ("", [], "unknown"),
    ],
)
def test_an_address_is_the_nearest_that_no_trusted_proxy_has(
    peer: str, forwarded: list[str], address: str
) -> None:
    headers = [(b"x-forwarded-for", line.encode()) for line in forwarded]
    scope = {"type": "http", "client": (peer, 1) if peer else None, "headers": headers}

    assert Proxies(TRUSTED).client_address(scope) == address


@pytest.mark.parametrize("entry", ["localhost", "10.0.0.1/33", "*"])
def test_a_proxy_that_is_no_address_stops_the_start(entry: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        Proxies([entry])


@pytest.mark.parametrize(
    ("peer", "proto", "origin"),
    [
        ("10.0.0.1", "https", "https://chat.example"),
        ("203.0.113.7", "https", "http://chat.example"),
        ("10.0.0.1", "", "http://chat.example"),
    ],
)
def test_the_scheme_is_believed_from_a_trusted_proxy_only(
    peer: str, proto: str, origin: str
) -> None:
    headers = [(b"host", b"Chat.example"), (b"x-forwarded-proto", proto.encode())]
    scope = {"type": "http", "scheme": "http", "client": (peer, 1), "headers": headers}

    assert Proxies(TRUSTED).own_origin(scope) == origin
