"""Somebody else's web site, where the widget is a guest, and a listener nobody may connect to."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from html import escape

from playwright.async_api import Page
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from tests.browser.loopback import serving


class Site:
    """An origin of its own, with the pages that a test puts there.

    `hits` are the paths that browsers asked for (a favicon, which they ask for by themselves, is
    none); `url` is an address of a secure context; `plain_url` the same site as an insecure one.
    """

    def __init__(self) -> None:
        self.url = ""
        self.hits: list[str] = []
        self._pages: dict[str, Response] = {}

    @property
    def plain_url(self) -> str:
        """The site as `http://plain.test`: another origin, where browsers withhold much."""
        return self.url.replace("127.0.0.1", "plain.test")

    def put(
        self,
        path: str,
        html: str,
        headers: Mapping[str, str] | None = None,
        *,
        kind: str = "text/html; charset=utf-8",
    ) -> str:
        """Publish `html` (or any other `kind` of text) at `path`, and give its whole address."""
        self._pages[path] = Response(html, headers=dict(headers or {}), media_type=kind)
        return self.url + path

    def clear(self) -> None:
        """Take every page down."""
        self._pages.clear()
        self.hits.clear()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        path = Request(scope).url.path
        if path != "/favicon.ico":
            self.hits.append(path)
        missing = Response(status_code=204 if path == "/favicon.ico" else 404)
        page = self._pages.get(path) or missing
        await page(scope, receive, send)


class Canary:
    """A listener that counts connections: whatever reaches it was a leak."""

    def __init__(self) -> None:
        self.url = ""
        self.hits: list[str] = []

    async def hear(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Note the first line of whoever connects, and hang up."""
        self.hits.append("connected")
        line = await reader.readline()
        self.hits[-1] = line.decode(errors="replace").strip() or "connected"
        writer.write(b"HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n")
        writer.close()


@asynccontextmanager
async def open_site() -> AsyncIterator[Site]:
    """A site that is up until the block ends."""
    site = Site()
    async with serving(site) as site.url:
        yield site


@asynccontextmanager
async def open_canary() -> AsyncIterator[Canary]:
    """A canary that listens until the block ends."""
    canary = Canary()
    server = await asyncio.start_server(canary.hear, "127.0.0.1", 0)
    canary.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    yield canary
    server.close()


def embed(base: str, key: str | None = "pk_x", **data: object) -> str:
    """The one line: a script tag whose `data-…` attributes are `data`.

    `key` None leaves it out, a dict is written as JSON, True as an attribute without a value.
    """
    attributes = {"key": key, **data}
    written = [_attribute(name, value) for name, value in attributes.items() if value is not None]
    return f'<script src="{escape(base)}/widget.js" {" ".join(written)} async></script>'


def document(body: str, *, lang: str = "fr", head: str = "", title: str = "Une page") -> str:
    """A whole page around `body`."""
    return (
        f'<!doctype html><html lang="{lang}"><head><meta charset="utf-8"><title>{title}</title>'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">{head}</head>'
        f"<body><main><h1>{title}</h1>{body}</main></body></html>"
    )


async def opened(page: Page) -> None:
    """Click the launcher, and wait until the dialog is there."""
    await page.locator("coccinelle-widget").get_by_role("button").first.click()
    await page.get_by_role("dialog").wait_for()


def _attribute(name: str, value: object) -> str:
    name = "data-" + name.replace("_", "-")
    if value is True:
        return name
    text = json.dumps(value) if isinstance(value, dict) else str(value)
    return f'{name}="{escape(text)}"'
