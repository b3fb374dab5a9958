"""Servers for browsers, on free ports of loopback."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import uvicorn
from starlette.types import Receive, Scope, Send

from tests.listening import listening

Application = Callable[[Scope, Receive, Send], Awaitable[None]]


@asynccontextmanager
async def serving(app: Application) -> AsyncIterator[str]:
    """The address at which `app` answers until the block ends."""
    listener = listening()
    config = uvicorn.Config(
        app, log_config=None, proxy_headers=False, server_header=False, lifespan="off"
    )
    server = uvicorn.Server(config)
    task = asyncio.create_task(server._serve([listener]))
    while not server.started:  # noqa: ASYNC110  (uvicorn has no event for it)
        await asyncio.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.force_exit = server.should_exit = True
        await task


def hang_up(send: Any) -> None:
    """Reset the connection that `send`, uvicorn's own, writes to."""
    send.__self__.transport.abort()
