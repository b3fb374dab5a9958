"""One server process while it runs: HTTP, jobs and demo side by side, and an orderly end."""

from __future__ import annotations

import asyncio
import contextlib
import json
import shlex
import signal
import socket
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager
from functools import partial

import httpx2
import structlog
import uvicorn
from procrastinate import App

import coccinelle
from coccinelle import checks
from coccinelle.app import create_app
from coccinelle.cli.demo import load_with_progress
from coccinelle.cli.serve import command_line
from coccinelle.cli.words import explained, note, say
from coccinelle.cli.working import work_on
from coccinelle.demo import content, loader
from coccinelle.demo import page as demo_page
from coccinelle.foundation import jobs
from coccinelle.foundation.errors import CoccinelleError
from coccinelle.foundation.health import Check, Health
from coccinelle.foundation.postgres import Addresses
from coccinelle.foundation.settings import Settings
from coccinelle.house import House, open_house
from coccinelle.providers.model import Endpoint
from coccinelle.tenants import store as tenants

STREAMS_END_SECONDS = 30
CHECK_SECONDS = 1.0

log = structlog.get_logger(__name__)


async def run_server(
    settings: Settings, addresses: Addresses, listener: socket.socket, *, demo: bool
) -> bool:
    """Serve until a signal; whether it could be served at all.

    The first Ctrl-C or SIGTERM lets answers that are being streamed end, for half a minute at
    most; a second Ctrl-C does not.
    """
    leaving = _Leaving()
    with leaving.signals():
        async with (
            open_house(settings, addresses) as house,
            jobs.queue(addresses.login) as queue,
            httpx2.AsyncClient(timeout=CHECK_SECONDS) as client,
        ):
            health = Health(_checks(house, queue, client, demo=demo))
            server = _Server(health, create_app(house, health))
            if demo:
                await _unless_left(leaving, _load_demo(house))
            if leaving.has_begun:
                return True
            leaving.then = server.leave
            background = _background(house, queue, server, listener)
            async with _beside(background, otherwise=server.give_up):
                await server.serve(sockets=[listener])
    return server.started


class _Leaving:
    """Whether a signal has asked us to leave. `then` is called once for it, and again for a
    second Ctrl-C, which does not want to wait."""

    def __init__(self) -> None:
        self.has_begun = False
        self.then: Callable[[], None] | None = None

    @contextlib.contextmanager
    def signals(self) -> Iterator[None]:
        """While the block runs, Ctrl-C and SIGTERM are noted, and interrupt nothing."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._leave, number)
        try:
            yield
        finally:
            for number in (signal.SIGINT, signal.SIGTERM):
                loop.remove_signal_handler(number)
                signal.signal(number, signal.SIG_IGN)

    def _leave(self, number: int) -> None:
        if self.has_begun and number != signal.SIGINT:
            return
        if not self.has_begun:
            note(say("\nArrêt en cours…", "\nStopping…"))
        self.has_begun = True
        if self.then:
            self.then()


class _Server(uvicorn.Server):
    """Uvicorn, leaving as we wish to: readiness goes first, and signals are not its own."""

    def __init__(self, health: Health, app: object) -> None:
        super().__init__(
            uvicorn.Config(
                app,  # type: ignore[arg-type]
                log_config=None,
                access_log=False,
                lifespan="off",
                ws="none",
                server_header=False,
                proxy_headers=False,
                timeout_graceful_shutdown=STREAMS_END_SECONDS,
            )
        )
        self._health = health
        self.answers = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Uvicorn's; afterwards `answers` is set."""
        await super().startup(sockets)
        self.answers.set()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Uvicorn's own would raise the signal again when all is done."""
        yield

    def leave(self) -> None:
        """Let what is being answered end; told again, do not."""
        self.force_exit = self.should_exit
        self._health.leave()
        self.should_exit = True

    def give_up(self) -> None:
        """Stop serving."""
        self.should_exit = True


def _checks(
    house: House, queue: App, client: httpx2.AsyncClient, *, demo: bool
) -> dict[str, Check]:
    settings = house.settings
    endpoint = Endpoint(settings.llm_base_url, settings.answer_key)
    found = {
        "database": checks.database(house.db),
        "llm": checks.language_model(
            endpoint, settings.answer_models, house.breakers.states, client
        ),
        "embeddings": checks.embeddings(house.embedder),
        "rerank": checks.rerank(house.reranker),
        "queue": checks.queue(queue),
    }
    if demo:
        found["demo"] = checks.demo(partial(loader.is_searchable, house.db))
    return found


@asynccontextmanager
async def _beside(
    work: Coroutine[None, None, None], *, otherwise: Callable[[], None]
) -> AsyncIterator[None]:
    """Run `work` while the block runs, and end it with it.

    If it breaks, `otherwise` is called, and its error raised when the block has ended.
    """
    task = asyncio.create_task(work)

    def broke(done: asyncio.Task[None]) -> None:
        if not done.cancelled() and done.exception() is not None:
            otherwise()

    task.add_done_callback(broke)
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def _unless_left(leaving: _Leaving, work: Coroutine[None, None, None]) -> None:
    """Do `work` before we answer: who asks meanwhile waits, and is not told half of what there
    is to know. A signal ends it."""
    task = asyncio.create_task(work)
    while not task.done() and not leaving.has_begun:
        await asyncio.wait({task}, timeout=0.1)
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


async def _background(house: House, queue: App, server: _Server, listener: socket.socket) -> None:
    """What to open and to type, then jobs for as long as we serve."""
    await server.answers.wait()
    await _announce(house, listener)
    if house.settings.jobs_concurrency > 0:
        await work_on(queue, house, concurrency=house.settings.jobs_concurrency)


async def _load_demo(house: House) -> None:
    try:
        await load_with_progress(house)
    except CoccinelleError as error:
        log.error("demo_not_loaded", code=error.code)
        note(str(explained(error)))


async def _announce(house: House, listener: socket.socket) -> None:
    host, port = listener.getsockname()[:2]
    shown = "localhost" if host in ("127.0.0.1", "::1", "0.0.0.0", "::") else host  # noqa: S104
    url = f"http://{f'[{shown}]' if ':' in shown else shown}:{port}"
    async with house.db.directory() as tx:
        there = {tenant.slug for tenant in await tenants.listed(tx)}
    lines = [
        "",
        say(
            f"Coccinelle {coccinelle.__version__} répond sur {url} (Ctrl-C pour arrêter).",
            f"Coccinelle {coccinelle.__version__} answers on {url} (Ctrl-C to stop).",
        ),
        f"  {say('À ouvrir', 'To open')} :",
        *(f"    {line}" for line in _to_open(url, there)),
        f"  {say('À taper', 'To type')} :",
        *(f"    {line}" for line in _to_type(url, there)),
    ]
    note("\n".join(lines))


def _to_open(url: str, there: set[str]) -> Iterator[str]:
    """Addresses; the demo's pages where their host names lead to us."""
    if "://localhost" in url:
        for tenant in content.tenants():
            if tenant.slug in there:
                yield url.replace("localhost", tenant.hosts[0]) + demo_page.PATH
    yield f"{url}/health"


def _to_type(url: str, there: set[str]) -> Iterator[str]:
    demos = [tenant for tenant in content.tenants() if tenant.slug in there]
    for tenant in demos:
        for agent in tenant.agents:
            body = json.dumps(
                {
                    "user_id": "moi",
                    "conversation_id": f"essai-{agent.key}",
                    "message": agent.examples[0].replace("'", "’"),
                },
                ensure_ascii=False,
            )
            host = tenant.hosts[0]
            bound = [] if host == "localhost" else ["-H", f"Host: {host}"]
            typed = ["-H", "Content-Type: application/json", *bound, "-d", body]
            yield shlex.join(["curl", f"{url}/api/chat", *typed])
    slug = demos[0].slug if demos else next(iter(sorted(there)), None)
    if slug is None:
        yield command_line("tenants", "create", "salon-rivoli", "--name", "Salon Rivoli")
    else:
        yield command_line("chat", "--tenant", slug)
