"""Whose request it is: found in one order, never by default, and only for pages that may."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from uuid import uuid4

import httpx2
import pytest
from fastapi import FastAPI, Request
from starlette.responses import JSONResponse, Response

from coccinelle.foundation import problems, web
from coccinelle.foundation.database import Database
from coccinelle.foundation.ids import TenantId
from coccinelle.foundation.problems import Refusals
from coccinelle.foundation.web import BodyLimits, Proxies
from coccinelle.tenants import actions as tenants
from coccinelle.tenants import store
from coccinelle.tenants.callers import Callers

GOOD = "https://good.example"


@dataclass(frozen=True)
class Doors:
    """The ways to one tenant."""

    tenant_id: TenantId
    host: str
    key: str
    own_pages_key: str
    api_key: str


@pytest.fixture
async def doors(db: Database, rivoli: TenantId) -> Doors:
    return await _doors(db, rivoli)


@pytest.fixture
async def other(db: Database, nordlys: TenantId) -> Doors:
    return await _doors(db, nordlys)


@pytest.fixture
async def client(db: Database) -> AsyncIterator[httpx2.AsyncClient]:
    """A house with one room, which says who came in."""
    callers = Callers(db, proxies=Proxies(["127.0.0.1"]), cache_seconds=0)
    app = FastAPI()

    async def who(request: Request) -> Response:
        caller = await callers.of(request)
        return JSONResponse({"tenant": str(caller.tenant_id), "via": caller.via})

    async def knowledge(request: Request) -> Response:
        caller = await callers.of(request, scope="knowledge")
        return JSONResponse({"tenant": str(caller.tenant_id), "via": caller.via})

    app.add_api_route("/who", who, methods=["GET", "POST"])
    app.add_api_route("/who", callers.preflight("GET, POST, OPTIONS"), methods=["OPTIONS"])
    app.add_api_route("/knowledge", knowledge, methods=["GET"])
    refusals = Refusals()
    problems.install(app, refusals)
    web.install(app, refusals=refusals, limits=BodyLimits())
    transport = httpx2.ASGITransport(app)
    async with httpx2.AsyncClient(transport=transport, base_url="http://nobody.example") as opened:
        yield opened


async def _doors(db: Database, tenant_id: TenantId) -> Doors:
    host = f"{uuid4().hex[:12]}.example"
    async with db.tenant(tenant_id) as tx:
        await tenants.bind_host(tx, host=host, origins=[GOOD])
        listed = await tenants.create_public_key(tx, name="site", origins=[GOOD])
        own = await tenants.create_public_key(tx, name="own pages")
        api = await tenants.create_api_key(tx, name="program")
    return Doors(tenant_id, host, listed.secret, own.secret, api.secret)


ORIGINS = [
    (GOOD, True),
    ("null", False),
    ("https://good.example.evil.example", False),
    ("https://good.example:444", False),
    ("https://good.example:443", False),
    ("http://good.example", False),
    ("https://good.example.", False),
    ("https://GOOD.example", False),
    ("HTTPS://good.example", False),
    ("https://good.example/", False),
    ("https://good.example/path", False),
    ("https://sub.good.example", False),
    ("https://good.exampl", False),
    ("https://notgood.example", False),
    ("https://good.example@evil.example", False),
    ("https://good.example%2eevil.example", False),
    ("https://good.example https://evil.example", False),
    ("file://", False),
    ("", False),
    (None, False),
]


@pytest.mark.parametrize(("origin", "is_allowed"), ORIGINS)
async def test_a_public_key_is_for_the_listed_pages_to_the_letter(
    client: httpx2.AsyncClient, doors: Doors, origin: str | None, is_allowed: bool
) -> None:
    headers = {"X-Coccinelle-Key": doors.key} | ({"Origin": origin} if origin is not None else {})
    answer = await client.post("/who", headers=headers)

    if is_allowed:
        assert answer.status_code == 200
        assert answer.headers["access-control-allow-origin"] == origin
        assert answer.headers["vary"] == "Origin"
        exposed = answer.headers["access-control-expose-headers"]
        assert {"X-Visitor-Token", "Retry-After", "X-Request-Id"} <= set(exposed.split(", "))
    else:
        assert (answer.status_code, answer.json()["code"]) == (403, "origin_not_allowed")
        assert [name for name in answer.headers if name.startswith("access-control")] == []


@pytest.mark.parametrize(("origin", "is_allowed"), ORIGINS[:-1])
async def test_a_host_name_is_for_the_pages_listed_with_it(
    client: httpx2.AsyncClient, doors: Doors, origin: str, is_allowed: bool
) -> None:
    answer = await client.post("/who", headers={"Host": doors.host, "Origin": origin})

    assert answer.status_code == (200 if is_allowed else 403)
    assert ("access-control-allow-origin" in answer.headers) is is_allowed


@pytest.mark.parametrize(("origin", "is_allowed"), ORIGINS[:-1])
@pytest.mark.parametrize("asked", ["content-type", "content-type,x-coccinelle-key"])
async def test_a_preflight_says_what_the_request_will_hear(
    client: httpx2.AsyncClient, doors: Doors, origin: str, is_allowed: bool, asked: str
) -> None:
    headers = {
        "Host": doors.host,
        "Origin": origin,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": asked,
    }
    answer = await client.options("/who", headers=headers)

    assert answer.status_code == (204 if is_allowed else 403)
    assert ("access-control-allow-origin" in answer.headers) is is_allowed


async def test_the_refusal_says_which_origin_to_add(
    client: httpx2.AsyncClient, doors: Doors
) -> None:
    headers = {"X-Coccinelle-Key": doors.key, "Accept-Language": "en"}
    named = await client.post("/who", headers={**headers, "Origin": "https://new.example:8443"})
    odd = await client.post("/who", headers={**headers, "Origin": "<script>"})

    assert "https://new.example:8443" in named.json()["detail"]
    assert "script" not in odd.text


async def test_an_empty_list_means_our_own_pages_only(
    client: httpx2.AsyncClient, doors: Doors
) -> None:
    key = {"X-Coccinelle-Key": doors.own_pages_key, "Host": "chat.example:8000"}
    own = await client.post("/who", headers={**key, "Origin": "http://chat.example:8000"})
    same = await client.post("/who", headers={**key, "Origin": "http://chat.example"})
    other = await client.post("/who", headers={**key, "Origin": GOOD})

    assert [a.status_code for a in (own, same, other)] == [200, 403, 403]


async def test_the_order_is_api_key_then_public_key_then_host_name(
    client: httpx2.AsyncClient, doors: Doors, other: Doors
) -> None:
    api = {"Authorization": f"Bearer {doors.api_key}"}
    key = {"X-Coccinelle-Key": doors.key, "Origin": GOOD}
    host = {"Host": other.host}
    by_api = await client.get("/who", headers={**api, "X-Coccinelle-Key": other.key, **host})
    by_key = await client.get("/who", headers={**key, **host})
    by_query = await client.get("/who", params={"key": doors.key}, headers={"Origin": GOOD, **host})
    by_host = await client.get("/who", headers={"Host": f"{other.host.upper()}:8000"})

    assert by_api.json() == {"tenant": str(doors.tenant_id), "via": "api_key"}
    assert by_key.json() == {"tenant": str(doors.tenant_id), "via": "public_key"}
    assert by_query.json() == by_key.json()
    assert by_host.json() == {"tenant": str(other.tenant_id), "via": "host"}


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Host": "nobody.example"},
        {"Host": "../../etc"},
        {"Authorization": "Bearer "},
        {"Authorization": "Bearer ck_nobody"},
        {"Authorization": "Bearer cs_nobody"},
        {"Authorization": "bearer eyJhbGciOiJub25lIn0.e30."},
        {"X-Coccinelle-Key": "pk_nobody", "Origin": GOOD},
        {"X-Tenant-Id": "1", "Authorization": "Basic YTpi"},
    ],
)
async def test_nothing_valid_is_401_and_never_a_default(
    client: httpx2.AsyncClient, doors: Doors, headers: dict[str, str]
) -> None:
    answer = await client.get("/who", headers=headers)

    assert answer.status_code == 401


async def test_a_wrong_credential_does_not_fall_through_to_the_host_name(
    client: httpx2.AsyncClient, doors: Doors
) -> None:
    for wrong in ({"Authorization": "Bearer ck_nobody"}, {"X-Coccinelle-Key": "pk_nobody"}):
        answer = await client.get("/who", headers={"Host": doors.host, **wrong})
        assert answer.status_code == 401


async def test_forwarded_host_names_are_not_believed(
    client: httpx2.AsyncClient, doors: Doors
) -> None:
    answer = await client.get("/who", headers={"X-Forwarded-Host": doors.host})

    assert answer.status_code == 401


async def test_a_right_that_a_key_has_not_is_403_and_no_key_is_401(
    client: httpx2.AsyncClient, doors: Doors, db: Database
) -> None:
    async with db.tenant(doors.tenant_id) as tx:
        narrow = await tenants.create_api_key(tx, name="chat only", scopes=["chat"])
    wide = await client.get("/knowledge", headers={"Authorization": f"Bearer {doors.api_key}"})
    chat = await client.get("/knowledge", headers={"Authorization": f"Bearer {narrow.secret}"})
    host = await client.get("/knowledge", headers={"Host": doors.host})

    assert [a.status_code for a in (wide, chat, host)] == [200, 403, 401]
    assert chat.json()["code"] == "scope_missing"


async def test_a_revoked_key_is_nobody(
    client: httpx2.AsyncClient, doors: Doors, db: Database
) -> None:
    async with db.tenant(doors.tenant_id) as tx:
        key = await tenants.create_public_key(tx, name="old", origins=["https://old.example"])
    page = {"X-Coccinelle-Key": key.secret, "Origin": "https://old.example"}
    before = await client.get("/who", headers=page)
    async with db.tenant(doors.tenant_id) as tx:
        await store.revoke_key(tx, key.id)
    after = await client.get("/who", headers=page)
    asked = {**page, "Access-Control-Request-Headers": "x-coccinelle-key"}
    preflight = await client.options("/who", headers=asked)

    assert [a.status_code for a in (before, after, preflight)] == [200, 401, 403]


async def test_what_was_found_is_remembered_for_a_while_and_what_was_not_is_not(
    db: Database, doors: Doors
) -> None:
    callers = Callers(db, cache_seconds=5)
    new_host = f"{uuid4().hex[:12]}.example"
    with pytest.raises(Exception, match="unauthenticated"):
        await callers.of(_request(new_host))
    async with db.tenant(doors.tenant_id) as tx:
        await tenants.bind_host(tx, host=new_host)
    found = await callers.of(_request(new_host))
    await db_is_not_asked(callers, new_host)

    assert found.tenant_id == doors.tenant_id


async def db_is_not_asked(callers: Callers, host: str) -> None:
    """A second look-up works without any database at all."""
    callers._db = None  # type: ignore[assignment]
    await callers.of(_request(host))


def _request(host: str) -> Request:
    return Request(
        {
            "type": "http",
            "method": "GET",
            "path": "/",
            "query_string": b"",
            "scheme": "http",
            "client": ("192.0.2.1", 1),
            "headers": [(b"host", host.encode())],
        }
    )
