"""A page that talks by the transport alone, and a cable between it and a server that can be cut."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from socket import SO_LINGER, SOL_SOCKET
from typing import Any

from playwright.async_api import BrowserContext, Page

from coccinelle.channels.widget.assets import STATIC
from tests.browser.site import Site, document

SETUP = """async ({module, options}) => {
  const {Transport} = await import(module);
  const chat = window.chat = new Transport(options);
  window.turns = [];
  window.changes = [];
  window.refusals = [];
  chat.onchange = (what) => changes.push(what);
  chat.onerror = (error) => refusals.push(told(error));
  window.told = (error) => ({...error, name: error.name, message: error.message});
  window.ask = (text, options = {}) => {
    const turn = {events: [], error: null, isOver: false, stop: new AbortController()};
    turns.push(turn);
    turn.ended = (async () => {
      try {
        for await (const event of chat.send(text, {signal: turn.stop.signal, ...options})) {
          turn.events.push(event);
        }
      } catch (error) {
        turn.error = told(error);
      }
      turn.isOver = true;
    })();
    return turns.length - 1;
  };
  window.trying = async (act) => {
    try { return {value: await act()}; } catch (error) { return {error: told(error)}; }
  };
}"""


@dataclass(frozen=True)
class Turn:
    """What a message came to, so far."""

    events: list[dict[str, Any]]
    error: dict[str, Any] | None
    is_over: bool

    @property
    def kinds(self) -> list[str]:
        """The types of its events."""
        return [event["type"] for event in self.events]

    @property
    def shown(self) -> str:
        """The text as a reader has it: what is reset is dropped."""
        text = ""
        for event in self.events:
            text = "" if event["type"] == "reset" else text + event.get("text", "")
        return text

    @property
    def answer(self) -> dict[str, Any]:
        """The data of `done`."""
        assert self.error is None, self.error
        done: dict[str, Any] = self.events[-1]["answer"]
        return done


class Talk:
    """A page with a transport of its own, called `chat` in scripts."""

    def __init__(self, page: Page) -> None:
        self.page = page

    async def run(self, script: str, value: object = None) -> Any:
        """What `script`, a function, gives in the page."""
        return await self.page.evaluate(script, value)

    async def start(self, text: str, **options: object) -> int:
        """Say something, and do not wait; the number of the turn."""
        number: int = await self.run("([text, options]) => ask(text, options)", [text, {**options}])
        return number

    async def ask(self, text: str, **options: object) -> Turn:
        """Say something, and wait for all that comes of it."""
        return await self.ended(await self.start(text, **options))

    async def hurried(self, number: int = 0, *, seconds: int = 120) -> Turn:
        """A turn once it is over, in a page whose time is the test's: at most `seconds` go by."""
        for _ in range(seconds):
            if (await self.turn(number)).is_over:
                break
            await self.page.clock.run_for(1_000)
            await asyncio.sleep(0.02)
        return await self.ended(number, timeout_ms=5_000)

    async def turn(self, number: int = 0) -> Turn:
        """How far a turn is."""
        script = (
            "(n) => { const {events, error, isOver} = turns[n]; return [events, error, isOver]; }"
        )
        return Turn(*await self.run(script, number))

    async def ended(self, number: int = 0, *, timeout_ms: float = 60_000) -> Turn:
        """A turn once it is over."""
        await self.page.wait_for_function("(n) => turns[n].isOver", arg=number, timeout=timeout_ms)
        return await self.turn(number)

    async def until(self, condition: str) -> None:
        """Wait until an expression is true in the page."""
        await self.page.wait_for_function(condition)

    async def until_event(self, kind: str, number: int = 0) -> None:
        """Wait for an event of that type."""
        condition = "([n, kind]) => turns[n].events.some((event) => event.type === kind)"
        await self.page.wait_for_function(condition, arg=[number, kind])


def module(site: Site) -> str:
    """The address of the transport, published on somebody's site."""
    text = (STATIC / "transport.js").read_text("utf-8")
    for_any_page = {"Access-Control-Allow-Origin": "*"}
    return site.put("/transport.js", text, for_any_page, kind="text/javascript")


async def talk(
    context: BrowserContext,
    site: Site,
    base: str,
    *,
    key: str | None = "pk_x",
    path: str = "/",
    origin: str | None = None,
    with_clock: bool = False,
    **options: object,
) -> Talk:
    """A new page of `site` that talks to `base`; `with_clock` its time is the test's own."""
    page = await context.new_page()
    if with_clock:
        await page.clock.install()
    site.put(path, document(""))
    await page.goto((origin or site.url) + path)
    return await set_up(page, site, base, key=key, **options)


async def set_up(
    page: Page, site: Site, base: str, *, key: str | None = "pk_x", **options: object
) -> Talk:
    """Give a page that is open a transport, as after every load of it."""
    given = {"base": base, "language": "fr", **({"key": key} if key else {}), **options}
    address = module(site).replace(site.url, await page.evaluate("location.origin"))
    await page.evaluate(SETUP, {"module": address, "options": given})
    return Talk(page)


class Cable:
    """A way to a server that can be cut, or lose answers.

    `url` is where it begins, `connections` how many there were.
    """

    def __init__(self, server: str) -> None:
        self.server = server
        self.url = ""
        self.connections = 0
        self.is_cut = False
        self.loses_answers = False
        self.lost = asyncio.Event()
        self._ends: set[asyncio.StreamWriter] = set()

    def cut(self) -> None:
        """Reset whatever is connected, and whoever connects until `mend`."""
        self.is_cut = True
        for end in list(self._ends):
            _reset(end)

    def mend(self) -> None:
        """Connect again."""
        self.is_cut = False

    async def connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Carry one connection."""
        self.connections += 1
        if self.is_cut:
            _reset(writer)
            return
        host, port = self.server.removeprefix("http://").split(":")
        there, here = await asyncio.open_connection(host, int(port))
        ends = {writer, here}
        self._ends |= ends
        try:
            await asyncio.gather(self._carry(reader, here), self._carry(there, writer, back=True))
        except ConnectionError:
            pass
        finally:
            self._ends -= ends
            for end in ends:
                end.close()

    async def _carry(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, back: bool = False
    ) -> None:
        while data := await reader.read(65536):
            if back and self.loses_answers and b"text/event-stream" in data:
                self.loses_answers = False
                self.lost.set()
                _reset(writer)
                return
            writer.write(data)
            await writer.drain()
        writer.close()


def _reset(writer: asyncio.StreamWriter) -> None:
    writer.get_extra_info("socket").setsockopt(SOL_SOCKET, SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


@asynccontextmanager
async def cabled(server: str) -> AsyncIterator[Cable]:
    """A cable to `server` until the block ends."""
    cable = Cable(server)
    listening = await asyncio.start_server(cable.connect, "127.0.0.1", 0)
    cable.url = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
    try:
        yield cable
    finally:
        cable.cut()
        listening.close()
