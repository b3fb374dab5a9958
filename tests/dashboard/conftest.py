"""A server whose pages people use: as browsers without JavaScript send what they send."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from html import unescape
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI
from fastapi.routing import iter_route_contexts

from coccinelle.app import create_app
from coccinelle.dashboard.pages import PREFIXES
from coccinelle.dashboard.rendering import STATIC_PATH
from coccinelle.foundation.health import Health
from coccinelle.foundation.postgres import Addresses
from coccinelle.house import House
from coccinelle.tenants.accounts.cookies import LOCAL_COOKIE
from tests.accounts import Account, joined, signed_up
from tests.living import living


@dataclass
class Reader:
    """Somebody at a browser that runs no script and follows no redirect by itself."""

    client: httpx2.AsyncClient

    async def get(self, path: str, **headers: str) -> httpx2.Response:
        return await self.client.get(path, headers=headers)

    async def see(self, path: str) -> str:
        """What a page says that is there."""
        answer = await self.get(path)
        assert answer.status_code == 200, (path, answer.status_code, answer.headers)
        return unescape(answer.text)

    async def send(
        self, path: str, form: dict[str, Any] | None = None, **headers: str
    ) -> httpx2.Response:
        own = str(self.client.base_url).rstrip("/")
        said = {"Origin": own, "Sec-Fetch-Site": "same-origin", **headers}
        return await self.client.post(path, data=form or {"-": ""}, headers=said)


@dataclass(frozen=True)
class Town:
    """A running server with two businesses, and who works in them."""

    house: House
    url: str
    app: FastAPI
    lea: Account
    zoe: Account
    member: Account

    @asynccontextmanager
    async def reader(self, account: Account | None = None, **headers: str) -> AsyncIterator[Reader]:
        """A browser, signed in as `account`."""
        cookies = {LOCAL_COOKIE: account.token} if account else {}
        async with httpx2.AsyncClient(
            base_url=self.url, headers=headers, cookies=cookies, timeout=30
        ) as client:
            yield Reader(client)

    def routes(self, method: str) -> Iterator[str]:
        """Paths of the pages that answer `method`."""
        for context in iter_route_contexts(self.app.routes):
            path = str(context.path)
            is_page = path.startswith(PREFIXES) and not path.startswith(STATIC_PATH)
            if is_page and method in (context.methods or set()):
                yield path


@pytest.fixture(scope="session")
async def town(
    addresses: Addresses, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Town]:
    async with living(addresses, tmp_path_factory.mktemp("town")) as (house, url):
        async with httpx2.AsyncClient(base_url=url, timeout=30) as anybody:
            lea = await signed_up(anybody)
            zoe = await signed_up(anybody, name="Zoé Blanc", company_name="Salon Zoé")
        member = await joined(house, lea.tenant_id, role="member")
        yield Town(house, url, create_app(house, Health({})), lea, zoe, member)


@pytest.fixture
async def anybody(town: Town) -> AsyncIterator[Reader]:
    """Somebody who is not signed in."""
    async with town.reader() as reader:
        yield reader


@pytest.fixture
async def owner(town: Town) -> AsyncIterator[Reader]:
    """Léa, who owns the Garage du Port."""
    async with town.reader(town.lea) as reader:
        yield reader


@pytest.fixture
async def newcomer(town: Town, anybody: Reader) -> AsyncIterator[tuple[Reader, Account]]:
    """An owner of a business of her own, for what changes who she is."""
    account = await signed_up(anybody.client)
    async with town.reader(account) as reader:
        yield reader, account
