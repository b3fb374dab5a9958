"""Turns in a process of their own, which tests run beside another one, or kill.

    python -m tests.journeys.turn_process post ADDRESS TENANT LLM USER CONVERSATION KEY TEXT COUNT
    python -m tests.journeys.turn_process serve ADDRESS DATA LLM
    python -m tests.journeys.turn_process die ADDRESS TENANT KIND

`post` opens a house, says `ready`, waits for a line, posts one message COUNT times at once, and
prints what each post came to, as JSON. `serve` answers over HTTP and prints where. `die` runs one
turn after another, each in a child that is killed one moment later than the one before, until one
lives; it prints what each was told.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any
from uuid import UUID

import uvicorn

from coccinelle.app import create_app
from coccinelle.conversations.model import Limits
from coccinelle.engine.model import Inbound, TurnFinished, TurnStarted
from coccinelle.engine.turns import Engine
from coccinelle.foundation.errors import CoccinelleError
from coccinelle.foundation.health import Health
from coccinelle.foundation.ids import TenantId
from coccinelle.foundation.postgres import Addresses
from coccinelle.foundation.settings import Settings
from coccinelle.house import open_house
from tests.embedder import WordEmbedder
from tests.engine import setting
from tests.journeys.watched import Reaper, WatchedDatabase
from tests.listening import listening

LEASE_SECONDS = 5
TEXTS = {
    "question": setting.EMAILS,
    "person": "Je veux parler à un humain",
}


async def post(
    address: str,
    tenant: str,
    llm: str,
    user: str,
    conversation: str,
    key: str,
    text: str,
    count: str,
) -> None:
    inbound = Inbound(TenantId(UUID(tenant)), "chat_v2", user, conversation, text, key)
    async with open_house(_settings(llm), Addresses(address, address)) as house:
        await house.views.get(inbound.tenant_id)
        say("ready")
        await asyncio.to_thread(sys.stdin.readline)
        found = await asyncio.gather(*(_result(house.engine, inbound) for _ in range(int(count))))
    for one in found:
        say(json.dumps(one))


async def serve(address: str, data: str, llm: str) -> None:
    listener = listening()
    settings = _settings(llm, data=Path(data))
    async with open_house(settings, Addresses(address, address)) as house:
        app = create_app(house, Health({}))
        config = uvicorn.Config(app, log_config=None, lifespan="off", access_log=False)
        say(f"http://127.0.0.1:{listener.getsockname()[1]}")
        await uvicorn.Server(config).serve(sockets=[listener])


def _settings(llm: str, **more: Any) -> Settings:
    return Settings(
        llm_base_url=llm,
        llm_answer_models=("first",),
        embeddings_base_url=llm,
        lease_seconds=LEASE_SECONDS,
        twin_wait_seconds=20,
        llm_total_seconds=20,
        llm_first_token_seconds=15,
        llm_gap_seconds=15,
        **more,
    )


async def _result(engine: Engine, inbound: Inbound) -> dict[str, Any]:
    try:
        result = await (await engine.start(inbound)).result()
    except CoccinelleError as error:
        return {"error": error.code}
    return {"turn_id": str(result.turn_id), "text": result.text, "outcome": result.outcome}


def die(address: str, tenant: str, kind: str) -> None:
    """Kill a child at the first moment, the next one at the second, and so on until one lives."""
    for dies_at in range(1, 200):
        child = os.fork()
        if child == 0:
            asyncio.run(_dying(address, TenantId(UUID(tenant)), kind, dies_at))
            os._exit(0)
        _, status = os.waitpid(child, 0)
        if os.WIFEXITED(status):
            say(json.dumps({"lived": dies_at, "code": os.WEXITSTATUS(status)}))
            return


async def _dying(address: str, tenant_id: TenantId, kind: str, dies_at: int) -> None:
    reaper = Reaper(dies_at)
    db = WatchedDatabase(address, reaper)
    await db.open()
    limits = Limits(messages=1000, lease_seconds=1)
    engine = setting.engine_of(db, WordEmbedder(), limits=limits)
    warm = setting.talk(engine, tenant_id)
    conversation = f"{kind}-{dies_at}"
    talk = setting.Talk(engine, tenant_id, f"u-{conversation}", conversation)
    await warm.say("Bonjour")
    reaper.is_armed = True
    live = await talk.start(TEXTS[kind], key="m-1")
    async for _, event in live.events():
        if isinstance(event, TurnStarted):
            say(json.dumps({"conversation": conversation, "turn_id": str(event.turn_id)}))
        if isinstance(event, TurnFinished):
            told = {"conversation": conversation, "turn_id": str(event.result.turn_id)}
            say(json.dumps(told | {"answer": event.result.text}))
    await engine.drain(5)


def say(line: str) -> None:
    """Written at once: what is told before a death has been told."""
    os.write(1, f"{line}\n".encode())


if __name__ == "__main__":
    if sys.argv[1] == "die":
        die(*sys.argv[2:])
    elif sys.argv[1] == "serve":
        asyncio.run(serve(*sys.argv[2:]))
    else:
        asyncio.run(post(*sys.argv[2:]))
