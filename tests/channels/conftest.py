"""The channels as the application puts them together, over a scripted engine, on loopback."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from uuid import uuid4

import httpx2
import pytest
import uvicorn
from fastapi import FastAPI

from coccinelle.channels import chat_v2, openai_api, webhook_v1
from coccinelle.channels.visitor import VisitorTokens
from coccinelle.conversations.model import Limits
from coccinelle.foundation import problems, web
from coccinelle.foundation.database import Database
from coccinelle.foundation.ids import TenantId
from coccinelle.foundation.problems import Refusals
from coccinelle.foundation.web import BodyLimit, BodyLimits, Proxies
from coccinelle.tenants import actions as tenants
from coccinelle.tenants.callers import Callers
from tests.listening import listening

from .scripted import ScriptedEngine

SECRET = "not a secret: tests only"
CHAT_BYTES = 64 * 1024
PAGE = "https://shop.example"


@dataclass(frozen=True)
class House:
    """A running server: where it is, what it answers with, what it signs with."""

    url: str
    app: FastAPI
    engine: ScriptedEngine
    tokens: VisitorTokens
    limits: Limits


@dataclass(frozen=True)
class Shop:
    """A tenant that can be called: by host name, public key and API key."""

    id: TenantId
    host: str
    public_key: str
    api_key: str
    marker: str = field(default_factory=lambda: uuid4().hex[:8])

    def name(self, text: str) -> str:
        """An id that no other test uses."""
        return f"{text}-{self.marker}"


def build(db: Database, engine: ScriptedEngine, limits: Limits, tokens: VisitorTokens) -> FastAPI:
    """The application's own way to put channels together."""
    refusals = Refusals(
        {
            webhook_v1.PREFIX: webhook_v1.error_response,
            openai_api.PREFIX: openai_api.error_response,
        }
    )
    chat = BodyLimit(CHAT_BYTES, 2.0)
    body_limits = BodyLimits((("/api/", chat), (webhook_v1.PREFIX, chat)))
    app = FastAPI(title="Coccinelle")
    callers = Callers(db, proxies=Proxies(["127.0.0.1"]))
    app.include_router(
        chat_v2.routes(engine, db, callers, limits, tokens=tokens, heartbeat_seconds=0.2)
    )
    app.include_router(webhook_v1.routes(engine, db, callers, limits))
    app.include_router(openai_api.routes(engine, db, callers, heartbeat_seconds=0.2))
    problems.install(app, refusals)
    web.install(app, refusals=refusals, limits=body_limits)
    return app


@pytest.fixture(scope="session")
async def running(db: Database) -> AsyncIterator[House]:
    """One server for all tests of the channels."""
    limits = Limits()
    engine = ScriptedEngine(db, limits)
    tokens = VisitorTokens(SECRET)
    app = build(db, engine, limits, tokens)
    async with serving(app) as url:
        yield House(url, app, engine, tokens, limits)


class serving:  # noqa: N801  (reads as a verb: async with serving(app) as url)
    """A uvicorn of its own, on a free port of loopback."""

    def __init__(self, app: FastAPI):
        self._socket = listening()
        config = uvicorn.Config(
            app, log_config=None, proxy_headers=False, server_header=False, lifespan="off"
        )
        self.server = uvicorn.Server(config)
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"

    async def __aenter__(self) -> str:
        self._task = asyncio.create_task(self.server._serve([self._socket]))
        while not self.server.started:  # noqa: ASYNC110  (uvicorn has no event for it)
            await asyncio.sleep(0.01)
        return self.url

    async def __aexit__(self, *_: object) -> None:
        self.server.should_exit = True
        await self._task


@pytest.fixture
def house(running: House) -> House:
    """The server, with an engine that answers as usual."""
    running.engine.reset()
    return running


@pytest.fixture
async def client(house: House) -> AsyncIterator[httpx2.AsyncClient]:
    """A client of the server."""
    async with httpx2.AsyncClient(base_url=house.url, timeout=20) as opened:
        yield opened


@pytest.fixture
async def shop(db: Database, rivoli: TenantId) -> Shop:
    """A tenant."""
    return await _shop(db, rivoli)


@pytest.fixture
async def other_shop(db: Database, nordlys: TenantId) -> Shop:
    """Another tenant."""
    return await _shop(db, nordlys)


async def _shop(db: Database, tenant_id: TenantId) -> Shop:
    host = f"{uuid4().hex[:12]}.example"
    async with db.tenant(tenant_id) as tx:
        await tenants.bind_host(tx, host=host, origins=[PAGE])
        public = await tenants.create_public_key(tx, name="site", origins=[PAGE])
        api = await tenants.create_api_key(tx, name="program")
    return Shop(tenant_id, host, public.secret, api.secret)
