"""A real browser, other people's pages, and servers for them: a scripted one and a whole house."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import pytest
from playwright.async_api import Browser, BrowserContext, ConsoleMessage, Page, async_playwright

from coccinelle.foundation.postgres import Addresses
from coccinelle.house import House as Running
from coccinelle.tenants import actions as tenants
from tests.browser import chromium
from tests.browser.scripted import Scripted, open_scripted
from tests.browser.site import Canary, Site, open_canary, open_site
from tests.living import Business, living, move_in

DESKTOP = {"width": 1280, "height": 800}
PHONE = {"width": 390, "height": 844}

Visiting = Callable[..., Awaitable[BrowserContext]]


@dataclass(frozen=True)
class House:
    """A real Coccinelle for two businesses; their keys and host names allow the site's pages."""

    url: str
    running: Running
    rivoli: Business
    nordlys: Business

    def url_of(self, business: Business) -> str:
        """Its address under the business's own host name."""
        return self.url.replace("127.0.0.1", business.host)


@pytest.fixture(scope="session")
async def browser() -> AsyncIterator[Browser]:
    """One Chromium for all tests of this process."""
    async with async_playwright() as playwright:
        path = chromium.found(playwright)
        if path is None and os.environ.get("CI"):
            pytest.fail(chromium.MISSING)
        if path is None:
            pytest.skip(chromium.MISSING)
        launched = await chromium.launch(playwright, path)
        yield launched
        await launched.close()


@pytest.fixture
def uncaught() -> list[str]:
    """Uncaught exceptions of any page so far: whoever expects one looks at it and takes it out."""
    return []


@pytest.fixture
def complaints() -> list[str]:
    """What any page's console was told as an error: blocked by a policy, not found…"""
    return []


@pytest.fixture
async def visiting(
    browser: Browser, uncaught: list[str], complaints: list[str]
) -> AsyncIterator[Visiting]:
    """Opens fresh profiles: `await visiting()`, with what Playwright's `new_context` knows.

    They are closed after the test, which fails when a page of theirs had an uncaught exception.
    """
    opened: list[BrowserContext] = []

    def complain(said: ConsoleMessage) -> None:
        if said.type == "error":
            complaints.append(said.text)

    async def visit(**options: Any) -> BrowserContext:
        context = await browser.new_context(
            **{"locale": "fr-FR", "viewport": DESKTOP, "timezone_id": "Europe/Paris", **options}
        )
        context.set_default_timeout(10_000)
        context.on("weberror", lambda error: uncaught.append(str(error.error)))
        context.on("console", complain)
        opened.append(context)
        return context

    yield visit
    for context in opened:
        await context.close()
    assert not uncaught


@pytest.fixture
async def context(visiting: Visiting) -> BrowserContext:
    """A fresh profile of a French visitor at a desk."""
    return await visiting()


@pytest.fixture
async def page(context: BrowserContext) -> Page:
    """A page of that profile."""
    return await context.new_page()


@pytest.fixture
async def phone(visiting: Visiting) -> Page:
    """A page on a phone, in a profile of its own."""
    context = await visiting(viewport=PHONE, has_touch=True, is_mobile=True, device_scale_factor=2)
    return await context.new_page()


@pytest.fixture(scope="session")
async def _site() -> AsyncIterator[Site]:
    async with open_site() as opened:
        yield opened


@pytest.fixture
def site(_site: Site) -> Site:
    """Somebody's web site, without a page."""
    _site.clear()
    return _site


@pytest.fixture
async def canary() -> AsyncIterator[Canary]:
    """A listener that nobody may connect to."""
    async with open_canary() as opened:
        yield opened


@pytest.fixture(scope="session")
async def _scripted() -> AsyncIterator[Scripted]:
    async with open_scripted() as opened:
        yield opened


@pytest.fixture
def scripted(_scripted: Scripted) -> Scripted:
    """A server that answers as it is told, with nothing scripted."""
    _scripted.reset()
    return _scripted


@pytest.fixture(scope="session")
async def house(
    addresses: Addresses, _site: Site, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[House]:
    """A real server with two businesses."""
    data = tmp_path_factory.mktemp("data")
    async with living(addresses, data) as (running, url):
        rivoli, nordlys = [
            await _with_site(running, await move_in(running, name), _site)
            for name in ("rivoli", "nordlys")
        ]
        yield House(url, running, rivoli, nordlys)


async def _with_site(running: Running, business: Business, site: Site) -> Business:
    """The business with a public key, and a host name, that the site's pages may use."""
    origins = [site.url, site.plain_url]
    async with running.db.tenant(business.id) as tx:
        await tenants.bind_host(tx, host=business.host, origins=origins)
        public = await tenants.create_public_key(tx, name="site", origins=origins)
    return dataclasses.replace(business, public_key=public.secret)
